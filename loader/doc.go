// Package loader makes a backup folder a tape library: slots, import/export
// elements, one arm, one drive, and tapes that are plain files. It is what a
// person or a changer can ask for; it knows no SCSI.
//
// A folder holds
//
//	slotmap.db, slotmap.db.backup   who the loader is and where each tape is (package slotmap)
//	ABC001L8.tape, ABC001L8.index   one tape (package loader/tape)
//
// and is enough to bring the loader back on another machine.
//
// What can be asked (contract 3.7 to 3.13): [Create] a loader, or take back one
// that was put away; [Library.CreateTapes], [Library.DeleteTape],
// [Library.EraseTape]; [Library.Import] and [Library.Export]; [Library.Information];
// [Library.Inventory]. Deleting a loader is leaving it alone: close it and forget
// its folder. [Rebuild] is for a slot map that is lost together with its copy.
//
// One life of a move, slot 3 to the drive, which holds a tape already? Refused by
// the map alone, before anything is touched. The drive is empty: (1) the arm is
// taken, one move at a time; (2) [slotmap.Map.Move], a pure check; (3) the slot map
// commits that the tape is in the drive; (4) the tape is opened and given to the
// drive, which reports ready. From the drive to a slot: unload first, then commit.
// When a step fails, those before it are undone. When the process dies at whatever
// step, the slot map names exactly one element for each tape, and [Library.Attach]
// loads the one it names in the drive.
//
// Who waits for whom: the arm waits for the drive, always with a deadline; the
// drive never waits for the arm. What reads - Map, Status, Tapes, Information -
// takes a published snapshot and waits for nobody. Each library has one goroutine
// of its own, the keeper: it has a blank tape ready before a tape ends, and in
// stacker mode changes tapes by itself (spec C.13).
//
// Barcodes are a family, a running number that is never used again, and a media
// identifier: ABC001L8.
package loader
