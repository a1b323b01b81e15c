package spc

import (
	"slices"
	"strings"

	"virtualloader/driver/scsi"
)

// Persistent reservation types (SPC-4 table 60).
const (
	writeExclusive                 = 1
	exclusiveAccess                = 3
	writeExclusiveRegistrantsOnly  = 5
	exclusiveAccessRegistrantsOnly = 6
	writeExclusiveAllRegistrants   = 7
	exclusiveAccessAllRegistrants  = 8
)

// typeMask names those types as REPORT CAPABILITIES does.
const typeMask = 0xEA01

// persistent is the state behind PERSISTENT RESERVE IN and OUT (SPC-4 5.13). It
// lives as long as the service (APTPL is not offered).
type persistent struct {
	generation    uint32
	registrations []registration
	kind          byte       // reservation type, 0: none
	holder        scsi.Nexus // unless kind is an all registrants type
}

type registration struct {
	nexus scsi.Nexus
	key   uint64
}

// notice is a unit attention that a change of reservations causes.
type notice struct {
	nexus scsi.Nexus
	code  scsi.AdditionalSense
}

func (p *persistent) find(n scsi.Nexus) int {
	return slices.IndexFunc(p.registrations, func(r registration) bool { return r.nexus == n })
}

func (p *persistent) allRegistrants() bool { return p.kind >= writeExclusiveAllRegistrants }

func (p *persistent) holds(n scsi.Nexus) bool {
	if p.kind == 0 || p.find(n) < 0 {
		return false
	}
	return p.allRegistrants() || p.holder == n
}

// excludes says whether a command that the reservation restricts is forbidden
// to n. On a sequential device nearly everything moves the medium, so write
// exclusive restricts as much as exclusive access.
func (p *persistent) excludes(n scsi.Nexus) bool {
	switch p.kind {
	case 0:
		return false
	case writeExclusive, exclusiveAccess:
		return p.holder != n
	}
	return p.find(n) < 0
}

// sharesReads says that the reservation, if any, is of a Write Exclusive type.
func (p *persistent) sharesReads() bool {
	switch p.kind {
	case writeExclusive, writeExclusiveRegistrantsOnly, writeExclusiveAllRegistrants:
		return true
	}
	return false
}

// register sets, changes or (key 0) removes the key of n.
func (p *persistent) register(n scsi.Nexus, key uint64) []notice {
	p.generation++
	i := p.find(n)
	switch {
	case key == 0 && i < 0:
		return nil
	case key == 0:
		return p.unregister(i)
	case i < 0:
		p.registrations = append(p.registrations, registration{n, key})
	default:
		p.registrations[i].key = key
	}
	return nil
}

// unregister removes one registration, and with it the reservation if it was
// the holder's or the last one's.
func (p *persistent) unregister(i int) []notice {
	n := p.registrations[i].nexus
	held := p.holds(n)
	p.registrations = slices.Delete(p.registrations, i, i+1)
	if !held || p.allRegistrants() && len(p.registrations) > 0 {
		return nil
	}
	return p.drop(n)
}

// drop ends the reservation. Registrants other than by learn it when the type
// was for registrants.
func (p *persistent) drop(by scsi.Nexus) (notices []notice) {
	if p.kind >= writeExclusiveRegistrantsOnly {
		notices = p.tell(by, scsi.ReservationsReleased)
	}
	p.kind, p.holder = 0, ""
	return notices
}

func (p *persistent) tell(but scsi.Nexus, code scsi.AdditionalSense) (notices []notice) {
	for _, r := range p.registrations {
		if r.nexus != but {
			notices = append(notices, notice{r.nexus, code})
		}
	}
	return notices
}

