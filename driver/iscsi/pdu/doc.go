// Package pdu is the wire format of iSCSI (RFC 7143 clause 11) as both ends of a
// connection need it: headers, the framing of header, data segment and digests,
// text keys, CRC32C and CHAP's arithmetic. It knows nothing of sessions.
//
// One protocol data unit on the wire, numbers big-endian:
//
//	+--------------------------------------------------+
//	| basic header segment                    48 bytes |  Header
//	|   0 opcode, 1 flags, 4 AHS words, 5-7 data bytes |
//	|   8 LUN or ISID, 16 initiator task tag           |
//	|   20-47 by opcode                                |
//	+--------------------------------------------------+
//	| additional header segments   0..1020, words of 4 |  Reader.AHS
//	| header digest             0 or 4, little-endian  |
//	+--------------------------------------------------+
//	| data segment                0..2^24-1            |  Reader.Payload
//	| padding with zeros           0..3                |
//	| data digest, if any data  0 or 4, little-endian  |
//	+--------------------------------------------------+
//
// A [Reader] hands out a header first and leaves the data segment in the socket
// until somebody says where it belongs; a caller that can guess where the next
// data segment will go gets header and data in one system call.
//
// Every decoder is total: whatever bytes come, the answer is a value or an
// error, and no more memory is used than the limits say.
package pdu
