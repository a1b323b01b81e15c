package slotmap

// syncDir has nothing to do: NTFS journals its directories, and a directory
// cannot be opened for syncing.
func syncDir(string) error { return nil }
