package tape

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Whatever is left of the index behind the last flush: the tape has what was
// flushed, a row of whole records behind it, and nothing else.
func TestCutAtEveryByteAfterTheLastSync(t *testing.T) {
	fsys := newCrashFS()
	c, err := CreateOn(fsys, "/t", Spec{Barcode: "CUT001L8", CapacityBytes: 1 << 30})
	must(t, err)
	im, err := c.Load()
	must(t, err)
	var m model
	put := func(n int) {
		for range n {
			b := bytes.Repeat([]byte{byte(len(m.objects))}, 10+len(m.objects)%3)
			m.write(b)
			must(t, im.WriteBlock(b))
		}
	}
	put(7)
	m.filemarks(1)
	_, err = im.WriteFilemarks(1)
	must(t, err)
	must(t, im.Sync())
	sure, from := len(m.objects), im.log.end
	for range 3 {
		put(5)
		must(t, im.flush())
	}
	index := bytes.Clone(fsys.names["/t/CUT001L8.index"].data[:im.log.end])
	payload := bytes.Clone(fsys.names["/t/CUT001L8.tape"].data)
	try := func(index, payload []byte) {
		t.Helper()
		after := newCrashFS()
		after.names["/t/CUT001L8.index"] = &inode{data: bytes.Clone(index)}
		after.names["/t/CUT001L8.tape"] = &inode{data: bytes.Clone(payload)}
		c, err := OpenOn(after, "/t", "CUT001L8")
		must(t, err)
		im, err := c.Load()
		must(t, err)
		got, err := contents(im)
		must(t, err)
		if len(got) < sure || !isPrefix(got, m.objects) {
			t.Fatalf("index %d, payload %d: %d objects", len(index), len(payload), len(got))
		}
		if n := len(after.names["/t/CUT001L8.tape"].data); int64(n) != im.Info().PayloadBytes {
			t.Fatalf("payload not trimmed: %d bytes", n)
		}
		must(t, im.Close())
	}
	synced, err := im.log.place(uint64(sure))
	must(t, err)
	for n := from; n <= int64(len(index)); n++ {
		try(index[:n], payload)
		if n < int64(len(index)) {
			flipped := bytes.Clone(index)
			flipped[n] ^= 0x40
			try(flipped, payload)
		}
	}
	for n := synced.offset; n <= int64(len(payload)); n++ {
		try(index, payload[:n])
		if n < int64(len(payload)) {
			flipped := bytes.Clone(payload)
			flipped[n] ^= 1
			try(index, flipped)
		}
	}
}

// Bytes of any kind in place of the index: an error or a tape, never a panic,
// and never a record that fails its checksum.
func FuzzOpen(f *testing.F) {
	fsys := newCrashFS()
	c, err := CreateOn(fsys, "/t", Spec{Barcode: "FUZZ01L8", CapacityBytes: 1 << 30})
	must(f, err)
	im, err := c.Load()
	must(f, err)
	for i := range 20 {
		im.SetCompression(i > 15)
		if i == 18 {
			must(f, im.SetEncryption(testEncryption(1)))
		}
		must(f, im.WriteBlock(bytes.Repeat([]byte{byte(i)}, 5+i%2+i/15*100)))
		if i%5 == 0 {
			_, err := im.WriteFilemarks(2)
			must(f, err)
			must(f, im.Sync())
		}
	}
	must(f, im.SetAttribute(Attribute{ID: 0x0800, Value: []byte("x")}))
	index := func() []byte { return bytes.Clone(fsys.names["/t/FUZZ01L8.index"].data) }
	f.Add(index(), true)
	must(f, im.Locate(4))
	must(f, im.WriteBlock([]byte("again")))
	must(f, im.Close())
	f.Add(index(), true)
	f.Add(index(), false)
	f.Add([]byte{}, true)
	f.Add([]byte(magic), true)
	payload := bytes.Clone(fsys.names["/t/FUZZ01L8.tape"].data)
	f.Fuzz(func(t *testing.T, index []byte, sign bool) {
		after := newCrashFS()
		if sign {
			index = resign(bytes.Clone(index))
		}
		after.names["/t/FUZZ01L8.index"] = &inode{data: index}
		after.names["/t/FUZZ01L8.tape"] = &inode{data: bytes.Clone(payload)}
		c, err := OpenOn(after, "/t", "FUZZ01L8")
		if err != nil {
			return
		}
		if v, err := c.View(); err == nil {
			v.SetDecryption(DecryptMixed, &testKey)
			contents(v)
			v.Close()
		}
		im, err := c.Load()
		if err != nil {
			return
		}
		im.SetDecryption(DecryptMixed, &testKey)
		contents(im)
		im.SpaceFilemarks(3)
		im.SpaceBlocks(-2)
		im.WriteBlock([]byte("fuzz"))
		im.Close()
	})
}

