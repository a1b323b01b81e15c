package conformance_test

import (
	"testing"

	"virtualloader/driver/conformance"
	"virtualloader/driver/scsi"
)

// A MOVE out of the drive that waits for a WRITE is aborted: the cartridge stays
// where it is and the WRITE ends as if nothing had been.
func TestAMoveThatWaitsForTheDriveIsAborted(t *testing.T) {
	s := newStage(t)
	b := &conformance.Bench{Stage: s}
	if err := b.Play("drain\n@A1 A5 00 0000 1000 0100 = G\ndrain\nstart 0A 00 0003E8 > block:0:1000 = G"); err != nil {
		t.Fatal(err)
	}
	move := s.submit("A", 1, []byte{0xA5, 0, 0, 0, 0x01, 0x00, 0x10, 0x00, 0, 0, 0, 0}, nil, 0)
	if r := s.router.Manage(nexus("A"), scsi.AbortTask, scsi.UnitNumber(1), s.tag.Load()); r != scsi.FunctionComplete {
		t.Errorf("ABORT TASK: response %d", r)
	}
	if r, err := move.result(); err != nil || r.Status != scsi.TaskAborted {
		t.Errorf("the move: %v, %v", r.Status, err)
	}
	if err := b.Play("finish = G\n00 = G\nP=1\n@A1 A5 00 0000 0100 1000 = G"); err != nil {
		t.Error(err)
	}
}
