//go:build !windows

package loader

import (
	"errors"
	"os"
	"syscall"
)

// isReadOnly says whether the file system is mounted read-only.
func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// isOtherVolume says whether a rename failed because it would cross volumes.
func isOtherVolume(err error) bool { return errors.Is(err, syscall.EXDEV) }

// syncDir makes renames in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
