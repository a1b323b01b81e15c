package tape

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Cartridge is one tape in a folder, loaded or not. It keeps no file open
// until it is used. All methods may be called from any goroutine.
//
// There must be one Cartridge for a barcode in a process: it knows which Views
// hold which bytes.
type Cartridge struct {
	names
	fs   FS
	info atomic.Pointer[Info]

	mu    sync.Mutex // guards what follows and the files' names
	image *partition // loaded
	live  *published // what a View of the loaded image may see
	pins  []*pin

	second atomic.Pointer[Cartridge] // partition 1, nil when there is none
	pinned atomic.Int64              // payload bytes of the current generation that Views hold
}

// Create makes a cartridge in a folder, durable when it returns. ErrExists,
// ErrBarcode, ErrCapacity.
func Create(dir string, s Spec) (*Cartridge, error) { return CreateOn(OS(), dir, s) }

// CreateOn is Create on another file system.
func CreateOn(fsys FS, dir string, s Spec) (*Cartridge, error) {
	s, err := s.check()
	if err != nil {
		return nil, err
	}
	c := &Cartridge{names: names{dir: dir, barcode: s.Barcode}, fs: fsys}
	if err := c.create(newHeader(s)); err != nil {
		return nil, fmt.Errorf("create tape %s: %w", s.Barcode, diskError(err))
	}
	return c, nil
}

