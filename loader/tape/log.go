package tape

import (
	"fmt"
	"sort"
)

// tapeLog is what an index file says: identity, state, attributes, and the
// way from object numbers to payload offsets. Only the sparse directory, the
// last region and a few decoded ones are in memory. One goroutine at a time.
type tapeLog struct {
	file    File
	head    header
	state   state
	attrs   map[uint16]Attribute
	dir     []entry // sealed regions; entries never change, so a View may share them
	tail    *region // the objects after them
	tailLog int64   // where the tail's log begins
	end     int64   // where the next chunk goes
	durable uint64  // objects below this are on stable storage
	synced  int64   // log bytes that are on stable storage
	high    int64   // payload bytes that a chunk read so far spoke of
	footer  bool    // a directory and a footer stand at end, to be cut off before the next chunk
	cache   [4]cached
	turn    int
	scratch []byte
}

type cached struct {
	log int64
	*region
}

// eod returns the mark of end of data.
func (l *tapeLog) eod() mark { return l.tail.end }

// limit returns where the objects of sealed region i end.
func (l *tapeLog) limit(i int) uint64 {
	if i+1 < len(l.dir) {
		return l.dir[i+1].object
	}
	return l.tail.start.object
}

// regionOf returns the region that holds object n, n < end of data.
func (l *tapeLog) regionOf(n uint64) (*region, error) {
	if n >= l.tail.start.object {
		return l.tail, nil
	}
	return l.sealed(sort.Search(len(l.dir), func(i int) bool { return l.dir[i].object > n }) - 1)
}

// filemarkObject returns the object number of filemark k, counted from 0.
func (l *tapeLog) filemarkObject(k uint64) (uint64, error) {
	r := l.tail
	if k < l.tail.start.filemarks {
		var err error
		if r, err = l.sealed(sort.Search(len(l.dir), func(i int) bool { return l.dir[i].filemarks > k }) - 1); err != nil {
			return 0, err
		}
	}
	return r.filemark(k), nil
}

// place returns the mark before object n, n <= end of data.
func (l *tapeLog) place(n uint64) (mark, error) {
	switch {
	case n == 0:
		return mark{}, nil
	case n >= l.tail.start.object:
		return l.tail.place(n), nil
	}
	r, err := l.regionOf(n)
	if err != nil {
		return mark{}, err
	}
	return r.place(n), nil
}

// sealed returns sealed region i, decoded.
func (l *tapeLog) sealed(i int) (*region, error) {
	e := l.dir[i]
	for _, c := range l.cache {
		if c.region != nil && c.log == e.log {
			return c.region, nil
		}
	}
	// The oldest region gives its memory. A reader that still points at it
	// finds its object there or looks again: any object found is true.
	old := l.cache[l.turn].region
	l.cache[l.turn] = cached{}
	r, err := l.decode(e, old)
	if err != nil {
		if old != nil {
			*old = region{}
		}
		return nil, err
	}
	r.truncate(l.limit(i))
	if r.end.object != l.limit(i) {
		return nil, fmt.Errorf("index bytes %d to %d hold fewer objects than the directory says: %w", e.log, e.log+e.size, ErrDamaged)
	}
	l.keep(e.log, r)
	return r, nil
}

// keep puts a decoded region in the cache, in the place of the oldest.
func (l *tapeLog) keep(log int64, r *region) {
	l.cache[l.turn] = cached{log, r}
	l.turn = (l.turn + 1) % len(l.cache)
}

// decode reads a stretch of log, into r when it is not nil.
func (l *tapeLog) decode(e entry, r *region) (*region, error) {
	if int64(cap(l.scratch)) < e.size {
		l.scratch = make([]byte, e.size)
	}
	b := l.scratch[:e.size]
	if err := readFull(l.file, b, e.log); err != nil {
		return nil, fmt.Errorf("read %d index bytes at %d: %w (%w)", e.size, e.log, ErrDamaged, err)
	}
	if r == nil {
		r = &region{crcs: make([]uint32, 0, e.size/4)}
	}
	*r = region{start: e.mark, end: e.mark, runs: r.runs[:0], crcs: r.crcs[:0]}
	for pos := e.log; len(b) > 0; {
		t, body, n, err := parseChunk(b, l.head.id, pos)
		if err == nil {
			err = r.applyChunk(t, body)
		}
		if err != nil {
			return nil, fmt.Errorf("index chunk at %d: %w (%w)", pos, ErrDamaged, err)
		}
		b, pos = b[n:], pos+n
	}
	return r, nil
}

