package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"virtualloader/driver/scsi"
)

// commonItems are part F.2: what both logical units share.
var commonItems = []Item{
	{Number: "F.2/37", Name: "first commands after the service started", Fixture: "S1", Script: `
		! restart
		00 = 6/2901
		00 = 6/2800
		00 = G
		@A1 00 = 6/2901
		@A1 00 = G`},
	{Number: "F.2/38", Name: "unit attentions leave INQUIRY and REPORT LUNS alone, REQUEST SENSE takes them", Fixture: "S1", Script: `
		! restart
		12 00 00 00 24 <36 = G len=36
		A0 00 00000000 00000018 <24 = G len=24
		03 00 00 00 12 <18 = G len=18 : 70 00 06 00 00 00 00 0A 00 00 00 00 29 01
		03 00 00 00 12 <18 = G : 70 00 06 00 00 00 00 0A 00 00 00 00 28 00
		03 00 00 00 12 <18 = G : 70 00 00 00 00 00 00 0A 00 00 00 00 00 00`},
	{Number: "F.2/39", Name: "INQUIRY of 36 bytes", Script: `
		12 00 00 00 24 <36 = G len=36 : 01 80 06 12 5B 01 00 02
		@A1 12 00 00 00 24 <36 = G len=36 : 08 80 06 12 5B 00 00 02
		12 00 00 00 60 <96 = G len=96`},
	{Number: "F.2/40", Name: "INQUIRY is cut to the allocation length", Script: `
		12 00 00 00 05 <5 = G len=5 : 01 80 06 12 5B
		12 00 00 00 00 <36 = G len=0 U=36
		12 00 80 00 24 <36 = 5/2400`},
	{Number: "F.2/41", Name: "every VPD page that is listed", Check: checkVPDPages},
	{Number: "F.2/42", Name: "serial numbers and NAA differ and last", Check: checkIdentity},
	{Number: "F.2/43", Name: "a logical unit that is not there", Script: `
		@A5 12 00 00 00 24 <36 = G : 7F
		@A5 00 = 5/2500
		@A5 03 00 00 00 12 <18 = G : 70 00 05 00 00 00 00 0A 00 00 00 00 25 00`},
	{Number: "F.2/44", Name: "REPORT LUNS", Script: `
		A0 00 00000000 00000010 <16 = G len=16 : 00000010 00000000 0000000000000000
		A0 00 00000000 00000018 <24 = G len=24 : 00000010 00000000 0000000000000000 0001000000000000
		A0 00 01000000 00000018 <24 = G len=8 : 00000000
		A0 00 00000000 00000008 <8 = 5/2400
		@A7 A0 00 00000000 00000018 <24 = G len=24`},
	{Number: "F.2/45", Name: "unknown operation code, NACA, the old LUN field", Fixture: "S0", Script: `
		28 = 5/2000
		00 00 00 00 00 04 = 5/2400
		00 E0 = G`},
	{Number: "F.2/46", Name: "MODE SENSE(6) as st sends it", Fixture: "S0", Script: `
		1A 00 00 00 0C <12 = G len=12 : 0B 88 10 08 5E 000000 00 000000`},
	{Number: "F.2/47a", Name: "the same without a cartridge", Fixture: "SN", Script: `
		1A 00 00 00 0C <12 = G len=12 : 0B 00 10 08 00 000000 00 000000`},
	{Number: "F.2/47b", Name: "the same on a protected cartridge", Fixture: "SW", Script: `
		1A 00 00 00 0C <12 = G len=12 : 0B 88 90 08 5E`},
	{Number: "F.2/48", Name: "the compression page, short and long", Fixture: "S0", Script: `
		1A 00 0F 00 FF <255 = G len=28 : ???????? ???????????????? 0F 0E C0 80
		5A 00 0F 00000000 1000 <4096 = G len=32 : 001E 88 10 00 00 0008 ???????????????? 0F 0E C0 80`},
	{Number: "F.2/49", Name: "all mode pages, saved values, an unknown page", Fixture: "S0", Script: `
		1A 00 C0 00 FF <255 = 5/3900
		1A 00 2A 00 FF <255 = 5/2400`, Check: checkAllModePages},
	{Number: "F.2/50", Name: "MODE SELECT of a block length", Fixture: "S0", Script: `
		15 10 00 00 0C > 00001008 5E000000 00000200 = G
		1A 00 00 00 0C <12 = G : 0B 88 10 08 5E 000000 00 000200
		@B0 00 = 6/2A01
		@B0 00 = G
		00 = G`},
	{Number: "F.2/51", Name: "MODE SELECT of values that do not exist changes nothing", Fixture: "S0", Script: `
		15 10 00 00 0C > 00001008 00000000 00800001 = 5/2600
		15 10 00 00 0C > 00001008 99000000 00000000 = 5/2600
		15 10 00 00 0C > 00001008 7F000000 00000000 = G
		15 10 00 00 03 > 000010 = 5/1A00
		15 10 00 00 0C > 00002008 00000000 00000000 = 5/2600
		1A 00 00 00 0C <12 = G : 0B 88 10 08 5E 000000 00 000000`},
	{Number: "F.2/52", Name: "the compression page is written back with DCE clear", Fixture: "S0", Script: `
		15 10 00 00 1C > 00001008 5E00000000000000 0F0E40800000000100000001 00000000 = G
		1A 00 0F 00 FF <255 = G : ???????? ???????????????? 0F 0E 40 80
		55 10 00 00 00 00 00 00 20 > 0000001000000008 5E00000000000000 0F0EC0800000000100000001 00000000 = G
		1A 00 0F 00 FF <255 = G : ???????? ???????????????? 0F 0E C0 80`},
	{Number: "F.2/53", Name: "MODE SELECT of a header, of nothing, with SP", Fixture: "S0", Script: `
		15 10 00 00 04 > 00001000 = G
		15 10 00 00 00 = G
		15 11 00 00 04 > 00001000 = G`},
	{Number: "F.2/54", Name: "LOGICAL UNIT RESET brings the default block length back", Fixture: "SF", Script: `
		! reset 0
		00 = 6/2903
		1A 00 00 00 0C <12 = G : ???????? ???????? 00 000000`},
	{Number: "F.2/55", Name: "LOG SENSE: list of pages, unknown page, pointer beyond", Fixture: "S0", Script: `
		4D 00 40 00 00 00 00 00FF <255 = G : 00 00 00 0A 00 02 03 0C 11 12 17 1B 2E 31
		4D 00 7B 00 00 00 00 00FF <255 = 5/2400
		4D 00 4C 00 00 7FFF 00FF <255 = 5/2400
		@A1 4D 00 40 00 00 00 00 00FF <255 = G : 00 00 00 02 00 2E`},
	{Number: "F.2/56", Name: "device status while a WRITE waits for its data", Fixture: "S0", Script: `
		start 0A 00 0003E8 > block:0:1000 = G
		4D 00 51 00 00 00 00 00FF <255 = G len=12 : 11 00 0008 0000 03 04 ?? 13 06 00
		finish = G
		P=1`},
	{Number: "F.2/57", Name: "TapeAlert 9 after writing to a protected cartridge", Fixture: "SW", Script: `
		0A 00 0003E8 > block:0:1000 = 7/2700
		4D 00 52 00 00 00 00 00FF <255 = G len=16 : 12 00 000C 0000 03 08 0080000000000000
		4D 00 52 00 00 00 00 00FF <255 = G : 12 00 000C 0000 03 08 0080000000000000`, Check: checkTapeAlert},
	{Number: "F.2/58", Name: "capacity log pages follow the data", Fixture: "S0", Check: checkCapacityPages},
	{Number: "F.2/59", Name: "READ ATTRIBUTE of everything", Fixture: "S0", Check: checkAttributes},
	{Number: "F.2/60", Name: "WRITE ATTRIBUTE sets, deletes, refuses", Fixture: "S0", Check: checkWriteAttribute},
	{Number: "F.2/61", Name: "the volume change reference grows once a load", Fixture: "S0", Check: checkVolumeChangeReference},
	{Number: "F.2/62", Name: "RESERVE(6) and who may do what", Fixture: "S0", Script: `
		16 = G
		@B0 00 = 18h
		@B0 12 00 00 00 24 <36 = G
		@B0 17 = G
		@B0 00 = 18h
		! lost A
		@B0 00 = G`},
	{Number: "F.2/63", Name: "persistent reservation, preempted", Fixture: "S0", Script: `
		5F 00 00 00 00 00000018 > 0000000000000000 000000000000000A 0000000000000000 = G
		5F 01 03 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = G
		@B0 0A 00 0003E8 > block:0:1000 = 18h
		@B0 34 <20 = 18h
		@B0 00 = G
		@B0 4D 00 51 00 00 00 00 00FF <255 = G
		@B0 1A 00 00 00 0C <12 = G
		@B0 44 00 00 00 00 00 00 2000 <8192 = G
		@B0 1E 00 00 00 00 = G
		@B0 1E 00 00 00 01 = 18h
		@B0 5F 00 00 00 00 00000018 > 0000000000000000 000000000000000B 0000000000000000 = G
		@B0 5F 04 03 00 00 00000018 > 000000000000000B 000000000000000A 0000000000000000 = G
		00 = 6/2A05
		@B0 0A 00 0003E8 > block:0:1000 = G
		0A 00 0003E8 > block:0:1000 = 18h
		5E 01 00 00 00 00 00 0018 <24 = G len=24 : ???????? 00000010 000000000000000B 00000000 00 03
		5E 02 00 00 00 00 00 0008 <8 = G len=8 : 0008 00 80 EA01 0000
		5E 03 00 00 00 00 00 00F8 <248 = G : ???????? ???????? 000000000000000B 00000000 01 03
		@B0 5F 02 01 00 00 00000018 > 000000000000000B 0000000000000000 0000000000000000 = 5/2604
		@B0 5F 02 03 00 00 00000018 > 000000000000000B 0000000000000000 0000000000000000 = G
		5F 01 03 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = 18h
		5F 00 00 00 00 00000010 > 00000000000000000000000000000000 = 5/1A00
		00 = G`},
	{Number: "B.4", Name: "Write Exclusive shares reading, Exclusive Access does not", Fixture: "S1", Script: `
		5F 00 00 00 00 00000018 > 0000000000000000 000000000000000A 0000000000000000 = G
		5F 01 01 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = G
		@B0 08 00 0003E8 <1000 = G
		@B0 0A 00 0003E8 > block:0:1000 = 18h
		5F 02 01 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = G
		5F 01 03 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = G
		@B0 08 00 0003E8 <1000 = 18h
		5F 00 00 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = G`},
	{Number: "F.2/64", Name: "PREVENT belongs to a nexus", Fixture: "S0", Script: `
		1E 00 00 00 01 = G
		@B0 1B 00 00 00 00 = 5/5302
		@A1 A5 00 0000 0100 1020 = 5/5302
		! logout A
		@B0 1B 00 00 00 00 = G`},
	{Number: "F.2/65", Name: "what is listed as supported is, and nothing else", Fixture: "S0", Check: checkOpcodes},
}

