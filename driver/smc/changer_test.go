package smc

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/slotmap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a Library that fails on demand, or waits for its context.
type shelf struct {
	m     slotmap.Map
	fails error
	waits chan struct{} // not nil: closed when a move waits
	moves []string
}

func (s *shelf) Map() slotmap.Map { return s.m }
func (s *shelf) Status(slotmap.Address) slotmap.Status {
	return slotmap.Status{Accessible: true, Exception: s.fails != nil}
}
func (s *shelf) Inventory(context.Context) error { return s.fails }
func (s *shelf) SetStation(bool) error           { return s.fails }
func (s *shelf) Exchange(context.Context, slotmap.Address, slotmap.Address, slotmap.Address) error {
	return s.fails
}

func (s *shelf) Move(ctx context.Context, src, dst slotmap.Address) error {
	if s.waits != nil {
		close(s.waits)
		<-ctx.Done()
		return fmt.Errorf("unload: %w", ctx.Err())
	}
	s.moves = append(s.moves, fmt.Sprintf("%04X %04X", uint16(src), uint16(dst)))
	return s.fails
}

type answer struct {
	data    []byte
	outcome scsi.Outcome
	done    chan struct{}
}

func (*answer) ReceiveDataOut(int) ([]byte, error) { return nil, scsi.ErrDataOutShort }
func (*answer) Buffer(n int) []byte                { return make([]byte, n) }
func (a *answer) SendDataIn(p []byte) error        { a.data = append(a.data, p...); return nil }
func (*answer) Abort()                             {}

func (a *answer) Done(o scsi.Outcome) {
	a.outcome = o
	if a.done != nil {
		close(a.done)
	}
}

func newChanger(t *testing.T) (*Changer, *shelf) {
	m, err := slotmap.NewMap(10, 4).Place(0x1000, "ABC001L8", slotmap.WORMMedium, false)
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{m: m}
	c := New(Config{Identity: spc.Identity{Serial: "0123456789"}, DriveIdentity: spc.Identity{Serial: "9876543210"}, Library: s})
	t.Cleanup(c.Close)
	ask(c, 0x03, 0, 0, 0, 18) // the first unit attention
	return c, s
}

func ask(c *Changer, cdb ...byte) *answer {
	a := &answer{}
	c.Submit(&scsi.Task{Nexus: "n", CDB: append(cdb, make([]byte, 16)...), Transport: a})()
	return a
}

var move = []byte{0xA5, 0, 0, 0, 0x10, 0x00, 0x01, 0x00}

func TestWhatTheLibrarySaysBecomesSense(t *testing.T) {
	drives := &scsi.Sense{Key: scsi.IllegalRequest, Code: scsi.MediumRemovalPrevented}
	for _, c := range []struct {
		err  error
		key  scsi.SenseKey
		code scsi.AdditionalSense
	}{
		{slotmap.ErrNoElement, 5, 0x2101},
		{slotmap.ErrSourceEmpty, 5, 0x3B0E},
		{slotmap.ErrDestinationFull, 5, 0x3B0D},
		{slotmap.ErrHeld, 5, 0x5302},
		{slotmap.ErrStationOpen, 2, 0x3A02},
		{drives, 5, 0x5302},
		{context.DeadlineExceeded, 5, 0x5301},
		{errors.New("input/output error"), 4, 0x1501},
	} {
		changer, s := newChanger(t)
		s.fails = fmt.Errorf("move ABC001L8: %w", c.err)
		for _, cdb := range [][]byte{move, {0x07}, {0x1B, 0, 0, 0x10, 0}, {0x1B, 0, 0, 0x10, 1}} {
			sense := ask(changer, cdb...).outcome.Sense
			if sense == nil || sense.Key != c.key || sense.Code != c.code {
				t.Errorf("%v, command % X: sense %v", c.err, cdb, sense)
			}
		}
	}
}

func TestMoveGoesToTheLibraryAsAsked(t *testing.T) {
	c, s := newChanger(t)
	if o := ask(c, move...).outcome; o.Status != scsi.Good || len(s.moves) != 1 || s.moves[0] != "1000 0100" {
		t.Errorf("outcome %v, moves %v", o, s.moves)
	}
	same := []byte{0xA5, 0, 0, 0, 0x10, 0x00, 0x10, 0x00}
	if o := ask(c, same...).outcome; o.Status != scsi.Good || len(s.moves) != 1 {
		t.Errorf("to where it is: outcome %v, moves %v", o, s.moves)
	}
}

func TestAbortEndsAMoveThatWaits(t *testing.T) {
	c, s := newChanger(t)
	s.waits = make(chan struct{})
	a := &answer{done: make(chan struct{})}
	go c.Submit(&scsi.Task{Nexus: "n", Tag: 3, CDB: append(move, make([]byte, 16)...), Transport: a})()
	<-s.waits
	if !c.AbortTask("n", 3) {
		t.Fatal("the move was not found")
	}
	if <-a.done; a.outcome.Status != scsi.TaskAborted {
		t.Errorf("ended with %v", a.outcome)
	}
}

func TestElementWithAProblemIsAnException(t *testing.T) {
	c, s := newChanger(t)
	s.fails = errors.New("files gone")
	data := ask(c, 0xB8, 0x02, 0x10, 0, 0, 1, 0, 0, 0, 0xff).data
	if len(data) != 32 || data[18] != 0x0D || data[20] != 0x53 || data[21] != 0x00 || data[25] != 4 {
		t.Errorf("descriptor % X", data[16:])
	}
}

func TestChangesOfTheInventoryAreUnitAttentions(t *testing.T) {
	for _, c := range []struct {
		storage, station bool
		want             []scsi.AdditionalSense
	}{
		{true, false, []scsi.AdditionalSense{0x2800}},
		{false, true, []scsi.AdditionalSense{0x2801}},
		{true, true, []scsi.AdditionalSense{0x2800, 0x2801}},
		{false, false, nil},
	} {
		changer, _ := newChanger(t)
		changer.InventoryChanged(c.storage, c.station)
		for _, code := range c.want {
			if s := ask(changer, 0).outcome.Sense; s == nil || s.Code != code {
				t.Errorf("%+v: heard %v", c, s)
			}
		}
		if o := ask(changer, 0).outcome; o.Status != scsi.Good {
			t.Errorf("%+v: then %v", c, o.Sense)
		}
	}
}

func BenchmarkReadElementStatusOf1000(b *testing.B) {
	m := slotmap.NewMap(1000, 4)
	for i := range 1000 {
		m, _ = m.Place(slotmap.Slot(i+1), fmt.Sprintf("ABC%03dL8", i), slotmap.DataMedium, false)
	}
	c := New(Config{Library: &shelf{m: m}})
	defer c.Close()
	ask(c, 0x03, 0, 0, 0, 18)
	b.ReportAllocs()
	for b.Loop() {
		ask(c, 0xB8, 0x12, 0, 0, 0x03, 0xE8, 0, 0, 0xff, 0xff)
	}
}
