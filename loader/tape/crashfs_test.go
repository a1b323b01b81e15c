package tape

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

var errCrash = errors.New("crash")

// crashFS is a file system in memory that knows what is durable. It counts
// operations and fails for ever from one of them on; crash then makes the file
// system that a machine might find after a power cut: of what was not synced,
// anything may be there, or not, or half.
type crashFS struct {
	mu      sync.Mutex
	names   map[string]*inode
	durable map[string]*inode
	renames []func(map[string]*inode) // directory changes that are not durable, in order
	ops     int
	limit   int                         // the operation that crashes, 0: none
	fault   func(op, name string) error // may fail an operation
}

type inode struct {
	data    []byte
	durable []byte
	pending []func(data []byte, rnd *rand.Rand) []byte // nil rnd: whole
	locked  bool
}

func newCrashFS() *crashFS {
	return &crashFS{names: map[string]*inode{}, durable: map[string]*inode{}}
}

// op counts an operation and says whether the machine is still there. The
// operation that crashes may still have an effect.
func (c *crashFS) op(what, name string) (last bool, err error) {
	c.ops++
	if c.limit > 0 && c.ops > c.limit {
		return false, errCrash
	}
	if c.fault != nil {
		if err := c.fault(what, filepath.Base(name)); err != nil {
			return false, err
		}
	}
	return c.limit > 0 && c.ops == c.limit, nil
}

func end(last bool) error {
	if last {
		return errCrash
	}
	return nil
}

func (c *crashFS) change(f func(map[string]*inode)) {
	f(c.names)
	c.renames = append(c.renames, f)
}

func (c *crashFS) Open(name string, flag int) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.names[name]
	switch {
	case f == nil && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case f != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case f == nil:
		last, err := c.op("create", name)
		if err != nil {
			return nil, err
		}
		f = &inode{}
		made := f
		c.change(func(m map[string]*inode) { m[name] = made })
		if last {
			return nil, errCrash
		}
	}
	file := &crashFile{fs: c, inode: f, name: name}
	if flag&os.O_TRUNC != 0 && len(f.data) > 0 {
		if err := file.truncate(0); err != nil {
			return nil, err
		}
	}
	return file, nil
}

func (c *crashFS) Rename(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.names[from]
	if f == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	last, err := c.op("rename", from)
	if err != nil {
		return err
	}
	c.change(func(m map[string]*inode) { m[to] = f; delete(m, from) })
	return end(last)
}

func (c *crashFS) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	last, err := c.op("remove", name)
	if err != nil {
		return err
	}
	c.change(func(m map[string]*inode) { delete(m, name) })
	return end(last)
}

func (c *crashFS) Size(name string) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.names[name]
	if f == nil {
		return 0, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return int64(len(f.data)), nil
}

func (c *crashFS) SyncDir(dir string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, err := c.op("syncdir", dir)
	if err != nil || last {
		return errors.Join(err, end(last))
	}
	c.durable, c.renames = maps.Clone(c.names), nil
	return nil
}

func (c *crashFS) Names(dir string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for name := range c.names {
		if filepath.Dir(name) == dir {
			list = append(list, filepath.Base(name))
		}
	}
	return list, nil
}

// killed returns the file system that the next process finds after this one
// was killed: everything is there.
func (c *crashFS) killed() *crashFS {
	n := newCrashFS()
	for name, f := range c.names {
		n.names[name] = &inode{data: append([]byte(nil), f.data...), durable: append([]byte(nil), f.data...)}
	}
	n.durable = maps.Clone(n.names)
	return n
}

// crash returns a file system as it may be found after a power cut.
func (c *crashFS) crash(rnd *rand.Rand) *crashFS {
	names := maps.Clone(c.durable)
	for _, f := range c.renames[:rnd.Intn(len(c.renames)+1)] {
		f(names)
	}
	mood := rnd.Intn(4) // most is lost, most is there, anything
	n := newCrashFS()
	for name, f := range names {
		data := append([]byte(nil), f.durable...)
		for _, op := range f.pending {
			switch r := rnd.Intn(8); {
			case mood == 0 && r > 0, mood == 1 && r == 0, mood > 1 && r < 3:
			case r == 7 && mood > 0:
				data = op(data, rnd)
			default:
				data = op(data, nil)
			}
		}
		n.names[name] = &inode{data: data, durable: append([]byte(nil), data...)}
	}
	n.durable = maps.Clone(n.names)
	return n
}

// crashFile is an open file of a crashFS.
type crashFile struct {
	fs     *crashFS
	inode  *inode
	name   string
	locked bool
}

