package tape

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(killEnv) != "" {
		killChild()
		return
	}
	goleak.VerifyTestMain(m)
}

// object is one logical object of the model: nil is a filemark.
type object []byte

// model is the tape that everything else is compared with.
type model struct {
	objects []object
	p       int
}

func (m *model) write(b []byte) {
	m.objects = append(m.objects[:m.p:m.p], bytes.Clone(b))
	m.p++
}

func (m *model) filemarks(n int) {
	m.objects = m.objects[:m.p:m.p]
	for range n {
		m.objects = append(m.objects, nil)
	}
	m.p = len(m.objects)
}

func (m *model) files(p int) (n uint64) {
	for _, o := range m.objects[:p] {
		if o == nil {
			n++
		}
	}
	return n
}

func (m *model) spaceBlocks(n int) (int64, error) {
	moved := int64(0)
	for ; n > 0; n-- {
		if m.p == len(m.objects) {
			return moved, ErrEndOfData
		}
		m.p++
		if m.objects[m.p-1] == nil {
			return moved, ErrFilemark
		}
		moved++
	}
	for ; n < 0; n++ {
		if m.p == 0 {
			return moved, ErrBeginningOfTape
		}
		m.p--
		if m.objects[m.p] == nil {
			return moved, ErrFilemark
		}
		moved++
	}
	return moved, nil
}

func (m *model) spaceFilemarks(n int) (int64, error) {
	moved := int64(0)
	for n > 0 {
		if m.p == len(m.objects) {
			return moved, ErrEndOfData
		}
		if m.p++; m.objects[m.p-1] == nil {
			moved++
			n--
		}
	}
	for n < 0 {
		if m.p == 0 {
			return moved, ErrBeginningOfTape
		}
		if m.p--; m.objects[m.p] == nil {
			moved++
			n++
		}
	}
	return moved, nil
}

// spaceRow is SpaceSequentialFilemarks.
func (m *model) spaceRow(n int) (int64, error) {
	isRow := func(from, count int) bool {
		for i := from; i < from+count; i++ {
			if m.objects[i] != nil {
				return false
			}
		}
		return true
	}
	if n > 0 {
		for i := m.p; i+n <= len(m.objects); i++ {
			if isRow(i, n) {
				m.p = i + n
				return int64(n), nil
			}
		}
		m.p = len(m.objects)
		return 0, ErrEndOfData
	}
	for i := m.p + n; i >= 0; i-- {
		if isRow(i, -n) {
			m.p = i
			return int64(-n), nil
		}
	}
	m.p = 0
	return 0, ErrBeginningOfTape
}

func (m *model) payload() []byte {
	var b []byte
	for _, o := range m.objects {
		b = append(b, o...)
	}
	return b
}

// tapeReader is what Image and View have in common.
type tapeReader interface {
	BlockReader
	Next() (Object, error)
	Locate(uint64) error
	Position() Position
}

