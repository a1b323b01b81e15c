// Package smc is the medium changer: a logical unit (SMC-3, peripheral device
// type 08h) over a Library that it declares itself.
//
// The changer keeps no inventory of its own. Every answer is made from one
// slotmap.Map, an immutable picture of all elements, so READ ELEMENT STATUS never
// waits for a drive and never shows a cartridge twice or not at all while one is
// on its way.
//
// One life of a MOVE MEDIUM: the envelope (spc.Unit) has found no objection;
// moveMedium judges the three addresses against the map, in the standard's
// order; then Library.Move does all of it - flush and unload the drive, commit
// the map, load the drive - and returns when the drive is ready. Its error
// becomes sense data in sense.go; a *scsi.Sense that the drive gave passes
// through unchanged. The changer waits for the drive, with a deadline, and the
// drive never for the changer.
package smc
