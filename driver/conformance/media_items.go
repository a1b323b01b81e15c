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
	{Number: "C.11/compression", Name: "DCE compresses where the loader allows it, and the figures are true", Fixture: "S0", Check: checkCompression},
	{Number: "C.11/plain", Name: "without the loader's leave DCE is kept and does nothing", Fixture: "S0", Check: checkPlain},
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
