package tape

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// partition is one partition of a loaded cartridge.
type partition struct {
	reader
	c        *Cartridge
	first    *partition // partition 0, which is the cartridge: itself, or its neighbour
	index    File
	readOnly bool  // the files cannot be written
	broken   error // the files' names are half changed: load again

	flushed   uint64 // objects below this are in the index file
	newState  bool   // the log must get a state chunk with the next flush
	opening   bool   // being loaded: Cartridge.mu is held, and nobody is told of the image yet
	unsynced  bool   // something in the log or the payload waits for a Sync
	changed   bool   // objects changed since the load
	fileEnd   int64  // payload bytes that may be in the file beyond end of data
	allocated int64  // end of the room reserved beyond the end, 0: none
	logHigh   int64  // index bytes that may be in the file beyond the log's end

	syncedTo   int64  // payload bytes that were synced
	marked     uint64 // the durable mark that the log has
	trouble    error  // a failure in the background, to be reported by Sync
	suspect    bool   // writing the payload back failed: what is not durable must be written again
	logSuspect bool   // the same for the index

	lastFlush time.Time
	flushedTo int64 // payload bytes at the last flush
	back      writeBack
	batch     []byte

	compress       bool
	sealer         *sealer // nil: blocks are not encrypted
	packed, sealed []byte  // what they make of a block
}

// acquire opens and locks the index, finishing an interrupted switch of
// generations. readOnly: the files cannot be written. c.mu is held.
func (c *Cartridge) acquire() (f File, readOnly bool, err error) {
	for range 100 {
		name := c.path(indexSuffix)
		if _, err := c.fs.Size(name); errors.Is(err, fs.ErrNotExist) {
			if _, err := c.fs.Size(c.path(newIndexSuffix)); err == nil {
				name = c.path(newIndexSuffix)
			}
		}
		f, readOnly, err = openWritable(c.fs, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, false, c.missing()
		}
		if err != nil {
			return nil, false, err
		}
		moved := false
		if l, ok := f.(locker); ok {
			err = l.Lock(name)
		}
		if err == nil && !readOnly {
			moved, err = c.settleNames()
		}
		switch {
		case err == nil && !moved:
			return f, readOnly, nil
		case err != nil && !errors.Is(err, errMoved):
			return nil, false, errors.Join(err, f.Close())
		}
		f.Close()
	}
	return nil, false, ErrInUse
}

// openWritable opens a file for writing or, where that is not allowed, for reading.
func openWritable(fsys FS, name string) (f File, readOnly bool, err error) {
	f, err = fsys.Open(name, os.O_RDWR)
	if err != nil && (errors.Is(err, fs.ErrPermission) || isReadOnlyFS(err)) {
		f, err = fsys.Open(name, os.O_RDONLY)
		return f, true, err
	}
	return f, false, err
}

// load opens, locks and settles the files. c.mu is held.
func (c *Cartridge) load() (*partition, error) {
	if c.image != nil {
		return nil, ErrInUse
	}
	index, readOnly, err := c.acquire()
	if err != nil {
		return nil, err
	}
	im := &partition{c: c, index: index, readOnly: readOnly, lastFlush: time.Now(), opening: true}
	im.first = im
	if err := im.open(); err != nil {
		return nil, errors.Join(err, closeAll(im.index, im.payload))
	}
	im.flushed = im.log.eod().object
	im.flushedTo = im.log.eod().offset
	im.syncedTo, im.marked = im.flushedTo, im.log.durable
	im.back.restart(im.index, im.payload, im.flushedTo)
	c.image, im.opening = im, false
	im.publishLocked()
	return im, nil
}

