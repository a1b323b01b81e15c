package spc

import (
	"bytes"
	"slices"

	"virtualloader/driver/scsi"
)

// PageControl is the PC field of MODE SENSE.
type PageControl byte

// Page controls.
const (
	CurrentValues PageControl = iota
	ChangeableValues
	DefaultValues
	SavedValues
)

// ModePage is one mode page as data.
type ModePage struct {
	Default    []byte // the whole page with its header (subpage format when SPF is set)
	Changeable []byte // mask of bits that MODE SELECT may change; nil: none

	// Live, if any, fills in what the unit knows, on a copy about to be sent as
	// current or default values.
	Live func(page []byte)
	// Short, when not 0, is how many bytes MODE SELECT must send at least; values
	// that a shorter page does not have stay.
	Short int
	// Check, if any, judges a page that MODE SELECT is about to set.
	Check func(page []byte) error
}

// ModeConfig says what a unit's mode parameters are. All functions are called in
// the unit's turn.
type ModeConfig struct {
	Pages []ModePage // ascending; page 0Ah is added by the Unit
	// Header returns medium type and device specific parameter.
	Header func() (mediumType, specific byte)
	// Descriptor returns the block descriptor of 8 bytes; nil: the unit has none.
	Descriptor func(PageControl) []byte
	// CheckBlock judges header (device specific parameter) and block descriptor
	// of a MODE SELECT; descriptor is nil when the list has none.
	CheckBlock func(specific byte, descriptor []byte) error
	// SetBlock makes what CheckBlock has passed current.
	SetBlock func(specific byte, descriptor []byte)
}

// controlPage is 0Ah: GLTSD set, D_SENSE changeable.
func controlPage() ModePage {
	p := ModePage{Default: make([]byte, 12), Changeable: make([]byte, 12)}
	p.Default[0], p.Default[1], p.Default[2] = 0x0A, 0x0A, 0x02
	p.Changeable[2] = 0x04
	return p
}

type modePages struct {
	ModeConfig
	pages []modePage
}

type modePage struct {
	ModePage
	current []byte
}

func newModePages(c ModeConfig) *modePages {
	m := &modePages{ModeConfig: c}
	for _, p := range append(slices.Clone(c.Pages), controlPage()) {
		m.pages = append(m.pages, modePage{p, slices.Clone(p.Default)})
	}
	slices.SortStableFunc(m.pages, func(a, b modePage) int {
		return int(a.code())<<8 + int(a.subpage()) - int(b.code())<<8 - int(b.subpage())
	})
	return m
}

func (p *modePage) code() byte { return p.Default[0] & 0x3f }

func (p *modePage) subpage() byte {
	if p.Default[0]&0x40 != 0 {
		return p.Default[1]
	}
	return 0
}

func (p *modePage) changeable() []byte {
	mask := make([]byte, len(p.Default))
	copy(mask, p.Changeable)
	copy(mask, p.Default[:p.header()])
	return mask
}

// header is how many bytes of the page are not parameters.
func (p *modePage) header() int {
	if p.Default[0]&0x40 != 0 {
		return 4
	}
	return 2
}

// sent returns how many bytes b has of the page, 0 when that is not what it must
// be.
func (p *modePage) sent(b []byte) int {
	n := p.header()
	if p.Short > 0 && len(b) > 1 && n == 2 {
		if total := n + int(b[1]); total >= p.Short && total <= min(len(p.Default), len(b)) {
			return total
		}
		return 0
	}
	if len(b) < len(p.Default) || !bytes.Equal(b[1:n], p.Default[1:n]) {
		return 0
	}
	return len(p.Default)
}

func (p *modePage) values(pc PageControl) []byte {
	if pc == ChangeableValues {
		return p.changeable()
	}
	b := slices.Clone(p.current)
	if pc == DefaultValues {
		b = slices.Clone(p.Default)
	}
	if p.Live != nil {
		p.Live(b)
	}
	return b
}

func (m *modePages) find(code, subpage byte) *modePage {
	for i := range m.pages {
		if p := &m.pages[i]; p.code() == code && p.subpage() == subpage {
			return p
		}
	}
	return nil
}

func (m *modePages) reset() {
	for i := range m.pages {
		m.pages[i].current = slices.Clone(m.pages[i].Default)
	}
}

// ModePage returns the current values of a page, nil when the unit has no such
// page. It is called in the unit's turn; the bytes must not be changed.
func (u *Unit) ModePage(code, subpage byte) []byte {
	if p := u.mode.find(code, subpage); p != nil {
		return p.current
	}
	return nil
}

// Codes with a meaning of their own in MODE SENSE.
const (
	allModePages    = 0x3f
	allModeSubpages = 0xff
)

