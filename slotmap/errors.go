package slotmap

import "errors"

// What can be wrong with a move. SMC's sense for each is the changer unit's
// business (its D.4 table).
var (
	// ErrNoElement: there is no element with that address, or a cartridge can
	// not be put there (the robot).
	ErrNoElement = errors.New("no such element")
	// ErrSourceEmpty: the element to take a cartridge from has none.
	ErrSourceEmpty = errors.New("source element is empty")
	// ErrDestinationFull: the element to put a cartridge into has one.
	ErrDestinationFull = errors.New("destination element is full")
	// ErrHeld: the cartridge is being copied, exported or erased.
	ErrHeld = errors.New("cartridge is held by another operation")
	// ErrStationOpen: the import/export station is open.
	ErrStationOpen = errors.New("import/export station is open")
	// ErrFull: no free element of the kind that is needed.
	ErrFull = errors.New("no free slot")
	// ErrExists: the barcode is in the map already.
	ErrExists = errors.New("barcode is already in the loader")
)

// What can be wrong with a database file.
var (
	// ErrDamaged: neither the file nor its backup copy can be read. Nothing has
	// been changed.
	ErrDamaged = errors.New("damaged")
	// ErrInUse: another process, or another part of this one, has it open.
	ErrInUse = errors.New("in use")
	// ErrVersion: a newer version of this software wrote it.
	ErrVersion = errors.New("written by a newer version")
	// ErrNotExist: neither the file nor its backup copy is there.
	ErrNotExist = errors.New("does not exist")
	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("closed")
)
