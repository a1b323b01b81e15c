package loader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

// TapeInfo is one tape of the loader. The record is as of when the tape was last
// unloaded or taken inventory of; for the tape in the drive it is as of now.
type TapeInfo struct {
	slotmap.Tape
	Barcode string
	Address slotmap.Address
	Loaded  bool // in the drive, and mounted
}

// TapeSpec describes tapes to make; zero values mean the loader's own rules.
type TapeSpec struct {
	Barcode       string // "": family and running number
	CapacityBytes int64  // 0: the loader's
	Medium        slotmap.Medium
}

// Tapes returns every tape, by element address.
func (l *Library) Tapes() []TapeInfo {
	m := l.Map()
	tapes := make([]TapeInfo, 0, m.Barcodes())
	for _, e := range m.All() {
		if e.Full() {
			tapes = append(tapes, l.info(e))
		}
	}
	return tapes
}

// Tape returns one tape. ErrNoTape.
func (l *Library) Tape(barcode string) (TapeInfo, error) {
	barcode, err := tape.Barcode(barcode)
	if err != nil {
		return TapeInfo{}, err
	}
	e, found := l.Map().Find(barcode)
	if !found {
		return TapeInfo{}, fmt.Errorf("%s: %w", barcode, ErrNoTape)
	}
	return l.info(e), nil
}

func (l *Library) info(e slotmap.Element) TapeInfo {
	t, _ := l.store.Tape(e.Barcode)
	info := TapeInfo{Tape: t, Barcode: e.Barcode, Address: e.Address}
	if cartridge := l.loaded.Load(); cartridge != nil && cartridge.Barcode() == e.Barcode {
		info.Tape, info.Loaded = record(cartridge.Info()), true
	}
	return info
}

// CreateTapes makes n blank tapes in the lowest free slots and returns their
// barcodes (contract 3.8, 3.24). A barcode in the spec is for one tape only. When
// it fails in the middle, the tapes that were made stay and are returned with the
// error. Errors: ErrSettings, ErrExists, ErrUsed, ErrFamilyExhausted,
// slotmap.ErrFull, those of tape and of the file system.
func (l *Library) CreateTapes(ctx context.Context, n int, spec TapeSpec) ([]string, error) {
	ctx, cancel := patience(ctx)
	defer cancel()
	if err := l.takeArm(ctx); err != nil {
		return nil, err
	}
	defer l.releaseArm()
	return l.createTapes(n, spec, EventTapeCreated)
}

