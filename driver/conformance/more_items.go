package conformance

import (
	"errors"
	"fmt"

	"virtualloader/driver/scsi"
)

// moreItems are promises of parts A and B that the checklist has no number for.
var moreItems = []Item{
	{Number: "A.7/logout", Name: "a clean logout drops RESERVE and PREVENT and leaves no unit attention", Fixture: "S0", Script: `
		! login A
		16 = G
		1E 00 00 00 01 = G
		! logout A
		@B0 00 = G
		@B0 1B 00 00 00 00 = G
		! login A
		00 = 2/3A00
		@A1 00 = G`},
	{Number: "A.7/inventory", Name: "a nexus hears after logging in again what changed meanwhile", Script: `
		! login A
		! logout A
		! add
		! import
		! login A
		@A1 00 = 6/2800
		@A1 00 = 6/2801
		@A1 00 = G`},
	{Number: "A.7/twice", Name: "the same unit attention waits once", Fixture: "S0", Script: `
		! lost A
		! lost A
		! lost A
		00 = 6/2907
		00 = G`},
	{Number: "B.2/descriptor", Name: "D_SENSE asks for descriptor format", Fixture: "S1", Script: `
		15 10 00 00 10 > 00001000 0A0A 06 00 00 00 00 00 00 00 00 00 = G
		1A 08 0A 00 FF <255 = G : ???????? 0A0A 06`, Check: checkDescriptorFormat},
	{Number: "B.4/diagnostics", Name: "diagnostics and buffers say little", Script: `
		1D 04 = G
		1D 10 00 0008 > 0000000000000000 = 5/2400
		1C 01 00 0010 <16 = G len=5 : 00 00 0001 00
		1C 01 40 0010 <16 = 5/2400
		3C 03 00 000000 000004 <4 = G len=4 : 00000000
		3C 02 00 000000 000004 <4 = 5/2400
		3B 05 00 000000 000004 > 00000000 = 5/2400`},
	{Number: "B.4/opcodes", Name: "REPORT SUPPORTED OPERATION CODES of one command", Script: `
		A3 0C 01 08 0000 00000100 <256 = G len=10 : 00 03 0006 08 03 FF FF FF 04
		A3 0C 81 08 0000 00000100 <256 = G len=22 : 00 83 0006 08 03 FF FF FF 04 000A
		A3 0C 01 28 0000 00000100 <256 = G len=4 : 00 01
		A3 0C 01 A3 0000 00000100 <256 = 5/2400
		A3 0C 02 A3 000D 00000100 <256 = G len=16 : 00 03 000C A3 0D
		A3 0C 02 A3 0001 00000100 <256 = G len=4 : 00 01
		A3 0C 02 08 0000 00000100 <256 = 5/2400
		A3 0C 03 08 0000 00000100 <256 = G len=10 : 00 03
		A3 0C 04 08 0000 00000100 <256 = 5/2400
		A3 0D 00 00 0000 00000004 <4 = G len=4 : D8 00 00 00
		A3 1F = 5/2400`},
	{Number: "B.4/timestamp", Name: "the timestamp that was set runs on", Script: `
		A4 0F 00 00 0000 0000000C > 0000 0000 000100000000 0000 = G
		A3 0F 00 00 0000 0000000C <12 = G len=12 : 000A 02 00 00010000`},
	{Number: "B.4/prevent", Name: "PREVENT values that do not exist", Fixture: "S0", Script: `
		1E 00 00 00 02 = 5/2400
		1E 00 00 00 03 = 5/2400
		1E 00 00 00 01 = G
		1B = 5/5302
		@B0 1E 00 00 00 00 = G
		1B = 5/5302
		! reset 0
		00 = 6/2903
		1B = G`},
	{Number: "B.4/reserve", Name: "RESERVE(10), release, and PREVENT under it", Fixture: "S0", Script: `
		56 = G
		@B0 16 = 18h
		@B0 1E 00 00 00 01 = 18h
		@B0 1E 00 00 00 00 = G
		@B0 A0 00 00000000 00000018 <24 = G
		57 = G
		@B0 16 = G
		00 = 18h
		! reset 0
		00 = 6/2903
		00 = G
		16 10 = 5/2400`},
	{Number: "B.4/registrants", Name: "a reservation of registrants is released, cleared", Fixture: "S0", Script: `
		5F 06 00 00 00 00000018 > 0000000000000000 000000000000000A 0000000000000000 = G
		@B0 5F 06 00 00 00 00000018 > 0000000000000099 000000000000000B 0000000000000000 = G
		5F 01 05 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = G
		@B0 0A 00 000010 > block:0:16 = G
		16 = 18h
		5F 02 05 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = G
		@B0 00 = 6/2A04
		5F 01 08 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = G
		5E 01 00 00 00 00 00 0018 <24 = G len=24 : ???????? 00000010 0000000000000000 00000000 00 08
		@B0 5F 03 00 00 00 00000018 > 000000000000000B 0000000000000000 0000000000000000 = G
		00 = 6/2A03
		5E 00 00 00 00 00 00 0018 <24 = G len=8 : ???????? 00000000
		5F 01 02 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = 5/2400
		5F 00 00 00 00 00000018 > 0000000000000000 000000000000000A 00000000 01 000000 = 5/2600`},
	{Number: "B.4/move", Name: "REGISTER AND MOVE to a nexus that is named", Fixture: "S0", Check: checkRegisterAndMove},
	{Number: "B.4/unregister", Name: "the holder takes its registration back", Fixture: "S0", Script: `
		5F 06 00 00 00 00000018 > 0000000000000000 000000000000000A 0000000000000000 = G
		@B0 5F 06 00 00 00 00000018 > 0000000000000000 000000000000000B 0000000000000000 = G
		5F 01 05 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = G
		5F 06 00 00 00 00000018 > 0000000000000000 0000000000000000 0000000000000000 = G
		@B0 00 = 6/2A04
		5E 01 00 00 00 00 00 0018 <24 = G len=8
		5E 00 00 00 00 00 00 0018 <24 = G len=16
		! lost B
		@B0 00 = 6/2907
		5E 00 00 00 00 00 00 0018 <24 = G len=16
		@B0 5F 05 01 00 00 00000018 > 000000000000000B 0000000000000077 0000000000000000 = 18h`},
	{Number: "B.5/changeable", Name: "changeable values are masks, defaults stay", Fixture: "S0", Script: `
		1A 00 4F 00 FF <255 = G : ???????? 0000000000FFFFFF 0F 0E 80 80 00000000 00000000 00000000
		15 10 00 00 1C > 00001008 5E00000000000200 0F0E40800000000100000001 00000000 = G
		1A 00 8F 00 FF <255 = G : ???????? 5E00000000000000 0F 0E C0 80
		1A 08 10 01 FF <255 = G len=36 : 23 ???? 00 50 01 00 1C 00 02
		1A 08 10 FF FF <255 = G len=52
		1A 08 3F FF FF <255 = G
		1A 08 3F 01 FF <255 = 5/2400
		5A 08 3F FF 000000 0004 <4 = G len=4
		1A 08 11 00 FF <255 = G len=16 : ???????? 11 0A 01 00 1C 03 09 00 0001 0000
		15 10 00 00 24 > 00001000 5001001C 0022 0000 00 00000000000000000000000000000000000000000000000000 = 5/2600
		15 10 00 00 0E > 00001000 0F08C080000000010000 = 5/1A00
		15 10 00 00 05 > 00001000 0F = 5/1A00
		15 10 00 00 04 > 00001008 = 5/1A00
		15 10 00 00 06 > 00001000 2A00 = 5/2600`},
	{Number: "B.6/pages", Name: "subpage list, compression page, LOG SENSE with SP", Fixture: "S0", Script: `
		4D 00 40 FF 00 00 00 00FF <255 = G : 40 FF 0016 0000 00FF 0200 0300
		4D 00 40 00 00 0001 00FF <255 = 5/2400
		4D 00 5B 00 00 00 00 00FF <255 = G : 1B 00 004C 0000 03 02 0064
		4D 00 5B 01 00 00 00 00FF <255 = 5/2400
		4D 01 5B 00 00 00 00 00FF <255 = 5/2400`},
	{Number: "B.7/lists", Name: "READ ATTRIBUTE lists and refusals", Fixture: "S0", Script: `
		8C 02 000000 00 00 00 0000 00000100 <256 = G len=4 : 0002 00 01
		8C 03 000000 00 00 00 0000 00000100 <256 = G len=4 : 0002 00 01
		8C 01 000000 00 00 00 0800 00000100 <256 = G len=6 : 00000002 0806
		8C 05 000000 00 00 00 080B 00000100 <256 = G len=8 : 00000004 080B 080C
		8C 04 000000 00 00 00 0000 00000100 <256 = 5/2400
		8C 00 000000 00 00 01 0000 00000100 <256 = 5/2400
		8D 00 000000 00 00 00 0000 00000006 > 000000020800 = 5/1A00
		8D 00 000000 00 00 00 0000 00000000 = G`},
	{Number: "B.6/clear", Name: "LOG SELECT clears counters", Fixture: "S0", Script: `
		0A 00 0003E8 > block:0:1000 = G
		4D 00 42 00 00 0005 00FF <255 = G : 02 00 0018 0005 03 08 00000000000003E8
		4C 02 02 = G
		4D 00 42 00 00 0005 00FF <255 = G : 02 00 0018 0005 03 08 0000000000000000
		4C 01 = 5/2400
		4C 02 3D = 5/2400
		4C 00 00 00 00 00 00 0004 > 00000000 = 5/2400`},
	{Number: "C.3/13", Name: "fixed blocks up to one that does not match its checksum", Fixture: "SF", Script: `
		! corrupt 1600
		08 01 000008 <4096 = 3/1100 I=5 len=1536
		P=3
		13 01 000008 = 3/1100 I=8
		11 00 FFFFFE = G
		13 01 000008 = 3/1100 I=6
		11 00 000001 = G
		13 01 000008 = 0/0001 FM I=2
		13 20 = G
		P=16`},
	{Number: "C.4/unbuffered", Name: "buffered mode 0 is kept and reported", Fixture: "S0", Script: `
		15 10 00 00 04 > 00000000 = G
		1A 00 00 00 0C <12 = G : 0B 88 00
		0A 00 0003E8 > block:0:1000 = G
		@B0 00 = 6/2A01`},
	{Number: "C.6/sequential", Name: "SPACE over sequential filemarks", Fixture: "S1", Script: `
		11 03 = G
		10 00 000003 = G
		01 = G
		11 02 000002 = G
		P=6
		11 02 000004 = 8/0005
		11 02 FFFFFE = G
		P=6`},
}