// resign gives every chunk a valid checksum, so that fuzzing reaches what
// stands behind it.
func resign(b []byte) []byte {
	var id logID
	for pos := int64(superBytes); pos+chunkHeaderBytes <= int64(len(b)); {
		n, err := chunkLength(b[pos:])
		if err != nil || pos+n > int64(len(b)) {
			break
		}
		body := b[pos+chunkHeaderBytes : pos+n]
		again := appendChunk(nil, id, pos, chunkType(b[pos+4]), func(b []byte) []byte { return append(b, body...) })
		if pos == superBytes && len(body) >= len(id) {
			copy(id[:], body)
		}
		copy(b[pos:], again)
		pos += n
	}
	return b
}

// Errors of the file system: nothing is counted as written that is not, the
// position stays, and when the disk works again the tape goes on.
func TestFaultsOfTheFileSystem(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		fault, file string
		err         error
		do          func(im *Image) error
		want        error
		objects     uint64
	}{
		"write block":         {"write", payloadSuffix, broken, func(im *Image) error { return im.WriteBlock(make([]byte, 100)) }, broken, 3},
		"disk full":           {"write", payloadSuffix, syscall.ENOSPC, func(im *Image) error { return im.WriteBlock(make([]byte, 100)) }, ErrDiskFull, 3},
		"disk full in a row":  {"write", payloadSuffix, syscall.ENOSPC, func(im *Image) error { _, err := im.WriteBlocks(make([]byte, 1000), 100); return err }, ErrDiskFull, 8},
		"read":                {"read", payloadSuffix, broken, func(im *Image) error { im.Rewind(); _, err := im.ReadBlock(make([]byte, 100)); return err }, ErrCorrupt, 3},
		"sync payload":        {"sync", payloadSuffix, broken, (*Image).Sync, broken, 3},
		"sync index":          {"sync", indexSuffix, broken, (*Image).Sync, broken, 3},
		"disk full for index": {"write", indexSuffix, syscall.ENOSPC, (*Image).Sync, ErrDiskFull, 3},
		"attribute":           {"write", indexSuffix, broken, func(im *Image) error { return im.SetAttribute(Attribute{ID: 1}) }, broken, 3},
		"overwrite":           {"sync", indexSuffix, broken, func(im *Image) error { im.Locate(1); return im.WriteBlock([]byte("x")) }, broken, 3},
		"new generation":      {"write", tempIndexSuffix, syscall.ENOSPC, func(im *Image) error { im.Rewind(); return im.WriteBlock([]byte("x")) }, ErrDiskFull, 3},
		"rename":              {"rename", tempIndexSuffix, broken, func(im *Image) error { im.Rewind(); return im.WriteBlock([]byte("x")) }, broken, 3},
		"park":                {"sync", indexSuffix, broken, (*Image).Park, broken, 3},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := newCrashFS()
			c, err := CreateOn(fsys, "/t", Spec{Barcode: "FAULT1L8", CapacityBytes: 1 << 30})
			must(t, err)
			im, err := c.Load()
			must(t, err)
			for i := range 3 {
				must(t, im.WriteBlock(bytes.Repeat([]byte{byte(i)}, 100)))
			}
			if name == "overwrite" {
				must(t, im.Sync())
			}
			fsys.fault = func(op, file string) error {
				if op == test.fault && file == "FAULT1L8"+test.file {
					return test.err
				}
				return nil
			}
			if err := test.do(im); !errors.Is(err, test.want) {
				t.Fatalf("%v, want %v", err, test.want)
			}
			if i := im.Info(); i.Objects != test.objects {
				t.Fatalf("%d objects after the fault, want %d", i.Objects, test.objects)
			}
			fsys.fault = nil
			im.SpaceEndOfData()
			if name == "rename" { // names half changed: the next load settles it
				im.Close()
				im, err = c.Load()
				must(t, err)
				im.SpaceEndOfData()
			}
			want, err := contents(im)
			must(t, err)
			must(t, im.WriteBlock([]byte("goes on")))
			want = append(want, object("goes on"))
			must(t, im.Sync())
			after := fsys.crash(rand.New(rand.NewSource(1)))
			im.back.stop()
			c, err = OpenOn(after, "/t", "FAULT1L8")
			must(t, err)
			im, err = c.Load()
			must(t, err)
			same(t, im, want)
			must(t, im.Close())
		})
	}
}

