package tape

import "errors"

// What may go wrong, one sentence each. Every error of this package wraps one
// of them, or the operating system's own error, with the place where it
// happened.
var (
	// ErrFilemark: a read met a filemark; the position is after it.
	ErrFilemark = errors.New("filemark")
	// ErrEndOfData: the operation reached the end of data; the position is there.
	ErrEndOfData = errors.New("end of data")
	// ErrBeginningOfTape: spacing backward reached object 0; the position is there.
	ErrBeginningOfTape = errors.New("beginning of tape")
	// ErrEarlyWarning: everything was written, and the tape's used bytes are in
	// the early-warning zone. The host should close its file.
	ErrEarlyWarning = errors.New("early warning: the tape is nearly full")
	// ErrEndOfMedium: what is not counted as written does not fit on the tape.
	ErrEndOfMedium = errors.New("end of medium: the tape is full")
	// ErrCorrupt: a record fails its checksum or cannot be read. The position
	// stays before it; spacing over it continues after it.
	ErrCorrupt = errors.New("the record is damaged: its bytes do not match their checksum or cannot be read")
	// ErrDamaged: the index cannot be used as it is. Mend repairs what can be repaired.
	ErrDamaged = errors.New("the tape is damaged: check it, then mend it")
	// ErrFormat: the index was written by a newer version of this software.
	ErrFormat = errors.New("the tape has a newer format than this software knows: use a newer version")
	// ErrInUse: the cartridge is loaded, here or by another process.
	ErrInUse = errors.New("the cartridge is in use: unload it first")
	// ErrPinned: a view (a running copy) holds the data; try again when it has ended.
	ErrPinned = errors.New("a running copy holds the data of this cartridge: wait until it has ended")
	// ErrReadOnly: the cartridge is write-protected or its files cannot be written.
	ErrReadOnly = errors.New("the cartridge is write-protected")
	// ErrExists: files of this barcode exist.
	ErrExists = errors.New("a cartridge with this barcode exists")
	// ErrNotExist: no files of this barcode exist.
	ErrNotExist = errors.New("no cartridge with this barcode")
	// ErrBarcode: the barcode breaks the rules.
	ErrBarcode = errors.New("a barcode has 1 to 32 characters out of A-Z, 0-9, - and _")
	// ErrCapacity: the capacity or early warning given makes no tape.
	ErrCapacity = errors.New("the capacity must be at least 1 MB and the early warning not negative")
	// ErrPartition: there is no such partition.
	ErrPartition = errors.New("a tape has one partition or two, numbered 0 and 1")
	// ErrBlockLength: a block has 1 byte to MaxBlock bytes.
	ErrBlockLength = errors.New("a block has 1 to 8388608 bytes")
	// ErrDiskFull: the file system under the tape has no room left.
	ErrDiskFull = errors.New("the disk is full: free some space")
	// ErrAttribute: the attribute value is too long to be kept.
	ErrAttribute = errors.New("an attribute has at most 65535 bytes")
	// ErrNoKey: the block is encrypted and no key is set. The position stays.
	ErrNoKey = errors.New("the block is encrypted and there is no key: set the key it was written with")
	// ErrWrongKey: the block is encrypted with another key, or its
	// authenticated data were changed. The position stays.
	ErrWrongKey = errors.New("the block is encrypted with another key")
	// ErrNotEncrypted: the block is plain where only encrypted ones may be read.
	ErrNotEncrypted = errors.New("the block is not encrypted, and only encrypted blocks may be read")
	// ErrKeyData: the key-associated data are too long.
	ErrKeyData = errors.New("key-associated data have at most 32 unauthenticated and 12 authenticated bytes")
	// ErrClosed: the image or view was closed.
	ErrClosed = errors.New("the tape is closed")
	// ErrIndexLost: the index is gone or unreadable from its first bytes on, so
	// record boundaries are unknown.
	ErrIndexLost = errors.New("the index is lost: tell mend the block length to rebuild equal records from the payload file")
)
