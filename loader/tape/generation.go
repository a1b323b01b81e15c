package tape

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// pin keeps a View's bytes: payload bytes below end of the files with this
// suffix never change while it is in Cartridge.pins.
type pin struct {
	suffix string // "": the current files; ".g<N>": retired ones
	end    int64
}

// published is what a View of a loaded image may see: all of it is in the
// index file.
type published struct {
	dir     []entry
	tail    entry
	eod     mark
	state   state
	durable uint64
}

// pin takes hold of the current files' first end payload bytes. c.mu is held.
func (c *Cartridge) pin(end int64) *pin {
	p := &pin{end: end}
	c.pins = append(c.pins, p)
	c.pinned.Store(max(c.pinned.Load(), end))
	return p
}

// unpin lets go, and removes files that nobody wants any more.
func (c *Cartridge) unpin(p *pin) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest, current, wanted := c.pins[:0], int64(0), p.suffix == ""
	for _, q := range c.pins {
		if q == p {
			continue
		}
		rest = append(rest, q)
		if q.suffix == "" {
			current = max(current, q.end)
		}
		wanted = wanted || q.suffix == p.suffix
	}
	c.pins = rest
	c.pinned.Store(current)
	if wanted {
		return nil
	}
	return c.removePair(p.suffix)
}

