package spc

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"virtualloader/driver/scsi"
)

// Config says what makes a Unit a unit of its kind.
type Config struct {
	Identity Identity
	// DeviceType is the peripheral device type of INQUIRY, e.g. 01h or 08h.
	DeviceType byte
	// Standard is the version descriptor of the unit's own command standard.
	Standard uint16
	// Protect is the PROTECT bit of INQUIRY: blocks may carry a CRC.
	Protect bool
	// VPD are the pages beyond 00h, 80h, 83h and 86h.
	VPD []VPDPage

	Commands []Command // rows beside, or instead of, the common ones
	Words    Words     // the fields of these rows
	Mode     ModeConfig
	Log      []LogPage

	// Prepare judges medium state and write protection, from the command's
	// flags and in the standard's order, after the CDB has been checked.
	Prepare func(r *Request) error
	// Arrival, if any, names the unit attentions that a nexus unknown so far
	// receives beside POWER ON OCCURRED.
	Arrival func() []scsi.AdditionalSense
	// Reset, if any, is called in the unit's turn after a reset.
	Reset func()
	// Sessions, if any, is called after a nexus logged in or out.
	Sessions func()

	Logger *slog.Logger
}

// Unit is what all logical units share: the task set, the checks every command
// passes before it is executed, and the state that belongs to nexuses. A device
// server (ssc, smc) embeds it and adds its rows.
//
// Methods may be called from any goroutine unless they say otherwise. The
// unit's turn means: by the task that is executing, or inside Do.
type Unit struct {
	*TaskSet
	config   Config
	commands *CommandSet
	describer
	mode   *modePages
	log    *slog.Logger
	inTurn Request // of the task that is executing; Immediate ones have their own

	operation atomic.Pointer[operation] // that goes on after its status; nil: none

	mu         sync.Mutex // guards what follows; taken alone, never while waiting
	nexuses    map[scsi.Nexus]*nexus
	clock      uint64 // counts uses, for the least recently used nexus
	sessions   int
	reserved   *nexus // holder of RESERVE(6/10)
	persistent persistent
	alerts     Alerts
	descriptor bool // D_SENSE of the control mode page
	luns       func() []scsi.LUN
	timestamp  timestamp
}

// NewUnit returns a unit at rest.
func NewUnit(c Config) *Unit {
	u := &Unit{config: c, nexuses: map[scsi.Nexus]*nexus{}, log: c.Logger}
	if u.log == nil {
		u.log = slog.New(slog.DiscardHandler)
	}
	u.mode = newModePages(c.Mode)
	u.commands = NewCommandSet(u.commonCommands(), c.Commands)
	u.describer, _ = newDescriber(u.commands, commonWords, c.Words) // CheckWords tells the error
	u.TaskSet = NewTaskSet(u.execute)
	u.luns = func() []scsi.LUN { return []scsi.LUN{0} }
	u.timestamp.start = time.Now()
	return u
}

// Commands returns the unit's table.
func (u *Unit) Commands() *CommandSet { return u.commands }

// Identity returns what INQUIRY tells.
func (u *Unit) Identity() Identity { return u.config.Identity }

// ReportLUNs sets where the unit's REPORT LUNS takes its list from.
func (u *Unit) ReportLUNs(luns func() []scsi.LUN) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.luns = luns
}

// Submit is TaskSet.Submit, except for commands that do not wait for their turn.
func (u *Unit) Submit(t *scsi.Task) (run func()) {
	if rows := u.commands.Actions(scsi.Opcode(t.CDB[0])); len(rows) > 0 {
		flags := rows[0].Flags
		if flags&Immediate != 0 || flags&(NeedsMedium|Meanwhile) != 0 && u.occupied() {
			return func() { u.immediate(t) }
		}
	}
	return u.TaskSet.Submit(t)
}

// immediate executes t beside the task set. What it has to do with the medium
// while an operation, or a task that was aborted, still holds it is refused.
func (u *Unit) immediate(t *scsi.Task) {
	r := &Request{Task: t, unit: u}
	err := u.admit(r)
	if err == nil {
		if r.command.Flags&(Immediate|Meanwhile) != 0 {
			err = r.command.Do(r)
		} else {
			err = u.notReady()
		}
	}
	t.Done(u.outcome(r, err))
}

// execute is the life of one task in its turn.
func (u *Unit) execute(t *scsi.Task) (scsi.Outcome, func()) {
	r := &u.inTurn
	*r = Request{Task: t, unit: u}
	err := u.admit(r)
	if err == nil {
		err = u.perform(r)
	}
	outcome, after := u.outcome(r, err), r.after
	*r = Request{}
	return outcome, after
}