func (f *crashFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.fault != nil {
		if err := f.fs.fault("read", filepath.Base(f.name)); err != nil {
			return 0, err
		}
	}
	if off >= int64(len(f.inode.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.inode.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

const sector = 64

func (f *crashFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	last, err := f.fs.op("write", f.name)
	if errors.Is(err, syscall.ENOSPC) { // half of it fits
		p = p[:len(p)/2]
	} else if err != nil {
		return 0, err
	}
	p = append([]byte(nil), p...)
	op := func(data []byte, rnd *rand.Rand) []byte {
		for at := 0; at < len(p); at += sector {
			if rnd != nil && rnd.Intn(2) == 0 {
				continue
			}
			b := p[at:min(at+sector, len(p))]
			if need := off + int64(at+len(b)); need > int64(len(data)) {
				data = append(data, make([]byte, need-int64(len(data)))...)
			}
			copy(data[off+int64(at):], b)
		}
		return data
	}
	f.inode.data = op(f.inode.data, nil)
	f.inode.pending = append(f.inode.pending, op)
	return len(p), errors.Join(err, end(last))
}

func (f *crashFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.truncate(size)
}

func (f *crashFile) truncate(size int64) error {
	last, err := f.fs.op("truncate", f.name)
	if err != nil {
		return err
	}
	op := func(data []byte, _ *rand.Rand) []byte {
		if size > int64(len(data)) {
			return append(data, make([]byte, size-int64(len(data)))...)
		}
		return data[:size]
	}
	f.inode.data = op(f.inode.data, nil)
	f.inode.pending = append(f.inode.pending, op)
	return end(last)
}

func (f *crashFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	last, err := f.fs.op("sync", f.name)
	if err != nil || last {
		return errors.Join(err, end(last))
	}
	f.inode.durable, f.inode.pending = append([]byte(nil), f.inode.data...), nil
	return nil
}

func (f *crashFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.inode.data)), nil
}

func (f *crashFile) Lock(name string) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	switch {
	case f.inode.locked:
		return ErrInUse
	case f.fs.names[name] != f.inode:
		return errMoved
	}
	f.inode.locked, f.locked = true, true
	return nil
}

func (f *crashFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.locked {
		f.inode.locked, f.locked = false, false
	}
	return nil
}

// story is a run of random operations on a crashFS, and what may be found on
// the tape after it was cut short.
type story struct {
	fs *crashFS
	c  *Cartridge
	im *Image
	*shelf
	shelves [2]*shelf // of the partitions

	storing bool // blocks are stored compressed and encrypted, now and then
	divided bool // the tape has two partitions
}

// shelf is what is known of one partition.
type shelf struct {
	states [][]object // what it was since the last Sync, that included
	sure   int        // objects of states[0] that must be there
	m      model
}

func newStory(seed int64) *story {
	s := &story{fs: newCrashFS(), shelves: [2]*shelf{{}, {}}, storing: seed%3 > 0, divided: seed%4 > 1}
	s.shelf = s.shelves[0]
	return s
}

func clone(list []object) []object { return append([]object(nil), list...) }

// dropped tells that objects from the position on are being given up.
func (s *shelf) dropped() { s.sure = min(s.sure, s.m.p) }

func (s *shelf) saw() { s.states = append(s.states, clone(s.m.objects)) }

// synced: everything is acknowledged.
func (s *story) synced() {
	for _, h := range s.shelves {
		h.states, h.sure = [][]object{clone(h.m.objects)}, len(h.m.objects)
	}
}

// run goes through the story until an operation fails.
func (s *story) run(rnd *rand.Rand, steps int) error {
	const dir, barcode = "/tapes", "CRASH1L8"
	var err error
	s.synced()
	if s.c, err = CreateOn(s.fs, dir, Spec{Barcode: barcode, CapacityBytes: 1 << 30}); err != nil {
		return err
	}
	if s.im, err = s.load(rnd); err != nil {
		return err
	}
	if s.divided {
		if err := s.im.FormatPartitions(1<<29, 1<<29); err != nil {
			return err
		}
	}
	var views []*View
	for range steps {
		if err := s.step(rnd, &views); err != nil {
			return err
		}
	}
	return s.im.Close()
}

// load loads the tape, with a way of storing that is another each time.
func (s *story) load(rnd *rand.Rand) (*Image, error) {
	im, err := s.c.Load()
	if err != nil || !s.storing {
		return im, err
	}
	im.SetCompression(rnd.Intn(2) == 0)
	if rnd.Intn(2) == 0 {
		err = im.SetEncryption(testEncryption(1))
	}
	return im, err
}

