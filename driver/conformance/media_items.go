package conformance

import (
	"errors"
	"fmt"

	"virtualloader/driver/scsi"
)

// mediaItems are what the medium offers beyond the checklist.
var mediaItems = []Item{
	{Number: "C.3/reverse", Name: "READ REVERSE of blocks, a filemark, the beginning", Fixture: "S1", Script: `
		0F 06 001000 <4096 = 0/0004 EOM I=4096
		P=0
		11 03 = G
		0F 06 001000 <4096 = 0/0001 FM I=4096
		P=4
		0F 04 000BB8 <3000 = G len=3000 block:3
		P=3
		0F 04 000000 = G
		0F 04 001000 <4096 = 0/0001 FM I=4096
		P=2
		0F 04 001000 <4096 = 0/0000 ILI I=2096 U=2096 len=2000 block:1
		P=1
		0F 06 000004 <4 = G len=4 block:0
		P=0
		08 00 0003E8 <1000 = G block:0
		0F 04 0001F4 <500 = 0/0000 ILI I=-500 len=500 block:0
		P=0
		0F 05 000001 <512 = 5/2400`},
	{Number: "C.3/reverse-bytes", Name: "READ REVERSE without BYTORD brings the last byte first", Fixture: "S0", Script: `
		0A 00 000005 > 0102030405 = G
		0F 00 000005 <5 = G len=5 : 05 04 03 02 01
		08 02 000005 <5 = G : 01 02 03 04 05
		0F 02 000002 <2 = G len=2 : 05 04
		P=0`},
	{Number: "C.3/reverse-fixed", Name: "READ REVERSE of fixed blocks", Fixture: "SF", Script: `
		11 03 = G
		0F 05 000004 <2048 = 0/0000 ILI I=3 len=512 block:15
		P=14
		0F 05 000003 <1536 = G len=1536
		P=11
		0F 05 000002 <1024 = 0/0001 FM I=2 len=0
		P=10
		0F 05 00000A <5120 = G len=5120
		P=0
		0F 05 000001 <512 = 0/0004 EOM I=1
		0F 07 000001 <512 = 5/2400`},
	{Number: "C.3/reverse-damaged", Name: "READ REVERSE of a record that does not match its checksum", Fixture: "S1", Script: `
		! corrupt 1500
		92 00 0000 0000000000000002 = G
		0F 04 0007D0 <2000 = 3/1100 I=2000
		P=2
		11 00 FFFFFF = G
		0F 04 0003E8 <1000 = G block:0`},
	{Number: "F.2/66", Name: "a key is set, used, taken away", Fixture: "S0", Script: `
		A2 00 0000 00 00 00000400 <1024 = G len=10 : 000000000000 0002 00 20
		A2 20 0000 00 00 00000400 <1024 = G len=18 : 0000 000E 0000 0001 0010 0011 0012 0020 0021
		A2 20 0001 00 00 00000400 <1024 = G len=6 : 0001 0002 0010
		A2 20 0010 00 00 00000400 <1024 = G len=44 : 0010 0028 01 000000000000000000000000000000 01 00 0014 BA 10 0020 000C 0020 09 00000000000000 00010014
		A2 20 0011 00 00 00000400 <1024 = G len=5 : 0011 0001 00
		A2 20 0012 00 00 00000400 <1024 = G len=16 : 0012 000C 00 04 00 07
		A2 20 0020 00 00 00000400 <1024 = G len=24 : 0020 0014 00 00 00 00 00000000
		0A 00 0003E8 > block:0:1000 = G
		` + setKey("40 00 02 03", keyA) + `
		@B0 00 = 6/2A11
		@B0 00 = G
		A2 20 0020 00 00 00000400 <1024 = G len=24 : 0020 0014 42 02 03 01 00000001 11 00
		@B0 A2 20 0020 00 00 00000400 <1024 = G len=24 : 0020 0014 02 02 03 01 00000001
		0A 00 0003E8 > block:1:1000 = G
		10 00 000001 = G
		01 = G
		A2 20 0021 00 00 00000400 <1024 = G len=16 : 0021 000C 0000000000000000 33 00
		08 00 0003E8 <1000 = G block:0
		A2 20 0021 00 00 00000400 <1024 = G len=16 : 0021 000C 0000000000000001 35 01
		08 00 0003E8 <1000 = G block:1
		A2 20 0021 00 00 00000400 <1024 = G len=16 : 0021 000C 0000000000000002 22 00
		` + setKey("40 00 00 00", "") + `
		92 00 0000 0000000000000001 = G
		A2 20 0021 00 00 00000400 <1024 = G len=16 : 0021 000C 0000000000000001 36 01
		08 00 0003E8 <1000 = 7/7401 I=1000
		P=1
		13 00 0003E8 = 7/7401 I=1000
		11 00 000001 = G
		P=2
		92 00 0000 0000000000000001 = G
		` + setKey("40 00 00 03", keyB) + `
		08 00 0003E8 <1000 = 7/7403 I=1000
		A2 20 0021 00 00 00000400 <1024 = G len=16 : 0021 000C 0000000000000001 36 01
		` + setKey("40 00 00 02", keyA) + `
		08 00 0003E8 <1000 = G block:1
		01 = G
		08 00 0003E8 <1000 = 7/7402 I=1000
		P=0`},
	{Number: "B.8/kad", Name: "key-associated data come back with the block", Fixture: "S0", Script: `
		B5 20 0010 00 00 0000003F > 0010003B 40 00 02 03 01 00 01 00000000000000 0020 ` + keyA + ` 00000003414243 01000000 = G
		A2 20 0020 00 00 00000400 <1024 = G len=31 : 0020 001B 42 02 03 01 ???????? 11 01 ???????????????????? 00 00 0003 414243
		0A 00 0003E8 > block:1:1000 = G
		01 = G
		A2 20 0021 00 00 00000400 <1024 = G len=23 : 0021 0013 0000000000000000 35 01 00 01 00 01 0003 414243
		A2 20 0021 00 00 00000010 <16 = G len=16 : 0021 0013
		A2 20 0021 80 00 00000001 <512 = G len=23
		08 00 0003E8 <1000 = G block:1`},
	{Number: "B.8/refused", Name: "parameters that make no sense change nothing", Fixture: "S0", Script: `
		A2 20 0030 00 00 00000400 <1024 = 5/2400
		A2 21 0000 00 00 00000400 <1024 = 5/2400
		B5 00 0010 00 00 00000004 > 00100000 = 5/2400
		B5 20 0011 00 00 00000004 > 00110000 = 5/2400
		B5 20 0010 00 00 00000000 = G
		B5 20 0010 00 00 00000004 > 00100000 = 5/1A00
		` + refuseKey("60 00 02 02 01") + refuseKey("41 00 02 02 01") + refuseKey("40 08 02 02 01") +
		refuseKey("40 30 02 02 01") + refuseKey("40 00 01 02 01") + refuseKey("40 00 02 01 01") +
		refuseKey("40 00 02 02 02") + `
		B5 20 0010 00 00 00000014 > 00100010 40 00 02 02 01 00 00 00000000000000 0010 = 5/2600
		B5 20 0010 00 00 00000014 > 00100010 40 00 02 02 01 00 00 00000000000000 0020 = 5/1A00
		B5 20 0010 00 00 00000038 > 00100034 40 00 02 02 01 00 00 00000000000000 0020 ` + keyA + ` 02000000 = 5/2600
		B5 20 0010 00 00 00000038 > 00100034 40 00 02 02 01 00 00 00000000000000 0020 ` + keyA + ` 00000001 = 5/1A00
		A2 20 0020 00 00 00000400 <1024 = G len=24 : 0020 0014 00 00 00 00 00000000
		@B0 00 = G`},
	{Number: "B.8/scope", Name: "a key of one nexus is not another's, and ends with it", Fixture: "S0", Script: `
		` + setKey("20 00 02 02", keyA) + `
		@B0 00 = G
		A2 20 0020 00 00 00000400 <1024 = G : 0020 0014 21 02 02 01
		@B0 A2 20 0020 00 00 00000400 <1024 = G : 0020 0014 00 00 00 00
		0A 00 0003E8 > block:0:1000 = G
		@B0 0A 00 0003E8 > block:1:1000 = G
		01 = G
		@B0 08 00 0003E8 <1000 = 7/7401 I=1000
		08 00 0003E8 <1000 = G block:0
		08 00 0003E8 <1000 = 7/7402 I=1000
		@B0 08 00 0003E8 <1000 = G block:1
		01 = G
		! lost A
		00 = 6/2907
		08 00 0003E8 <1000 = 7/7401 I=1000
		@B0 ` + setKey("40 00 02 02", keyA) + `
		00 = 6/2A11
		08 00 0003E8 <1000 = G block:0
		` + setKey("20 00 00 00", "") + `
		01 = G
		08 00 0003E8 <1000 = 7/7401 I=1000
		` + setKey("00 00 00 00", "") + `
		08 00 0003E8 <1000 = G block:0`},
	{Number: "B.8/cleared", Name: "keys end with CKOD at the unload, with a reset and with the service", Fixture: "S0", Script: `
		` + setKey("40 00 02 03", keyA) + `
		@B0 00 = 6/2A11
		0A 00 0003E8 > block:0:1000 = G
		1B = G
		1B 00 00 00 01 = G
		08 00 0003E8 <1000 = G block:0
		` + setKey("40 04 02 03", keyA) + `
		1B = G
		1B 00 00 00 01 = G
		08 00 0003E8 <1000 = 7/7401 I=1000
		` + setKey("40 00 02 03", keyA) + `
		08 00 0003E8 <1000 = G block:0
		! reset 0
		00 = 6/2903
		01 = G
		08 00 0003E8 <1000 = 7/7401 I=1000
		` + setKey("40 00 02 03", keyA) + `
		08 00 0003E8 <1000 = G block:0
		! restart
		drain
		08 00 0003E8 <1000 = 7/7401 I=1000`},
	{Number: "B.8/fixed", Name: "fixed blocks are encrypted and compressed too", Fixture: "S0", Script: `
		! compression
		drain
		15 10 00 00 0C > 00001008 00000000 00000200 = G
		` + setKey("40 00 02 02", keyA) + `
		0A 01 000004 > zeros:2048 = G
		01 = G
		A2 20 0021 00 00 00000400 <1024 = G len=16 : 0021 000C 0000000000000000 45 01
		08 01 000004 <2048 = G zeros
		0F 05 000004 <2048 = G zeros
		` + setKey("40 00 00 00", "") + `
		08 01 000004 <2048 = 7/7401 I=4
		P=0
		0F 05 000001 <512 = 0/0004 EOM I=1`},
	{Number: "C.10/partitions", Name: "two partitions: made, changed between, told of, kept", Fixture: "S0", Script: `
		15 10 00 00 10 > 00001000 110A 00 01 30 03 00 00 FFFF 0040 = G
		drain
		1A 08 11 00 FF <255 = G len=16 : ???????? 11 0A 01 00
		04 00 01 = G
		1A 08 11 00 FF <255 = G len=16 : ???????? 11 0A 01 01
		34 00 <20 = G : 80 00
		4D 00 57 00 00 0202 0400 <1024 = G : 17 00 ???? 0202 03 10 07 00 0000 000000CC 07 00 0001 0000003F
		0A 00 0003E8 > block:0:1000 = G
		2B 02 00 00000000 00 02 = 5/2400
		P=1
		2B 02 00 00000000 00 01 = G
		34 00 <20 = G : 80 01
		34 06 <32 = G : 80 000000 00000001 0000000000000000
		34 08 00 00 00 00 00 0020 <32 = G : 80 01 001C
		1A 08 10 00 FF <255 = G : ???????? 10 0E 00 01
		0A 00 0003E8 > block:1:1000 = G
		10 00 000001 = G
		E=2
		0A 00 500000 > zeros:5242880 = G
		4D 00 57 00 00 0203 0400 <1024 = G : 17 00 ???? 0203 03 10 07 00 0000 00000000 07 00 0001 00000005
		4D 00 71 00 00 0000 00FF <255 = G : 31 00 0020 0001 03 04 000000C2 0002 03 04 00000037 0003 03 04 000000C3 0004 03 04 0000003D
		01 = G
		34 06 <32 = G : 80 000000 00000001
		04 = 5/3B0C
		8C 03 000000 00 00 00 0000 00000100 <256 = G len=4 : 0002 00 02
		8C 00 000000 00 00 01 0001 00000011 <17 = G : ???????? 0001 80 0008 000000000000003D
		8D 00 000000 00 00 01 0000 0000000A > 00000006 080C 00 0001 AA = G
		8C 00 000000 00 00 01 080C 00000100 <256 = G len=10 : 00000006 080C 00 0001 AA
		8C 00 000000 00 00 00 080C 00000100 <256 = G len=4
		8C 00 000000 00 00 02 080C 00000100 <256 = 5/2400
		34 06 <32 = G : 80 000000 00000001
		92 02 0000 0000000000000000 = G
		08 00 0003E8 <1000 = G block:0
		92 02 0001 0000000000000000 = G
		08 00 0003E8 <1000 = G block:1
		1B 00 00 00 01 = G
		34 06 <32 = G : 80 000000 00000000
		1B = G
		1B 00 00 00 01 = G
		08 00 0003E8 <1000 = G block:0
		! restart
		drain
		92 1A 0001 = G
		34 06 <32 = G : 00 000000 00000001 0000000000000003 0000000000000001
		11 01 FFFFFF = G
		11 00 FFFFFF = G
		08 00 0003E8 <1000 = G block:1
		92 02 0000 0000000000000000 = G
		04 00 00 = G
		2B 02 00 00000000 00 01 = 5/2400
		8C 00 000000 00 00 01 0001 00000100 <256 = 5/2400
		4D 00 71 00 00 0003 00FF <255 = G : 31 00 0010 0003 03 04 00000100 0004 03 04 00000000`},
	{Number: "C.10/partition-page", Name: "ways to ask for partitions, and what cannot be", Fixture: "S0", Script: `
		15 10 00 00 0C > 00001000 1106 00 01 80 03 00 00 = G
		drain
		04 00 02 = G
		1A 08 11 00 FF <255 = G : ???????? 11 0A 01 01
		15 10 00 00 0E > 00001000 1108 00 00 20 03 00 00 FFFF = G
		04 00 01 = G
		1A 08 11 00 FF <255 = G : ???????? 11 0A 01 00
		15 10 00 00 10 > 00001000 110A 00 02 20 03 00 00 FFFF 0001 = 5/2600
		15 10 00 00 10 > 00001000 110A 00 01 A0 03 00 00 FFFF 0001 = 5/2600
		15 10 00 00 0B > 00001000 1105 00 01 A0 03 00 = 5/1A00
		15 10 00 00 12 > 00001000 110C 00 01 20 03 00 00 FFFF 0001 0000 = 5/1A00
		15 10 00 00 10 > 00001000 110A 00 01 30 03 00 00 0100 0100 = G
		0A 00 0003E8 > block:0:1000 = G
		01 = G
		04 00 01 = 5/2600
		15 10 00 00 10 > 00001000 110A 00 01 38 03 09 00 0001 FFFF = G
		04 00 01 = 5/2600
		15 10 00 00 10 > 00001000 110A 00 01 38 03 0F 00 FFFF FFFE = G
		04 00 01 = 5/2600
		08 00 0003E8 <1000 = G block:0
		01 = G
		15 10 00 00 10 > 00001000 110A 00 01 38 03 06 00 0040 FFFF = G
		04 00 01 = G
		4D 00 71 00 00 0003 00FF <255 = G : 31 00 0010 0003 03 04 0000003E 0004 03 04 000000C2`},
	{Number: "C.10/partition-erase", Name: "writing, ERASE and filemarks keep to their partition", Fixture: "S0", Script: `
		15 10 00 00 10 > 00001000 110A 00 01 30 03 00 00 FFFF 0040 = G
		drain
		04 00 01 = G
		0A 00 0003E8 > block:0:1000 = G
		92 02 0001 0000000000000000 = G
		0A 00 0003E8 > block:1:1000 = G
		10 00 000001 = G
		92 02 0000 0000000000000000 = G
		19 01 = G
		E=0
		11 01 000001 = 8/0005 I=1
		92 02 0001 0000000000000000 = G
		13 20 = G
		P=2
		82 00 01 01 0000000000000000 = 5/200C`},
	{Number: "C.11/compression", Name: "DCE compresses where the loader allows it, and the figures are true", Fixture: "S0", Check: checkCompression},
	{Number: "C.11/plain", Name: "without the loader's leave DCE is kept and does nothing", Fixture: "S0", Check: checkPlain},
}

