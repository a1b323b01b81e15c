package loader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"virtualloader/loader/space"
	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

// Drive is the tape drive of a loader, as much of it as the arm needs.
type Drive interface {
	// Load takes over the image, and reports ready when it returns nil. On an
	// error the image still belongs to the caller.
	Load(ctx context.Context, image *tape.Image) error
	// LoadUnreadable takes a cartridge whose files are at fault: it is there, and
	// every command that needs the medium says so.
	LoadUnreadable(ctx context.Context, barcode string, cause error) error
	// Unload waits its turn, flushes and closes the image. On an error the image
	// is still loaded. An empty drive is no error.
	Unload(ctx context.Context) error
	// Locked says whether a host prevents removal. It never waits.
	Locked() bool
}

// Changer is told that elements changed without a move of the host's. It is called
// while the arm is taken and must not wait.
type Changer interface {
	InventoryChanged(storage, importExport bool)
}

// Options is what a Library needs from those around it; all may be left out.
type Options struct {
	// Events is called with whatever happens, from any goroutine. It must be quick
	// and may read the Library, but not change it.
	Events func(Event)
	// Level says how much room the folder's volume has. It must not wait.
	Level func() space.Level
	Log   *slog.Logger
}

// moveTimeout is how long a move waits for the arm and the drive when its caller
// sets no deadline. Hosts give up after 300 s (spec D.4).
const moveTimeout = 2 * time.Minute

// Library is a backup folder as a tape library: slots, import/export elements,
// one arm, one drive. Any number of goroutines may use it. What reads (Map,
// Status, Tapes, Information) returns a published snapshot and never waits.
type Library struct {
	folder  string
	options Options
	log     *slog.Logger
	store   *slotmap.Store

	// arm is held by whoever moves cartridges or changes which there are: one at a
	// time, as there is one arm. It is a channel so that waiting for it can end.
	// Lock order: arm, then mutex.
	arm      chan struct{}
	attached atomic.Pointer[attachment]
	loaded   atomic.Pointer[tape.Cartridge] // whose image the drive has
	station  atomic.Bool                    // import/export is open

	mutex      sync.Mutex                 // guards what follows
	holds      map[string]string          // barcode -> what holds it
	cartridges map[string]*tape.Cartridge // those that were used: one for each barcode

	keeper *keeper
	ctx    context.Context // ends when Close begins
	cancel context.CancelFunc
	close  sync.Once
}

type attachment struct {
	drive   Drive
	changer Changer
}

