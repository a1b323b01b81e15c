// Package slotmap knows where every cartridge of a loader is, and keeps it.
//
// Words, as SMC-3 has them: an element is a place for one cartridge and has an
// element address; its kind is robot (medium transport), storage (a slot),
// import/export (a mail slot) or data transfer (the drive). A [Map] is all
// elements of one loader at one moment:
//
//	0001h          robot            always empty: moves are atomic
//	0010h..0013h   import/export    4
//	0100h          data transfer    1, the drive
//	1000h..13E7h   storage          1 to 1000 slots; slot 1 is 1000h
//
// A Map is an immutable value. Its operations (Move, Exchange, Place, Remove)
// are pure: each returns another Map and leaves the first as it was, so a check
// is an operation whose result is thrown away, and a reader never waits.
//
// A [Store] keeps the Map of one backup folder, the loader's [Identity] and a
// [Tape] record for each cartridge, in two files of that folder:
//
//	slotmap.db          bbolt: what counts
//	slotmap.db.backup   a whole copy of it, a second or so behind
//	slotmap.db.lock     locked while the folder is served; its bytes mean nothing
//	slotmap.db.damaged-20261121-101500   what was put aside by a recovery
//
//	bucket      key                  value
//	meta        "kind"               "virtualloader slot map"
//	            "format"             "1"
//	content     "identity"           JSON Identity
//	elements    address, 2 bytes BE  JSON {barcode, source, imported}; full elements only
//	tapes       barcode              JSON Tape
//
// The folder alone is thus enough to bring a loader back on another machine
// (contract 3.2, 3.12).
//
// One life of a change: the caller's function gets a [Tx], puts a new Map and
// perhaps tape records into it; bbolt commits what differs and syncs; the new
// snapshot is published; one goroutine copies the file to its backup about a
// second later, and Close does so at the end. These are the three actions of
// contract 3.23: [Store.Update] whose function changes something is
// update_and_save, one whose function changes nothing is do_nothing, and
// [Store.Save] is save_only.
//
// One life of a start (contract 3.17): lock; read slotmap.db, all of it, and
// check it; if that cannot be done, check slotmap.db.backup, put the damaged
// file aside, set the copy in its place and say so in a [Recovery]. If neither
// can be read the answer is [ErrDamaged] with both reasons, and no file has been
// touched.
//
// A [ConfigStore] keeps the service's own configuration with the same machinery.
package slotmap
