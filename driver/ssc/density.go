package ssc

import (
	"strings"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// generation is a kind of cartridge, known by the last two characters of its
// barcode.
type generation struct {
	mediaIDs string // data and, where there is one, WORM
	density  byte
	number   byte
	name     string
	text     string
}

var generations = []generation{
	{"L1", 0x40, 1, "U-18", "Ultrium 1/8T"},
	{"L2", 0x42, 2, "U-28", "Ultrium 2/8T"},
	{"L3 LT", 0x44, 3, "U-316", "Ultrium 3/16T"},
	{"L4 LU", 0x46, 4, "U-416", "Ultrium 4/16T"},
	{"L5 LV", 0x58, 5, "U-516", "Ultrium 5/16T"},
	{"L6 LW", 0x5A, 6, "U-616", "Ultrium 6/16T"},
	{"L7 LX", 0x5C, 7, "U-732", "Ultrium 7/32T"},
	{"M8", 0x5D, 7, "U-732", "Ultrium M8/32T"},
	{"L8 LY", 0x5E, 8, "U-832", "Ultrium 8/32T"},
	{"L9 LZ", 0x60, 9, "U-932", "Ultrium 9/32T"},
}

// native is what the drive itself is, and what a cartridge without a media id
// is taken for.
var native = generations[8]

func generationOf(barcode string) generation {
	if len(barcode) >= 2 {
		id := barcode[len(barcode)-2:]
		for _, g := range generations {
			if strings.Contains(g.mediaIDs, id) && id[0] != ' ' && id[1] != ' ' {
				return g
			}
		}
	}
	return native
}

// mediumType is the medium type byte of the mode parameter header.
func (g generation) mediumType(m tape.MediumType) byte {
	if m == tape.WORM {
		return g.number<<4 | 0x0C
	}
	return g.number<<4 | 0x08
}

// nativeCapacityMB is what REPORT DENSITY SUPPORT says without looking at a
// cartridge.
const nativeCapacityMB = 12000000

// describe is the density support data block descriptor (SSC-4 6.11.3).
func (g generation) describe(capacityMB uint32) []byte {
	b := make([]byte, 52)
	b[0], b[1], b[2] = g.density, g.density, 0xA0 // writable, default
	scsi.PutUint24(b[5:], 0x50BD)                 // bits per mm
	scsi.PutUint16(b[8:], 0x007F)                 // width in 0.1 mm
	scsi.PutUint16(b[10:], 0x1A00)                // tracks
	scsi.PutUint32(b[12:], capacityMB)
	copy(b[16:], spc.Pad("LTO-CVE", 8))
	copy(b[24:], spc.Pad(g.name, 8))
	copy(b[32:], spc.Pad(g.text, 20))
	return b
}

func (d *Drive) reportDensity(r *spc.Request) error {
	const media, mediumType = 0x01, 0x02
	if r.Flag(1, mediumType) {
		return scsi.InvalidFieldInCDB(1, 1)
	}
	descriptor := native.describe(nativeCapacityMB)
	if r.Flag(1, media) {
		if err := d.readiness(scsi.ReportDensitySupport); err != nil {
			return err
		}
		capacity := spc.BigEndian(4, uint64(d.image.TotalBytes()/1e6))
		descriptor = generationOf(d.barcode).describe(scsi.Uint32(capacity))
	}
	header := []byte{0, byte(len(descriptor) + 2), 0, 0}
	return r.Reply(append(header, descriptor...), int(scsi.Uint16(r.CDB[7:])))
}
