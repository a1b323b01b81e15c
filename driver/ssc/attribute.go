package ssc

import (
	"bytes"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// Formats of medium auxiliary memory attributes (SPC-4 7.4.1).
const (
	binaryFormat = 0
	asciiFormat  = 1
	textFormat   = 2
)

// attribute is a row of the medium auxiliary memory (spec B.7).
type attribute struct {
	id     uint16
	format byte
	length int
	// value gives what the drive knows; nil: only the host knows.
	value func(*Drive) []byte
	// host: the host may set it, and its value goes before ours.
	host bool
	// upTo: length is the longest, not the only one.
	upTo bool
}

func number(id uint16, length int, value func(tape.Info) uint64) attribute {
	return attribute{id: id, length: length, value: func(d *Drive) []byte {
		return spc.BigEndian(length, value(d.image.Info()))
	}}
}

func words(id uint16, length int, value func(*Drive) string) attribute {
	return attribute{id: id, format: asciiFormat, length: length, value: func(d *Drive) []byte {
		return spc.Pad(value(d), length)
	}}
}

func hosted(id uint16, format byte, length int) attribute {
	return attribute{id: id, format: format, length: length, host: true}
}

// attributes are ascending. The life figures 0220h and 0221h know what is on the
// tape and what this load added, since an image keeps no older record.
var attributes = []attribute{
	number(0x0000, 8, func(i tape.Info) uint64 { return uint64(max(0, i.CapacityBytes-i.UsedBytes)) >> 20 }),
	number(0x0001, 8, func(i tape.Info) uint64 { return uint64(i.CapacityBytes) >> 20 }),
	{id: 0x0002, length: 8, value: func(d *Drive) []byte { return spc.BigEndian(8, uint64(d.Alerts())) }},
	number(0x0003, 8, func(i tape.Info) uint64 { return i.LoadCount }),
	number(0x0004, 8, func(tape.Info) uint64 { return memoryBytes / 2 }),
	words(0x0005, 8, func(*Drive) string { return "LTO-CVE" }),
	{id: 0x0006, length: 1, value: func(d *Drive) []byte { return []byte{generationOf(d.barcode).density} }},
	number(0x0007, 2, func(tape.Info) uint64 { return 1 }),
	number(0x0009, 4, volumeChangeReference),
	words(0x020A, 40, lastDrive),
	words(0x020B, 40, noDrive),
	words(0x020C, 40, noDrive),
	words(0x020D, 40, noDrive),
	number(0x0220, 8, func(i tape.Info) uint64 { return uint64(i.PayloadBytes) / mega }),
	{id: 0x0221, length: 8, value: func(d *Drive) []byte { return spc.BigEndian(8, uint64(d.live.loadRead.Load()/mega)) }},
	{id: 0x0222, length: 8, value: func(d *Drive) []byte { return spc.BigEndian(8, uint64(d.live.loadWrites.Load()/mega)) }},
	{id: 0x0223, length: 8, value: func(d *Drive) []byte { return spc.BigEndian(8, uint64(d.live.loadRead.Load()/mega)) }},
	words(0x0400, 8, func(*Drive) string { return "VLOADER" }),
	words(0x0401, 32, func(d *Drive) string { return d.image.Info().Serial }),
	number(0x0402, 4, func(tape.Info) uint64 { return 960 }),
	number(0x0403, 4, func(tape.Info) uint64 { return 127 }),
	words(0x0404, 8, func(*Drive) string { return "LTO-CVE" }),
	{id: 0x0405, length: 1, value: func(d *Drive) []byte { return []byte{generationOf(d.barcode).density} }},
	words(0x0406, 8, func(d *Drive) string { return d.image.Info().Created.UTC().Format("20060102") }),
	number(0x0407, 8, func(tape.Info) uint64 { return memoryBytes }),
	number(0x0408, 1, mediumTypeAttribute),
	number(0x0409, 2, func(tape.Info) uint64 { return 0 }),
	hosted(0x0800, asciiFormat, 8),
	hosted(0x0801, asciiFormat, 32),
	hosted(0x0802, asciiFormat, 8),
	hosted(0x0803, textFormat, 160),
	hosted(0x0804, asciiFormat, 12),
	hosted(0x0805, binaryFormat, 1),
	{id: 0x0806, format: asciiFormat, length: 32, host: true, value: func(d *Drive) []byte { return spc.Pad(d.barcode, 32) }},
	hosted(0x0807, textFormat, 80),
	hosted(0x0808, textFormat, 160),
	hosted(0x080B, asciiFormat, 16),
	{id: 0x080C, format: binaryFormat, length: 1023, host: true, upTo: true},
}

// memoryBytes is the size of the auxiliary memory we claim.
const memoryBytes = 16 << 10

func lastDrive(d *Drive) string {
	return string(spc.Pad(d.Identity().Vendor, 8)) + d.Identity().Serial
}

func noDrive(*Drive) string { return "" }

// volumeChangeReference grows with the first change after each load and is
// never 0 nor FFFFFFFFh.
func volumeChangeReference(i tape.Info) uint64 { return i.WriteCount%(1<<32-2) + 1 }

func mediumTypeAttribute(i tape.Info) uint64 {
	return map[tape.MediumType]uint64{tape.Cleaning: 0x01, tape.WORM: 0x80}[i.Medium]
}

func findAttribute(id uint16) (attribute, bool) {
	for _, a := range attributes {
		if a.id == id {
			return a, true
		}
	}
	return attribute{}, false
}

// current returns the attribute's value, nil when it has none.
func (a attribute) current(d *Drive) []byte {
	if a.host {
		if set, ok := d.image.Attribute(a.id); ok {
			return set.Value
		}
	}
	if a.value != nil {
		return a.value(d)
	}
	return nil
}

// checkAttribute: the memory is in the cartridge, so it can be read only while
// that is threaded; what is missing is told apart.
func (d *Drive) checkAttribute(r *spc.Request) error {
	if d.state == unloaded {
		return scsi.Unready(scsi.MediumNotPresentAuxiliaryMemory)
	}
	if err := d.readiness(r.Command().Opcode); err != nil {
		return err
	}
	if r.CDB[5] != 0 {
		return scsi.InvalidFieldInCDB(5, scsi.NoBit)
	}
	return d.checkPartition(r, 7)
}

// READ ATTRIBUTE service actions.
const (
	attributeValues     = 0x00
	attributeList       = 0x01
	volumeList          = 0x02
	partitionList       = 0x03
	supportedAttributes = 0x05
)

func (d *Drive) readAttribute(r *spc.Request) error {
	return d.inPartition(int(r.CDB[7]), func() error { return d.tellAttributes(r) })
}

func (d *Drive) tellAttributes(r *spc.Request) error {
	first := scsi.Uint16(r.CDB[8:])
	data := make([]byte, 4)
	switch r.CDB[1] & 0x1f {
	case partitionList: // first number 0, so many of them
		return r.Reply([]byte{0, 2, 0, byte(d.image.Partitions())}, int(scsi.Uint32(r.CDB[10:])))
	case volumeList: // first number 0, one of them
		return r.Reply([]byte{0, 2, 0, 1}, int(scsi.Uint32(r.CDB[10:])))
	case attributeValues:
		for _, a := range attributes {
			if value := a.current(d); a.id >= first && value != nil {
				data = append(data, a.header(len(value))...)
				data = append(data, value...)
			}
		}
	case attributeList, supportedAttributes:
		for _, a := range attributes {
			if a.id >= first && (r.CDB[1]&0x1f == supportedAttributes || a.current(d) != nil) {
				data = append(data, byte(a.id>>8), byte(a.id))
			}
		}
	default:
		return scsi.InvalidFieldInCDB(1, 4)
	}
	scsi.PutUint32(data, uint32(len(data)-4))
	return r.Reply(data, int(scsi.Uint32(r.CDB[10:])))
}

func (a attribute) header(length int) []byte {
	format := a.format
	if !a.host {
		format |= 0x80 // READ ONLY
	}
	return []byte{byte(a.id >> 8), byte(a.id), format, byte(length >> 8), byte(length)}
}

// writeAttribute sets host attributes: all of the list, or none.
func (d *Drive) writeAttribute(r *spc.Request) error {
	length := int(scsi.Uint32(r.CDB[10:]))
	if length == 0 {
		return nil
	}
	if sense := d.gate(false); sense != nil {
		return sense
	}
	list, err := r.Parameters(length)
	if err != nil {
		return err
	}
	if len(list) < 4 {
		return scsi.Illegal(scsi.ParameterListLengthError)
	}
	list = list[4 : 4+min(len(list)-4, int(scsi.Uint32(list)))]
	changes, err := parseAttributes(list)
	if err != nil {
		return err
	}
	return d.inPartition(int(r.CDB[7]), func() error { return d.setAttributes(changes) })
}

// setAttributes sets host attributes, or deletes those without a value.
func (d *Drive) setAttributes(changes []tape.Attribute) (err error) {
	for _, a := range changes {
		if len(a.Value) == 0 {
			err = d.image.DeleteAttribute(a.ID)
		} else {
			err = d.image.SetAttribute(a)
		}
		if err != nil {
			return plain(err, scsi.WriteError)
		}
		d.dirty = true
	}
	return nil
}

func parseAttributes(list []byte) (changes []tape.Attribute, err error) {
	const head = 5
	for at := 4; len(list) > 0; {
		if len(list) < head || len(list) < head+int(scsi.Uint16(list[3:])) {
			return nil, scsi.Illegal(scsi.ParameterListLengthError)
		}
		id, n := scsi.Uint16(list), int(scsi.Uint16(list[3:]))
		row, known := findAttribute(id)
		fits := n == 0 || n == row.length || row.upTo && n < row.length
		if !known || !row.host || !fits || list[2]&0x03 != row.format {
			return nil, scsi.InvalidFieldInParameterList(at, scsi.NoBit)
		}
		changes = append(changes, tape.Attribute{ID: id, Format: row.format, Value: bytes.Clone(list[head : head+n])})
		list, at = list[head+n:], at+head+n
	}
	return changes, nil
}
