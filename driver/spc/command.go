package spc

import (
	"cmp"
	"slices"

	"virtualloader/driver/scsi"
)

// Flags say how the envelope (Unit) treats a command before its Do.
type Flags uint16

const (
	// NoUnitAttention: executed although a unit attention is pending (SPC-4
	// 5.14: INQUIRY, REPORT LUNS, REQUEST SENSE).
	NoUnitAttention Flags = 1 << iota
	// UnderReservation: allowed while another nexus holds RESERVE.
	UnderReservation
	// UnderPersistent: allowed to everybody under a persistent reservation.
	UnderPersistent
	// UnderWriteExclusive: allowed to everybody under a persistent reservation
	// of a Write Exclusive type: it reads.
	UnderWriteExclusive
	// Immediate: answered from published state in the submitter's goroutine,
	// without waiting for the tasks in the queue. Do must be safe beside them.
	Immediate
	// Meanwhile: answered like an Immediate one while something holds the medium.
	Meanwhile
	// NeedsMedium and ChangesMedium are passed to the unit's Prepare.
	NeedsMedium
	ChangesMedium
	// UnitFlag and the bits above it belong to the unit.
	UnitFlag

	// AnyTime is what a command that only tells has.
	AnyTime = UnderReservation | UnderPersistent
)

// Command is one row of a command table.
type Command struct {
	Opcode scsi.Opcode
	// Action is the service action in the low five bits of CDB byte 1, counted
	// only when HasAction.
	Action    byte
	HasAction bool

	Name string // the standard's name, upper case

	// Usage has the length of the CDB, and a one for each bit that is evaluated
	// (SPC-4 6.34.3); byte 0 is the opcode, and byte 1 does not show the
	// service action. It answers REPORT SUPPORTED OPERATION CODES, and a bit
	// outside of it in a byte that is used at all is refused with 5/2400.
	Usage []byte
	Flags Flags

	// Check, if any, judges the CDB before the medium is looked at.
	Check func(r *Request) error
	Do    func(r *Request) error
}

// CommandSet is the table of commands of one unit, in order of operation code
// and service action.
type CommandSet struct {
	rows  []Command
	index [256]struct{ from, to int } // the rows of an operation code
}

// NewCommandSet builds the set of the given rows. Rows of later groups replace
// earlier ones of the same operation code and service action.
func NewCommandSet(groups ...[]Command) *CommandSet {
	s := &CommandSet{}
	for _, row := range slices.Concat(groups...) {
		same := func(c Command) bool { return c.Opcode == row.Opcode && c.Action == row.Action }
		if i := slices.IndexFunc(s.rows, same); i >= 0 {
			s.rows[i] = row
			continue
		}
		s.rows = append(s.rows, row)
	}
	slices.SortFunc(s.rows, func(a, b Command) int {
		return cmp.Or(cmp.Compare(a.Opcode, b.Opcode), cmp.Compare(a.Action, b.Action))
	})
	for i, row := range s.rows {
		at := &s.index[row.Opcode]
		if at.to == 0 {
			at.from = i
		}
		at.to = i + 1
	}
	return s
}

// Rows returns the whole table; it must not be changed.
func (s *CommandSet) Rows() []Command { return s.rows }

// Actions returns the rows of one operation code: none, one, or one for each
// service action.
func (s *CommandSet) Actions(op scsi.Opcode) []Command {
	return s.rows[s.index[op].from:s.index[op].to]
}

// Find returns the row for a CDB: 5/2000 when the operation code is unknown,
// 5/2400 when its service action is.
func (s *CommandSet) Find(cdb []byte) (*Command, error) {
	rows := s.Actions(scsi.Opcode(cdb[0]))
	if len(rows) == 0 {
		return nil, scsi.Illegal(scsi.InvalidOperationCode)
	}
	for i := range rows {
		if c := &rows[i]; !c.HasAction || c.Action == cdb[1]&0x1f {
			return c, nil
		}
	}
	return nil, scsi.InvalidFieldInCDB(1, 4)
}

// Bits of a CDB that have a meaning of their own everywhere.
const (
	oldLUN = 0xE0 // byte 1: the LUN of SCSI-2; ch and mtx still set it
	naca   = 0x04 // control byte
)

// refuse finds a bit of the CDB that has no meaning. What clients are known to
// set without meaning it passes: the old LUN field, the vendor bits of the
// control byte, and bytes that are wholly reserved.
func (c *Command) refuse(cdb []byte) error {
	last := len(c.Usage) - 1
	if cdb[last]&naca != 0 {
		return scsi.InvalidFieldInCDB(last, 2)
	}
	for i := 1; i < last; i++ {
		used := c.Usage[i]
		if i == 1 {
			if c.HasAction {
				used |= 0x1f
			}
			if used != 0 {
				used |= oldLUN
			}
		}
		if wrong := cdb[i] &^ used; wrong != 0 && used != 0 {
			return scsi.InvalidFieldInCDB(i, highestBit(wrong))
		}
	}
	return nil
}

func highestBit(b byte) int {
	n := -1
	for ; b != 0; b >>= 1 {
		n++
	}
	return n
}

// usage is the CDB usage data of REPORT SUPPORTED OPERATION CODES.
func (c *Command) usage() []byte {
	u := slices.Clone(c.Usage)
	u[0] = byte(c.Opcode)
	if c.HasAction {
		u[1] |= c.Action
	}
	u[len(u)-1] |= naca
	return u
}
