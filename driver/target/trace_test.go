package target

import (
	"bytes"
	"testing"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
)

// talker is a unit that moves data both ways and knows words.
type talker struct{ unit }

func (*talker) Describe([]byte) string { return "SOMETHING length 7" }

func (u *talker) Submit(t *scsi.Task) func() {
	return func() {
		t.ReceiveDataOut(3)
		t.SendDataIn([]byte("four"))
		if t.CDB[1] == 0xff {
			t.Abort()
		}
		t.Done(scsi.OutcomeOf(scsi.Illegal(scsi.InvalidFieldInCDBCode)))
	}
}

func TestTraceTellsEveryCommandAsItEnded(t *testing.T) {
	r := New(&talker{})
	var told []Traced
	ask(r, 0, 0x08)
	r.Trace(func(c Traced) { told = append(told, c) })
	ask(r, 0, 0x08, 0x02)
	ask(r, 0, 0x91, 0xff)
	ask(r, scsi.UnitNumber(5), byte(scsi.Inquiry))
	r.Trace(nil)
	ask(r, 0, 0x08)
	if len(told) != 3 {
		t.Fatalf("%d commands told: %+v", len(told), told)
	}
	first, second, stray := told[0], told[1], told[2]
	if first.Words != "SOMETHING length 7" || !bytes.Equal(first.CDB, []byte{8, 2, 0, 0, 0, 0}) || first.DataIn != 4 ||
		first.Outcome.Sense.Code != scsi.InvalidFieldInCDBCode || first.Aborted || first.Arrived.IsZero() || first.Duration < 0 {
		t.Errorf("%+v", first)
	}
	if len(second.CDB) != 16 || !second.Aborted {
		t.Errorf("%+v", second)
	}
	if stray.Words == "" || stray.LUN != scsi.UnitNumber(5) || stray.Outcome.Status != scsi.Good {
		t.Errorf("%+v", stray)
	}
}

// A command of a unit that does next to nothing, with the trace off and on, and
// past the router. Off and direct differ by what the router itself costs.
func BenchmarkSubmit(b *testing.B) {
	unit := spc.NewUnit(spc.Config{})
	defer unit.Close()
	r := New(unit)
	task := &scsi.Task{Nexus: "iqn.a,i,0x1", CDB: make([]byte, 16)}
	done := &answer{}
	submit := func(b *testing.B, to interface{ Submit(*scsi.Task) func() }) {
		b.ReportAllocs()
		for b.Loop() {
			task.Transport = done
			if run := to.Submit(task); run != nil {
				run()
			}
		}
	}
	b.Run("direct", func(b *testing.B) { submit(b, unit) })
	b.Run("off", func(b *testing.B) { submit(b, r) })
	b.Run("on", func(b *testing.B) {
		r.Trace(func(Traced) {})
		defer r.Trace(nil)
		submit(b, r)
	})
}
