package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"virtualloader/loader/space"
	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(victimFolder); folder != "" {
		victim(folder)
	}
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// fakeDrive is a drive that holds an image and does what a test tells it.
type fakeDrive struct {
	mutex    sync.Mutex
	image    *tape.Image
	broken   string // barcode of an unreadable cartridge
	loads    []string
	onLoad   func(barcode string) error // before anything is done
	onUnload func() error
	loaded   func() // after it is done
	unloaded func()
	locked   atomic.Bool
}

var errLocked = errors.New("medium removal prevented")

func (d *fakeDrive) Load(ctx context.Context, image *tape.Image) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.image != nil || d.broken != "" {
		return errors.New("the drive is full")
	}
	if d.onLoad != nil {
		if err := d.onLoad(image.Barcode()); err != nil {
			return err
		}
	}
	d.image = image
	d.loads = append(d.loads, image.Barcode())
	if d.loaded != nil {
		d.loaded()
	}
	return nil
}

func (d *fakeDrive) LoadUnreadable(_ context.Context, barcode string, cause error) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.image != nil || d.broken != "" || cause == nil {
		return errors.New("the drive is full, or nothing is wrong")
	}
	d.broken = barcode
	return nil
}

func (d *fakeDrive) Unload(ctx context.Context) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.broken = ""
	if d.image == nil {
		return nil
	}
	if d.locked.Load() {
		return errLocked
	}
	if d.onUnload != nil {
		if err := d.onUnload(); err != nil {
			return err
		}
	}
	if err := d.image.Close(); err != nil {
		return err
	}
	d.image = nil
	if d.unloaded != nil {
		d.unloaded()
	}
	return nil
}

func (d *fakeDrive) Locked() bool { return d.locked.Load() }

// Close is what the service does before it closes the library.
func (d *fakeDrive) Close() error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.image == nil {
		return nil
	}
	image := d.image
	d.image = nil
	return image.Close()
}

func (d *fakeDrive) barcode() string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.image == nil {
		return d.broken
	}
	return d.image.Barcode()
}

// write puts blocks on the tape in the drive.
func (d *fakeDrive) write(t testing.TB, block string, n int) {
	t.Helper()
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for range n {
		if err := d.image.WriteBlock([]byte(block)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.image.Sync(); err != nil {
		t.Fatal(err)
	}
}

type fakeChanger struct{ storage, importExport atomic.Int32 }

func (c *fakeChanger) InventoryChanged(storage, importExport bool) {
	if storage {
		c.storage.Add(1)
	}
	if importExport {
		c.importExport.Add(1)
	}
}

// rig is an open library with its fakes.
type rig struct {
	*Library
	drive   *fakeDrive
	changer *fakeChanger
	level   atomic.Uint32
	events  chan Event
}

// small is the settings of a loader for tests.
func small(folder string) Settings {
	return Settings{Name: "test", Folder: folder, Slots: 10, CapacityBytes: 4e6, Family: "ABC"}
}

// create makes a loader in a new folder and opens it.
func create(t testing.TB, change func(*Settings)) *rig {
	t.Helper()
	s := small(filepath.Join(t.TempDir(), "backup"))
	if change != nil {
		change(&s)
	}
	created, err := Create(s)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, created.Folder)
}

// open opens a loader and attaches the fakes; the test's end closes it.
func open(t testing.TB, folder string) *rig {
	t.Helper()
	r := &rig{drive: &fakeDrive{}, changer: &fakeChanger{}, events: make(chan Event, 2000)}
	var err error
	r.Library, err = Open(folder, Options{
		Events: func(e Event) { r.events <- e },
		Level:  func() space.Level { return space.Level(r.level.Load()) },
		Log:    quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.shut(t) })
	if err := r.Attach(r.drive, r.changer); err != nil {
		t.Fatal(err)
	}
	return r
}

// shut closes drive and library in their order. It may be called twice.
func (r *rig) shut(t testing.TB) {
	t.Helper()
	if err := r.drive.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, slotmap.ErrClosed) {
		t.Error(err)
	}
}

// await returns the next event of a kind.
func (r *rig) await(t testing.TB, kind EventKind) Event {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case e := <-r.events:
			if e.Kind == kind {
				return e
			}
		case <-limit:
			t.Fatalf("no event %s", kind)
		}
	}
}

// rest waits until the keeper has done what it was woken for: it serves its
// wakes in order, and each takes the arm.
func (r *rig) rest(t testing.TB) {
	t.Helper()
	for range 3 {
		select {
		case r.keeper.wake <- struct{}{}:
		case <-time.After(10 * time.Second):
			t.Fatal("the keeper hangs")
		}
	}
}

func (r *rig) move(t testing.TB, src, dst slotmap.Address) {
	t.Helper()
	if err := r.Move(t.Context(), src, dst); err != nil {
		t.Fatal(err)
	}
}

// at returns the barcode in an element.
func (r *rig) at(a slotmap.Address) string {
	e, _ := r.Map().At(a)
	return e.Barcode
}

// checkWhole fails unless every cartridge in the folder is in exactly one element,
// and every full element names one.
func checkWhole(t testing.TB, folder string, m slotmap.Map) {
	t.Helper()
	files, err := tape.List(folder)
	if err != nil {
		t.Fatal(err)
	}
	var placed []string
	for _, e := range m.All() {
		if e.Full() {
			placed = append(placed, e.Barcode)
		}
	}
	slices.Sort(placed)
	if !slices.Equal(files, placed) {
		t.Fatalf("the folder has %v, the elements %v", files, placed)
	}
}

// copyFolder is what a crash at this moment would leave.
func copyFolder(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

const (
	drive   = slotmap.DriveAddress
	mailbox = slotmap.ImportExportAddress
)

func slot(n int) slotmap.Address { return slotmap.Slot(n) }

func barcodes(from, to int) (list []string) {
	for n := from; n <= to; n++ {
		list = append(list, fmt.Sprintf("ABC%03dL8", n))
	}
	return list
}
