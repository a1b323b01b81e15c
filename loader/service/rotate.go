package service

import (
	"errors"
	"os"
	"sync"
)

// rotatingFile appends to a file and, when it has grown past a limit, renames it
// to an older name (over the one before) and begins anew: never more than twice
// the limit on disk. Any number of goroutines may write; each Write stays whole.
type rotatingFile struct {
	path, older string
	limit       int64

	mu   sync.Mutex
	file *os.File
	size int64
}

func openRotating(path, older string, limit int64) (*rotatingFile, error) {
	r := &rotatingFile{path: path, older: older, limit: limit}
	return r, r.open()
}

func (r *rotatingFile) open() error {
	file, err := os.OpenFile(r.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	r.file, r.size = file, info.Size()
	return nil
}

// endLine ends a line that a crash left unfinished.
func (r *rotatingFile) endLine() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := []byte{'\n'}
	if r.size > 0 {
		if _, err := r.file.ReadAt(last, r.size-1); err != nil {
			return err
		}
	}
	if last[0] == '\n' {
		return nil
	}
	n, err := r.file.Write([]byte{'\n'})
	r.size += int64(n)
	return err
}

func (r *rotatingFile) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return 0, os.ErrClosed
	}
	if r.size > 0 && r.size+int64(len(p)) > r.limit {
		if err := r.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := r.file.Write(p)
	r.size += int64(n)
	return n, err
}

// rotate begins a new file. When the old one cannot be renamed it is written on.
func (r *rotatingFile) rotate() error {
	if err := r.file.Close(); err != nil {
		return err
	}
	r.file = nil
	renamed := os.Rename(r.path, r.older)
	if err := r.open(); err != nil {
		return errors.Join(renamed, err)
	}
	if renamed != nil {
		r.size = 0 // try again after another limit's worth
	}
	return nil
}

func (r *rotatingFile) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
