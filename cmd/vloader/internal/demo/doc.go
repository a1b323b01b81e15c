// Package demo runs the product's main job in front of a person: it makes a
// backup folder with small tapes, writes a real directory tree through the iSCSI
// drive as one tar archive over several tapes, reads it back and compares every
// byte.
//
// It behaves as any backup host does and uses nothing of the service but what a
// person could do: control for the folder and for putting tapes into the drive,
// SCSI commands over iSCSI for the data.
//
//	directory tree -> tar -> blocks of 256 KiB -> WRITE(6) until early warning
//	    -> WRITE FILEMARKS -> LOAD UNLOAD -> TEST UNIT READY until the stacker has
//	    put the next tape in -> WRITE(6) ...
//	tapes in order -> READ(6) until the filemark -> tar -> compare
package demo
