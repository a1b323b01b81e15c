package smc

import (
	"strings"
	"sync"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/slotmap"
)

// templateBytes is the length of SEND VOLUME TAG's parameter list (SMC-3 6.15):
// 32 bytes volume identification template, two reserved, the lowest sequence
// number, two reserved, the highest one.
const templateBytes = 40

// translations are the send action codes that search for primary volume tags;
// alternate ones do not exist. Sequence numbers are always zero here.
var translations = map[byte]struct{ sequence bool }{
	0x00: {true}, 0x01: {true}, 0x04: {false}, 0x05: {false},
}

// search is what SEND VOLUME TAG left for REQUEST VOLUME ELEMENT ADDRESS, by
// nexus.
type search struct {
	mu   sync.Mutex
	last map[scsi.Nexus]found
}

type found struct {
	action    byte
	addresses map[slotmap.Address]bool
}

// searchLimit is of how many nexuses the last search is kept.
const searchLimit = 64

func (s *search) keep(n scsi.Nexus, f found) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || len(s.last) >= searchLimit {
		s.last = map[scsi.Nexus]found{}
	}
	s.last[n] = f
}

func (s *search) of(n scsi.Nexus) (found, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.last[n]
	return f, ok
}

// sendVolumeTag searches the cartridges for a template in which ? stands for one
// character and * for any number of them. Volume tags are the cartridges' names
// and cannot be set.
func (c *Changer) sendVolumeTag(r *spc.Request) error {
	action := r.CDB[5] & 0x1f
	how, known := translations[action]
	if !known {
		return scsi.InvalidFieldInCDB(5, 4)
	}
	if length := int(scsi.Uint16(r.CDB[8:])); length != templateBytes {
		return scsi.Illegal(scsi.ParameterListLengthError)
	}
	list, err := r.Parameters(templateBytes)
	if err != nil {
		return err
	}
	lowest, highest := scsi.Uint16(list[34:]), scsi.Uint16(list[38:])
	if how.sequence && lowest > highest {
		return scsi.InvalidFieldInParameterList(34, scsi.NoBit)
	}
	template := strings.TrimRight(string(list[:volumeTagName]), " \x00")
	f := found{action: action, addresses: map[slotmap.Address]bool{}}
	for _, e := range c.selected(r) {
		if e.Full() && match(template, e.Barcode) && (!how.sequence || lowest == 0) {
			f.addresses[e.Address] = true
		}
	}
	c.searched.keep(r.Nexus, f)
	return nil
}

// requestVolumeElementAddress tells what the nexus's last SEND VOLUME TAG found.
func (c *Changer) requestVolumeElementAddress(r *spc.Request) error {
	allocation := int(scsi.Uint24(r.CDB[7:]))
	f, searched := c.searched.of(r.Nexus)
	if !searched {
		return scsi.Illegal(scsi.CommandSequenceError)
	}
	var elements []slotmap.Element
	for _, e := range c.selected(r) {
		if f.addresses[e.Address] {
			elements = append(elements, e)
		}
	}
	if number := int(scsi.Uint16(r.CDB[4:])); len(elements) > number {
		elements = elements[:number]
	}
	rep := report{changer: c, voltag: r.Flag(1, voltagBit), room: allocation}
	data := rep.build(elements)
	data[4] = f.action
	return r.Reply(data, allocation)
}

// selected returns the elements of the kind in CDB byte 1, 0 for all, from the
// address in bytes 2 and 3 on.
func (c *Changer) selected(r *spc.Request) []slotmap.Element {
	m, kind, start := c.library.Map(), slotmap.Kind(r.CDB[1]&0x0f), address(r, 2)
	elements := m.All()
	if kind != 0 {
		elements = m.Elements(kind)
	}
	for len(elements) > 0 && elements[0].Address < start {
		elements = elements[1:]
	}
	return elements
}

// match says whether name fits a template with ? and *. It tries the last * only,
// which is enough, so a template of nothing but * costs no more than another.
func match(template, name string) bool {
	t, n := 0, 0
	star, resume := -1, 0 // the last * and where name goes on if it takes one more
	for n < len(name) {
		switch {
		case t < len(template) && template[t] == '*':
			star, resume = t, n
			t++
		case t < len(template) && (template[t] == '?' || template[t] == name[n]):
			t++
			n++
		case star >= 0:
			resume++
			t, n = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(template[t:], "*") == ""
}
