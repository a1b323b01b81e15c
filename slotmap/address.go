package slotmap

import "fmt"

// Address is an element address (SMC-3 3.1, our layout in the package comment).
// Zero is no element.
type Address uint16

// Where each kind of element starts.
const (
	RobotAddress        Address = 0x0001
	ImportExportAddress Address = 0x0010
	DriveAddress        Address = 0x0100
	StorageAddress      Address = 0x1000
)

// Limits of a loader. MaxSlots is the product's rule (contract 3.7); addresses
// would allow 4000.
const (
	MaxSlots        = 1000
	MaxImportExport = 16
)

// Kind is an element type code of SMC-3 6.11.
type Kind uint8

// Kinds of elements.
const (
	Robot        Kind = 1
	Storage      Kind = 2
	ImportExport Kind = 3
	DataTransfer Kind = 4
)

var kindNames = map[Kind]string{
	Robot:        "robot",
	Storage:      "slot",
	ImportExport: "import/export",
	DataTransfer: "drive",
}

// String names the kind for a person.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("element kind %d", uint8(k))
}

// Kind returns the kind of element that lives at a, going by the layout alone.
func (a Address) Kind() Kind {
	switch {
	case a == RobotAddress:
		return Robot
	case a >= ImportExportAddress && a < ImportExportAddress+MaxImportExport:
		return ImportExport
	case a == DriveAddress:
		return DataTransfer
	case a >= StorageAddress:
		return Storage
	}
	return 0
}

// Number returns the place of a among the elements of its kind, from 1: slot 1
// is StorageAddress.
func (a Address) Number() int {
	switch a.Kind() {
	case ImportExport:
		return int(a-ImportExportAddress) + 1
	case Storage:
		return int(a-StorageAddress) + 1
	}
	return 1
}

// String is what a person reads: "slot 17", "import/export 2", "drive".
func (a Address) String() string {
	switch a.Kind() {
	case Storage, ImportExport:
		return fmt.Sprintf("%s %d", a.Kind(), a.Number())
	case Robot, DataTransfer:
		return a.Kind().String()
	}
	return fmt.Sprintf("element %04Xh", uint16(a))
}

// Slot returns the address of slot n, from 1.
func Slot(n int) Address { return StorageAddress + Address(n-1) }