func (s *story) step(rnd *rand.Rand, views *[]*View) error {
	switch k := rnd.Intn(20); {
	case k < 7:
		s.dropped()
		for range 1 + rnd.Intn(4) {
			b := make([]byte, []int{10, 100, 700}[rnd.Intn(3)])
			if !s.storing || rnd.Intn(2) == 0 {
				rnd.Read(b)
			}
			s.m.write(b)
			s.saw()
			if err := s.im.WriteBlock(b); err != nil {
				return err
			}
		}
	case k < 10:
		s.dropped()
		n := 1 + rnd.Intn(2)
		s.m.filemarks(n)
		s.saw()
		if _, err := s.im.WriteFilemarks(n); err != nil {
			return err
		}
	case k < 14:
		if err := s.im.Sync(); err != nil {
			return err
		}
		s.synced()
	case k < 16:
		s.m.p = rnd.Intn(len(s.m.objects) + 1)
		return s.im.Locate(uint64(s.m.p))
	case k < 17:
		if err := s.im.Park(); err != nil {
			return err
		}
		s.synced()
	case k < 18:
		if err := s.im.Close(); err != nil {
			return err
		}
		s.synced()
		var err error
		s.im, err = s.load(rnd)
		s.shelves[0].m.p, s.shelves[1].m.p = 0, 0
		s.shelf = s.shelves[0]
		return err
	case k == 18 && s.divided:
		s.shelf = s.shelves[1-s.im.Partition()]
		return s.im.SetPartition(1 - s.im.Partition())
	case k < 19 && len(*views) == 0:
		v, err := s.im.View()
		if err != nil {
			return err
		}
		*views = append(*views, v)
	case len(*views) > 0:
		err := (*views)[0].Close()
		*views = nil
		return err
	}
	return nil
}

// contents reads a whole tape.
func contents(r tapeReader) ([]object, error) {
	if err := r.Locate(0); err != nil {
		return nil, err
	}
	var list []object
	buf := make([]byte, 4096)
	for len(list) < 100_000 { // a fuzzed index may promise filemarks for hours
		n, err := r.ReadBlock(buf)
		switch {
		case err == nil:
			list = append(list, append(object{}, buf[:n]...))
		case errors.Is(err, ErrFilemark):
			list = append(list, nil)
		case errors.Is(err, ErrEndOfData):
			return list, nil
		default:
			return list, err
		}
	}
	return list, nil
}

func isPrefix(p, of []object) bool {
	if len(p) > len(of) {
		return false
	}
	for i := range p {
		if (p[i] == nil) != (of[i] == nil) || string(p[i]) != string(of[i]) {
			return false
		}
	}
	return true
}

// allowed says whether a tape may hold this after the crash.
func (s *shelf) allowed(got []object) bool {
	if len(got) < s.sure {
		return false
	}
	for _, state := range s.states {
		if isPrefix(got, state) {
			return true
		}
	}
	return false
}

// Cut at every file operation: nothing acknowledged by a flush is lost, nothing
// torn is shown, nothing overwritten comes back, and the tape goes on.
func TestCrashAtEveryFileOperation(t *testing.T) {
	stories := int64(6)
	if os.Getenv(longEnv) != "" {
		stories = 80
	}
	for seed := range stories {
		if seed%2 == 0 {
			shortRegions(t)
		}
		whole := newStory(seed)
		must(t, whole.run(rand.New(rand.NewSource(seed)), 60))
		for limit := 1; limit < whole.fs.ops; limit++ {
			s := newStory(seed)
			s.fs.limit = limit
			if err := s.run(rand.New(rand.NewSource(seed)), 60); !errors.Is(err, errCrash) {
				t.Fatalf("story %d, operation %d: %v", seed, limit, err)
			}
			if s.im != nil {
				for _, p := range s.im.parts {
					p.back.stop()
				}
			}
			for variant := range int64(3) {
				rnd := rand.New(rand.NewSource(seed<<32 + int64(limit)<<4 + variant))
				after := s.fs.killed()
				if variant > 0 {
					after = s.fs.crash(rnd)
				}
				if variant > 1 {
					after = crashAgain(after, rnd)
				}
				s.found(t, after, seed, limit, variant)
			}
		}
	}
}

// crashAgain crashes during the load after the crash.
func crashAgain(after *crashFS, rnd *rand.Rand) *crashFS {
	after.limit = 1 + rnd.Intn(12)
	if c, err := OpenOn(after, "/tapes", "CRASH1L8"); err == nil {
		if im, err := c.Load(); err == nil {
			im.Close()
		}
	}
	return after.crash(rnd)
}

