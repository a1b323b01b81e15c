package loader

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isReadOnly says whether the medium is write-protected.
func isReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

// isOtherVolume says whether a rename failed because it would cross volumes.
func isOtherVolume(err error) bool { return errors.Is(err, windows.ERROR_NOT_SAME_DEVICE) }

// syncDir has nothing to do: NTFS journals its directories, and a directory
// cannot be opened for syncing.
func syncDir(string) error { return nil }
