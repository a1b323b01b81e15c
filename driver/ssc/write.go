package ssc

import (
	"errors"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

func (d *Drive) checkWrite(r *spc.Request) error {
	if r.Flag(1, fixedBit) {
		if d.blockLength == 0 {
			return scsi.InvalidFieldInCDB(1, 0)
		}
		return nil
	}
	if scsi.Uint24(r.CDB[2:]) > tape.MaxBlock {
		return scsi.InvalidFieldInCDB(2, scsi.NoBit)
	}
	return nil
}

// write6 is SSC-4 6.14; the cases are numbered in spec C.4.
func (d *Drive) write6(r *spc.Request) error {
	length := int(scsi.Uint24(r.CDB[2:]))
	switch {
	case length == 0:
		return nil
	case r.Flag(1, fixedBit):
		return d.writeFixed(r, length)
	}
	p, err := r.ReceiveDataOut(length)
	if err != nil {
		return err
	}
	d.applyCompression()
	if err = d.image.WriteBlock(p); !written(err) {
		return d.wrote(r, err, 0, 0, int64(length))
	}
	return d.wrote(r, err, 1, length, 0)
}

// writeFixed writes count blocks of the mode's block length, in pieces.
func (d *Drive) writeFixed(r *spc.Request, count int) error {
	size := d.blockLength
	if count*size > r.DataOutLength {
		return scsi.ErrDataOutShort
	}
	d.applyCompression()
	var warning error
	for left := count; left > 0; {
		p, err := r.ReceiveDataOut(min(left, max(1, chunkBytes/size)) * size)
		if err != nil {
			return err
		}
		for len(p) > 0 {
			n, err := d.image.WriteBlocks(p, size)
			left, p = left-n, p[n*size:]
			if !written(err) || n == 0 {
				return d.wrote(r, errOrStopped(err), count-left, (count-left)*size, int64(left))
			}
			if err != nil {
				warning = err
			}
		}
	}
	return d.wrote(r, warning, count, count*size, 0)
}

// errOrStopped: a writer that neither wrote nor said why is broken.
func errOrStopped(err error) error {
	if written(err) {
		return errors.New("the tape took no block and gave no reason")
	}
	return err
}

// written says whether everything is on tape although the medium had to say
// something.
func written(err error) bool {
	return err == nil || errors.Is(err, tape.ErrEarlyWarning) || errors.Is(err, errProgrammableEarlyWarning)
}

// wrote ends a command that wrote so many objects, with so many bytes in blocks:
// err is what the medium said, missing how many bytes, blocks or filemarks are
// not on tape.
func (d *Drive) wrote(r *spc.Request, err error, objects, bytes int, missing int64) error {
	d.dirty = true
	d.live.bytesWritten.Add(int64(bytes))
	d.live.loadWrites.Add(int64(bytes))
	if errors.Is(err, tape.ErrEarlyWarning) || errors.Is(err, tape.ErrEndOfMedium) {
		d.earlyWarning = true
	}
	if early := d.watchCapacity(r, d.account(), objects); err == nil {
		err = early
	}
	if d.unbuffered && written(err) {
		if failed := d.flush(); failed != nil {
			return failed
		}
	}
	if err == nil {
		return nil
	}
	return d.writeFailed(err, missing)
}

func (d *Drive) writeFailed(err error, missing int64) *scsi.Sense {
	sense := condition(err, scsi.WriteError, missing)
	if sense.Key == scsi.MediumError {
		d.Raise(spc.AlertHardError, spc.AlertWriteFailure)
	}
	return sense
}

// nearlyFullPercent of the capacity is where the host of the drive is told.
const nearlyFullPercent = 80

// watchCapacity publishes how full the tape is after a write of so many objects
// and stored bytes, tells the host in time, and reports the passing of the
// programmable early-warning mark.
func (d *Drive) watchCapacity(r *spc.Request, stored int64, objects int) error {
	m, part := d.live.mounted.Load(), d.image.Partition()
	info, used := &m.parts[part], d.image.UsedBytes()
	d.live.usedBytes[part].Store(used)
	if !d.nearlyFull && d.live.used(m)/nearlyFullPercent >= m.info.CapacityBytes/100 {
		d.nearlyFull = true
		barcode := d.barcode
		r.After(func() { d.wg.Go(func() { d.host.NearlyFull(barcode) }) })
	}
	if d.pastMark(info, used) && !d.pastMark(info, usedBefore(used, stored, objects)) {
		return errProgrammableEarlyWarning
	}
	return nil
}

// pastMark says whether a position with so many used bytes before it is in the
// programmable early-warning zone or behind it.
func (d *Drive) pastMark(info *tape.Info, used int64) bool {
	zone := d.programmableEarlyWarning()
	return zone > 0 && used > info.CapacityBytes-info.EarlyWarningBytes-zone
}

// flush makes durable what was written since the last time.
func (d *Drive) flush() error {
	if !d.dirty {
		return nil
	}
	if err := d.image.Sync(); err != nil {
		d.Raise(spc.AlertHardError, spc.AlertWriteFailure)
		return plain(err, scsi.WriteError)
	}
	d.dirty = false
	return nil
}

// floorFilemarks is how many filemarks a command may write on a disk at its
// floor: enough to close every file.
const floorFilemarks = 16

// writeFilemarks is WRITE FILEMARKS(6) and (16). Count 0 changes nothing and is
// the host's way to ask for durability.
func (d *Drive) writeFilemarks(r *spc.Request) error {
	count := int(scsi.Uint24(r.CDB[2:]))
	if r.Command().Opcode == scsi.WriteFilemarks16 {
		count = int(scsi.Uint24(r.CDB[12:]))
	}
	var failed error
	if count > 0 {
		if err := d.writable(scsi.WriteFilemarks6); err != nil {
			return err
		}
		if sense := d.gate(count > floorFilemarks); sense != nil {
			sense.Valid, sense.Information = true, int64(count)
			return sense
		}
		n, err := d.image.WriteFilemarks(count)
		failed = d.wrote(r, err, n, 0, int64(count-n))
	}
	if !r.Flag(1, 0x01) { // IMMED
		if err := d.flush(); err != nil {
			return err
		}
	}
	return failed
}
