package ssc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exchange is a Transport whose data are there at once.
type exchange struct {
	out     []byte
	buffer  []byte
	in      int // bytes sent
	outcome scsi.Outcome
	done    chan struct{}
}

func (x *exchange) ReceiveDataOut(n int) ([]byte, error) {
	if n > len(x.out) {
		return nil, scsi.ErrDataOutShort
	}
	return x.out[:n], nil
}

func (x *exchange) Buffer(n int) []byte {
	if n > len(x.buffer) {
		x.buffer = make([]byte, n)
	}
	return x.buffer[:n]
}

func (x *exchange) SendDataIn(p []byte) error { x.in += len(p); return nil }
func (x *exchange) Abort()                    {}

func (x *exchange) Done(o scsi.Outcome) {
	x.outcome = o
	if x.done != nil {
		close(x.done)
	}
}

type host struct {
	gate WriteGate
	told chan string
}

func (h *host) Gate() WriteGate           { return h.gate }
func (h *host) NearlyFull(barcode string) { h.told <- "nearly full " + barcode }
func (h *host) Unloaded(barcode string, early bool) {
	if early {
		barcode += " early warning"
	}
	h.told <- "unloaded " + barcode
}

func newDrive(t testing.TB) (*Drive, *host) {
	t.Helper()
	h := &host{told: make(chan string, 10)}
	d := New(Config{Identity: spc.Identity{Vendor: "V", Product: "P", Revision: "1", Serial: "0123456789"}, Host: h})
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, h
}

func load(t testing.TB, d *Drive, capacity int64) {
	t.Helper()
	c, err := tape.Create(t.TempDir(), tape.Spec{Barcode: "ABC001L8", CapacityBytes: capacity})
	if err != nil {
		t.Fatal(err)
	}
	image, err := c.Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Load(context.Background(), image); err != nil {
		t.Fatal(err)
	}
}

// do executes a command, passing over unit attentions.
func do(t testing.TB, d *Drive, out []byte, cdb ...byte) scsi.Outcome {
	t.Helper()
	for {
		x := &exchange{out: out, done: make(chan struct{})}
		task := &scsi.Task{Nexus: "n", CDB: append(cdb, make([]byte, 16)...), DataOutLength: len(out), DataInLength: 1 << 20, Transport: x}
		if run := d.Submit(task); run != nil {
			run()
		}
		<-x.done
		if x.outcome.Sense == nil || x.outcome.Sense.Key != scsi.UnitAttention {
			return x.outcome
		}
	}
}