// createTapes is CreateTapes for a caller that has the arm. All is checked before
// the first file is made; the slot map changes once, at the end, so that it only
// ever names what exists.
func (l *Library) createTapes(n int, spec TapeSpec, kind EventKind) ([]string, error) {
	m, identity := l.Map(), l.Identity()
	slots, err := l.freeSlots(m, n)
	if err != nil {
		return nil, err
	}
	barcodes, nextNumber, err := l.newBarcodes(m, identity, n, spec)
	if err != nil {
		return nil, err
	}
	template, err := spec.template(identity)
	if err != nil {
		return nil, err
	}
	records := map[string]slotmap.Tape{}
	var failed error
	for i, barcode := range barcodes {
		template.Barcode = barcode
		cartridge, err := tape.Create(l.folder, template)
		if err != nil {
			failed = fmt.Errorf("create tape %s: %w", barcode, fileError(l.folder, err))
			barcodes = barcodes[:i]
			break
		}
		records[barcode] = record(cartridge.Info())
		if m, err = m.Place(slots[i], barcode, records[barcode].Medium, false); err != nil {
			return nil, err
		}
	}
	if len(barcodes) == 0 {
		return nil, failed
	}
	err = l.store.Update(func(tx *slotmap.Tx) error {
		identity.NextNumber = nextNumber
		tx.SetIdentity(identity)
		tx.SetMap(m)
		for barcode, r := range records {
			tx.PutTape(barcode, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the tapes %v are made but not in the slot map, take inventory: %w", barcodes, err)
	}
	for i, barcode := range barcodes {
		l.emit(Event{Kind: kind, Barcode: barcode, To: slots[i], Text: fmt.Sprintf("blank tape %s is in %s", barcode, slots[i])})
	}
	l.changed(true, false)
	return barcodes, failed
}

// freeSlots returns the lowest n free slots. The slot to which the tape in the
// drive will return counts as full.
func (l *Library) freeSlots(m slotmap.Map, n int) ([]slotmap.Address, error) {
	if n < 1 {
		return nil, fmt.Errorf("%w: %d tapes: make at least one", ErrSettings, n)
	}
	reserved := reservedSlot(m)
	var free []slotmap.Address
	for _, e := range m.Elements(slotmap.Storage) {
		if !e.Full() && e.Address != reserved && len(free) < n {
			free = append(free, e.Address)
		}
	}
	if len(free) < n {
		return nil, fmt.Errorf("%d tapes need as many slots, %d are free: %w; delete or export tapes", n, len(free), slotmap.ErrFull)
	}
	return free, nil
}

// reservedSlot returns the slot the tape in the drive came from, 0 for none.
func reservedSlot(m slotmap.Map) slotmap.Address {
	if d := m.Drive(); d.Full() && d.Source.Kind() == slotmap.Storage {
		return d.Source
	}
	return 0
}

// newBarcodes returns n barcodes that were never used, or the one that the spec
// asks for, and the running number after them.
func (l *Library) newBarcodes(m slotmap.Map, identity slotmap.Identity, n int, spec TapeSpec) (barcodes []string, next int, err error) {
	files, err := l.list()
	if err != nil {
		return nil, 0, err
	}
	next = numberAfter(identity.NextNumber, identity.Family, files)
	if spec.Barcode != "" {
		barcode, err := l.askedBarcode(m, identity, n, spec.Barcode, files)
		return []string{barcode}, numberAfter(next, identity.Family, []string{barcode}), err
	}
	taken := make(map[string]bool, len(files))
	for _, f := range files {
		taken[f] = true
	}
	for ; len(barcodes) < n; next++ {
		barcode, ok := barcodeOf(identity.Family, next)
		if !ok {
			return nil, 0, fmt.Errorf("family %s: %w; name the tapes yourself", identity.Family, ErrFamilyExhausted)
		}
		if spec.Medium == slotmap.WORMMedium {
			barcode = strings.TrimSuffix(barcode, mediaID) + wormID
		}
		if _, there := m.Find(barcode); !there && !taken[barcode] {
			barcodes = append(barcodes, barcode)
		}
	}
	return barcodes, next, nil
}

// askedBarcode checks a barcode that a person chose.
func (l *Library) askedBarcode(m slotmap.Map, identity slotmap.Identity, n int, asked string, files []string) (string, error) {
	barcode, err := tape.Barcode(asked)
	if err != nil {
		return "", err
	}
	if n != 1 {
		return "", fmt.Errorf("%w: barcode %s can be given to one tape, not to %d", ErrSettings, barcode, n)
	}
	if _, there := m.Find(barcode); there || slices.Contains(files, barcode) {
		return "", fmt.Errorf("%s: %w", barcode, ErrExists)
	}
	if number, ok := numberOf(identity.Family, barcode); ok && number < identity.NextNumber {
		return "", fmt.Errorf("%s: %w; the next number of family %s is free", barcode, ErrUsed, identity.Family)
	}
	return barcode, nil
}

// template returns the tape.Spec of new tapes, but for the barcode.
func (s TapeSpec) template(identity slotmap.Identity) (tape.Spec, error) {
	if s.CapacityBytes == 0 {
		s.CapacityBytes = identity.CapacityBytes
	}
	if s.CapacityBytes < MinCapacityBytes {
		return tape.Spec{}, fmt.Errorf("%w: capacity of %d bytes: a tape has at least %d", ErrSettings, s.CapacityBytes, MinCapacityBytes)
	}
	if s.Medium == 0 {
		s.Medium = slotmap.DataMedium
	}
	for medium, code := range mediumCodes {
		if code == s.Medium {
			return tape.Spec{CapacityBytes: s.CapacityBytes, Medium: medium}, nil
		}
	}
	return tape.Spec{}, fmt.Errorf("%w: medium type %d", ErrSettings, s.Medium)
}

// DeleteTape deletes a tape that is not in the drive, and its data (contract 3.9,
// 3.25). Errors: ErrNoTape, ErrLoaded, slotmap.ErrHeld, tape.ErrPinned,
// tape.ErrInUse.
func (l *Library) DeleteTape(ctx context.Context, barcode string) error {
	return l.work(ctx, "delete", "deleted", barcode, func(barcode string) error {
		cartridge, err := l.cartridge(barcode)
		if err == nil {
			err = cartridge.Remove()
		}
		if errors.Is(err, tape.ErrDamaged) {
			err = l.removeFiles(barcode)
		}
		if err != nil && !errors.Is(err, tape.ErrNotExist) {
			return err
		}
		return l.forget(context.WithoutCancel(ctx), barcode, Event{Kind: EventTapeDeleted, Text: barcode + " and its data were deleted"})
	})
}

// removeFiles deletes the files of a tape that is too damaged to be opened.
func (l *Library) removeFiles(barcode string) error {
	files, err := filesOf(l.folder, barcode)
	if err != nil {
		return err
	}
	return files.remove()
}

// EraseTape makes a tape that is not in the drive blank (contract 3.19). Errors:
// those of DeleteTape and tape.ErrReadOnly.
func (l *Library) EraseTape(ctx context.Context, barcode string) error {
	return l.work(ctx, "erase", "erased", barcode, func(barcode string) error {
		cartridge, err := l.cartridge(barcode)
		if err == nil {
			err = cartridge.Erase()
		}
		if err != nil {
			return err
		}
		err = l.store.Update(func(tx *slotmap.Tx) error {
			tx.PutTape(barcode, l.read(barcode))
			return nil
		})
		if err == nil {
			l.emit(Event{Kind: EventTapeErased, Barcode: barcode, Text: barcode + " was erased"})
			l.keeper.check()
		}
		return err
	})
}

// work does something to one tape while it is held where it is.
func (l *Library) work(ctx context.Context, verb, being, barcode string, f func(barcode string) error) error {
	ctx, cancel := patience(ctx)
	defer cancel()
	barcode, err := tape.Barcode(barcode)
	if err != nil {
		return err
	}
	release, err := l.hold(ctx, barcode, being)
	if err != nil {
		return fmt.Errorf("%s tape: %w", verb, err)
	}
	defer release()
	if err := f(barcode); err != nil {
		return fmt.Errorf("%s tape %s: %w", verb, barcode, fileError(l.folder, err))
	}
	return nil
}

// forget takes a held tape whose files have gone out of the slot map.
func (l *Library) forget(ctx context.Context, barcode string, event Event) error {
	if err := l.takeArm(ctx); err != nil {
		return err
	}
	defer l.releaseArm()
	element, found := l.Map().Find(barcode)
	if !found {
		return nil // an inventory was faster
	}
	err := l.store.Update(func(tx *slotmap.Tx) error {
		next, err := tx.Map().Remove(element.Address)
		tx.SetMap(next)
		tx.DeleteTape(barcode)
		return err
	})
	if err != nil {
		return err
	}
	l.dropCartridge(barcode)
	event.Barcode, event.From = barcode, element.Address
	l.emit(event)
	l.changed(element.Kind == slotmap.Storage, element.Kind == slotmap.ImportExport)
	l.keeper.check()
	return nil
}

// mediumCodes gives each medium type its code in the changer's reports.
var mediumCodes = map[tape.MediumType]slotmap.Medium{
	tape.Data:     slotmap.DataMedium,
	tape.Cleaning: slotmap.CleaningMedium,
	tape.WORM:     slotmap.WORMMedium,
}

// record is what the slot map remembers of a cartridge.
func record(i tape.Info) slotmap.Tape {
	return slotmap.Tape{
		Serial: i.Serial, Medium: mediumCodes[i.Medium],
		CapacityBytes: i.CapacityBytes, EarlyWarningBytes: i.EarlyWarningBytes,
		UsedBytes: i.UsedBytes, PayloadBytes: i.PayloadBytes,
		Objects: i.Objects, Filemarks: i.Filemarks, Generation: i.Generation, LoadCount: i.LoadCount,
		Created: i.Created, LastWritten: i.LastWritten, WriteProtected: i.WriteProtected,
	}
}

// read returns the record of a cartridge from its own header. When that cannot be
// read the old record stays, marked as damaged.
func (l *Library) read(barcode string) slotmap.Tape {
	cartridge, err := tape.Open(l.folder, barcode)
	if err == nil {
		return record(cartridge.Info())
	}
	l.log.Warn("tape cannot be read", "barcode", barcode, "error", err)
	l.emit(Event{Kind: EventTapeDamaged, Barcode: barcode, Text: err.Error()})
	old, _ := l.store.Tape(barcode)
	old.Damaged = true
	return old
}

// noteFault marks a tape whose files are at fault.
func (l *Library) noteFault(barcode string, reason error) {
	l.emit(Event{Kind: EventTapeDamaged, Barcode: barcode, Text: reason.Error()})
	err := l.store.Update(func(tx *slotmap.Tx) error {
		t, _ := l.store.Tape(barcode)
		t.Damaged = true
		tx.PutTape(barcode, t)
		return nil
	})
	if err != nil {
		l.log.Error("damaged tape not noted in the slot map", "barcode", barcode, "error", err)
	}
}

// isFault says whether an error speaks of a cartridge's files, not of who uses them.
func isFault(err error) bool {
	return slices.ContainsFunc([]error{tape.ErrDamaged, tape.ErrFormat, tape.ErrNotExist, tape.ErrBarcode},
		func(fault error) bool { return errors.Is(err, fault) })
}
