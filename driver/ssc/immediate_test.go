package ssc

import (
	"context"
	"slices"
	"testing"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
)

// gatekeeper holds back whoever asks for the gate the second time: the first is
// before the status of a command, the second in the work after it.
type gatekeeper struct {
	host
	asked   int
	reached chan struct{}
	let     chan struct{}
}

func (g *gatekeeper) Gate() WriteGate {
	if g.asked++; g.asked == 3 { // prepare, mayErase, erase
		close(g.reached)
		<-g.let
	}
	return GateOpen
}

func sense(o scsi.Outcome) scsi.Sense {
	if o.Sense == nil {
		return scsi.Sense{}
	}
	return *o.Sense
}

// ERASE with IMMED: GOOD at once, 2/0407 and 0/0018 while it runs, and then done.
func TestAnImmediateEraseIsFollowedByItsProgress(t *testing.T) {
	g := &gatekeeper{reached: make(chan struct{}), let: make(chan struct{})}
	d := New(Config{Identity: spc.Identity{Serial: "0123456789"}, Host: g})
	defer d.Close()
	load(t, d, 64<<20)
	do(t, d, make([]byte, 10), 0x0A, 0, 0, 0, 10, 0)
	do(t, d, nil, 0x01)
	g.asked = 0

	x := &exchange{done: make(chan struct{})}
	run := d.Submit(&scsi.Task{Nexus: "n", CDB: append([]byte{0x19, 0x02}, make([]byte, 16)...), Transport: x})
	ended := make(chan struct{})
	go func() { run(); close(ended) }()
	<-x.done
	<-g.reached
	if x.outcome.Status != scsi.Good {
		t.Errorf("ERASE: %v", x.outcome.Sense)
	}
	for _, op := range []byte{0x00, 0x08, 0x34} {
		if s := sense(do(t, d, nil, op)); s.Key != scsi.NotReady || s.Code != scsi.OperationInProgressNotReady || s.Specific[0] != 0x80 {
			t.Errorf("command %02X meanwhile: %v", op, &s)
		}
	}
	data := dataOf(d, 0x03, 0, 0, 0, 18)
	if s, _ := scsi.ParseSense(data); s.Key != scsi.NoSense || s.Code != scsi.EraseOperationInProgress || s.Specific[0] != 0x80 {
		t.Errorf("REQUEST SENSE meanwhile: % X", data)
	}
	if status := d.Status(); status.Activity != "erasing" {
		t.Error(status.Activity)
	}
	close(g.let)
	<-ended
	if s := sense(do(t, d, nil, 0x08, 0, 0, 0, 10)); s.Code != scsi.EndOfDataDetected {
		t.Errorf("READ afterwards: %v", &s)
	}
}

// keeping is an exchange that keeps what comes.
type keeping struct {
	exchange
	data []byte
}

func (k *keeping) SendDataIn(p []byte) error { k.data = slices.Clone(p); return nil }

func dataOf(d *Drive, cdb ...byte) []byte {
	k := &keeping{exchange: exchange{done: make(chan struct{})}}
	if run := d.Submit(&scsi.Task{Nexus: "n", CDB: append(cdb, make([]byte, 16)...), DataInLength: 255, Transport: k}); run != nil {
		run()
	}
	<-k.done
	return k.data
}

// Every command with IMMED ends as it does without, and what stands against it is
// heard as its own status.
func TestImmediateCommandsDoTheirWork(t *testing.T) {
	d, h := newDrive(t)
	load(t, d, 64<<20)
	write := func() { do(t, d, make([]byte, 10), 0x0A, 0, 0, 0, 10, 0) }
	position := func() uint64 { return d.image.Position().Object }
	good := func(cdb ...byte) {
		t.Helper()
		if o := do(t, d, nil, cdb...); o.Status != scsi.Good {
			t.Errorf("command % X: %v", cdb, o.Sense)
		}
	}
	refused := func(code scsi.AdditionalSense, cdb ...byte) {
		t.Helper()
		if s := sense(do(t, d, nil, cdb...)); s.Code != code {
			t.Errorf("command % X: %v, want %v", cdb, &s, code)
		}
	}
	write()
	write()
	if good(0x01, 0x01); position() != 0 {
		t.Errorf("REWIND: at %d", position())
	}
	if good(0x2B, 0x01, 0, 0, 0, 0, 1); position() != 1 {
		t.Errorf("LOCATE: at %d", position())
	}
	refused(scsi.PositionPastBeginningOfMedium, 0x04, 0x01)
	refused(scsi.PositionPastBeginningOfMedium, 0x0B, 0x01, 0, 0xFF, 0xFF)
	h.gate = GateFloor
	refused(scsi.SpaceAllocationFailedWriteProtect, 0x19, 0x03)
	h.gate = GateOpen
	if good(0x93, 0x03); d.image.Info().Objects != 1 {
		t.Errorf("ERASE: %d objects left", d.image.Info().Objects)
	}
	good(0x01)
	if good(0x04, 0x01); d.image.Info().Objects != 0 {
		t.Error("FORMAT: objects left")
	}
	good(0x1E, 0, 0, 0, 1)
	refused(scsi.MediumRemovalPrevented, 0x1B, 0x01)
	good(0x1E)
	good(0x1B, 0x01)
	refused(scsi.MediumNotPresent, 0x00)
	if told := <-h.told; told != "unloaded ABC001L8" {
		t.Error(told)
	}
	good(0x1B, 0x01, 0, 0, 1)
	good(0x00)
	if err := d.Unload(context.Background()); err != nil {
		t.Fatal(err)
	}
	refused(scsi.MediumNotPresent, 0x1B, 0x01, 0, 0, 1)
}

// What goes wrong after the status is told once, with the next command that does
// something: here a LOCATE that first had data to flush.
func TestAnErrorAfterTheStatusIsToldWithTheNextCommand(t *testing.T) {
	d, _ := newDrive(t)
	load(t, d, 64<<20)
	do(t, d, make([]byte, 10), 0x0A, 0, 0, 0, 10, 0)
	for _, step := range []struct {
		cdb  []byte
		code scsi.AdditionalSense
	}{
		{[]byte{0x2B, 0x01, 0, 0, 0, 0, 99}, 0},
		{[]byte{0x00}, 0},
		{[]byte{0x34}, scsi.EndOfDataDetected},
		{[]byte{0x34}, 0},
		{[]byte{0x2B, 0x01, 0, 0, 0, 0, 99}, scsi.EndOfDataDetected}, // nothing to flush: as its own status
	} {
		if s := sense(do(t, d, nil, step.cdb...)); s.Code != step.code {
			t.Errorf("command % X: %v, want %v", step.cdb, &s, step.code)
		}
	}
	if d.image.Position().Object != 1 {
		t.Error("not at end of data")
	}
}
