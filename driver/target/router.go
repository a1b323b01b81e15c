package target

import (
	"slices"
	"sync"
	"sync/atomic"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
)

// Unit is a logical unit as the Router sees it; *spc.Unit has all of this.
type Unit interface {
	Submit(t *scsi.Task) (run func())

	Login(n scsi.Nexus)
	Logout(n scsi.Nexus)
	Lost(n scsi.Nexus)

	AbortTask(n scsi.Nexus, tag uint32) bool
	AbortTaskSet(n scsi.Nexus)
	ClearTaskSet(by scsi.Nexus)
	Reset(code scsi.AdditionalSense)

	PostAll(code scsi.AdditionalSense)
	ReportLUNs(luns func() []scsi.LUN)
}

// Router is one SCSI target device: a few logical units and what lies between
// them and the transport. All methods may be called from any goroutine.
type Router struct {
	mu    sync.RWMutex
	units map[scsi.LUN]Unit

	sink atomic.Pointer[func(Traced)] // nil: no trace
}

// New returns a Router whose units have the numbers 0, 1, and so on.
func New(units ...Unit) *Router {
	r := &Router{units: map[scsi.LUN]Unit{}}
	for n, u := range units {
		r.units[scsi.UnitNumber(n)] = u
		u.ReportLUNs(r.LUNs)
	}
	return r
}

// LUNs returns the units' numbers, ascending.
func (r *Router) LUNs() []scsi.LUN {
	r.mu.RLock()
	defer r.mu.RUnlock()
	luns := make([]scsi.LUN, 0, len(r.units))
	for lun := range r.units {
		luns = append(luns, lun)
	}
	slices.Sort(luns)
	return luns
}

// Attach adds a unit under number n, or takes that unit away when it is nil,
// and tells every nexus of the others.
func (r *Router) Attach(n int, u Unit) {
	r.mu.Lock()
	if u == nil {
		delete(r.units, scsi.UnitNumber(n))
	} else {
		r.units[scsi.UnitNumber(n)] = u
	}
	r.mu.Unlock()
	if u != nil {
		u.ReportLUNs(r.LUNs)
	}
	for _, other := range r.all() {
		if other != u {
			other.PostAll(scsi.ReportedLUNsDataHasChanged)
		}
	}
}

func (r *Router) unit(lun scsi.LUN) Unit {
	if n, ok := lun.Number(); ok {
		lun = scsi.UnitNumber(n)
		if n > 0xff {
			return nil
		}
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.units[lun]
}

func (r *Router) all() []Unit {
	var units []Unit
	for _, lun := range r.LUNs() {
		if u := r.unit(lun); u != nil {
			units = append(units, u)
		}
	}
	return units
}

// Submit gives t to its unit; the result is as for spc.TaskSet.Submit. A task
// for a unit that is not there is answered by its run.
func (r *Router) Submit(t *scsi.Task) (run func()) {
	u := r.unit(t.LUN)
	if sink := r.sink.Load(); sink != nil {
		follow(t, u, *sink)
	}
	if u != nil {
		return u.Submit(t)
	}
	return func() { t.Done(scsi.OutcomeOf(r.stray(t))) }
}

// stray answers for logical units that do not exist, and for the well known one
// (SPC-4 6.6.2, 6.33, 6.39).
func (r *Router) stray(t *scsi.Task) error {
	switch scsi.Opcode(t.CDB[0]) {
	case scsi.ReportLUNs:
		return spc.ReplyLUNs(t, r.LUNs())
	case scsi.Inquiry:
		if t.CDB[1]&0x01 != 0 || t.CDB[2] != 0 {
			return scsi.InvalidFieldInCDB(1, 0)
		}
		data := make([]byte, 36)
		data[0], data[2], data[3], data[4] = 0x7F, 0x06, 0x02, 31
		if t.LUN == scsi.ReportLUNsWellKnown {
			data[0] = 0x1E
		}
		return reply(t, data, int(scsi.Uint16(t.CDB[3:])))
	case scsi.RequestSense:
		sense := scsi.Illegal(scsi.LogicalUnitNotSupported)
		if t.CDB[1]&1 != 0 {
			return reply(t, sense.Descriptor(), int(t.CDB[4]))
		}
		return reply(t, sense.Fixed(), int(t.CDB[4]))
	case scsi.TestUnitReady:
		if t.LUN == scsi.ReportLUNsWellKnown {
			return nil
		}
	}
	return scsi.Illegal(scsi.LogicalUnitNotSupported)
}

func reply(t *scsi.Task, data []byte, allocation int) error {
	if n := min(len(data), allocation); n > 0 {
		return t.SendDataIn(data[:n])
	}
	return nil
}

// Login tells all units of a new session.
func (r *Router) Login(n scsi.Nexus) { r.each(func(u Unit) { u.Login(n) }) }

// Logout tells all units of a session's orderly end.
func (r *Router) Logout(n scsi.Nexus) { r.each(func(u Unit) { u.Logout(n) }) }

// Lost tells all units that a nexus is gone without a logout. It returns when
// none of its tasks runs any more.
func (r *Router) Lost(n scsi.Nexus) { r.each(func(u Unit) { u.Lost(n) }) }

// each calls f for all units at once, because any of them may have to wait for
// a task that stops.
func (r *Router) each(f func(Unit)) {
	var wg sync.WaitGroup
	for _, u := range r.all() {
		wg.Go(func() { f(u) })
	}
	wg.Wait()
}

// Manage is a task management function (SAM-5 clause 7). It returns when the
// tasks in question have stopped, at the latest after some seconds. Dropping
// the connections after a cold reset is the transport's part.
func (r *Router) Manage(n scsi.Nexus, f scsi.ManagementFunction, lun scsi.LUN, tag uint32) scsi.ManagementResponse {
	switch f {
	case scsi.TaskReassign:
		return scsi.ReassignNotSupported
	case scsi.TargetWarmReset:
		r.each(func(u Unit) { u.Reset(scsi.BusResetOccurred) })
		return scsi.FunctionComplete
	case scsi.TargetColdReset:
		r.each(func(u Unit) { u.Reset(scsi.PowerOnOccurred) })
		return scsi.FunctionComplete
	case scsi.AbortTask, scsi.AbortTaskSet, scsi.ClearTaskSet, scsi.LogicalUnitReset:
	default:
		return scsi.FunctionNotSupported
	}
	u := r.unit(lun)
	if u == nil {
		return scsi.LUNDoesNotExist
	}
	switch f {
	case scsi.AbortTask:
		if !u.AbortTask(n, tag) {
			return scsi.TaskDoesNotExist
		}
	case scsi.AbortTaskSet:
		u.AbortTaskSet(n)
	case scsi.ClearTaskSet:
		u.ClearTaskSet(n)
	case scsi.LogicalUnitReset:
		u.Reset(scsi.DeviceResetOccurred)
	}
	return scsi.FunctionComplete
}
