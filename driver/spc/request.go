package spc

import "virtualloader/driver/scsi"

// Request is a task on its way through a Unit. It is valid until the command's
// Do returns.
type Request struct {
	*scsi.Task
	unit    *Unit
	command *Command
	from    *nexus
	after   func()

	operation *operation // nil: the command is not answered yet
}

// Command returns the row that is being executed.
func (r *Request) Command() *Command { return r.command }

// Flag says whether the bit mask is set in CDB byte i.
func (r *Request) Flag(i int, mask byte) bool { return r.CDB[i]&mask != 0 }

// Reply sends data cut to the allocation length of the CDB (SPC-4 4.2.5.6).
func (r *Request) Reply(data []byte, allocation int) error {
	if n := min(len(data), allocation); n > 0 {
		return r.SendDataIn(data[:n])
	}
	return nil
}

// ParameterLimit is the longest parameter list in bytes that a command accepts.
const ParameterLimit = 64 << 10

// Parameters receives a parameter list of n bytes.
func (r *Request) Parameters(n int) ([]byte, error) {
	switch {
	case n == 0:
		return nil, nil
	case n > ParameterLimit:
		return nil, scsi.Illegal(scsi.ParameterListLengthError)
	}
	return r.ReceiveDataOut(n)
}

// After has f called once the command has been answered.
func (r *Request) After(f func()) { r.after = f }

// Prevented says whether any nexus prevents medium removal.
func (r *Request) Prevented() bool { return r.unit.Prevented() }
