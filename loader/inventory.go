package loader

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

// Inventory is what was found in the folder, as barcodes.
type Inventory struct {
	Found    []string // new files, now in a slot
	Missing  []string // their files have gone; their slots are empty now
	Unplaced []string // new files for which no slot was free
	// LastSlotUsed is the number of the highest full slot (contract 3.19).
	LastSlotUsed int
}

// Inventory rescans the folder: INITIALIZE ELEMENT STATUS.
func (l *Library) Inventory(ctx context.Context) error {
	_, err := l.Rescan(ctx)
	return err
}

// Rescan recognises tapes whose files were put into the folder, and those whose
// files were taken away (contract 3.13), and reads every header again. Files are
// given the lowest free slots, in the order of their barcodes. A tape whose files
// have gone while it is in the drive stays there, as an exception, and is mounted
// again when they are back.
func (l *Library) Rescan(ctx context.Context) (Inventory, error) {
	ctx, cancel := patience(ctx)
	defer cancel()
	if err := l.takeArm(ctx); err != nil {
		return Inventory{}, err
	}
	defer l.releaseArm()
	found, err := l.takeInventory(true)
	if err != nil {
		return found, fmt.Errorf("inventory of %s: %w", l.folder, err)
	}
	l.emit(Event{Kind: EventInventoryFinished, Text: fmt.Sprintf("inventory: %d found, %d missing, %d without a slot; last slot used is %d",
		len(found.Found), len(found.Missing), len(found.Unplaced), found.LastSlotUsed)})
	l.remount(ctx)
	l.keeper.check()
	return found, nil
}

// takeInventory compares the folder with the slot map and makes the map agree, in
// one commit. By name only, or with the headers of all tapes. The caller has the
// arm, or is alone.
func (l *Library) takeInventory(headers bool) (Inventory, error) {
	files, err := l.list()
	if err != nil {
		return Inventory{}, err
	}
	present := make(map[string]bool, len(files))
	for _, f := range files {
		present[f] = true
	}
	var found Inventory
	var events []Event
	stationChanged := false
	err = l.store.Update(func(tx *slotmap.Tx) error {
		m := tx.Map()
		for _, e := range m.All() {
			switch {
			case !e.Full():
			case l.checkHold(e.Barcode) != nil: // whoever holds it is at its files
				delete(present, e.Barcode)
			case present[e.Barcode]:
				if headers {
					l.refresh(tx, e)
				}
				delete(present, e.Barcode)
			case e.Kind == slotmap.DataTransfer:
				found.Missing = append(found.Missing, e.Barcode)
				events = append(events, l.lost(tx, e.Barcode)...)
			default:
				found.Missing = append(found.Missing, e.Barcode)
				events = append(events, Event{Kind: EventTapeMissing, Barcode: e.Barcode, From: e.Address,
					Text: fmt.Sprintf("the files of %s have gone; %s is empty now", e.Barcode, e.Address)})
				m, _ = m.Remove(e.Address)
				tx.DeleteTape(e.Barcode)
				l.dropCartridge(e.Barcode)
				stationChanged = stationChanged || e.Kind == slotmap.ImportExport
			}
		}
		for _, barcode := range files {
			if present[barcode] {
				m = l.takeIn(tx, m, barcode, &found, &events)
			}
		}
		found.LastSlotUsed = m.LastSlotUsed()
		if len(found.Found)+len(found.Missing) > 0 {
			tx.SetMap(m)
		}
		identity := tx.Identity()
		if next := numberAfter(identity.NextNumber, identity.Family, files); next != identity.NextNumber {
			identity.NextNumber = next
			tx.SetIdentity(identity)
		}
		return nil
	})
	if err != nil {
		return found, err
	}
	for _, e := range events {
		l.emit(e)
	}
	if len(found.Found)+len(found.Missing) > 0 {
		l.changed(true, stationChanged)
	}
	return found, nil
}

// list returns the barcodes of the tapes in the folder. An empty payload file
// without an index is none: making a tape was interrupted there, and can be done
// again.
func (l *Library) list() ([]string, error) {
	files, err := tape.List(l.folder)
	if err != nil {
		return nil, fileError(l.folder, err)
	}
	m := l.Map()
	return slices.DeleteFunc(files, func(barcode string) bool {
		_, placed := m.Find(barcode)
		return !placed && l.unfinished(barcode)
	}), nil
}