func checkVPDPages(b *Bench) error {
	for lun := range 2 {
		list, err := b.Do("A", lun, "12 01 00 00 FF", nil, 255)
		if err != nil || len(list) < 5 {
			return fmt.Errorf("page 00h: %w", err)
		}
		codes := list[4:]
		if !slices.IsSorted(codes) {
			return fmt.Errorf("LUN %d: pages % X do not ascend", lun, codes)
		}
		for _, code := range codes {
			page, err := b.Do("A", lun, fmt.Sprintf("12 01 %02X 03 FF", code), nil, 1023)
			if err != nil {
				return err
			}
			if page[1] != code || int(scsi.Uint16(page[2:])) != len(page)-4 {
				return fmt.Errorf("LUN %d page %02X: % X", lun, code, page)
			}
		}
		if err := b.Play(fmt.Sprintf("@A%d 12 01 82 00 FF <255 = 5/2400", lun)); err != nil {
			return err
		}
	}
	return nil
}

// identity returns the serial number and the NAA designator of a unit.
func (b *Bench) identity(lun int) (serial, naa []byte, err error) {
	page, err := b.Do("A", lun, "12 01 80 00 FF", nil, 255)
	if err != nil {
		return nil, nil, err
	}
	designators, err := b.Do("A", lun, "12 01 83 03 FF", nil, 1023)
	if err != nil {
		return nil, nil, err
	}
	for d := designators[4:]; len(d) >= 4; d = d[4+int(d[3]):] {
		if d[1]&0x0f == 3 {
			naa = d[4 : 4+int(d[3])]
		}
	}
	return page[4:], naa, nil
}

