package target

import (
	"slices"
	"sync/atomic"
	"time"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
)

// Traced is one command as it ended.
type Traced struct {
	Arrived time.Time
	// Duration runs from the arrival to the status: waiting for its turn and for
	// data included.
	Duration time.Duration
	Nexus    scsi.Nexus
	LUN      scsi.LUN
	CDB      []byte // as long as its operation code says
	Words    string // the same for a person
	Outcome  scsi.Outcome
	Aborted  bool // ended by task management or a lost connection; nobody was told
	// DataOut and DataIn are the bytes that came from and went to the initiator's
	// side, before DataIn is cut to what it expects.
	DataOut, DataIn int
}

// Trace has every command that arrives from now on told to sink when it ends, in
// the goroutine that ended it: sink must be quick and must not block. nil ends
// that; commands under way are still told. Without a sink a command costs one
// atomic load.
func (r *Router) Trace(sink func(Traced)) {
	if sink == nil {
		r.sink.Store(nil)
		return
	}
	r.sink.Store(&sink)
}

// describer says CDBs in words; *spc.Unit does.
type describer interface{ Describe(cdb []byte) string }

// traced is a task's Transport with a look at what passes.
type traced struct {
	scsi.Transport
	record  Traced
	aborted atomic.Bool
	sink    func(Traced)
}

// follow puts itself between the task and its transport.
func follow(t *scsi.Task, u Unit, sink func(Traced)) {
	cdb := slices.Clone(t.CDB[:min(len(t.CDB), spc.CDBLength(scsi.Opcode(t.CDB[0])))])
	w := &traced{Transport: t.Transport, sink: sink, record: Traced{Arrived: time.Now(), Nexus: t.Nexus, LUN: t.LUN, CDB: cdb}}
	switch d, ok := u.(describer); {
	case ok:
		w.record.Words = d.Describe(t.CDB)
	case u == nil:
		w.record.Words = "for a logical unit that is not there"
	}
	t.Transport = w
}

// ReceiveDataOut implements scsi.Transport.
func (w *traced) ReceiveDataOut(n int) ([]byte, error) {
	p, err := w.Transport.ReceiveDataOut(n)
	w.record.DataOut += len(p)
	return p, err
}

// SendDataIn implements scsi.Transport.
func (w *traced) SendDataIn(p []byte) error {
	w.record.DataIn += len(p)
	return w.Transport.SendDataIn(p)
}

// Abort implements scsi.Transport.
func (w *traced) Abort() {
	w.aborted.Store(true)
	w.Transport.Abort()
}

// Done implements scsi.Transport.
func (w *traced) Done(o scsi.Outcome) {
	w.record.Duration = time.Since(w.record.Arrived)
	w.record.Outcome, w.record.Aborted = o, w.aborted.Load()
	record, sink := w.record, w.sink
	w.Transport.Done(o)
	sink(record)
}
