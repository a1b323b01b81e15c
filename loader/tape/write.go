package tape

import (
	"errors"
	"fmt"
	"time"
)

const (
	flushBytes    = 4 << 20     // of stream between flushes of the index, when
	flushObjects  = 32          // at least so many objects make the chunk worth its header;
	flushInterval = time.Second // or so much time
	batchBlocks   = 8192        // blocks in one file write
	allocateBytes = 128 << 20   // room reserved ahead of the stream
)

// Only tests, which write little, change these.
var (
	writeBackStep int64 = 32 << 20 // payload bytes handed to the disk at a time
	syncMarkBytes int64 = 1 << 30  // payload bytes between sync marks: after a power cut a load reads about twice that at most
)

// writable says whether the tape can be changed at all.
func (im *partition) writable() error {
	switch {
	case im.payload == nil:
		return ErrClosed
	case im.broken != nil:
		return im.broken
	case im.readOnly || im.first.log.state.protected:
		return ErrReadOnly
	}
	return nil
}

// fail adds the place to an error of the file system.
func (im *partition) fail(what string, err error) error {
	return fmt.Errorf("%s tape %s at object %d: %w", what, im.c.barcode, im.p.object, diskError(err))
}

// WriteBlock writes one block of 1 to MaxBlock bytes at the position, which
// then is end of data. It returns when the operating system has the bytes.
//
// ErrEarlyWarning: written, and the tape is in its early-warning zone.
// ErrEndOfMedium: nothing written. Other errors: nothing written, and what
// stood before the position is as it was.
func (im *partition) WriteBlock(p []byte) error {
	if len(p) < 1 || len(p) > MaxBlock {
		return fmt.Errorf("block of %d bytes: %w", len(p), ErrBlockLength)
	}
	if err := im.writable(); err != nil {
		return err
	}
	if im.storing() {
		return im.writeStored(p)
	}
	if im.p.used()+int64(len(p))+ObjectBytes > im.log.state.capacity {
		return ErrEndOfMedium
	}
	if err := im.begin(int64(len(p))); err != nil {
		return im.fail("write", err)
	}
	_, err := im.payload.WriteAt(p, im.p.offset)
	im.fileEnd = max(im.fileEnd, im.p.offset+int64(len(p)))
	if err != nil {
		return im.fail("write", err)
	}
	im.log.tail.addBlock(len(p), checksum(p))
	im.traffic.Written += int64(len(p))
	im.traffic.WrittenStored += int64(len(p))
	return im.wrote()
}

// WriteBlocks writes len(p)/blockLength blocks of blockLength bytes with as
// few file writes as possible, and returns how many are on the tape. Errors as
// those of WriteBlock; with ErrEndOfMedium and others the first n are written.
func (im *partition) WriteBlocks(p []byte, blockLength int) (n int, err error) {
	if blockLength < 1 || blockLength > MaxBlock {
		return 0, fmt.Errorf("blocks of %d bytes: %w", blockLength, ErrBlockLength)
	}
	if err := im.writable(); err != nil {
		return 0, err
	}
	want := len(p) / blockLength
	if im.storing() {
		return im.writeEachStored(p, blockLength)
	}
	room := (im.log.state.capacity - im.p.used()) / int64(blockLength+ObjectBytes)
	fit := int(min(int64(want), max(room, 0)))
	for n < fit {
		count := min(fit-n, batchBlocks)
		done, batchErr := im.writeBatch(p[n*blockLength:(n+count)*blockLength], blockLength)
		n += done
		if err = batchErr; err != nil && !errors.Is(err, ErrEarlyWarning) {
			return n, err
		}
	}
	if fit < want {
		return n, ErrEndOfMedium
	}
	return n, err
}

func (im *partition) writeBatch(p []byte, blockLength int) (int, error) {
	if err := im.begin(int64(len(p))); err != nil {
		return 0, im.fail("write", err)
	}
	done, err := im.payload.WriteAt(p, im.p.offset)
	im.fileEnd = max(im.fileEnd, im.p.offset+int64(len(p)))
	n := max(done, 0) / blockLength
	for i := range n {
		im.log.tail.addBlock(blockLength, checksum(p[i*blockLength:(i+1)*blockLength]))
	}
	im.traffic.Written += int64(n * blockLength)
	im.traffic.WrittenStored += int64(n * blockLength)
	warning := im.wrote()
	if err != nil {
		return n, im.fail("write", err)
	}
	return n, warning
}

// WriteFilemarks writes n filemarks at the position, without a Sync. They may
// use 64 KiB beyond the capacity. ErrEarlyWarning: all written;
// ErrEndOfMedium: written of them are.
func (im *partition) WriteFilemarks(n int) (written int, err error) {
	if n <= 0 {
		return 0, im.closed()
	}
	if err := im.writable(); err != nil {
		return 0, err
	}
	room := (im.log.state.capacity + filemarkReserveBytes - im.p.used()) / ObjectBytes
	fit := int(min(int64(n), max(room, 0), 1<<31))
	if fit > 0 {
		if err := im.begin(0); err != nil {
			return 0, im.fail("write filemarks on", err)
		}
		im.log.tail.add(filemarkKind, 0, uint32(fit))
		err = im.wrote()
	}
	if fit < n {
		return fit, ErrEndOfMedium
	}
	return fit, err
}

