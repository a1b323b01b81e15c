package smc

import (
	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/slotmap"
)

// Sizes in bytes of what READ ELEMENT STATUS returns (SMC-3 6.11).
const (
	reportHeaderBytes = 8
	pageHeaderBytes   = 8
	elementBytes      = 12 // of a descriptor, before the parts below
	volumeTagBytes    = 36
	identifierBytes   = 4 // header of the device identifier, always there
	volumeTagName     = 32
)

// Bits of CDB bytes.
const (
	voltagBit = 0x10 // byte 1
	dvcidBit  = 0x01 // byte 6
)

func checkReadElementStatus(r *spc.Request) error {
	if slotmap.Kind(r.CDB[1]&0x0f) > slotmap.DataTransfer {
		return scsi.InvalidFieldInCDB(1, 3)
	}
	return nil
}

// report builds one answer to READ ELEMENT STATUS: a header, then one page for
// each run of elements of equal kind.
//
//	8  first address, number of elements, byte count of all that follows
//	8  page: kind, PVOLTAG, descriptor length, byte count of its descriptors
//	n  descriptor, descriptor, ...
//
// Counts tell of the whole answer; of the descriptors only those are sent that
// fit into the allocation length as a whole.
type report struct {
	changer      *Changer
	voltag, dvid bool
	room         int
	data         []byte
	total        int
}

func (c *Changer) readElementStatus(r *spc.Request) error {
	number, allocation := int(scsi.Uint16(r.CDB[4:])), int(scsi.Uint24(r.CDB[7:]))
	elements := c.selected(r)
	if number > 0 && len(elements) > number {
		elements = elements[:number]
	}
	rep := report{changer: c, voltag: r.Flag(1, voltagBit), dvid: r.Flag(6, dvcidBit), room: allocation}
	return r.Reply(rep.build(elements), allocation)
}

func (p *report) build(elements []slotmap.Element) []byte {
	const pages = 256 // page headers and the drive's identity, roughly
	whole := reportHeaderBytes + pages + len(elements)*(elementBytes+volumeTagBytes+identifierBytes)
	p.data = make([]byte, reportHeaderBytes, max(reportHeaderBytes, min(p.room, whole)))
	if len(elements) == 0 {
		return p.data
	}
	scsi.PutUint16(p.data, uint16(elements[0].Address))
	scsi.PutUint16(p.data[2:], uint16(len(elements)))
	for rest := elements; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Kind == rest[0].Kind {
			n++
		}
		p.page(rest[:n])
		rest = rest[n:]
	}
	scsi.PutUint24(p.data[5:], uint32(p.total))
	return p.data
}

// page appends the page of elements of one kind.
func (p *report) page(elements []slotmap.Element) {
	length := p.descriptorLength(elements[0].Kind)
	p.total += pageHeaderBytes + len(elements)*length
	if len(p.data)+pageHeaderBytes > p.room {
		p.room = len(p.data)
		return
	}
	head := make([]byte, pageHeaderBytes)
	head[0] = byte(elements[0].Kind)
	if p.voltag {
		head[1] = 0x80 // PVOLTAG
	}
	scsi.PutUint16(head[2:], uint16(length))
	scsi.PutUint24(head[5:], uint32(len(elements)*length))
	p.data = append(p.data, head...)
	for _, e := range elements {
		if len(p.data)+length > p.room {
			p.room = len(p.data)
			return
		}
		p.descriptor(e)
	}
}

// identified says whether descriptors of that kind carry the drive's identity.
func (p *report) identified(kind slotmap.Kind) bool { return p.dvid && kind == slotmap.DataTransfer }

func (p *report) descriptorLength(kind slotmap.Kind) int {
	n := elementBytes + identifierBytes
	if p.voltag {
		n += volumeTagBytes
	}
	if p.identified(kind) {
		n += len(p.changer.drive.T10())
	}
	return n
}

// ownFlags are what byte 2 says of each kind beside FULL, ACCESS and EXCEPT.
var ownFlags = map[slotmap.Kind]byte{slotmap.ImportExport: 0x30} // INENAB, EXENAB

// descriptor appends the descriptor of one element.
func (p *report) descriptor(e slotmap.Element) {
	const full, imported, exception, access = 0x01, 0x02, 0x04, 0x08
	const luValid, sourceValid = 0x10, 0x80
	var b [elementBytes]byte
	scsi.PutUint16(b[:], uint16(e.Address))
	b[2] = ownFlags[e.Kind]
	if e.Full() {
		b[2] |= full
		b[9] = byte(max(e.Medium, slotmap.DataMedium))
		if e.Source != 0 {
			b[9] |= sourceValid
			scsi.PutUint16(b[10:], uint16(e.Source))
		}
	}
	if e.Imported {
		b[2] |= imported
	}
	if e.Kind != slotmap.Robot {
		status := p.changer.library.Status(e.Address)
		if status.Accessible {
			b[2] |= access
		}
		if status.Exception {
			b[2] |= exception
			scsi.PutUint16(b[4:], uint16(scsi.MediaLoadOrEjectFailed))
		}
	}
	if e.Kind == slotmap.DataTransfer {
		b[6] = luValid // as LUN 0 of this target
	}
	p.data = append(p.data, b[:]...)
	if p.voltag {
		p.data = appendVolumeTag(p.data, e.Barcode)
	}
	if !p.identified(e.Kind) {
		p.data = append(p.data, 0, 0, 0, 0)
		return
	}
	identity := p.changer.drive.T10()
	p.data = append(p.data, 0x02, 0x01, 0, byte(len(identity))) // ASCII, T10 vendor id based
	p.data = append(p.data, identity...)
}

// appendVolumeTag appends the primary volume tag of a barcode (SMC-3 6.11.6):
// the name in 32 bytes, space padded, and four zeros; all zeros for no cartridge.
func appendVolumeTag(b []byte, barcode string) []byte {
	var tag [volumeTagBytes]byte
	if barcode != "" {
		for i := copy(tag[:volumeTagName], barcode); i < volumeTagName; i++ {
			tag[i] = ' '
		}
	}
	return append(b, tag[:]...)
}
