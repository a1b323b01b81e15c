package tape

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// secondPart is behind the names of the files of partition 1.
const secondPart = ".p1"

// maxPartitions is how many partitions a cartridge has at most.
const maxPartitions = 2

// Image is a loaded cartridge: reading, writing and positioning as a drive
// does. It has one partition or two, each a tape for itself with files of its
// own, and stands in one of them: that is what all methods speak of that do not
// say otherwise. One goroutine at a time may use it; Views are independent of it.
type Image struct {
	*partition // the one in which the tape stands
	parts      []*partition
}

// loadAll opens all partitions. c.mu is held.
func (c *Cartridge) loadAll() (*Image, error) {
	first, err := c.load()
	if err != nil {
		return nil, err
	}
	im := &Image{partition: first, parts: []*partition{first}}
	if first.log.state.second == 0 {
		c.second.Store(nil)
		return im, nil
	}
	if err := im.loadSecond(c.other()); err != nil {
		return nil, errors.Join(secondFailed(err), first.abandon())
	}
	return im, nil
}

// secondFailed says that partition 1 is at fault; when it is missing, the cartridge
// is damaged.
func secondFailed(err error) error {
	if errors.Is(err, ErrNotExist) {
		return fmt.Errorf("the files of partition 1 are missing: %w", ErrDamaged)
	}
	return fmt.Errorf("partition 1: %w", err)
}

// abandon closes an image that nobody has used. c.mu is held.
func (im *partition) abandon() error {
	im.c.image, im.c.live = nil, nil
	return closeAll(im.payload, im.index)
}

// loadSecond opens partition 1, whose size partition 0 knows.
func (im *Image) loadSecond(c *Cartridge) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.load()
	if err != nil {
		return err
	}
	first := im.parts[0]
	if p.log.head.serial != first.log.head.serial {
		return errors.Join(fmt.Errorf("its files belong to another cartridge: %w", ErrDamaged), p.abandon())
	}
	p.first = first
	p.log.state.setCapacity(first.log.state.secondBytes())
	p.compress, p.sealer, p.opener = first.compress, first.sealer, first.opener
	p.publishLocked()
	im.parts = append(im.parts, p)
	first.c.second.Store(c)
	return nil
}

// other returns the cartridge's other partition; of partition 1, which Views hold
// bytes, there is one only.
func (c *Cartridge) other() *Cartridge {
	if known := c.second.Load(); known != nil {
		return known
	}
	o := &Cartridge{names: c.names, fs: c.fs}
	if o.part = secondPart; c.part == secondPart {
		o.part = ""
	}
	return o
}

