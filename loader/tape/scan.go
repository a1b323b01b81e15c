package tape

import (
	"errors"
	"fmt"
	"io"
)

// readLog reads an index file: its footer and directory when it was closed
// cleanly, else every chunk up to the first that is not valid. With an error
// the log, when not nil, has the header and what the directory said.
func readLog(f File) (*tapeLog, int64, error) {
	size, err := f.Size()
	if err != nil {
		return nil, 0, err
	}
	b := make([]byte, min(size, logStart))
	if err := readFull(f, b, 0); err != nil {
		return nil, 0, fmt.Errorf("read the index header: %w (%w)", ErrDamaged, err)
	}
	h, err := parseHeader(b)
	if err != nil {
		return nil, 0, err
	}
	l := &tapeLog{file: f, head: h}
	if err = l.readDirectory(size); err != nil && !errors.Is(err, ErrDamaged) {
		err = l.scan(size, nil)
	}
	return l, size, err
}

func (l *tapeLog) reset() {
	*l = tapeLog{file: l.file, head: l.head, state: l.head.state, attrs: map[uint16]Attribute{},
		tail: newRegion(mark{}), tailLog: logStart, end: logStart, synced: logStart, scratch: l.scratch}
}

// readFooter reads the footer at the end of an index file.
func readFooter(f File, id logID, size int64) (footer, error) {
	b := make([]byte, footerBytes)
	if size < logStart+footerBytes {
		return footer{}, errTorn
	}
	if err := readFull(f, b, size-footerBytes); err != nil {
		return footer{}, err
	}
	t, body, n, err := parseChunk(b, id, size-footerBytes)
	if err != nil || t != footerChunk || n != footerBytes {
		return footer{}, errTorn
	}
	return parseFooter(body), nil
}

// readDirectory takes everything from the directory at the end of the file.
func (l *tapeLog) readDirectory(size int64) error {
	l.reset()
	foot, err := readFooter(l.file, l.head.id, size)
	if err != nil {
		return err
	}
	n := size - footerBytes - foot.directory
	if foot.directory < logStart || n < chunkHeaderBytes+directoryFixed || n > chunkHeaderBytes+maxDirectoryBody {
		return errTorn
	}
	b := make([]byte, n)
	if err := readFull(l.file, b, foot.directory); err != nil {
		return err
	}
	t, body, length, err := parseChunk(b, l.head.id, foot.directory)
	if err != nil || t != directoryChunk || length != n || le.Uint32(b) != foot.directoryCRC {
		return errTorn
	}
	tail, end, err := l.parseDirectory(body)
	if err != nil || tail.log+tail.size != foot.directory {
		return errTorn
	}
	// Everything before a directory was synced before it was written: what is
	// wrong from here on is no trace of a crash.
	l.end, l.synced, l.footer = foot.directory, foot.directory, true
	if l.tail, err = l.decode(tail, nil); err != nil {
		return err
	}
	if l.tailLog = tail.log; l.tail.end != end {
		return fmt.Errorf("the index ends with object %d, its directory says %d: %w", l.tail.end.object, end.object, ErrDamaged)
	}
	return nil
}

// parseDirectory takes state, entries and attributes and returns the tail's
// entry and the end of data.
func (l *tapeLog) parseDirectory(b []byte) (tail entry, end mark, err error) {
	if len(b) < directoryFixed {
		return tail, end, errTorn
	}
	l.state, end = parseState(b), parseMark(b[stateBytes:])
	b = b[stateBytes+markBytes:]
	l.durable, tail = le.Uint64(b), parseEntry(b[8:])
	b = b[8+entryBytes:]
	entries, attrs := int64(le.Uint32(b)), le.Uint32(b[4:])
	b = b[8:]
	if entries*entryBytes > int64(len(b)) {
		return tail, end, errTorn
	}
	l.dir = make([]entry, entries, entries+16)
	for i := range l.dir {
		l.dir[i] = parseEntry(b[i*entryBytes:])
	}
	if !ascending(append(l.dir, tail)) {
		return tail, end, errTorn
	}
	b = b[entries*entryBytes:]
	for ; attrs > 0; attrs-- {
		var a Attribute
		if a, _, b, err = parseAttribute(b); err != nil {
			return tail, end, err
		}
		l.attrs[a.ID] = a
	}
	return tail, end, nil
}

