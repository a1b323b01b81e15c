package tape

import (
	"math"
	"slices"
	"sort"
)

// regionBytes is how much log one directory entry covers before the next
// begins: what has to be read and decoded to find an object. Only tests,
// which want many regions of a short tape, change it.
var regionBytes int64 = 32 << 10

// run is a row of equal objects.
type run struct {
	mark          // before the first of them
	count  uint32 // objects
	length uint32 // bytes of each block; 0: filemarks
	stored uint32 // bytes of each block in the payload file
	kind   kind
	crc    int // index of the first block's checksum in its region
}

// place returns the mark before object n, which the run holds or ends with.
func (r *run) place(n uint64) mark {
	d := n - r.object
	if r.kind == filemarkKind {
		return mark{n, r.offset, r.filemarks + d}
	}
	return mark{n, r.offset + int64(d)*int64(r.stored), r.filemarks}
}

func (r *run) end() uint64 { return r.object + uint64(r.count) }

// region is a decoded stretch of the log: its objects as runs, and one
// checksum for each block.
type region struct {
	start, end mark
	runs       []run
	crcs       []uint32
}

func newRegion(at mark) *region { return &region{start: at, end: at} }

// add appends count objects stored as they are; the caller appends the
// checksums of blocks.
func (r *region) add(k kind, length, count uint32) { r.addStored(k, length, length, count) }

// addStored appends count objects.
func (r *region) addStored(k kind, length, stored, count uint32) {
	if n := len(r.runs); n > 0 {
		last := &r.runs[n-1]
		if last.kind == k && last.length == length && last.stored == stored && uint64(last.count)+uint64(count) <= math.MaxUint32 {
			last.count += count
			r.end = last.place(last.end())
			return
		}
	}
	r.runs = append(r.runs, run{mark: r.end, count: count, length: length, stored: stored, kind: k, crc: len(r.crcs)})
	last := &r.runs[len(r.runs)-1]
	r.end = last.place(last.end())
}

// addBlock appends one block: the hot path.
func (r *region) addBlock(length int, crc uint32) {
	r.add(blockKind, uint32(length), 1)
	r.crcs = append(r.crcs, crc)
}

// find returns the index of the run that holds object n.
func (r *region) find(n uint64) int {
	return sort.Search(len(r.runs), func(i int) bool { return r.runs[i].end() > n })
}

// place returns the mark before object n, which is in the region or its end.
func (r *region) place(n uint64) mark {
	if n == r.end.object {
		return r.end
	}
	return r.runs[r.find(n)].place(n)
}

// filemark returns the object number of filemark k (from 0), which is in the region.
func (r *region) filemark(k uint64) uint64 {
	i := sort.Search(len(r.runs), func(i int) bool { return r.runs[i].filemarks > k }) - 1
	return r.runs[i].object + (k - r.runs[i].filemarks)
}

// truncate drops the objects from n on.
func (r *region) truncate(n uint64) {
	if n >= r.end.object {
		return
	}
	i := r.find(n)
	at := r.runs[i].place(n)
	crc := r.runs[i].crc
	if r.runs[i].kind.block() {
		crc += int(n - r.runs[i].object)
	}
	r.crcs = r.crcs[:crc]
	r.runs[i].count = uint32(n - r.runs[i].object)
	if r.runs[i].count > 0 {
		i++
	}
	r.runs, r.end = r.runs[:i], at
}

// checksumOf returns the checksum of block n of run i.
func (r *region) checksumOf(i int, n uint64) uint32 {
	return r.crcs[r.runs[i].crc+int(n-r.runs[i].object)]
}

// appendRecords appends the body of a records chunk with the objects from
// number from on.
func (r *region) appendRecords(b []byte, from uint64, durable uint64, now int64) []byte {
	first := r.place(from)
	b = first.append(b)
	b = le.AppendUint64(b, durable)
	b = le.AppendUint64(b, uint64(now))
	count := len(b)
	b = le.AppendUint64(b, 0)
	if from == r.end.object {
		return b
	}
	i := r.find(from)
	crc := len(r.crcs)
	for j := i; j < len(r.runs); j++ {
		u := &r.runs[j]
		skip := uint32(0)
		if from > u.object {
			skip = uint32(from - u.object)
		}
		if u.kind.block() && crc == len(r.crcs) {
			crc = u.crc + int(skip)
		}
		b = le.AppendUint32(b, uint32(u.kind)<<24|u.length)
		b = le.AppendUint32(b, u.count-skip)
		if !u.kind.plain() {
			b = le.AppendUint64(b, uint64(u.stored))
		}
	}
	le.PutUint32(b[count:], uint32((len(b)-count)/runBytes-1))
	for _, c := range r.crcs[crc:] {
		b = le.AppendUint32(b, c)
	}
	return b
}

// records is the parsed body of a records chunk.
type records struct {
	first   mark
	durable uint64
	time    int64
	runs    []byte
	crcs    []byte
}

func parseRecords(b []byte) (records, error) {
	if len(b) < recordsFixed {
		return records{}, errTorn
	}
	c := records{first: parseMark(b), durable: le.Uint64(b[markBytes:]), time: int64(le.Uint64(b[markBytes+8:]))}
	n := int64(le.Uint32(b[markBytes+16:]))
	b = b[recordsFixed:]
	if n*runBytes > int64(len(b)) {
		return records{}, errTorn
	}
	c.runs, c.crcs = b[:n*runBytes], b[n*runBytes:]
	blocks := uint64(0)
	for rest := c.runs; len(rest) > 0; {
		u, n, err := decodeRun(rest)
		if err != nil {
			return records{}, err
		}
		if rest = rest[n:]; u.kind.block() {
			blocks += uint64(u.count)
		}
	}
	if blocks*4 != uint64(len(c.crcs)) {
		return records{}, errTorn
	}
	return c, nil
}

// runBytes is what a run has in a records chunk; one of blocks that are not
// stored plain has as much again, for their stored length.
const runBytes = 8

// decodeRun takes the run at the start of b, which holds one at least, and says
// how many bytes it has.
func decodeRun(b []byte) (u run, n int, err error) {
	v := le.Uint32(b)
	u = run{kind: kind(v >> 24), length: v & 0xffffff, count: le.Uint32(b[4:])}
	u.stored, n = u.length, runBytes
	switch {
	case u.kind != filemarkKind && !u.kind.block():
		return u, n, ErrFormat
	case u.count == 0, u.kind.block() != (u.length >= 1), u.length > MaxBlock:
		return u, n, errTorn
	case u.kind.plain():
		return u, n, nil
	case len(b) < 2*runBytes:
		return u, n, errTorn
	}
	stored := le.Uint64(b[runBytes:])
	if stored < 1 || stored > maxStored {
		return u, n, errTorn
	}
	u.stored = uint32(stored)
	return u, 2 * runBytes, nil
}

// apply appends the chunk's objects to the region; they must continue it.
func (r *region) apply(c records) error {
	if c.first != r.end {
		return errTorn
	}
	crcs := c.crcs
	for rest := c.runs; len(rest) > 0; {
		u, n, err := decodeRun(rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
		r.addStored(u.kind, u.length, u.stored, u.count)
		if u.kind.block() {
			mine := crcs[:u.count*4]
			crcs = crcs[u.count*4:]
			have := len(r.crcs)
			r.crcs = slices.Grow(r.crcs, int(u.count))[:have+int(u.count)]
			for n := range r.crcs[have:] {
				r.crcs[have+n] = le.Uint32(mine[n*4:])
			}
		}
	}
	return nil
}
