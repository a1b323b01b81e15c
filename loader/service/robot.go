package service

import (
	"context"
	"fmt"

	"virtualloader/loader/control"
	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

// placeKinds names the kinds of elements a tape can be in.
var placeKinds = map[slotmap.Kind]control.PlaceKind{
	slotmap.Storage: control.Slot, slotmap.ImportExport: control.Station, slotmap.DataTransfer: control.Drive,
}

// placeOf is an element address as a person counts; none for the robot and 0.
func placeOf(a slotmap.Address) control.Place {
	kind := placeKinds[a.Kind()]
	if kind == "" {
		return control.Place{}
	}
	p := control.Place{Kind: kind, Number: a.Number()}
	if kind == control.Drive {
		p.Number = 0
	}
	return p
}

// addressOf is a place's element address in a loader.
func addressOf(m slotmap.Map, name string, p control.Place) (slotmap.Address, error) {
	for kind, word := range placeKinds {
		if word != p.Kind {
			continue
		}
		elements := m.Elements(kind)
		for _, e := range elements {
			if placeOf(e.Address) == p {
				return e.Address, nil
			}
		}
		return 0, &control.Error{Code: control.NotFound, Message: fmt.Sprintf("loader %s has no %s: it has %ss 1 to %d", name, p, word, len(elements)),
			Hint: "`vloader loader info " + name + " --elements` lists the places"}
	}
	return 0, &control.Error{Code: control.Invalid, Message: fmt.Sprintf("%q is not a place", p), Hint: `write "slot 12", "station 2" or "drive"`}
}

// Elements implements control.Robot.
func (s *Service) Elements(_ context.Context, r control.LoaderRef) ([]control.Element, error) {
	l, err := s.use(r.Loader)
	if err != nil {
		return nil, err
	}
	elements := []control.Element{}
	for _, e := range l.library.Map().All() {
		if place := placeOf(e.Address); !place.IsZero() {
			elements = append(elements, control.Element{Place: place, Address: uint16(e.Address), Barcode: e.Barcode, Source: placeOf(e.Source)})
		}
	}
	return elements, nil
}

// Load implements control.Robot (contract 3.37).
func (s *Service) Load(ctx context.Context, r control.LoadRequest) (control.Moved, error) {
	l, err := s.use(r.Loader)
	if err != nil {
		return control.Moved{}, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	from, err := l.tapeToLoad(r)
	if err != nil {
		return control.Moved{}, explainFor(r.Loader, r.Barcode, err)
	}
	if from == slotmap.DriveAddress {
		return control.Moved{}, &control.Error{Code: control.InUse, Message: l.library.Map().Drive().Barcode + " is in the drive already", Hint: "go on; there is nothing to do"}
	}
	moved, err := l.load(ctx, from)
	return moved, explainFor(l.entry.Name, moved.Barcode, err)
}

// load puts the tape at from into the drive; one that is there goes home in the
// same step. A host may load a damaged tape and is told by its commands; a person
// is told at once, and all stays as it was.
func (l *served) load(ctx context.Context, from slotmap.Address) (control.Moved, error) {
	m := l.library.Map()
	drive := m.Drive()
	e, _ := m.At(from)
	moved := control.Moved{Barcode: e.Barcode, From: placeOf(from), To: placeOf(drive.Address)}
	if e.Full() {
		if _, err := tape.Open(l.entry.Folder, e.Barcode); err != nil {
			return moved, err
		}
	}
	if !drive.Full() {
		return l.move(ctx, from, drive.Address)
	}
	to, free := home(m)
	if !free {
		to = from // the two change places
	}
	if err := l.library.Exchange(ctx, from, drive.Address, to); err != nil {
		return moved, err
	}
	l.changer.InventoryChanged(true, from.Kind() == slotmap.ImportExport)
	return moved, nil
}

// home is where the drive's tape goes: the slot it came from, else the first
// free one.
func home(m slotmap.Map) (slotmap.Address, bool) {
	source := m.Drive().Source
	if e, ok := m.At(source); ok && !e.Full() && e.Kind == slotmap.Storage {
		return source, true
	}
	return m.FirstFree(slotmap.Storage)
}

// tapeToLoad finds the tape a request means.
func (l *served) tapeToLoad(r control.LoadRequest) (slotmap.Address, error) {
	switch {
	case r.Barcode != "":
		t, err := l.library.Tape(r.Barcode)
		return t.Address, err
	case r.Slot != 0:
		return addressOf(l.library.Map(), l.entry.Name, control.Place{Kind: control.Slot, Number: r.Slot})
	}
	for _, t := range l.library.Tapes() {
		if t.Blank() && t.Address.Kind() == slotmap.Storage {
			return t.Address, nil
		}
	}
	return 0, &control.Error{Code: control.NotFound, Message: "loader " + l.entry.Name + " has no blank tape in a slot",
		Hint: "name a tape, or make one: vloader tape create " + l.entry.Name}
}

// Unload implements control.Robot.
func (s *Service) Unload(ctx context.Context, r control.UnloadRequest) (control.Moved, error) {
	l, err := s.use(r.Loader)
	if err != nil {
		return control.Moved{}, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	moved, err := l.unload(ctx, r)
	return moved, explainFor(r.Loader, r.Barcode, err)
}

func (l *served) unload(ctx context.Context, r control.UnloadRequest) (control.Moved, error) {
	m := l.library.Map()
	drive := m.Drive()
	if !drive.Full() {
		return control.Moved{}, &control.Error{Code: control.NotFound, Message: "the drive of loader " + l.entry.Name + " is empty", Hint: "go on; there is nothing to unload"}
	}
	if r.Barcode != "" {
		t, err := l.library.Tape(r.Barcode)
		if err != nil {
			return control.Moved{}, err
		}
		if t.Barcode != drive.Barcode {
			return control.Moved{}, &control.Error{Code: control.InUse, Message: fmt.Sprintf("%s is in the drive, not %s", drive.Barcode, t.Barcode),
				Hint: "leave the barcode out to unload whatever is there"}
		}
	}
	to, free := home(m)
	if r.Slot != 0 {
		var err error
		if to, err = addressOf(m, l.entry.Name, control.Place{Kind: control.Slot, Number: r.Slot}); err != nil {
			return control.Moved{}, err
		}
	} else if !free {
		return control.Moved{}, slotmap.ErrFull
	}
	return l.move(ctx, drive.Address, to)
}

// Move implements control.Robot.
func (s *Service) Move(ctx context.Context, r control.MoveRequest) (moved control.Moved, err error) {
	l, err := s.use(r.Loader)
	if err != nil {
		return moved, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	m := l.library.Map()
	from, err := addressOf(m, r.Loader, r.From)
	if err != nil {
		return moved, err
	}
	to, err := addressOf(m, r.Loader, r.To)
	if err != nil {
		return moved, err
	}
	moved, err = l.move(ctx, from, to)
	return moved, explainFor(r.Loader, moved.Barcode, err)
}

// move moves a tape for a person; unlike the host's own moves, hosts are told.
func (l *served) move(ctx context.Context, from, to slotmap.Address) (control.Moved, error) {
	e, _ := l.library.Map().At(from)
	moved := control.Moved{Barcode: e.Barcode, From: placeOf(from), To: placeOf(to)}
	if err := l.library.Move(ctx, from, to); err != nil {
		return moved, err
	}
	station := from.Kind() == slotmap.ImportExport || to.Kind() == slotmap.ImportExport
	l.changer.InventoryChanged(true, station)
	return moved, nil
}
