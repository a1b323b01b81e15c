package slotmap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// SetAside renames a folder's slot map and its backup copy, so that a new one can
// be made, and returns their new names. It is for a slot map that is lost; nothing
// is deleted. Errors: ErrInUse, those of the file system.
func SetAside(dir string) ([]string, error) {
	l := storeLayout(dir)
	lock, err := l.acquire()
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	var kept []string
	stamp := damagedSuffix + time.Now().Format("20060102-150405.000")
	for _, name := range []string{l.path, l.path + backupSuffix} {
		err := os.Rename(name, name+stamp)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return kept, fmt.Errorf("put slot map aside: %w", err)
		}
		kept = append(kept, name+stamp)
	}
	return kept, syncDir(filepath.Dir(l.path))
}

// Discard deletes the slot map that CreateStore has just made in a folder, when
// what was to follow did not come about.
func Discard(dir string) error {
	path := storeLayout(dir).path
	var failed error
	for _, name := range []string{path, path + backupSuffix, path + lockSuffix} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