func (u *Unit) modeSense(r *Request) error {
	long := r.command.Opcode == scsi.ModeSense10
	pc, code, subpage := PageControl(r.CDB[2]>>6), r.CDB[2]&0x3f, r.CDB[3]
	if pc == SavedValues {
		return scsi.Illegal(scsi.SavingParametersNotSupported)
	}
	pages, err := u.mode.collect(pc, code, subpage)
	if err != nil {
		return err
	}
	var descriptor []byte
	if u.mode.Descriptor != nil && !r.Flag(1, 0x08) { // DBD
		descriptor = u.mode.Descriptor(pc)
	}
	var medium, specific byte
	if u.mode.Header != nil {
		medium, specific = u.mode.Header()
	}
	body := slices.Concat(descriptor, pages)
	if long {
		data := append([]byte{0, 0, medium, specific, 0, 0, 0, byte(len(descriptor))}, body...)
		scsi.PutUint16(data, uint16(len(data)-2))
		return r.Reply(data, int(scsi.Uint16(r.CDB[7:])))
	}
	data := append([]byte{0, medium, specific, byte(len(descriptor))}, body...)
	if len(data) > 256 {
		return scsi.InvalidFieldInCDB(2, scsi.NoBit)
	}
	data[0] = byte(len(data) - 1)
	return r.Reply(data, int(r.CDB[4]))
}

// collect returns the pages that a page and subpage code ask for, one behind
// the other. Page 00h alone is the header without any page.
func (m *modePages) collect(pc PageControl, code, subpage byte) ([]byte, error) {
	if code == 0 && subpage == 0 {
		return nil, nil
	}
	if code == allModePages && subpage != 0 && subpage != allModeSubpages {
		return nil, scsi.InvalidFieldInCDB(3, scsi.NoBit)
	}
	var out []byte
	for i := range m.pages {
		p := &m.pages[i]
		if (code == allModePages || code == p.code()) && (subpage == allModeSubpages || subpage == p.subpage()) {
			out = append(out, p.values(pc)...)
		}
	}
	if out == nil {
		return nil, scsi.InvalidFieldInCDB(2, 5)
	}
	return out, nil
}

// change is a page that a MODE SELECT sets, already merged with what it may not
// change.
type change struct {
	page  *modePage
	value []byte
}

func (u *Unit) modeSelect(r *Request) error {
	length, header := int(r.CDB[4]), 4
	if r.command.Opcode == scsi.ModeSelect10 {
		length, header = int(scsi.Uint16(r.CDB[7:])), 8
	}
	list, err := r.Parameters(length)
	if err != nil || length == 0 {
		return err
	}
	if len(list) < header {
		return scsi.Illegal(scsi.ParameterListLengthError)
	}
	specific, descriptors := list[2], int(list[3])
	if header == 8 {
		specific, descriptors = list[3], int(scsi.Uint16(list[6:]))
	}
	descriptor, err := u.mode.checkBlock(list, header, specific, descriptors)
	if err != nil {
		return err
	}
	changes, err := u.mode.parse(list, header+descriptors)
	if err != nil {
		return err
	}
	if u.mode.apply(specific, descriptor, changes) {
		u.PostOthers(r, scsi.ModeParametersChanged)
	}
	u.mu.Lock()
	u.descriptor = u.ModePage(0x0A, 0)[2]&0x04 != 0
	u.mu.Unlock()
	return nil
}

// checkBlock judges the header and returns the block descriptor, if one is there.
func (m *modePages) checkBlock(list []byte, header int, specific byte, length int) ([]byte, error) {
	switch {
	case length != 0 && (length != 8 || m.Descriptor == nil):
		return nil, scsi.InvalidFieldInParameterList(header-1, scsi.NoBit)
	case len(list) < header+length:
		return nil, scsi.Illegal(scsi.ParameterListLengthError)
	}
	var descriptor []byte
	if length != 0 {
		descriptor = slices.Clone(list[header : header+8])
	}
	if m.CheckBlock == nil {
		return descriptor, nil
	}
	return descriptor, m.CheckBlock(specific, descriptor)
}

// parse reads the pages of a parameter list from offset at on.
func (m *modePages) parse(list []byte, at int) (changes []change, err error) {
	for at < len(list) {
		rest := list[at:]
		if len(rest) < 2 {
			return nil, scsi.Illegal(scsi.ParameterListLengthError)
		}
		code, subpage := rest[0]&0x3f, byte(0)
		if rest[0]&0x40 != 0 {
			subpage = rest[1]
		}
		p := m.find(code, subpage)
		if p == nil || p.Changeable == nil {
			return nil, scsi.InvalidFieldInParameterList(at, 5)
		}
		n := p.header()
		total := p.sent(rest)
		if total == 0 {
			return nil, scsi.Illegal(scsi.ParameterListLengthError)
		}
		value := slices.Clone(p.current)
		for i := n; i < total; i++ {
			value[i] = value[i]&^p.Changeable[i] | rest[i]&p.Changeable[i]
		}
		if p.Check != nil {
			if err := p.Check(value); err != nil {
				return nil, err
			}
		}
		changes = append(changes, change{p, value})
		at += total
	}
	return changes, nil
}

// apply makes checked changes current and says whether any value is another now.
func (m *modePages) apply(specific byte, descriptor []byte, changes []change) (changed bool) {
	if m.SetBlock != nil {
		before := m.block()
		m.SetBlock(specific, descriptor)
		changed = !bytes.Equal(before, m.block())
	}
	for _, c := range changes {
		changed = changed || !bytes.Equal(c.page.current, c.value)
		c.page.current = c.value
	}
	return changed
}

// block returns what SetBlock may change.
func (m *modePages) block() []byte {
	medium, specific := m.Header()
	return append([]byte{medium, specific}, m.Descriptor(CurrentValues)...)
}
