package slotmap

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAddressesAreThoseOfTheSpecification(t *testing.T) {
	m := NewMap(1000, 4)
	for _, c := range []struct {
		kind        Kind
		first, last Address
		count       int
	}{
		{Robot, 0x0001, 0x0001, 1},
		{ImportExport, 0x0010, 0x0013, 4},
		{DataTransfer, 0x0100, 0x0100, 1},
		{Storage, 0x1000, 0x13E7, 1000},
	} {
		e := m.Elements(c.kind)
		if len(e) != c.count || e[0].Address != c.first || e[len(e)-1].Address != c.last {
			t.Errorf("%s: %d elements %04x..%04x, want %d %04x..%04x", c.kind, len(e), e[0].Address, e[len(e)-1].Address, c.count, c.first, c.last)
		}
	}
	if len(m.All()) != 1006 || !slices.IsSortedFunc(m.All(), func(a, b Element) int { return int(a.Address) - int(b.Address) }) {
		t.Errorf("All is not 1006 elements in ascending order")
	}
	for _, e := range m.All() {
		if got, ok := m.At(e.Address); !ok || got != e || e.Kind != e.Address.Kind() {
			t.Fatalf("At(%04x) = %v, %v", e.Address, got, ok)
		}
	}
	for _, a := range []Address{0, 2, 0xF, 0x14, 0x20, 0xFF, 0x101, 0xFFF, 0x13E8, 0xFFFF} {
		if _, ok := m.At(a); ok {
			t.Errorf("At(%04x) is an element", a)
		}
	}
	if Slot(1) != 0x1000 || Slot(1000) != 0x13E7 || Slot(17).Number() != 17 || Slot(17).String() != "slot 17" {
		t.Errorf("slots are misnumbered")
	}
	var zero Map
	if _, ok := zero.At(DriveAddress); ok || zero.Elements(Storage) != nil || zero.Drive().Full() {
		t.Errorf("the zero map has elements")
	}
}

