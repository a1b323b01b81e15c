package slotmap

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"go.etcd.io/bbolt"
)

// Names of the buckets and keys that every database has.
var (
	metaBucket    = []byte("meta")
	kindKey       = []byte("kind")
	formatKey     = []byte("format")
	contentBucket = []byte("content")
)

// Names beside a database file.
const (
	backupSuffix  = ".backup"
	lockSuffix    = ".lock"
	damagedSuffix = ".damaged-"
	tempSuffix    = ".tmp"
)

// lockPatience is how long bbolt waits for its own lock. Ours is taken first, so
// only a foreign tool can hold it.
const lockPatience = time.Second

// Pace of the backup copy: how long after a change it is made, and how long
// after a failure it is tried again.
const (
	backupDelay = time.Second
	backupRetry = 30 * time.Second
)

// layout says what a database file holds.
type layout struct {
	path   string // absolute
	kind   string // its magic word
	words  string // what a person calls it: "slot map"
	format int    // newest format version that is understood; files say theirs
	perm   fs.FileMode
	// check decodes the whole content, so that a file that opens can be used.
	check func(*bbolt.Tx) error
}

// database is one bbolt file with a backup copy. It owns one goroutine, which
// refreshes the copy after changes; close waits for it. All methods may be called
// at the same time.
type database struct {
	layout
	lock *flock.Flock
	bolt *bbolt.DB

	dirty chan struct{} // 1: the backup copy is behind
	quit  chan struct{}
	done  chan struct{}

	backupMutex sync.Mutex // one snapshot at a time
	closeOnce   sync.Once
	closeErr    error
}

// Recovery says that a backup copy had to be used, and why. The zero value means
// that all was well.
type Recovery struct {
	Words  string    // what was recovered: "slot map"
	Path   string    // the file that could not be read
	Reason error     // why
	Copied time.Time // when the backup copy that is now used had been made
	Kept   string    // where the damaged file is kept; empty when it was missing
}

// Happened says whether a backup copy was used.
func (r Recovery) Happened() bool { return r.Reason != nil }

// String says it to a person, empty when nothing happened.
func (r Recovery) String() string {
	if !r.Happened() {
		return ""
	}
	text := fmt.Sprintf("the %s %s could not be read (%v): its backup copy of %s is used instead, later changes may be missing",
		r.Words, r.Path, r.Reason, r.Copied.Format(time.DateTime))
	if r.Kept != "" {
		text += "; the damaged file is kept as " + filepath.Base(r.Kept)
	}
	return text
}

// exists says whether the database at path, or its backup copy, is there.
func exists(path string) bool {
	for _, name := range []string{path, path + backupSuffix} {
		if _, err := os.Lstat(name); err == nil {
			return true
		}
	}
	return false
}

// acquire takes the lock that keeps a second process, and a second opener in
// this one, away from the database and from its recovery.
func (l layout) acquire() (*flock.Flock, error) {
	lock := flock.New(l.path+lockSuffix, flock.SetPermissions(l.perm))
	locked, err := lock.TryLock()
	switch {
	case err != nil:
		return nil, fmt.Errorf("lock %s %s: %w", l.words, l.path, err)
	case !locked:
		return nil, fmt.Errorf("%s %s: %w by another process or another part of this one", l.words, l.path, ErrInUse)
	}
	return lock, nil
}