// preempt removes the registrations with the key and takes the reservation over
// when it was held under that key (SPC-4 5.13.11.4). It returns whom it removed.
func (p *persistent) preempt(n scsi.Nexus, key uint64, kind byte) (removed []scsi.Nexus, notices []notice, err error) {
	holder := p.find(p.holder)
	whole := p.allRegistrants() && key == 0
	takes := whole || p.kind != 0 && !p.allRegistrants() && holder >= 0 && p.registrations[holder].key == key
	if key == 0 && !whole {
		return nil, nil, scsi.InvalidFieldInParameterList(8, scsi.NoBit)
	}
	p.registrations = slices.DeleteFunc(p.registrations, func(r registration) bool {
		hit := r.nexus != n && (whole || r.key == key)
		if hit {
			removed = append(removed, r.nexus)
			notices = append(notices, notice{r.nexus, scsi.RegistrationsPreempted})
		}
		return hit
	})
	if len(removed) == 0 && !takes {
		return nil, nil, scsi.StatusError(scsi.ReservationConflict)
	}
	p.generation++
	if takes {
		if p.kind != kind {
			notices = append(notices, p.tell(n, scsi.ReservationsReleased)...)
		}
		p.kind, p.holder = kind, n
	}
	return removed, notices, nil
}

const (
	prRegister = iota
	prReserve
	prRelease
	prClear
	prPreempt
	prPreemptAndAbort
	prRegisterAndIgnore
	prRegisterAndMove
)

func (u *Unit) persistentOut(r *Request) error {
	list, err := u.persistentList(r)
	if err != nil {
		return err
	}
	u.mu.Lock()
	removed, notices, err := u.persistent.command(r, list)
	for _, n := range notices {
		if m := u.nexuses[n.nexus]; m != nil {
			m.post(n.code)
		}
	}
	u.mu.Unlock()
	if r.command.Action == prPreemptAndAbort && err == nil {
		// The running task is this one and not among them, so nothing is waited for.
		u.stop(func(n scsi.Nexus, _ uint32) bool { return n != r.Nexus && slices.Contains(removed, n) })
	}
	return err
}

// persistentList receives and checks what does not depend on state.
func (u *Unit) persistentList(r *Request) ([]byte, error) {
	action, length := r.command.Action, int(scsi.Uint32(r.CDB[5:]))
	if action != prRegisterAndMove && length != 24 || length < 24 {
		return nil, scsi.Illegal(scsi.ParameterListLengthError)
	}
	switch action {
	case prReserve, prRelease, prPreempt, prPreemptAndAbort:
		scope, kind := r.CDB[2]>>4, r.CDB[2]&0x0f
		if scope != 0 || kind > 8 || !slices.Contains([]byte{1, 3, 5, 6, 7, 8}, kind) {
			return nil, scsi.InvalidFieldInCDB(2, scsi.NoBit)
		}
	}
	list, err := r.Parameters(length)
	if err != nil {
		return nil, err
	}
	if action != prRegisterAndMove {
		if wrong := list[20] & 0x09; wrong != 0 { // SPEC_I_PT, APTPL
			return nil, scsi.InvalidFieldInParameterList(20, highestBit(wrong))
		}
	}
	return list, nil
}

func (p *persistent) command(r *Request, list []byte) (removed []scsi.Nexus, notices []notice, err error) {
	key, actionKey, kind := scsi.Uint64(list), scsi.Uint64(list[8:]), r.CDB[2]&0x0f
	n, at := r.Nexus, p.find(r.Nexus)
	conflict := scsi.StatusError(scsi.ReservationConflict)
	switch action := r.command.Action; {
	case action == prRegisterAndIgnore:
	case action == prRegister && at < 0:
		if key != 0 {
			return nil, nil, conflict
		}
	case at < 0 || p.registrations[at].key != key:
		return nil, nil, conflict
	}
	switch r.command.Action {
	case prRegister, prRegisterAndIgnore:
		return nil, p.register(n, actionKey), nil
	case prReserve:
		if p.kind == 0 {
			p.kind, p.holder = kind, n
		} else if !p.holds(n) || p.kind != kind {
			return nil, nil, conflict
		}
		return nil, nil, nil
	case prRelease:
		if !p.holds(n) {
			return nil, nil, nil
		}
		if p.kind != kind {
			return nil, nil, scsi.Illegal(scsi.InvalidReleaseOfReservation)
		}
		return nil, p.drop(n), nil
	case prClear:
		notices = p.tell(n, scsi.ReservationsPreempted)
		*p = persistent{generation: p.generation + 1}
		return nil, notices, nil
	case prPreempt, prPreemptAndAbort:
		return p.preempt(n, actionKey, kind)
	}
	return nil, nil, p.move(n, actionKey, list)
}

