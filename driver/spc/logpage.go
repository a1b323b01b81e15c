package spc

import (
	"slices"

	"virtualloader/driver/scsi"
)

// Control bytes of log parameters (SPC-4 7.3.2.2).
const (
	LogBinary byte = 0x03
	LogASCII  byte = 0x01
)

// LogParameter is one parameter of a log page.
type LogParameter struct {
	Code    uint16
	Control byte
	Value   []byte
}

// LogNumber is a binary parameter of size bytes, big-endian.
func LogNumber(code uint16, size int, value uint64) LogParameter {
	return LogParameter{code, LogBinary, BigEndian(size, value)}
}

// BigEndian returns value as size bytes, at most 8; what does not fit is the
// largest number that does.
func BigEndian(size int, value uint64) []byte {
	if size < 8 && value >= 1<<(8*size) {
		value = 1<<(8*size) - 1
	}
	var b [8]byte
	scsi.PutUint64(b[:], value)
	return slices.Clone(b[8-size:])
}

// LogPage is one log page. LOG SENSE does not wait for the unit's turn, so both
// functions must be safe beside a command that is executing.
type LogPage struct {
	Code       byte
	Parameters func() []LogParameter // ascending codes
	Clear      func()                // LOG SELECT with PCR; nil: nothing to clear
}

// logPages returns all pages but the lists of pages, in ascending order.
func (u *Unit) logPages() []LogPage {
	pages := append(slices.Clone(u.config.Log), LogPage{Code: logTapeAlert})
	slices.SortFunc(pages, func(a, b LogPage) int { return int(a.Code) - int(b.Code) })
	return pages
}

const logTapeAlert = 0x2E

func (u *Unit) logSense(r *Request) error {
	if wrong := r.CDB[1] & 0x03; wrong != 0 { // PPC, SP
		return scsi.InvalidFieldInCDB(1, highestBit(wrong))
	}
	code, subpage, pointer := r.CDB[2]&0x3f, r.CDB[3], scsi.Uint16(r.CDB[5:])
	pages := u.logPages()
	var body []byte
	at := slices.IndexFunc(pages, func(p LogPage) bool { return p.Code == code })
	switch {
	case code == 0 && (subpage == 0 || subpage == 0xff):
		if pointer != 0 {
			return scsi.InvalidFieldInCDB(5, scsi.NoBit)
		}
		body = listLogPages(pages, subpage != 0)
	case subpage != 0:
		return scsi.InvalidFieldInCDB(3, scsi.NoBit)
	case at < 0:
		return scsi.InvalidFieldInCDB(2, 5)
	default:
		parameters := u.logParameters(r, pages[at])
		if len(parameters) > 0 && pointer > parameters[len(parameters)-1].Code {
			return scsi.InvalidFieldInCDB(5, scsi.NoBit)
		}
		body = encodeLog(parameters, pointer)
	}
	header := []byte{code, 0, byte(len(body) >> 8), byte(len(body))}
	if subpage != 0 {
		header[0], header[1] = code|0x40, subpage
	}
	return r.Reply(append(header, body...), int(scsi.Uint16(r.CDB[7:])))
}

// logParameters collects a page. TapeAlert is the one whose reading changes it,
// for the nexus that reads.
func (u *Unit) logParameters(r *Request, page LogPage) []LogParameter {
	if page.Code != logTapeAlert {
		return page.Parameters()
	}
	u.mu.Lock()
	alerts := r.from.alerts
	r.from.alerts = 0
	u.mu.Unlock()
	return alerts.parameters()
}

func listLogPages(pages []LogPage, subpages bool) []byte {
	if !subpages {
		list := []byte{0}
		for _, p := range pages {
			list = append(list, p.Code)
		}
		return list
	}
	list := []byte{0, 0, 0, 0xff}
	for _, p := range pages {
		list = append(list, p.Code, 0)
	}
	return list
}

func encodeLog(parameters []LogParameter, from uint16) (body []byte) {
	for _, p := range parameters {
		if p.Code >= from {
			body = append(body, byte(p.Code>>8), byte(p.Code), p.Control, byte(len(p.Value)))
			body = append(body, p.Value...)
		}
	}
	return body
}

// logSelect only clears counters: PCR with an empty parameter list.
func (u *Unit) logSelect(r *Request) error {
	if r.Flag(1, 0x01) { // SP
		return scsi.InvalidFieldInCDB(1, 0)
	}
	if scsi.Uint16(r.CDB[7:]) != 0 {
		return scsi.InvalidFieldInCDB(7, scsi.NoBit)
	}
	code, pages := r.CDB[2]&0x3f, u.logPages()
	if code != 0 && !slices.ContainsFunc(pages, func(p LogPage) bool { return p.Code == code }) {
		return scsi.InvalidFieldInCDB(2, 5)
	}
	if !r.Flag(1, 0x02) { // PCR
		return nil
	}
	for _, p := range pages {
		if p.Clear != nil && (code == 0 || code == p.Code) {
			p.Clear()
		}
	}
	return nil
}

// Alerts is a set of TapeAlert flags (SSC-4 annex A); flag 1 is the highest bit.
type Alerts uint64

// TapeAlert flags that the units raise.
const (
	AlertHardError      = 0x03 // a file of the tape could not be read or written
	AlertWriteFailure   = 0x06
	AlertWriteProtected = 0x09
	AlertCleaningMedium = 0x0B
	AlertUnknownFormat  = 0x0C
	AlertDamagedIndex   = 0x12
	AlertWORMOverwrite  = 0x3C

	alertCount = 64
)

// AlertSet returns the set of the given flags, numbered 1 to 64.
func AlertSet(flags ...int) (a Alerts) {
	for _, f := range flags {
		a |= 1 << (alertCount - f)
	}
	return a
}

func (a Alerts) parameters() []LogParameter {
	p := make([]LogParameter, alertCount)
	for i := range p {
		p[i] = LogNumber(uint16(i+1), 1, uint64(a>>(alertCount-1-i))&1)
	}
	return p
}

// Raise sets TapeAlert flags for every nexus.
func (u *Unit) Raise(flags ...int) {
	set := AlertSet(flags...)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.alerts&set == set {
		return
	}
	u.alerts |= set
	for _, n := range u.nexuses {
		n.alerts |= set
	}
}

// ClearAlerts takes all TapeAlert flags back, as unloading does.
func (u *Unit) ClearAlerts() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.alerts = 0
	for _, n := range u.nexuses {
		n.alerts = 0
	}
}

// Alerts returns the flags raised since the last ClearAlerts; reading the
// TapeAlert log page does not change them.
func (u *Unit) Alerts() Alerts {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.alerts
}