// found loads the tape after the crash, compares, writes on and compares again.
func (s *story) found(t *testing.T, after *crashFS, seed int64, limit int, variant int64) {
	c, err := OpenOn(after, "/tapes", "CRASH1L8")
	if err != nil {
		if s.c == nil { // not created yet
			return
		}
		t.Fatalf("story %d, operation %d, variant %d: open: %v", seed, limit, variant, err)
	}
	v, err := c.View()
	if err != nil {
		t.Fatalf("story %d, operation %d, variant %d: view: %v", seed, limit, variant, err)
	}
	must(t, v.SetDecryption(DecryptMixed, &testKey))
	seen, err := contents(v)
	must(t, err)
	must(t, v.Close())
	im, err := c.Load()
	if err != nil {
		t.Fatalf("story %d, operation %d, variant %d: load: %v", seed, limit, variant, err)
	}
	must(t, im.SetDecryption(DecryptMixed, &testKey))
	if n := im.Partitions(); n > 1 != s.divided && (n > 1 || s.shelves[0].sure > 0 || len(s.shelves[0].states) > 1) {
		t.Fatalf("story %d, operation %d, variant %d: %d partitions", seed, limit, variant, n)
	}
	s.foundSecond(t, im)
	got, err := contents(im)
	if err != nil || !s.shelves[0].allowed(got) {
		t.Fatalf("story %d, operation %d, variant %d: %d objects, %v; must have %d, %d states", seed, limit, variant, len(got), err, s.shelves[0].sure, len(s.shelves[0].states))
	}
	if len(seen) != len(got) {
		t.Fatalf("story %d, operation %d, variant %d: a view shows %d objects, a load %d", seed, limit, variant, len(seen), len(got))
	}
	must(t, im.WriteBlock([]byte("after the crash")))
	got = append(got, object("after the crash"))
	must(t, im.Close())
	c, err = OpenOn(after, "/tapes", "CRASH1L8")
	must(t, err)
	if !c.Info().Clean {
		t.Fatal("not clean after Close")
	}
	im, err = c.Load()
	must(t, err)
	must(t, im.SetDecryption(DecryptMixed, &testKey))
	same(t, im, got)
	must(t, im.Close())
	left, _ := after.Names("/tapes")
	// Partition 1 that was being made stays until the next format.
	if want := 2 * im.Partitions(); len(left) != want && (want == 4 || !s.divided) {
		t.Fatalf("story %d, operation %d, variant %d: files left: %q", seed, limit, variant, left)
	}
}

// foundSecond compares partition 1, when there is one, and writes on there.
func (s *story) foundSecond(t *testing.T, im *Image) {
	if im.Partitions() == 1 {
		return
	}
	must(t, im.SetPartition(1))
	got, err := contents(im)
	if err != nil || !s.shelves[1].allowed(got) {
		t.Fatalf("partition 1: %d objects, %v; must have %d, %d states", len(got), err, s.shelves[1].sure, len(s.shelves[1].states))
	}
	must(t, im.WriteBlock([]byte("after the crash")))
	same(t, im, append(got, object("after the crash")))
	must(t, im.SetPartition(0))
}

// A format into other partitions, cut at every file operation: the tape has the
// old ones or the new ones, always as many bytes, and loads.
func TestCrashWhilePartitionsChange(t *testing.T) {
	const total = 1 << 30
	formats := [][]int64{{total / 2, total / 2}, {total / 4, total / 4 * 3}, {total}, {total - 1<<20, 1 << 20}}
	play := func(fsys *crashFS) error {
		c, err := CreateOn(fsys, "/tapes", Spec{Barcode: "CRASH1L8", CapacityBytes: total})
		if err != nil {
			return err
		}
		im, err := c.Load()
		if err != nil {
			return err
		}
		for _, sizes := range formats {
			for n := range im.Partitions() {
				if err := errors.Join(im.SetPartition(n), im.WriteBlock([]byte("old")), im.Sync()); err != nil {
					return err
				}
			}
			if err := im.FormatPartitions(sizes...); err != nil {
				return err
			}
		}
		return im.Close()
	}
	whole := newCrashFS()
	must(t, play(whole))
	for limit := 1; limit < whole.ops; limit++ {
		for variant := range int64(4) {
			fsys := newCrashFS()
			fsys.limit = limit
			if err := play(fsys); !errors.Is(err, errCrash) {
				t.Fatalf("operation %d: %v", limit, err)
			}
			after := fsys.killed()
			if variant > 0 {
				after = fsys.crash(rand.New(rand.NewSource(int64(limit)<<4 + variant)))
			}
			c, err := OpenOn(after, "/tapes", "CRASH1L8")
			if err != nil {
				if limit < 12 { // not created yet
					continue
				}
				t.Fatalf("operation %d, variant %d: %v", limit, variant, err)
			}
			im, err := c.Load()
			if err != nil || im.TotalBytes() != total || c.Info().CapacityBytes != total || c.Info().Partitions != im.Partitions() {
				t.Fatalf("operation %d, variant %d: %v, %+v", limit, variant, err, c.Info())
			}
			must(t, im.FormatPartitions(total/2, total/2))
			must(t, im.Close())
			must(t, c.Remove())
			if left, _ := after.Names("/tapes"); len(left) > 0 {
				t.Fatalf("operation %d, variant %d: files left: %q", limit, variant, left)
			}
		}
	}
}
