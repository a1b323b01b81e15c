package slotmap

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"
)

// Identity is who a loader is, for ever: it is made once and travels with the
// folder, so that a host finds the same library on another machine.
type Identity struct {
	UUID    string    `json:"uuid"`
	Name    string    `json:"name"`
	Family  string    `json:"family"` // prefix of the barcodes
	Created time.Time `json:"created"`
	// Serial numbers of the two units, exactly SerialLength of [A-Z0-9] (VPD page
	// 80h; the drive's is in the changer's DVCID too).
	ChangerSerial string `json:"changerSerial"`
	DriveSerial   string `json:"driveSerial"`
	// Designators of the two units: NAA 3h, locally assigned (SPC-4 7.8.6.6.4).
	ChangerNAA    uint64 `json:"changerNAA"`
	DriveNAA      uint64 `json:"driveNAA"`
	Slots         int    `json:"slots"`
	ImportExport  int    `json:"importExport"`
	CapacityBytes int64  `json:"capacityBytes"` // of a new tape, unless it says otherwise
	Mode          string `json:"mode"`          // "library" or "stacker"
	// Compression lets hosts have their blocks stored compressed.
	Compression bool `json:"compression,omitempty"`
	// Profile names the identification under which the units appear; "": native.
	Profile string `json:"profile,omitempty"`
	// NextNumber is the running number of the next barcode. It only grows: a
	// number is never used again.
	NextNumber int `json:"nextNumber"`
}

// SerialLength is the length of a unit serial number.
const SerialLength = 10

// NewIdentity returns an Identity with fresh random UUID, serial numbers and
// designators; the caller fills in the rest.
func NewIdentity() Identity {
	return Identity{
		UUID:          newUUID(),
		Created:       time.Now().UTC().Truncate(time.Second),
		ChangerSerial: newSerial("VLC"),
		DriveSerial:   newSerial("VLD"),
		ChangerNAA:    newNAA(),
		DriveNAA:      newNAA(),
		NextNumber:    1,
	}
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0F | 0x40
	b[8] = b[8]&0x3F | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newSerial returns prefix and random letters and digits. 32 of the 36 are used,
// without the four that are misread, so that every byte maps to one evenly.
func newSerial(prefix string) string {
	const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	random := make([]byte, SerialLength-len(prefix))
	rand.Read(random)
	for i, b := range random {
		random[i] = alphabet[int(b)%len(alphabet)]
	}
	return prefix + string(random)
}

func newNAA() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])&(1<<60-1) | 3<<60
}

// Tape is what the slot map remembers of a cartridge, so that a loader of a
// thousand opens without reading a thousand headers. The header in the
// cartridge's own files is what counts; this is how it stood when it was last
// read.
type Tape struct {
	Serial            string    `json:"serial,omitempty"`
	Medium            Medium    `json:"medium"`
	CapacityBytes     int64     `json:"capacityBytes"`
	EarlyWarningBytes int64     `json:"earlyWarningBytes"`
	UsedBytes         int64     `json:"usedBytes"`
	PayloadBytes      int64     `json:"payloadBytes"`
	Objects           uint64    `json:"objects"`
	Filemarks         uint64    `json:"filemarks"`
	Generation        uint64    `json:"generation"`
	LoadCount         uint64    `json:"loadCount"`
	Created           time.Time `json:"created,omitzero"`
	LastWritten       time.Time `json:"lastWritten,omitzero"`
	WriteProtected    bool      `json:"writeProtected,omitempty"`
	Damaged           bool      `json:"damaged,omitempty"` // its header or index could not be read
}

// Blank says that nothing has been written to the tape and that it can be.
func (t Tape) Blank() bool {
	return t.Objects == 0 && !t.WriteProtected && !t.Damaged && t.Medium != CleaningMedium
}
