package tape

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// MendOptions helps Mend where the index is lost.
type MendOptions struct {
	BlockLength   int   // bytes of every block, when the index is lost: the payload becomes equal blocks, a shorter last one, and no filemarks
	CapacityBytes int64 // then too; 0: 100 GB, or enough for what is there
}

const defaultMendCapacity = 100e9

// Mend makes a damaged cartridge loadable again: it keeps the longest row of
// whole objects from the beginning. Nothing is thrown away: a damaged index is
// kept beside it as ".index.damaged-<n>", and payload that falls off the end
// as ".tape.damaged-<n>". Single damaged blocks stay where they are: reading
// them is ErrCorrupt, and spacing passes them.
//
// ErrInUse; ErrIndexLost when record boundaries are unknown and
// MendOptions.BlockLength does not say them.
func Mend(dir, barcode string, o MendOptions) (Report, error) {
	b, err := Barcode(barcode)
	if err != nil {
		return Report{Barcode: barcode}, err
	}
	c := &Cartridge{names: names{dir: dir, barcode: b}, fs: OS()}
	r, err := c.mend(o)
	if h, headErr := c.readHeader(); err == nil && headErr == nil && h.second() {
		var other Report
		other, err = c.other().mend(o)
		r.merge(other)
	}
	if err != nil {
		return r, fmt.Errorf("mend tape %s: %w", b, diskError(err))
	}
	// A load and a close write the directory and trim the rest.
	im, err := c.Load()
	if err != nil {
		return r, err
	}
	if err := im.Close(); err != nil {
		return r, err
	}
	changes := r.Changes
	r, err = Check(dir, b, nil)
	r.Changes = changes
	return r, err
}

func (c *Cartridge) mend(o MendOptions) (r Report, err error) {
	r.Barcode = c.barcode
	index, readOnly, err := c.acquire()
	switch {
	case err == nil && readOnly:
		return r, errors.Join(ErrReadOnly, index.Close())
	case err == nil:
		defer index.Close()
	case !errors.Is(err, ErrIndexLost):
		return r, err
	}
	payload, err := c.fs.Open(c.path(payloadSuffix), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return r, err
	}
	defer payload.Close()
	size, err := payload.Size()
	if err != nil {
		return r, err
	}
	m := mending{c: c, report: &r, payload: payload, size: size}
	if index != nil {
		done, err := m.fromLog(index)
		if done || err != nil {
			return r, err
		}
	}
	return r, m.fromPayload(o, index != nil)
}

// mending is one run of Mend.
type mending struct {
	c       *Cartridge
	report  *Report
	payload File
	size    int64
}

// fromLog keeps what the valid chunks say and the payload has. done is false
// when there is no header to start from.
func (m *mending) fromLog(index File) (done bool, err error) {
	l, size, err := readLog(index)
	if errors.Is(err, ErrIndexLost) {
		return false, nil
	}
	if err != nil && (l == nil || !errors.Is(err, ErrDamaged)) {
		return true, err
	}
	if err := m.c.owns(l.head); err != nil {
		return true, err
	}
	full := &tapeLog{file: index, head: l.head}
	if err := full.scan(size, nil); err != nil {
		return true, err
	}
	torn := l.footer && (err != nil || full.end != l.end || full.eod() != l.eod())
	keep, err := full.held(m.payload, m.size)
	if err != nil {
		return true, err
	}
	if !torn && keep.object >= full.durable && !full.tooLong(m.size) {
		return true, nil // what a load settles by itself
	}
	if torn {
		// The directory knows the state at the end, the chunks may have lost it.
		full.state, full.attrs = l.state, l.attrs
	}
	return true, m.rewrite(full, keep)
}