// admit makes the checks that need no medium, in the order of SPC-4 and SAM-5:
// operation code, unit attention, reservation, CDB fields.
func (u *Unit) admit(r *Request) (err error) {
	var flags Flags
	if r.command, err = u.commands.Find(r.CDB); err == nil {
		flags = r.command.Flags
	} else if len(u.commands.Actions(scsi.Opcode(r.CDB[0]))) == 0 {
		return err
	}
	if conflict := u.screen(r, flags); conflict != nil {
		return conflict
	}
	if err != nil {
		return err
	}
	if r.Attribute == scsi.ACA {
		return scsi.Illegal(scsi.InvalidFieldInCDBCode)
	}
	return r.command.refuse(r.CDB)
}

// screen finds the nexus and what stands against its command.
func (u *Unit) screen(r *Request, flags Flags) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := u.nexus(r.Nexus)
	r.from = n
	if len(n.attentions) > 0 && flags&NoUnitAttention == 0 {
		return scsi.Attention(n.nextAttention())
	}
	if u.conflicts(n, flags) {
		return scsi.StatusError(scsi.ReservationConflict)
	}
	return nil
}

func (u *Unit) perform(r *Request) error {
	if check := r.command.Check; check != nil {
		if err := check(r); err != nil {
			return err
		}
	}
	if r.command.Flags&(NeedsMedium|ChangesMedium) != 0 && u.config.Prepare != nil {
		if err := u.config.Prepare(r); err != nil {
			return err
		}
	}
	return r.command.Do(r)
}

// outcome turns err into a status, logging what is our own failure.
func (u *Unit) outcome(r *Request, err error) scsi.Outcome {
	if err == nil {
		return scsi.Outcome{}
	}
	o := scsi.OutcomeOf(err)
	if o.Sense == nil {
		return o
	}
	if o.Sense.Cause != nil && (o.Sense.Key == scsi.HardwareError || o.Sense.Key == scsi.MediumError) {
		name := "unknown command"
		if r.command != nil {
			name = r.command.Name
		}
		u.log.Error("command failed", "command", name, "serial", u.config.Identity.Serial, "nexus", r.Nexus, "error", err)
	}
	u.mu.Lock()
	o.Descriptor = u.descriptor
	u.mu.Unlock()
	return o
}

// stopLimit is how long task management waits for a running task; Linux gives
// an abort 15 s and a reset 30 s.
const stopLimit = 10 * time.Second

// AbortTask aborts the task of a nexus with that tag; false when it has ended
// already or never was.
func (u *Unit) AbortTask(n scsi.Nexus, tag uint32) bool {
	return len(u.stop(func(m scsi.Nexus, t uint32) bool { return m == n && t == tag })) > 0
}

// AbortTaskSet aborts all tasks of one nexus.
func (u *Unit) AbortTaskSet(n scsi.Nexus) {
	u.stop(func(m scsi.Nexus, _ uint32) bool { return m == n })
}

// ClearTaskSet aborts all tasks of all nexuses; those of other nexuses than by
// are told so by a unit attention.
func (u *Unit) ClearTaskSet(by scsi.Nexus) {
	for _, n := range u.stop(everybody) {
		if n != by {
			u.Post(scsi.CommandsClearedByAnotherInitiator, func(m scsi.Nexus) bool { return m == n })
		}
	}
}

// Reset is LOGICAL UNIT RESET, or a target reset as far as this unit goes: all
// tasks are aborted, RESERVE and PREVENT dropped, mode pages are default again,
// and every nexus gets the unit attention code. The medium stays as it is.
func (u *Unit) Reset(code scsi.AdditionalSense) {
	u.stop(everybody)
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	err := u.Do(ctx, func() {
		u.mode.reset()
		u.mu.Lock()
		u.descriptor = false
		u.mu.Unlock()
		if u.config.Reset != nil {
			u.config.Reset()
		}
	})
	if err != nil {
		u.log.Warn("reset could not reach the unit's parameters: a command still holds it", "serial", u.config.Identity.Serial, "error", err)
	}
	u.mu.Lock()
	u.reserved = nil
	for _, n := range u.nexuses {
		n.prevents = false
	}
	u.mu.Unlock()
	u.Post(code, everyone)
}

func everybody(scsi.Nexus, uint32) bool { return true }
func everyone(scsi.Nexus) bool          { return true }

func (u *Unit) stop(match func(scsi.Nexus, uint32) bool) []scsi.Nexus {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	return u.Abort(ctx, match)
}