// filled has A in slot 1, B in slot 2, D in the drive, I in the first mail slot.
func filled(t *testing.T) Map {
	t.Helper()
	m := NewMap(4, 2)
	for a, b := range map[Address]string{0x1000: "A", 0x1001: "B", 0x0100: "D", 0x0010: "I"} {
		var err error
		if m, err = m.Place(a, b, DataMedium, true); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestMovesAreRefusedAsSMCSays(t *testing.T) {
	m := filled(t)
	for _, c := range []struct {
		name     string
		src, dst Address
		want     error
	}{
		{"source does not exist", 0x1004, 0x1002, ErrNoElement},
		{"destination does not exist", 0x1000, 0x0014, ErrNoElement},
		{"from the robot", 0x0001, 0x1002, ErrNoElement},
		{"to the robot", 0x1000, 0x0001, ErrNoElement},
		{"address 0", 0, 0x1002, ErrNoElement},
		{"source empty", 0x1002, 0x1003, ErrSourceEmpty},
		{"source empty comes before destination full", 0x1002, 0x1000, ErrSourceEmpty},
		{"destination full", 0x1000, 0x1001, ErrDestinationFull},
		{"drive full", 0x1000, 0x0100, ErrDestinationFull},
		{"to itself", 0x1000, 0x1000, nil},
		{"to itself, empty", 0x1002, 0x1002, ErrSourceEmpty},
		{"slot to slot", 0x1000, 0x1002, nil},
		{"drive to mail slot", 0x0100, 0x0011, nil},
	} {
		next, err := m.Move(c.src, c.dst)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && !slices.Equal(next.All(), m.All()) {
			t.Errorf("%s: refused, but the map differs", c.name)
		}
	}
}

func TestExchangesAreRefusedAsSMCSays(t *testing.T) {
	m := filled(t)
	for _, c := range []struct {
		name               string
		src, first, second Address
		want               error
		after              map[Address]string
	}{
		{"source and first swap", 0x1000, 0x0100, 0x1000, nil, map[Address]string{0x1000: "D", 0x0100: "A"}},
		{"to an empty third", 0x1000, 0x0100, 0x1002, nil, map[Address]string{0x1000: "", 0x0100: "A", 0x1002: "D"}},
		{"from the drive", 0x0100, 0x1000, 0x1003, nil, map[Address]string{0x1000: "D", 0x0100: "", 0x1003: "A"}},
		{"source empty", 0x1002, 0x0100, 0x1003, ErrSourceEmpty, nil},
		{"first empty", 0x1000, 0x1002, 0x1003, ErrSourceEmpty, nil},
		{"second full", 0x1000, 0x0100, 0x1001, ErrDestinationFull, nil},
		{"second is first", 0x1000, 0x0100, 0x0100, ErrDestinationFull, nil},
		{"first is source", 0x1000, 0x1000, 0x1002, ErrDestinationFull, nil},
		{"no such second", 0x1000, 0x0100, 0x2000, ErrNoElement, nil},
	} {
		next, err := m.Exchange(c.src, c.first, c.second)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		for a, b := range c.after {
			if e, _ := next.At(a); e.Barcode != b {
				t.Errorf("%s: %s holds %q, want %q", c.name, a, e.Barcode, b)
			}
		}
	}
}

func TestSourceIsTheSlotACartridgeCameFrom(t *testing.T) {
	m := filled(t)
	step := func(src, dst Address) Element {
		t.Helper()
		var err error
		if m, err = m.Move(src, dst); err != nil {
			t.Fatal(err)
		}
		e, _ := m.At(dst)
		return e
	}
	step(0x0100, 0x1003)
	if e := step(0x1001, 0x0100); e.Source != 0x1001 || e.Medium != DataMedium {
		t.Errorf("loaded from slot 2: %+v", e)
	}
	if e := step(0x0100, 0x0011); e.Source != 0x1001 || e.Imported {
		t.Errorf("from the drive to a mail slot: %+v", e)
	}
	if e, _ := m.At(0x0010); !e.Imported {
		t.Errorf("the operator's cartridge lost IMPEXP")
	}
	if e := step(0x0010, 0x1001); e.Source != 0x0010 || e.Imported {
		t.Errorf("imported: %+v", e)
	}
}

func TestPlaceRefusesADuplicateAndAFullElement(t *testing.T) {
	m := filled(t)
	if _, err := m.Place(0x1002, "A", DataMedium, false); !errors.Is(err, ErrExists) {
		t.Errorf("duplicate: %v", err)
	}
	if _, err := m.Place(0x1000, "X", DataMedium, false); !errors.Is(err, ErrDestinationFull) {
		t.Errorf("full: %v", err)
	}
	if _, err := m.Remove(0x1003); !errors.Is(err, ErrSourceEmpty) {
		t.Errorf("remove from empty: %v", err)
	}
	if a, ok := m.FirstFree(Storage); !ok || a != 0x1002 {
		t.Errorf("first free %v", a)
	}
	if a, ok := m.FirstFree(Storage, 0x1002, 0); !ok || a != 0x1003 {
		t.Errorf("first free but one %v", a)
	}
	if m.LastSlotUsed() != 2 || m.Barcodes() != 4 {
		t.Errorf("last slot used %d of %d cartridges", m.LastSlotUsed(), m.Barcodes())
	}
}

// model is the simplest map there is: what is where.
type model map[Address]string

func (m model) move(src, dst Address) {
	if src != dst {
		m[dst], m[src] = m[src], ""
	}
}

func TestRandomOperationsAgreeWithASimpleModel(t *testing.T) {
	const slots, stations = 12, 3
	random := rand.New(rand.NewPCG(1, 2))
	m, want := NewMap(slots, stations), model{}
	pick := func() Address {
		all := m.All()
		if random.IntN(50) == 0 {
			return Address(random.IntN(0x1100))
		}
		return all[random.IntN(len(all))].Address
	}
	for i := range 20000 {
		before, snapshot := m, slices.Clone(m.All())
		src, dst, third := pick(), pick(), pick()
		var next Map
		var err error
		switch random.IntN(8) {
		case 0:
			barcode := fmt.Sprint("T", random.IntN(20))
			if next, err = m.Place(src, barcode, DataMedium, false); err == nil {
				want[src] = barcode
			}
		case 1:
			if next, err = m.Remove(src); err == nil {
				want[src] = ""
			}
		case 2:
			if next, err = m.Exchange(src, dst, third); err == nil {
				going := want[dst]
				want[dst], want[src] = want[src], ""
				want[third] = going
			}
		default:
			if next, err = m.Move(src, dst); err == nil {
				want.move(src, dst)
			}
		}
		if err == nil {
			m = next
		}
		if !slices.Equal(before.All(), snapshot) {
			t.Fatalf("step %d changed a published map", i)
		}
		for _, e := range m.All() {
			if e.Barcode != want[e.Address] {
				t.Fatalf("step %d: %s holds %q, want %q", i, e.Address, e.Barcode, want[e.Address])
			}
			if e.Kind == Robot && e.Full() {
				t.Fatalf("step %d: the robot holds %s", i, e.Barcode)
			}
		}
	}
	if m.Barcodes() == 0 {
		t.Fatal("the walk proved nothing: no cartridge is left")
	}
}

func BenchmarkReadAllElements(b *testing.B) {
	m := NewMap(1000, 4)
	for i := range 1000 {
		m, _ = m.Place(Slot(i+1), fmt.Sprintf("ABC%03dL8", i), DataMedium, false)
	}
	for b.Loop() {
		full := 0
		for _, e := range m.All() {
			if e.Full() {
				full++
			}
		}
	}
}

func BenchmarkMoveInMemory(b *testing.B) {
	m, _ := NewMap(1000, 4).Place(Slot(1000), "ABC001L8", DataMedium, false)
	for b.Loop() {
		next, _ := m.Move(Slot(1000), DriveAddress)
		m, _ = next.Move(DriveAddress, Slot(1000))
	}
}
