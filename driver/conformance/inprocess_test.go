package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"virtualloader/driver/conformance"
	"virtualloader/driver/scsi"
	"virtualloader/driver/smc"
	"virtualloader/driver/spc"
	"virtualloader/driver/ssc"
	"virtualloader/driver/target"
	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

// wire is a Transport in memory. Data-out can be held back.
type wire struct {
	out      []byte
	received int
	inLen    int
	data     []byte
	wanted   int

	let     chan struct{} // closed: data-out may come
	asked   chan struct{} // closed when the unit asks for data-out, or is done
	aborted chan struct{}
	once    [2]sync.Once
	done    chan scsi.Outcome
	answers atomic.Int32
}

func newWire(out []byte, inLen int) *wire {
	return &wire{out: out, inLen: inLen, let: make(chan struct{}), asked: make(chan struct{}),
		aborted: make(chan struct{}), done: make(chan scsi.Outcome, 1)}
}

func (w *wire) ReceiveDataOut(n int) ([]byte, error) {
	if w.received+n > len(w.out) {
		return nil, scsi.ErrDataOutShort
	}
	w.once[0].Do(func() { close(w.asked) })
	select {
	case <-w.aborted:
		return nil, scsi.ErrAborted
	case <-w.let:
	}
	w.received += n
	return w.out[w.received-n : w.received], nil
}

func (w *wire) Buffer(n int) []byte { return make([]byte, n) }

func (w *wire) SendDataIn(p []byte) error {
	w.wanted += len(p)
	w.data = append(w.data, p[:min(len(p), w.inLen-len(w.data))]...)
	return nil
}

func (w *wire) Abort() { w.once[1].Do(func() { close(w.aborted) }) }

func (w *wire) Done(o scsi.Outcome) {
	if w.answers.Add(1) != 1 {
		panic("a task was answered twice")
	}
	w.once[0].Do(func() { close(w.asked) })
	w.done <- o
}

// result waits for the end.
func (w *wire) result() (r conformance.Result, err error) {
	select {
	case o := <-w.done:
		r.Status, r.Sense = o.Status, o.SenseData()
	case <-time.After(30 * time.Second):
		return r, errors.New("no answer within 30 s")
	}
	select {
	case <-w.aborted:
		r.Status, r.Sense = scsi.TaskAborted, nil
	default:
	}
	r.Data = w.data
	r.Residual = w.inLen - w.wanted
	if len(w.out) > 0 {
		r.Residual = len(w.out) - w.received
	}
	return r, nil
}

// rack is a library in memory: a map, and cartridges in a folder.
type rack struct {
	dir     string
	drive   *ssc.Drive
	changer *smc.Changer

	mu      sync.Mutex // one arm
	m       atomic.Pointer[slotmap.Map]
	station atomic.Bool // open
	broken  map[string]error
}

func (k *rack) Map() slotmap.Map { return *k.m.Load() }

func (k *rack) Status(a slotmap.Address) slotmap.Status {
	switch a.Kind() {
	case slotmap.ImportExport:
		return slotmap.Status{Accessible: !k.station.Load()}
	case slotmap.DataTransfer:
		return slotmap.Status{Accessible: !k.drive.Locked()}
	}
	return slotmap.Status{Accessible: true}
}

func (k *rack) Inventory(context.Context) error { return nil }

func (k *rack) SetStation(open bool) error {
	k.station.Store(open)
	return nil
}

func (k *rack) Move(ctx context.Context, src, dst slotmap.Address) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.station.Load() && (src.Kind() == slotmap.ImportExport || dst.Kind() == slotmap.ImportExport) {
		return slotmap.ErrStationOpen
	}
	next, err := k.Map().Move(src, dst)
	if err != nil {
		return err
	}
	return k.become(ctx, next)
}

func (k *rack) Exchange(ctx context.Context, src, first, second slotmap.Address) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	next, err := k.Map().Exchange(src, first, second)
	if err != nil {
		return err
	}
	return k.become(ctx, next)
}

// become makes next the map and the drive's content what it says.
func (k *rack) become(ctx context.Context, next slotmap.Map) error {
	before, after := k.Map().Drive().Barcode, next.Drive().Barcode
	if before != after && before != "" {
		if err := k.drive.Unload(ctx); err != nil {
			return err
		}
	}
	k.m.Store(&next)
	if before != after && after != "" {
		return k.load(ctx, after)
	}
	return nil
}

