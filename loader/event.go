package loader

import (
	"time"

	"virtualloader/slotmap"
)

// EventKind says what happened.
type EventKind string

// Kinds of events.
const (
	EventTapeCreated       EventKind = "tape-created"   // a person asked for it
	EventBlankAdded        EventKind = "blank-added"    // the loader did it by itself, before the end of a tape
	EventBlankRefused      EventKind = "blank-refused"  // a blank is needed and cannot be made; Text says why
	EventTapeDeleted       EventKind = "tape-deleted"   //
	EventTapeErased        EventKind = "tape-erased"    //
	EventTapeMoved         EventKind = "tape-moved"     // From, To
	EventTapesChanged      EventKind = "tapes-changed"  // stacker mode: the full tape was replaced by Barcode
	EventTapeImported      EventKind = "tape-imported"  //
	EventTapeExported      EventKind = "tape-exported"  //
	EventTapeFound         EventKind = "tape-found"     // inventory: its files have come
	EventTapeMissing       EventKind = "tape-missing"   // inventory: its files have gone
	EventTapeUnplaced      EventKind = "tape-unplaced"  // inventory: its files are there, no slot is free
	EventTapeDamaged       EventKind = "tape-damaged"   // it cannot be loaded; Text says why
	EventTapeRemounted     EventKind = "tape-remounted" // at start: it was in the drive
	EventMountFailed       EventKind = "mount-failed"   // at start: it is in the drive and cannot be mounted; Text says why
	EventStation           EventKind = "station"        // the import/export station was opened or closed
	EventSlotMapRecovered  EventKind = "slot-map-recovered"
	EventInventoryFinished EventKind = "inventory"
)

// Event is something a person or the log may want to know.
type Event struct {
	Time     time.Time
	Kind     EventKind
	Loader   string
	Barcode  string          // empty when it is about no single tape
	From, To slotmap.Address // of a move
	Text     string          // a sentence for a person
}

// emit tells the listener, if there is one.
func (l *Library) emit(e Event) {
	if l.options.Events == nil {
		return
	}
	e.Time, e.Loader = time.Now(), l.Identity().Name
	l.options.Events(e)
}
