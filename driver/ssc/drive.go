package ssc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// WriteGate says what the disk under the tapes still allows (spec C.14).
type WriteGate uint8

// Write gates.
const (
	GateOpen      WriteGate = iota // everything
	GateFloor                      // no new data; closing a file (up to 16 filemarks) works
	GateEmergency                  // nothing that writes
)

// Host is whoever keeps the cartridges. Gate is asked on every write and must
// not block. The other two are called in a goroutine of their own after the
// command that caused them was answered, so they may use the drive.
type Host interface {
	Gate() WriteGate
	// NearlyFull: the used bytes passed 80 % of the capacity; once per load.
	NearlyFull(barcode string)
	// Unloaded: an initiator unloaded the cartridge (LOAD UNLOAD). It is still in
	// the drive. reachedEarlyWarning says that a write of this load met it.
	Unloaded(barcode string, reachedEarlyWarning bool)
}

// Config is what New needs.
type Config struct {
	Identity spc.Identity
	// DataTransferElement is the drive's element address in its changer, for
	// VPD page B4h; 0 means 0100h.
	DataTransferElement uint16
	Host                Host // nil: a disk without end and nobody to tell
	// Compression lets hosts have blocks stored compressed (mode page 0Fh, DCE).
	// Without it the payload is always plain, whatever DCE says.
	Compression bool
	Log         *slog.Logger // nil: discard
}

// ErrOccupied is what loading into a drive that holds a cartridge gives.
var ErrOccupied = errors.New("the drive already holds a cartridge")

// Drive is one tape drive. Its methods may be called from any goroutine, but
// Load, Unload and Close not by a command of the drive itself.
type Drive struct {
	*spc.Unit
	host    Host
	log     *slog.Logger
	element uint16

	compression bool

	cartridge          // in the unit's turn only
	settings           // likewise
	keys      keyring  // likewise
	live      live     // published for everybody
	idle      idleness // rewinds a forgotten tape
	wg        sync.WaitGroup
}

// cartridge is what is in the drive.
type cartridge struct {
	state   state
	image   *tape.Image // nil when empty or unreadable
	barcode string
	problem error // why the cartridge is unreadable

	medium    tape.MediumType // as the image says; neither changes while it is loaded
	protected bool

	dirty        bool // written since the last sync
	earlyWarning bool // a write of this load met early warning
	nearlyFull   bool // the host was told
	overwrite    overwrite
	overdue      *scsi.Sense  // what a command with IMMED still has to say
	traffic      tape.Traffic // as far as it was accounted for
}

type state uint8

const (
	empty state = iota
	unreadable
	unloaded
	ready
)

// settings are mode parameters outside of pages.
type settings struct {
	blockLength int // bytes of a block in fixed mode, 0: variable
	unbuffered  bool
}