// applyChunk follows what a chunk says about the objects.
func (r *region) applyChunk(t chunkType, body []byte) error {
	switch t {
	case recordsChunk:
		c, err := parseRecords(body)
		if err != nil {
			return err
		}
		return r.apply(c)
	case cutChunk:
		if len(body) != cutBytes {
			return errTorn
		}
		at := parseMark(body)
		if at.object < r.start.object || at.object > r.end.object {
			return errTorn
		}
		r.truncate(at.object)
	}
	return nil
}

// seal closes the tail region when it is long enough, which must be wholly in
// the log.
func (l *tapeLog) seal() {
	if l.end-l.tailLog < regionBytes {
		return
	}
	if l.tail.end.object > l.tail.start.object {
		l.dir = append(l.dir, entry{l.tail.start, l.tailLog, l.end - l.tailLog})
		l.keep(l.tailLog, l.tail)
		old := l.tail
		l.tail = newRegion(old.end)
		l.tail.runs = make([]run, 0, len(old.runs)+16)
		l.tail.crcs = make([]uint32, 0, len(old.crcs)+1024)
	}
	l.tailLog = l.end
}

// cut forgets the objects from at on. Its chunk ends at end.
func (l *tapeLog) cut(at mark) {
	l.durable = min(l.durable, at.object)
	if at.object >= l.tail.start.object {
		l.tail.truncate(at.object)
		return
	}
	n := sort.Search(len(l.dir), func(i int) bool { return l.dir[i].object >= at.object })
	l.dir = l.dir[:n:n]
	l.cache = [4]cached{}
	l.tail, l.tailLog = newRegion(at), l.end
}

// chunks returns the log bytes from..to-1, which must be valid chunks.
func (l *tapeLog) chunks(from, to int64) ([]byte, error) {
	if from < logStart || from > to {
		return nil, errTorn
	}
	b := make([]byte, to-from)
	if err := readFull(l.file, b, from); err != nil {
		return nil, err
	}
	for rest, pos := b, from; pos < to; {
		_, _, n, err := parseChunk(rest, l.head.id, pos)
		if err != nil {
			return nil, fmt.Errorf("index chunk at %d: %w (%w)", pos, ErrDamaged, err)
		}
		rest, pos = rest[n:], pos+n
	}
	return b, nil
}

// appendEnding appends the directory and the footer that close a log; size is
// how long they make the file.
func (l *tapeLog) appendEnding(b []byte) (ending []byte, size int64) {
	start := len(b)
	b = appendChunk(b, l.head.id, l.end, directoryChunk, l.appendDirectory)
	foot := footer{l.end, le.Uint32(b[start:]), l.state, l.eod()}
	size = l.end + int64(len(b)-start)
	return appendChunk(b, l.head.id, size, footerChunk, foot.append), size + footerBytes
}

// appendDirectory appends the body of the directory chunk.
func (l *tapeLog) appendDirectory(b []byte) []byte {
	b = l.state.append(b)
	b = l.eod().append(b)
	b = le.AppendUint64(b, l.durable)
	b = entry{l.tail.start, l.tailLog, l.end - l.tailLog}.append(b)
	b = le.AppendUint32(b, uint32(len(l.dir)))
	b = le.AppendUint32(b, uint32(len(l.attrs)))
	for _, e := range l.dir {
		b = e.append(b)
	}
	for _, a := range l.attributes() {
		b = appendAttribute(b, a, false)
	}
	return b
}

func (l *tapeLog) attributes() []Attribute {
	list := make([]Attribute, 0, len(l.attrs))
	for _, a := range l.attrs {
		list = append(list, a)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list
}

// cutBody writes the body of the chunk that says objects from at on are gone.
func (l *tapeLog) cutBody(at mark) func([]byte) []byte {
	return func(b []byte) []byte {
		return le.AppendUint64(at.append(b), uint64(unixNano(l.state.lastWritten)))
	}
}

// info returns the snapshot for people and status pages.
func (l *tapeLog) info(clean bool) Info { return infoOf(&l.head, &l.state, l.eod(), clean) }

func infoOf(h *header, s *state, end mark, clean bool) Info {
	return Info{
		Barcode:           h.barcode,
		Serial:            fmt.Sprintf("%X", h.serial[:]),
		Medium:            h.medium,
		CapacityBytes:     s.capacity,
		EarlyWarningBytes: s.earlyWarning,
		UsedBytes:         end.used(),
		PayloadBytes:      end.offset,
		Objects:           end.object,
		Filemarks:         end.filemarks,
		Generation:        s.generation,
		WriteCount:        s.writeCount,
		LoadCount:         s.loadCount,
		Created:           h.created,
		LastWritten:       s.lastWritten,
		WriteProtected:    s.protected,
		Partitions:        s.partitions(),
		Clean:             clean,
	}
}
