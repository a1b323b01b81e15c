package slotmap

import (
	"fmt"
	"slices"
)

// Medium is a cartridge's medium type as READ ELEMENT STATUS says it (SMC-3
// 6.11.4). Zero means not known.
type Medium uint8

// Medium types.
const (
	DataMedium     Medium = 1
	CleaningMedium Medium = 2
	WORMMedium     Medium = 4
)

// Element is one place of a loader and what is in it.
type Element struct {
	Address Address
	Kind    Kind
	Barcode string // volume tag; empty: no cartridge
	Medium  Medium
	// Source is the storage or import/export element the cartridge was last
	// taken from; 0 when it was never moved.
	Source Address
	// Imported says that an operator, not the robot, put the cartridge into this
	// import/export element (IMPEXP).
	Imported bool
}

// Full says whether a cartridge is in the element.
func (e Element) Full() bool { return e.Barcode != "" }

// Status is what the changer reports about an element beside the map.
type Status struct {
	Accessible bool // ACCESS: the robot can reach the cartridge
	Exception  bool // EXCEPT: the cartridge's files are gone or damaged
}

// Map is all elements of a loader at one moment, an immutable value: cheap to
// copy and safe for any number of readers. The zero Map has no elements.
type Map struct {
	elements []Element // ascending by address; never written after it is published
	stations int       // import/export elements
	slots    int
}

// NewMap returns an empty Map with one robot, one drive and the given number of
// import/export and storage elements.
func NewMap(slots, importExport int) Map {
	m := Map{
		elements: make([]Element, 0, 2+importExport+slots),
		stations: importExport,
		slots:    slots,
	}
	add := func(first Address, count int) {
		for i := range count {
			a := first + Address(i)
			m.elements = append(m.elements, Element{Address: a, Kind: a.Kind()})
		}
	}
	add(RobotAddress, 1)
	add(ImportExportAddress, importExport)
	add(DriveAddress, 1)
	add(StorageAddress, slots)
	return m
}

// index returns where the element with that address is, or -1.
func (m Map) index(a Address) int {
	at, count := 0, 0
	switch a.Kind() {
	case Robot:
		at, count = 0, 1
	case ImportExport:
		at, count = 1, m.stations
	case DataTransfer:
		at, count = 1+m.stations, 1
	case Storage:
		at, count = 2+m.stations, m.slots
	}
	if a.Number() > count || len(m.elements) == 0 {
		return -1
	}
	return at + a.Number() - 1
}

// All returns every element, ascending by address. The slice is shared: read only.
func (m Map) All() []Element { return slices.Clip(m.elements) }

// Elements returns the elements of one kind, ascending by address. The slice is
// shared: read only.
func (m Map) Elements(kind Kind) []Element {
	if len(m.elements) == 0 {
		return nil
	}
	drive := 1 + m.stations
	switch kind {
	case Robot:
		return m.elements[:1:1]
	case ImportExport:
		return m.elements[1:drive:drive]
	case DataTransfer:
		return m.elements[drive : drive+1 : drive+1]
	case Storage:
		return slices.Clip(m.elements[drive+1:])
	}
	return nil
}

// At returns the element with that address.
func (m Map) At(a Address) (Element, bool) {
	i := m.index(a)
	if i < 0 {
		return Element{}, false
	}
	return m.elements[i], true
}

// Drive returns the data transfer element.
func (m Map) Drive() Element {
	e, _ := m.At(DriveAddress)
	return e
}

// Find returns the element a cartridge is in.
func (m Map) Find(barcode string) (Element, bool) {
	if barcode == "" {
		return Element{}, false
	}
	for i := range m.elements {
		if m.elements[i].Barcode == barcode {
			return m.elements[i], true
		}
	}
	return Element{}, false
}

// FirstFree returns the lowest empty element of a kind that is not in reserved.
func (m Map) FirstFree(kind Kind, reserved ...Address) (Address, bool) {
	for _, e := range m.Elements(kind) {
		if !e.Full() && !slices.Contains(reserved, e.Address) {
			return e.Address, true
		}
	}
	return 0, false
}

// Count returns how many elements of a kind there are and how many are full.
func (m Map) Count(kind Kind) (total, full int) {
	for _, e := range m.Elements(kind) {
		total++
		if e.Full() {
			full++
		}
	}
	return total, full
}

// Barcodes returns how many cartridges are in the loader, the drive's included.
func (m Map) Barcodes() int {
	full := 0
	for i := range m.elements {
		if m.elements[i].Full() {
			full++
		}
	}
	return full
}

