package pdu

import (
	"encoding/binary"
	"fmt"
)

// HeaderLength is the length in bytes of the basic header segment.
const HeaderLength = 48

// ReservedTag in a task tag field means that there is none (RFC 7143 11.2.1.8).
const ReservedTag = 0xFFFFFFFF

// Opcode is the low six bits of a header's first byte.
type Opcode uint8

// Opcodes of the initiator (00h-1Fh) and of the target (20h-3Fh).
const (
	NopOut       Opcode = 0x00
	SCSICommand  Opcode = 0x01
	TaskRequest  Opcode = 0x02
	LoginRequest Opcode = 0x03
	TextRequest  Opcode = 0x04
	DataOut      Opcode = 0x05
	LogoutReq    Opcode = 0x06
	SNACK        Opcode = 0x10

	NopIn          Opcode = 0x20
	SCSIResponse   Opcode = 0x21
	TaskResponse   Opcode = 0x22
	LoginResponse  Opcode = 0x23
	TextResponse   Opcode = 0x24
	DataIn         Opcode = 0x25
	LogoutResponse Opcode = 0x26
	R2T            Opcode = 0x31
	Async          Opcode = 0x32
	Reject         Opcode = 0x3F
)

// Flags of a header's second byte, by PDU type.
const (
	FlagFinal    = 0x80 // F, also T (transit) of login
	FlagContinue = 0x40 // C of login and text

	FlagRead      = 0x40 // SCSI Command
	FlagWrite     = 0x20
	AttributeMask = 0x07

	FlagBidiOverflow  = 0x10 // SCSI Response
	FlagBidiUnderflow = 0x08
	FlagOverflow      = 0x04 // SCSI Response and Data-In
	FlagUnderflow     = 0x02
	FlagStatus        = 0x01 // Data-In: it carries the SCSI status
)

// Stages of a login (RFC 7143 11.12.3).
const (
	SecurityStage    = 0
	OperationalStage = 1
	FullFeature      = 3
)

// RejectReason says why a PDU was refused (RFC 7143 11.17.1).
type RejectReason uint8

// Reject reasons.
const (
	RejectDataDigest       RejectReason = 0x02
	RejectSNACK            RejectReason = 0x03
	RejectProtocol         RejectReason = 0x04
	RejectUnsupported      RejectReason = 0x05
	RejectTooManyImmediate RejectReason = 0x06
	RejectTaskInProgress   RejectReason = 0x07
	RejectInvalidField     RejectReason = 0x09
	RejectWaitingForLogout RejectReason = 0x0C
)

// AsyncEvent is the event code of an Async Message (RFC 7143 11.9.1).
type AsyncEvent uint8

// Async events.
const (
	AsyncSCSI           AsyncEvent = 0
	AsyncRequestLogout  AsyncEvent = 1
	AsyncDropConnection AsyncEvent = 2
	AsyncDropSession    AsyncEvent = 3
)

// LoginStatus is class << 8 | detail of a Login Response (RFC 7143 11.13.5).
type LoginStatus uint16

// Login statuses.
const (
	LoginSuccess            LoginStatus = 0x0000
	LoginInitiatorError     LoginStatus = 0x0200
	LoginAuthFailed         LoginStatus = 0x0201
	LoginForbidden          LoginStatus = 0x0202
	LoginNotFound           LoginStatus = 0x0203
	LoginUnsupportedVersion LoginStatus = 0x0205
	LoginTooManyConnections LoginStatus = 0x0206
	LoginMissingParameter   LoginStatus = 0x0207
	LoginCannotAddToSession LoginStatus = 0x0208
	LoginSessionType        LoginStatus = 0x0209
	LoginNoSession          LoginStatus = 0x020A
	LoginInvalidRequest     LoginStatus = 0x020B
	LoginTargetError        LoginStatus = 0x0300
	LoginUnavailable        LoginStatus = 0x0301
	LoginOutOfResources     LoginStatus = 0x0302
)

