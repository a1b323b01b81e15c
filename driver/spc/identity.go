package spc

import (
	"fmt"
	"slices"
	"strings"

	"virtualloader/driver/scsi"
)

// Identity is what a unit says of itself in INQUIRY and the VPD pages.
type Identity struct {
	Vendor   string // at most 8 ASCII characters
	Product  string // at most 16
	Revision string // at most 4
	Serial   string // exactly 10 of [A-Z0-9]; stable, unique for each unit
	NAA      uint64 // locally assigned, first digit 3h; unique for each unit

	// TargetName is the iSCSI name of the target, for designator 8 of VPD 83h;
	// empty leaves it out.
	TargetName string
}

// Product is the identification part of an Identity.
type Product struct{ Vendor, Product, Revision string }

// With returns the identity of a unit of this product.
func (p Product) With(serial string, naa uint64, targetName string) Identity {
	return Identity{Vendor: p.Vendor, Product: p.Product, Revision: p.Revision, Serial: serial, NAA: naa, TargetName: targetName}
}

// Profile is a pair of identifications under which drive and changer may appear.
type Profile struct {
	Name          string
	Tape, Changer Product
	For           string // who needs it
}

var profiles = []Profile{
	{"native", Product{"VLOADER", "LTO8-VTAPE", "0100"}, Product{"VLOADER", "VLOADER", "0100"},
		"everything that goes by device type: Linux, mtx, Bacula, Bareos, Amanda, Proxmox Backup Server"},
	{"ibm", Product{"IBM", "ULT3580-TD8", "HB82"}, Product{"IBM", "3573-TL", "0100"},
		"LTFS, and Windows programs with a list of known drives"},
	{"hp", Product{"HPE", "Ultrium 8-SCSI", "0100"}, Product{"HP", "MSL G3 Series", "0100"},
		"LTFS and programs that look for HPE drives"},
	{"stk", Product{"IBM", "ULT3580-TD8", "HB82"}, Product{"STK", "L700", "0100"},
		"programs whose list of libraries holds the L700"},
}

// Profiles returns all profiles; the first is the default.
func Profiles() []Profile { return slices.Clone(profiles) }

// FindProfile returns the profile with that name; "" is the default.
func FindProfile(name string) (Profile, error) {
	if name == "" {
		return profiles[0], nil
	}
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("identity profile %q: choose one of native, ibm, hp, stk", name)
}

// Pad returns s as an ASCII field of n bytes, left justified, space padded.
func Pad(s string, n int) []byte {
	if len(s) > n {
		s = s[:n]
	}
	return []byte(s + strings.Repeat(" ", n-len(s)))
}

// T10 is the T10 vendor id based designator without its header: vendor,
// product, serial; 34 bytes. READ ELEMENT STATUS shows the drive by it.
func (id Identity) T10() []byte {
	return slices.Concat(Pad(id.Vendor, 8), Pad(id.Product, 16), Pad(id.Serial, 10))
}

// VPDPage is one vital product data page; Data returns what follows the header
// of four bytes. It must be safe from any goroutine.
type VPDPage struct {
	Code byte
	Data func() []byte
}

const inquiryLength = 96

// InquiryData returns the standard INQUIRY data of a removable medium unit.
func (id Identity) InquiryData(deviceType byte, standard uint16) []byte {
	b := make([]byte, inquiryLength)
	b[0], b[1], b[2], b[3], b[4] = deviceType, 0x80, 0x06, 0x12, inquiryLength-5
	b[7] = 0x02 // CMDQUE
	copy(b[8:], Pad(id.Vendor, 8))
	copy(b[16:], Pad(id.Product, 16))
	copy(b[32:], Pad(id.Revision, 4))
	for i, v := range []uint16{0x00A0, 0x0960, 0x0460, standard} { // SAM-5, iSCSI, SPC-4
		scsi.PutUint16(b[58+2*i:], v)
	}
	return b
}

func (u *Unit) inquiry(r *Request) error {
	allocation := int(scsi.Uint16(r.CDB[3:]))
	if !r.Flag(1, 0x01) {
		if r.CDB[2] != 0 {
			return scsi.InvalidFieldInCDB(2, scsi.NoBit)
		}
		data := u.config.Identity.InquiryData(u.config.DeviceType, u.config.Standard)
		if u.config.Protect {
			data[5] |= 0x01
		}
		return r.Reply(data, allocation)
	}
	for _, page := range u.vpdPages() {
		if page.Code == r.CDB[2] {
			data := page.Data()
			header := []byte{u.config.DeviceType, page.Code, byte(len(data) >> 8), byte(len(data))}
			return r.Reply(append(header, data...), allocation)
		}
	}
	return scsi.InvalidFieldInCDB(2, scsi.NoBit)
}

// vpdPages returns the pages in ascending order, page 00h first.
func (u *Unit) vpdPages() []VPDPage {
	id := u.config.Identity
	pages := slices.Concat([]VPDPage{
		{0x00, nil},
		{0x80, func() []byte { return Pad(id.Serial, 10) }},
		{0x83, id.designators},
		{0x86, func() []byte { return append([]byte{0, 0x01}, make([]byte, 58)...) }}, // SIMPSUP
	}, u.config.VPD)
	codes := make([]byte, len(pages))
	for i, page := range pages {
		codes[i] = page.Code
	}
	pages[0].Data = func() []byte { return codes }
	return pages
}

func (id Identity) designators() []byte {
	b := append([]byte{0x02, 0x01, 0, 34}, id.T10()...)
	b = appendUint64(append(b, 0x01, 0x03, 0, 8), id.NAA)
	b = append(b, 0x51, 0x94, 0, 4, 0, 0, 0, 1) // iSCSI, target port, relative port 1
	if id.TargetName != "" {
		name := id.TargetName + "\x00"
		for len(name)%4 != 0 {
			name += "\x00"
		}
		b = append(b, 0x53, 0xA8, 0, byte(len(name)))
		b = append(b, name...)
	}
	return b
}
