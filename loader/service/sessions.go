package service

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"virtualloader/driver/iscsi"
	"virtualloader/driver/scsi"
	"virtualloader/loader/control"
)

// door is a loader's device with a look at who comes and goes.
type door struct {
	iscsi.Device
	publish func(control.Event)
	loader  string
}

// Login implements iscsi.Device.
func (d door) Login(n scsi.Nexus) {
	d.Device.Login(n)
	d.publish(control.Event{Kind: control.SessionOpened, Loader: d.loader, Message: initiatorOf(n) + " logged in"})
}

// Logout implements iscsi.Device.
func (d door) Logout(n scsi.Nexus) {
	d.Device.Logout(n)
	d.publish(control.Event{Kind: control.SessionClosed, Loader: d.loader, Message: initiatorOf(n) + " logged out"})
}

// Lost implements iscsi.Device.
func (d door) Lost(n scsi.Nexus) {
	d.Device.Lost(n)
	d.publish(control.Event{Kind: control.SessionClosed, Severity: control.Warning, Loader: d.loader, Message: "the connection of " + initiatorOf(n) + " was lost"})
}

func initiatorOf(n scsi.Nexus) string {
	name, _, _ := strings.Cut(string(n), ",")
	return name
}

// refusalPause is how long the same refusal is not told again: a host tries a
// wrong secret every few seconds.
const refusalPause = time.Minute

// refusals publishes refused logins, each kind once in a while.
type refusals struct {
	mu   sync.Mutex
	told map[string]time.Time
}

// fresh reports whether a refusal has not been told lately.
func (r *refusals) fresh(what string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for old, at := range r.told {
		if now.Sub(at) > refusalPause {
			delete(r.told, old)
		}
	}
	if _, lately := r.told[what]; lately {
		return false
	}
	if r.told == nil {
		r.told = map[string]time.Time{}
	}
	r.told[what] = now
	return true
}

// loginRefused publishes that a host could not log in.
func (s *Service) loginRefused(r iscsi.Refusal) {
	e := control.Event{Kind: control.LoginRefused, Severity: control.Warning}
	for _, l := range s.list() {
		if l.entry.IQN == r.Target {
			e.Loader = l.entry.Name
		}
	}
	who := r.Initiator
	if who == "" {
		who = "a host"
	}
	from, _, err := net.SplitHostPort(r.Address)
	if err != nil {
		from = r.Address
	}
	e.Message = fmt.Sprintf("the login of %s from %s was refused: %s", who, from, r.Status)
	if e.Loader != "" {
		e.Message += "; `vloader connection " + e.Loader + "` shows what to use"
	}
	if s.refused.fresh(e.Loader+" "+e.Message, time.Now()) {
		s.journal.publish(e)
	}
}