var loginStatusText = map[LoginStatus]string{
	LoginSuccess:            "success",
	LoginInitiatorError:     "initiator error",
	LoginAuthFailed:         "authentication failed: check the CHAP name and secret",
	LoginForbidden:          "this initiator may not use the target",
	LoginNotFound:           "no such target",
	LoginUnsupportedVersion: "unsupported protocol version",
	LoginTooManyConnections: "too many connections in the session",
	LoginMissingParameter:   "a required key is missing",
	LoginCannotAddToSession: "cannot add the connection to the session",
	LoginSessionType:        "unsupported session type",
	LoginNoSession:          "no such session",
	LoginInvalidRequest:     "invalid request during login",
	LoginTargetError:        "target error",
	LoginUnavailable:        "target unavailable",
	LoginOutOfResources:     "target out of resources",
}

// String returns the status in words and hex.
func (s LoginStatus) String() string {
	if text, ok := loginStatusText[s]; ok {
		return fmt.Sprintf("%s (%04X)", text, uint16(s))
	}
	return fmt.Sprintf("login status %04X", uint16(s))
}

// ISID is the initiator's part of a session identifier (RFC 7143 11.12.5).
type ISID [6]byte

// Header is a basic header segment as it stands on the wire. Methods that name
// a field read it, methods that begin with Set write it; which fields an opcode
// has is RFC 7143 clause 11's matter.
type Header [HeaderLength]byte

// Opcode returns the operation code.
func (h *Header) Opcode() Opcode { return Opcode(h[0] & 0x3f) }

// Immediate reports the I bit.
func (h *Header) Immediate() bool { return h[0]&0x40 != 0 }

// Flags returns the second byte.
func (h *Header) Flags() byte { return h[1] }

// Final reports the F bit (T in login PDUs).
func (h *Header) Final() bool { return h[1]&FlagFinal != 0 }

// Has reports whether all given flags of the second byte are set.
func (h *Header) Has(flags byte) bool { return h[1]&flags == flags }

// CurrentStage and NextStage are CSG and NSG of login PDUs.
func (h *Header) CurrentStage() int { return int(h[1] >> 2 & 3) }

// NextStage is NSG; it counts when T is set.
func (h *Header) NextStage() int { return int(h[1] & 3) }

// AHSLength is the length in bytes of the additional header segments.
func (h *Header) AHSLength() int { return int(h[4]) * 4 }

// DataLength is the length in bytes of the data segment without padding.
func (h *Header) DataLength() int { return int(h[5])<<16 | int(h[6])<<8 | int(h[7]) }

// LUN returns bytes 8 to 15.
func (h *Header) LUN() uint64 { return binary.BigEndian.Uint64(h[8:]) }

// ISID and TSIH are the session identifier in login PDUs.
func (h *Header) ISID() (id ISID) { copy(id[:], h[8:14]); return id }

// TSIH is the target session identifying handle.
func (h *Header) TSIH() uint16 { return binary.BigEndian.Uint16(h[14:]) }

// CID is the connection ID in Login and Logout requests.
func (h *Header) CID() uint16 { return binary.BigEndian.Uint16(h[20:]) }

// ITT is the initiator task tag.
func (h *Header) ITT() uint32 { return h.Uint32(16) }

// TTT is the target transfer tag.
func (h *Header) TTT() uint32 { return h.Uint32(20) }

// TransferLength is the expected data transfer length of a SCSI Command.
func (h *Header) TransferLength() uint32 { return h.Uint32(20) }

// ReferencedTag is the referenced task tag of a task management request.
func (h *Header) ReferencedTag() uint32 { return h.Uint32(20) }

// CmdSN is the command sequence number of a request.
func (h *Header) CmdSN() uint32 { return h.Uint32(24) }

// StatSN is the status sequence number of a response.
func (h *Header) StatSN() uint32 { return h.Uint32(24) }

// ExpStatSN is the next status the initiator expects.
func (h *Header) ExpStatSN() uint32 { return h.Uint32(28) }

// ExpCmdSN is the next command the target expects.
func (h *Header) ExpCmdSN() uint32 { return h.Uint32(28) }

// RefCmdSN is the referenced task's CmdSN in a task management request.
func (h *Header) RefCmdSN() uint32 { return h.Uint32(32) }

// MaxCmdSN is the last command the target accepts.
func (h *Header) MaxCmdSN() uint32 { return h.Uint32(32) }

// DataSN is the number of a data PDU in its sequence, R2TSN in an R2T.
func (h *Header) DataSN() uint32 { return h.Uint32(36) }