func (c *Cartridge) create(h header) error {
	for _, suffix := range []string{indexSuffix, newIndexSuffix} {
		if _, err := c.fs.Size(c.path(suffix)); !errors.Is(err, fs.ErrNotExist) {
			return orExists(err)
		}
	}
	// An empty payload file without an index is what an interrupted create leaves.
	if size, err := c.fs.Size(c.path(payloadSuffix)); err == nil && size > 0 {
		return ErrExists
	}
	payload, err := c.fs.Open(c.path(payloadSuffix), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	defer payload.Close()
	index, err := c.fs.Open(c.path(tempIndexSuffix), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	defer index.Close()

	l := &tapeLog{file: index, head: h}
	l.reset()
	b, _ := l.appendEnding(l.head.append(nil))
	if _, err := index.WriteAt(b, 0); err != nil {
		return err
	}
	if err := errors.Join(payload.Sync(), index.Sync()); err != nil {
		return err
	}
	if err := c.fs.Rename(c.path(tempIndexSuffix), c.path(indexSuffix)); err != nil {
		return err
	}
	info := l.info(true)
	c.info.Store(&info)
	return c.fs.SyncDir(c.dir)
}

func orExists(err error) error {
	if err == nil {
		return ErrExists
	}
	return err
}

func newHeader(s Spec) header {
	h := header{version: plainVersion, barcode: s.Barcode, medium: s.Medium, created: time.Now().UTC()}
	rand.Read(h.id[:]) // never fails
	rand.Read(h.serial[:])
	h.state = state{capacity: s.CapacityBytes, earlyWarning: s.EarlyWarningBytes, generation: 1}
	return h
}

// Open finds a cartridge in a folder. It reads the ends of the index only
// (after a crash: the index), takes no lock and keeps no file open.
// ErrNotExist, ErrDamaged, ErrFormat.
func Open(dir, barcode string) (*Cartridge, error) { return OpenOn(OS(), dir, barcode) }

// OpenOn is Open on another file system.
func OpenOn(fsys FS, dir, barcode string) (*Cartridge, error) {
	b, err := Barcode(barcode)
	if err != nil {
		return nil, err
	}
	c := &Cartridge{names: names{dir: dir, barcode: b}, fs: fsys}
	info, second, err := c.peek()
	if err != nil {
		return nil, fmt.Errorf("open tape %s: %w", b, err)
	}
	c.info.Store(&info)
	if second == 0 {
		return c, nil
	}
	other := c.other()
	theirs, _, err := other.peek()
	if err != nil {
		return nil, fmt.Errorf("open tape %s: %w", b, secondFailed(err))
	}
	theirs.CapacityBytes = int64(second) << 20
	other.info.Store(&theirs)
	c.second.Store(other)
	return c, nil
}

// peek reads what Info wants to know of one partition, and how large the second is.
func (c *Cartridge) peek() (info Info, second uint32, err error) {
	indexName, payloadName := c.current()
	f, err := c.fs.Open(indexName, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return info, 0, c.missing()
	}
	if err != nil {
		return info, 0, err
	}
	defer f.Close()
	if _, err := c.fs.Size(payloadName); errors.Is(err, fs.ErrNotExist) {
		return info, 0, c.missing()
	}
	size, err := f.Size()
	if err != nil {
		return info, 0, err
	}
	b := make([]byte, min(size, logStart))
	if err := readFull(f, b, 0); err != nil {
		return info, 0, err
	}
	h, err := parseHeader(b)
	if err != nil {
		return info, 0, err
	}
	if err := c.owns(h); err != nil {
		return info, 0, err
	}
	if foot, err := readFooter(f, h.id, size); err == nil {
		return infoOf(&h, &foot.state, foot.end, true), foot.state.second, nil
	}
	l := &tapeLog{file: f, head: h}
	if err := l.scan(size, nil); err != nil {
		return info, 0, err
	}
	return l.info(false), l.state.second, nil
}

// owns refuses files that were given the name of another cartridge.
func (c *Cartridge) owns(h header) error {
	if h.barcode != c.barcode {
		return fmt.Errorf("the files named %s hold cartridge %s: give them that name: %w", c.barcode, h.barcode, ErrBarcode)
	}
	return nil
}

// current returns the names of the files that hold the cartridge: those of a
// new generation as soon as its index has its name.
func (c *Cartridge) current() (index, payload string) {
	index, payload = c.path(indexSuffix), c.path(payloadSuffix)
	if _, err := c.fs.Size(c.path(newIndexSuffix)); err != nil {
		return index, payload
	}
	if _, err := c.fs.Size(c.path(newPayloadSuffix)); err == nil {
		payload = c.path(newPayloadSuffix)
	}
	return c.path(newIndexSuffix), payload
}

// openFiles opens the cartridge's files for reading, without a lock.
func (c *Cartridge) openFiles() (index, payload File, err error) {
	for range 10 { // another process may be giving them their names
		indexName, payloadName := c.current()
		if index, err = c.fs.Open(indexName, os.O_RDONLY); err == nil {
			if payload, err = c.fs.Open(payloadName, os.O_RDONLY); err == nil {
				return index, payload, nil
			}
			index.Close()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	return nil, nil, c.missing()
}

// missing says which file is not there.
func (c *Cartridge) missing() error {
	indexName, payloadName := c.current()
	_, indexErr := c.fs.Size(indexName)
	_, payloadErr := c.fs.Size(payloadName)
	switch {
	case indexErr != nil && payloadErr != nil:
		return ErrNotExist
	case indexErr != nil:
		return fmt.Errorf("the index file %s is missing: %w (%w)", indexName, ErrDamaged, ErrIndexLost)
	}
	return fmt.Errorf("the payload file %s is missing: %w", payloadName, ErrDamaged)
}

// List returns the barcodes of the cartridges in a folder, sorted: of every
// index or payload file with a valid name.
func List(dir string) ([]string, error) {
	files, err := OS().Names(dir)
	if err != nil {
		return nil, fmt.Errorf("list the tapes in %s: %w", dir, err)
	}
	found := map[string]bool{}
	for _, name := range files {
		for _, suffix := range []string{indexSuffix, payloadSuffix} {
			if stem, ok := strings.CutSuffix(name, suffix); ok {
				if b, err := Barcode(stem); err == nil && b == stem {
					found[b] = true
				}
			}
		}
	}
	list := make([]string, 0, len(found))
	for b := range found {
		list = append(list, b)
	}
	sort.Strings(list)
	return list, nil
}

// Barcode returns the cartridge's barcode.
func (c *Cartridge) Barcode() string { return c.barcode }

// Info returns the last published snapshot, without waiting for anything.
// While the image is loaded it may be a few MiB behind. The figures are those of
// all partitions together.
func (c *Cartridge) Info() Info {
	i := *c.info.Load()
	if s := c.second.Load(); s != nil {
		i.add(*s.info.Load())
	}
	return i
}

// add adds the figures of another partition.
func (i *Info) add(o Info) {
	i.CapacityBytes += o.CapacityBytes
	i.UsedBytes += o.UsedBytes
	i.PayloadBytes += o.PayloadBytes
	i.Objects += o.Objects
	i.Filemarks += o.Filemarks
	i.Clean = i.Clean && o.Clean
	if o.LastWritten.After(i.LastWritten) {
		i.LastWritten = o.LastWritten
	}
}

// Load takes the cartridge for reading and writing: the position is 0. What a
// crash left is put in order first. Where the files cannot be written the
// image is read-only. ErrInUse when it is loaded, here or by another process;
// ErrDamaged, ErrFormat, ErrNotExist.
func (c *Cartridge) Load() (*Image, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	im, err := c.loadAll()
	if err != nil {
		return nil, fmt.Errorf("load tape %s: %w", c.barcode, diskError(err))
	}
	im.log.state.loadCount++
	im.newState = true
	im.publishLocked()
	return im, nil
}

// with does f with the unloaded cartridge's image, which no View may hold
// when exclusive.
func (c *Cartridge) with(what string, exclusive bool, f func(*Image) error) error {
	c.mu.Lock()
	other := c.second.Load()
	if exclusive && (len(c.pins) > 0 || other != nil && other.isPinned()) {
		c.mu.Unlock()
		return fmt.Errorf("%s tape %s: %w", what, c.barcode, ErrPinned)
	}
	im, err := c.loadAll()
	c.mu.Unlock()
	if err == nil {
		err = f(im)
		err = errors.Join(err, im.Close())
	}
	if err != nil {
		return fmt.Errorf("%s tape %s: %w", what, c.barcode, err)
	}
	return nil
}

// Erase empties the cartridge and frees its disk space; host attributes stay.
// ErrInUse, ErrPinned, ErrReadOnly.
func (c *Cartridge) Erase() error {
	return c.with("erase", true, func(im *Image) error { return im.Format() })
}

// SetWriteProtected sets or clears the write protection of an unloaded
// cartridge. ErrInUse.
func (c *Cartridge) SetWriteProtected(on bool) error {
	return c.with("write-protect", false, func(im *Image) error {
		if im.readOnly {
			return ErrReadOnly
		}
		if im.log.state.protected == on {
			return nil
		}
		im.log.state.protected = on
		im.newState, im.unsynced = true, true
		return im.Sync()
	})
}

// Remove deletes the cartridge's files for good; a damaged one's too. ErrInUse, ErrPinned.
func (c *Cartridge) Remove() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.remove(); err != nil {
		return fmt.Errorf("remove tape %s: %w", c.barcode, err)
	}
	return nil
}

func (c *Cartridge) remove() error {
	if c.image != nil {
		return ErrInUse
	}
	if other := c.second.Load(); len(c.pins) > 0 || other != nil && other.isPinned() {
		return ErrPinned
	}
	f, _, err := c.acquire()
	switch {
	case err == nil:
		defer f.Close()
	case !errors.Is(err, ErrIndexLost):
		return err
	}
	if err := c.removeRetired(); err != nil {
		return err
	}
	if err := c.other().discard(); err != nil {
		return err
	}
	for _, suffix := range cartridgeSuffixes {
		if err := c.fs.Remove(c.path(suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return c.fs.SyncDir(c.dir)
}
