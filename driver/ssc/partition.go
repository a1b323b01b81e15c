package ssc

import (
	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// The medium partition page (SSC-4 8.3.4).
const (
	pageMediumPartition = 0x11

	additionalPartitions = 3 // byte: how many beside the first

	partitionFlags   = 4
	fixedPartitions  = 0x80 // FDP: number and sizes are ours
	selectPartitions = 0x40 // SDP: the number is the host's
	initiatorDefined = 0x20 // IDP: number and sizes are the host's
	sizeUnitMask     = 0x18 // PSUM
	onFormat         = 0x04 // POFM

	partitionUnits = 6 // byte: power of ten, for PSUM 11b
	partitionSizes = 8 // byte: where they begin, two bytes each

	restOfMedium = 0xFFFF
	gigabytes    = 9
)

// mediumPartition is page 11h: it shows what the cartridge has and keeps what the
// host wants of the next FORMAT MEDIUM. It may be sent without sizes it does not
// need.
func (d *Drive) mediumPartition() spc.ModePage {
	const recognition = 0x03
	p := spc.ModePage{
		Default: page(pageMediumPartition, 0x0A, map[int]byte{2: 1, partitionFlags: sizeUnitMask | onFormat, 5: recognition, partitionUnits: gigabytes}),
		Short:   partitionSizes, Check: checkPartitionPage,
	}
	p.Changeable = fixed(p.Default)
	p.Changeable[additionalPartitions] = 0xFF
	p.Changeable[partitionFlags] = fixedPartitions | selectPartitions | initiatorDefined | sizeUnitMask
	p.Changeable[partitionUnits] = 0x0F
	for i := partitionSizes; i < len(p.Changeable); i++ {
		p.Changeable[i] = 0xFF
	}
	p.Live = func(b []byte) {
		if !d.hasMedium() {
			return
		}
		b[additionalPartitions] = byte(d.image.Partitions() - 1)
		b[partitionFlags] |= sizeUnitMask
		b[partitionUnits] = gigabytes
		clear(b[partitionSizes:])
		for n := range d.image.Partitions() {
			size := max(1, d.image.PartitionInfo(n).CapacityBytes/1e9)
			copy(b[partitionSizes+2*n:], spc.BigEndian(2, uint64(size)))
		}
	}
	return p
}

func checkPartitionPage(p []byte) error {
	how := p[partitionFlags] & (fixedPartitions | selectPartitions | initiatorDefined)
	switch {
	case p[additionalPartitions] > 1:
		return scsi.InvalidFieldInParameterList(additionalPartitions, scsi.NoBit)
	case how&(how-1) != 0: // more than one way
		return scsi.InvalidFieldInParameterList(partitionFlags, 7)
	}
	return nil
}

// wantedPartitions returns the sizes in bytes that a medium partition page asks
// for, of a cartridge of so many bytes; none when they cannot be.
func wantedPartitions(p []byte, total int64) []int64 {
	if p[additionalPartitions] == 0 {
		return []int64{total}
	}
	if p[partitionFlags]&initiatorDefined == 0 {
		small := total / 20
		return []int64{total - small, small}
	}
	unit := int64(1)
	switch p[partitionFlags] & sizeUnitMask >> 3 {
	case 1:
		unit = 1e3
	case 2:
		unit = 1e6
	case 3:
		for range p[partitionUnits] & 0x0F {
			unit *= 10
		}
	}
	first, second := int64(scsi.Uint16(p[partitionSizes:])), int64(scsi.Uint16(p[partitionSizes+2:]))
	switch {
	case first == restOfMedium && second == restOfMedium:
		return nil
	case first == restOfMedium:
		first = total - fitting(second, unit, total)
	default:
		first = fitting(first, unit, total)
		if second != restOfMedium && fitting(second, unit, total) > total-first {
			return nil
		}
	}
	return []int64{first, total - first}
}

// fitting is n units, but not more than there is.
func fitting(n, unit, total int64) int64 {
	if n > total/unit {
		return total
	}
	return n * unit
}

// Formats of FORMAT MEDIUM.
const (
	formatOnePartition = 0
	formatPartitions   = 2 // and 1: as the medium partition page says
)

func checkFormat(r *spc.Request) error {
	if scsi.Uint16(r.CDB[3:]) != 0 {
		return scsi.InvalidFieldInCDB(3, scsi.NoBit)
	}
	if r.CDB[2]&0x0f > formatPartitions {
		return scsi.InvalidFieldInCDB(2, 3)
	}
	return nil
}

// formatMedium is FORMAT MEDIUM (SSC-4 7.1).
func (d *Drive) formatMedium(r *spc.Request) error {
	if err := d.atBeginning(); err != nil {
		return err
	}
	total := d.image.TotalBytes()
	sizes := []int64{total}
	if r.CDB[2]&0x0f != formatOnePartition {
		sizes = wantedPartitions(d.ModePage(pageMediumPartition, 0), total)
	}
	for _, size := range sizes {
		if size < leastPartition {
			sizes = nil
			break
		}
	}
	if sizes == nil {
		return scsi.Illegal(scsi.InvalidFieldInParameterListCode)
	}
	return d.reshaped(d.image.FormatPartitions(sizes...))
}

// leastPartition is the smallest partition in bytes.
const leastPartition = 1 << 20

func (d *Drive) atBeginning() error {
	if d.image.Partition() != 0 || !d.image.Position().BeginningOfPartition {
		return scsi.Illegal(scsi.PositionPastBeginningOfMedium)
	}
	return nil
}

// rewindAll stands at the beginning of partition 0, as after a load.
func rewindAll(image *tape.Image) {
	for n := range image.Partitions() {
		if image.SetPartition(image.Partitions()-1-n) == nil {
			image.Rewind()
		}
	}
}

// checkPartition judges a partition number of a CDB.
func (d *Drive) checkPartition(r *spc.Request, at int) error {
	last := 0
	if d.hasMedium() {
		last = d.image.Partitions() - 1
	}
	if int(r.CDB[at]) > last {
		return scsi.InvalidFieldInCDB(at, scsi.NoBit)
	}
	return nil
}

// inPartition does f as if the tape stood in another partition, and leaves it
// where it was.
func (d *Drive) inPartition(n int, f func() error) error {
	here := d.image.Partition()
	if err := d.image.SetPartition(n); err != nil {
		return plain(err, scsi.MechanicalPositioningError)
	}
	err := f()
	if back := d.image.SetPartition(here); err == nil {
		err = back
	}
	return err
}

// partitionRecords is a log parameter of page 17h with one record for each
// partition.
func partitionRecords(code uint16, bytes []int64) spc.LogParameter {
	var b []byte
	for n, v := range bytes {
		b = append(b, 7, 0, byte(n>>8), byte(n))
		b = append(b, spc.BigEndian(4, uint64(v/mega))...)
	}
	return spc.LogParameter{Code: code, Control: spc.LogBinary, Value: b}
}
