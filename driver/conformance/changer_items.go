package conformance

import (
	"errors"
	"fmt"
	"strings"

	"virtualloader/driver/scsi"
)

// changerItems are part F.4: the medium changer. The bare stage is G0.
var changerItems = []Item{
	{Number: "F.4/120", Name: "element address assignment in exactly 24 bytes", Script: `
		@A1 1A 08 1D 00 FF <255 = G len=24 : 17000000 1D12 0001 0001 1000 03E8 0010 0004 0100 0001 0000
		@A1 1A 20 1D 00 FF <255 = G len=24 : 17000000 1D12
		@A1 1A 08 1E 00 FF <255 = G len=8 : 07000000 1E020000
		@A1 1A 08 1F 00 FF <255 = G len=24 : 17000000 1F120E00 000E0E0E 00000000 000E0E0E 00000000
		@A1 15 10 00 00 18 > 00000000 1D12000100011000 03E80010000401000001 0000 = 5/2600`},
	{Number: "F.4/121", Name: "a thousand storage elements with volume tags", Script: `
		@A1 B8 12 0000 03E8 00 00FFFF <65535 = G len=52016 : 1000 03E8 00 00CB28 02 80 0034 00 00CB20 1000 09 00 0000 00 0000 01 0000 4142433030304C38 2020`},
	{Number: "F.4/122", Name: "asking behind the last element", Script: `
		@A1 B8 12 13E8 03E8 00 00FFFF <65535 = G len=8 : 0000000000000000`},
	{Number: "F.4/123", Name: "the drive's device identifier", Check: checkDeviceIdentifier},
	{Number: "F.4/124", Name: "descriptor lengths with volume tag and identifier", Script: `
		@A1 B8 14 0000 03E8 01 00FFFF <65535 = G : 0100 0001 00 00005E 04 80 0056
		@A1 B8 12 0000 0001 01 00FFFF <65535 = G : 1000 0001 00 00003C 02 80 0034`},
	{Number: "F.4/125", Name: "all elements in pages of ascending addresses", Check: checkAllElements},
	{Number: "F.4/126", Name: "only whole descriptors, counts of the whole answer", Script: `
		@A1 B8 12 0000 03E8 00 000008 <65535 = G len=8 : 1000 03E8 00 00CB28
		@A1 B8 12 0000 03E8 00 000064 <65535 = G len=68 : 1000 03E8 00 00CB28
		@A1 B8 05 0000 03E8 00 00FFFF <65535 = 5/2400`},
	{Number: "F.4/127", Name: "one drive, as ch asks for it", Script: `
		@A1 B8 34 0100 0001 00 0000FF <255 = G : ???????????????? ???????????????? 0100 08 00 0000 10`},
	{Number: "F.4/128", Name: "a slot's cartridge goes into the drive", Script: `
		@A1 A5 00 0000 1000 0100 = G
		@A1 B8 14 0100 0001 00 0000FF <255 = G : ???????????????? ???????????????? 0100 09 00 0000 10 0000 81 1000 4142433030304C38 2020
		@A1 B8 12 1000 0001 00 0000FF <255 = G : ???????????????? ???????????????? 1000 08 00 0000 00 0000 00 0000 0000000000000000 0000
		@A1 00 = G
		00 = 6/2800
		00 = G`},
	{Number: "F.4/129", Name: "moves that cannot be", Script: `
		@A1 A5 00 0000 1000 0100 = G
		@A1 A5 00 0000 1001 0100 = 5/3B0D
		@A1 A5 00 0000 1020 1021 = 5/3B0E
		@A1 A5 00 0000 0999 1021 = 5/2101
		@A1 A5 00 0000 1001 0001 = 5/2101
		@A1 A5 00 0002 1001 1021 = 5/2101
		@A1 A5 00 0000 1001 1021 0000 01 = 5/2400
		@A1 A5 00 0001 1001 1001 = G
		@A1 B8 12 1001 0001 00 0000FF <255 = G : ???????????????? ???????????????? 1001 09`},
	{Number: "F.4/130", Name: "a loaded drive is unloaded by the move", Script: `
		@A1 A5 00 0000 1000 0100 = G
		00 = 6/2800
		0A 00 0003E8 > block:0:1000 = G
		0A 00 0003E8 > block:1:1000 = G
		@A1 A5 00 0000 0100 1000 = G
		00 = 2/3A00
		@A1 A5 00 0000 1000 0100 = G
		00 = 6/2800
		P=0
		E=2
		08 00 0003E8 <1000 = G block:0`},
	{Number: "F.4/131", Name: "PREVENT keeps the cartridge in the drive", Script: `
		@A1 A5 00 0000 1000 0100 = G
		00 = 6/2800
		0A 00 0003E8 > block:0:1000 = G
		1E 00 00 00 01 = G
		@A1 A5 00 0000 0100 1000 = 5/5302
		@A1 B8 04 0100 0001 00 0000FF <255 = G : ???????????????? ???????????????? 0100 01
		00 = G
		P=1`},
	{Number: "F.4/132", Name: "a move out of the drive waits for the WRITE that runs", Check: checkMoveWaits},
	{Number: "F.4/133", Name: "cartridges in import/export elements, by robot and by hand", Script: `
		@A1 A5 00 0000 1000 0010 = G
		@A1 B8 03 0010 0001 00 0000FF <255 = G : ???????????????? ???????????????? 0010 39
		! import
		@A1 00 = 6/2801
		@A1 B8 03 0011 0001 00 0000FF <255 = G : ???????????????? ???????????????? 0011 3B`},
	{Number: "F.4/134", Name: "EXCHANGE MEDIUM", Script: `
		@A1 A5 00 0000 1001 0100 = G
		@A1 A6 00 0000 1000 0100 1002 = 5/3B0D
		@A1 A6 00 0000 1000 0100 1020 = G
		@A1 B8 14 0100 0001 00 0000FF <255 = G : ???????????????? ???????????????? 0100 09 00 0000 10 0000 81 1000 4142433030304C38
		@A1 B8 12 1020 0001 00 0000FF <255 = G : ???????????????? ???????????????? 1020 09 00 0000 00 0000 81 1001 4142433030314C38
		@A1 A6 00 0000 1002 0100 1021 01 = 5/2400`},
	{Number: "F.4/135", Name: "commands that have little to do", Script: `
		@A1 07 = G
		@A1 37 01 1000 0000 0010 = G
		@A1 37 01 0999 0000 0010 = 5/2101
		@A1 E7 00 = G
		@A1 2B 00 0001 1000 = G
		@A1 2B 00 0002 1000 = 5/2101
		@A1 01 = G
		@A1 B4 = 5/2000
		@A1 A7 = 5/2000`},
	{Number: "F.4/136", Name: "the import/export station is opened and closed", Script: `
		@A1 1B 00 0010 00 = G
		@A1 B8 03 0010 0001 00 0000FF <255 = G : ???????????????? ???????????????? 0010 30
		@A1 A5 00 0000 1000 0010 = 2/3A02
		@A1 1B 00 0010 01 = G
		@A1 00 = 6/2801
		@A1 1E 00 00 00 01 = G
		@A1 1B 00 0010 00 = 5/5302
		@A1 1B 00 1000 00 = 5/2101`},
	{Number: "F.4/137", Name: "a cartridge that appears", Script: `
		! add
		@A1 00 = 6/2800
		@A1 00 = G
		@B1 00 = 6/2800
		@B1 00 = G
		00 = 2/3A00
		@A1 B8 12 100A 0001 00 0000FF <255 = G : ???????????????? ???????????????? 100A 09`},
}

