package tape

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Sync makes content and size durable, without the times of the inode.
func (f *osFile) Sync() error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Allocate reserves extents beyond the end; not on tmpfs, where a page is
// better taken when it is written.
func (f *osFile) Allocate(off, n int64) int64 {
	if f.noAllocate {
		return 0
	}
	if !f.canAllocate {
		var st unix.Statfs_t
		if unix.Fstatfs(int(f.Fd()), &st) != nil || int64(st.Type) == unix.TMPFS_MAGIC {
			f.noAllocate = true
			return 0
		}
		f.canAllocate = true
	}
	if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, off, n); err != nil {
		f.noAllocate = true
		return 0
	}
	return n
}

// WriteBack starts the writing of a range.
func (f *osFile) WriteBack(off, n int64) error {
	return unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}

// CloneFrom shares the extents of the first n bytes of src, where the file
// system has reflinks.
func (f *osFile) CloneFrom(src File, n int64) error {
	s, ok := src.(*osFile)
	if !ok {
		return unix.EOPNOTSUPP
	}
	if err := unix.IoctlFileClone(int(f.Fd()), int(s.Fd())); err != nil {
		return err
	}
	return f.Truncate(n)
}
