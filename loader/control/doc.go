// Package control is everything a person may ask of a running virtual loader
// service, and the local connection over which it is asked. The command line
// and the desktop application use nothing else; neither ever touches a file of
// a running loader. The package imports nothing of ours.
//
// # Words
//
//	loader      a backup folder that is served as a tape library
//	tape        one cartridge: a barcode, and the files of that name in the folder
//	place       where a tape can be: "slot 12", "drive", "station 2"
//	status      one published picture of the whole service; reading it never waits
//	            for a drive
//	event       something that happened, with a sequence number that only grows
//
// # The wire
//
// HTTP/1.1 with JSON over a unix socket (0600 in a folder of mode 0700) or, on
// Windows, a named pipe. Every operation is one POST to /v1/NAME with its
// request as the body; the table in operations.go is the whole list. An
// operation without a request also answers GET:
//
//	curl --unix-socket $XDG_RUNTIME_DIR/vloader/control.sock http://vloader/v1/status
//
// What cannot be done comes back as an [Error]: a code for programs, a message
// that says what happened, a hint that says what to do next.
//
// # Events
//
//	GET /v1/follow?since=41
//	{"sequence":42,"time":"...","kind":"tape-created","loader":"photos","barcode":"ABC007L8","message":"..."}
//	{"kind":"heartbeat"}
//	{"kind":"gap","lost":17,"sequence":59}
//	{"sequence":60,...}
//
// A [Feed] keeps the latest events in a ring and every reader walks the ring at
// its own pace by sequence number, so the one who publishes never waits. A
// reader that comes back says the last number it saw and goes on from there; one
// that was away or slow for too long is told with a gap how many events it
// missed. A connection that takes no bytes for some seconds is closed.
//
// # Traces
//
//	GET /v1/trace?loader=photos
//	{"kind":"began","lun":0}
//	{"kind":"command","time":"...","nanoseconds":81250,"initiator":"iqn...","lun":0,"cdb":"080204000000",
//	 "command":"READ(6) SILI, length 262144","status":"GOOD","dataInBytes":262144}
//
// Every reader has a queue of its own that the loader never waits for; what does
// not fit is told as a gap. Without a reader nothing is traced.
//
// # Who may
//
// The service asks the operating system who is at the other end of a unix
// socket: the same user, root, and the members of one configured group may
// speak; others get the code "denied". A named pipe carries the same rule in its
// security descriptor and refuses the network.
package control
