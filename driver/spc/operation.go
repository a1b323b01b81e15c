package spc

import (
	"slices"
	"sync/atomic"

	"virtualloader/driver/scsi"
)

// Operation is what others hear while a command with IMMED goes on after its
// status (SPC-4 5.12).
type Operation struct {
	NotReady scsi.AdditionalSense // commands that need the medium get NOT READY with it
	Running  scsi.AdditionalSense // REQUEST SENSE tells NO SENSE with it
}

// operation is one that runs.
type operation struct {
	Operation
	progress atomic.Uint32 // sense key specific bytes, as a number
}

func (o *operation) sense(key scsi.SenseKey, code scsi.AdditionalSense) *scsi.Sense {
	p := o.progress.Load()
	return &scsi.Sense{Key: key, Code: code, Specific: [3]byte{byte(p >> 16), byte(p >> 8), byte(p)}}
}

// Continue has the command end GOOD now and do called afterwards, still in the
// unit's turn: no other task starts before it has returned. Until then commands
// that need the medium are answered with NOT READY and REQUEST SENSE with the
// progress, both with op's codes. do gets a Request that has no data transfer;
// ended gets its error.
func (r *Request) Continue(op Operation, do func(*Request) error, ended func(error)) {
	u, o := r.unit, &operation{Operation: op}
	o.report(0, 1)
	later := &Request{
		Task: &scsi.Task{Nexus: r.Nexus, LUN: r.LUN, Tag: r.Tag, CDB: slices.Clone(r.CDB)},
		unit: u, command: r.command, from: r.from, operation: o,
	}
	u.operation.Store(o)
	r.After(func() {
		ended(do(later))
		u.operation.Store(nil)
		if later.after != nil {
			later.after()
		}
	})
}

// Progress tells how far an operation is: done of total. Of a command without
// IMMED nobody asks.
func (r *Request) Progress(done, total int64) {
	if r.operation != nil {
		r.operation.report(done, total)
	}
}

func (o *operation) report(done, total int64) {
	p := scsi.Progress(done, total)
	o.progress.Store(uint32(p[0])<<16 | uint32(p[1])<<8 | uint32(p[2]))
}

// notReady is what a command that needs the medium gets while something else
// holds it.
func (u *Unit) notReady() *scsi.Sense {
	if o := u.operation.Load(); o != nil {
		return o.sense(scsi.NotReady, o.NotReady)
	}
	return scsi.Unready(scsi.OperationInProgressNotReady)
}

// occupied says whether commands that need the medium are not to wait for it.
func (u *Unit) occupied() bool { return u.operation.Load() != nil || u.Detached() }
