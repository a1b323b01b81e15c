// Package conformance is the behaviour contract of the tape drive and the
// changer as data: one [Item] for each number of the checklist (F.2 common
// commands, F.3 tape drive, F.4 changer), and a runner that plays items on a
// [Stage].
//
// A Stage is anything that executes commands: the units themselves in this
// process, an initiator on a socket, or a kernel's sg device. What a stage cannot
// do it answers with errors.ErrUnsupported, and the item is skipped there.
//
// SUPPORTED.md, written by a test from the units' tables, lists what they can do
// and every item. `make kernel` plays the items through a real kernel's sg.
//
// An item is a fixture and a script. A line of a script is a command and what
// must come of it:
//
//	@B1 08 02 001000 00 <4096 = 0/0001 FM I=4096 U=4096
//	^^^ ^^^^^^^^^^^^^^^ ^^^^^   ^^^^^^^^^^^^^^^^^^^^^^^
//	│   CDB in hex,     │       outcome; U underflow, O overflow residual
//	│   zeros added     expected data-in length in bytes
//	nexus B, LUN 1; without it A, LUN 0
//
// ">" introduces data-out, in hex or as block:SEED:LENGTH, a pattern. Outcomes
// are G (GOOD), 18h (a status) or K/AAQQ (sense key, ASC, ASCQ) with FM, EOM, ILI
// and I= (INFORMATION, VALID = 1); what is not named must not be set. len=N says
// how many bytes came, block:SEED which pattern they show, and ":" introduces
// their first bytes in hex, ?? for any.
//
//	! event       something no command does: ! lost A, ! gate floor
//	drain         both nexuses take their unit attentions on both units
//	P=3           READ POSITION says object 3
//	E=5           end of data is at object 5
//	start ...     a command whose data-out is held back
//	finish = G    the oldest such command gets its data and ends
package conformance