func checkIdentity(b *Bench) error {
	var seen [][]byte
	for range 2 {
		for lun := range 2 {
			serial, naa, err := b.identity(lun)
			if err != nil {
				return err
			}
			if len(serial) != 10 || len(naa) != 8 || naa[0]>>4 != 3 {
				return fmt.Errorf("LUN %d: serial %q, NAA % X", lun, serial, naa)
			}
			seen = append(seen, serial, naa)
		}
		if err := b.Event([]string{"restart"}); err != nil {
			return err
		}
	}
	for i := range 4 {
		if !bytes.Equal(seen[i], seen[i+4]) {
			return errors.New("an identity changed over the restart")
		}
	}
	if bytes.Equal(seen[0], seen[2]) || bytes.Equal(seen[1], seen[3]) {
		return errors.New("both units have the same identity")
	}
	return nil
}

func checkAllModePages(b *Bench) error {
	data, err := b.Do("A", 0, "1A 00 3F 00 FF", nil, 255)
	if err != nil {
		return err
	}
	var codes []byte
	for page := data[12:]; len(page) >= 2; page = page[2+int(page[1]):] {
		codes = append(codes, page[0]&0x3f)
	}
	if want := []byte{0x01, 0x02, 0x0A, 0x0F, 0x10, 0x11, 0x1C, 0x1D}; !bytes.Equal(codes, want) || int(data[0])+1 != len(data) {
		return fmt.Errorf("%d bytes with pages % X", len(data), codes)
	}
	return nil
}

