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
	kind   kind
	crc    int // index of the first block's checksum in its region
}

// place returns the mark before object n, which the run holds or ends with.
func (r *run) place(n uint64) mark {
	d := n - r.object
	if r.kind == filemarkKind {
		return mark{n, r.offset, r.filemarks + d}
	}
	return mark{n, r.offset + int64(d)*int64(r.length), r.filemarks}
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

// add appends count objects; the caller appends the checksums of blocks.
func (r *region) add(k kind, length, count uint32) {
	if n := len(r.runs); n > 0 {
		last := &r.runs[n-1]
		if last.kind == k && last.length == length && uint64(last.count)+uint64(count) <= math.MaxUint32 {
			last.count += count
			r.end = last.place(last.end())
			return
		}
	}
	r.runs = append(r.runs, run{mark: r.end, count: count, length: length, kind: k, crc: len(r.crcs)})
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
	if r.runs[i].kind == blockKind {
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
		if u.kind == blockKind && crc == len(r.crcs) {
			crc = u.crc + int(skip)
		}
		b = le.AppendUint32(b, uint32(u.kind)<<24|u.length)
		b = le.AppendUint32(b, u.count-skip)
	}
	le.PutUint32(b[count:], uint32(len(r.runs)-i))
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
	if n*8 > int64(len(b)) {
		return records{}, errTorn
	}
	c.runs, c.crcs = b[:n*8], b[n*8:]
	blocks := uint64(0)
	for i := 0; i < len(c.runs); i += 8 {
		k, length, count := decodeRun(c.runs[i:])
		switch {
		case count == 0:
			return records{}, errTorn
		case k == blockKind && length >= 1 && length <= MaxBlock:
			blocks += uint64(count)
		case k == filemarkKind && length == 0:
		case k == blockKind || k == filemarkKind:
			return records{}, errTorn
		default:
			return records{}, ErrFormat
		}
	}
	if blocks*4 != uint64(len(c.crcs)) {
		return records{}, errTorn
	}
	return c, nil
}

func decodeRun(b []byte) (k kind, length, count uint32) {
	v := le.Uint32(b)
	return kind(v >> 24), v & 0xffffff, le.Uint32(b[4:])
}

// apply appends the chunk's objects to the region; they must continue it.
func (r *region) apply(c records) error {
	if c.first != r.end {
		return errTorn
	}
	crcs := c.crcs
	for i := 0; i < len(c.runs); i += 8 {
		k, length, count := decodeRun(c.runs[i:])
		r.add(k, length, count)
		if k == blockKind {
			mine := crcs[:count*4]
			crcs = crcs[count*4:]
			have := len(r.crcs)
			r.crcs = slices.Grow(r.crcs, int(count))[:have+int(count)]
			for n := range r.crcs[have:] {
				r.crcs[have+n] = le.Uint32(mine[n*4:])
			}
		}
	}
	return nil
}
