package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"

	"virtualloader/driver/scsi"
)

// driveItems are part F.3: the tape drive.
var driveItems = []Item{
	{Number: "F.3/67", Name: "no cartridge: what needs one", Fixture: "SN", Script: `
		00 = 2/3A00
		01 = 2/3A00
		08 00 001000 <4096 = 2/3A00
		0A 00 000010 > block:0:16 = 2/3A00
		10 00 000001 = 2/3A00
		11 00 000001 = 2/3A00
		2B = 2/3A00
		34 = 2/3A00
		19 = 2/3A00`},
	{Number: "F.3/68", Name: "no cartridge: what works", Fixture: "SN", Script: `
		05 <6 = G len=6
		1A 00 00 00 0C <12 = G
		4D 00 40 00 00 00 00 00FF <255 = G
		44 00 00 00 00 00 00 2000 <8192 = G
		1E 00 00 00 00 = G
		16 = G
		17 = G`},
	{Number: "F.3/69", Name: "READ BLOCK LIMITS", Script: `
		05 <6 = G len=6 : 00 800000 0001
		05 01 <20 = G len=20`},
	{Number: "F.3/70", Name: "a block is written", Fixture: "S0", Script: `
		0A 00 0003E8 > block:5:1000 = G
		P=1
		E=1
		01 = G
		08 00 0003E8 <1000 = G len=1000 block:5`},
	{Number: "F.3/71", Name: "reading a blank tape", Fixture: "S0", Script: `
		08 00 001000 <4096 = 8/0005 I=4096 U=4096
		P=0`},
	{Number: "F.3/72", Name: "a block of the length asked for", Fixture: "S1", Script: `
		08 00 0003E8 <1000 = G len=1000 block:0 U=0
		P=1`},
	{Number: "F.3/73", Name: "a block shorter than asked for", Fixture: "S1", Script: `
		08 00 001000 <4096 = 0/0000 ILI I=3096 U=3096 block:0
		P=1
		01 = G
		08 02 001000 <4096 = G U=3096 len=1000 block:0
		P=1`},
	{Number: "F.3/74", Name: "a block longer than asked for", Fixture: "S1", Script: `
		08 00 0001F4 <500 = 0/0000 ILI I=-500 len=500 U=0 block:0
		P=1
		01 = G
		08 02 0001F4 <500 = G len=500 U=0 block:0
		P=1`},
	{Number: "F.3/75", Name: "the same with SILI and a block length set", Fixture: "S1", Script: `
		15 10 00 00 0C > 00001008 00000000 00000200 = G
		08 02 0001F4 <500 = 0/0000 ILI I=-500 len=500`},
	{Number: "F.3/76", Name: "reading a filemark and at end of data", Fixture: "S1", Script: `
		11 00 000002 = G
		P=2
		08 00 001000 <4096 = 0/0001 FM I=4096 U=4096
		P=3
		11 03 = G
		08 00 001000 <4096 = 8/0005 I=4096
		P=5`},
	{Number: "F.3/77", Name: "READ of nothing, FIXED without a block length, FIXED with SILI", Fixture: "S1", Script: `
		08 00 000000 <16 = G U=16
		08 01 000001 <512 = 5/2400
		15 10 00 00 0C > 00001008 00000000 00000200 = G
		08 03 000001 <512 = 5/2400
		P=0`},
	{Number: "F.3/78", Name: "fixed blocks", Fixture: "SF", Script: `
		08 01 000004 <2048 = G len=2048
		P=4`},
	{Number: "F.3/79", Name: "fixed blocks up to a filemark", Fixture: "SF", Script: `
		08 01 000014 <10240 = 0/0001 FM I=10 len=5120 U=5120
		P=11`},
	{Number: "F.3/80", Name: "fixed blocks up to one of another length", Fixture: "SF", Script: `
		92 00 0000 000000000000000B = G
		08 01 000008 <4096 = 0/0000 ILI I=5 len=1536
		P=15
		11 00 FFFFFF = G
		P=14`},
	{Number: "F.3/81", Name: "fixed blocks up to end of data", Fixture: "SF", Script: `
		92 00 0000 000000000000000F = G
		08 01 000004 <2048 = 8/0005 I=3 len=512 block:15
		P=16`},
	{Number: "F.3/82", Name: "fixed blocks are written; a block too long; nothing", Fixture: "SF", Script: `
		11 03 = G
		0A 01 000003 > block:0:1536 = G
		E=19
		0A 00 800001 > block:0:1 = 5/2400
		0A 00 000000 = G
		E=19
		0A 01 000003 > block:0:1024 = 5/0E03
		E=19`},
	{Number: "F.3/83", Name: "writing ends the tape", Fixture: "S1", Script: `
		11 00 000001 = G
		0A 00 00000A > block:9:10 = G
		P=2
		E=2
		08 00 001000 <4096 = 8/0005 I=4096
		01 = G
		08 02 001000 <4096 = G len=1000 block:0
		08 02 001000 <4096 = G len=10 block:9`},
	{Number: "F.3/84", Name: "a protected cartridge", Fixture: "SW", Script: `
		0A 00 0003E8 > block:0:1000 = 7/2700
		10 00 000001 = 7/2700
		19 = 7/2700
		04 = 7/2700
		10 = G
		E=5`},
	{Number: "F.3/85", Name: "a WORM cartridge", Fixture: "SX", Script: `
		0A 00 0003E8 > block:0:1000 = 7/300C
		19 = 7/300C
		04 = 7/300C
		11 03 = G
		0A 00 0003E8 > block:5:1000 = G
		E=6
		10 00 000001 = G
		11 01 FFFFFF = G
		0A 00 0003E8 > block:6:1000 = G
		E=7
		1A 00 00 00 0C <12 = G : 0B 8C
		1A 08 1D 00 FF <255 = G : ???????? 1D 1E 01`},
	{Number: "F.3/86", Name: "early warning", Fixture: "SE", Check: checkEarlyWarning},
	{Number: "F.3/88", Name: "end of medium", Fixture: "SE", Check: checkEndOfMedium},
	{Number: "F.3/90", Name: "filemarks", Fixture: "S0", Script: `
		10 00 000003 = G
		P=3
		10 02 000001 = 5/2400
		10 01 000001 = G
		P=4
		80 00 0000 0000000000000000 000002 = G
		E=6`},
	{Number: "F.3/92", Name: "SPACE over blocks", Fixture: "S1", Script: `
		11 00 000002 = G
		P=2`},
	{Number: "F.3/93", Name: "SPACE over blocks meets a filemark", Fixture: "S1", Script: `
		11 00 000005 = 0/0001 FM I=3
		P=3`},
	{Number: "F.3/94", Name: "SPACE back over blocks meets a filemark", Fixture: "S1", Script: `
		92 00 0000 0000000000000003 = G
		11 00 FFFFFF = 0/0001 FM I=1
		P=2`},
	{Number: "F.3/95", Name: "SPACE back over blocks meets the beginning", Fixture: "S1", Script: `
		11 00 000002 = G
		11 00 FFFFFD = 0/0004 EOM I=1
		P=0`},
	{Number: "F.3/96", Name: "SPACE over filemarks", Fixture: "S1", Script: `
		11 01 000001 = G
		P=3
		11 03 = G
		11 01 FFFFFF = G
		P=4`},
	{Number: "F.3/97", Name: "SPACE over more filemarks than there are", Fixture: "S1", Script: `
		11 01 7FFFFF = 8/0005 I=8388605
		P=5`},
	{Number: "F.3/98", Name: "SPACE back over more filemarks than there are", Fixture: "S1", Script: `
		11 03 = G
		11 01 FFFFFB = 0/0004 EOM I=3
		P=0`},
	{Number: "F.3/99", Name: "SPACE to end of data, an unknown code, count 0, blocks to end of data", Fixture: "S1", Script: `
		11 03 = G
		P=5
		11 04 000001 = 5/2400
		11 00 000000 = G
		11 01 000000 = G
		P=5
		92 00 0000 0000000000000004 = G
		19 = G
		11 00 FFFFFF = G
		P=3
		11 00 000002 = 8/0005 I=1
		P=4`},
	{Number: "F.3/100", Name: "SPACE(16) back", Fixture: "S1", Script: `
		11 00 000001 = G
		91 00 0000 FFFFFFFFFFFFFFFF = G
		P=0
		91 01 0000 8000000000000000 = 0/0004 EOM`},
	{Number: "F.3/101", Name: "LOCATE(10) ignores BT", Fixture: "S1", Script: `
		2B 04 00 00000003 = G
		P=3`},
	{Number: "F.3/102", Name: "LOCATE(16) beyond end of data", Fixture: "S1", Script: `
		92 00 0000 FFFFFFFFFFFFFFFF = 8/0005
		P=5`},
	{Number: "F.3/103", Name: "LOCATE(16) of files", Fixture: "S1", Script: `
		92 08 0000 0000000000000000 = G
		P=0
		92 08 0000 0000000000000001 = G
		P=3
		92 08 0000 0000000000000002 = G
		P=5
		92 08 0000 0000000000000009 = 8/0005
		P=5`},
	{Number: "F.3/104", Name: "LOCATE(16) to end of data, of the reserved type, to other partitions", Fixture: "S1", Script: `
		92 18 = G
		P=5
		92 10 = 5/2400
		92 02 0003 = 5/2400
		P=5
		92 00 0003 = G
		P=0`},
	{Number: "F.3/105", Name: "READ POSITION in all forms", Fixture: "S1", Script: `
		92 00 0000 0000000000000003 = G
		34 00 <20 = G len=20 : 00 00 0000 00000003 00000003 00000000 00000000
		34 01 <20 = G len=20 : 00 00 0000 00000003 00000003
		34 06 <32 = G len=32 : 00 000000 00000000 0000000000000003 0000000000000001
		34 08 00 00 00 00 00 0020 <32 = G len=32 : 00 00 001C 00000000 0000000000000003 0000000000000003
		34 05 <32 = 5/2400`},
	{Number: "F.3/106", Name: "READ POSITION flags", Fixture: "SE", Check: checkPositionFlags},
	{Number: "F.3/107", Name: "unload and load", Fixture: "S1", Script: `
		11 00 000002 = G
		1B = G
		00 = 2/3A00
		1B = G
		8C 00 000000 00 00 00 0000 00008000 <32768 = 2/3A04
		1B 00 00 00 01 = G
		P=0
		@B0 00 = 6/2800
		@B0 00 = G
		08 02 001000 <4096 = G len=1000 block:0`},
	{Number: "F.3/108a", Name: "LOAD with EOT, retension", Fixture: "S1", Script: `
		11 00 000002 = G
		1B 00 00 00 05 = 5/2400
		1B 00 00 00 03 = G
		P=0`},
	{Number: "F.3/108b", Name: "LOAD without a cartridge", Fixture: "SN", Script: `
		1B 00 00 00 01 = 2/3A00`},
	{Number: "F.3/109", Name: "ERASE", Fixture: "S1", Script: `
		11 00 000002 = G
		19 = G
		P=2
		E=2
		08 00 001000 <4096 = 8/0005 I=4096
		01 = G
		19 01 = G
		E=0`},
	{Number: "F.3/110", Name: "FORMAT MEDIUM", Fixture: "S1", Script: `
		11 00 000001 = G
		04 = 5/3B0C
		01 = G
		04 00 03 = 5/2400
		04 = G
		E=0`},
	{Number: "F.3/111", Name: "VERIFY", Fixture: "S1", Script: `
		13 00 0003E8 = G
		P=1
		13 02 0003E8 = 5/2400
		13 20 = G
		P=5
		01 = G
		13 00 000FA0 = 0/0000 ILI I=3000
		01 = G
		13 08 000002 = G
		P=5`},
	{Number: "F.3/112", Name: "REPORT DENSITY SUPPORT", Fixture: "SN", Script: `
		44 00 00 00 00 00 00 2000 <8192 = G len=56 : 0036 0000 5E 5E A0 0000 0050BD 007F 1A00 00B71B00 4C544F2D43564520
		44 01 00 00 00 00 00 2000 <8192 = 2/3A00
		44 02 00 00 00 00 00 2000 <8192 = 5/2400`},
	{Number: "F.3/113", Name: "append-only mode and ALLOW OVERWRITE", Fixture: "S1", Script: `
		82 00 01 = 5/200C
		15 10 00 00 24 > 00001000 5001001C 0012 0000 00 00000000000000000000000000000000000000000000000000 = G
		@B0 00 = 6/2A01
		0A 00 0003E8 > block:7:1000 = 7/300C
		82 00 01 00 0000000000000002 = 5/3B00
		82 00 01 00 0000000000000000 = G
		0A 00 0003E8 > block:7:1000 = G
		0A 00 0003E8 > block:8:1000 = G
		01 = G
		0A 00 0003E8 > block:9:1000 = 7/300C
		08 00 0003E8 <1000 = G block:7
		08 00 0003E8 <1000 = G block:8`},
	{Number: "F.3/114", Name: "the disk is nearly full, and is not any more", Fixture: "S1", Script: `
		! gate floor
		11 03 = G
		0A 00 0003E8 > block:7:1000 = 7/2707 I=1000
		1A 00 00 00 0C <12 = G : 0B 88 90
		10 00 000001 = G
		10 00 000011 = 7/2707 I=17
		19 01 = 7/2707
		! gate emergency
		10 00 000001 = 7/2707 I=1
		10 = G
		! gate open
		0A 00 0003E8 > block:7:1000 = G
		@B0 00 = G
		E=7`},
	{Number: "F.3/115", Name: "a record that does not match its checksum", Fixture: "S1", Script: `
		! corrupt 1500
		08 00 0003E8 <1000 = G
		08 00 0007D0 <2000 = 3/1100 I=2000
		P=1
		08 00 0007D0 <2000 = 3/1100 I=2000
		11 00 000001 = G
		08 00 001000 <4096 = 0/0001 FM I=4096
		08 00 000BB8 <3000 = G block:3`},
	{Number: "F.3/117", Name: "random LOCATE among a million objects", Fixture: "S0", Check: checkMillion},
	{Number: "F.3/118", Name: "two nexuses write by turns", Fixture: "S0", Script: `
		0A 00 0003E8 > block:0:1000 = G
		@B0 0A 00 0003E8 > block:1:1000 = G
		0A 00 0003E8 > block:2:1000 = G
		@B0 0A 00 0003E8 > block:3:1000 = G
		E=4
		01 = G
		08 00 0003E8 <1000 = G block:0
		08 00 0003E8 <1000 = G block:1
		08 00 0003E8 <1000 = G block:2
		08 00 0003E8 <1000 = G block:3`},
	{Number: "F.3/119a", Name: "a cartridge of a format nobody knows", Script: `
		! unknown
		00 = 6/2800
		00 = 2/3000
		08 00 001000 <4096 = 3/3000
		1B = G
		00 = 2/3A00
		1B 00 00 00 01 = 3/3000
		@A1 A5 00 0000 0100 1020 = G
		00 = 2/3A00`},
	{Number: "F.3/119b", Name: "a cartridge with a damaged index", Script: `
		! damaged
		00 = 6/2800
		00 = 3/3100
		08 00 001000 <4096 = 3/3100
		@A1 A5 00 0000 0100 1020 = G
		00 = 2/3A00`},
	{Number: "C.2/cleaning", Name: "a cleaning cartridge", Script: `
		! cartridge cleaning
		00 = 6/2800
		00 = 2/3003
		08 00 001000 <4096 = 2/3003
		1B = G
		00 = 2/3A00`},
	{Number: "C.4/7", Name: "programmable early warning is told once", Fixture: "SE", Check: checkProgrammableEarlyWarning},
	{Number: "C.10/capacity", Name: "SET CAPACITY limits the cartridge and gives it back", Fixture: "S1", Script: `
		11 00 000001 = G
		0B 00 00 7FFF = 5/3B0C
		01 = G
		0B 00 00 0000 = 5/2400
		0B 00 00 7FFF = G
		E=0
		4D 00 71 00 00 0003 00FF <255 = G : 31 00 0010 0003 03 04 0000007F
		0B 00 00 FFFF = G
		4D 00 71 00 00 0003 00FF <255 = G : 31 00 0010 0003 03 04 00000100`},
	{Number: "C.10/serial", Name: "READ MEDIA SERIAL NUMBER", Fixture: "S0", Script: `
		AB 01 00 00 00 00 00000024 <36 = G len=36 : 00000020`},
	{Number: "A.7/lost", Name: "a lost connection and what the next one hears", Fixture: "S1", Script: `
		11 00 000002 = G
		! lost A
		00 = 6/2907
		00 = G
		@A1 00 = 6/2907
		P=2
		! reset warm
		00 = 6/2902
		@A1 00 = 6/2902
		! reset cold
		00 = 6/2901
		@B0 00 = 6/2902
		@B0 00 = 6/2901
		@B0 00 = G
		P=2`},
	{Number: "A.8/28", Name: "a running WRITE is aborted", Fixture: "S0", Script: `
		start 0A 00 0003E8 > block:0:1000 = G
		@B0 12 00 00 00 24 <36 = G
		! clear B 0
		finish = 40h
		00 = 6/2F00
		E=0`},
}