// createDatabase makes a new file with what fill puts into it, and its backup
// copy. Both are durable when it returns. fs.ErrExist when there is one.
func createDatabase(l layout, fill func(*bbolt.Tx) error) (*database, error) {
	lock, err := l.acquire()
	if err != nil {
		return nil, err
	}
	if exists(l.path) {
		lock.Unlock()
		return nil, fmt.Errorf("%s %s: %w", l.words, l.path, fs.ErrExist)
	}
	if err := l.build(fill); err != nil {
		lock.Unlock()
		return nil, fmt.Errorf("create %s %s: %w", l.words, l.path, err)
	}
	d, err := l.start(lock)
	if err != nil {
		return nil, err
	}
	if err := d.backup(); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// build writes a fresh file under another name and renames it.
func (l layout) build(fill func(*bbolt.Tx) error) error {
	temp := l.path + tempSuffix
	os.Remove(temp)
	bolt, err := bbolt.Open(temp, l.perm, &bbolt.Options{Timeout: lockPatience})
	if err != nil {
		return err
	}
	err = bolt.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		if err := meta.Put(kindKey, []byte(l.kind)); err != nil {
			return err
		}
		if err := meta.Put(formatKey, []byte(strconv.Itoa(l.format))); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(contentBucket); err != nil {
			return err
		}
		return fill(tx)
	})
	if err = errors.Join(err, bolt.Close()); err != nil {
		os.Remove(temp)
		return err
	}
	if err := os.Rename(temp, l.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(l.path))
}

// openDatabase opens the file, or recovers it from its backup copy and says so.
// Errors: ErrNotExist, ErrInUse, ErrVersion, and ErrDamaged when neither file can
// be read; then nothing has been changed.
func openDatabase(l layout) (*database, Recovery, error) {
	if !exists(l.path) {
		return nil, Recovery{}, fmt.Errorf("%s %s: %w", l.words, l.path, ErrNotExist)
	}
	lock, err := l.acquire()
	if err != nil {
		return nil, Recovery{}, err
	}
	recovery, err := l.restore()
	if err != nil {
		lock.Unlock()
		return nil, Recovery{}, err
	}
	d, err := l.start(lock)
	if err != nil {
		return nil, Recovery{}, err
	}
	if d.backupIsBehind() {
		d.touch()
	}
	return d, recovery, nil
}

// restore makes sure that the file at path is sound, with the help of its backup
// copy if it must.
func (l layout) restore() (Recovery, error) {
	reason := l.examine(l.path)
	if reason == nil || errors.Is(reason, ErrVersion) || errors.Is(reason, ErrInUse) {
		return Recovery{}, reason
	}
	copied := l.path + backupSuffix
	if err := l.examine(copied); err != nil {
		if errors.Is(err, ErrVersion) {
			return Recovery{}, err
		}
		return Recovery{}, fmt.Errorf("the %s is %w: %s: %w; its backup copy %s: %w; nothing has been changed",
			l.words, ErrDamaged, l.path, reason, filepath.Base(copied), err)
	}
	recovery := Recovery{Words: l.words, Path: l.path, Reason: reason}
	if info, err := os.Stat(copied); err == nil {
		recovery.Copied = info.ModTime()
	}
	temp := l.path + tempSuffix
	if err := copyFile(temp, copied, l.perm); err != nil {
		return Recovery{}, fmt.Errorf("recover %s: %w", l.words, err)
	}
	if _, err := os.Lstat(l.path); err == nil {
		recovery.Kept = l.path + damagedSuffix + time.Now().Format("20060102-150405.000")
		if err := os.Rename(l.path, recovery.Kept); err != nil {
			return Recovery{}, fmt.Errorf("put damaged %s aside: %w", l.words, err)
		}
	}
	if err := os.Rename(temp, l.path); err != nil {
		return Recovery{}, fmt.Errorf("recover %s: %w", l.words, err)
	}
	return recovery, syncDir(filepath.Dir(l.path))
}

// examine reads a file as a whole and says why it cannot be used, nil if it can.
// It changes nothing.
func (l layout) examine(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		var place *fs.PathError
		if errors.As(err, &place) {
			return place.Err
		}
		return err
	}
	if err := checkPages(data); err != nil {
		return err
	}
	return guard(func() error {
		bolt, err := bbolt.Open(path, l.perm, &bbolt.Options{Timeout: lockPatience, ReadOnly: true, PreLoadFreelist: true})
		if err != nil {
			return boltError(err)
		}
		defer bolt.Close()
		return bolt.View(func(tx *bbolt.Tx) error {
			if err := firstOf(tx.Check()); err != nil {
				return err
			}
			if err := l.checkMeta(tx); err != nil {
				return err
			}
			return l.check(tx)
		})
	})
}