// wrote moves the position behind what was added.
func (im *partition) wrote() error {
	im.p = im.log.eod()
	im.unsynced = true
	if im.p.used() > im.log.state.capacity-im.log.state.earlyWarning {
		return ErrEarlyWarning
	}
	return nil
}

// begin makes the position end of data, in a generation whose payload bytes
// from there on are nobody's, and prepares for n bytes.
func (im *partition) begin(n int64) error {
	if im.p.object != im.log.eod().object {
		if err := im.drop(im.p); err != nil {
			return err
		}
	}
	if n > 0 && im.p.offset < im.c.pinned.Load() {
		if err := im.newGeneration(im.p, nil); err != nil {
			return err
		}
	}
	im.touch()
	if err := im.flushDue(); err != nil {
		return err
	}
	im.forward(n)
	return nil
}

// drop removes the objects from at on, by the cheapest way that a crash can
// be recovered from.
func (im *partition) drop(at mark) error {
	if at.object == 0 {
		return im.newGeneration(at, nil)
	}
	im.quiet()
	l := im.log
	sameBytes := at.offset == l.eod().offset
	if at.object < im.flushed {
		if err := im.cut(at, sameBytes); err != nil {
			return err
		}
	} else {
		l.cut(at) // nobody but this memory knew of them
	}
	im.forget()
	im.unsynced = true
	im.back.limit(at)
	im.syncedTo = min(im.syncedTo, at.offset)
	im.flushedTo = min(im.flushedTo, at.offset)
	if sameBytes {
		return nil
	}
	return im.trim()
}

// cut says in the index that objects from at on are gone: durably, when
// payload bytes are going to change.
func (im *partition) cut(at mark, sameBytes bool) error {
	l, before := im.log, im.log.end
	if !sameBytes {
		l.state.generation++
		im.newState = true
	}
	l.state.lastWritten = time.Now().UTC()
	if im.newState {
		if err := im.appendLog(stateChunk, l.state.append); err != nil {
			return err
		}
	}
	if err := im.appendLog(cutChunk, l.cutBody(at)); err != nil {
		l.end = before
		return err
	}
	if !sameBytes {
		if err := im.syncIndex(); err != nil {
			l.end = before
			return err
		}
	}
	l.cut(at)
	im.flushed, im.newState = at.object, false
	im.publish()
	l.seal()
	return nil
}

// appendLog writes one chunk at the end of the log.
func (im *partition) appendLog(t chunkType, body func([]byte) []byte) error {
	return im.writeLog(appendChunk(im.batch[:0], im.log.head.id, im.log.end, t, body))
}

// writeLog writes chunks at the end of the log; a directory that stands there
// goes first.
func (im *partition) writeLog(b []byte) error {
	im.batch = b[:0]
	if im.log.footer {
		if err := im.index.Truncate(im.log.end); err != nil {
			return err
		}
		im.log.footer, im.logHigh = false, im.log.end
	}
	im.unsynced = true
	im.log.synced = min(im.log.synced, im.log.end)
	im.logHigh = max(im.logHigh, im.log.end+int64(len(b)))
	if _, err := im.index.WriteAt(b, im.log.end); err != nil {
		return fmt.Errorf("append to the index: %w", err)
	}
	im.log.end += int64(len(b))
	return nil
}

// flushDue flushes the index when enough has gathered, so that a killed
// process loses little.
func (im *partition) flushDue() error {
	l := im.log
	objects := l.eod().object - im.flushed
	if objects == 0 {
		return nil
	}
	bytes := l.eod().offset - im.flushedTo
	if objects*12 < uint64(regionBytes) && (bytes < flushBytes || objects < flushObjects) && time.Since(im.lastFlush) < flushInterval {
		return nil
	}
	return im.flush()
}

// flush writes what the index file does not have yet.
func (im *partition) flush() error {
	l := im.log
	im.lastFlush = time.Now()
	l.durable = max(l.durable, im.back.durable())
	b, pos := im.batch[:0], l.end
	if im.flushed < l.eod().object {
		l.state.lastWritten = im.lastFlush.UTC()
	}
	if im.newState {
		b = appendChunk(b, l.head.id, pos, stateChunk, l.state.append)
	}
	b = appendChunk(b, l.head.id, pos+int64(len(b)), recordsChunk, func(b []byte) []byte {
		return l.tail.appendRecords(b, im.flushed, l.durable, unixNano(l.state.lastWritten))
	})
	if err := im.writeLog(b); err != nil {
		return err
	}
	im.flushed, im.flushedTo, im.newState = l.eod().object, l.eod().offset, false
	im.marked = l.durable
	l.seal()
	im.publish()
	return nil
}

// forward reserves room ahead of n bytes and keeps the disk busy behind them.
func (im *partition) forward(n int64) {
	end := im.p.offset + n
	if a, ok := im.payload.(allocator); ok && end > im.allocated {
		left := im.log.state.capacity - im.p.offset
		from := max(im.allocated, im.p.offset)
		if want := min(allocateBytes, left); want > 0 {
			im.allocated = from + max(a.Allocate(from, want), want)
		}
	}
	im.back.advance(im.p)
}