func checkTapeAlert(b *Bench) error {
	for _, want := range []byte{1, 0} {
		data, err := b.Do("A", 0, "4D 00 6E 00 00 00 00 0400", nil, 1024)
		if err != nil {
			return err
		}
		if len(data) != 4+0x140 || data[4+5*8+4] != want {
			return fmt.Errorf("%d bytes, flag 9 is not %d", len(data), want)
		}
	}
	return nil
}

// logValue returns one parameter of a log page as a number, or its bytes.
func (b *Bench) logValue(page byte, code uint16) ([]byte, error) {
	data, err := b.Do("A", 0, fmt.Sprintf("4D 00 %02X 00 00 00 00 1000", page|0x40), nil, 4096)
	if err != nil {
		return nil, err
	}
	for p := data[4:]; len(p) >= 4; p = p[4+int(p[3]):] {
		if scsi.Uint16(p) == code {
			return p[4 : 4+int(p[3])], nil
		}
	}
	return nil, fmt.Errorf("page %02X has no parameter %04X", page, code)
}

func checkCapacityPages(b *Bench) error {
	read := func() (values [3]uint64, err error) {
		for i, at := range []struct {
			page byte
			code uint16
		}{{0x17, 0x0000}, {0x31, 0x0001}, {0x17, 0x0203}} {
			v, failed := b.logValue(at.page, at.code)
			err = errors.Join(err, failed)
			values[i] = number(v)
		}
		return values, err
	}
	before, err := read()
	if err != nil {
		return err
	}
	for range 16 {
		if err := b.Play("0A 00 100000 > block:0:1048576 = G"); err != nil {
			return err
		}
	}
	after, err := read()
	if err != nil {
		return err
	}
	if before[0] != 1 || after[0] != 1 || after[1] != before[1]-17 && after[1] != before[1]-16 || after[2]&0xFFFFFFFF < before[2]&0xFFFFFFFF+16 {
		return fmt.Errorf("before %v, after %v", before, after)
	}
	return nil
}

// number reads up to the last eight bytes of v.
func number(v []byte) (n uint64) {
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	return n
}

// attributeLengths is what Proxmox Backup Server expects (spec B.7).
var attributeLengths = map[uint16]int{
	0x0000: 8, 0x0001: 8, 0x0002: 8, 0x0003: 8, 0x0004: 8, 0x0005: 8, 0x0006: 1, 0x0007: 2, 0x0009: 4,
	0x020A: 40, 0x020B: 40, 0x020C: 40, 0x020D: 40, 0x0220: 8, 0x0221: 8, 0x0222: 8, 0x0223: 8,
	0x0400: 8, 0x0401: 32, 0x0402: 4, 0x0403: 4, 0x0404: 8, 0x0405: 1, 0x0406: 8, 0x0407: 8, 0x0408: 1, 0x0409: 2,
	0x0800: 8, 0x0801: 32, 0x0802: 8, 0x0803: 160, 0x0804: 12, 0x0805: 1, 0x0806: 32, 0x0807: 80, 0x0808: 160, 0x080B: 16,
}

