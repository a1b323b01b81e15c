package iscsi

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"virtualloader/driver/iscsi/initiator"
	"virtualloader/driver/scsi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testUnit is a logical unit as small as the tests allow: blocks in a slice, a
// write that may be told to stall, unit attentions per nexus. It queues and runs
// its tasks as the real units do.
type testUnit struct {
	number int

	mu        sync.Mutex
	queue     []*scsi.Task
	running   *scsi.Task
	busy      bool
	runner    func()
	stopped   *sync.Cond
	blocks    [][]byte
	position  int
	protected bool
	attention map[scsi.Nexus][]scsi.AdditionalSense
	reserved  scsi.Nexus

	stall    chan struct{} // a WRITE FILEMARKS waits until it is closed
	stalled  chan struct{} // told when one begins to wait
	executed []uint32      // tags in order of execution
	slow     time.Duration // what a WRITE takes before it asks for its data, and after
	null     bool          // WRITE forgets and READ invents its data
}

type testDevice struct {
	units [2]*testUnit

	mu     sync.Mutex
	events []string
	known  map[scsi.Nexus]bool
}

func newTestDevice() *testDevice {
	d := &testDevice{known: map[scsi.Nexus]bool{}}
	for i := range d.units {
		u := &testUnit{number: i, attention: map[scsi.Nexus][]scsi.AdditionalSense{}, stalled: make(chan struct{}, 16)}
		u.runner = u.run
		u.stopped = sync.NewCond(&u.mu)
		d.units[i] = u
	}
	return d
}

func (d *testDevice) event(what string) {
	d.mu.Lock()
	d.events = append(d.events, what)
	d.mu.Unlock()
}

func (d *testDevice) Login(n scsi.Nexus) {
	d.mu.Lock()
	d.known[n] = true
	d.mu.Unlock()
	d.event("login")
}

func (d *testDevice) Logout(n scsi.Nexus) {
	for _, u := range d.units {
		u.abort(func(t *scsi.Task) bool { return t.Nexus == n })
		u.forget(n)
	}
	d.event("logout")
}

func (d *testDevice) Lost(n scsi.Nexus) {
	for _, u := range d.units {
		u.abort(func(t *scsi.Task) bool { return t.Nexus == n })
		u.forget(n)
		u.attend(n, scsi.NexusLossOccurred)
	}
	d.event("lost")
}

func (d *testDevice) Submit(t *scsi.Task) func() {
	n, ok := t.LUN.Number()
	if !ok || n > 1 {
		t.Done(scsi.Outcome{Status: scsi.CheckCondition, Sense: scsi.Illegal(scsi.LogicalUnitNotSupported)})
		return nil
	}
	return d.units[n].submit(t)
}

func (d *testDevice) Manage(n scsi.Nexus, f scsi.ManagementFunction, lun scsi.LUN, tag uint32) scsi.ManagementResponse {
	number, ok := lun.Number()
	if f < scsi.TargetWarmReset && (!ok || number > 1) {
		return scsi.LUNDoesNotExist
	}
	match := func(t *scsi.Task) bool { return true }
	units := d.units[:]
	if f < scsi.TargetWarmReset {
		units = units[number : number+1]
	}
	switch f {
	case scsi.AbortTask:
		match = func(t *scsi.Task) bool { return t.Nexus == n && t.Tag == tag }
	case scsi.AbortTaskSet:
		match = func(t *scsi.Task) bool { return t.Nexus == n }
	}
	found := false
	for _, u := range units {
		victims := u.abort(match)
		found = found || len(victims) > 0
		for _, victim := range victims {
			if f == scsi.ClearTaskSet && victim != n {
				u.attend(victim, scsi.CommandsClearedByAnotherInitiator)
			}
		}
		if f == scsi.LogicalUnitReset {
			d.mu.Lock()
			for nexus := range d.known {
				u.attend(nexus, scsi.DeviceResetOccurred)
			}
			d.mu.Unlock()
			u.forget("")
		}
	}
	if f == scsi.AbortTask && !found {
		return scsi.TaskDoesNotExist
	}
	return scsi.FunctionComplete
}

func (u *testUnit) attend(n scsi.Nexus, a scsi.AdditionalSense) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.Contains(u.attention[n], a) {
		u.attention[n] = append(u.attention[n], a)
	}
}

// forget drops reservations; "" means whose ever.
func (u *testUnit) forget(n scsi.Nexus) {
	u.mu.Lock()
	if n == "" || u.reserved == n {
		u.reserved = ""
	}
	u.mu.Unlock()
}

func (u *testUnit) submit(t *scsi.Task) func() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.queue = append(u.queue, t)
	if u.busy {
		return nil
	}
	u.busy = true
	return u.runner
}

func (u *testUnit) run() {
	u.mu.Lock()
	for len(u.queue) > 0 {
		t := u.queue[0]
		u.queue = u.queue[:copy(u.queue, u.queue[1:])]
		u.running = t
		if !u.null {
			u.executed = append(u.executed, t.Tag)
		}
		u.mu.Unlock()
		outcome := scsi.OutcomeOf(u.execute(t))
		u.mu.Lock()
		u.running = nil
		u.mu.Unlock()
		t.Done(outcome)
		u.mu.Lock()
		u.stopped.Broadcast()
	}
	u.busy = false
	u.mu.Unlock()
}

