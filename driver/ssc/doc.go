// Package ssc is the tape drive: a logical unit (SSC-4, peripheral device type
// 01h) whose medium is a tape.Image.
//
// A drive holds at most one cartridge and is in one of these states:
//
//	           Load                 LOAD UNLOAD(load)
//	empty ────────────> ready <───────────────────────┐
//	  ^                  │ │                          │
//	  │      Unload      │ └── LOAD UNLOAD(unload) ─> unloaded
//	  └──────────────────┴──────────────── Unload ────┘
//	empty ── LoadUnreadable ──> unreadable (only unloading works)
//
// Load and Unload are the changer's and the administrator's doing; they wait for
// their turn among the commands (spc.TaskSet.Do) like everything else that
// touches the Image, so the medium needs no lock.
//
// One life of a WRITE(6): the envelope (spc.Unit) has found no objection; prepare
// looks at the cartridge, write protection, WORM and the disk; write6 reads FIXED
// and length, asks the transport for exactly that many bytes and appends them to
// the Image, from the transport's buffer, without a copy. What the Image says
// (early warning, end of medium, a full disk) becomes sense data in sense.go, the
// only place where that happens.
//
// How blocks are stored is decided just before they are: compressed when the loader
// allows it and mode page 0Fh says so (compression.go), encrypted with the key that
// counts for the nexus (encryption.go; SECURITY PROTOCOL in security.go). Keys are in
// memory only. A cartridge may have two partitions (partition.go); everything but
// LOCATE with CP, loading and formatting goes on in the one where the tape stands.
//
// Durability: WRITE is GOOD when the page cache has the data; WRITE FILEMARKS
// without IMMED (also with count 0), REWIND, LOCATE, SPACE, UNLOAD and Unload
// make everything before them durable, if anything was written.
//
// Rows are wrapped before the unit gets them, each wrapper from a table of its
// own: a command with IMMED goes on after its status (immediate.go), blocks of
// READ and WRITE carry a CRC while the mode page says so (protection.go).
//
// What other goroutines may know of a drive (log pages, Status) comes from
// published atomic values and never waits for a command.
package ssc
