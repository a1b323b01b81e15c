package spc

import (
	"time"

	"virtualloader/driver/scsi"
)

// commonCommands are the rows that every unit has (SPC-4 clause 6). TEST UNIT
// READY is GOOD unless Prepare objects.
func (u *Unit) commonCommands() []Command {
	rows := []Command{
		{Opcode: scsi.TestUnitReady, Name: "TEST UNIT READY", Usage: []byte{0, 0, 0, 0, 0, 0}, Flags: NeedsMedium | UnderPersistent,
			Do: func(*Request) error { return nil }},
		{Opcode: scsi.RequestSense, Name: "REQUEST SENSE", Usage: []byte{0, 1, 0, 0, 0xff, 0}, Flags: NoUnitAttention | AnyTime | Meanwhile, Do: u.requestSense},
		{Opcode: scsi.Inquiry, Name: "INQUIRY", Usage: []byte{0, 1, 0xff, 0xff, 0xff, 0}, Flags: NoUnitAttention | AnyTime | Immediate, Do: u.inquiry},
		{Opcode: scsi.ModeSelect6, Name: "MODE SELECT(6)", Usage: []byte{0, 0x11, 0, 0, 0xff, 0}, Do: u.modeSelect},
		{Opcode: scsi.Reserve6, Name: "RESERVE(6)", Usage: []byte{0, 0, 0, 0, 0, 0}, Flags: UnderPersistent, Do: u.reserve},
		{Opcode: scsi.Release6, Name: "RELEASE(6)", Usage: []byte{0, 0, 0, 0, 0, 0}, Flags: AnyTime, Do: u.release},
		{Opcode: scsi.ModeSense6, Name: "MODE SENSE(6)", Usage: []byte{0, 0x08, 0xff, 0xff, 0xff, 0}, Flags: UnderPersistent, Do: u.modeSense},
		{Opcode: scsi.ReceiveDiagnosticResults, Name: "RECEIVE DIAGNOSTIC RESULTS", Usage: []byte{0, 1, 0xff, 0xff, 0xff, 0}, Do: u.receiveDiagnostic},
		{Opcode: scsi.SendDiagnostic, Name: "SEND DIAGNOSTIC", Usage: []byte{0, 0x17, 0, 0xff, 0xff, 0}, Do: u.sendDiagnostic},
		{Opcode: scsi.PreventAllow, Name: "PREVENT ALLOW MEDIUM REMOVAL", Usage: []byte{0, 0, 0, 0, 0x03, 0}, Flags: AnyTime, Do: u.preventAllow},
		{Opcode: scsi.WriteBuffer, Name: "WRITE BUFFER", Usage: []byte{0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, Do: u.writeBuffer},
		{Opcode: scsi.ReadBuffer, Name: "READ BUFFER", Usage: []byte{0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, Do: u.readBuffer},
		{Opcode: scsi.LogSelect, Name: "LOG SELECT", Usage: []byte{0, 0x03, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0}, Do: u.logSelect},
		{Opcode: scsi.LogSense, Name: "LOG SENSE", Usage: []byte{0, 0x03, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0}, Flags: UnderPersistent | Immediate, Do: u.logSense},
		{Opcode: scsi.ModeSelect10, Name: "MODE SELECT(10)", Usage: []byte{0, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 0}, Do: u.modeSelect},
		{Opcode: scsi.Reserve10, Name: "RESERVE(10)", Usage: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Flags: UnderPersistent, Do: u.reserve},
		{Opcode: scsi.Release10, Name: "RELEASE(10)", Usage: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Flags: AnyTime, Do: u.release},
		{Opcode: scsi.ModeSense10, Name: "MODE SENSE(10)", Usage: []byte{0, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0}, Flags: UnderPersistent, Do: u.modeSense},
		{Opcode: scsi.ReportLUNs, Name: "REPORT LUNS", Usage: []byte{0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0}, Flags: NoUnitAttention | AnyTime | Immediate, Do: u.reportLUNs},
	}
	for action, name := range []string{"READ KEYS", "READ RESERVATION", "REPORT CAPABILITIES", "READ FULL STATUS"} {
		rows = append(rows, Command{Opcode: scsi.PersistentReserveIn, Action: byte(action), HasAction: true, Name: "PERSISTENT RESERVE IN, " + name,
			Usage: []byte{0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0}, Flags: UnderPersistent, Do: u.persistentIn})
	}
	for action, name := range []string{"REGISTER", "RESERVE", "RELEASE", "CLEAR", "PREEMPT", "PREEMPT AND ABORT", "REGISTER AND IGNORE EXISTING KEY", "REGISTER AND MOVE"} {
		rows = append(rows, Command{Opcode: scsi.PersistentReserveOut, Action: byte(action), HasAction: true, Name: "PERSISTENT RESERVE OUT, " + name,
			Usage: []byte{0, 0, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0}, Flags: UnderPersistent, Do: u.persistentOut})
	}
	list := []byte{0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0}
	return append(rows,
		Command{Opcode: scsi.MaintenanceIn, Action: 0x0C, HasAction: true, Name: "REPORT SUPPORTED OPERATION CODES",
			Usage: []byte{0, 0, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0}, Flags: UnderPersistent, Do: u.reportOpcodes},
		Command{Opcode: scsi.MaintenanceIn, Action: 0x0D, HasAction: true, Name: "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
			Usage: list, Flags: UnderPersistent, Do: reportManagement},
		Command{Opcode: scsi.MaintenanceIn, Action: 0x0F, HasAction: true, Name: "REPORT TIMESTAMP", Usage: list, Flags: UnderPersistent, Do: u.reportTimestamp},
		Command{Opcode: scsi.MaintenanceOut, Action: 0x0F, HasAction: true, Name: "SET TIMESTAMP", Usage: list, Do: u.setTimestamp},
	)
}

// requestSense gives a pending unit attention as data, and clears it, else the
// progress of an operation. The status is always GOOD, and a missing medium is no
// news: mtx asks until key 0.
func (u *Unit) requestSense(r *Request) error {
	u.mu.Lock()
	sense := &scsi.Sense{}
	if len(r.from.attentions) > 0 {
		sense = scsi.Attention(r.from.nextAttention())
	} else if o := u.operation.Load(); o != nil {
		sense = o.sense(scsi.NoSense, o.Running)
	}
	u.mu.Unlock()
	data := sense.Fixed()
	if r.Flag(1, 0x01) { // DESC
		data = sense.Descriptor()
	}
	return r.Reply(data, int(r.CDB[4]))
}

func (u *Unit) reportLUNs(r *Request) error {
	u.mu.Lock()
	luns := u.luns
	u.mu.Unlock()
	return ReplyLUNs(r.Task, luns())
}

// ReplyLUNs answers REPORT LUNS with the given list.
func ReplyLUNs(t *scsi.Task, luns []scsi.LUN) error {
	allocation := int(scsi.Uint32(t.CDB[6:]))
	if allocation < 16 {
		return scsi.InvalidFieldInCDB(6, scsi.NoBit)
	}
	switch t.CDB[2] {
	case 0, 2:
	case 1: // well known logical units only: none is listed
		luns = nil
	default:
		return scsi.InvalidFieldInCDB(2, scsi.NoBit)
	}
	data := make([]byte, 8)
	scsi.PutUint32(data, uint32(8*len(luns)))
	for _, lun := range luns {
		data = appendUint64(data, uint64(lun))
	}
	return t.SendDataIn(data[:min(len(data), allocation)])
}

// sendDiagnostic: the default self-test always passes, and there is nothing else
// to diagnose.
func (u *Unit) sendDiagnostic(r *Request) error {
	if scsi.Uint16(r.CDB[3:]) != 0 {
		return scsi.InvalidFieldInCDB(3, scsi.NoBit)
	}
	return nil
}

func (u *Unit) receiveDiagnostic(r *Request) error {
	if r.Flag(1, 0x01) && r.CDB[2] != 0 {
		return scsi.InvalidFieldInCDB(2, scsi.NoBit)
	}
	return r.Reply([]byte{0, 0, 0, 1, 0}, int(scsi.Uint16(r.CDB[3:])))
}

const (
	listAll = iota
	oneOpcode
	oneServiceAction
	oneEither
)

func (u *Unit) reportOpcodes(r *Request) error {
	allocation, timeouts := int(scsi.Uint32(r.CDB[6:])), r.Flag(2, 0x80)
	option, op, action := r.CDB[2]&7, scsi.Opcode(r.CDB[3]), scsi.Uint16(r.CDB[4:])
	if option == listAll {
		return r.Reply(u.listOpcodes(timeouts), allocation)
	}
	rows := u.commands.Actions(op)
	hasActions := len(rows) > 0 && rows[0].HasAction
	if option > oneEither || option == oneOpcode && hasActions || option == oneServiceAction && len(rows) > 0 && !hasActions {
		return scsi.InvalidFieldInCDB(2, 2)
	}
	data := []byte{0, 1, 0, 0} // not supported
	for i := range rows {
		if c := &rows[i]; !c.HasAction || uint16(c.Action) == action {
			usage := c.usage()
			data = append([]byte{0, 3, 0, byte(len(usage))}, usage...)
			if timeouts {
				data[1] |= 0x80
				data = append(data, noTimeouts...)
			}
			break
		}
	}
	return r.Reply(data, allocation)
}

// noTimeouts is a command timeouts descriptor without any figure.
var noTimeouts = []byte{0, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

func (u *Unit) listOpcodes(timeouts bool) []byte {
	data := make([]byte, 4)
	for _, c := range u.commands.Rows() {
		d := []byte{byte(c.Opcode), 0, 0, c.Action, 0, 0, 0, byte(len(c.Usage))}
		if c.HasAction {
			d[5] |= 0x01
		}
		if timeouts {
			d[5] |= 0x02
			d = append(d, noTimeouts...)
		}
		data = append(data, d...)
	}
	scsi.PutUint32(data, uint32(len(data)-4))
	return data
}

// reportManagement: ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET.
func reportManagement(r *Request) error {
	const ats, atss, cts, lur = 0x80, 0x40, 0x10, 0x08
	return r.Reply([]byte{ats | atss | cts | lur, 0, 0, 0}, int(scsi.Uint32(r.CDB[6:])))
}

// timestamp is the unit's clock (SPC-4 5.2): milliseconds since 1970, or since
// whatever SET TIMESTAMP said.
type timestamp struct {
	start time.Time
	set   bool
	base  uint64 // value at start, once set
}

func (u *Unit) reportTimestamp(r *Request) error {
	u.mu.Lock()
	t := u.timestamp
	u.mu.Unlock()
	data := make([]byte, 12)
	scsi.PutUint16(data, 10)
	now := uint64(time.Now().UnixMilli())
	data[2] = 0x00
	if t.set {
		now = t.base + uint64(time.Since(t.start).Milliseconds())
		data[2] = 0x02
	}
	copy(data[4:10], BigEndian(6, now))
	return r.Reply(data, int(scsi.Uint32(r.CDB[6:])))
}

func (u *Unit) setTimestamp(r *Request) error {
	length := int(scsi.Uint32(r.CDB[6:]))
	if length == 0 {
		return nil
	}
	if length < 12 {
		return scsi.Illegal(scsi.ParameterListLengthError)
	}
	list, err := r.Parameters(length)
	if err != nil {
		return err
	}
	var b [8]byte
	copy(b[2:], list[4:10])
	u.mu.Lock()
	defer u.mu.Unlock()
	u.timestamp = timestamp{start: time.Now(), set: true, base: scsi.Uint64(b[:])}
	return nil
}
