package ssc

import (
	"errors"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// Bits of CDB byte 1 of READ, WRITE and VERIFY.
const (
	fixedBit = 0x01
	siliBit  = 0x02
)

// chunkBytes is how much data of a command in fixed block mode is in memory at
// once; a single longer block is an exception.
const chunkBytes = 1 << 20

func (d *Drive) checkRead(r *spc.Request) error {
	if r.Flag(1, fixedBit) && (r.Flag(1, siliBit) || d.blockLength == 0) {
		return scsi.InvalidFieldInCDB(1, 0)
	}
	return nil
}

// read6 is SSC-4 6.5; the cases are numbered in spec C.3.
func (d *Drive) read6(r *spc.Request) error {
	length := int(scsi.Uint24(r.CDB[2:]))
	switch {
	case length == 0:
		return nil
	case r.Flag(1, fixedBit):
		return d.readFixed(r, length)
	}
	object, err := d.image.Next()
	if err != nil {
		return d.readFailed(err, int64(length))
	}
	if object.Filemark {
		return d.passFilemark(int64(length))
	}
	p := r.Buffer(min(length, object.Length))
	if _, err := d.image.ReadBlock(p); err != nil {
		return d.readFailed(err, int64(length))
	}
	d.countRead(len(p))
	if err := r.SendDataIn(p); err != nil {
		return err
	}
	return d.lengthMet(r, length, object.Length)
}

// lengthMet ends a variable block read of length bytes that met a block of another
// length: what SILI suppresses is GOOD (spec C.3, 4 to 7).
func (d *Drive) lengthMet(r *spc.Request, length, block int) error {
	residual := length - block
	suppressed := r.Flag(1, siliBit) && (residual > 0 || d.blockLength == 0)
	if residual == 0 || suppressed {
		return nil
	}
	return incorrectLength(int64(residual))
}

// readFixed reads count blocks of the mode's block length, in pieces.
func (d *Drive) readFixed(r *spc.Request, count int) error {
	size := d.blockLength
	for left := count; left > 0; {
		p := r.Buffer(min(left, max(1, chunkBytes/size)) * size)
		n, err := d.image.ReadBlocks(p, size)
		if n > 0 {
			d.countRead(n * size)
			if err := r.SendDataIn(p[:n*size]); err != nil {
				return err
			}
		}
		if left -= n; left == 0 {
			return nil
		}
		if err == nil && n == 0 {
			err = d.whyStopped(p, size, int64(left))
		}
		var sense *scsi.Sense
		switch {
		case errors.As(err, &sense):
			return sense
		case err != nil:
			return d.readFailed(err, int64(left))
		case d.Aborted():
			return scsi.ErrAborted
		}
	}
	return nil
}

// whyStopped explains why not even one block of the fixed length could be read
// at the position, moving over a filemark or a block of another length.
func (d *Drive) whyStopped(p []byte, size int, left int64) error {
	object, err := d.image.Next()
	switch {
	case err != nil:
		return err
	case object.Filemark:
		return d.passFilemark(left)
	case object.Length != size:
		if _, err := d.image.SpaceBlocks(1); err != nil {
			return err
		}
		return incorrectLength(left)
	}
	if _, err := d.image.ReadBlock(p[:size]); err != nil {
		return err
	}
	return errors.New("a block was refused among others but can be read alone")
}

// passFilemark moves over the filemark at the position and reports it.
func (d *Drive) passFilemark(information int64) error {
	_, err := d.image.ReadBlock(nil)
	if err == nil {
		err = tape.ErrFilemark
	}
	return d.readFailed(err, information)
}

// readFailed translates what ended a read; a failure of the files raises the
// alarm.
func (d *Drive) readFailed(err error, information int64) *scsi.Sense {
	sense := condition(err, scsi.UnrecoveredReadError, information)
	if sense.Key == scsi.MediumError {
		d.Raise(spc.AlertHardError)
	}
	return sense
}

func (d *Drive) countRead(n int) {
	d.live.bytesRead.Add(int64(n))
	d.live.loadRead.Add(int64(n))
	d.account()
}

// Bits of CDB byte 1 of VERIFY.
const (
	verifyToEnd     = 0x20
	verifyFilemarks = 0x08
	byteCompare     = 0x02
)

func (d *Drive) checkVerify(r *spc.Request) error {
	if r.Flag(1, byteCompare) {
		return scsi.InvalidFieldInCDB(1, 1)
	}
	if r.Flag(1, fixedBit) && d.blockLength == 0 && !r.Flag(1, verifyToEnd|verifyFilemarks) {
		return scsi.InvalidFieldInCDB(1, 0)
	}
	return nil
}

// verify reads without sending: blocks as READ counts them, or filemarks (VBF),
// or everything to end of data (VTE).
func (d *Drive) verify(r *spc.Request) error {
	left := int64(scsi.Uint24(r.CDB[2:]))
	switch {
	case r.Flag(1, verifyToEnd):
		err := d.verifyWhile(r, new(int64), func(tape.Object) (bool, error) { return true, nil })
		if errors.Is(err, tape.ErrEndOfData) {
			return nil
		}
		return err
	case left == 0:
		return nil
	case r.Flag(1, verifyFilemarks):
		return d.verifyWhile(r, &left, func(o tape.Object) (bool, error) {
			if o.Filemark {
				left--
			}
			return left > 0, nil
		})
	case r.Flag(1, fixedBit):
		return d.verifyWhile(r, &left, func(o tape.Object) (bool, error) {
			if err := verified(o, int64(d.blockLength), left, left); err != nil {
				return false, err
			}
			left--
			return left > 0, nil
		})
	}
	return d.verifyWhile(r, &left, func(o tape.Object) (bool, error) {
		return false, verified(o, left, left, left-int64(o.Length))
	})
}

// verified judges one object against the length asked for.
func verified(o tape.Object, want, atFilemark, atOther int64) error {
	switch {
	case o.Filemark:
		return condition(tape.ErrFilemark, scsi.UnrecoveredReadError, atFilemark)
	case int64(o.Length) != want:
		return incorrectLength(atOther)
	}
	return nil
}

// verifyWhile checks one object after the other while more says so; left is the
// INFORMATION of what stops it.
func (d *Drive) verifyWhile(r *spc.Request, left *int64, more func(tape.Object) (bool, error)) error {
	defer d.passOver()
	for !d.Aborted() {
		object, err := d.image.Next()
		if err == nil {
			_, err = d.image.ReadBlock(r.Buffer(object.Length))
		}
		if err != nil && !errors.Is(err, tape.ErrFilemark) {
			return d.readFailed(err, *left)
		}
		if again, err := more(object); !again {
			return err
		}
	}
	return scsi.ErrAborted
}
