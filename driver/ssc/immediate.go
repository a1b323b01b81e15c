package ssc

import (
	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
)

// immediate says how a command that has an IMMED bit goes on after its status.
type immediate struct {
	bit byte // IMMED in CDB byte 1
	spc.Operation
	// check, if any, makes the objections that the initiator must hear as the
	// command's own status.
	check func(d *Drive, r *spc.Request) error
	// brief ones take no time unless something is to be flushed first, and then
	// they are done before the status, like any other command.
	brief bool
}

var (
	moving  = spc.Operation{NotReady: scsi.OperationInProgressNotReady, Running: scsi.OperationInProgress}
	wiping  = spc.Operation{NotReady: scsi.OperationInProgressNotReady, Running: scsi.EraseOperationInProgress}
	shaping = spc.Operation{NotReady: scsi.FormatInProgress, Running: scsi.OperationInProgress}
)

// immediates are the commands with IMMED, but WRITE FILEMARKS, where it only
// leaves the flush out, and VERIFY.
var immediates = map[scsi.Opcode]immediate{
	scsi.Rewind:       {bit: 0x01, Operation: moving, brief: true},
	scsi.Locate10:     {bit: 0x01, Operation: moving, brief: true},
	scsi.Locate16:     {bit: 0x01, Operation: moving, brief: true},
	scsi.Erase6:       {bit: 0x02, Operation: wiping, check: (*Drive).mayErase},
	scsi.Erase16:      {bit: 0x02, Operation: wiping, check: (*Drive).mayErase},
	scsi.FormatMedium: {bit: 0x01, Operation: shaping, check: (*Drive).mayReshape},
	scsi.SetCapacity:  {bit: 0x01, Operation: shaping, check: (*Drive).mayReshape},
	scsi.LoadUnload:   {bit: 0x01, Operation: moving, check: (*Drive).mayLoadUnload},
}

// withImmediate has the rows obey IMMED.
func (d *Drive) withImmediate(rows []spc.Command) []spc.Command {
	for i := range rows {
		if how, found := immediates[rows[i].Opcode]; found {
			rows[i].Do = d.obey(how, rows[i].Do)
		}
	}
	return rows
}

func (d *Drive) obey(how immediate, do func(*spc.Request) error) func(*spc.Request) error {
	return func(r *spc.Request) error {
		if !r.Flag(1, how.bit) || how.brief && !d.dirty {
			return do(r)
		}
		if how.check != nil {
			if err := how.check(d, r); err != nil {
				return err
			}
		}
		r.Continue(how.Operation, do, d.remember)
		return nil
	}
}

// remember keeps what went wrong after a command's status for the next command
// that needs the medium: hosts do not take deferred errors well.
func (d *Drive) remember(err error) {
	if err == nil {
		return
	}
	d.log.Warn("a command with IMMED failed after its status; the next one tells", "barcode", d.barcode, "error", err)
	if d.state == ready {
		d.overdue = scsi.OutcomeOf(err).Sense
	}
}

// tellOverdue is what an earlier command with IMMED still has to say. TEST UNIT
// READY, which hosts poll with, leaves it for a command that does something.
func (d *Drive) tellOverdue(op scsi.Opcode) error {
	if d.overdue == nil || op == scsi.TestUnitReady {
		return nil
	}
	sense := d.overdue
	d.overdue = nil
	return sense
}

func (d *Drive) mayErase(r *spc.Request) error {
	if sense := d.gate(longErase(r)); sense != nil {
		return sense
	}
	return nil
}

func (d *Drive) mayReshape(*spc.Request) error { return d.atBeginning() }

func (d *Drive) mayLoadUnload(r *spc.Request) error {
	switch {
	case d.state == empty:
		return scsi.Unready(scsi.MediumNotPresent)
	case !r.Flag(4, loadBit) && r.Prevented():
		return scsi.Illegal(scsi.MediumRemovalPrevented)
	}
	return nil
}
