package tape

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Report is what Check or Mend found.
type Report struct {
	Barcode         string
	Info            Info
	CheckedObjects  uint64    // objects whose place and checksum were looked at
	CheckedBytes    int64     // their payload
	UnsyncedObjects uint64    // whole objects behind the last Sync: kept at the next load
	ExtraBytes      int64     // payload behind the last whole object: cut off at the next load
	Problems        []Problem // empty: everything that was ever made durable is as it was written
	Changes         []string  // what Mend did
}

// Problem is one thing that is not as it should be.
type Problem struct {
	Object uint64
	Err    error // wraps ErrCorrupt: this block only; ErrDamaged: the index or what it says of the payload file
}

// String says it in a line.
func (p Problem) String() string { return p.Err.Error() }

// maxProblems is how many are listed; a tape with more is read to its end all
// the same.
const maxProblems = 1000

// openForReading opens a cartridge's files without a lock, so that it works
// beside the process that has it loaded.
func openForReading(dir, barcode string, partition int) (c *Cartridge, index, payload File, err error) {
	b, err := Barcode(barcode)
	if err != nil {
		return nil, nil, nil, err
	}
	c = &Cartridge{names: names{dir: dir, barcode: b}, fs: OS()}
	switch h, headErr := c.readHeader(); {
	case partition == 0:
	case partition != 1 || headErr == nil && !h.second():
		return nil, nil, nil, fmt.Errorf("partition %d: %w", partition, ErrPartition)
	default:
		c = c.other()
	}
	index, payload, err = c.openFiles()
	return c, index, payload, err
}

// Check reads the whole index and the whole payload and compares sizes,
// filemark counts and every checksum. It changes nothing and works on a loaded
// tape too, up to its last Sync. progress, when not nil, hears of payload bytes.
//
// What is wrong with the tape stands in the report; an error means that it
// could not be looked at.
func Check(dir, barcode string, progress func(done, total int64)) (Report, error) {
	r, err := checkPartition(dir, barcode, 0, progress)
	if err != nil || r.Info.Partitions < maxPartitions {
		return r, err
	}
	other, err := checkPartition(dir, barcode, 1, progress)
	r.merge(other)
	return r, err
}

// merge adds what was found in partition 1.
func (r *Report) merge(other Report) {
	r.Info.add(other.Info)
	r.CheckedObjects += other.CheckedObjects
	r.CheckedBytes += other.CheckedBytes
	r.UnsyncedObjects += other.UnsyncedObjects
	r.ExtraBytes += other.ExtraBytes
	for _, p := range other.Problems {
		r.Problems = append(r.Problems, Problem{p.Object, fmt.Errorf("partition 1: %w", p.Err)})
	}
	for _, c := range other.Changes {
		r.Changes = append(r.Changes, "partition 1: "+c)
	}
}

func checkPartition(dir, barcode string, partition int, progress func(done, total int64)) (Report, error) {
	c, index, payload, err := openForReading(dir, barcode, partition)
	if err != nil {
		return Report{Barcode: barcode}, fmt.Errorf("check tape %s: %w", barcode, err)
	}
	defer closeAll(index, payload)
	// A tape in use may be cut while it is read: look again before complaining.
	for range 3 {
		r, generation, err := c.check(index, payload, progress)
		if err != nil {
			return r, fmt.Errorf("check tape %s: %w", barcode, err)
		}
		if len(r.Problems) == 0 {
			return r, nil
		}
		if l, _, err := readLog(index); err != nil || l.state.generation == generation {
			return r, nil
		}
	}
	return Report{Barcode: barcode}, fmt.Errorf("check tape %s: it is being overwritten: %w", barcode, ErrInUse)
}

