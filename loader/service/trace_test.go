package service

import (
	"testing"
	"time"

	"virtualloader/driver/scsi"
	"virtualloader/driver/target"
	"virtualloader/loader/control"
)

// A reader that stands still loses commands, is told how many, and holds nobody
// up.
func TestASlowReaderOfATraceIsToldWhatItMissed(t *testing.T) {
	tr := newTracer(target.New())
	slow, quick := tr.join(), tr.join()
	const more = 100
	for i := range traceQueue + more {
		tr.tell(target.Traced{CDB: []byte{byte(i)}})
		<-quick.queue
	}
	for range 2 {
		<-slow.queue
	}
	tr.tell(target.Traced{CDB: []byte{0xAB}})
	var kinds []control.TracedCommand
	for len(slow.queue) > 0 {
		kinds = append(kinds, <-slow.queue)
	}
	n := len(kinds)
	if n != traceQueue || kinds[n-2].Kind != control.GapKind || kinds[n-2].Lost != more || kinds[n-1].CDB != "ab" {
		t.Errorf("%d lines, the last: %+v", n, kinds[max(0, n-2):])
	}
}

func TestNobodyTracesAClosedLoader(t *testing.T) {
	tr := newTracer(target.New())
	r := tr.join()
	tr.close()
	if _, open := <-r.queue; open {
		t.Error("the queue is open")
	}
	tr.leave(r)
	if tr.join() != nil {
		t.Error("a reader joined")
	}
}

func TestATracedCommandSaysHowItEnded(t *testing.T) {
	c := target.Traced{
		Nexus: "iqn.host,i,0x1", LUN: scsi.UnitNumber(1), CDB: []byte{8, 2, 0, 0, 9, 0}, Words: "READ(6) SILI, length 9", DataIn: 5, Duration: time.Second,
		Outcome: scsi.Outcome{Status: scsi.CheckCondition, Sense: &scsi.Sense{ILI: true, Valid: true, Information: 4}},
	}
	got, want := tracedCommand(c), control.TracedCommand{
		Kind: control.TraceCommand, Nanoseconds: time.Second, Initiator: "iqn.host", LUN: 1, CDB: "080200000900", Command: "READ(6) SILI, length 9",
		Status: "CHECK CONDITION", Sense: "no additional sense information (0/0000), ILI, information 4", DataInBytes: 5,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if c.Aborted = true; tracedCommand(c).Status != "" {
		t.Error("an aborted command has a status")
	}
}
