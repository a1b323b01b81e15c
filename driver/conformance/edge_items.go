package conformance

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// edgeItems are promises of parts B to D about commands that are rarely sent.
var edgeItems = []Item{
	{Number: "F.1/28", Name: "ABORT TASK of a WRITE that waits for its data", Fixture: "S0", Script: `
		start 0A 00 0003E8 > block:0:1000 = G
		! abort A
		finish = 40h
		00 = G
		P=0
		E=0
		0A 00 0003E8 > block:0:1000 = G
		E=1`},
	{Number: "F.1/29", Name: "LOGICAL UNIT RESET under a WRITE that waits for its data", Fixture: "S1", Script: `
		11 03 = G
		start 0A 00 0003E8 > block:0:1000 = G
		! reset 0
		finish = 40h
		00 = 6/2903
		@B0 00 = 6/2903
		E=5
		0A 00 0003E8 > block:0:1000 = G
		E=6`},
	{Number: "F.1/32", Name: "a connection lost under a WRITE that waits for its data", Fixture: "S1", Script: `
		! login A
		11 03 = G
		start 0A 00 0003E8 > block:0:1000 = G
		! lost A
		finish = 40h
		@B0 34 <20 = G : 00 00 0000 00000005
		! login A
		00 = 6/2907
		00 = G
		E=5`},
	{Number: "B.4/echo", Name: "the echo buffer gives back what it was given, to each nexus its own", Script: `
		3C 0B 00 000000 000004 <4 = G len=4 : 01 00 1000
		3C 0A 00 000000 000010 <16 = 5/2C00
		3B 0A 00 000000 000008 > 0102030405060708 = G
		@B0 3C 0A 00 000000 000010 <16 = 5/2C00
		@B0 3B 0A 00 000000 000002 > AABB = G
		3C 0A 00 000000 000010 <16 = G len=8 : 0102030405060708
		3C 0A 00 000000 000004 <4 = G len=4 : 01020304
		@B0 3C 0A 00 000000 000010 <16 = G len=2 : AABB
		3B 0A 00 000000 001001 > block:0:4097 = 5/2400`},
	// MODE SENSE waits for its turn, so behind it an operation is over.
	{Number: "C.8/immediate", Name: "commands with IMMED do their work", Fixture: "S1", Script: `
		11 00 000002 = G
		01 01 = G
		P=0
		2B 01 00 00000003 = G
		P=3
		04 01 = 5/3B0C
		19 02 = G
		1A 00 00 00 0C <12 = G
		E=3
		01 = G
		04 01 = G
		1A 00 00 00 0C <12 = G
		E=0
		1E 00 00 00 01 = G
		1B 01 = 5/5302
		1E = G
		1B 01 = G
		1A 00 00 00 0C <12 = G
		00 = 2/3A00
		1B 01 00 00 01 = G
		1A 00 00 00 0C <12 = G
		00 = G
		P=0`},
	{Number: "B.5/protection", Name: "logical block protection from the initiator to the record", Fixture: "S1", Check: checkBlockProtection},
	{Number: "D.5/search", Name: "SEND VOLUME TAG searches, REQUEST VOLUME ELEMENT ADDRESS tells", Script: `
		@A1 B5 10 0000 FFFF 00 00FFFF <65535 = 5/2C00
		@A1 B6 00 0000 00 05 0000 0028 > 414243303033 2A 20202020202020202020202020202020202020202020202020 0000 0000 0000 0000 = G
		@A1 B5 10 0000 FFFF 00 00FFFF <65535 = G len=68 : 1003 0001 05 00003C 02 80 0034 00 000034 1003 09 00 0000 00 0000 01 0000 4142433030334C38
		@A1 B5 00 0000 FFFF 00 000008 <8 = G len=8 : 1003 0001 05 000018
		@B1 B5 10 0000 FFFF 00 00FFFF <65535 = 5/2C00
		@A1 B6 02 1004 00 00 0000 0028 > 3F3F3F3F3F3F2A 38 202020202020202020202020202020202020202020202020 0000 0000 0000 0000 = G
		@A1 B5 00 0000 FFFF 00 00FFFF <65535 = G len=112 : 1004 0006 00 000068
		@A1 B5 00 0000 0002 00 00FFFF <65535 = G len=48 : 1004 0002 00 000028
		@A1 B5 00 1009 FFFF 00 00FFFF <65535 = G len=32 : 1009 0001
		@A1 B6 00 0000 00 04 0000 0028 > 5A2A 202020202020202020202020202020202020202020202020202020202020 0000 0000 0000 0000 = G
		@A1 B5 00 0000 FFFF 00 00FFFF <65535 = G len=8 : 0000 0000 04 000000
		@A1 B6 00 0000 00 0A 0000 0028 > 5A2A 202020202020202020202020202020202020202020202020202020202020 0000 0000 0000 0000 = 5/2400
		@A1 B6 00 0000 00 05 0000 0010 > 5A2A2020202020202020202020202020 = 5/1A00
		@A1 B6 05 0000 00 05 0000 0028 > 5A2A 202020202020202020202020202020202020202020202020202020202020 0000 0000 0000 0000 = 5/2400`},
}

// protectedBlock is a pattern with its CRC32C behind it.
func protectedBlock(seed, n int) []byte {
	p := Pattern(seed, n)
	return binary.LittleEndian.AppendUint32(p, crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
}

// checkBlockProtection writes and reads with a CRC behind each block, and without
// it finds the plain block on tape.
func checkBlockProtection(b *Bench) error {
	const protection, off = "15 10 00 00 24 > 00001000 4AF0001C %s 0000000000 00000000000000000000 00000000000000000000 = %s\n", "00 00 00"
	right := protectedBlock(7, 1000)
	wrong := append([]byte{}, right...)
	wrong[500] ^= 1
	script := `
		12 01 B5 00 FF <255 = G len=12 : 01 B5 0008 00000000 03 02 04 C0
		1A 08 0A F0 FF <255 = G len=36 : ???????? 4A F0 001C 00 00 00`
	for values, outcome := range map[string]string{"03 04 C0": "5/2600", "02 08 C0": "5/2600", "02 04 E0": "5/2600", "00 00 80": "5/2600", "00 04 00": "5/2600"} {
		script += "\n" + fmt.Sprintf(protection, values, outcome)
	}
	script += "\n" + fmt.Sprintf(protection, "02 04 C0", "G") + `
		@B0 00 = 6/2A01`
	script += fmt.Sprintf(`
		0A 00 0003EC > %X = 4/1001 I=1004
		P=0
		0A 00 0003EC > %X = G
		0A 00 000004 > 00000000 = 5/2400
		0A 01 000001 > 00000000 = 5/2400
		10 00 000001 = G
		01 = G
		08 00 0003EC <1004 = G len=1004 : %X`, wrong, right, right)
	script += fmt.Sprintf(`
		08 00 0003EC <1004 = 0/0001 FM I=1004
		08 00 0003EC <1004 = 8/0005 I=1004
		01 = G
		08 00 001000 <4096 = 0/0000 ILI I=3092 U=3092 len=1004 : %X
		01 = G
		08 00 0001F4 <500 = 0/0000 ILI I=-504 len=500
		0F 00 0003EC <1004 = 5/2400
		01 = G
`, right) + fmt.Sprintf(protection, off, "G") + `
		@B0 00 = 6/2A01
		08 00 0003E8 <1000 = G len=1000 block:7`
	return b.Play(script)
}