func (k *rack) load(ctx context.Context, barcode string) error {
	if cause := k.broken[barcode]; cause != nil {
		return k.drive.LoadUnreadable(ctx, barcode, cause)
	}
	c, err := tape.Open(k.dir, barcode)
	if err != nil {
		return err
	}
	image, err := c.Load()
	if err != nil {
		return err
	}
	return k.drive.Load(ctx, image)
}

func (k *rack) place(a slotmap.Address, barcode string, imported bool) error {
	next, err := k.Map().Place(a, barcode, slotmap.DataMedium, imported)
	if err == nil {
		k.m.Store(&next)
	}
	return err
}

// stage is the units in this process, with a rack behind them.
type stage struct {
	rack
	router *target.Router
	tag    atomic.Uint32
	begun  uint32 // tag of the command that was started last
	gate   atomic.Uint32
	told   chan string // what the drive told its host

	compression bool // the loader allows it
}

func (s *stage) Gate() ssc.WriteGate       { return ssc.WriteGate(s.gate.Load()) }
func (s *stage) NearlyFull(barcode string) { s.told <- "nearly full " + barcode }
func (s *stage) Unloaded(barcode string, early bool) {
	s.told <- fmt.Sprintf("unloaded %s %v", barcode, early)
}

const (
	smallCapacity = 256 << 20
	smallWarning  = 64 << 20
	workSlot      = slotmap.Address(0x1030) // where events put cartridges
)