// A failure in the background is told by the next Sync, and the one after it
// writes the bytes again.
func TestWriteBackFailureIsReportedBySync(t *testing.T) {
	step, mark := writeBackStep, syncMarkBytes
	writeBackStep, syncMarkBytes = 1000, 5000
	defer func() { writeBackStep, syncMarkBytes = step, mark }()
	fsys := newCrashFS()
	c, err := CreateOn(fsys, "/t", Spec{Barcode: "BACK01L8", CapacityBytes: 1 << 30})
	must(t, err)
	im, err := c.Load()
	must(t, err)
	broken := errors.New("broken")
	fsys.mu.Lock()
	fsys.fault = func(op, file string) error {
		if op == "sync" {
			return broken
		}
		return nil
	}
	fsys.mu.Unlock()
	var want []object
	for i := range 40 {
		b := bytes.Repeat([]byte{byte(i)}, 500)
		want = append(want, b)
		must(t, im.WriteBlock(b))
	}
	im.back.idle.Wait()
	fsys.mu.Lock()
	fsys.fault = nil
	fsys.names["/t/BACK01L8.tape"].pending = nil // the failed sync threw the bytes away
	fsys.mu.Unlock()
	if err := im.Sync(); !errors.Is(err, broken) {
		t.Fatalf("sync after the failure: %v", err)
	}
	must(t, im.Sync())
	after := fsys.crash(rand.New(rand.NewSource(1)))
	must(t, im.Close())
	c, err = OpenOn(after, "/t", "BACK01L8")
	must(t, err)
	im, err = c.Load()
	must(t, err)
	same(t, im, want)
	must(t, im.Close())
}

// Sync marks that the background makes bound what a load after a crash reads.
func TestBackgroundSyncMarks(t *testing.T) {
	step, mark := writeBackStep, syncMarkBytes
	writeBackStep, syncMarkBytes = 1000, 5000
	defer func() { writeBackStep, syncMarkBytes = step, mark }()
	_, im, _ := newTape(t, Spec{})
	for range 100 {
		must(t, im.WriteBlock(make([]byte, 500)))
		im.back.idle.Wait()
	}
	must(t, im.flush())
	if im.log.durable < 80 {
		t.Fatalf("%d of 100 objects durable without a Sync", im.log.durable)
	}
}

// mendCase damages a cleanly unloaded tape of 10 x 1000 bytes, a filemark and
// 10 x 500 bytes.
func TestMend(t *testing.T) {
	for name, test := range map[string]struct {
		damage  func(t *testing.T, c *Cartridge)
		options MendOptions
		load    error // of Load before Mend
		err     error // of Mend
		objects uint64
		aside   int // files kept aside
	}{
		"nothing":          {func(*testing.T, *Cartridge) {}, MendOptions{}, nil, nil, 21, 0},
		"footer lost":      {func(t *testing.T, c *Cartridge) { chop(t, c.path(indexSuffix), 10) }, MendOptions{}, nil, nil, 21, 0},
		"payload short":    {func(t *testing.T, c *Cartridge) { chop(t, c.path(payloadSuffix), 5100) }, MendOptions{}, ErrDamaged, nil, 9, 2},
		"chunk damaged":    {func(t *testing.T, c *Cartridge) { flip(t, c.path(indexSuffix), 450) }, MendOptions{}, ErrDamaged, nil, 10, 2},
		"header damaged":   {func(t *testing.T, c *Cartridge) { flip(t, c.path(indexSuffix), 40) }, MendOptions{}, ErrIndexLost, ErrIndexLost, 0, 0},
		"rebuilt":          {func(t *testing.T, c *Cartridge) { flip(t, c.path(indexSuffix), 40) }, MendOptions{BlockLength: 512}, ErrDamaged, nil, 30, 1},
		"index missing":    {func(t *testing.T, c *Cartridge) { must(t, os.Remove(c.path(indexSuffix))) }, MendOptions{BlockLength: 1000}, ErrDamaged, nil, 15, 0},
		"index empty":      {func(t *testing.T, c *Cartridge) { must(t, os.Truncate(c.path(indexSuffix), 0)) }, MendOptions{BlockLength: 1000}, ErrIndexLost, nil, 15, 1},
		"newer format":     {func(t *testing.T, c *Cartridge) { flip(t, c.path(indexSuffix), 9) }, MendOptions{}, ErrFormat, ErrFormat, 0, 0},
		"block length bad": {func(t *testing.T, c *Cartridge) { must(t, os.Remove(c.path(indexSuffix))) }, MendOptions{BlockLength: -1}, ErrIndexLost, ErrBlockLength, 0, 0},
		"bit rot":          {func(t *testing.T, c *Cartridge) { flip(t, c.path(payloadSuffix), 3500) }, MendOptions{}, nil, nil, 21, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, im, dir := newTape(t, Spec{})
			for range 10 {
				must(t, im.WriteBlock(make([]byte, 1000)))
			}
			must(t, im.Sync())
			_, err := im.WriteFilemarks(1)
			must(t, err)
			for range 10 {
				must(t, im.WriteBlock(make([]byte, 500)))
			}
			must(t, im.Close())
			test.damage(t, c)
			if im, err := c.Load(); !errors.Is(err, test.load) {
				t.Fatalf("load: %v, want %v", err, test.load)
			} else if err == nil {
				must(t, im.Close())
			}
			r, err := Mend(dir, c.barcode, test.options)
			if !errors.Is(err, test.err) {
				t.Fatalf("mend: %v, want %v", err, test.err)
			}
			if err != nil {
				return
			}
			if r.Info.Objects != test.objects || (len(r.Problems) > 0) != (name == "bit rot") {
				t.Fatalf("mended: %+v", r)
			}
			onlyFiles(t, dir, append([]string{"index", "tape"}, make([]string, test.aside)...)...)
			im, err = c.Load()
			must(t, err)
			must(t, im.WriteBlock([]byte("first")))
			must(t, im.Close())
		})
	}
}

