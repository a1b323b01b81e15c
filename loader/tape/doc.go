// Package tape is the medium: a tape cartridge kept as two plain files.
//
//	ABC001L8.tape    the payload: exactly the bytes the host wrote, in order,
//	                 unless it asked for compression or encryption
//	ABC001L8.index   where one record ends and the next begins, filemarks,
//	                 checksums, attributes, identity
//
// A tape with one tar archive on it is a payload file that tar lists. The two
// files are the whole cartridge: they can be carried away and brought back.
//
// # Words
//
// A tape is a row of logical objects 0..E-1; an object is a block of 1 byte to
// 8 MiB, or a filemark. The position P is in 0..E; E is end of data. Writing
// at P gives up every object from P on. A [Cartridge] is a tape in its folder,
// an [Image] is a loaded one (one goroutine at a time, locked against other
// processes), a [View] is a reader that keeps showing what was there when it
// was made.
//
// A cartridge formatted into two partitions has a second pair, ABC001L8.tape.p1
// and ABC001L8.index.p1: partition 1, which is a tape of its own in every respect
// but that partition 0 knows its size, counts loads and changes, and is protected
// for both. A new division is made by a new generation of partition 0, before
// which partition 1 was made or emptied; files of a partition 1 that partition 0
// does not know of mean nothing.
//
// # The index file, format version 2
//
// All numbers are little-endian. The file is a log: chunks are only ever
// appended, so that whoever knows a length of it knows a state of the tape.
//
//	byte 0        16            256                                        end of file
//	+-------------+-------------+-------+-------+-- ... --+-----------+--------+
//	| superblock  | header      | chunk | chunk |         | directory | footer |
//	+-------------+-------------+-------+-------+-- ... --+-----------+--------+
//	 "VLTAPE\r\n"   chunk 1                                 only after a clean
//	 version u32 (1, 2)                                     unload or a park
//	 zero u32
//
//	chunk:  crc u32 | type u8, 3 zero | body length u32 | zero u32 | body
//
// crc is the CRC32C of everything behind it in the chunk. It begins with a
// seed made of the log's random id and the chunk's position, so that no old
// byte, of this file or another, passes for a chunk. A reader without a
// directory takes chunks until the first that is not valid: that is the tape.
//
//	1 header     log id 16 | serial 16 | barcode 32 | medium type u8, 7 zero |
//	             created i64 | state 56 | zero
//	2 records    mark 24 | durable u64 | time i64 | runs u32, zero u32 |
//	             run 8 ... | CRC32C of each block u32 ...
//	3 cut        mark 24 | time i64            objects from the mark on are gone
//	4 state      capacity i64 | early warning i64 | generation u64 |
//	             write count u64 | load count u64 | last written i64 |
//	             flags u32 (1 protected, 2 retired files may exist) |
//	             capacity of partition 1 in MiB u32 (version 2)
//	5 attribute  id u16 | format u8 | deleted u8 | length u32 | value
//	6 directory  state 56 | end mark 24 | durable u64 | tail entry 40 |
//	             entries u32, attributes u32 | entry 40 ... | attribute ...
//	7 footer     directory position u64 | its crc u32, zero u32 | state 56 |
//	             end mark 24 | zero 16
//
//	mark:   objects before u64 | payload bytes before i64 | filemarks before u64
//	run:    kind << 24 | length u32 | count u32   kind 1 block, 2 filemark;
//	        a block also + 4 compressed, + 8 encrypted, and then behind it:
//	        stored length u32 | zero u32
//	entry:  mark 24 | log position i64 | log bytes i64
//
// Times are nanoseconds since 1970, 0 for never. A block costs 4 bytes of
// index in a run of equal ones and 12 in a run of its own (20 when it is
// compressed or encrypted), a filemark at most 8, and every flush of the index 64. The mark in a records chunk says where
// its objects belong, for check and mend. "durable" is the sync mark: objects
// below that number were on stable storage before the chunk was written. A reader
// that does not know a chunk type or a kind says [ErrFormat].
//
// The version in the superblock is the lowest one that can tell everything the
// file says: a tape of plain blocks has version 1. It becomes 2, in place, before
// the first block that is stored otherwise is logged, and a tape of two partitions
// has it. A reader of version 2 takes
// version 1 as it is; images of every version there was stay readable.
//
// # Blocks that are not stored plain
//
// A compressed block is one zstd frame; a block that would not become shorter is
// stored plain. An encrypted one is an envelope of its (perhaps compressed) bytes:
//
//	1 u8 (AES-256-GCM) | lengths of U-KAD and A-KAD u8 each | their format u8 |
//	nonce 12 | U-KAD | A-KAD | encrypted bytes | tag 16
//
// The tag also covers the first 16 bytes, the A-KAD, the block's length u32 and
// its kind u8. Nonces are 8 random bytes for each time a key is set and a counter.
// Keys are never in a file. Checksums, offsets and the used capacity are those of
// what is stored, so that check, mend and a load after a crash need no key.
//
// # Finding an object
//
// In memory there is one entry for each 32 KiB of log and the decoded last
// stretch; the stretch that holds an object is found by bisection, read,
// checked and kept with a few others. So LOCATE and SPACE are O(log n) and one
// small read, and memory does not grow with the number of records (40 bytes
// for 8,000 of them). A tape that was unloaded cleanly is mounted from footer,
// directory and last stretch; otherwise its log is read, not its payload.
//
// # Durability
//
// WriteBlock has handed the bytes to the operating system when it returns.
// Sync makes the payload durable, then appends the records with their sync
// mark, then makes the index durable: two flushes, one when only filemarks are
// new, none when nothing is. Between Syncs the log is appended to every 4 MiB,
// every second or every stretch of it; the disk is kept busy in the background,
// which also makes a sync mark for each GiB.
//
// After a crash the log is taken up to its last valid chunk; what the last sync
// mark covers is trusted, the records behind it are compared with their
// checksums, and the first that does not match ends the tape. What lies behind
// is cut off before anything is written. Giving up payload bytes begins with a
// durable cut, so that nothing overwritten comes back.
//
// # Generations
//
// Payload bytes below the end of data of a View never change while it is open.
// Appending, and overwriting filemarks that nothing follows, does not touch
// them. Writing at the beginning always starts a new pair of files; overwriting
// in the middle does, with a clone or copy of what is before, when a View needs
// the bytes that follow. The old pair is renamed ("ABC001L8.tape.g3") and
// removed with its last View; without one it is removed at once.
//
//	.index.tmp  .tape.new      the new pair is being made: a crash forgets it
//	.index.new  .tape.new      it is complete and durable: a crash finishes this:
//	   .tape  -> .tape.g<N>       the old names go aside
//	   .tape.new  -> .tape
//	   .index -> .index.g<N>
//	   .index.new -> .index
//
// Views are known in one process: while a service has the folder open, other
// processes may look (Check, Dump, Cat) but get [ErrInUse] for the rest.
//
// # One life of a record
//
// WriteBlock checks the capacity, writes the bytes at the end of the payload
// with one pwrite, and adds length and CRC32C to the tail region in memory. A
// flush encodes what the log does not have as one records chunk; a Sync makes
// both files durable. A stretch that has become long enough gets a directory
// entry and leaves memory. ReadBlock finds the run, reads the bytes with one
// pread and compares the checksum: a record is whole, or it is [ErrCorrupt].
package tape
