package demo

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// tree is the part of a directory tree that the demo backs up.
type tree struct {
	root    string
	entries []entry
	bytes   int64 // of the files
	cut     bool  // there is more than the limit
}

type entry struct {
	path   string // relative to the root
	info   fs.FileInfo
	digest []byte // SHA-256 of what was written to tape, of a file
}

// collect walks a tree up to a limit in bytes. What cannot be read, what is no
// file, folder or link, and the folders in except are left out.
func collect(root string, limit int64, except ...string) (*tree, error) {
	if _, err := os.Stat(root); err != nil {
		return nil, err
	}
	t := &tree{root: root}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return skip(d)
		}
		if slices.Contains(except, path) {
			return skip(d)
		}
		info, err := d.Info()
		if err != nil || !readable(path, info) {
			return nil
		}
		if info.Mode().IsRegular() && t.bytes+info.Size() > limit {
			t.cut = true
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil || name == "." {
			return err
		}
		if info.Mode().IsRegular() {
			t.bytes += info.Size()
		}
		t.entries = append(t.entries, entry{path: name, info: info})
		return nil
	})
	if err == nil && t.bytes == 0 {
		err = fmt.Errorf("%s holds no file that can be read", root)
	}
	return t, err
}

func skip(d fs.DirEntry) error {
	if d != nil && d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func readable(path string, info fs.FileInfo) bool {
	switch {
	case info.IsDir(), info.Mode()&fs.ModeSymlink != 0:
		return true
	case !info.Mode().IsRegular():
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	return file.Close() == nil
}

// archive writes the tree as tar.
func (t *tree) archive(ctx context.Context, w io.Writer) error {
	archive := tar.NewWriter(w)
	for i := range t.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.add(archive, &t.entries[i]); err != nil {
			return fmt.Errorf("archive %s: %w", t.entries[i].path, err)
		}
	}
	return archive.Close()
}

func (t *tree) add(archive *tar.Writer, e *entry) error {
	path, link := filepath.Join(t.root, e.path), ""
	if e.info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(e.info, link)
	if err != nil {
		return err
	}
	header.Name = filepath.ToSlash(e.path)
	if e.info.IsDir() {
		header.Name += "/"
	}
	if err := archive.WriteHeader(header); err != nil || !e.info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	digest := sha256.New()
	// A file that grows or shrinks meanwhile keeps the size its header says.
	n, err := io.Copy(io.MultiWriter(archive, digest), io.LimitReader(file, header.Size))
	if err == nil && n < header.Size {
		_, err = io.CopyN(io.MultiWriter(archive, digest), zeros{}, header.Size-n)
	}
	e.digest = digest.Sum(nil)
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// comparison is what compare found.
type comparison struct {
	files   int
	bytes   int64
	changed []string // equal to what was written, but the file on disk changed since
}

// compare reads an archive of the tree and compares it with the tree byte for
// byte. A difference that cannot come from the file's having changed is an error.
func (t *tree) compare(ctx context.Context, r io.Reader) (found comparison, err error) {
	archive := tar.NewReader(r)
	for i := range t.entries {
		if err := ctx.Err(); err != nil {
			return found, err
		}
		e := &t.entries[i]
		header, err := archive.Next()
		if err != nil {
			return found, fmt.Errorf("the archive ends before %s: %w", e.path, err)
		}
		if filepath.Clean(filepath.FromSlash(header.Name)) != e.path {
			return found, fmt.Errorf("%s came back instead of %s", header.Name, e.path)
		}
		if !e.info.Mode().IsRegular() {
			continue
		}
		equal, err := t.compareFile(e, archive)
		if err != nil {
			return found, fmt.Errorf("%s: %w", e.path, err)
		}
		found.files++
		found.bytes += header.Size
		if !equal {
			found.changed = append(found.changed, e.path)
		}
	}
	if _, err := archive.Next(); err != io.EOF {
		return found, errors.New("there is more in the archive than was written")
	}
	_, err = io.Copy(io.Discard, r) // what tar puts behind its end
	return found, err
}

// compareFile reports whether a file on disk is what the archive has; that the
// archive has not what was written is an error.
func (t *tree) compareFile(e *entry, archived io.Reader) (equal bool, err error) {
	digest := sha256.New()
	onDisk, err := os.Open(filepath.Join(t.root, e.path))
	if err == nil {
		defer onDisk.Close()
		equal, err = sameBytes(onDisk, archived, digest)
	}
	if _, rest := io.Copy(digest, archived); rest != nil {
		return false, rest
	}
	if !bytes.Equal(digest.Sum(nil), e.digest) {
		return false, errors.New("the bytes from tape are not those that were written")
	}
	return equal && err == nil, nil
}

// sameBytes compares two readers up to their ends, feeding the second to digest.
func sameBytes(a, b io.Reader, digest hash.Hash) (bool, error) {
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(b, y)
		digest.Write(y[:n])
		m, _ := io.ReadFull(a, x) // too few bytes are a difference
		if !bytes.Equal(x[:m], y[:n]) {
			return false, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}