const writeBlock = "0A 00 020000 > block:%d:131072 = %s"

// fillUntilWarned writes blocks of 128 KiB until one is answered otherwise than
// GOOD, which is on tape all the same, and returns how many there are then.
func (b *Bench) fillUntilWarned() (objects int, err error) {
	for objects = range 64 {
		if err = b.Play(fmt.Sprintf(writeBlock, objects, "G")); err != nil {
			return objects + 1, b.Play(fmt.Sprintf("P=%d", objects+1))
		}
	}
	return objects, errors.New("the tape has no end")
}

func checkEarlyWarning(b *Bench) error {
	n, err := b.fillUntilWarned()
	if err != nil {
		return err
	}
	if n != 24 { // 24 blocks and their overhead pass 3 MiB, 23 do not
		return fmt.Errorf("early warning with block %d", n)
	}
	return b.Play(fmt.Sprintf(`
		34 00 <20 = G : 40
		11 00 FFFFFF = G
		08 00 020000 <131072 = G block:%d
		`+writeBlock+`
		10 00 000001 = 0/0002 EOM I=0
		11 01 FFFFFF = G
		P=%d
		08 00 001000 <4096 = 0/0001 FM I=4096`, n-1, n, "0/0002 EOM I=0", n+1))
}

func checkEndOfMedium(b *Bench) error {
	n, err := b.fillUntilWarned()
	if err != nil {
		return err
	}
	for ; ; n++ {
		if b.Play(fmt.Sprintf(writeBlock, n, "0/0002 EOM I=0")) != nil {
			break
		}
	}
	full := fmt.Sprintf(writeBlock+"\nE=%d\n11 03 = G\n", n, "D/0002 EOM I=131072", n)
	if err := b.Play(full); err != nil {
		return err
	}
	// What is left: 4 MiB less n blocks of 128 KiB and 64 bytes for each.
	left := 4<<20 - n*(131072+64)
	size := left/4 - 64
	script := fmt.Sprintf("15 10 00 00 0C > 00001008 00000000 00%06X = G\n0A 01 00000A > block:1:%d = D/0002 EOM I=6\nE=%d\n11 03 = G\n",
		size, 10*size, n+4)
	script += "10 00 000001 = 0/0002 EOM I=0\n01 = G\n13 20 = G\n"
	return b.Play(script + fmt.Sprintf("P=%d", n+5))
}

