package tape

import (
	"fmt"
	"strings"
	"time"
)

const (
	// MaxBlock is the length of the longest block, in bytes.
	MaxBlock = 8 << 20

	// ObjectBytes is what every logical object costs of the capacity beside
	// its own bytes, so that filemarks and tiny blocks fill a tape too.
	ObjectBytes = 64

	// filemarkReserveBytes is how far filemarks may go past the capacity, so
	// that a host can always close its file (SSC-4, WRITE FILEMARKS).
	filemarkReserveBytes = 64 << 10

	defaultEarlyWarningBytes = 1 << 30
	minCapacityBytes         = 1e6
	maxCapacityBytes         = 1 << 60
	maxBarcode               = 32
)

// MediumType is what kind of cartridge it is.
type MediumType uint8

// The kinds of cartridge. The medium only remembers the kind; the drive acts
// on it.
const (
	Data MediumType = iota
	Cleaning
	WORM
)

// String returns the kind in words.
func (m MediumType) String() string {
	switch m {
	case Data:
		return "data"
	case Cleaning:
		return "cleaning"
	case WORM:
		return "WORM"
	}
	return fmt.Sprintf("medium type %d", uint8(m))
}

// Spec describes a cartridge to create.
type Spec struct {
	Barcode           string
	CapacityBytes     int64 // at least 1 MB
	EarlyWarningBytes int64 // size of the zone before the end of the medium; 0: 1 GiB; never more than a quarter of the capacity
	Medium            MediumType
}

// check returns the spec with its defaults filled in.
func (s Spec) check() (Spec, error) {
	var err error
	if s.Barcode, err = Barcode(s.Barcode); err != nil {
		return s, err
	}
	if s.CapacityBytes < minCapacityBytes || s.CapacityBytes > maxCapacityBytes || s.EarlyWarningBytes < 0 {
		return s, fmt.Errorf("capacity %d, early warning %d: %w", s.CapacityBytes, s.EarlyWarningBytes, ErrCapacity)
	}
	if s.Medium > WORM {
		return s, fmt.Errorf("%v is unknown: %w", s.Medium, ErrFormat)
	}
	s.EarlyWarningBytes = earlyWarning(s.CapacityBytes, s.EarlyWarningBytes)
	return s, nil
}

func earlyWarning(capacity, want int64) int64 {
	if want == 0 {
		want = defaultEarlyWarningBytes
	}
	return min(want, capacity/4)
}

// Barcode returns name in the form used everywhere (upper case, no spaces
// around it), or ErrBarcode.
func Barcode(name string) (string, error) {
	b := strings.ToUpper(strings.TrimSpace(name))
	if len(b) < 1 || len(b) > maxBarcode {
		return "", fmt.Errorf("barcode %q: %w", name, ErrBarcode)
	}
	for _, c := range []byte(b) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return "", fmt.Errorf("barcode %q: %w", name, ErrBarcode)
		}
	}
	return b, nil
}

// Info is what is known about a cartridge: a snapshot.
type Info struct {
	Barcode           string
	Serial            string // 32 hexadecimal digits, given at creation, kept for ever
	Medium            MediumType
	CapacityBytes     int64
	EarlyWarningBytes int64
	UsedBytes         int64 // PayloadBytes + ObjectBytes for each object
	PayloadBytes      int64
	Objects           uint64 // blocks and filemarks
	Filemarks         uint64
	Generation        uint64    // grows whenever payload bytes are given up: bytes below a generation's end of data never change
	WriteCount        uint64    // volume change reference: +1 at the first change after each load
	LoadCount         uint64    // loads in the cartridge's life
	Created           time.Time // UTC
	LastWritten       time.Time // UTC; zero when nothing was ever written
	WriteProtected    bool
	Partitions        int  // 1 or 2
	Clean             bool // unloaded cleanly: nothing needs to be looked at before the next load
}

// Position is where the tape stands.
type Position struct {
	Object               uint64 // objects before the position
	File                 uint64 // filemarks before the position
	BeginningOfPartition bool   // Object is 0
	EarlyWarning         bool   // the position is in the early-warning zone
}

// Object is what stands at a position.
type Object struct {
	Filemark bool
	Length   int // bytes of the block, 0 for a filemark
}

// BlockReader is the reading half of a tape, as much as Copy needs.
type BlockReader interface {
	ReadBlock(p []byte) (int, error)
}

// BlockWriter is the writing half of a tape, as much as Copy needs.
type BlockWriter interface {
	WriteBlock(p []byte) error
	WriteFilemarks(n int) (int, error)
	Sync() error
}

// Attribute is one medium auxiliary memory attribute that the host wrote
// (SPC-4, WRITE ATTRIBUTE).
type Attribute struct {
	ID     uint16
	Format byte // 0 binary, 1 ASCII, 2 text
	Value  []byte
}