// discard removes the partition's files, if there are any.
func (c *Cartridge) discard() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.removeRetired(); err != nil {
		return err
	}
	for _, suffix := range cartridgeSuffixes {
		if err := c.fs.Remove(c.path(suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return c.fs.SyncDir(c.dir)
}

// secondBytes is the capacity of partition 1, 0 when there is none.
func (s *state) secondBytes() int64 { return int64(s.second) << 20 }

// partitions returns how many there are.
func (s *state) partitions() int {
	if s.second > 0 {
		return maxPartitions
	}
	return 1
}

// setCapacity gives a capacity, and the early-warning zone the default rule makes
// of it.
func (s *state) setCapacity(bytes int64) {
	if s.capacity != bytes {
		s.capacity, s.earlyWarning = bytes, earlyWarning(bytes, 0)
	}
}

// Partitions returns how many partitions the tape has: 1 or 2.
func (im *Image) Partitions() int { return len(im.parts) }

// Partition returns the number of the partition in which the tape stands.
func (im *Image) Partition() int { return slices.Index(im.parts, im.partition) }

// SetPartition changes to another partition, where the position is as it was
// left. ErrPartition.
func (im *Image) SetPartition(n int) error {
	if n < 0 || n >= len(im.parts) {
		return fmt.Errorf("partition %d of %d: %w", n, len(im.parts), ErrPartition)
	}
	im.partition = im.parts[n]
	return nil
}

// PartitionInfo returns the present state of one partition, as Info of the one in
// which the tape stands.
func (im *Image) PartitionInfo(n int) Info { return im.parts[n].Info() }

// TotalBytes is the capacity of all partitions together.
func (im *Image) TotalBytes() (n int64) {
	for _, p := range im.parts {
		n += p.log.state.capacity
	}
	return n
}

// Format empties the tape and makes it one partition of all its capacity; host
// attributes of partition 0 stay. The position is 0 and the result durable.
func (im *Image) Format() error { return im.FormatPartitions(im.TotalBytes()) }

// SetCapacity empties the tape, makes it one partition and gives it another
// capacity; the early-warning zone follows the default rule. ErrCapacity.
func (im *Image) SetCapacity(bytes int64) error { return im.FormatPartitions(bytes) }

// FormatPartitions empties the tape and divides it into one partition or two of
// these capacities; the second is rounded down to MiB, and the first gets the
// rest. Host attributes of partitions that go on stay. The position is 0 of
// partition 0 and the result durable; a crash leaves the old division or the new
// one. ErrCapacity; ErrPinned when a View reads a partition that would go.
func (im *Image) FormatPartitions(sizes ...int64) error {
	first := im.parts[0]
	if err := first.writable(); err != nil {
		return err
	}
	next, err := divide(sizes)
	if err != nil {
		return fmt.Errorf("format tape %s: %w", first.c.barcode, err)
	}
	old := first.log.state.second
	if old > 0 && next.second == 0 && im.parts[1].c.isPinned() {
		return fmt.Errorf("format tape %s: %w", first.c.barcode, ErrPinned)
	}
	// Until partition 0 says so in a new generation, nothing is divided anew.
	if next.second > 0 {
		if err := im.prepareSecond(next); err != nil {
			return first.fail("format", err)
		}
	}
	im.partition = first
	if err := first.reformat(next); err != nil {
		return err
	}
	switch {
	case next.second > 0 && old > 0:
		im.parts[1].log.state.setCapacity(next.secondBytes())
	case next.second > 0:
		return im.loadSecond(first.c.other())
	case old > 0:
		return im.dropSecond()
	}
	return nil
}

// divide returns the sizes as partition 0 keeps them.
func divide(sizes []int64) (s state, err error) {
	if len(sizes) < 1 || len(sizes) > maxPartitions {
		return s, ErrPartition
	}
	for _, n := range sizes {
		if n < minCapacityBytes || n > maxCapacityBytes {
			return s, fmt.Errorf("%d bytes: %w", n, ErrCapacity)
		}
	}
	s.capacity = sizes[0]
	if len(sizes) == 1 {
		return s, nil
	}
	mib := sizes[1] >> 20
	if mib < 1 || mib > 1<<32-1 {
		return s, fmt.Errorf("%d bytes: %w", sizes[1], ErrCapacity)
	}
	s.second = uint32(mib)
	s.capacity += sizes[1] - mib<<20
	return s, nil
}

// prepareSecond makes an empty partition 1, which is not valid yet when there
// was none.
func (im *Image) prepareSecond(next state) error {
	if len(im.parts) > 1 {
		return im.parts[1].reformat(state{capacity: next.secondBytes()})
	}
	first := im.parts[0]
	c := first.c.other()
	if err := c.discard(); err != nil {
		return err
	}
	h := newHeader(Spec{Barcode: c.barcode, Medium: first.log.head.medium})
	h.serial, h.version = first.log.head.serial, formatVersion
	h.state.setCapacity(next.secondBytes())
	return c.create(h)
}

// dropSecond removes partition 1, which is not valid any more.
func (im *Image) dropSecond() error {
	first, second := im.parts[0], im.parts[1]
	first.traffic.add(second.traffic)
	im.parts = im.parts[:1]
	first.c.second.Store(nil)
	return errors.Join(second.Close(), second.c.discard())
}

func (t *Traffic) add(o Traffic) {
	t.Read += o.Read
	t.ReadStored += o.ReadStored
	t.Written += o.Written
	t.WrittenStored += o.WrittenStored
}

// Traffic returns the counters, of all partitions together.
func (im *Image) Traffic() (t Traffic) {
	for _, p := range im.parts {
		t.add(p.traffic)
	}
	return t
}

// SetCompression says whether blocks written from now on are stored compressed
// (zstd, the level that keeps up with the stream). A block that does not become
// shorter is stored as it is. An image begins without.
func (im *Image) SetCompression(on bool) {
	for _, p := range im.parts {
		p.compress = on
	}
}

// SetEncryption says how blocks written from now on are encrypted; nil: not at
// all. The key is kept in memory only, until the image is closed or another is
// set. ErrKeyData when the key-associated data are too long.
func (im *Image) SetEncryption(e *Encryption) error {
	var s *sealer
	if e != nil {
		var err error
		if s, err = newSealer(e); err != nil {
			return err
		}
	}
	for _, p := range im.parts {
		p.sealer = s
	}
	return nil
}

// SetDecryption is that of a View, for all partitions.
func (im *Image) SetDecryption(mode DecryptMode, key *[KeyBytes]byte) error {
	for _, p := range im.parts {
		if err := p.SetDecryption(mode, key); err != nil {
			return err
		}
	}
	return nil
}

// Sync makes everything written so far durable, in all partitions: payload
// first, then the index with the mark that says so. With nothing new it does
// nothing.
//
// A failure of the write-back that goes on in the background is reported by
// the Sync after it. After a failure nothing is believed to be on the disk:
// the next Sync writes the bytes again, as long as their checksums are right.
func (im *Image) Sync() error { return im.each((*partition).Sync) }

// Park brings the tape to the state of an unloaded one - everything durable,
// the room behind the end given back, the directory written - and keeps it
// loaded and locked. The next operation goes on as if nothing had been.
func (im *Image) Park() error { return im.each((*partition).Park) }

// Close parks the tape and releases it. The image is closed and unlocked even
// when it returns an error; what could not be made durable is then settled by
// the next load.
func (im *Image) Close() error { return im.each((*partition).Close) }

// each does f with every partition, the second first: partition 0 is what makes
// them a cartridge.
func (im *Image) each(f func(*partition) error) error {
	if len(im.parts) == 1 {
		return f(im.parts[0])
	}
	var errs []error
	for _, p := range slices.Backward(im.parts) {
		errs = append(errs, f(p))
	}
	return errors.Join(errs...)
}

// touch counts the first change after a load, for the whole cartridge.
func (im *partition) touch() {
	f := im.first
	if f.changed {
		return
	}
	f.changed, f.newState = true, true
	f.log.state.writeCount++
	if f != im {
		f.unsynced = true
	}
}

// isPinned says whether a View reads the partition.
func (c *Cartridge) isPinned() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pins) > 0
}

// readHeader reads the header of the partition's index file.
func (c *Cartridge) readHeader() (h header, err error) {
	name, _ := c.current()
	f, err := c.fs.Open(name, os.O_RDONLY)
	if err != nil {
		return h, err
	}
	defer f.Close()
	b := make([]byte, logStart)
	if err := readFull(f, b, 0); err != nil {
		return h, err
	}
	return parseHeader(b)
}
