package tape

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// File is one open file under a tape: the seam where tests put a faulty or a
// crashing one. Sync makes content and size durable. A File may also offer
// locker, allocator, writebacker and cloner; what is missing is done without.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	Size() (int64, error)
}

// FS is the folder under the tapes. Names are paths; errors are those of
// package os, so that errors.Is(err, fs.ErrNotExist) works.
type FS interface {
	Open(name string, flag int) (File, error) // flag: os.O_RDONLY, os.O_RDWR, os.O_CREATE, os.O_EXCL, os.O_TRUNC
	Rename(from, to string) error             // replaces to
	Remove(name string) error
	Size(name string) (int64, error)
	SyncDir(dir string) error // makes creations, renames and removals durable
	Names(dir string) ([]string, error)
}

// locker is a File that can be kept from other processes. Lock returns
// ErrInUse when another one has it, and errMoved when name no longer means
// this file. Readers are not kept away.
type locker interface{ Lock(name string) error }

// allocator is a File that can reserve room beyond its end without changing
// its size. It returns how much it reserved: less when it cannot or should not.
type allocator interface {
	Allocate(off, n int64) int64
}

// writebacker is a File that can start writing dirty pages to the disk
// without waiting for the disk.
type writebacker interface{ WriteBack(off, n int64) error }

// cloner is a File that can take over the first n bytes of another one
// without copying them.
type cloner interface{ CloneFrom(src File, n int64) error }

// errMoved: the file that was locked has been renamed away meanwhile.
var errMoved = errors.New("the file was replaced")

// names are the paths of one cartridge's files.
type names struct{ dir, barcode, part string }

func (n names) path(suffix string) string { return filepath.Join(n.dir, n.barcode+suffix+n.part) }

// The suffixes of a cartridge's files. A retired generation N, which a View
// still reads, has ".g<N>" behind the suffix.
const (
	payloadSuffix    = ".tape"
	indexSuffix      = ".index"
	newPayloadSuffix = ".tape.new"      // of a generation being made
	newIndexSuffix   = ".index.new"     // complete and durable: the switch goes forward
	tempIndexSuffix  = ".index.tmp"     // incomplete: the switch is forgotten
	damagedIndex     = ".index.damaged" // kept aside by Mend, with -<n> behind
	damagedPayload   = ".tape.damaged"  // bytes that Mend cut off, with -<n> behind
)

// cartridgeSuffixes are those of a cartridge's present files. The index goes last:
// until then the tape is listed and can be removed again.
var cartridgeSuffixes = []string{newPayloadSuffix, tempIndexSuffix, newIndexSuffix, payloadSuffix, indexSuffix}

func generationSuffix(n uint64) string { return fmt.Sprintf(".g%d", n) }

// closeAll closes what was opened; nil files are skipped.
func closeAll(files ...File) error {
	var errs []error
	for _, f := range files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// readFull reads exactly len(p) bytes.
func readFull(f io.ReaderAt, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// copyRange copies n bytes from the start of src to dst, cloning where the
// file system can.
func copyRange(dst, src File, n int64) error {
	if c, ok := dst.(cloner); ok && c.CloneFrom(src, n) == nil {
		if size, err := dst.Size(); err == nil && size == n {
			return nil
		}
		if err := dst.Truncate(0); err != nil {
			return err
		}
	}
	return copyBytes(dst, 0, src, 0, n)
}

// copyBytes copies n bytes from one place to another.
func copyBytes(dst File, to int64, src io.ReaderAt, from, n int64) error {
	buf := make([]byte, min(n, 1<<20))
	for done := int64(0); done < n; {
		p := buf[:min(n-done, int64(len(buf)))]
		if err := readFull(src, p, from+done); err != nil {
			return err
		}
		if _, err := dst.WriteAt(p, to+done); err != nil {
			return diskError(err)
		}
		done += int64(len(p))
	}
	return nil
}

// diskError makes "no room" recognisable as ErrDiskFull.
func diskError(err error) error {
	if err != nil && isDiskFull(err) && !errors.Is(err, ErrDiskFull) {
		return fmt.Errorf("%w (%w)", ErrDiskFull, err)
	}
	return err
}

// OS returns the operating system's file system.
func OS() FS { return osFS{} }

type osFS struct{}

func (osFS) Open(name string, flag int) (File, error) {
	f, err := openFile(name, flag)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f}, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }
func (osFS) SyncDir(dir string) error     { return syncDir(dir) }

func (osFS) Size(name string) (int64, error) {
	st, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (osFS) Names(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// osFile is a File of the operating system; the optional abilities stand in
// the files named after the system.
type osFile struct {
	*os.File
	canAllocate, noAllocate bool // found out so far
}

// Size returns the file's length in bytes.
func (f *osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// Lock takes the exclusive lock, without waiting.
func (f *osFile) Lock(name string) error {
	if err := lockFile(f.File); err != nil {
		return err
	}
	here, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(name)
	if err != nil || !os.SameFile(here, there) {
		return errMoved
	}
	return nil
}