func checkPositionFlags(b *Bench) error {
	if err := b.Play("34 00 <20 = G : 80\n0A 00 000010 > block:0:16 = G\n34 00 <20 = G : 00"); err != nil {
		return err
	}
	for range 24 {
		if b.Play(fmt.Sprintf(writeBlock, 0, "G")) != nil {
			return b.Play("34 00 <20 = G : 40\n34 06 <32 = G : 40")
		}
	}
	return errors.New("no early warning")
}

func checkProgrammableEarlyWarning(b *Bench) error {
	// One decimal megabyte before the last MiB of 4 MiB.
	if err := b.Play("15 10 00 00 24 > 00001000 5001001C 0002 0001 00 00000000000000000000000000000000000000000000000000 = G"); err != nil {
		return err
	}
	var told []int
	for n := range 20 {
		if err := b.Play(fmt.Sprintf(writeBlock, n, "G")); err != nil {
			told = append(told, n)
		}
	}
	if len(told) != 1 {
		return fmt.Errorf("told with blocks %d", told)
	}
	return b.Play(fmt.Sprintf("01 = G\n92 00 0000 %016X = G\n"+writeBlock, told[0], told[0], "0/0007 EOM I=0"))
}

// checkMillion fills the tape with blocks of 16 bytes, in fixed block mode, each
// of which holds its own number.
func checkMillion(b *Bench) error {
	const size, batch, batches = 16, 62500, 16
	if err := b.Play("15 10 00 00 0C > 00001008 00000000 00000010 = G"); err != nil {
		return err
	}
	cdb := []byte{0x0A, 0x01, 0, 0, 0, 0}
	scsi.PutUint24(cdb[2:], batch)
	for i := range batches {
		out := make([]byte, 0, size*batch)
		for j := range batch {
			out = append(out, fmt.Sprintf("%016d", i*batch+j)...)
		}
		if r, err := b.Exec("A", 0, cdb, out, 0); err != nil || r.Status != scsi.Good {
			return fmt.Errorf("batch %d: status %v: %w", i, r.Status, err)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		n := random.IntN(batch * batches)
		if err := b.Play(fmt.Sprintf("92 00 0000 %016X = G", n)); err != nil {
			return err
		}
		data, err := b.Do("A", 0, "08 01 000001", nil, size)
		if err != nil || !bytes.Equal(data, fmt.Appendf(nil, "%016d", n)) {
			return fmt.Errorf("object %d reads %q: %w", n, data, err)
		}
	}
	return nil
}
