package scsi

import (
	"encoding/binary"
	"errors"
)

// Nexus names an I_T nexus (SAM-5 4.6): the initiator port as
// "InitiatorName,i,0xISID". The target port is implied, since every target has
// logical units of its own. Nexuses are equal when the strings are.
type Nexus string

// LUN is a logical unit number as its eight bytes stand on the wire, most
// significant byte first (SAM-5 4.7).
type LUN uint64

// ReportLUNsWellKnown is the well known logical unit that answers REPORT LUNS
// only (SPC-4 clause 8).
const ReportLUNsWellKnown LUN = 0xC101 << 48

// UnitNumber returns the LUN of logical unit n, 0 <= n <= 255, in the single
// level peripheral device form.
func UnitNumber(n int) LUN { return LUN(n&0xff) << 48 }

// Number returns the unit number of a single level LUN in peripheral device or
// flat space form; ok is false for every other form.
func (l LUN) Number() (n int, ok bool) {
	if l&0x0000_ffff_ffff_ffff != 0 {
		return 0, false
	}
	switch top := uint16(l >> 48); top >> 14 {
	case 0:
		return int(top & 0xff), top>>8 == 0
	case 1:
		return int(top & 0x3fff), true
	}
	return 0, false
}

// Attribute is a task attribute (SAM-5 8.6). The units execute in arrival order
// whatever the attribute says.
type Attribute uint8

// Task attributes as iSCSI encodes them (RFC 7143 11.3.1).
const (
	Untagged Attribute = iota
	Simple
	Ordered
	HeadOfQueue
	ACA
)

// Task is one command on its way through a target (SAM-5 "task", SAM-6
// "command"). The transport that made it owns its memory and may use it again
// once Done has returned; nobody keeps a Task beyond that.
type Task struct {
	Nexus     Nexus
	LUN       LUN
	Tag       uint32 // initiator task tag, unique within the nexus
	Attribute Attribute

	// CDB holds at least 16 bytes; shorter commands are padded with zeros.
	CDB []byte

	// DataOutLength and DataInLength are the initiator's expected data transfer
	// lengths in bytes for either direction, 0 where it expects none.
	DataOutLength, DataInLength int

	Transport
}

// Transport carries the data and the end of one task. A task's methods are
// called by one goroutine at a time, except Abort, which may come at any time
// from any goroutine.
type Transport interface {
	// ReceiveDataOut returns the next n bytes that the initiator sends with the
	// command, asking for them (R2T) if they have not come unsolicited. The
	// slice is the transport's own memory, page aligned where that is possible,
	// valid until the next ReceiveDataOut or Done. More than the initiator
	// announced is ErrDataOutShort and nothing is received; a task that was
	// aborted or whose connection is gone gets ErrAborted.
	ReceiveDataOut(n int) ([]byte, error)

	// Buffer lends n bytes for SendDataIn. Their content is undefined.
	Buffer(n int) []byte

	// SendDataIn sends p as the next bytes to the initiator, cut to what it
	// expects; the rest counts as residual overflow. p must stay unchanged
	// until Done returns; a slice of the last Buffer's memory may be given and
	// then belongs to the transport. The transport may hold the data back to
	// send it together with the status.
	SendDataIn(p []byte) error

	// Done ends the task: exactly once, and nothing of the task is used after.
	// The transport works out the residual from what was transferred.
	Done(Outcome)

	// Abort makes a pending or later ReceiveDataOut return ErrAborted, and Done
	// send nothing to the initiator (SAM-5 5.3.1, TAS = 0).
	Abort()
}

// Errors a Transport returns.
var (
	// ErrAborted means that nobody waits for this task any more.
	ErrAborted = errors.New("task aborted")
	// ErrDataOutShort means that a command needs more data than the initiator
	// announced; OutcomeOf turns it into INVALID FIELD IN COMMAND INFORMATION UNIT.
	ErrDataOutShort = errors.New("command needs more data than the initiator sends")
)

// Status is a SCSI status byte (SAM-5 5.3).
type Status uint8

// Statuses the units answer with.
const (
	Good                Status = 0x00
	CheckCondition      Status = 0x02
	Busy                Status = 0x08
	ReservationConflict Status = 0x18
	TaskSetFull         Status = 0x28
	TaskAborted         Status = 0x40
)

