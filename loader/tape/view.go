package tape

import (
	"errors"
	"fmt"
	"io"
)

// View reads a cartridge as it stood when the View was made, whatever is
// written to it meanwhile. It has its own position. One goroutine at a time.
type View struct {
	reader
	c     *Cartridge
	index File
	pin   *pin
	info  Info
}

// View pins what is on the tape and returns a reader of it: of a loaded tape,
// what its index file has (everything up to the last Sync at least). Close it:
// it keeps disk space and an overwrite from reusing files.
func (c *Cartridge) View() (*View, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, err := c.view()
	if err != nil {
		return nil, fmt.Errorf("view tape %s: %w", c.barcode, err)
	}
	return v, nil
}

func (c *Cartridge) view() (*View, error) {
	index, payload, err := c.openFiles()
	if err != nil {
		return nil, err
	}
	v := &View{c: c, index: index}
	v.payload = payload
	if v.log, err = c.viewLog(index, payload); err != nil {
		return nil, errors.Join(err, closeAll(index, payload))
	}
	v.info = v.log.info(c.live == nil && v.log.footer)
	v.pin = c.pin(v.log.eod().offset)
	return v, nil
}

// viewLog makes the log of a View: as the loaded image published it, or as
// the files say.
func (c *Cartridge) viewLog(index, payload File) (*tapeLog, error) {
	live := c.live
	if live == nil {
		l, err := c.readSettled(index, payload)
		return l, err
	}
	b := make([]byte, logStart)
	if err := readFull(index, b, 0); err != nil {
		return nil, err
	}
	h, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	l := &tapeLog{file: index, head: h, state: live.state, dir: live.dir, tailLog: live.tail.log,
		end: live.tail.log + live.tail.size, durable: live.durable}
	if l.tail, err = l.decode(live.tail, nil); err != nil {
		return nil, err
	}
	// A read-only image may know of fewer objects than the file.
	if l.tail.truncate(live.eod.object); l.tail.end != live.eod {
		return nil, fmt.Errorf("the index does not end where it should: %w", ErrDamaged)
	}
	return l, nil
}

// readSettled reads an unloaded cartridge without changing it: what a load
// would cut off is not shown.
func (c *Cartridge) readSettled(index, payload File) (*tapeLog, error) {
	l, _, err := readLog(index)
	if err != nil {
		return nil, err
	}
	if err := c.owns(l.head); err != nil {
		return nil, err
	}
	size, err := payload.Size()
	if err != nil {
		return nil, err
	}
	keep, err := l.recover(payload, size)
	if err != nil {
		return nil, err
	}
	if keep != l.eod() {
		l.cut(keep)
	}
	return l, nil
}

// Info returns the cartridge as it stood.
func (v *View) Info() Info { return v.info }

// Close lets the bytes go.
func (v *View) Close() error {
	if v.payload == nil {
		return nil
	}
	err := closeAll(v.payload, v.index)
	v.payload = nil
	return errors.Join(err, v.c.unpin(v.pin))
}

// CopyResult is what Copy copied.
type CopyResult struct {
	Blocks, Filemarks uint64
	Bytes             int64
	EarlyWarning      bool // the destination is in its early-warning zone
}

// Copy copies from the reader's position to its end of data, blocks and
// filemarks, and syncs the destination. buf must hold the longest block:
// MaxBlock bytes always do; a longer block is ErrBlockLength. It stops at the
// first other error, ErrEndOfMedium included; the result counts what was copied.
func Copy(dst BlockWriter, src BlockReader, buf []byte) (CopyResult, error) {
	var done CopyResult
	warned := func(err error) error {
		if errors.Is(err, ErrEarlyWarning) {
			done.EarlyWarning = true
			return nil
		}
		return err
	}
	for {
		n, err := src.ReadBlock(buf)
		switch {
		case errors.Is(err, ErrFilemark):
			n, err := dst.WriteFilemarks(1)
			done.Filemarks += uint64(n)
			if err := warned(err); err != nil {
				return done, err
			}
		case errors.Is(err, ErrEndOfData) || errors.Is(err, io.EOF):
			return done, dst.Sync()
		case err != nil:
			return done, err
		case n > len(buf):
			return done, fmt.Errorf("copy a block of %d bytes with a buffer of %d: %w", n, len(buf), ErrBlockLength)
		default:
			if err := warned(dst.WriteBlock(buf[:n])); err != nil {
				return done, err
			}
			done.Blocks++
			done.Bytes += int64(n)
		}
	}
}