func TestHostHearsOfANearlyFullTapeOnceAndOfItsUnloading(t *testing.T) {
	d, h := newDrive(t)
	load(t, d, 4<<20)
	block := make([]byte, 256<<10)
	for range 16 {
		do(t, d, block, 0x0A, 0, 0x04, 0, 0, 0)
	}
	do(t, d, nil, 0x1B, 0, 0, 0, 0, 0)
	for _, want := range []string{"nearly full ABC001L8", "unloaded ABC001L8 early warning"} {
		if got := <-h.told; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	if len(h.told) != 0 {
		t.Errorf("told also %q", <-h.told)
	}
	if s := d.Status(); s.Activity != "unloaded" || s.Barcode != "ABC001L8" || s.Ready {
		t.Errorf("status %+v", s)
	}
}

func TestHostMayUseTheDriveWhenItHearsOfTheUnloading(t *testing.T) {
	d, h := newDrive(t)
	load(t, d, 4<<20)
	do(t, d, nil, 0x1B, 0, 0, 0, 0, 0)
	<-h.told
	if err := d.Unload(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := d.Status(); s.Activity != "empty" || s.Barcode != "" {
		t.Errorf("status %+v", s)
	}
}

func TestUnloadIsRefusedWhileAnInitiatorPreventsIt(t *testing.T) {
	d, _ := newDrive(t)
	load(t, d, 4<<20)
	do(t, d, nil, 0x1E, 0, 0, 0, 1, 0)
	var sense *scsi.Sense
	if err := d.Unload(context.Background()); !errors.As(err, &sense) || sense.Code != scsi.MediumRemovalPrevented || !d.Locked() {
		t.Errorf("Unload: %v, locked %v", err, d.Locked())
	}
	if do(t, d, nil, 0).Status != scsi.Good {
		t.Error("the drive is not ready any more")
	}
	d.Logout("n")
	if err := d.Unload(context.Background()); err != nil || d.Locked() {
		t.Errorf("after logout: %v", err)
	}
}

func TestLoadIntoAnOccupiedDriveIsRefused(t *testing.T) {
	d, _ := newDrive(t)
	load(t, d, 4<<20)
	err := d.LoadUnreadable(context.Background(), "ABC002L8", tape.ErrDamaged)
	if !errors.Is(err, ErrOccupied) || !strings.Contains(err.Error(), "ABC001L8") {
		t.Errorf("second load: %v", err)
	}
}

func TestStatusTellsWhatHappens(t *testing.T) {
	d, _ := newDrive(t)
	if s := d.Status(); s.Activity != "empty" {
		t.Errorf("empty drive: %+v", s)
	}
	load(t, d, 4<<20)
	block := make([]byte, 1000)
	do(t, d, block, 0x0A, 0, 0, 0x03, 0xE8, 0)
	do(t, d, nil, 0x10, 0, 0, 0, 1, 0)
	do(t, d, nil, 0x01, 0, 0, 0, 0, 0)
	do(t, d, nil, 0x08, 0, 0, 0x03, 0xE8, 0)
	want := DriveStatus{Activity: "idle", Barcode: "ABC001L8", Ready: true, Object: 1, UsedBytes: 1128, CapacityBytes: 4 << 20,
		BytesRead: 1000, BytesWritten: 1000}
	if s := d.Status(); s != want {
		t.Errorf("status\n%+v, want\n%+v", s, want)
	}
	if err := d.Unload(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := d.LoadUnreadable(context.Background(), "ABC002L8", tape.ErrDamaged); err != nil {
		t.Fatal(err)
	}
	if s := d.Status(); s.Ready || s.Problem == "" {
		t.Errorf("unreadable cartridge: %+v", s)
	}
}

func TestForgottenTapeIsRewoundAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newDrive(t)
		load(t, d, 4<<20)
		d.Login("n")
		do(t, d, make([]byte, 10), 0x0A, 0, 0, 0, 10, 0)
		d.Lost("n")
		time.Sleep(forgottenAfter - time.Second)
		synctest.Wait()
		if d.Status().Object != 1 {
			t.Fatal("rewound too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if d.Status().Object != 0 {
			t.Fatal("not rewound")
		}
		d.Login("n")
		for _, want := range []scsi.AdditionalSense{scsi.NexusLossOccurred, scsi.MediumMayHaveChanged} {
			x := &exchange{}
			d.Submit(&scsi.Task{Nexus: "n", CDB: make([]byte, 16), Transport: x})()
			if x.outcome.Sense == nil || x.outcome.Sense.Code != want {
				t.Errorf("heard %v, want %v", x.outcome.Sense, want)
			}
		}
	})
}

func TestOldNexusesAreForgottenButNotThoseLoggedIn(t *testing.T) {
	d, _ := newDrive(t)
	d.Login("n")
	do(t, d, nil, 0x12, 0, 0, 0, 36, 0)
	for i := range 200 {
		d.Login(scsi.Nexus(strings.Repeat("x", i+1)))
		d.Logout(scsi.Nexus(strings.Repeat("x", i+1)))
	}
	x := &exchange{}
	d.Submit(&scsi.Task{Nexus: "n", CDB: make([]byte, 16), Transport: x})()
	if x.outcome.Sense.Code != scsi.PowerOnOccurred { // its first and only one, still there
		t.Errorf("heard %v", x.outcome.Sense)
	}
	if n := d.LoggedIn(); n != 1 {
		t.Errorf("%d logged in", n)
	}
}

func TestWhatTheTapeSaysBecomesSense(t *testing.T) {
	for _, c := range []struct {
		err  error
		key  scsi.SenseKey
		code scsi.AdditionalSense
		eom  bool
	}{
		{tape.ErrFilemark, 0x0, 0x0001, false},
		{tape.ErrEndOfData, 0x8, 0x0005, false},
		{tape.ErrBeginningOfTape, 0x0, 0x0004, true},
		{tape.ErrEarlyWarning, 0x0, 0x0002, true},
		{tape.ErrEndOfMedium, 0xD, 0x0002, true},
		{tape.ErrDiskFull, 0x7, 0x2707, false},
		{tape.ErrReadOnly, 0x7, 0x2700, false},
		{tape.ErrCorrupt, 0x3, 0x1100, false},
		{tape.ErrDamaged, 0x3, 0x3100, false},
		{tape.ErrFormat, 0x3, 0x3000, false},
		{errors.New("input/output error"), 0x3, 0x0C00, false},
	} {
		err := fmt.Errorf("ABC001L8, object 7: %w", c.err)
		s := condition(err, scsi.WriteError, 5)
		if s.Key != c.key || s.Code != c.code || s.EOM != c.eom || !s.Valid || s.Information != 5 || !errors.Is(s, c.err) {
			t.Errorf("%v: %v, EOM %v", c.err, s, s.EOM)
		}
		if p := plain(err, scsi.WriteError); p.Valid {
			t.Errorf("%v: INFORMATION where there is none", c.err)
		}
	}
}

// TestReadAndWriteDoNotAllocate holds the promise of the data path.
func TestReadAndWriteDoNotAllocate(t *testing.T) {
	d, _ := newDrive(t)
	load(t, d, 1<<30)
	x := &exchange{out: make([]byte, 64<<10)}
	do(t, d, nil, 0)
	run := func(cdb []byte) float64 {
		task := &scsi.Task{Nexus: "n", CDB: cdb, DataOutLength: len(x.out), DataInLength: len(x.out), Transport: x}
		return testing.AllocsPerRun(200, func() {
			d.Submit(task)()
			if x.outcome.Status != scsi.Good {
				t.Fatal(x.outcome.Sense)
			}
		})
	}
	if n := run([]byte{0x0A, 0, 0x01, 0, 0, 0, 15: 0}); n > 0.5 {
		t.Errorf("WRITE allocates %.1f times", n)
	}
	do(t, d, nil, 0x01)
	if n := run([]byte{0x08, 0, 0x01, 0, 0, 0, 15: 0}); n > 0.5 {
		t.Errorf("READ allocates %.1f times", n)
	}
}

func BenchmarkWrite64KiB(b *testing.B) {
	d, _ := newDrive(b)
	load(b, d, 1<<40)
	x := &exchange{out: make([]byte, 64<<10)}
	do(b, d, nil, 0)
	task := &scsi.Task{Nexus: "n", CDB: []byte{0x0A, 0, 0x01, 0, 0, 0, 15: 0}, DataOutLength: len(x.out), Transport: x}
	b.SetBytes(64 << 10)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%4096 == 0 {
			do(b, d, nil, 0x01)
		}
		d.Submit(task)()
	}
}

func BenchmarkTestUnitReady(b *testing.B) {
	d, _ := newDrive(b)
	load(b, d, 1<<30)
	do(b, d, nil, 0)
	task := &scsi.Task{Nexus: "n", CDB: make([]byte, 16), Transport: &exchange{}}
	b.ReportAllocs()
	for b.Loop() {
		d.Submit(task)()
	}
}