// abort ends matching tasks, waits for a running one and returns whose they were.
func (u *testUnit) abort(match func(*scsi.Task) bool) (victims []scsi.Nexus) {
	u.mu.Lock()
	var removed []*scsi.Task
	u.queue = slices.DeleteFunc(u.queue, func(t *scsi.Task) bool {
		if !match(t) {
			return false
		}
		removed = append(removed, t)
		return true
	})
	for _, t := range removed {
		victims = append(victims, t.Nexus)
	}
	if t := u.running; t != nil && match(t) {
		victims = append(victims, t.Nexus)
		t.Abort()
		for u.running == t {
			u.stopped.Wait()
		}
	}
	u.mu.Unlock()
	for _, t := range removed {
		t.Abort()
		t.Done(scsi.Outcome{Status: scsi.TaskAborted})
	}
	return victims
}

func (u *testUnit) execute(t *scsi.Task) error {
	op := scsi.Opcode(t.CDB[0])
	length := int(scsi.Uint24(t.CDB[2:]))
	if u.null {
		return u.nothing(t, op, length)
	}
	u.mu.Lock()
	pending := u.attention[t.Nexus]
	if len(pending) > 0 && op != scsi.Inquiry && op != scsi.ReportLUNs {
		u.attention[t.Nexus] = pending[1:]
		u.mu.Unlock()
		return scsi.Attention(pending[0])
	}
	conflict := u.reserved != "" && u.reserved != t.Nexus
	u.mu.Unlock()
	if conflict {
		return scsi.StatusError(scsi.ReservationConflict)
	}
	switch op {
	case scsi.TestUnitReady, scsi.MoveMedium:
		return nil
	case scsi.Rewind:
		u.position = 0
		return nil
	case scsi.Reserve6:
		u.mu.Lock()
		u.reserved = t.Nexus
		u.mu.Unlock()
		return nil
	case scsi.ReportLUNs:
		return t.SendDataIn(reportedLUNs[:min(len(reportedLUNs), int(scsi.Uint32(t.CDB[6:])))])
	case scsi.Inquiry:
		return t.SendDataIn(inquiryData[u.number][:min(36, int(scsi.Uint16(t.CDB[3:])))])
	case scsi.Write6:
		return u.write(t, length)
	case scsi.Read6:
		return u.read(t, length, t.CDB[1]&2 != 0)
	case scsi.WriteFilemarks6:
		u.stalled <- struct{}{}
		if u.stall != nil {
			<-u.stall
		}
		return nil
	}
	return scsi.Illegal(scsi.InvalidOperationCode)
}

// inquiryData of a removable tape drive and a removable changer.
var inquiryData = [2][]byte{inquiry(0x01), inquiry(0x08)}

func inquiry(deviceType byte) []byte {
	b := make([]byte, 36)
	b[0], b[1], b[2], b[3], b[4] = deviceType, 0x80, 6, 2, 31
	copy(b[8:], "VLTEST  TINY UNIT       0001")
	return b
}

var reportedLUNs = []byte{0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}

func (u *testUnit) write(t *scsi.Task, length int) error {
	if u.protected {
		return &scsi.Sense{Key: scsi.DataProtect, Code: scsi.WriteProtected}
	}
	time.Sleep(u.slow)
	data, err := t.ReceiveDataOut(length)
	if err != nil {
		return err
	}
	time.Sleep(u.slow)
	u.mu.Lock()
	u.blocks = append(u.blocks[:u.position], slices.Clone(data))
	u.position++
	u.mu.Unlock()
	return nil
}

func (u *testUnit) read(t *scsi.Task, length int, suppress bool) error {
	if u.position >= len(u.blocks) {
		return &scsi.Sense{Key: scsi.BlankCheck, Code: scsi.EndOfDataDetected, Valid: true, Information: int64(length)}
	}
	block := u.blocks[u.position]
	u.position++
	p := t.Buffer(min(length, len(block)))
	copy(p, block)
	if err := t.SendDataIn(p); err != nil {
		return err
	}
	if len(block) != length && !(suppress && len(block) < length) {
		return &scsi.Sense{ILI: true, Valid: true, Information: int64(length - len(block))}
	}
	return nil
}

func (u *testUnit) nothing(t *scsi.Task, op scsi.Opcode, length int) error {
	switch op {
	case scsi.Write6:
		_, err := t.ReceiveDataOut(length)
		return err
	case scsi.Read6:
		return t.SendDataIn(t.Buffer(length))
	}
	return nil
}

// written is what stands on the unit.
func (u *testUnit) written() [][]byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.blocks)
}

func (u *testUnit) isReserved() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.reserved != ""
}

// saw reports whether an event has happened.
func (d *testDevice) saw(event string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.events, event)
}

// order is the tags of what was executed.
func (u *testUnit) order() []uint32 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.executed)
}

const (
	testTarget    = "iqn.2026-11.io.virtualloader:test"
	testInitiator = "iqn.2026-11.io.virtualloader:initiator"
)

// testServer is a server on a free loopback port with one target.
type testServer struct {
	*Server
	device  *testDevice
	address string
}

func startServer(t testing.TB, config Config, auth Auth) *testServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{NewServer(config), newTestDevice(), l.Addr().String()}
	if err := s.Add(Target{Name: testTarget, Alias: "test", Device: s.device, Auth: auth}); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
		if err := <-served; err != ErrClosed {
			t.Errorf("Serve returned %v", err)
		}
	})
	return s
}

// dial logs the initiator package in.
func (s *testServer) dial(t testing.TB, change func(*initiator.Config)) *initiator.Session {
	t.Helper()
	config := initiator.Config{Address: s.address, TargetName: testTarget}
	if change != nil {
		change(&config)
	}
	session, err := initiator.Dial(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func cdb6(op scsi.Opcode, flags byte, length int) []byte {
	b := []byte{byte(op), flags, 0, 0, 0, 0}
	scsi.PutUint24(b[2:], uint32(length))
	return b
}