func checkDescriptorFormat(b *Bench) error {
	r, err := b.Exec("A", 0, []byte{0x08, 0, 0, 0x10, 0, 0}, nil, 4096)
	if err != nil {
		return err
	}
	sense, _ := scsi.ParseSense(r.Sense)
	if len(r.Sense) == 0 || r.Sense[0] != 0x72 || !sense.ILI || !sense.Valid || sense.Information != 3096 {
		return fmt.Errorf("sense data % X", r.Sense)
	}
	return nil
}

// checkRegisterAndMove takes nexus B's TransportID from the full status, for
// only the stage knows its name.
func checkRegisterAndMove(b *Bench) error {
	const register = "5F 06 00 00 00 00000018 > 0000000000000000 00000000000000%s 0000000000000000 = G\n"
	if err := b.Play("@B0 " + fmt.Sprintf(register, "0B")); err != nil {
		return err
	}
	full, err := b.Do("A", 0, "5E 03 00 00 00 00 00 0100", nil, 256)
	if err != nil || len(full) < 8+24+24 {
		return errors.Join(err, fmt.Errorf("full status of %d bytes", len(full)))
	}
	id := full[8+24:]
	if err := b.Play(fmt.Sprintf(register, "0A") + "5F 01 01 00 00 00000018 > 000000000000000A 0000000000000000 0000000000000000 = G"); err != nil {
		return err
	}
	list := append(make([]byte, 24), id...)
	list[7], list[15], list[17] = 0x0A, 0x0C, 0x02 // UNREG
	scsi.PutUint32(list[20:], uint32(len(id)))
	return b.Play(fmt.Sprintf(`
		5F 07 00 00 00 %08X > %X = G
		0A 00 000010 > block:0:16 = 18h
		@B0 0A 00 000010 > block:0:16 = G
		5E 01 00 00 00 00 00 0018 <24 = G : ???????? 00000010 000000000000000C 00000000 00 01
		5E 00 00 00 00 00 00 0018 <24 = G len=16`, len(list), list))
}
