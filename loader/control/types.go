package control

import "time"

// DeviceKindVirtual is the kind of device every loader is (contract 3.11, 3.32).
const DeviceKindVirtual = "virtual"

// States of a loader.
const (
	StateOnline  = "online"
	StateOffline = "offline" // the folder cannot be served now; Reason says why
)

// Ways a loader changes its tapes.
const (
	ModeLibrary = "library" // the backup program asks the changer
	ModeStacker = "stacker" // a tape unloaded after early warning is replaced by the next blank
)

// Ways an initiator proves who it is.
const (
	AuthCHAP = "chap"
	AuthNone = "none"
)

// Levels of free space on a loader's volume (contract 3.14, 3.34).
const (
	SpaceFine      = "fine"
	SpaceWarned    = "warned"    // below the warning level
	SpaceFloor     = "floor"     // below the floor: new writes are refused
	SpaceEmergency = "emergency" // nothing that needs room is accepted
)

// LoaderRef names a loader.
type LoaderRef struct {
	Loader string `json:"loader"`
}

// TapeRef names a tape of a loader.
type TapeRef struct {
	Loader  string `json:"loader"`
	Barcode string `json:"barcode"`
}

// Status is the whole service at one moment.
type Status struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Time    time.Time `json:"time"` // when the picture was taken
	// Sequence is the number of the last event at that time: following from it
	// misses nothing that the picture does not show.
	Sequence    uint64         `json:"sequence"`
	StateFolder string         `json:"stateFolder"`
	ISCSI       string         `json:"iscsiAddress"` // host:port the service listens on
	Control     string         `json:"controlPath"`
	Settings    Settings       `json:"settings"`
	Loaders     []LoaderStatus `json:"loaders"`
}

// LoaderStatus is one loader in a Status.
type LoaderStatus struct {
	Name       string          `json:"name"`
	Folder     string          `json:"folder"`
	DeviceKind string          `json:"deviceKind"`
	State      string          `json:"state"`
	Reason     string          `json:"reason,omitempty"`
	Mode       string          `json:"mode,omitempty"`
	Slots      int             `json:"slots"`
	Tapes      TapeCount       `json:"tapes"`
	Drive      DriveStatus     `json:"drive"`
	Disk       DiskStatus      `json:"disk"`
	Sessions   []SessionStatus `json:"sessions"`
}

// TapeCount counts a loader's tapes by how much they hold.
type TapeCount struct {
	Total     int   `json:"total"`
	Blank     int   `json:"blank"`
	Partly    int   `json:"partly"`
	Full      int   `json:"full"` // used beyond early warning
	UsedBytes int64 `json:"usedBytes"`
}

// DriveStatus is what a loader's drive does.
type DriveStatus struct {
	Activity     string `json:"activity"` // "empty", "idle", "writing", "reading", ...
	Barcode      string `json:"barcode,omitempty"`
	Object       uint64 `json:"object"` // logical object number of the position
	File         uint64 `json:"file"`   // filemarks before it
	Locked       bool   `json:"locked"` // a backup program prevents removal
	ReadBytes    int64  `json:"readBytes"`
	WrittenBytes int64  `json:"writtenBytes"`
	Problem      string `json:"problem,omitempty"` // why the tape in it cannot be used
}

// DiskStatus is the volume of a loader's folder.
type DiskStatus struct {
	TotalBytes  int64   `json:"totalBytes"`
	FreeBytes   int64   `json:"freeBytes"`
	FreePercent float64 `json:"freePercent"`
	Level       string  `json:"level"`
}

// SessionStatus is one iSCSI session.
type SessionStatus struct {
	Initiator string    `json:"initiator"`
	Address   string    `json:"address"`
	Since     time.Time `json:"since"`
}

// NewLoader asks for a loader. Zero values mean the defaults of contract 3.7 and
// 3.31: 1000 slots, 100 GB a tape, a family made from the name, one tape, mode
// library, CHAP.
type NewLoader struct {
	Name          string `json:"name"`
	Folder        string `json:"folder"` // absolute
	Slots         int    `json:"slots,omitempty"`
	CapacityBytes int64  `json:"capacityBytes,omitempty"`
	Family        string `json:"family,omitempty"`
	Tapes         int    `json:"tapes,omitempty"` // 0: one; NoTapes: none
	Mode          string `json:"mode,omitempty"`
	Auth          string `json:"auth,omitempty"`
	Compression   bool   `json:"compression,omitempty"` // the drive compresses when the host wants it
	Profile       string `json:"profile,omitempty"`     // what drive and changer say they are; "": native
	// Rebuild makes a new slot map, with new serial numbers, from the tapes in a
	// folder whose slot map is lost; what is left of the old one is kept aside.
	Rebuild bool `json:"rebuild,omitempty"`
}

// NoTapes asks CreateLoader for a loader without any tape (contract 3.29).
const NoTapes = -1