const (
	keyA = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
	keyB = "FF0102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
)

// setKey is a Set Data Encryption page: scope, flags and the two modes, and a key.
func setKey(modes, key string) string {
	return fmt.Sprintf("B5 20 0010 00 00 %08X > 0010%04X %s 01 00 00 00000000000000 %04X %s = G", 20+len(key)/2, 16+len(key)/2, modes, len(key)/2, key)
}

// refuseKey is one that cannot be.
func refuseKey(modes string) string {
	return "B5 20 0010 00 00 00000034 > 00100030 " + modes + " 00 00 00000000000000 0020 " + keyA + " = 5/2600\n"
}

// logNumber reads one binary parameter of a log page.
func (b *Bench) logNumber(page byte, code uint16) (uint64, error) {
	data, err := b.Do("A", 0, fmt.Sprintf("4D 00 %02X 00 00 %04X 0400", 0x40|page, code), nil, 1024)
	if err != nil || len(data) < 8 || scsi.Uint16(data[4:]) != code || len(data) < 8+int(data[7]) {
		return 0, errors.Join(err, fmt.Errorf("log page %02Xh has no parameter %04Xh", page, code))
	}
	value := uint64(0)
	for _, v := range data[8 : 8+int(data[7])] {
		value = value<<8 | uint64(v)
	}
	return value, nil
}