// same reads a tape from its beginning and compares all of it.
func same(t testing.TB, r tapeReader, want []object) {
	t.Helper()
	if err := r.Locate(0); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 128<<10)
	files := uint64(0)
	for i, o := range want {
		if p := r.Position(); p.Object != uint64(i) || p.File != files {
			t.Fatalf("object %d: position %+v, file %d", i, p, files)
		}
		n, err := r.ReadBlock(buf)
		if o == nil {
			files++
			if !errors.Is(err, ErrFilemark) {
				t.Fatalf("object %d of %d: %d, %v; want a filemark", i, len(want), n, err)
			}
			continue
		}
		if err != nil || !bytes.Equal(buf[:n], o) {
			t.Fatalf("object %d of %d: %d bytes, %v; want %d bytes", i, len(want), n, err, len(o))
		}
	}
	if _, err := r.ReadBlock(buf); !errors.Is(err, ErrEndOfData) {
		t.Fatalf("after %d objects: %v", len(want), err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newTape(t testing.TB, s Spec) (*Cartridge, *Image, string) {
	t.Helper()
	dir := t.TempDir()
	if s.Barcode == "" {
		s.Barcode = "ABC001L8"
	}
	if s.CapacityBytes == 0 {
		s.CapacityBytes = 1 << 40
	}
	c, err := Create(dir, s)
	must(t, err)
	im, err := c.Load()
	must(t, err)
	t.Cleanup(func() { im.Close() })
	return c, im, dir
}

// stage is a tape and its model under random operations.
type stage struct {
	t     testing.TB
	rnd   *rand.Rand
	dir   string
	c     *Cartridge
	im    *Image
	m     model
	views []heldView
	buf   []byte

	storing bool // compression and encryption go on and off

	elsewhere model // of the partition in which the tape does not stand
	divided   bool  // there is one
}

type heldView struct {
	v    *View
	want []object
}

func (s *stage) block() []byte {
	n := []int{1, 64, 512, 512, 512, 4096, 10240, 70000}[s.rnd.Intn(8)]
	b := make([]byte, n)
	s.fill(b)
	return b
}

// fill makes data, of which some can be compressed.
func (s *stage) fill(b []byte) {
	if s.rnd.Intn(3) > 0 {
		s.rnd.Read(b)
		return
	}
	for i := range b {
		b[i] = byte(i >> 5)
	}
}

// load loads the tape, able to read what it holds.
func (s *stage) load() {
	var err error
	s.im, err = s.c.Load()
	must(s.t, err)
	must(s.t, s.im.SetDecryption(DecryptMixed, &testKey))
}

// change goes to the other partition.
func (s *stage) change() {
	must(s.t, s.im.SetPartition(1-s.im.Partition()))
	s.m, s.elsewhere = s.elsewhere, s.m
}

// restore changes how blocks are stored from now on.
func (s *stage) restore() string {
	s.im.SetCompression(s.rnd.Intn(2) == 0)
	var e *Encryption
	if s.rnd.Intn(2) == 0 {
		e = testEncryption(s.rnd.Intn(3))
	}
	must(s.t, s.im.SetEncryption(e))
	return "store otherwise"
}

func (s *stage) step() string {
	switch k := s.rnd.Intn(100); {
	case k < 4 && s.storing:
		return s.restore()
	case k < 8 && s.divided:
		s.change()
		return "change partition"
	case k < 30:
		for range 1 + s.rnd.Intn(20) {
			b := s.block()
			s.m.write(b)
			must(s.t, s.im.WriteBlock(b))
		}
		return "write"
	case k < 38:
		n, length := 1+s.rnd.Intn(40), []int{1, 512, 1024}[s.rnd.Intn(3)]
		b := make([]byte, n*length)
		s.fill(b)
		for i := range n {
			s.m.write(b[i*length : (i+1)*length])
		}
		got, err := s.im.WriteBlocks(b, length)
		if err != nil || got != n {
			s.t.Fatalf("WriteBlocks %d x %d: %d, %v", n, length, got, err)
		}
		return "write blocks"
	case k < 46:
		n := 1 + s.rnd.Intn(3)
		s.m.filemarks(n)
		got, err := s.im.WriteFilemarks(n)
		if err != nil || got != n {
			s.t.Fatalf("WriteFilemarks: %d, %v", got, err)
		}
		return "filemarks"
	case k < 52:
		must(s.t, s.im.Sync())
		return "sync"
	case k < 60:
		n := s.rnd.Intn(len(s.m.objects) + 2)
		err := s.im.Locate(uint64(n))
		if n > len(s.m.objects) {
			n = len(s.m.objects)
			s.is(err, ErrEndOfData)
		} else {
			must(s.t, err)
		}
		s.m.p = n
		return "locate"
	case k < 66:
		n := s.rnd.Intn(40) - 20
		want, wantErr := s.m.spaceBlocks(n)
		got, err := s.im.SpaceBlocks(int64(n))
		s.moved("SpaceBlocks", n, got, err, want, wantErr)
		return "space blocks"
	case k < 72:
		n := s.rnd.Intn(8) - 4
		want, wantErr := s.m.spaceFilemarks(n)
		got, err := s.im.SpaceFilemarks(int64(n))
		s.moved("SpaceFilemarks", n, got, err, want, wantErr)
		return "space filemarks"
	case k < 75:
		n := []int{-3, -2, -1, 1, 2, 3}[s.rnd.Intn(6)]
		want, wantErr := s.m.spaceRow(n)
		got, err := s.im.SpaceSequentialFilemarks(int64(n))
		s.moved("SpaceSequentialFilemarks", n, got, err, want, wantErr)
		return "space rows"
	case k < 77:
		return s.readReverse()
	case k < 80:
		return s.read()
	case k < 83:
		s.m.p = len(s.m.objects)
		s.im.SpaceEndOfData()
		return "end of data"
	case k < 88:
		v, err := s.im.View()
		must(s.t, err)
		must(s.t, v.SetDecryption(DecryptMixed, &testKey))
		n := int(v.Info().Objects)
		s.views = append(s.views, heldView{v, append([]object(nil), s.m.objects[:n]...)})
		return "view"
	case k < 91 && len(s.views) > 0:
		i := s.rnd.Intn(len(s.views))
		same(s.t, s.views[i].v, s.views[i].want)
		must(s.t, s.views[i].v.Close())
		s.views = append(s.views[:i], s.views[i+1:]...)
		return "close view"
	case k < 93:
		must(s.t, s.im.Park())
		return "park"
	case k < 96:
		must(s.t, s.im.Close())
		if s.im.Partition() == 1 {
			s.m, s.elsewhere = s.elsewhere, s.m
		}
		s.load()
		s.m.p, s.elsewhere.p = 0, 0
		return "reload"
	case k < 97:
		s.m.objects = s.m.objects[:s.m.p:s.m.p]
		must(s.t, s.im.Erase(false))
		return "erase"
	default:
		if s.rnd.Intn(3) > 0 {
			break
		}
		s.m.p = 0
		s.im.Rewind()
		return "rewind"
	}
	return "nothing"
}

func (s *stage) read() string {
	if s.rnd.Intn(2) == 0 {
		length := []int{1, 512, 1024}[s.rnd.Intn(3)]
		p := make([]byte, length*(1+s.rnd.Intn(50)))
		n, err := s.im.ReadBlocks(p, length)
		if s.m.p == len(s.m.objects) {
			s.is(err, ErrEndOfData)
		} else {
			must(s.t, err)
		}
		for i := range n {
			if !bytes.Equal(p[i*length:(i+1)*length], s.m.objects[s.m.p]) {
				s.t.Fatalf("ReadBlocks: block %d of %d differs", i, n)
			}
			s.m.p++
		}
		if n < len(p)/length && s.m.p < len(s.m.objects) && len(s.m.objects[s.m.p]) == length {
			s.t.Fatalf("ReadBlocks stopped early: %d", n)
		}
		return "read blocks"
	}
	p := s.buf[:s.rnd.Intn(80000)]
	n, err := s.im.ReadBlock(p)
	if s.m.p == len(s.m.objects) {
		s.is(err, ErrEndOfData)
		return "read at end"
	}
	o := s.m.objects[s.m.p]
	s.m.p++
	if o == nil {
		s.is(err, ErrFilemark)
		return "read filemark"
	}
	must(s.t, err)
	if n != len(o) || !bytes.Equal(p[:min(n, len(p))], o[:min(n, len(p))]) {
		s.t.Fatalf("ReadBlock of object %d: %d bytes of %d", s.m.p-1, n, len(o))
	}
	return "read"
}

func (s *stage) readReverse() string {
	for range 1 + s.rnd.Intn(5) {
		p := s.buf[:s.rnd.Intn(80000)]
		o, peekErr := s.im.Previous()
		n, err := s.im.ReadBlockReverse(p)
		if s.m.p == 0 {
			s.is(err, ErrBeginningOfTape)
			s.is(peekErr, ErrBeginningOfTape)
			return "read reverse at the beginning"
		}
		must(s.t, peekErr)
		s.m.p--
		want := s.m.objects[s.m.p]
		if o.Filemark != (want == nil) || o.Length != len(want) {
			s.t.Fatalf("Previous of object %d: %+v", s.m.p, o)
		}
		if want == nil {
			s.is(err, ErrFilemark)
			continue
		}
		must(s.t, err)
		if n != len(want) || !bytes.Equal(p[:min(n, len(p))], want[:min(n, len(p))]) {
			s.t.Fatalf("ReadBlockReverse of object %d: %d bytes of %d", s.m.p, n, len(want))
		}
	}
	return "read reverse"
}

func (s *stage) is(err, want error) {
	s.t.Helper()
	if !errors.Is(err, want) {
		s.t.Fatalf("%v, want %v", err, want)
	}
}

func (s *stage) moved(what string, n int, got int64, err error, want int64, wantErr error) {
	s.t.Helper()
	if got != want || !errors.Is(err, wantErr) {
		s.t.Fatalf("%s(%d): %d, %v; want %d, %v", what, n, got, err, want, wantErr)
	}
}

func (s *stage) check(op string) {
	s.t.Helper()
	p := s.im.Position()
	if p.Object != uint64(s.m.p) || p.File != s.m.files(s.m.p) || p.BeginningOfPartition != (s.m.p == 0) {
		s.t.Fatalf("%s: position %+v, want object %d file %d", op, p, s.m.p, s.m.files(s.m.p))
	}
	i := s.im.Info()
	if i.Objects != uint64(len(s.m.objects)) || i.Filemarks != s.m.files(len(s.m.objects)) {
		s.t.Fatalf("%s: %d objects, %d filemarks; want %d", op, i.Objects, i.Filemarks, len(s.m.objects))
	}
}

// Whatever is done to a tape, it reads as a slice of objects would, and Views
// show what was there when they were made (contract 0.3, 3.39).
func TestRandomOperationsAgainstModel(t *testing.T) {
	for seed := range int64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if seed%2 == 0 {
				shortRegions(t)
			}
			s := &stage{t: t, rnd: rand.New(rand.NewSource(seed)), buf: make([]byte, 80000), storing: seed%3 > 0}
			s.c, s.im, s.dir = newTape(t, Spec{})
			if s.divided = seed%4 > 1; s.divided {
				must(t, s.im.FormatPartitions(1<<39, 1<<39))
			}
			must(t, s.im.SetDecryption(DecryptMixed, &testKey))
			for range 400 {
				s.check(s.step())
			}
			if s.im.Partition() == 1 {
				s.change()
			}
			same(t, s.im, s.m.objects)
			if s.divided {
				s.change()
				same(t, s.im, s.m.objects)
				s.change()
			}
			for _, h := range s.views {
				same(t, h.v, h.want)
				must(t, h.v.Close())
			}
			must(t, s.im.Close())
			got, err := os.ReadFile(s.c.path(payloadSuffix))
			must(t, err)
			if !s.storing && !bytes.Equal(got, s.m.payload()) {
				t.Fatal("the payload file is not what was written, in order")
			}
			var plain bytes.Buffer
			must(t, Cat(&plain, s.dir, s.c.Barcode(), CatOptions{File: -1, Key: &testKey}))
			if s.divided {
				must(t, Cat(&plain, s.dir, s.c.Barcode(), CatOptions{File: -1, Key: &testKey, Partition: 1}))
			}
			if !bytes.Equal(plain.Bytes(), append(s.m.payload(), s.elsewhere.payload()...)) {
				t.Fatal("Cat does not give back what was written, in order")
			}
			r, err := Check(s.dir, s.c.Barcode(), nil)
			must(t, err)
			if len(r.Problems) > 0 || r.ExtraBytes != 0 || r.CheckedObjects != uint64(len(s.m.objects)+len(s.elsewhere.objects)) {
				t.Fatalf("check: %+v", r)
			}
			files := []string{s.c.Barcode() + payloadSuffix, s.c.Barcode() + indexSuffix}
			if s.divided {
				files = append(files, files[0]+secondPart, files[1]+secondPart)
			}
			onlyFiles(t, s.dir, files...)
			c, err := Open(s.dir, s.c.Barcode())
			must(t, err)
			if c.Info() != s.c.Info() {
				t.Fatalf("opened again: %+v\nwant %+v", c.Info(), s.c.Info())
			}
		})
	}
}

// shortRegions makes a short tape have many directory entries.
func shortRegions(t testing.TB) {
	was := regionBytes
	regionBytes = 600
	t.Cleanup(func() { regionBytes = was })
}

// onlyFiles fails when a folder has others than these.
func onlyFiles(t testing.TB, dir string, want ...string) {
	t.Helper()
	names, err := OS().Names(dir)
	must(t, err)
	if len(names) != len(want) {
		t.Fatalf("files %q, want %q", names, want)
	}
}