// removePair removes the files of a retired generation.
func (c *Cartridge) removePair(suffix string) error {
	for _, s := range []string{payloadSuffix, indexSuffix} {
		if err := c.fs.Remove(c.path(s + suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// removeRetired removes the files of retired generations that no View holds:
// what a crash left of them. c.mu is held.
func (c *Cartridge) removeRetired() error {
	files, err := c.fs.Names(c.dir)
	if err != nil {
		return err
	}
	held := map[string]bool{}
	for _, p := range c.pins {
		held[p.suffix] = true
	}
	for _, name := range files {
		rest, ok := strings.CutPrefix(name, c.barcode)
		rest, mine := strings.CutSuffix(rest, c.part)
		if !ok || !mine {
			continue
		}
		for _, s := range []string{payloadSuffix, indexSuffix} {
			if g, ok := strings.CutPrefix(rest, s); ok && isGeneration(g) && !held[g] {
				if err := c.fs.Remove(c.path(rest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		}
	}
	// Removed earlier is not yet removed durably.
	return c.fs.SyncDir(c.dir)
}

func isGeneration(s string) bool {
	digits, ok := strings.CutPrefix(s, ".g")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// settleNames finishes a switch of generations that a crash interrupted, or
// forgets one that had not been decided. The new index is decided on when it
// has the name ".index.new". The lock is held. moved: the index is another
// file now.
func (c *Cartridge) settleNames() (moved bool, err error) {
	if _, err := c.fs.Size(c.path(newIndexSuffix)); errors.Is(err, fs.ErrNotExist) {
		for _, s := range []string{newPayloadSuffix, tempIndexSuffix} {
			if err := c.fs.Remove(c.path(s)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return false, err
			}
		}
		return false, nil
	}
	err = c.fs.Rename(c.path(newPayloadSuffix), c.path(payloadSuffix))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := c.fs.Rename(c.path(newIndexSuffix), c.path(indexSuffix)); err != nil {
		return false, err
	}
	return true, c.fs.SyncDir(c.dir)
}

// newGeneration begins a new pair of files that holds what is before at, the
// beginning of the tape or end of data, and retires the old pair: kept while
// Views read it, else removed. change, when not nil, alters the new state.
func (im *partition) newGeneration(at mark, change func(*state)) error {
	im.quiet()
	if at.object > 0 {
		if err := im.sync(); err != nil {
			return err
		}
	}
	c := im.c
	c.mu.Lock()
	defer c.mu.Unlock()

	next := *im.log
	next.state.generation++
	next.state.retired = true
	if change != nil {
		change(&next.state)
	}
	index, payload, err := im.makePair(&next, at)
	if err != nil {
		return errors.Join(err, c.dropPair(index, payload))
	}
	old := generationSuffix(im.log.state.generation)
	if err := c.switchPair(old); err != nil {
		im.broken = fmt.Errorf("switch to a new generation of tape %s: %w", c.barcode, err)
		return errors.Join(im.broken, closeAll(index, payload))
	}
	return im.adopt(next, index, payload, at, old)
}

// makePair writes the new files under their temporary names, complete and
// durable.
func (im *partition) makePair(next *tapeLog, at mark) (index, payload File, err error) {
	c := im.c
	const flags = os.O_RDWR | os.O_CREATE | os.O_TRUNC
	if payload, err = c.fs.Open(c.path(newPayloadSuffix), flags); err != nil {
		return nil, nil, err
	}
	if at.offset > 0 {
		if err := copyRange(payload, im.payload, at.offset); err != nil {
			return nil, payload, err
		}
		if err := payload.Sync(); err != nil {
			return nil, payload, err
		}
	}
	if index, err = c.fs.Open(c.path(tempIndexSuffix), flags); err != nil {
		return nil, payload, err
	}
	if l, ok := index.(locker); ok {
		if err := l.Lock(c.path(tempIndexSuffix)); err != nil {
			return index, payload, err
		}
	}
	if err := next.begin(index, at); err != nil {
		return index, payload, err
	}
	if err := index.Sync(); err != nil {
		return index, payload, err
	}
	return index, payload, nil
}

// begin makes f the log's file: a new header, then an empty log or, when at is
// not the beginning of the tape, the old one. What is kept keeps its position.
func (l *tapeLog) begin(f File, at mark) error {
	old := l.file
	l.file, l.footer, l.head.state = f, false, l.state
	var b []byte
	if at.object == 0 {
		attrs := l.attributes()
		l.head.id, l.head.version = newHeader(Spec{}).id, plainVersion
		if l.state.second > 0 {
			l.head.version = formatVersion
		}
		l.reset()
		for _, a := range attrs {
			b = appendChunk(b, l.head.id, l.end+int64(len(b)), attributeChunk, func(b []byte) []byte { return appendAttribute(b, a, false) })
			l.attrs[a.ID] = a
		}
	} else {
		if err := copyBytes(f, logStart, old, logStart, l.end-logStart); err != nil {
			return err
		}
		b = appendChunk(b, l.head.id, l.end, stateChunk, l.state.append)
	}
	if _, err := f.WriteAt(l.head.append(nil), 0); err != nil {
		return err
	}
	_, err := f.WriteAt(b, l.end)
	l.end += int64(len(b))
	return err
}

// switchPair gives the new files their names. Once the index has the name
// ".index.new" durably a crash is rolled forward.
func (c *Cartridge) switchPair(old string) error {
	if err := c.fs.Rename(c.path(tempIndexSuffix), c.path(newIndexSuffix)); err != nil {
		return err
	}
	if err := c.fs.SyncDir(c.dir); err != nil {
		return err
	}
	for _, step := range [][2]string{
		{payloadSuffix, payloadSuffix + old},
		{newPayloadSuffix, payloadSuffix},
		{indexSuffix, indexSuffix + old},
		{newIndexSuffix, indexSuffix},
	} {
		if err := c.fs.Rename(c.path(step[0]), c.path(step[1])); err != nil {
			return err
		}
	}
	return c.fs.SyncDir(c.dir)
}

// dropPair forgets a new pair that could not be completed.
func (c *Cartridge) dropPair(files ...File) error {
	errs := []error{closeAll(files...)}
	for _, s := range []string{newPayloadSuffix, tempIndexSuffix} {
		if err := c.fs.Remove(c.path(s)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// adopt goes on with the new files. c.mu is held.
func (im *partition) adopt(next tapeLog, index, payload File, at mark, old string) error {
	c := im.c
	held := false
	for _, p := range c.pins {
		if p.suffix == "" {
			p.suffix = old
		}
		held = held || p.suffix == old
	}
	c.pinned.Store(0)
	files := []File{im.index, im.payload}
	*im.log = next
	im.index, im.payload = index, payload
	im.flushed, im.allocated, im.fileEnd = at.object, 0, at.offset
	im.log.synced, im.logHigh = next.end, next.end
	im.syncedTo, im.flushedTo, im.marked = at.offset, at.offset, next.durable
	im.unsynced, im.newState, im.suspect, im.logSuspect = false, false, false, false
	im.back.restart(index, payload, at.offset)
	im.forget()
	im.publishLocked()
	err := closeAll(files...)
	if !held {
		err = errors.Join(err, c.removePair(old))
	}
	return err
}
