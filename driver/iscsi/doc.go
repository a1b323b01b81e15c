// Package iscsi is an iSCSI target server (RFC 7143): login with CHAP and
// digests, discovery, full feature phase with a command window, R2T, task
// management, keepalive. Error recovery level 0, one connection per session.
// What a target consists of is none of its business: it hands SCSI tasks to a
// [Device] and carries their data and status.
//
//	Server     listeners, targets, sessions, payload buffers, the watchdog
//	  conn     one socket: login, then a session; PDU by PDU (dispatch)
//	    role   who may read the socket now
//	    sender who has something to say writes it here, on his own goroutine
//	    exchange  one SCSI command: scsi.Task and its scsi.Transport
//
// # The life of a WRITE
//
// The connection's loop reads the header, and with the same system call the
// immediate data, straight into a pooled page aligned buffer at the place from
// which the unit will take it. The exchange is submitted to the device in CmdSN
// order. If the unit was idle, Submit returns a function that executes the
// queue, and the loop calls it: no hand-over to another goroutine. The unit asks
// for its data (ReceiveDataOut). What is missing is asked for by R2T, and the
// task reads the socket itself until it has come, acting on whatever else
// arrives. Done writes the response. In a steady stream nothing is allocated and
// a block of up to FirstBurstLength costs one read and one write.
//
//	socket ──> loop ──> dispatch ──> exchange ──> Device.Submit ──> run
//	              ^        |                                         |
//	              |        └─ NOP-Out, TMF, Text, Logout     ReceiveDataOut, if
//	              └── borrows the role, reads on ────────── data is missing
//
// READ is the mirror image: the unit fills a lent buffer, SendDataIn holds the
// last piece back, and Done sends it with the status in one vectored write.
//
// # The reader role
//
// While the loop executes a command nobody reads the socket, which is fine for
// microseconds and wrong for a flush. The right to read is therefore a token.
// The watchdog sees that the loop has been inside one command for 50 ms and
// starts a new loop that takes the token; the old one finds it gone when its
// command ends, and ends too. So NOP-Out, task management and logout are
// answered within about a tenth of a second whatever a command does.
//
// # Bounds
//
// Unsolicited data is at most FirstBurstLength per command and a session has at
// most 16 commands under way, since MaxCmdSN moves when commands end, not when
// they arrive. Everything else is asked for when its command is executed, into a
// buffer as long as the unit wants it, never as long as the initiator says. The
// limits of peers are in [Limits]; a peer that sends what cannot be believed is
// answered with Reject and dropped.
package iscsi