// firstOf returns the first error after the last has been received: the sender
// reads mapped memory until then.
func firstOf(errs <-chan error) (first error) {
	for err := range errs {
		if first == nil {
			first = err
		}
	}
	return first
}

// checkMeta compares kind and format version.
func (l layout) checkMeta(tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil || tx.Bucket(contentBucket) == nil || string(meta.Get(kindKey)) != l.kind {
		return fmt.Errorf("not a %s", l.words)
	}
	format, err := strconv.Atoi(string(meta.Get(formatKey)))
	switch {
	case err != nil || format < 1:
		return fmt.Errorf("no format version")
	case format > l.format:
		return fmt.Errorf("%s has format %d, this version understands up to %d: %w; use the newer version", l.words, format, l.format, ErrVersion)
	}
	return nil
}

// start opens a file that is sound and starts the backup goroutine. The lock
// belongs to it from here on.
func (l layout) start(lock *flock.Flock) (*database, error) {
	bolt, err := bbolt.Open(l.path, l.perm, &bbolt.Options{Timeout: lockPatience, NoStatistics: true})
	if err != nil {
		lock.Unlock()
		return nil, fmt.Errorf("open %s %s: %w", l.words, l.path, boltError(err))
	}
	d := &database{
		layout: l, lock: lock, bolt: bolt,
		dirty: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go d.keepBackup()
	return d, nil
}

// update runs f in a transaction that is durable when update returns, and has
// the backup copy refreshed soon after.
func (d *database) update(f func(*bbolt.Tx) error) error {
	err := guard(func() error { return d.bolt.Update(f) })
	if err != nil {
		return fmt.Errorf("%s %s: %w", d.words, d.path, boltError(err))
	}
	d.touch()
	return nil
}

// touch notes that the backup copy is behind.
func (d *database) touch() {
	select {
	case d.dirty <- struct{}{}:
	default:
	}
}

// keepBackup refreshes the backup copy after changes until close.
func (d *database) keepBackup() {
	defer close(d.done)
	for {
		select {
		case <-d.quit:
			return
		case <-d.dirty:
		}
		wait := backupDelay
		for {
			select {
			case <-d.quit:
				d.touch() // close does it
				return
			case <-time.After(wait):
			}
			err := d.backup()
			if err == nil {
				break
			}
			slog.Warn("backup copy not written, trying again", "what", d.words, "error", err, "in", backupRetry)
			wait = backupRetry
		}
	}
}

// backup writes the backup copy: to a temporary file, synced, renamed.
func (d *database) backup() error {
	d.backupMutex.Lock()
	defer d.backupMutex.Unlock()
	target := d.path + backupSuffix
	temp := target + tempSuffix
	err := d.snapshot(temp)
	if err == nil {
		err = os.Rename(temp, target)
	}
	if err != nil {
		os.Remove(temp)
		return fmt.Errorf("backup copy of %s %s: %w", d.words, d.path, boltError(err))
	}
	return syncDir(filepath.Dir(target))
}

// snapshot writes the content as of now to a file and syncs it.
func (d *database) snapshot(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, d.perm)
	if err != nil {
		return err
	}
	err = d.bolt.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(file)
		return err
	})
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// backupIsBehind says whether the backup copy is missing or older than the file.
func (d *database) backupIsBehind() bool {
	file, err := os.Stat(d.path)
	if err != nil {
		return true
	}
	copied, err := os.Stat(d.path + backupSuffix)
	return err != nil || copied.ModTime().Before(file.ModTime())
}

// close brings the backup copy up to date and closes the file. Closing again
// returns what the first close did.
func (d *database) close() error {
	d.closeOnce.Do(func() {
		close(d.quit)
		<-d.done
		select {
		case <-d.dirty:
			d.closeErr = d.backup()
		default:
		}
		d.closeErr = errors.Join(d.closeErr, d.bolt.Close(), d.lock.Unlock())
	})
	return d.closeErr
}