// held returns the end of what the payload file has: all of what is durable
// if it is long enough, and the whole objects behind it.
func (l *tapeLog) held(payload File, size int64) (mark, error) {
	end := l.eod()
	sure, err := l.place(l.durable)
	if err != nil {
		return end, err
	}
	if size >= sure.offset {
		end, err = l.verify(payload, l.durable, end.object, nil)
		if errors.Is(err, ErrCorrupt) {
			err = nil
		}
		return end, err
	}
	// The last object that ends within the payload.
	low, high := uint64(0), l.durable
	for low < high {
		mid := (low + high + 1) / 2
		at, err := l.place(mid)
		if err != nil {
			return end, err
		}
		if at.offset <= size {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return l.place(low)
}

// rewrite makes a new index that says what l says, up to keep.
func (m *mending) rewrite(l *tapeLog, keep mark) error {
	f, err := m.c.fs.Open(m.c.path(tempIndexSuffix), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	defer f.Close()
	old := l.file
	if err := copyBytes(f, 0, old, 0, l.end); err != nil {
		return err
	}
	was := l.eod().object
	l.file = f
	end := l.end
	var b []byte
	put := func(t chunkType, body func([]byte) []byte) {
		b = appendChunk(b, l.head.id, end+int64(len(b)), t, body)
	}
	l.state.generation++
	put(stateChunk, l.state.append)
	for _, a := range l.attributes() {
		put(attributeChunk, func(b []byte) []byte { return appendAttribute(b, a, false) })
	}
	if keep != l.eod() {
		put(cutChunk, l.cutBody(keep))
	}
	l.end += int64(len(b))
	l.cut(keep)
	put(recordsChunk, func(b []byte) []byte {
		return l.tail.appendRecords(b, keep.object, keep.object, unixNano(l.state.lastWritten))
	})
	if _, err := f.WriteAt(b, end); err != nil {
		return err
	}
	if was > keep.object {
		m.did("%d objects from %d on, whose payload is not there, were given up", was-keep.object, keep.object)
	}
	return m.finish(f, keep.offset, true)
}

// fromPayload makes an index of equal blocks.
func (m *mending) fromPayload(o MendOptions, damaged bool) error {
	if o.BlockLength < 1 || o.BlockLength > MaxBlock {
		if o.BlockLength != 0 {
			return fmt.Errorf("blocks of %d bytes: %w", o.BlockLength, ErrBlockLength)
		}
		return ErrIndexLost
	}
	objects := (m.size + int64(o.BlockLength) - 1) / int64(o.BlockLength)
	capacity := o.CapacityBytes
	if capacity == 0 {
		capacity = max(defaultMendCapacity, m.size+objects*ObjectBytes+defaultEarlyWarningBytes)
	}
	s, err := Spec{Barcode: m.c.barcode, CapacityBytes: capacity}.check()
	if err != nil {
		return err
	}
	f, err := m.c.fs.Open(m.c.path(tempIndexSuffix), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	defer f.Close()
	h := newHeader(s)
	// The other partition, if there is one, knows what both must agree on.
	if other, err := m.c.other().readHeader(); err == nil {
		h.serial, h.version = other.serial, formatVersion
		if m.c.part == "" {
			h.state.second = uint32(min(other.state.capacity>>20, 1<<32-1))
		}
	}
	if _, err := f.WriteAt(h.append(nil), 0); err != nil {
		return err
	}
	im := &partition{c: m.c, index: f}
	im.log = &tapeLog{file: f, head: h}
	im.log.reset()
	if err := m.index(im, o.BlockLength); err != nil {
		return err
	}
	m.did("the index was rebuilt: %d blocks of %d bytes, no filemarks, a new serial number", objects, o.BlockLength)
	return m.finish(f, m.size, damaged)
}

// index writes records for the whole payload.
func (m *mending) index(im *partition, blockLength int) error {
	l := im.log
	l.state.lastWritten = time.Now().UTC()
	group := max(1, verifyBytes/blockLength) * blockLength
	buf := make([]byte, group)
	for off := int64(0); off < m.size; {
		p := buf[:min(int64(group), m.size-off)]
		if err := readFull(m.payload, p, off); err != nil {
			return err
		}
		off += int64(len(p))
		for len(p) > 0 {
			n := min(blockLength, len(p))
			l.tail.addBlock(n, checksum(p[:n]))
			p = p[n:]
		}
		l.durable = l.eod().object
		if l.durable-im.flushed >= batchBlocks || off == m.size {
			if err := im.appendLog(recordsChunk, func(b []byte) []byte {
				return l.tail.appendRecords(b, im.flushed, l.durable, unixNano(l.state.lastWritten))
			}); err != nil {
				return err
			}
			im.flushed = l.durable
			l.seal()
		}
	}
	return nil
}

// finish puts the new index in the place of the old one and keeps what falls off.
func (m *mending) finish(f File, end int64, damaged bool) error {
	c := m.c
	if m.size > end {
		name, err := c.aside(damagedPayload)
		if err != nil {
			return err
		}
		rest, err := c.fs.Open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
		if err != nil {
			return err
		}
		err = copyBytes(rest, 0, m.payload, end, m.size-end)
		if err = errors.Join(err, rest.Sync(), rest.Close()); err != nil {
			return err
		}
		m.did("%d payload bytes behind the last whole object were kept as %s", m.size-end, name)
	}
	if err := errors.Join(m.payload.Sync(), f.Sync()); err != nil {
		return err
	}
	if err := c.fs.Rename(c.path(tempIndexSuffix), c.path(newIndexSuffix)); err != nil {
		return err
	}
	if err := c.fs.SyncDir(c.dir); err != nil {
		return err
	}
	if damaged {
		name, err := c.aside(damagedIndex)
		if err != nil {
			return err
		}
		if err := c.fs.Rename(c.path(indexSuffix), name); err != nil {
			return err
		}
		m.did("the damaged index was kept as %s", name)
	}
	if err := c.fs.Rename(c.path(newIndexSuffix), c.path(indexSuffix)); err != nil {
		return err
	}
	return c.fs.SyncDir(c.dir)
}

func (m *mending) did(format string, args ...any) {
	m.report.Changes = append(m.report.Changes, fmt.Sprintf(format, args...))
}

// aside returns the first free name for something kept aside.
func (c *Cartridge) aside(suffix string) (string, error) {
	for n := 1; n < 10000; n++ {
		name := c.path(fmt.Sprintf("%s-%d", suffix, n))
		if _, err := c.fs.Size(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s-9999: %w", suffix, ErrExists)
}
