package target

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"virtualloader/driver/scsi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unit writes down what it is asked.
type unit struct {
	mu    sync.Mutex
	asked []string
	luns  func() []scsi.LUN
}

func (u *unit) note(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, fmt.Sprintf(format, args...))
}

func (u *unit) Submit(t *scsi.Task) func() {
	return func() { u.note("task %d", t.Tag); t.Done(scsi.Outcome{}) }
}
func (u *unit) Login(n scsi.Nexus)        { u.note("login %s", n) }
func (u *unit) Logout(n scsi.Nexus)       { u.note("logout %s", n) }
func (u *unit) Lost(n scsi.Nexus)         { u.note("lost %s", n) }
func (u *unit) AbortTaskSet(n scsi.Nexus) { u.note("abort set %s", n) }
func (u *unit) ClearTaskSet(n scsi.Nexus) { u.note("clear set %s", n) }
func (u *unit) AbortTask(n scsi.Nexus, tag uint32) bool {
	u.note("abort %s %d", n, tag)
	return tag == 1
}
func (u *unit) Reset(code scsi.AdditionalSense)   { u.note("reset %04X", uint16(code)) }
func (u *unit) PostAll(code scsi.AdditionalSense) { u.note("post %04X", uint16(code)) }
func (u *unit) ReportLUNs(luns func() []scsi.LUN) { u.luns = luns }

type answer struct {
	data    []byte
	outcome scsi.Outcome
}

func (*answer) ReceiveDataOut(int) ([]byte, error) { return nil, scsi.ErrDataOutShort }
func (*answer) Buffer(n int) []byte                { return make([]byte, n) }
func (a *answer) SendDataIn(p []byte) error        { a.data = append(a.data, p...); return nil }
func (*answer) Abort()                             {}
func (a *answer) Done(o scsi.Outcome)              { a.outcome = o }

func ask(r *Router, lun scsi.LUN, cdb ...byte) *answer {
	a := &answer{}
	r.Submit(&scsi.Task{LUN: lun, Tag: 7, CDB: append(cdb, make([]byte, 16)...), Transport: a})()
	return a
}

func TestTasksReachTheirUnit(t *testing.T) {
	drive, changer := &unit{}, &unit{}
	r := New(drive, changer)
	ask(r, scsi.UnitNumber(1), 0)
	ask(r, 0x4001<<48, 0) // flat space form of the same
	if len(drive.asked) != 0 || len(changer.asked) != 2 {
		t.Errorf("drive %v, changer %v", drive.asked, changer.asked)
	}
	if got := drive.luns(); !slices.Equal(got, []scsi.LUN{0, 1 << 48}) {
		t.Errorf("LUNs %X", got)
	}
}

func TestUnitsThatAreNotThere(t *testing.T) {
	r := New(&unit{}, &unit{})
	for _, c := range []struct {
		name  string
		lun   scsi.LUN
		cdb   []byte
		code  scsi.AdditionalSense
		first byte // of the data
		size  int
	}{
		{"INQUIRY", scsi.UnitNumber(5), []byte{0x12, 0, 0, 0, 36}, 0, 0x7F, 36},
		{"INQUIRY of a page", scsi.UnitNumber(5), []byte{0x12, 1, 0x80, 0, 36}, scsi.InvalidFieldInCDBCode, 0, 0},
		{"REQUEST SENSE", scsi.UnitNumber(5), []byte{0x03, 0, 0, 0, 18}, 0, 0x70, 18},
		{"REQUEST SENSE, descriptors", scsi.UnitNumber(5), []byte{0x03, 1, 0, 0, 18}, 0, 0x72, 8},
		{"REPORT LUNS", scsi.UnitNumber(5), []byte{0xA0, 9: 24}, 0, 0, 24},
		{"TEST UNIT READY", scsi.UnitNumber(5), []byte{0}, scsi.LogicalUnitNotSupported, 0, 0},
		{"two level LUN", 0x0000_0001 << 32, []byte{0}, scsi.LogicalUnitNotSupported, 0, 0},
		{"LUN 256 in flat space", 0x4100 << 48, []byte{0}, scsi.LogicalUnitNotSupported, 0, 0},
		{"well known INQUIRY", scsi.ReportLUNsWellKnown, []byte{0x12, 0, 0, 0, 36}, 0, 0x1E, 36},
		{"well known REPORT LUNS", scsi.ReportLUNsWellKnown, []byte{0xA0, 9: 24}, 0, 0, 24},
		{"well known TEST UNIT READY", scsi.ReportLUNsWellKnown, []byte{0}, 0, 0, 0},
		{"well known READ", scsi.ReportLUNsWellKnown, []byte{8}, scsi.LogicalUnitNotSupported, 0, 0},
	} {
		a := ask(r, c.lun, c.cdb...)
		var code scsi.AdditionalSense
		if a.outcome.Sense != nil {
			code = a.outcome.Sense.Code
		}
		if code != c.code || len(a.data) != c.size || c.size > 0 && a.data[0] != c.first {
			t.Errorf("%s: sense %04X, data % X", c.name, uint16(code), a.data)
		}
	}
}