func newStage(t testing.TB) *stage {
	t.Helper()
	s := &stage{told: make(chan string, 100)}
	s.dir = t.TempDir()
	m := slotmap.NewMap(1000, 4)
	s.m.Store(&m)
	s.broken = map[string]error{}
	for i := range 10 {
		barcode := fmt.Sprintf("ABC%03dL8", i)
		if err := s.create(barcode, tape.Spec{}); err != nil {
			t.Fatal(err)
		}
		if err := s.place(slotmap.Slot(i+1), barcode, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *stage) create(barcode string, spec tape.Spec) error {
	spec.Barcode = barcode
	if spec.CapacityBytes == 0 {
		spec.CapacityBytes, spec.EarlyWarningBytes = smallCapacity, smallWarning
	}
	_, err := tape.Create(s.dir, spec)
	return err
}

func (s *stage) start() error {
	profile, err := spc.FindProfile("")
	if err != nil {
		return err
	}
	drive := profile.Tape.With("VLD0000001", 0x3000_0000_0000_0001, "iqn.2026-11.io.virtualloader:test")
	changer := profile.Changer.With("VLC0000001", 0x3000_0000_0000_0002, "iqn.2026-11.io.virtualloader:test")
	s.drive = ssc.New(ssc.Config{Identity: drive, Host: s, Compression: s.compression})
	s.changer = smc.New(smc.Config{Identity: changer, DriveIdentity: drive, Library: &s.rack})
	s.router = target.New(s.drive, s.changer)
	if barcode := s.Map().Drive().Barcode; barcode != "" {
		return s.load(context.Background(), barcode)
	}
	return nil
}

func (s *stage) stop() error {
	s.changer.Close()
	return s.drive.Close()
}

func nexus(name string) scsi.Nexus {
	return scsi.Nexus("iqn.2026-11.test:" + name + ",i,0x400001370000")
}

func (s *stage) submit(name string, lun int, cdb, out []byte, inLen int) *wire {
	w := newWire(out, inLen)
	t := &scsi.Task{Nexus: nexus(name), LUN: scsi.UnitNumber(lun), Tag: s.tag.Add(1), CDB: make([]byte, 16),
		DataOutLength: len(out), DataInLength: inLen, Transport: w}
	copy(t.CDB, cdb)
	if run := s.router.Submit(t); run != nil {
		go run()
	}
	return w
}

func (s *stage) Exec(name string, lun int, cdb, out []byte, inLen int) (conformance.Result, error) {
	w := s.submit(name, lun, cdb, out, inLen)
	close(w.let)
	return w.result()
}

func (s *stage) Start(name string, lun int, cdb, out []byte, inLen int) (func() (conformance.Result, error), error) {
	w := s.submit(name, lun, cdb, out, inLen)
	s.begun = s.tag.Load()
	<-w.asked
	return func() (conformance.Result, error) {
		close(w.let)
		return w.result()
	}, nil
}

// events by their first word.
var events = map[string]func(s *stage, words []string) error{
	"cartridge": (*stage).cartridge,
	"protect": func(s *stage, _ []string) error {
		return s.reload(func(c *tape.Cartridge) error { return c.SetWriteProtected(true) })
	},
	"reload":  func(s *stage, _ []string) error { return s.reload(func(*tape.Cartridge) error { return nil }) },
	"damaged": func(s *stage, _ []string) error { return s.breakOne(tape.ErrDamaged) },
	"unknown": func(s *stage, _ []string) error { return s.breakOne(tape.ErrFormat) },
	"restart": func(s *stage, _ []string) error { return errors.Join(s.stop(), s.start()) },
	"login":   func(s *stage, w []string) error { s.router.Login(nexus(w[1])); return nil },
	"logout":  func(s *stage, w []string) error { s.router.Logout(nexus(w[1])); return nil },
	"lost":    func(s *stage, w []string) error { s.router.Lost(nexus(w[1])); return nil },
	"reset":   (*stage).reset,
	"clear": func(s *stage, w []string) error {
		return s.manage(nexus(w[1]), scsi.ClearTaskSet, w[2])
	},
	"abort": func(s *stage, w []string) error {
		if r := s.router.Manage(nexus(w[1]), scsi.AbortTask, 0, s.begun); r != scsi.FunctionComplete {
			return fmt.Errorf("ABORT TASK: response %d", r)
		}
		return nil
	},
	"gate": func(s *stage, w []string) error {
		s.gate.Store(uint32(slices.Index([]string{"open", "floor", "emergency"}, w[1])))
		return nil
	},
	"corrupt": (*stage).corrupt,
	"compression": func(s *stage, _ []string) error {
		s.compression = true
		return errors.Join(s.stop(), s.start())
	},
	"import": func(s *stage, _ []string) error {
		defer s.changer.InventoryChanged(false, true)
		return s.place(0x0011, "HANDEDL8", true)
	},
	"add": func(s *stage, _ []string) error {
		defer s.changer.InventoryChanged(true, false)
		return s.place(0x100A, "ADDED1L8", false)
	},
}

func (s *stage) Event(words []string) error {
	event, known := events[words[0]]
	if !known {
		return fmt.Errorf("event %q: %w", words[0], errors.ErrUnsupported)
	}
	return event(s, words)
}

func (s *stage) insert(barcode string) error {
	return errors.Join(s.place(workSlot, barcode, false), s.Move(context.Background(), workSlot, slotmap.DriveAddress))
}

func (s *stage) cartridge(words []string) error {
	spec, barcode := tape.Spec{}, "ABC100L8"
	switch words[1] {
	case "worm":
		spec.Medium, barcode = tape.WORM, "ABC100LY"
	case "cleaning":
		spec.Medium, barcode = tape.Cleaning, "CLN100L1"
	}
	spec.CapacityBytes, spec.EarlyWarningBytes = smallCapacity, smallWarning
	if len(words) > 3 {
		spec.CapacityBytes, _ = strconv.ParseInt(words[2], 10, 64)
		spec.EarlyWarningBytes, _ = strconv.ParseInt(words[3], 10, 64)
	}
	if err := s.create(barcode, spec); err != nil {
		return err
	}
	return s.insert(barcode)
}

func (s *stage) reload(between func(*tape.Cartridge) error) error {
	barcode := s.Map().Drive().Barcode
	if err := s.drive.Unload(context.Background()); err != nil {
		return err
	}
	c, err := tape.Open(s.dir, barcode)
	if err != nil {
		return err
	}
	return errors.Join(between(c), s.load(context.Background(), barcode))
}

func (s *stage) breakOne(cause error) error {
	s.broken["BROKENL8"] = cause
	return s.insert("BROKENL8")
}

func (s *stage) reset(words []string) error {
	switch words[1] {
	case "warm":
		return s.manage(nexus("A"), scsi.TargetWarmReset, "0")
	case "cold":
		return s.manage(nexus("A"), scsi.TargetColdReset, "0")
	}
	return s.manage(nexus("A"), scsi.LogicalUnitReset, words[1])
}

func (s *stage) manage(n scsi.Nexus, f scsi.ManagementFunction, lun string) error {
	number, err := strconv.Atoi(lun)
	if r := s.router.Manage(n, f, scsi.UnitNumber(number), 0); r != scsi.FunctionComplete || err != nil {
		return fmt.Errorf("task management function %d: response %d: %w", f, r, err)
	}
	return nil
}

// corrupt turns a byte of the loaded tape's payload over.
func (s *stage) corrupt(words []string) error {
	at, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, s.Map().Drive().Barcode+".tape"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		return err
	}
	b[0] ^= 0xff
	_, err = f.WriteAt(b, at)
	return err
}
