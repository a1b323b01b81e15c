package ssc

import (
	"math"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
)

func (d *Drive) rewind(*spc.Request) error {
	if err := d.flush(); err != nil {
		return err
	}
	d.image.Rewind()
	return nil
}

// rewindToLoadPoint is the rewinding that LOAD does: to partition 0.
func (d *Drive) rewindToLoadPoint(*spc.Request) error {
	if err := d.flush(); err != nil {
		return err
	}
	rewindAll(d.image)
	return nil
}

// SPACE codes.
const (
	spaceBlocks = iota
	spaceFilemarks
	spaceSequentialFilemarks
	spaceEndOfData
)

func checkSpace(r *spc.Request) error {
	if r.CDB[1]&0x0f > spaceEndOfData {
		return scsi.InvalidFieldInCDB(1, 3)
	}
	return nil
}

func (d *Drive) space(r *spc.Request) error {
	count := int64(scsi.Int24(r.CDB[2:]))
	if r.Command().Opcode == scsi.Space16 {
		count = int64(scsi.Uint64(r.CDB[4:]))
	}
	if err := d.flush(); err != nil {
		return err
	}
	var moved int64
	var err error
	switch r.CDB[1] & 0x0f {
	case spaceBlocks:
		moved, err = d.image.SpaceBlocks(count)
	case spaceFilemarks:
		moved, err = d.image.SpaceFilemarks(count)
	case spaceSequentialFilemarks:
		if _, err := d.image.SpaceSequentialFilemarks(count); err != nil {
			return plain(err, scsi.MechanicalPositioningError)
		}
	case spaceEndOfData:
		d.image.SpaceEndOfData()
	}
	if err != nil {
		return condition(err, scsi.MechanicalPositioningError, magnitude(count)-magnitude(moved))
	}
	return nil
}

// magnitude returns |n|; the one number that has none is cut by one.
func magnitude(n int64) int64 {
	switch {
	case n == math.MinInt64:
		return math.MaxInt64
	case n < 0:
		return -n
	}
	return n
}

// LOCATE destination types.
const (
	locateObject = iota
	locateFile
	_
	locateEndOfData
)

const changePartition = 0x02

func (d *Drive) checkLocate(r *spc.Request) error {
	if r.Command().Opcode == scsi.Locate16 {
		if r.CDB[1]>>3&3 == 2 {
			return scsi.InvalidFieldInCDB(1, 4)
		}
	}
	if r.Flag(1, changePartition) {
		return d.checkPartition(r, locatePartition(r))
	}
	return nil
}

// locatePartition is the byte of LOCATE that has the partition.
func locatePartition(r *spc.Request) int {
	if r.Command().Opcode == scsi.Locate16 {
		return 3
	}
	return 8
}

// locate is LOCATE(10), whose BT bit (a vendor's block address) is taken as a
// logical object, and LOCATE(16).
func (d *Drive) locate(r *spc.Request) error {
	if err := d.flush(); err != nil {
		return err
	}
	if r.Flag(1, changePartition) {
		if err := d.image.SetPartition(int(r.CDB[locatePartition(r)])); err != nil {
			return plain(err, scsi.MechanicalPositioningError)
		}
	}
	kind, id := byte(locateObject), uint64(scsi.Uint32(r.CDB[3:]))
	if r.Command().Opcode == scsi.Locate16 {
		kind, id = r.CDB[1]>>3&3, scsi.Uint64(r.CDB[4:])
	}
	var err error
	switch kind {
	case locateObject:
		err = d.image.Locate(id)
	case locateFile:
		err = d.image.LocateFile(id)
	case locateEndOfData:
		d.image.SpaceEndOfData()
	}
	if err != nil {
		return plain(err, scsi.MechanicalPositioningError)
	}
	return nil
}

// READ POSITION service actions.
const (
	shortForm      = 0x00
	shortFormBlock = 0x01
	longForm       = 0x06
	extendedForm   = 0x08
)

func checkReadPosition(r *spc.Request) error {
	switch r.CDB[1] & 0x1f {
	case shortForm, shortFormBlock, longForm, extendedForm:
		return nil
	}
	return scsi.InvalidFieldInCDB(1, 4)
}

// readPosition is SSC-4 6.7. The short and long forms have a fixed length
// whatever the allocation length says.
func (d *Drive) readPosition(r *spc.Request) error {
	const bop, eop, perr, bpew = 0x80, 0x40, 0x02, 0x01
	p := d.image.Position()
	var flags byte
	if p.BeginningOfPartition {
		flags |= bop
	}
	if p.EarlyWarning {
		flags |= eop
	}
	if info := d.image.Info(); p.Object == info.Objects && d.pastMark(&info, info.UsedBytes) {
		flags |= bpew
	}
	switch r.CDB[1] & 0x1f {
	case longForm:
		data := make([]byte, 32)
		data[0] = flags
		scsi.PutUint32(data[4:], uint32(d.image.Partition()))
		scsi.PutUint64(data[8:], p.Object)
		scsi.PutUint64(data[16:], p.File)
		return r.Reply(data, len(data))
	case extendedForm:
		data := make([]byte, 32)
		data[0], data[1], data[3] = flags, byte(d.image.Partition()), 0x1C
		scsi.PutUint64(data[8:], p.Object)
		scsi.PutUint64(data[16:], p.Object)
		return r.Reply(data, int(scsi.Uint16(r.CDB[7:])))
	}
	data := make([]byte, 20)
	data[0], data[1] = flags, byte(d.image.Partition())
	object := uint32(p.Object)
	if p.Object > math.MaxUint32-1 {
		data[0] |= perr
		object = math.MaxUint32
	}
	scsi.PutUint32(data[4:], object)
	scsi.PutUint32(data[8:], object)
	return r.Reply(data, len(data))
}