// open reads the index and puts in order what a crash left.
func (im *partition) open() error {
	l, size, err := readLog(im.index)
	if err != nil {
		return err
	}
	im.log, im.logHigh = l, size
	if err := im.c.owns(l.head); err != nil {
		return err
	}
	payload, readOnly, err := openWritable(im.c.fs, im.c.path(payloadSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the payload file %s is missing: %w", im.c.path(payloadSuffix), ErrDamaged)
	}
	if err != nil {
		return err
	}
	im.payload = payload
	im.readOnly = im.readOnly || readOnly
	if im.fileEnd, err = payload.Size(); err != nil {
		return err
	}
	keep, err := l.recover(payload, im.fileEnd)
	if err != nil {
		return err
	}
	if l.state.retired && !im.readOnly {
		if err := im.c.removeRetired(); err != nil {
			return err
		}
		l.state.retired = len(im.c.pins) > 0
		im.newState = true
	}
	return im.settle(keep, size)
}

// recover returns the end of what can be trusted: everything after a clean
// unload; else what is on stable storage and the whole records behind it.
func (l *tapeLog) recover(payload File, size int64) (mark, error) {
	end := l.eod()
	if !l.footer && l.durable < end.object {
		var err error
		if end, err = l.verify(payload, l.durable, end.object, nil); err != nil && !errors.Is(err, ErrCorrupt) {
			return end, err
		}
	}
	if size < end.offset || (!l.footer && l.tooLong(size)) {
		return end, fmt.Errorf("the payload file has %d bytes and should have %d: %w", size, end.offset, ErrDamaged)
	}
	return end, nil
}

// tooLong says that the payload file is longer than any crash makes it: then
// rather the index has lost something, and the payload must not be cut off.
func (l *tapeLog) tooLong(size int64) bool { return size > l.high+4*syncMarkBytes }

// settle cuts what is not whole, and makes the rest durable before anything
// is written behind it.
func (im *partition) settle(keep mark, size int64) error {
	l := im.log
	end := l.eod()
	if im.readOnly {
		if keep != end {
			l.cut(keep)
		}
		return nil
	}
	if !l.footer && size > l.end {
		if err := im.index.Truncate(l.end); err != nil {
			return err
		}
		im.logHigh = l.end
	}
	if keep != end {
		if err := im.appendLog(cutChunk, l.cutBody(keep)); err != nil {
			return err
		}
		l.cut(keep)
		l.seal()
	}
	im.flushed = keep.object
	if at, err := l.place(l.durable); err != nil {
		return err
	} else if im.syncedTo = at.offset; l.footer {
		im.syncedTo = keep.offset
	}
	if err := im.trim(); err != nil {
		return err
	}
	if l.footer {
		return nil
	}
	im.unsynced = true // a killed process may not have come to it
	return im.Sync()
}

// trim shortens the payload file to end of data, or to what Views still read,
// and gives back the room reserved behind it.
func (im *partition) trim() error {
	end := max(im.log.eod().offset, im.c.pinned.Load())
	if im.fileEnd <= end && im.allocated == 0 {
		return nil
	}
	if im.fileEnd < end {
		end = im.fileEnd
	}
	if err := im.payload.Truncate(end); err != nil {
		return err
	}
	im.fileEnd, im.allocated = end, 0
	return nil
}

// Barcode returns the cartridge's barcode.
func (im *partition) Barcode() string { return im.c.barcode }

// Info returns the present state, of the partition only. Serial, counts of loads
// and writes and the write protection are those of the cartridge.
func (im *partition) Info() Info {
	i := im.log.info(im.log.footer && !im.dirty())
	if f := im.first; f != im {
		i.WriteCount, i.LoadCount = f.log.state.writeCount, f.log.state.loadCount
		i.Created, i.WriteProtected = f.log.head.created, f.log.state.protected
	}
	return i
}

// publishLocked gives the present state, as far as it is in the index file, to
// Cartridge.Info and to Views. c.mu is held.
func (im *partition) publishLocked() {
	l := im.log
	eod := l.eod()
	if im.flushed < eod.object {
		eod = l.tail.place(im.flushed)
	}
	im.c.live = &published{dir: l.dir, tail: entry{l.tail.start, l.tailLog, l.end - l.tailLog}, eod: eod, state: l.state, durable: l.durable}
	info := im.Info()
	im.c.info.Store(&info)
}

func (im *partition) publish() {
	if im.opening {
		return
	}
	im.c.mu.Lock()
	im.publishLocked()
	im.c.mu.Unlock()
}

// View pins what is on the tape now and returns a reader of it.
func (im *partition) View() (*View, error) {
	if err := im.closed(); err != nil {
		return nil, err
	}
	if im.flushed < im.log.eod().object {
		if err := im.flush(); err != nil {
			return nil, fmt.Errorf("view tape %s: %w", im.c.barcode, err)
		}
	}
	return im.c.View()
}

// Park is Image.Park for one partition.
func (im *partition) Park() error {
	if err := im.closed(); err != nil {
		return err
	}
	if err := im.park(); err != nil {
		return fmt.Errorf("park tape %s: %w", im.c.barcode, diskError(err))
	}
	return nil
}

func (im *partition) park() error {
	if im.readOnly {
		return nil
	}
	if im.broken != nil {
		return im.broken
	}
	im.quiet()
	if err := im.trouble; err != nil {
		im.trouble = nil
		return err
	}
	dirty := im.dirty()
	if err := im.trim(); err != nil {
		return err
	}
	if dirty {
		if err := im.syncPayload(); err != nil {
			return err
		}
		if err := im.flush(); err != nil {
			return err
		}
		if err := im.syncIndex(); err != nil {
			return err
		}
	}
	if !dirty && !im.newState && im.log.footer {
		return nil
	}
	// The log is durable, and only then may a directory stand behind it. The
	// directory itself saves the next load from reading the log: it is not
	// waited for.
	return im.end()
}

// end writes the directory and the footer behind the log.
func (im *partition) end() error {
	b, size := im.log.appendEnding(im.batch[:0])
	im.batch = b[:0]
	if _, err := im.index.WriteAt(b, im.log.end); err != nil {
		return err
	}
	if size < im.logHigh {
		if err := im.index.Truncate(size); err != nil {
			return err
		}
	}
	im.logHigh, im.log.footer, im.newState = size, true, false
	im.publish()
	return nil
}

// Close is Image.Close for one partition.
func (im *partition) Close() error {
	if im.payload == nil {
		return nil
	}
	err := im.park()
	im.back.stop()
	im.sealer, im.opener = nil, opener{}
	c := im.c
	c.mu.Lock()
	err = errors.Join(err, closeAll(im.payload, im.index))
	im.payload = nil
	c.image, c.live = nil, nil
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("close tape %s: %w", c.barcode, diskError(err))
	}
	return nil
}
