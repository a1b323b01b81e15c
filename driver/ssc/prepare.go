package ssc

import (
	"errors"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// needsSpace marks the commands that the disk floor refuses; whatever else
// changes the medium goes on until the emergency level.
const needsSpace = spc.UnitFlag

// prepare judges the medium for a command, in the order of spec C.2.
func (d *Drive) prepare(r *spc.Request) error {
	c := r.Command()
	if c.Flags&spc.NeedsMedium != 0 {
		if err := d.readiness(c.Opcode); err != nil {
			return err
		}
		if err := d.tellOverdue(c.Opcode); err != nil {
			return err
		}
	}
	if c.Flags&spc.ChangesMedium == 0 {
		return nil
	}
	if err := d.writable(c.Opcode); err != nil {
		return err
	}
	sense := d.gate(c.Flags&needsSpace != 0)
	if sense == nil {
		return nil
	}
	if c.Opcode == scsi.Write6 {
		sense.Valid, sense.Information = true, int64(scsi.Uint24(r.CDB[2:]))
	}
	return sense
}

func (d *Drive) readiness(op scsi.Opcode) error {
	switch {
	case d.state == empty || d.state == unloaded:
		return scsi.Unready(scsi.MediumNotPresent)
	case d.state == unreadable && errors.Is(d.problem, tape.ErrDamaged):
		return &scsi.Sense{Key: scsi.MediumError, Code: scsi.MediumFormatCorrupted}
	case d.state == unreadable && op == scsi.TestUnitReady:
		return scsi.Unready(scsi.IncompatibleMedium)
	case d.state == unreadable:
		return &scsi.Sense{Key: scsi.MediumError, Code: scsi.IncompatibleMedium}
	case d.medium == tape.Cleaning:
		return scsi.Unready(scsi.CleaningCartridgeInstalled)
	}
	return nil
}

// writable judges write protection, WORM and append-only mode for a command
// that is about to write at the position.
func (d *Drive) writable(op scsi.Opcode) error {
	if d.protected {
		d.Raise(spc.AlertWriteProtected)
		return protect(scsi.WriteProtected)
	}
	worm := d.medium == tape.WORM
	if !worm && !d.appendOnly() {
		return nil
	}
	p, end := d.image.Position().Object, d.image.Info().Objects
	allowed := d.overwrite.use(p, op)
	switch {
	case p >= end, op == scsi.Write6 && d.closesWithFilemark(p, end):
		return nil
	case worm:
		d.Raise(spc.AlertWORMOverwrite)
	case allowed:
		return nil
	}
	return protect(scsi.WriteOnceMediumOverwrite)
}

// closesWithFilemark: the one thing that may be written over is the last
// filemark, by more data, so that a host can append to its last file.
func (d *Drive) closesWithFilemark(p, end uint64) bool {
	if p+1 != end {
		return false
	}
	object, err := d.image.Next()
	return err == nil && object.Filemark
}

// gate judges the room on the disk.
func (d *Drive) gate(space bool) *scsi.Sense {
	if g := d.host.Gate(); g == GateEmergency || g == GateFloor && space {
		return protect(scsi.SpaceAllocationFailedWriteProtect)
	}
	return nil
}

// overwrite is what ALLOW OVERWRITE permits: one write.
type overwrite struct {
	kind     byte
	position uint64
}

const (
	overwriteAtPosition = 1
	overwriteByFormat   = 2
)

// use says whether writing at p is permitted, and uses the permission up.
func (o *overwrite) use(p uint64, op scsi.Opcode) bool {
	ok := o.kind == overwriteAtPosition && o.position == p
	if op == scsi.FormatMedium {
		ok = o.kind == overwriteByFormat
	}
	*o = overwrite{}
	return ok
}

func (d *Drive) allowOverwrite(r *spc.Request) error {
	kind, partition, position := r.CDB[2]&0x0f, r.CDB[3], scsi.Uint64(r.CDB[4:])
	if !d.appendOnly() {
		return scsi.Illegal(scsi.IllegalCommandNotInAppendOnlyMode)
	}
	switch kind {
	case 0, overwriteByFormat:
	case overwriteAtPosition:
		if int(partition) != d.image.Partition() || position != d.image.Position().Object {
			return scsi.Illegal(scsi.SequentialPositioningError)
		}
	default:
		return scsi.InvalidFieldInCDB(2, 3)
	}
	d.overwrite = overwrite{kind, position}
	return nil
}