// LastSlotUsed returns the number of the highest full slot, 0 when all are empty
// (contract 3.19).
func (m Map) LastSlotUsed() int {
	slots := m.Elements(Storage)
	for i := len(slots) - 1; i >= 0; i-- {
		if slots[i].Full() {
			return slots[i].Address.Number()
		}
	}
	return 0
}

// Move returns the map after the cartridge at src went to dst. Moving to where
// it is changes nothing. Errors, checked in the order of SMC: ErrNoElement,
// ErrSourceEmpty, ErrDestinationFull.
func (m Map) Move(src, dst Address) (Map, error) {
	from, err := m.holder(src)
	if err != nil {
		return m, err
	}
	to, err := m.holder(dst)
	if err != nil {
		return m, err
	}
	switch {
	case !m.elements[from].Full():
		return m, fmt.Errorf("%s: %w", src, ErrSourceEmpty)
	case from == to:
		return m, nil
	case m.elements[to].Full():
		return m, fmt.Errorf("%s holds %s: %w", dst, m.elements[to].Barcode, ErrDestinationFull)
	}
	next := m.clone()
	next.carry(next.elements[from], to)
	next.empty(from)
	return next, nil
}

// Exchange returns the map after the cartridge at first went to second and the
// one at src went to first. second is empty or is src. Errors as for Move.
func (m Map) Exchange(src, first, second Address) (Map, error) {
	from, err := m.holder(src)
	if err != nil {
		return m, err
	}
	middle, err := m.holder(first)
	if err != nil {
		return m, err
	}
	to, err := m.holder(second)
	if err != nil {
		return m, err
	}
	switch {
	case !m.elements[from].Full():
		return m, fmt.Errorf("%s: %w", src, ErrSourceEmpty)
	case !m.elements[middle].Full():
		return m, fmt.Errorf("%s: %w", first, ErrSourceEmpty)
	case from == middle, to != from && m.elements[to].Full():
		return m, fmt.Errorf("%s holds %s: %w", second, m.elements[to].Barcode, ErrDestinationFull)
	}
	next := m.clone()
	coming, going := next.elements[from], next.elements[middle]
	next.empty(from)
	next.carry(going, to)
	next.carry(coming, middle)
	return next, nil
}

// Place returns the map with a cartridge newly put at a: by the operator when
// imported is set. Errors: ErrNoElement, ErrDestinationFull, ErrExists.
func (m Map) Place(a Address, barcode string, medium Medium, imported bool) (Map, error) {
	at, err := m.holder(a)
	if err != nil {
		return m, err
	}
	if there, found := m.Find(barcode); found {
		return m, fmt.Errorf("%s in %s: %w", barcode, there.Address, ErrExists)
	}
	if m.elements[at].Full() {
		return m, fmt.Errorf("%s holds %s: %w", a, m.elements[at].Barcode, ErrDestinationFull)
	}
	next := m.clone()
	e := &next.elements[at]
	e.Barcode, e.Medium, e.Imported = barcode, medium, imported && e.Kind == ImportExport
	return next, nil
}

// Remove returns the map without the cartridge at a. Errors: ErrNoElement,
// ErrSourceEmpty.
func (m Map) Remove(a Address) (Map, error) {
	at, err := m.holder(a)
	if err != nil {
		return m, err
	}
	if !m.elements[at].Full() {
		return m, fmt.Errorf("%s: %w", a, ErrSourceEmpty)
	}
	next := m.clone()
	next.empty(at)
	return next, nil
}

// holder returns the index of an element that can hold a cartridge.
func (m Map) holder(a Address) (int, error) {
	at := m.index(a)
	if at < 0 || m.elements[at].Kind == Robot {
		return -1, fmt.Errorf("%s: %w", a, ErrNoElement)
	}
	return at, nil
}

func (m Map) clone() Map {
	m.elements = slices.Clone(m.elements)
	return m
}

// carry puts the cartridge that was in from into the element at index to.
func (m Map) carry(from Element, to int) {
	source := from.Source
	if from.Kind == Storage || from.Kind == ImportExport {
		source = from.Address
	}
	e := &m.elements[to]
	e.Barcode, e.Medium, e.Source, e.Imported = from.Barcode, from.Medium, source, false
}

func (m Map) empty(at int) {
	e := &m.elements[at]
	*e = Element{Address: e.Address, Kind: e.Kind}
}