func (c *Cartridge) check(index, payload File, progress func(done, total int64)) (Report, uint64, error) {
	r := Report{Barcode: c.barcode}
	l, size, err := readLog(index)
	if err != nil {
		if errors.Is(err, ErrDamaged) {
			r.problem(0, err)
			return r, 0, nil
		}
		return r, 0, err
	}
	if err := c.owns(l.head); err != nil {
		return r, 0, err
	}
	r.Info = l.info(l.footer)
	if l, err = r.checkIndex(l, size); err != nil {
		return r, 0, err
	}
	payloadSize, err := payload.Size()
	if err != nil {
		return r, 0, err
	}
	return r, l.state.generation, r.checkPayload(l, payload, payloadSize, progress)
}

// checkIndex follows every chunk and compares with what the directory says.
func (r *Report) checkIndex(l *tapeLog, size int64) (*tapeLog, error) {
	full := &tapeLog{file: l.file, head: l.head}
	if err := full.scan(size, nil); err != nil {
		return nil, err
	}
	if l.footer {
		if full.end != l.end || full.eod() != l.eod() {
			r.problem(full.eod().object, fmt.Errorf("index chunk at byte %d is not valid; the directory knows of %d objects, the chunks before it of %d: %w",
				full.end, l.eod().object, full.eod().object, ErrDamaged))
		} else {
			full.durable = full.eod().object
		}
	}
	return full, nil
}

// checkPayload compares every checksum.
func (r *Report) checkPayload(l *tapeLog, payload File, size int64, progress func(done, total int64)) error {
	end := l.eod()
	sure, err := l.place(l.durable)
	if err != nil {
		return err
	}
	if size < sure.offset {
		r.problem(sure.object, fmt.Errorf("the payload file has %d bytes and should have %d: %w", size, sure.offset, ErrDamaged))
	}
	good := func(_ int64, p []byte) error {
		r.CheckedBytes += int64(len(p))
		if progress != nil {
			progress(r.CheckedBytes, sure.offset)
		}
		return nil
	}
	for n := uint64(0); n < sure.object; {
		at, err := l.verify(payload, n, sure.object, good)
		switch {
		case errors.Is(err, ErrCorrupt):
			r.problem(at.object, err)
			at.object++
		case err != nil:
			return err
		}
		if at.offset >= size && at.object < sure.object && err != nil {
			break // said above
		}
		n = at.object
	}
	r.CheckedObjects = sure.object
	whole, err := l.verify(payload, sure.object, end.object, nil)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return err
	}
	r.UnsyncedObjects = whole.object - sure.object
	r.ExtraBytes = max(size-whole.offset, 0)
	return nil
}

func (r *Report) problem(object uint64, err error) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, Problem{object, err})
	}
}

// CatOptions says which part Cat writes.
type CatOptions struct {
	Partition int             // 0 or 1
	File      int             // file number, from 0: what lies between two filemarks; -1: everything
	Key       *[KeyBytes]byte // opens encrypted blocks; nil: there is none
}

// Cat writes the bytes that the host wrote, of one file of the tape or of all.
// It stops at the first damaged block with ErrCorrupt and at the first encrypted
// one that the key does not open with ErrNoKey or ErrWrongKey. ErrEndOfData: there is no such file.
func Cat(w io.Writer, dir, barcode string, o CatOptions) error {
	c, index, payload, err := openForReading(dir, barcode, o.Partition)
	if err != nil {
		return fmt.Errorf("read tape %s: %w", barcode, err)
	}
	defer closeAll(index, payload)
	if err := c.cat(w, index, payload, o); err != nil {
		return fmt.Errorf("read tape %s: %w", barcode, err)
	}
	return nil
}

func (c *Cartridge) cat(w io.Writer, index, payload File, o CatOptions) error {
	l, err := c.readSettled(index, payload)
	if err != nil {
		return err
	}
	r := reader{log: l, payload: payload}
	if o.Key != nil {
		if err := r.SetDecryption(DecryptMixed, o.Key); err != nil {
			return err
		}
	}
	if o.File >= 0 {
		if err := r.LocateFile(uint64(o.File)); err != nil {
			return fmt.Errorf("file %d: %w", o.File, err)
		}
	}
	var buf []byte
	for {
		object, err := r.Next()
		if errors.Is(err, ErrEndOfData) || err == nil && object.Filemark && o.File >= 0 {
			return nil
		}
		if err == nil && object.Filemark {
			_, err = r.SpaceFilemarks(1)
		} else if err == nil {
			// As many equal blocks as there are, at a time.
			if size := max(1, verifyBytes/object.Length) * object.Length; len(buf) < size {
				buf = make([]byte, size)
			}
			var n int
			if n, err = r.ReadBlocks(buf, object.Length); err == nil {
				_, err = w.Write(buf[:n*object.Length])
			}
		}
		if err != nil {
			return err
		}
	}
}