func chop(t *testing.T, path string, n int64) {
	t.Helper()
	must(t, os.Truncate(path, sizeOf(t, path)-n))
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	b[at] ^= 1
	must(t, os.WriteFile(path, b, 0o644))
}

// A damaged block is told, can be passed, and hurts no other.
func TestDamagedBlock(t *testing.T) {
	c, im, dir := newTape(t, Spec{})
	for i := range 5 {
		must(t, im.WriteBlock(bytes.Repeat([]byte{byte(i)}, 1000)))
	}
	must(t, im.Close())
	flip(t, c.path(payloadSuffix), 2500)
	im, err := c.Load()
	must(t, err)
	p := make([]byte, 5000)
	if n, err := im.ReadBlocks(p, 1000); n != 2 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	for range 2 {
		if n, err := im.ReadBlocks(p, 1000); n != 0 || !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d, %v", n, err)
		}
		if _, err := im.ReadBlock(p[:10]); !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	}
	if _, err := im.SpaceBlocks(1); err != nil {
		t.Fatal(err)
	}
	if n, err := im.ReadBlocks(p, 1000); n != 2 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	must(t, im.Close())
	r, err := Check(dir, c.barcode, nil)
	must(t, err)
	if len(r.Problems) != 1 || r.Problems[0].Object != 2 || r.CheckedObjects != 5 {
		t.Fatalf("%+v", r)
	}
}

// Dump and Cat work beside the loaded tape.
func TestDumpAndCat(t *testing.T) {
	c, im, dir := newTape(t, Spec{})
	must(t, im.SetAttribute(Attribute{ID: 0x0803, Format: 2, Value: []byte("label")}))
	for _, s := range []string{"one", "two", "", "three", ""} {
		if s == "" {
			_, err := im.WriteFilemarks(1)
			must(t, err)
		} else {
			must(t, im.WriteBlock([]byte(s)))
		}
	}
	must(t, im.Sync())
	for file, want := range map[int]string{-1: "onetwothree", 0: "onetwo", 1: "three", 2: ""} {
		var b bytes.Buffer
		must(t, Cat(&b, dir, c.barcode, CatOptions{File: file}))
		if b.String() != want {
			t.Fatalf("file %d: %q", file, b.String())
		}
	}
	if err := Cat(io.Discard, dir, c.barcode, CatOptions{File: 3}); !errors.Is(err, ErrEndOfData) {
		t.Fatal(err)
	}
	var b bytes.Buffer
	must(t, Dump(&b, dir, c.barcode))
	for _, want := range []string{"ABC001L8", "attribute 0803h", `"label"`, "blocks of 3 bytes", "filemarks", "objects synced       5"} {
		if !strings.Contains(b.String(), want) {
			t.Fatalf("no %q in:\n%s", want, b.String())
		}
	}
}