// Open opens the loader in a folder. The slot map is recovered from its backup
// copy if it must (an event says so), files that came or went while the folder
// was not served are taken in, by their names. The drive comes with Attach.
// Errors: slotmap.ErrNotExist, ErrInUse, ErrVersion, ErrDamaged.
func Open(folder string, options Options) (*Library, error) {
	folder = filepath.Clean(folder)
	store, recovery, err := slotmap.OpenStore(folder)
	if err != nil {
		return nil, fmt.Errorf("open loader %s: %w", folder, err)
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	if options.Level == nil {
		options.Level = func() space.Level { return space.Fine }
	}
	l := &Library{
		folder: folder, options: options, store: store,
		log:   options.Log.With("loader", store.Identity().Name),
		arm:   make(chan struct{}, 1),
		holds: map[string]string{}, cartridges: map[string]*tape.Cartridge{},
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if recovery.Happened() {
		l.log.Warn("slot map recovered", "detail", recovery.String())
		l.emit(Event{Kind: EventSlotMapRecovered, Text: recovery.String()})
	}
	l.sweep()
	if _, err := l.takeInventory(false); err != nil {
		l.cancel()
		store.Close()
		return nil, fmt.Errorf("open loader %s: %w", folder, err)
	}
	l.keeper = startKeeper(l)
	return l, nil
}

// Attach gives the library its drive and its changer, once, and mounts the tape
// that was in the drive when the loader was last closed or killed (contract
// 3.19). A tape that cannot be mounted stays in the drive's element, with an
// event; that is no error.
func (l *Library) Attach(drive Drive, changer Changer) error {
	ctx, cancel := context.WithTimeout(l.ctx, moveTimeout)
	defer cancel()
	if err := l.takeArm(ctx); err != nil {
		return err
	}
	defer l.releaseArm()
	if !l.attached.CompareAndSwap(nil, &attachment{drive, changer}) {
		return errors.New("a drive is attached already")
	}
	l.remount(ctx)
	return nil
}

// remount mounts the tape that the slot map names in the drive, if it is not. The
// caller has the arm.
func (l *Library) remount(ctx context.Context) {
	barcode := l.Map().Drive().Barcode
	if barcode == "" || l.loaded.Load() != nil || l.attached.Load() == nil {
		return
	}
	err := l.dismount(ctx) // what was unreadable may have come back
	if err == nil {
		err = l.mount(ctx, barcode)
	}
	if err != nil {
		l.log.Error("tape in the drive cannot be mounted", "barcode", barcode, "error", err)
		l.emit(Event{Kind: EventMountFailed, Barcode: barcode, Text: fmt.Sprintf("%s is in the drive and cannot be mounted: %v", barcode, err)})
		return
	}
	cartridge := l.loaded.Load()
	if cartridge == nil {
		return // unreadable, as an event has said
	}
	l.emit(Event{Kind: EventTapeRemounted, Barcode: barcode, Text: fmt.Sprintf("%s was in the drive and is mounted again", barcode)})
	if i := cartridge.Info(); i.Objects == 0 || i.UsedBytes >= i.CapacityBytes/10*8 {
		l.keeper.wantBlank()
	}
}

// Close stops what the library does by itself and closes the slot map. The drive
// must be closed before: it owns the image. The tape stays in the drive's element
// and is mounted again at the next start.
func (l *Library) Close() error {
	err := ErrClosed
	l.close.Do(func() {
		l.cancel()
		l.keeper.stop()
		l.arm <- struct{}{} // never given back: nothing moves any more
		err = errors.Join(l.noteLoaded(), l.store.Close())
	})
	return err
}

// noteLoaded brings the record of the tape in the drive up to date.
func (l *Library) noteLoaded() error {
	cartridge := l.loaded.Load()
	if cartridge == nil {
		return nil
	}
	return l.store.Update(func(tx *slotmap.Tx) error {
		tx.PutTape(cartridge.Barcode(), record(cartridge.Info()))
		return nil
	})
}

// Identity returns who the loader is.
func (l *Library) Identity() slotmap.Identity { return l.store.Identity() }

// Folder returns the backup folder.
func (l *Library) Folder() string { return l.folder }

// Map returns the elements as of now.
func (l *Library) Map() slotmap.Map { return l.store.Map() }

// Status returns what the changer reports about an element beside the map.
func (l *Library) Status(a slotmap.Address) slotmap.Status {
	element, _ := l.Map().At(a)
	status := slotmap.Status{Accessible: true}
	if t, known := l.store.Tape(element.Barcode); known {
		status.Exception = t.Damaged
	}
	switch a.Kind() {
	case slotmap.ImportExport:
		status.Accessible = !l.station.Load()
	case slotmap.DataTransfer:
		status.Accessible = !l.locked()
	}
	return status
}

// SetStation opens or closes the import/export station: while it is open nothing
// moves to or from it (spec D.5). Closing it tells the hosts that its content may
// have changed.
func (l *Library) SetStation(open bool) error {
	if l.station.Swap(open) == open {
		return nil
	}
	word := "closed"
	if open {
		word = "opened"
	} else {
		l.changed(false, true)
	}
	l.emit(Event{Kind: EventStation, Text: "the import/export station was " + word})
	return nil
}

// locked says whether a host prevents removal from the drive.
func (l *Library) locked() bool {
	a := l.attached.Load()
	return a != nil && a.drive.Locked()
}

// changed tells the hosts that elements changed without a move of theirs.
func (l *Library) changed(storage, importExport bool) {
	if a := l.attached.Load(); a != nil && a.changer != nil {
		a.changer.InventoryChanged(storage, importExport)
	}
}

// takeArm waits for the arm until ctx ends.
func (l *Library) takeArm(ctx context.Context) error {
	if l.ctx.Err() != nil {
		return ErrClosed
	}
	select {
	case l.arm <- struct{}{}:
		return nil
	case <-l.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("waiting for the arm: %w", ctx.Err())
	}
}

func (l *Library) releaseArm() { <-l.arm }

// hold keeps a tape where it is until release is called: moves of it are refused
// with slotmap.ErrHeld. Errors: ErrNoTape, ErrLoaded, slotmap.ErrHeld.
func (l *Library) hold(ctx context.Context, barcode, why string) (release func(), err error) {
	if err := l.takeArm(ctx); err != nil {
		return nil, err
	}
	defer l.releaseArm()
	element, found := l.Map().Find(barcode)
	switch {
	case !found:
		return nil, fmt.Errorf("%s: %w", barcode, ErrNoTape)
	case element.Kind == slotmap.DataTransfer:
		return nil, fmt.Errorf("%s: %w", barcode, ErrLoaded)
	}
	if err := l.checkHold(barcode); err != nil {
		return nil, err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.holds[barcode] = why
	return func() {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		delete(l.holds, barcode)
	}, nil
}

// checkHold returns slotmap.ErrHeld when something holds the tape.
func (l *Library) checkHold(barcode string) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if why, held := l.holds[barcode]; held {
		return fmt.Errorf("%s is being %s: %w", barcode, why, slotmap.ErrHeld)
	}
	return nil
}

// cartridge returns the one Cartridge that there is of a barcode in this process:
// it knows who reads which of its bytes.
func (l *Library) cartridge(barcode string) (*tape.Cartridge, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if c := l.cartridges[barcode]; c != nil {
		return c, nil
	}
	c, err := tape.Open(l.folder, barcode)
	if err == nil {
		l.cartridges[barcode] = c
	}
	return c, err
}

// dropCartridge forgets a cartridge whose files have gone.
func (l *Library) dropCartridge(barcode string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	delete(l.cartridges, barcode)
}