// move is REGISTER AND MOVE: another nexus is registered and made the holder.
func (p *persistent) move(from scsi.Nexus, key uint64, list []byte) error {
	if p.kind == 0 || !p.holds(from) || p.allRegistrants() {
		return scsi.StatusError(scsi.ReservationConflict)
	}
	if key == 0 {
		return scsi.InvalidFieldInParameterList(8, scsi.NoBit)
	}
	to, ok := parseTransportID(list[24:])
	if !ok || int(scsi.Uint32(list[20:])) != len(list)-24 || to == from || list[17]&1 != 0 {
		return scsi.InvalidFieldInParameterList(20, scsi.NoBit)
	}
	p.register(to, key)
	p.holder = to
	if list[17]&2 != 0 { // UNREG
		p.registrations = slices.Delete(p.registrations, p.find(from), p.find(from)+1)
	}
	return nil
}

const (
	prReadKeys = iota
	prReadReservation
	prReportCapabilities
	prReadFullStatus
)

func (u *Unit) persistentIn(r *Request) error {
	u.mu.Lock()
	data := u.persistent.report(r.command.Action)
	u.mu.Unlock()
	return r.Reply(data, int(scsi.Uint16(r.CDB[7:])))
}

func (p *persistent) report(action byte) []byte {
	if action == prReportCapabilities {
		b := []byte{0, 8, 0, 0x80, 0, 0, 0, 0}
		scsi.PutUint16(b[4:], typeMask)
		return b
	}
	b := make([]byte, 8)
	scsi.PutUint32(b, p.generation)
	switch action {
	case prReadKeys:
		for _, r := range p.registrations {
			b = appendUint64(b, r.key)
		}
	case prReadReservation:
		if p.kind != 0 {
			var key uint64
			if i := p.find(p.holder); i >= 0 && !p.allRegistrants() {
				key = p.registrations[i].key
			}
			b = append(appendUint64(b, key), 0, 0, 0, 0, 0, p.kind, 0, 0)
		}
	case prReadFullStatus:
		for _, r := range p.registrations {
			b = append(b, p.describe(r)...)
		}
	}
	scsi.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

func (p *persistent) describe(r registration) []byte {
	b := make([]byte, 24)
	scsi.PutUint64(b, r.key)
	if p.holds(r.nexus) {
		b[12], b[13] = 1, p.kind
	}
	scsi.PutUint16(b[18:], 1) // relative target port
	id := transportID(r.nexus)
	scsi.PutUint32(b[20:], uint32(len(id)))
	return append(b, id...)
}

func appendUint64(b []byte, v uint64) []byte {
	var e [8]byte
	scsi.PutUint64(e[:], v)
	return append(b, e[:]...)
}

// transportID is the iSCSI initiator port TransportID of SPC-4 7.6.4.6.
func transportID(n scsi.Nexus) []byte {
	name := string(n) + "\x00"
	for len(name)%4 != 0 || len(name) < 20 {
		name += "\x00"
	}
	b := []byte{0x45, 0, 0, 0}
	scsi.PutUint16(b[2:], uint16(len(name)))
	return append(b, name...)
}

func parseTransportID(b []byte) (scsi.Nexus, bool) {
	if len(b) < 24 || b[0] != 0x45 || int(scsi.Uint16(b[2:])) != len(b)-4 {
		return "", false
	}
	name, _, _ := strings.Cut(string(b[4:]), "\x00")
	return scsi.Nexus(name), name != ""
}