// attributes returns all attribute values by identifier, in ascending order.
func (b *Bench) attributes() (ids []uint16, values map[uint16][]byte, err error) {
	data, err := b.Do("A", 0, "8C 00 000000 00 00 00 0000 00008000", nil, 32768)
	if err != nil {
		return nil, nil, err
	}
	values = map[uint16][]byte{}
	for p := data[4:]; len(p) >= 5; p = p[5+int(scsi.Uint16(p[3:])):] {
		id := scsi.Uint16(p)
		ids = append(ids, id)
		values[id] = p[5 : 5+int(scsi.Uint16(p[3:]))]
	}
	return ids, values, nil
}

func checkAttributes(b *Bench) error {
	ids, values, err := b.attributes()
	if err != nil {
		return err
	}
	if !slices.IsSorted(ids) {
		return fmt.Errorf("attributes %04X do not ascend", ids)
	}
	for id, value := range values {
		if want, known := attributeLengths[id]; !known || len(value) != want {
			return fmt.Errorf("attribute %04X has %d bytes", id, len(value))
		}
	}
	for _, id := range []uint16{0x0009, 0x0220, 0x0221, 0x0406, 0x0806} {
		if values[id] == nil {
			return fmt.Errorf("attribute %04X is missing", id)
		}
	}
	for _, digit := range values[0x0406] {
		if digit < '0' || digit > '9' {
			return fmt.Errorf("date is %q", values[0x0406])
		}
	}
	return nil
}

// writeAttribute sends one attribute.
func (b *Bench) writeAttribute(id uint16, format byte, value []byte, want string) error {
	list := []byte{0, 0, 0, 0, byte(id >> 8), byte(id), format, byte(len(value) >> 8), byte(len(value))}
	list = append(list, value...)
	scsi.PutUint32(list, uint32(len(list)-4))
	return b.Play(fmt.Sprintf("8D 00 000000 00 00 00 0000 %08X > %X = %s", len(list), list, want))
}

func checkWriteAttribute(b *Bench) error {
	const label = 0x0803
	text := bytes.Repeat([]byte("L"), 160)
	if err := b.writeAttribute(label, 2, text, "G"); err != nil {
		return err
	}
	_, values, err := b.attributes()
	if err != nil || !bytes.Equal(values[label], text) {
		return fmt.Errorf("label reads %q: %w", values[label], err)
	}
	if err := b.writeAttribute(label, 2, text[:159], "5/2600"); err != nil {
		return err
	}
	if err := b.writeAttribute(0x0400, 1, []byte("SOMEBODY"), "5/2600"); err != nil {
		return err
	}
	if err := b.writeAttribute(label, 2, nil, "G"); err != nil {
		return err
	}
	if _, values, err = b.attributes(); err != nil || values[label] != nil {
		return fmt.Errorf("deleted label reads %q: %w", values[label], err)
	}
	return nil
}

func checkVolumeChangeReference(b *Bench) error {
	reference := func(script string) uint64 {
		if err := b.Play(script); err != nil {
			return 0
		}
		_, values, _ := b.attributes()
		return number(values[0x0009])
	}
	const write = "0A 00 0003E8 > block:0:1000 = G"
	got := []uint64{reference(""), reference(write), reference(write), reference("! reload\n00 = 6/2800"), reference(write)}
	want := []uint64{got[0], got[0] + 1, got[0] + 1, got[0] + 1, got[0] + 2}
	if !slices.Equal(got, want) || got[0] == 0 {
		return fmt.Errorf("volume change reference went %d", got)
	}
	return nil
}

// checkOpcodes asks for every operation code whether it is there, with and
// without asking the list.
func checkOpcodes(b *Bench) error {
	for lun := range 2 {
		list, err := b.Do("A", lun, "A3 0C 00 00 0000 00001000", nil, 4096)
		if err != nil {
			return err
		}
		listed := map[byte][]byte{} // service actions, or one zero
		for d := list[4:]; len(d) >= 8; d = d[8:] {
			listed[d[0]] = append(listed[d[0]], d[3])
		}
		for op := range 256 {
			cdb := make([]byte, 16)
			cdb[0] = byte(op)
			if actions := listed[byte(op)]; len(actions) > 0 {
				cdb[1] = actions[0]
			}
			r, err := b.Exec("A", lun, cdb, nil, 0)
			if err != nil {
				return err
			}
			sense, _ := scsi.ParseSense(r.Sense)
			if unknown := sense.Code == scsi.InvalidOperationCode; unknown == (listed[byte(op)] != nil) {
				return fmt.Errorf("LUN %d, operation code %02X: listed %v, unknown %v", lun, op, !unknown, unknown)
			}
		}
	}
	return nil
}
