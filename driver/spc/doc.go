// Package spc is what every logical unit shares (SPC-4, SAM-5): the queue of
// tasks, the table of commands, the checks before a command, and the commands
// that do not depend on the kind of unit.
//
// A device server embeds a [Unit] and gives it a [Config] of tables:
//
//	commands   operation code, name, usage mask, flags, Check, Do
//	mode       pages with default values and changeable masks
//	log        pages as functions that return parameters
//	VPD        pages beyond the common ones
//
// The same rows dispatch, refuse reserved bits and answer REPORT SUPPORTED
// OPERATION CODES, so what a unit says it can do is what it does.
//
// One life of a task:
//
//	Submit ──> FIFO ──> admit ─────────────────> Check ──> Prepare ──> Do ──> Done
//	  │                 operation code           CDB       medium,
//	  │                 unit attention           fields    protection
//	  │                 reservation
//	  │                 reserved bits
//	  └── rows with Immediate (INQUIRY, REPORT LUNS, LOG SENSE) skip the FIFO
//
// A command with IMMED may be answered before it is carried out ([Request.Continue]);
// it keeps the turn, and whoever asks meanwhile hears of its progress.
//
// Tasks run one at a time in the order of Submit, in the goroutine of whoever
// submitted to an idle unit (see [TaskSet]). Everything a Do touches is
// therefore the unit's alone; what belongs to nexuses (unit attentions,
// reservations, PREVENT, TapeAlert) is also changed by logins and by other
// units, and stands behind the Unit's lock.
package spc
