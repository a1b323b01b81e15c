// Package scsi holds the words every other driver package speaks: a task and
// its transport, status, sense data, logical unit numbers, operation codes and
// big-endian fields. It does no I/O, starts no goroutine and imports nothing of
// ours.
//
// One life of a request, in these words: a transport (iSCSI, or a test)
// receives a command and makes a [Task]; the target routes it to a logical
// unit; the unit, when the task's turn has come, asks the task's [Transport]
// for its data ("Receive Data-Out", "Send Data-In" in SAM-5) and ends it with
// one [Outcome]. Whatever went wrong on the way is an error; [OutcomeOf] is the
// only place where an error becomes a SCSI status.
//
// Names and values follow SAM-5, SPC-4, SSC-4 and SMC-3.
package scsi