func TestTaskManagement(t *testing.T) {
	for _, c := range []struct {
		f          scsi.ManagementFunction
		lun        int
		tag        uint32
		want       scsi.ManagementResponse
		unit0, all string
	}{
		{scsi.AbortTask, 0, 1, scsi.FunctionComplete, "abort n 1", ""},
		{scsi.AbortTask, 0, 2, scsi.TaskDoesNotExist, "abort n 2", ""},
		{scsi.AbortTaskSet, 0, 0, scsi.FunctionComplete, "abort set n", ""},
		{scsi.ClearTaskSet, 0, 0, scsi.FunctionComplete, "clear set n", ""},
		{scsi.LogicalUnitReset, 0, 0, scsi.FunctionComplete, "reset 2903", ""},
		{scsi.LogicalUnitReset, 9, 0, scsi.LUNDoesNotExist, "", ""},
		{scsi.TargetWarmReset, 9, 0, scsi.FunctionComplete, "", "reset 2902"},
		{scsi.TargetColdReset, 0, 0, scsi.FunctionComplete, "", "reset 2901"},
		{scsi.TaskReassign, 0, 0, scsi.ReassignNotSupported, "", ""},
		{scsi.ClearACA, 0, 0, scsi.FunctionNotSupported, "", ""},
	} {
		drive, changer := &unit{}, &unit{}
		got := New(drive, changer).Manage("n", c.f, scsi.UnitNumber(c.lun), c.tag)
		wantDrive, wantChanger := c.unit0+c.all, c.all
		if got != c.want || fmt.Sprint(drive.asked) != "["+wantDrive+"]" || fmt.Sprint(changer.asked) != "["+wantChanger+"]" {
			t.Errorf("function %d LUN %d: response %d, drive %v, changer %v", c.f, c.lun, got, drive.asked, changer.asked)
		}
	}
}

func TestAllUnitsHearOfNexuses(t *testing.T) {
	drive, changer := &unit{}, &unit{}
	r := New(drive, changer)
	r.Login("a")
	r.Lost("a")
	r.Logout("b")
	for _, u := range []*unit{drive, changer} {
		if want := []string{"login a", "lost a", "logout b"}; !slices.Equal(u.asked, want) {
			t.Errorf("heard %v", u.asked)
		}
	}
}

func TestUnitsComeAndGo(t *testing.T) {
	drive, changer := &unit{}, &unit{}
	r := New(drive)
	r.Attach(1, changer)
	r.Attach(0, nil)
	if got := r.LUNs(); !slices.Equal(got, []scsi.LUN{scsi.UnitNumber(1)}) {
		t.Errorf("LUNs %X", got)
	}
	if !slices.Equal(drive.asked, []string{"post 3F0E"}) || !slices.Equal(changer.asked, []string{"post 3F0E"}) {
		t.Errorf("drive heard %v, changer %v", drive.asked, changer.asked)
	}
}
