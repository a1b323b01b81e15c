package conformance_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"virtualloader/driver/conformance"
	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
)

var update = flag.Bool("update", false, "write SUPPORTED.md anew")

const supportedPage = "SUPPORTED.md"

// pageNames are the standards' names of what the units list by number.
var pageNames = map[string]map[int]string{
	"VPD": {0x00: "supported pages", 0x80: "unit serial number", 0x83: "device identification", 0x86: "extended INQUIRY data",
		0xB0: "sequential-access device capabilities", 0xB1: "manufacturer-assigned serial number", 0xB2: "TapeAlert supported flags",
		0xB4: "data transfer device element address", 0xB5: "logical block protection"},
	"mode": {0x0100: "read-write error recovery", 0x0200: "disconnect-reconnect", 0x0A00: "control", 0x0AF0: "control data protection",
		0x0F00: "data compression", 0x1000: "device configuration", 0x1001: "device configuration extension", 0x1100: "medium partition",
		0x1C00: "informational exceptions control", 0x1D00: "medium configuration / element address assignment",
		0x1E00: "transport geometry parameters", 0x1F00: "device capabilities"},
	"log": {0x00: "supported pages", 0x02: "write error counters", 0x03: "read error counters", 0x0C: "sequential-access device",
		0x11: "DT device status", 0x12: "TapeAlert response", 0x17: "volume statistics", 0x1B: "data compression", 0x2E: "TapeAlert",
		0x30: "tape usage", 0x31: "tape capacity", 0x32: "data compression (vendor)", 0x3E: "device status (vendor)"},
}

// supported asks the units what they can do and writes it down.
func supported(t *testing.T) string {
	s := newStage(t)
	b := &conformance.Bench{Stage: s}
	if err := b.Play(conformance.Fixtures["S0"]); err != nil {
		t.Fatal(err)
	}
	var p strings.Builder
	p.WriteString("# What the drive and the changer support\n\n" +
		"Written from the units' own tables by `go test ./driver/conformance -run Supported -update`; the same test\n" +
		"fails when it is out of date. What is not listed is refused with ILLEGAL REQUEST.\n")
	units := []struct {
		title    string
		commands *spc.CommandSet
	}{{"Tape drive (LUN 0)", s.drive.Commands()}, {"Medium changer (LUN 1)", s.changer.Commands()}}
	for lun, u := range units {
		fmt.Fprintf(&p, "\n## %s\n\n| Code | Service action | Command | CDB bytes |\n|---|---|---|---|\n", u.title)
		for _, c := range u.commands.Rows() {
			action := ""
			if c.HasAction {
				action = fmt.Sprintf("%02Xh", c.Action)
			}
			fmt.Fprintf(&p, "| %02Xh | %s | %s | %d |\n", uint8(c.Opcode), action, c.Name, len(c.Usage))
		}
		writePages(t, &p, b, lun)
	}
	p.WriteString("\n## Checklist\n\nThe items of the behaviour contract that are played, in this process, over iSCSI by our own initiator, and\nthrough a Linux kernel's sg (`make kernel`, scenario conform), where each can be.\n\n| Item | What must hold |\n|---|---|\n")
	for _, item := range conformance.Items() {
		fmt.Fprintf(&p, "| %s | %s |\n", item.Number, item.Name)
	}
	return p.String()
}

// writePages lists the pages of one unit as it tells them itself.
func writePages(t *testing.T, p *strings.Builder, b *conformance.Bench, lun int) {
	do := func(cdb string, in int) []byte {
		data, err := b.Do("A", lun, cdb, nil, in)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var vpd, mode, log []int
	for _, code := range do("12 01 00 00 FF", 255)[4:] {
		vpd = append(vpd, int(code))
	}
	for rest := do("5A 08 3F FF 00 00 00 0FFF", 4095)[8:]; len(rest) > 0; {
		if rest[0]&0x40 != 0 {
			mode = append(mode, int(rest[0]&0x3f)<<8|int(rest[1]))
			rest = rest[4+int(scsi.Uint16(rest[2:])):]
			continue
		}
		mode = append(mode, int(rest[0]&0x3f)<<8)
		rest = rest[2+int(rest[1]):]
	}
	for _, code := range do("4D 00 40 00 00 00 00 00FF", 255)[4:] {
		log = append(log, int(code))
	}
	fmt.Fprintf(p, "\n| Pages | |\n|---|---|\n")
	for _, kind := range []struct {
		name  string
		codes []int
	}{{"VPD", vpd}, {"mode", mode}, {"log", log}} {
		var words []string
		for _, code := range kind.codes {
			number := fmt.Sprintf("%02Xh", code)
			if kind.name == "mode" {
				number = fmt.Sprintf("%02Xh", code>>8)
				if code&0xff != 0 {
					number += fmt.Sprintf("/%02Xh", code&0xff)
				}
			}
			name := pageNames[kind.name][code]
			if name == "" {
				t.Errorf("%s page %s has no name", kind.name, number)
			}
			words = append(words, number+" "+name)
		}
		fmt.Fprintf(p, "| %s | %s |\n", kind.name, strings.Join(words, "; "))
	}
}

func TestSupportedPageIsUpToDate(t *testing.T) {
	want := supported(t)
	if *update {
		if err := os.WriteFile(supportedPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(supportedPage); err != nil || string(got) != want {
		t.Errorf("%s is out of date (%v): go test ./driver/conformance -run Supported -update", supportedPage, err)
	}
}
