package smc

import (
	"context"
	"log/slog"
	"time"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/slotmap"
)

// Library is what stands behind the changer. Map and Status are asked often and
// must not wait for a drive; the others are called one at a time.
type Library interface {
	Map() slotmap.Map
	// Status tells what the map does not know of an element.
	Status(slotmap.Address) slotmap.Status
	// Move brings a cartridge from src to dst, out of and into the drive if need
	// be. After an error nothing has moved. Moving to where it is does nothing.
	Move(ctx context.Context, src, dst slotmap.Address) error
	// Exchange brings the cartridge in first to second and the one in src to first.
	Exchange(ctx context.Context, src, first, second slotmap.Address) error
	// Inventory looks at all elements again.
	Inventory(ctx context.Context) error
	// SetStation opens or closes the import/export station.
	SetStation(open bool) error
}

// Config is what New needs.
type Config struct {
	Identity spc.Identity
	// DriveIdentity is what the drive says of itself; READ ELEMENT STATUS shows it.
	DriveIdentity spc.Identity
	Library       Library
	Log           *slog.Logger // nil: discard
}

// Changer is one medium changer. Its methods may be called from any goroutine.
type Changer struct {
	*spc.Unit
	library Library
	drive   spc.Identity

	searched search
}

// moveLimit is how long a move may wait for a drive, and inventoryLimit how long
// an inventory may take; hosts wait 300 s and more.
const (
	moveLimit      = 240 * time.Second
	inventoryLimit = 60 * time.Second
)

// New returns a changer.
func New(c Config) *Changer {
	ch := &Changer{library: c.Library, drive: c.DriveIdentity}
	ch.Unit = spc.NewUnit(spc.Config{
		Identity: c.Identity, DeviceType: 0x08, Standard: 0x0480,
		Commands: ch.commands(), Words: cdbWords, Mode: ch.modeConfig(), Logger: c.Log,
	})
	return ch
}

// InventoryChanged tells every nexus that cartridges came or went without the
// changer's doing: in storage elements, in import/export elements, or both.
func (c *Changer) InventoryChanged(storage, importExport bool) {
	if storage {
		c.PostAll(scsi.MediumMayHaveChanged)
	}
	if importExport {
		c.PostAll(scsi.ImportExportElementAccessed)
	}
}

func (c *Changer) commands() []spc.Command {
	const ff = 0xff
	initializeRange := []byte{0, 0x03, ff, ff, 0, 0, ff, ff, 0, 0}
	const initializeRangeOld = 0xE7 // its operation code in SMC-1
	return []spc.Command{
		{Opcode: scsi.RezeroUnit, Name: "REZERO UNIT", Usage: []byte{0, 0, 0, 0, 0, 0}, Do: func(*spc.Request) error { return nil }},
		{Opcode: scsi.InitializeElementStatus, Name: "INITIALIZE ELEMENT STATUS", Usage: []byte{0, 0, 0, 0, 0, 0}, Do: c.initialize},
		{Opcode: scsi.OpenCloseImportExportElement, Name: "OPEN/CLOSE IMPORT/EXPORT ELEMENT", Usage: []byte{0, 0, ff, ff, 0x1f, 0}, Do: c.openClose},
		{Opcode: scsi.PositionToElement, Name: "POSITION TO ELEMENT", Usage: []byte{0, 0, ff, ff, ff, ff, 0, 0, 0x01, 0}, Do: c.positionToElement},
		{Opcode: scsi.InitializeElementStatusWithRange, Name: "INITIALIZE ELEMENT STATUS WITH RANGE", Usage: initializeRange, Do: c.initializeRange},
		{Opcode: initializeRangeOld, Name: "INITIALIZE ELEMENT STATUS WITH RANGE (SMC-1)", Usage: initializeRange, Do: c.initializeRange},
		{Opcode: scsi.MoveMedium, Name: "MOVE MEDIUM", Usage: []byte{0, 0, ff, ff, ff, ff, ff, ff, 0, 0, 0x01, 0}, Do: c.moveMedium},
		{Opcode: scsi.ExchangeMedium, Name: "EXCHANGE MEDIUM", Usage: []byte{0, 0, ff, ff, ff, ff, ff, ff, ff, ff, 0x03, 0}, Do: c.exchangeMedium},
		{Opcode: scsi.ReadElementStatus, Name: "READ ELEMENT STATUS", Usage: []byte{0, 0x1f, ff, ff, ff, ff, 0x03, ff, ff, ff, 0, 0},
			Check: checkReadElementStatus, Do: c.readElementStatus},
		{Opcode: scsi.RequestVolumeElementAddress, Name: "REQUEST VOLUME ELEMENT ADDRESS", Usage: []byte{0, 0x1f, ff, ff, ff, ff, 0, ff, ff, ff, 0, 0},
			Check: checkReadElementStatus, Do: c.requestVolumeElementAddress},
		{Opcode: scsi.SendVolumeTag, Name: "SEND VOLUME TAG", Usage: []byte{0, 0x0f, ff, ff, 0, 0x1f, 0, 0, ff, ff, 0, 0},
			Check: checkReadElementStatus, Do: c.sendVolumeTag},
	}
}

func (c *Changer) modeConfig() spc.ModeConfig {
	assignment := make([]byte, 20)
	assignment[0], assignment[1] = 0x1D, 0x12
	exceptions := make([]byte, 12)
	exceptions[0], exceptions[1], exceptions[2], exceptions[3] = 0x1C, 0x0A, 0x08, 0x03
	const anywhere = 0x0E // storage, import/export and drive elements
	capabilities := []byte{0x1F, 0x12, anywhere, 0, 0, anywhere, anywhere, anywhere, 0, 0, 0, 0, 0, anywhere, anywhere, anywhere, 0, 0, 0, 0}
	return spc.ModeConfig{Pages: []spc.ModePage{
		{Default: exceptions},
		{Default: assignment, Live: c.elementAddresses},
		{Default: []byte{0x1E, 0x02, 0, 0}}, // one robot that does not turn media over
		{Default: capabilities},
	}}
}

// elementAddresses fills page 1Dh: first address and count of each kind.
func (c *Changer) elementAddresses(page []byte) {
	m := c.library.Map()
	for i, kind := range []slotmap.Kind{slotmap.Robot, slotmap.Storage, slotmap.ImportExport, slotmap.DataTransfer} {
		elements := m.Elements(kind)
		if len(elements) > 0 {
			scsi.PutUint16(page[2+4*i:], uint16(elements[0].Address))
		}
		scsi.PutUint16(page[4+4*i:], uint16(len(elements)))
	}
}
