package demo

import (
	"context"
	"errors"
	"io"
)

// volumeWriter writes a stream in tape blocks, over as many tapes as it takes.
type volumeWriter struct {
	ctx   context.Context
	drive *drive
	// changed is called when the next tape is in the drive, and once at the end;
	// it gets the bytes written to the tape before.
	changed func(written int64) error

	block   []byte // being filled
	written int64  // to this tape
	full    bool   // early warning was met
}

func (w *volumeWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		room := blockLength - len(w.block)
		take := min(room, len(p)-n)
		w.block = append(w.block, p[n:n+take]...)
		n += take
		if len(w.block) == blockLength {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// flush writes the block, after changing tapes if the one in the drive is full.
func (w *volumeWriter) flush() error {
	if w.full {
		if err := w.endTape(); err != nil {
			return err
		}
		if err := w.drive.waitReady(w.ctx); err != nil {
			return err
		}
		if err := w.changed(w.written); err != nil {
			return err
		}
		w.written, w.full = 0, false
	}
	err := w.drive.write(w.ctx, w.block)
	if w.full = errors.Is(err, errEarlyWarning); err != nil && !w.full {
		return err
	}
	w.written += int64(len(w.block))
	w.block = w.block[:0]
	return nil
}

// endTape closes the file on the tape and ejects it.
func (w *volumeWriter) endTape() error {
	if err := w.drive.filemark(w.ctx); err != nil {
		return err
	}
	return w.drive.unload(w.ctx)
}

// Close writes what is left and ends the last tape.
func (w *volumeWriter) Close() error {
	if len(w.block) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if err := w.endTape(); err != nil {
		return err
	}
	return w.changed(w.written)
}

// volumeReader reads a stream back from tapes in order.
type volumeReader struct {
	ctx   context.Context
	drive *drive
	load  func(barcode string) error // puts a tape into the drive
	tapes []string                   // those not yet loaded

	block []byte // one tape block
	rest  []byte // of it, not yet given away
	open  bool   // a tape is in the drive
}

func (r *volumeReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if !r.open {
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.drive.read(r.ctx, r.block)
		switch {
		case errors.Is(err, errFilemark):
			r.open = false
		case errors.Is(err, errEndOfData):
			return 0, io.ErrUnexpectedEOF // every tape ends with a filemark
		case err != nil:
			return 0, err
		}
		r.rest = r.block[:n]
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// next loads the next tape; io.EOF after the last.
func (r *volumeReader) next() error {
	if len(r.tapes) == 0 {
		return io.EOF
	}
	if err := r.load(r.tapes[0]); err != nil {
		return err
	}
	r.tapes = r.tapes[1:]
	if err := r.drive.waitReady(r.ctx); err != nil {
		return err
	}
	r.open = true
	return r.drive.rewind(r.ctx)
}
