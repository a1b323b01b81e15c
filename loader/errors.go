package loader

import "errors"

// What can go wrong beside the errors of slotmap and tape, which pass through.
var (
	// ErrSettings: a setting breaks its rule.
	ErrSettings = errors.New("invalid setting")
	// ErrNotWritable: the folder cannot be made, or nothing can be written into it.
	ErrNotWritable = errors.New("folder is not writable")
	// ErrOwned: the folder belongs to another loader, or another process serves it.
	ErrOwned = errors.New("folder belongs to another loader")
	// ErrNoTape: no tape of the loader has that barcode.
	ErrNoTape = errors.New("no such tape")
	// ErrLoaded: the tape is in the drive.
	ErrLoaded = errors.New("tape is in the drive; unload it first")
	// ErrExists: the barcode is taken.
	ErrExists = errors.New("a tape of that barcode exists")
	// ErrUsed: the barcode was used before; a number is never used again.
	ErrUsed = errors.New("barcode was used before")
	// ErrFamilyExhausted: the family has no barcode left.
	ErrFamilyExhausted = errors.New("the family has no barcode left")
	// ErrNotAttached: the library has no drive yet.
	ErrNotAttached = errors.New("no drive is attached")
	// ErrClosed: the library has been closed.
	ErrClosed = errors.New("loader is closed")
)