func checkDeviceIdentifier(b *Bench) error {
	data, err := b.Do("A", 1, "B8 04 0000 03E8 01 00FFFF", nil, 65535)
	if err != nil {
		return err
	}
	serial, _, err := b.identity(0)
	if err != nil {
		return err
	}
	if len(data) != 16+50 || scsi.Uint16(data[10:]) != 50 {
		return fmt.Errorf("%d bytes, descriptor length %d", len(data), scsi.Uint16(data[10:]))
	}
	descriptor := data[16:]
	if head := fmt.Sprintf("% X", descriptor[12:16]); head != "02 01 00 22" || string(descriptor[40:50]) != string(serial) {
		return fmt.Errorf("identifier %s, serial %q, drive says %q", head, descriptor[40:50], serial)
	}
	return nil
}

func checkAllElements(b *Bench) error {
	data, err := b.Do("A", 1, "B8 00 0000 0000 00 FFFFFF", nil, 1<<24)
	if err != nil {
		return err
	}
	if n := scsi.Uint16(data[2:]); n != 1006 || int(scsi.Uint24(data[5:])) != len(data)-8 {
		return fmt.Errorf("%d elements in %d bytes", n, len(data))
	}
	var kinds []string
	for page := data[8:]; len(page) >= 8; page = page[8+int(scsi.Uint24(page[5:])):] {
		kinds = append(kinds, fmt.Sprint(page[0]))
	}
	if order := strings.Join(kinds, " "); order != "1 3 4 2" {
		return errors.New("pages " + order)
	}
	return nil
}

// checkMoveWaits starts a WRITE, then a MOVE, and lets the WRITE have its data
// while the MOVE waits.
func checkMoveWaits(b *Bench) error {
	if err := b.Play("@A1 A5 00 0000 1000 0100 = G\n00 = 6/2800\nstart 0A 00 0003E8 > block:0:1000 = G"); err != nil {
		return err
	}
	moved := make(chan error, 1)
	go func() { moved <- (&Bench{Stage: b.Stage}).Play("@A1 A5 00 0000 0100 1000 = G") }()
	if err := b.Play("finish = G"); err != nil {
		return err
	}
	return errors.Join(<-moved, b.Play("00 = 2/3A00\n@A1 A5 00 0000 1000 0100 = G\n00 = 6/2800\nE=1"))
}
