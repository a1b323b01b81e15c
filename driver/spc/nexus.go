package spc

import (
	"slices"

	"virtualloader/driver/scsi"
)

// Limits of what is remembered about initiators.
const (
	nexusLimit     = 64 // nexuses remembered; the least recently used is forgotten
	attentionLimit = 8  // unit attentions kept for one nexus
)

// nexus is what a unit remembers of one I_T nexus since the service started.
type nexus struct {
	name       scsi.Nexus
	used       uint64
	loggedIn   bool
	attentions []scsi.AdditionalSense // oldest first
	prevents   bool                   // PREVENT ALLOW MEDIUM REMOVAL
	alerts     Alerts                 // TapeAlert flags not yet read by this nexus
	echo       []byte                 // what WRITE BUFFER left for READ BUFFER; nil: nothing
}

// nexus returns the entry for a name, making one, with the unit attentions of a
// first login, when it is not known. It is called with the lock held.
func (u *Unit) nexus(name scsi.Nexus) *nexus {
	u.clock++
	n := u.nexuses[name]
	if n == nil {
		u.forget()
		n = &nexus{name: name, alerts: u.alerts}
		n.post(scsi.PowerOnOccurred)
		if u.config.Arrival != nil {
			for _, code := range u.config.Arrival() {
				n.post(code)
			}
		}
		u.nexuses[name] = n
	}
	n.used = u.clock
	return n
}

// forget makes room for one more nexus. One that is logged in, or that holds a
// reservation, is kept in any case.
func (u *Unit) forget() {
	if len(u.nexuses) < nexusLimit {
		return
	}
	var oldest *nexus
	for _, n := range u.nexuses {
		if !n.loggedIn && u.reserved != n && (oldest == nil || n.used < oldest.used) {
			oldest = n
		}
	}
	if oldest != nil {
		delete(u.nexuses, oldest.name)
	}
}

// post queues a unit attention, unless it waits already or the queue is full.
func (n *nexus) post(code scsi.AdditionalSense) {
	if len(n.attentions) < attentionLimit && !slices.Contains(n.attentions, code) {
		n.attentions = append(n.attentions, code)
	}
}

func (n *nexus) nextAttention() scsi.AdditionalSense {
	code := n.attentions[0]
	n.attentions = slices.Delete(n.attentions, 0, 1)
	return code
}

// Post queues a unit attention condition for every known nexus that to names,
// logged in or not.
func (u *Unit) Post(code scsi.AdditionalSense, to func(scsi.Nexus) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, n := range u.nexuses {
		if to(n.name) {
			n.post(code)
		}
	}
}

// PostAll queues a unit attention condition for every known nexus.
func (u *Unit) PostAll(code scsi.AdditionalSense) { u.Post(code, everyone) }

// PostOthers queues a unit attention condition for every known nexus but the
// one whose request this is.
func (u *Unit) PostOthers(r *Request, code scsi.AdditionalSense) {
	u.Post(code, func(n scsi.Nexus) bool { return n != r.Nexus })
}

// Login is a new session of a nexus.
func (u *Unit) Login(name scsi.Nexus) {
	u.mu.Lock()
	n := u.nexus(name)
	if !n.loggedIn {
		n.loggedIn = true
		u.sessions++
	}
	u.mu.Unlock()
	u.sessionsChanged()
}

// Logout is a session's orderly end: its tasks are aborted, RESERVE and PREVENT
// of the nexus are dropped; persistent registrations stay.
func (u *Unit) Logout(name scsi.Nexus) {
	u.AbortTaskSet(name)
	u.leave(name, func(*nexus) {})
}

// Lost is I_T nexus loss: as Logout, and the nexus is told when it comes back.
func (u *Unit) Lost(name scsi.Nexus) {
	u.AbortTaskSet(name)
	u.leave(name, func(n *nexus) { n.post(scsi.NexusLossOccurred) })
}

func (u *Unit) leave(name scsi.Nexus, also func(*nexus)) {
	u.mu.Lock()
	n := u.nexus(name)
	if n.loggedIn {
		n.loggedIn = false
		u.sessions--
	}
	n.prevents = false
	if u.reserved == n {
		u.reserved = nil
	}
	also(n)
	u.mu.Unlock()
	u.sessionsChanged()
}

func (u *Unit) sessionsChanged() {
	if u.config.Sessions != nil {
		u.config.Sessions()
	}
}

// LoggedIn returns how many nexuses are logged in.
func (u *Unit) LoggedIn() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sessions
}

// Prevented says whether any nexus prevents medium removal.
func (u *Unit) Prevented() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, n := range u.nexuses {
		if n.prevents {
			return true
		}
	}
	return false
}

func (u *Unit) preventAllow(r *Request) error {
	prevent := r.CDB[4] & 3
	if prevent > 1 {
		return scsi.InvalidFieldInCDB(4, 1)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if prevent == 1 && u.conflicts(r.from, 0) {
		return scsi.StatusError(scsi.ReservationConflict)
	}
	r.from.prevents = prevent == 1
	return nil
}

// conflicts says whether a reservation of another nexus forbids n a command
// with these flags. It is called with the lock held.
func (u *Unit) conflicts(n *nexus, flags Flags) bool {
	if u.reserved != nil && u.reserved != n && flags&UnderReservation == 0 {
		return true
	}
	if flags&UnderPersistent != 0 || flags&UnderWriteExclusive != 0 && u.persistent.sharesReads() {
		return false
	}
	return u.persistent.excludes(n.name)
}

// reserve is RESERVE(6) and (10) of SPC-2; third party and extent reservations
// are not.
func (u *Unit) reserve(r *Request) error {
	if wrong := r.CDB[1] & 0x11; wrong != 0 {
		return scsi.InvalidFieldInCDB(1, highestBit(wrong))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.persistent.registrations) > 0 {
		return scsi.StatusError(scsi.ReservationConflict)
	}
	u.reserved = r.from
	return nil
}

func (u *Unit) release(r *Request) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.persistent.registrations) > 0 {
		return scsi.StatusError(scsi.ReservationConflict)
	}
	if u.reserved == r.from {
		u.reserved = nil
	}
	return nil
}
