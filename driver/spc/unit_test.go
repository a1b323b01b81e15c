package spc

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"virtualloader/driver/scsi"
)

const vendorRead = 0xC8 // a row of the tests' own

// newUnit has one command of its own, which needs the medium and does do.
func newUnit(t *testing.T, do func(*Request) error) *Unit {
	u := NewUnit(Config{Identity: Identity{Serial: "0123456789"}, DeviceType: 1, Commands: []Command{
		{Opcode: vendorRead, Name: "VENDOR READ", Usage: []byte{0, 0x03, 0, 0x0f, 0xff, 0}, Flags: NeedsMedium, Do: do},
	}})
	t.Cleanup(u.Close)
	return u
}

// issue submits and runs a command; the answer comes on the wire.
func issue(u *Unit, n scsi.Nexus, tag uint32, cdb ...byte) *wire {
	task, w := newTask(n, tag)
	copy(task.CDB, cdb)
	if f := u.Submit(task); f != nil {
		go f()
	}
	return w
}

func nothing(*Request) error { return nil }

func senseOf(o scsi.Outcome) scsi.Sense {
	if o.Sense == nil {
		return scsi.Sense{}
	}
	return *o.Sense
}

func TestReservedBitsAreRefusedWithAPointerToThem(t *testing.T) {
	u := newUnit(t, nothing)
	<-issue(u, "n", 0, 0x03).done // takes the unit attention
	for _, c := range []struct {
		name    string
		cdb     []byte
		pointer [3]byte // zero: accepted
	}{
		{"all used bits", []byte{vendorRead, 0x03, 0, 0x0f, 0xff, 0}, [3]byte{}},
		{"the old LUN field", []byte{vendorRead, 0xE0, 0, 0, 0, 0}, [3]byte{}},
		{"a byte wholly reserved", []byte{vendorRead, 0, 0xff, 0, 0, 0}, [3]byte{}},
		{"vendor bits of the control byte", []byte{vendorRead, 0, 0, 0, 0, 0xC0}, [3]byte{}},
		{"a reserved bit of byte 1", []byte{vendorRead, 0x10, 0, 0, 0, 0}, [3]byte{0xCC, 0, 1}},
		{"a reserved bit of byte 3", []byte{vendorRead, 0, 0, 0x60, 0, 0}, [3]byte{0xCE, 0, 3}},
		{"NACA", []byte{vendorRead, 0, 0, 0, 0, 0x04}, [3]byte{0xCA, 0, 5}},
	} {
		s := senseOf(<-issue(u, "n", 1, c.cdb...).done)
		if s.Specific != c.pointer || (s.Code == scsi.InvalidFieldInCDBCode) != (c.pointer != [3]byte{}) {
			t.Errorf("%s: %v, specific % X", c.name, s.Code, s.Specific)
		}
	}
}

func TestACAIsRefused(t *testing.T) {
	u := newUnit(t, nothing)
	<-issue(u, "n", 0, 0x03).done
	task, w := newTask("n", 1)
	task.Attribute = scsi.ACA
	u.Submit(task)()
	if s := senseOf(<-w.done); s.Code != scsi.InvalidFieldInCDBCode {
		t.Errorf("sense %v", s)
	}
}

// TestStuckTaskIsDetached: a task that does not notice its abort no longer keeps
// task management waiting after some seconds, and the medium is refused until
// the task has ended.
func TestStuckTaskIsDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, release := make(chan struct{}), make(chan struct{})
		u := NewUnit(Config{Commands: []Command{{Opcode: vendorRead, Name: "VENDOR READ", Usage: make([]byte, 6), Flags: NeedsMedium,
			Do: func(r *Request) error {
				if r.Tag == 1 {
					close(started)
					<-release
				}
				return nil
			}}}})
		<-issue(u, "n", 0, 0x03).done
		stuck := issue(u, "n", 1, vendorRead)
		<-started
		if !u.AbortTask("n", 1) {
			t.Fatal("not found")
		}
		if s := senseOf(<-issue(u, "n", 2, vendorRead).done); s.Key != scsi.NotReady || s.Code != scsi.OperationInProgressNotReady {
			t.Errorf("beside a stuck task: %v", s)
		}
		if o := <-issue(u, "n", 3, 0x12, 0, 0, 0, 36).done; o.Status != scsi.Good {
			t.Errorf("INQUIRY: %v", o)
		}
		close(release)
		<-stuck.done
		synctest.Wait()
		if o := <-issue(u, "n", 4, vendorRead).done; o.Status != scsi.Good {
			t.Errorf("after it: %v", o)
		}
		u.Close()
	})
}

func TestOurOwnFailuresAreHardwareErrorsAndKeepTheirCause(t *testing.T) {
	u := newUnit(t, func(*Request) error { return errors.New("the wheel came off") })
	<-issue(u, "n", 0, 0x03).done
	s := senseOf(<-issue(u, "n", 1, vendorRead).done)
	if s.Key != scsi.HardwareError || s.Cause == nil || !strings.Contains(s.Error(), "wheel") {
		t.Errorf("sense %v", &s)
	}
}

func TestUnitAttentionsAreLimited(t *testing.T) {
	u := newUnit(t, nothing)
	<-issue(u, "n", 0, 0x12).done
	for code := range scsi.AdditionalSense(20) {
		u.PostAll(0x2A00 + code)
	}
	heard := 0
	for senseOf(<-issue(u, "n", 1, 0).done).Key == scsi.UnitAttention {
		heard++
	}
	if heard != attentionLimit {
		t.Errorf("heard %d unit attentions", heard)
	}
}

func TestOnlyTheOthersHearOfAClearedTaskSet(t *testing.T) {
	started := make(chan struct{}, 1)
	u := newUnit(t, func(r *Request) error {
		started <- struct{}{}
		_, err := r.ReceiveDataOut(1)
		return err
	})
	for _, n := range []scsi.Nexus{"a", "b"} {
		<-issue(u, n, 0, 0x03).done
	}
	running := issue(u, "a", 1, vendorRead)
	<-started
	queued := issue(u, "b", 2, vendorRead)
	u.ClearTaskSet("b")
	<-running.done
	<-queued.done
	if s := senseOf(<-issue(u, "a", 3, 0).done); s.Code != scsi.CommandsClearedByAnotherInitiator {
		t.Errorf("a hears %v", s)
	}
	if o := <-issue(u, "b", 4, 0).done; o.Status != scsi.Good {
		t.Errorf("b hears %v", o.Sense)
	}
}

func TestProfilesFitTheirFields(t *testing.T) {
	for _, p := range Profiles() {
		for _, product := range []Product{p.Tape, p.Changer} {
			id := product.With("0123456789", 0x3000000000000001, "iqn.2026-11.io.virtualloader:x")
			data := id.InquiryData(1, 0x0520)
			if len(product.Vendor) > 8 || len(product.Product) > 16 || len(product.Revision) != 4 || len(data) != 96 || len(id.T10()) != 34 {
				t.Errorf("%s: %+v", p.Name, product)
			}
		}
		if found, err := FindProfile(p.Name); err != nil || found != p {
			t.Errorf("%s is not found: %v", p.Name, err)
		}
	}
	if _, err := FindProfile("nobody"); err == nil || !strings.Contains(err.Error(), "native") {
		t.Errorf("unknown profile: %v", err)
	}
}