// A second process is told that the tape is in use, and can look at it.
func TestSecondProcess(t *testing.T) {
	if dir := os.Getenv("VLOADER_TAPE_SECOND"); dir != "" {
		c, err := Open(dir, "ABC001L8")
		must(t, err)
		if _, err := c.Load(); !errors.Is(err, ErrInUse) {
			t.Fatalf("load: %v", err)
		}
		if _, err := Check(dir, "ABC001L8", nil); err != nil {
			t.Fatal(err)
		}
		return
	}
	_, im, dir := newTape(t, Spec{})
	must(t, im.WriteBlock([]byte("x")))
	must(t, im.Sync())
	im.Rewind()
	must(t, im.WriteBlock([]byte("y"))) // the lock moves to the new index
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=TestSecondProcess")
	cmd.Env = append(os.Environ(), "VLOADER_TAPE_SECOND="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Create, List, Remove and names.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for _, bad := range []string{"", "A B", "ÄÖ", "a/b", strings.Repeat("A", 33)} {
		if _, err := Create(dir, Spec{Barcode: bad, CapacityBytes: 1e9}); !errors.Is(err, ErrBarcode) {
			t.Fatalf("%q: %v", bad, err)
		}
	}
	for _, s := range []Spec{{Barcode: "A", CapacityBytes: 10}, {Barcode: "A", CapacityBytes: 1e9, EarlyWarningBytes: -1}} {
		if _, err := Create(dir, s); !errors.Is(err, ErrCapacity) {
			t.Fatalf("%+v: %v", s, err)
		}
	}
	c, err := Create(dir, Spec{Barcode: "b2", CapacityBytes: 1e9})
	must(t, err)
	_, err = Create(dir, Spec{Barcode: "A1", CapacityBytes: 8 << 30, Medium: WORM})
	must(t, err)
	if _, err := Create(dir, Spec{Barcode: "B2", CapacityBytes: 1e9}); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	list, err := List(dir)
	must(t, err)
	if strings.Join(list, " ") != "A1 B2" {
		t.Fatalf("%q", list)
	}
	w, err := Open(dir, "a1")
	must(t, err)
	if i := w.Info(); i.Medium != WORM || i.EarlyWarningBytes != 1<<30 || !i.Clean {
		t.Fatalf("%+v", i)
	}
	v, err := c.View()
	must(t, err)
	if err := c.Remove(); !errors.Is(err, ErrPinned) {
		t.Fatal(err)
	}
	if err := c.Erase(); !errors.Is(err, ErrPinned) {
		t.Fatal(err)
	}
	must(t, v.Close())
	must(t, c.Remove())
	if _, err := Open(dir, "B2"); !errors.Is(err, ErrNotExist) {
		t.Fatal(err)
	}
	must(t, os.Rename(w.path(indexSuffix), c.path(indexSuffix)))
	must(t, os.Rename(w.path(payloadSuffix), c.path(payloadSuffix)))
	if _, err := Open(dir, "B2"); !errors.Is(err, ErrBarcode) {
		t.Fatal(err)
	}
	onlyFiles(t, dir, "index", "tape")
}

// Copy carries blocks and filemarks from a View to another tape, and plain
// readers see the same bytes (contract 4.18).
func TestCopyOfAView(t *testing.T) {
	c, im, _ := newTape(t, Spec{})
	_, dst, _ := newTape(t, Spec{CapacityBytes: 1e6, EarlyWarningBytes: 2e5})
	var m model
	for i := range 30 {
		b := bytes.Repeat([]byte{byte(i)}, 30_000-i)
		m.write(b)
		must(t, im.WriteBlock(b))
		if i%7 == 0 {
			m.filemarks(1)
			_, err := im.WriteFilemarks(1)
			must(t, err)
		}
	}
	v, err := im.View()
	must(t, err)
	im.Rewind()
	must(t, im.WriteBlock([]byte("gone")))
	r, err := Copy(dst, v, make([]byte, 30_000))
	must(t, err)
	if r.Blocks != 30 || r.Filemarks != 5 || !r.EarlyWarning || r.Bytes != int64(len(m.payload())) {
		t.Fatalf("%+v", r)
	}
	same(t, dst, m.objects)
	must(t, v.Locate(0))
	dst.Rewind()
	if _, err := Copy(dst, v, make([]byte, 10)); !errors.Is(err, ErrBlockLength) {
		t.Fatal(err)
	}
	must(t, v.Close())
	must(t, im.Close())
	if i := c.Info(); i.Objects != 1 || !i.Clean {
		t.Fatalf("%+v", i)
	}
}