// ExpDataSN is the number of Data-In and R2T PDUs of a finished task.
func (h *Header) ExpDataSN() uint32 { return h.Uint32(36) }

// BufferOffset is where in the transfer a data PDU or an R2T begins.
func (h *Header) BufferOffset() uint32 { return h.Uint32(40) }

// DesiredLength is the number of bytes an R2T asks for.
func (h *Header) DesiredLength() uint32 { return h.Uint32(44) }

// Residual is the residual count of a SCSI Response or the last Data-In.
func (h *Header) Residual() uint32 { return h.Uint32(44) }

// CDB returns the 16 bytes of a SCSI Command's descriptor block in place.
func (h *Header) CDB() []byte { return h[32:48] }

// LoginStatus is class and detail of a Login Response.
func (h *Header) LoginStatus() LoginStatus { return LoginStatus(binary.BigEndian.Uint16(h[36:])) }

// Uint32 reads the four byte field at offset i.
func (h *Header) Uint32(i int) uint32 { return binary.BigEndian.Uint32(h[i:]) }

// SetUint32 writes the four byte field at offset i.
func (h *Header) SetUint32(i int, v uint32) { binary.BigEndian.PutUint32(h[i:], v) }

// Reset clears the header and sets opcode and flags.
func (h *Header) Reset(op Opcode, flags byte) {
	*h = Header{}
	h[0], h[1] = byte(op), flags
}

// SetImmediate sets the I bit.
func (h *Header) SetImmediate() { h[0] |= 0x40 }

// SetDataLength writes the length in bytes of the data segment.
func (h *Header) SetDataLength(n int) { h[5], h[6], h[7] = byte(n>>16), byte(n>>8), byte(n) }

// SetLUN writes bytes 8 to 15.
func (h *Header) SetLUN(v uint64) { binary.BigEndian.PutUint64(h[8:], v) }

// SetSession writes ISID and TSIH.
func (h *Header) SetSession(id ISID, tsih uint16) {
	copy(h[8:14], id[:])
	binary.BigEndian.PutUint16(h[14:], tsih)
}

// SetCID writes the connection ID.
func (h *Header) SetCID(v uint16) { binary.BigEndian.PutUint16(h[20:], v) }

// SetITT writes the initiator task tag.
func (h *Header) SetITT(v uint32) { h.SetUint32(16, v) }

// SetTTT writes the target transfer tag.
func (h *Header) SetTTT(v uint32) { h.SetUint32(20, v) }

// SetTransferLength writes the expected data transfer length.
func (h *Header) SetTransferLength(v uint32) { h.SetUint32(20, v) }

// SetCmdSN writes a request's CmdSN.
func (h *Header) SetCmdSN(v uint32) { h.SetUint32(24, v) }

// SetStatSN writes a response's StatSN.
func (h *Header) SetStatSN(v uint32) { h.SetUint32(24, v) }

// SetExpStatSN writes a request's ExpStatSN.
func (h *Header) SetExpStatSN(v uint32) { h.SetUint32(28, v) }

// SetWindow writes ExpCmdSN and MaxCmdSN.
func (h *Header) SetWindow(expected, maximum uint32) {
	h.SetUint32(28, expected)
	h.SetUint32(32, maximum)
}

// SetDataSN writes DataSN, R2TSN or ExpDataSN.
func (h *Header) SetDataSN(v uint32) { h.SetUint32(36, v) }

// SetBufferOffset writes the buffer offset.
func (h *Header) SetBufferOffset(v uint32) { h.SetUint32(40, v) }

// SetDesiredLength writes an R2T's desired data transfer length.
func (h *Header) SetDesiredLength(v uint32) { h.SetUint32(44, v) }

// SetResidual writes the residual count.
func (h *Header) SetResidual(v uint32) { h.SetUint32(44, v) }

// SetLoginStatus writes class and detail.
func (h *Header) SetLoginStatus(s LoginStatus) { binary.BigEndian.PutUint16(h[36:], uint16(s)) }

// Before compares sequence numbers in serial arithmetic modulo 2^32 (RFC 1982).
func Before(a, b uint32) bool { return int32(a-b) < 0 }

// Padding is the number of zero bytes that follow n bytes of data.
func Padding(n int) int { return -n & 3 }