// CreatedLoader is a loader that was made, or found in its folder and taken in.
type CreatedLoader struct {
	Loader   Loader   `json:"loader"`
	Adopted  bool     `json:"adopted"`
	Tapes    []string `json:"tapes"`
	Warnings []string `json:"warnings"`
}

// Loader is what is known of a loader beyond its status.
type Loader struct {
	LoaderStatus
	UUID          string `json:"uuid,omitempty"`
	IQN           string `json:"iqn"`
	Auth          string `json:"auth"`
	Family        string `json:"family,omitempty"`
	CapacityBytes int64  `json:"capacityBytes,omitempty"` // of a new tape
	Compression   bool   `json:"compression,omitempty"`
	Profile       string `json:"profile,omitempty"`
	ChangerSerial string `json:"changerSerial,omitempty"`
	DriveSerial   string `json:"driveSerial,omitempty"`
	LastSlotUsed  int    `json:"lastSlotUsed,omitempty"`
	FreeSlots     int    `json:"freeSlots"`
	NextBarcode   string `json:"nextBarcode,omitempty"` // of the next tape made
}

// Inventory is what Inventory found.
type Inventory struct {
	Loader       string   `json:"loader"`
	Added        []string `json:"added"`   // barcodes newly in a slot
	Missing      []string `json:"missing"` // barcodes whose files are gone
	Problems     []string `json:"problems"`
	LastSlotUsed int      `json:"lastSlotUsed"`
}

// Connection is all a backup host needs to reach a loader.
type Connection struct {
	Loader     string `json:"loader"`
	Address    string `json:"address"` // host:port
	IQN        string `json:"iqn"`
	Auth       string `json:"auth"`
	CHAPName   string `json:"chapName,omitempty"`
	CHAPSecret string `json:"chapSecret,omitempty"`
	DriveLUN   int    `json:"driveLun"`
	ChangerLUN int    `json:"changerLun"`
}

// Tape is one cartridge.
type Tape struct {
	Barcode           string    `json:"barcode"`
	Place             Place     `json:"place"`
	Loaded            bool      `json:"loaded"`
	Medium            string    `json:"medium"` // "data", "cleaning", "worm"
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
	WriteProtected    bool      `json:"writeProtected"`
	Problem           string    `json:"problem,omitempty"` // why the medium cannot be used
}

// NewTapes asks for blank tapes: Count of them by the family's numbers, or one
// with the given barcode.
type NewTapes struct {
	Loader        string `json:"loader"`
	Count         int    `json:"count,omitempty"` // 0: one
	Barcode       string `json:"barcode,omitempty"`
	CapacityBytes int64  `json:"capacityBytes,omitempty"` // 0: the loader's
	WORM          bool   `json:"worm,omitempty"`          // what is written can never be written over
}

// CreatedTapes names the tapes that were made.
type CreatedTapes struct {
	Barcodes []string `json:"barcodes"`
	Warnings []string `json:"warnings"`
}

// ImportRequest names tapes to take in: each file is a tape's payload file or
// any other file of it, or a folder, which means all tapes in it.
type ImportRequest struct {
	Loader string   `json:"loader"`
	Files  []string `json:"files"` // absolute
}

// Imported names the tapes that came in.
type Imported struct {
	Barcodes []string `json:"barcodes"`
}

// ExportRequest asks to move a tape's files into a folder.
type ExportRequest struct {
	Loader  string `json:"loader"`
	Barcode string `json:"barcode"`
	Folder  string `json:"folder"` // absolute
}

// Protection sets or clears a tape's write protection.
type Protection struct {
	Loader    string `json:"loader"`
	Barcode   string `json:"barcode"`
	Protected bool   `json:"protected"`
}

// LoadRequest names the tape to load by barcode or by slot (1 is the first);
// neither means the first blank tape.
type LoadRequest struct {
	Loader  string `json:"loader"`
	Barcode string `json:"barcode,omitempty"`
	Slot    int    `json:"slot,omitempty"`
}

// UnloadRequest empties the drive. A Barcode that is not the loaded tape's is
// refused; Slot 0 is the slot the tape came from.
type UnloadRequest struct {
	Loader  string `json:"loader"`
	Barcode string `json:"barcode,omitempty"`
	Slot    int    `json:"slot,omitempty"`
}

// MoveRequest moves a tape between places.
type MoveRequest struct {
	Loader string `json:"loader"`
	From   Place  `json:"from"`
	To     Place  `json:"to"`
}

// Moved says what moved.
type Moved struct {
	Barcode string `json:"barcode"`
	From    Place  `json:"from"`
	To      Place  `json:"to"`
}

// Element is one place of a loader.
type Element struct {
	Place   Place  `json:"place"`
	Address uint16 `json:"address"` // SCSI element address
	Barcode string `json:"barcode,omitempty"`
	Source  Place  `json:"source,omitzero"` // the slot the tape came from
}

// Settings are the service's settings: the levels of free space, in percent of
// the volume's size, for all loaders (contract 3.14, 3.34).
type Settings struct {
	WarnPercent  float64 `json:"warnPercent"`
	FloorPercent float64 `json:"floorPercent"`
}