// Dump writes what the index says, for a person: header, state, attributes,
// and every row of equal objects.
func Dump(w io.Writer, dir, barcode string) error {
	if err := dumpPartition(w, dir, barcode, 0); err != nil {
		return err
	}
	b, err := Barcode(barcode)
	if err != nil {
		return err
	}
	c := &Cartridge{names: names{dir: dir, barcode: b}, fs: OS()}
	if h, err := c.readHeader(); err != nil || !h.second() {
		return err
	}
	fmt.Fprintf(w, "\npartition 1\n")
	return dumpPartition(w, dir, barcode, 1)
}

func dumpPartition(w io.Writer, dir, barcode string, partition int) error {
	c, index, payload, err := openForReading(dir, barcode, partition)
	if err != nil {
		return fmt.Errorf("dump tape %s: %w", barcode, err)
	}
	defer closeAll(index, payload)
	out := bufio.NewWriter(w)
	if err := errors.Join(c.dump(out, index), out.Flush()); err != nil {
		return fmt.Errorf("dump tape %s: %w", barcode, err)
	}
	return nil
}

func (c *Cartridge) dump(w io.Writer, index File) error {
	l, size, err := readLog(index)
	if err != nil {
		return err
	}
	i := l.info(l.footer)
	for _, line := range []struct {
		name  string
		value any
	}{
		{"barcode", i.Barcode}, {"serial", i.Serial}, {"medium", i.Medium}, {"format version", l.head.version},
		{"created", i.Created}, {"last written", i.LastWritten}, {"capacity bytes", i.CapacityBytes},
		{"early warning bytes", i.EarlyWarningBytes}, {"used bytes", i.UsedBytes}, {"payload bytes", i.PayloadBytes},
		{"objects", i.Objects}, {"filemarks", i.Filemarks}, {"generation", i.Generation}, {"write count", i.WriteCount},
		{"load count", i.LoadCount}, {"write protected", i.WriteProtected}, {"cleanly unloaded", i.Clean},
		{"objects synced", l.durable}, {"index bytes", size}, {"directory entries", len(l.dir)},
	} {
		fmt.Fprintf(w, "%-20s %v\n", line.name, line.value)
	}
	for _, a := range l.attributes() {
		if a.Format == 0 {
			fmt.Fprintf(w, "attribute %04Xh      % X\n", a.ID, a.Value)
		} else {
			fmt.Fprintf(w, "attribute %04Xh      %q\n", a.ID, a.Value)
		}
	}
	fmt.Fprintf(w, "\n%10s %10s %14s %6s\n", "object", "count", "payload byte", "file")
	return l.walk(0, l.eod().object, func(_ *region, _ int, row run) error {
		_, err := fmt.Fprintf(w, "%10d %10d %14d %6d  %s\n", row.object, row.count, row.offset, row.filemarks, row.describe())
		return err
	})
}

// describe says what the objects are, for a person.
func (r *run) describe() string {
	if r.kind == filemarkKind {
		return "filemarks"
	}
	text := fmt.Sprintf("blocks of %d bytes", r.length)
	for _, how := range []struct {
		bit  kind
		word string
	}{{compressedBit, "compressed"}, {encryptedBit, "encrypted"}} {
		if r.kind&how.bit != 0 {
			text += ", " + how.word
		}
	}
	if !r.kind.plain() {
		text += fmt.Sprintf(", stored as %d", r.stored)
	}
	return text
}
