package conformance

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
}