// figures compares log parameters with what they should be.
func (b *Bench) figures(want map[[2]uint16]func(uint64) bool) error {
	for at, ok := range want {
		value, err := b.logNumber(byte(at[0]), at[1])
		if err != nil {
			return err
		}
		if !ok(value) {
			return fmt.Errorf("log page %02Xh, parameter %04Xh is %d", at[0], at[1], value)
		}
	}
	return nil
}

func is(n uint64) func(uint64) bool         { return func(v uint64) bool { return v == n } }
func between(a, b uint64) func(uint64) bool { return func(v uint64) bool { return v >= a && v <= b } }

// writeThrice writes three blocks of 1 MiB that can be compressed.
const writeThrice = `
	0A 00 100000 > zeros:1048576 = G
	0A 00 100000 > zeros:1048576 = G
	0A 00 100000 > zeros:1048576 = G
	01 = G
	08 00 100000 <1048576 = G zeros
	08 00 100000 <1048576 = G zeros
	13 00 100000 = G`

func checkCompression(b *Bench) error {
	if err := b.Play("! compression\ndrain\n" + writeThrice); err != nil {
		return err
	}
	err := b.figures(map[[2]uint16]func(uint64) bool{
		{0x0C, 0}: is(3 << 20), {0x0C, 1}: between(1, 3<<15), {0x0C, 2}: between(1, 2<<15), {0x0C, 3}: is(2 << 20),
		{0x1B, 0}: between(1000, 65535), {0x1B, 1}: between(1000, 65535), {0x17, 0x12}: between(1000, 65535),
		{0x17, 0x17}: is(0), {0x31, 1}: is(255),
	})
	if err != nil {
		return err
	}
	// DCE off: the next block is stored plain, what is there stays readable.
	if err := b.Play(`
		15 10 00 00 14 > 00001000 0F0E40800000000100000001 00000000 = G
		11 03 = G
		0A 00 100000 > zeros:1048576 = G
		01 = G
		08 00 100000 <1048576 = G zeros
		13 20 = G
		P=4`); err != nil {
		return err
	}
	return b.figures(map[[2]uint16]func(uint64) bool{{0x0C, 1}: between(1<<20, 1<<20+3<<15), {0x17, 0x17}: is(1)})
}

func checkPlain(b *Bench) error {
	if err := b.Play(writeThrice); err != nil {
		return err
	}
	return b.figures(map[[2]uint16]func(uint64) bool{
		{0x0C, 1}: is(3 << 20), {0x0C, 2}: is(2 << 20), {0x1B, 0}: is(100), {0x1B, 1}: is(100), {0x17, 0x17}: is(3),
	})
}