// ascending says whether entries begin at the beginning of the tape and
// neither their objects nor their stretches of log overlap.
func ascending(list []entry) bool {
	if list[0].mark != (mark{}) || list[0].log < logStart {
		return false
	}
	for i, e := range list {
		if e.size < 0 {
			return false
		}
		if i > 0 {
			last := list[i-1]
			if e.object <= last.object || e.log < last.log+last.size || e.offset < last.offset || e.filemarks < last.filemarks {
				return false
			}
		}
	}
	return true
}

// scan follows every valid chunk from the start; see says what stood where.
func (l *tapeLog) scan(size int64, see func(pos int64, t chunkType, body []byte)) error {
	l.reset()
	buf := make([]byte, 0, 1<<20)
	for at := int64(logStart); ; {
		// buf holds the file's bytes from l.end, which is at.
		if len(buf) < chunkHeaderBytes && at+int64(len(buf)) < size {
			var err error
			if buf, err = l.fill(buf, at, size, chunkHeaderBytes); err != nil {
				return err
			}
		}
		n, err := chunkLength(buf)
		if err != nil || at+n > size {
			return nil
		}
		if n > int64(len(buf)) {
			if buf, err = l.fill(buf, at, size, n); err != nil {
				return err
			}
		}
		t, body, _, err := parseChunk(buf, l.head.id, at)
		if err != nil {
			return nil
		}
		if see != nil {
			see(at, t, body)
		}
		switch err := l.follow(t, body, at+n); {
		case errors.Is(err, ErrFormat):
			return fmt.Errorf("index chunk at %d: %w", at, err)
		case err != nil:
			return nil
		}
		buf, at = buf[n:], at+n
	}
}

// fill returns the file's bytes from at on: want of them at least.
func (l *tapeLog) fill(buf []byte, at, size, want int64) ([]byte, error) {
	have := len(buf)
	next := make([]byte, min(max(want, 1<<20), size-at))
	copy(next, buf)
	if err := readFull(l.file, next[have:], at+int64(have)); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read the index at %d: %w", at, err)
	}
	return next, nil
}

// errSkip ends a scan at a directory, which is always the last of a log.
var errSkip = errors.New("the log ends here")

// follow applies one chunk, which ends at end.
func (l *tapeLog) follow(t chunkType, body []byte, end int64) error {
	switch t {
	case recordsChunk:
		c, err := parseRecords(body)
		if err != nil {
			return err
		}
		if err := l.tail.apply(c); err != nil {
			return err
		}
		l.durable = min(c.durable, l.eod().object)
		l.high = max(l.high, l.eod().offset)
		if c.time != 0 {
			l.state.lastWritten = fromUnixNano(c.time)
		}
	case cutChunk:
		if len(body) != cutBytes {
			return errTorn
		}
		at := parseMark(body)
		if at.object > l.eod().object {
			return errTorn
		}
		l.end = end
		l.cut(at)
		l.state.lastWritten = fromUnixNano(int64(le.Uint64(body[markBytes:])))
	case stateChunk:
		if len(body) != stateBytes {
			return errTorn
		}
		l.state = parseState(body)
	case attributeChunk:
		a, deleted, rest, err := parseAttribute(body)
		if err != nil || len(rest) != 0 {
			return errTorn
		}
		if delete(l.attrs, a.ID); !deleted {
			l.attrs[a.ID] = a
		}
	case directoryChunk, footerChunk:
		return errSkip
	default:
		return ErrFormat
	}
	l.end = end
	l.seal()
	return nil
}