// Outcome is how a task ended. Sense is set exactly when Status is
// CheckCondition.
type Outcome struct {
	Status Status
	Sense  *Sense

	// Descriptor asks for descriptor format sense data (control mode page,
	// D_SENSE).
	Descriptor bool
}

// SenseData returns the sense data to send with the status, nil without sense.
func (o Outcome) SenseData() []byte {
	switch {
	case o.Sense == nil:
		return nil
	case o.Descriptor:
		return o.Sense.Descriptor()
	}
	return o.Sense.Fixed()
}

// StatusError is a status other than GOOD and CHECK CONDITION travelling as an
// error.
type StatusError Status

// Error names the status.
func (s StatusError) Error() string {
	switch Status(s) {
	case Busy:
		return "busy"
	case ReservationConflict:
		return "reservation conflict"
	case TaskSetFull:
		return "task set full"
	case TaskAborted:
		return "task aborted"
	}
	return "status " + hexByte(byte(s))
}

// OutcomeOf turns the error a command ended with into its SCSI outcome: nil is
// GOOD, a *Sense in the chain is CHECK CONDITION with it, a StatusError is that
// status, and anything else is a failure of the target itself (HARDWARE ERROR,
// INTERNAL TARGET FAILURE) with the error as its cause.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Outcome{}
	}
	var sense *Sense
	if errors.As(err, &sense) {
		return Outcome{Status: CheckCondition, Sense: sense}
	}
	var status StatusError
	if errors.As(err, &status) {
		return Outcome{Status: Status(status)}
	}
	if errors.Is(err, ErrDataOutShort) {
		return Outcome{Status: CheckCondition, Sense: &Sense{Key: IllegalRequest, Code: InvalidFieldInCommandInformationUnit, Cause: err}}
	}
	if errors.Is(err, ErrAborted) {
		return Outcome{Status: TaskAborted}
	}
	return Outcome{Status: CheckCondition, Sense: &Sense{Key: HardwareError, Code: InternalTargetFailure, Cause: err}}
}

// ManagementFunction is a task management function with iSCSI's number
// (RFC 7143 11.5.1).
type ManagementFunction uint8

// Task management functions.
const (
	AbortTask        ManagementFunction = 1
	AbortTaskSet     ManagementFunction = 2
	ClearACA         ManagementFunction = 3
	ClearTaskSet     ManagementFunction = 4
	LogicalUnitReset ManagementFunction = 5
	TargetWarmReset  ManagementFunction = 6
	TargetColdReset  ManagementFunction = 7
	TaskReassign     ManagementFunction = 8
)

// ManagementResponse answers a task management function (RFC 7143 11.6.1).
type ManagementResponse uint8

// Task management responses.
const (
	FunctionComplete     ManagementResponse = 0
	TaskDoesNotExist     ManagementResponse = 1
	LUNDoesNotExist      ManagementResponse = 2
	TaskStillAllegiant   ManagementResponse = 3
	ReassignNotSupported ManagementResponse = 4
	FunctionNotSupported ManagementResponse = 5
	FunctionRejected     ManagementResponse = 255
)

// Uint16 and its siblings read big-endian fields; Put* write them.
func Uint16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

// Uint24 reads a three byte big-endian field.
func Uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

// Int24 reads a three byte big-endian two's complement field.
func Int24(b []byte) int32 { return int32(Uint24(b)<<8) >> 8 }

// Uint32 reads a four byte big-endian field.
func Uint32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// Uint64 reads an eight byte big-endian field.
func Uint64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// PutUint16 writes a two byte big-endian field.
func PutUint16(b []byte, v uint16) { binary.BigEndian.PutUint16(b, v) }

// PutUint24 writes the low three bytes of v, most significant first.
func PutUint24(b []byte, v uint32) { b[0], b[1], b[2] = byte(v>>16), byte(v>>8), byte(v) }

// PutUint32 writes a four byte big-endian field.
func PutUint32(b []byte, v uint32) { binary.BigEndian.PutUint32(b, v) }

// PutUint64 writes an eight byte big-endian field.
func PutUint64(b []byte, v uint64) { binary.BigEndian.PutUint64(b, v) }

func hexByte(b byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[b>>4], digits[b&15]}) + "h"
}
