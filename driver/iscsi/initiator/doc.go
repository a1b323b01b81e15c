// Package initiator is a small iSCSI initiator (RFC 7143, error recovery level
// 0, one connection per session): login with CHAP and digests, discovery, raw
// CDBs with any queue depth, task management, logout.
//
// [Dial] makes a [Session]. [Session.Execute] sends one command and waits;
// [Session.Submit] sends it and calls back, so that a caller keeps several under
// way in a fixed order. When the connection is lost every command under way ends
// with an error; a session is not revived, dial a new one.
//
// One life of a command: Submit gives it a task tag and, in the order in which
// it goes onto the wire, a CmdSN; immediate data leaves with it in one write. The
// session's reading goroutine puts Data-In straight into Command.In and passes
// R2Ts on to the writing goroutine, which sends slices of Command.Out. The
// response, or the last Data-In, ends it on the reading goroutine.
package initiator
