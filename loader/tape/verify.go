package tape

import (
	"fmt"
	"io"
)

// verifyBytes is how much payload is read at a time where all of it is read.
const verifyBytes = 1 << 20

// walk calls fn with every row of equal objects in from..to-1, cut at region
// borders: row is the place of its first object, i the run it belongs to.
func (l *tapeLog) walk(from, to uint64, fn func(r *region, i int, row run) error) error {
	for n := from; n < to; {
		r, err := l.regionOf(n)
		if err != nil {
			return err
		}
		for i := r.find(n); i < len(r.runs) && n < to; i++ {
			row := r.runs[i]
			end := min(row.end(), to)
			row.mark = row.place(n)
			row.count = uint32(end - n)
			if err := fn(r, i, row); err != nil {
				return err
			}
			n = end
		}
	}
	return nil
}

// verify reads the payload of the objects from..to-1 and compares checksums.
// It returns the mark of to, or of the first damaged block with ErrCorrupt.
// good, when not nil, is given every stretch of payload that is as it should be.
func (l *tapeLog) verify(payload io.ReaderAt, from, to uint64, good func(off int64, p []byte) error) (mark, error) {
	at, err := l.place(from)
	if err != nil {
		return at, err
	}
	var buf []byte
	err = l.walk(from, to, func(r *region, i int, row run) error {
		at = row.mark
		if row.kind == filemarkKind {
			at = row.place(row.end())
			return nil
		}
		for n, end := row.object, row.end(); n < end; {
			blocks := max(1, min(verifyBytes/uint64(row.stored), end-n))
			size := int(blocks) * int(row.stored)
			if cap(buf) < size {
				buf = make([]byte, size)
			}
			p := buf[:size]
			have, readErr := payload.ReadAt(p, at.offset)
			whole := min(have/int(row.stored), int(blocks))
			ok := matching(r, i, n, p[:whole*int(row.stored)], int(row.stored))
			if good != nil && ok > 0 {
				if err := good(at.offset, p[:ok*int(row.stored)]); err != nil {
					return err
				}
			}
			n += uint64(ok)
			at = row.place(n)
			if ok < int(blocks) {
				return corrupt(at, ok < whole, readErr)
			}
		}
		return nil
	})
	return at, err
}

// matching returns how many blocks of p, which begins with block n of run i,
// have their checksum; length is what each has in the payload.
func matching(r *region, i int, n uint64, p []byte, length int) int {
	crcs := r.crcs[r.runs[i].crc+int(n-r.runs[i].object):]
	for k := 0; k < len(p)/length; k++ {
		if checksum(p[k*length:(k+1)*length]) != crcs[k] {
			return k
		}
	}
	return len(p) / length
}

// corrupt is the error for the block at a place: a wrong checksum, or bytes
// that cannot be read.
func corrupt(at mark, read bool, cause error) error {
	switch {
	case read:
		return fmt.Errorf("object %d at payload byte %d: wrong checksum: %w", at.object, at.offset, ErrCorrupt)
	case cause == nil || cause == io.EOF:
		cause = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("object %d at payload byte %d: %w (%w)", at.object, at.offset, ErrCorrupt, cause)
}