// unfinished says whether an empty payload file is all that there is of a tape.
func (l *Library) unfinished(barcode string) bool {
	path := filepath.Join(l.folder, barcode)
	for _, index := range []string{indexSuffix, indexSuffix + ".new"} {
		if _, err := os.Lstat(path + index); err == nil {
			return false
		}
	}
	payload, err := os.Lstat(path + payloadSuffix)
	return err == nil && payload.Mode().IsRegular() && payload.Size() == 0
}

// refresh reads the header of a tape that is where it should be.
func (l *Library) refresh(tx *slotmap.Tx, e slotmap.Element) {
	if cartridge := l.loaded.Load(); cartridge != nil && cartridge.Barcode() == e.Barcode {
		return
	}
	old, _ := l.store.Tape(e.Barcode)
	if now := l.read(e.Barcode); now != old {
		tx.PutTape(e.Barcode, now)
	}
}

// lost marks the tape in the drive, whose files have gone.
func (l *Library) lost(tx *slotmap.Tx, barcode string) []Event {
	t, _ := l.store.Tape(barcode)
	if t.Damaged {
		return nil
	}
	t.Damaged = true
	tx.PutTape(barcode, t)
	return []Event{{Kind: EventTapeMissing, Barcode: barcode, From: slotmap.DriveAddress,
		Text: fmt.Sprintf("the files of %s have gone while it is in the drive; put them back or move it out", barcode)}}
}

// takeIn gives a tape whose files are new a slot.
func (l *Library) takeIn(tx *slotmap.Tx, m slotmap.Map, barcode string, found *Inventory, events *[]Event) slotmap.Map {
	slot, free := m.FirstFree(slotmap.Storage, reservedSlot(m))
	if !free {
		found.Unplaced = append(found.Unplaced, barcode)
		*events = append(*events, Event{Kind: EventTapeUnplaced, Barcode: barcode,
			Text: fmt.Sprintf("%s is in the folder, but no slot is free for it", barcode)})
		return m
	}
	r := l.read(barcode)
	next, err := m.Place(slot, barcode, r.Medium, false)
	if err != nil {
		return m
	}
	tx.PutTape(barcode, r)
	found.Found = append(found.Found, barcode)
	*events = append(*events, Event{Kind: EventTapeFound, Barcode: barcode, To: slot, Text: fmt.Sprintf("%s was found and is in %s", barcode, slot)})
	return next
}

// LastSlotUsed returns the number of the highest full slot, 0 when all are empty
// (contract 3.19).
func (l *Library) LastSlotUsed() int { return l.Map().LastSlotUsed() }

// DeviceKindVirtual is the kind of device that a loader is (contract 3.11, 3.32).
const DeviceKindVirtual = "virtual"

// Information is a loader in figures (contract 3.11).
type Information struct {
	slotmap.Identity
	DeviceKind    string // always DeviceKindVirtual
	Folder        string
	Tapes         int
	Blank         int // of them, with nothing on them
	UsedBytes     int64
	FreeSlots     int
	LastSlotUsed  int
	DriveBarcode  string // empty: no tape in the drive
	NextBarcode   string // of the next tape; empty when the family is used up
	StationOpened bool
}

// Information describes the loader as of now. It never waits.
func (l *Library) Information() Information {
	m := l.Map()
	i := Information{
		Identity: l.Identity(), DeviceKind: DeviceKindVirtual, Folder: l.folder,
		LastSlotUsed: m.LastSlotUsed(), DriveBarcode: m.Drive().Barcode, StationOpened: l.station.Load(),
	}
	for _, t := range l.Tapes() {
		i.Tapes++
		i.UsedBytes += t.UsedBytes
		if t.Blank() {
			i.Blank++
		}
	}
	slots, full := m.Count(slotmap.Storage)
	i.FreeSlots = slots - full
	i.NextBarcode, _ = barcodeOf(i.Family, i.NextNumber)
	return i
}
