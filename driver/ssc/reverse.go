package ssc

import (
	"slices"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// byteOrder is BYTORD of READ REVERSE: the bytes of each block come as READ
// brings them; without it they come last byte first.
const byteOrder = 0x04

// readReverse is READ REVERSE(6) (SSC-4 6.6): the blocks before the position, the
// nearest first, each leaving the position before it. What ends it is told as for
// READ, with the beginning of the partition in the place of end of data.
func (d *Drive) readReverse(r *spc.Request) error {
	length := int(scsi.Uint24(r.CDB[2:]))
	switch {
	case length == 0:
		return nil
	case r.Flag(1, fixedBit):
		return d.reverseFixed(r, length)
	}
	object, err := d.image.Previous()
	if err != nil || object.Filemark {
		return d.passReverse(object, err, int64(length))
	}
	whole := object.Length
	if r.Flag(1, byteOrder) {
		whole = min(length, whole) // else the last bytes come first, and all are needed
	}
	p := r.Buffer(whole)
	if err := d.reverseBlock(r, p); err != nil {
		return d.readFailed(err, int64(length))
	}
	if err := r.SendDataIn(p[:min(length, whole)]); err != nil {
		return err
	}
	return d.lengthMet(r, length, object.Length)
}

// reverseFixed reads count blocks of the mode's block length, in pieces.
func (d *Drive) reverseFixed(r *spc.Request, count int) error {
	size := d.blockLength
	for left := count; left > 0; {
		p := r.Buffer(min(left, max(1, chunkBytes/size)) * size)
		n, stopped := 0, error(nil)
		for n*size < len(p) && stopped == nil {
			if stopped = d.reverseOne(r, p[n*size:(n+1)*size], int64(left-n)); stopped == nil {
				n++
			}
		}
		if n > 0 {
			if err := r.SendDataIn(p[:n*size]); err != nil {
				return err
			}
		}
		if left -= n; stopped != nil {
			return stopped
		}
		if d.Aborted() {
			return scsi.ErrAborted
		}
	}
	return nil
}

// reverseOne reads one block of exactly len(p) bytes; a block of another length
// is passed and reported, with left as INFORMATION.
func (d *Drive) reverseOne(r *spc.Request, p []byte, left int64) error {
	object, err := d.image.Previous()
	switch {
	case err != nil || object.Filemark:
		return d.passReverse(object, err, left)
	case object.Length != len(p):
		if _, err := d.image.SpaceBlocks(-1); err != nil {
			return d.readFailed(err, left)
		}
		return incorrectLength(left)
	}
	if err := d.reverseBlock(r, p); err != nil {
		return d.readFailed(err, left)
	}
	return nil
}

// reverseBlock reads the block before the position, as much of it as p holds.
func (d *Drive) reverseBlock(r *spc.Request, p []byte) error {
	if _, err := d.image.ReadBlockReverse(p); err != nil {
		return err
	}
	d.countRead(len(p))
	if !r.Flag(1, byteOrder) {
		slices.Reverse(p)
	}
	return nil
}

// passReverse reports that no block stands before the position: the beginning of
// the partition, or a filemark, which is passed.
func (d *Drive) passReverse(object tape.Object, err error, information int64) error {
	if err == nil && object.Filemark {
		_, err = d.image.ReadBlockReverse(nil)
	}
	return d.readFailed(err, information)
}