// New returns an empty drive.
func New(c Config) *Drive {
	d := &Drive{host: c.Host, log: c.Log, element: c.DataTransferElement, compression: c.Compression}
	if d.host == nil {
		d.host = endless{}
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.element == 0 {
		d.element = 0x0100
	}
	d.Unit = spc.NewUnit(spc.Config{
		Identity: c.Identity, DeviceType: 0x01, Standard: 0x0520, Protect: true, VPD: d.vpdPages(),
		Commands: d.withProtection(d.withImmediate(d.commands())), Words: cdbWords, Mode: d.modeConfig(), Log: d.logPages(),
		Prepare: d.prepare, Arrival: d.arrival, Reset: d.reset, Sessions: d.sessions,
		Logger: c.Log,
	})
	return d
}

type endless struct{}

func (endless) Gate() WriteGate       { return GateOpen }
func (endless) NearlyFull(string)     {}
func (endless) Unloaded(string, bool) {}

func (d *Drive) vpdPages() []spc.VPDPage {
	serial := d.serialPage
	return []spc.VPDPage{
		{Code: 0xB0, Data: func() []byte { return []byte{0x01, 0} }}, // WORM capable
		{Code: 0xB1, Data: serial},
		{Code: 0xB2, Data: func() []byte { return spc.BigEndian(8, uint64(raisedAlerts)) }},
		{Code: 0xB4, Data: func() []byte { return append([]byte{0, 0}, spc.BigEndian(2, uint64(d.element))...) }},
		{Code: 0xB5, Data: func() []byte { return vpdProtection }},
	}
}

func (d *Drive) serialPage() []byte { return spc.Pad(d.Identity().Serial, 10) }

// raisedAlerts are the TapeAlert flags this drive may raise.
var raisedAlerts = spc.AlertSet(spc.AlertHardError, spc.AlertWriteFailure, spc.AlertWriteProtected,
	spc.AlertCleaningMedium, spc.AlertUnknownFormat, spc.AlertDamagedIndex, spc.AlertWORMOverwrite)

// arrival: a nexus that comes for the first time learns of a tape at its
// beginning; one that stands elsewhere is in use by somebody else.
func (d *Drive) arrival() []scsi.AdditionalSense {
	if m := d.live.mounted.Load(); m != nil && m.ready && d.live.object.Load() == 0 && d.live.partition.Load() == 0 {
		return []scsi.AdditionalSense{scsi.MediumMayHaveChanged}
	}
	return nil
}

func (d *Drive) reset() {
	d.settings = settings{}
	d.overwrite = overwrite{}
	d.clearKeys(everyKey)
}

// Load puts a loaded image into the drive, rewound, and tells every nexus. The
// drive closes the image when it is unloaded. ErrOccupied when there is one; the
// context's error when the drive's turn did not come in time. After an error
// the image is still the caller's.
func (d *Drive) Load(ctx context.Context, image *tape.Image) error {
	return d.insert(ctx, cartridge{state: ready, image: image, barcode: image.Barcode()})
}

// LoadUnreadable puts a cartridge into the drive that cannot be used, because of
// cause: tape.ErrDamaged, tape.ErrFormat or another. Commands that need the
// medium say so; unloading works.
func (d *Drive) LoadUnreadable(ctx context.Context, barcode string, cause error) error {
	return d.insert(ctx, cartridge{state: unreadable, barcode: barcode, problem: cause})
}

func (d *Drive) insert(ctx context.Context, c cartridge) error {
	var failed error
	err := d.Do(ctx, func() {
		if d.state != empty {
			failed = fmt.Errorf("load %s: %w: %s", c.barcode, ErrOccupied, d.barcode)
			return
		}
		if c.image != nil {
			rewindAll(c.image)
			info := c.image.Info()
			c.medium, c.protected = info.Medium, info.WriteProtected
		}
		d.cartridge = c
		d.keys.applied = nil
		d.live.newLoad()
		d.raiseForCartridge()
		d.publish()
		d.PostAll(scsi.MediumMayHaveChanged)
	})
	return errors.Join(err, failed)
}

func (d *Drive) raiseForCartridge() {
	switch {
	case d.image != nil && d.medium == tape.Cleaning:
		d.Raise(spc.AlertCleaningMedium)
	case errors.Is(d.problem, tape.ErrFormat):
		d.Raise(spc.AlertUnknownFormat)
	case d.problem != nil:
		d.Raise(spc.AlertDamagedIndex)
	}
}

// Unload waits for its turn, makes everything durable, closes the image and
// leaves the drive empty. While any nexus prevents medium removal it is refused
// with 5/5302 (a *scsi.Sense) and nothing happens. When the data cannot be made
// durable the cartridge stays where it is. An empty drive is no error.
func (d *Drive) Unload(ctx context.Context) error {
	var failed error
	err := d.Do(ctx, func() { failed = d.eject() })
	return errors.Join(err, failed)
}

func (d *Drive) eject() error {
	if d.state == empty {
		return nil
	}
	if d.Prevented() {
		return scsi.Illegal(scsi.MediumRemovalPrevented)
	}
	d.live.activity.Store(uint32(unloading))
	defer d.publish()
	if d.image != nil {
		if err := d.flush(); err != nil {
			return fmt.Errorf("unload %s: %w", d.barcode, err)
		}
		if err := d.image.Close(); err != nil {
			d.log.Error("the unloaded tape was not closed cleanly; its data is safe", "barcode", d.barcode, "error", err)
		}
	}
	d.clearKeys(onDemand)
	d.cartridge = cartridge{}
	d.ClearAlerts()
	return nil
}

// Locked says whether any nexus prevents medium removal.
func (d *Drive) Locked() bool { return d.Prevented() }

// Close ends all commands, unloads the cartridge whatever stands against it and
// waits for everything the drive started.
func (d *Drive) Close() error {
	d.idle.stop(&d.wg)
	d.Unit.Close()
	d.wg.Wait()
	d.clearKeys(everyKey)
	if d.image == nil {
		return nil
	}
	err := d.image.Close()
	barcode := d.barcode
	d.cartridge = cartridge{}
	d.publish()
	if err != nil {
		return fmt.Errorf("close %s: %w", barcode, err)
	}
	return nil
}

// forgottenAfter is how long a tape stays where it is with nobody logged in.
const forgottenAfter = 60 * time.Second

// idleness is the timer behind that rule.
type idleness struct {
	mu     sync.Mutex
	timer  *time.Timer
	closed bool
}

// stop disarms the timer for good.
func (i *idleness) stop(wg *sync.WaitGroup) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	i.disarm(wg)
}

func (i *idleness) disarm(wg *sync.WaitGroup) {
	if i.timer != nil && i.timer.Stop() {
		wg.Done()
	}
	i.timer = nil
}

// sessions arms the timer when the last nexus has left. A tape whose host is
// gone for a minute is rewound, so that the next one finds it at its beginning,
// and is told so.
func (d *Drive) sessions() {
	i := &d.idle
	i.mu.Lock()
	defer i.mu.Unlock()
	i.disarm(&d.wg)
	if d.LoggedIn() > 0 || i.closed {
		return
	}
	d.wg.Add(1)
	i.timer = time.AfterFunc(forgottenAfter, func() {
		defer d.wg.Done()
		err := d.Do(context.Background(), d.rewindForgotten)
		if err != nil && !errors.Is(err, spc.ErrClosed) {
			d.log.Warn("the tape could not be rewound", "error", err)
		}
	})
}

func (d *Drive) rewindForgotten() {
	if d.LoggedIn() > 0 || d.state != ready || d.atBeginning() == nil {
		return
	}
	if err := d.flush(); err != nil {
		d.log.Error("flush before rewinding a forgotten tape", "barcode", d.barcode, "error", err)
		return
	}
	rewindAll(d.image)
	d.publish()
	d.PostAll(scsi.MediumMayHaveChanged)
}
