package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"virtualloader/driver/conformance"
	"virtualloader/driver/iscsi"
	"virtualloader/driver/iscsi/initiator"
	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

const targetName = "iqn.2026-11.io.virtualloader:test"

// socket is a stage behind an iSCSI server on the loopback, one session for each
// nexus.
type socket struct {
	stage    *stage
	server   *iscsi.Server
	address  string
	sessions map[string]*initiator.Session
	gone     chan struct{} // one for each nexus the target has let go
	started  []begun       // commands whose data is held back
}

// begun is a command whose data is held back.
type begun struct {
	abort context.CancelFunc
	over  chan struct{} // closed at its end
}

// giveUp aborts the command and returns when that is done.
func (b begun) giveUp() {
	b.abort()
	<-b.over
}

// door is the target's device, whose router changes when the stage restarts.
type door struct{ s *socket }

func (d door) Login(n scsi.Nexus)  { d.s.stage.router.Login(n) }
func (d door) Logout(n scsi.Nexus) { d.s.stage.router.Logout(n); d.s.gone <- struct{}{} }
func (d door) Lost(n scsi.Nexus)   { d.s.stage.router.Lost(n); d.s.gone <- struct{}{} }

func (d door) Submit(t *scsi.Task) func() { return d.s.stage.router.Submit(t) }

func (d door) Manage(n scsi.Nexus, f scsi.ManagementFunction, lun scsi.LUN, tag uint32) scsi.ManagementResponse {
	return d.s.stage.router.Manage(n, f, lun, tag)
}

func newSocket(t *testing.T) *socket {
	t.Helper()
	s := &socket{stage: newStage(t), sessions: map[string]*initiator.Session{}, gone: make(chan struct{}, 10)}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *socket) open() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.server, s.address = iscsi.NewServer(iscsi.Config{}), l.Addr().String()
	if err := s.server.Add(iscsi.Target{Name: targetName, Device: door{s}}); err != nil {
		return err
	}
	go s.server.Serve(l)
	return nil
}

func (s *socket) close() error {
	for name := range s.sessions {
		if err := s.leave(name, (*initiator.Session).Close); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.server.Shutdown(ctx)
}

func (s *socket) session(name string) (*initiator.Session, error) {
	if session := s.sessions[name]; session != nil {
		return session, nil
	}
	session, err := initiator.Dial(context.Background(), initiator.Config{
		Address: s.address, TargetName: targetName, InitiatorName: "iqn.2026-11.test:" + name, ISID: pdu.ISID{0x40, 0, 1, 0x37},
		HeaderDigest: name == "A", DataDigest: name == "B",
	})
	if err == nil {
		s.sessions[name] = session
	}
	return session, err
}

// leave ends a session and waits until the target has noticed.
func (s *socket) leave(name string, how func(*initiator.Session) error) error {
	session, err := s.session(name)
	if err != nil {
		return err
	}
	delete(s.sessions, name)
	if err := how(session); err != nil {
		return err
	}
	select {
	case <-s.gone:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("the target has not noticed that %s is gone", name)
	}
}

func (s *socket) Exec(name string, lun int, cdb, out []byte, inLen int) (conformance.Result, error) {
	session, err := s.session(name)
	if err != nil {
		return conformance.Result{}, err
	}
	in := make([]byte, inLen)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := session.Execute(ctx, initiator.Command{LUN: scsi.UnitNumber(lun), CDB: cdb, Out: out, In: in})
	return resultOf(r, in, err)
}

// resultOf is a Result of the initiator; a command that was aborted has the
// status TASK ABORTED.
func resultOf(r initiator.Result, in []byte, err error) (conformance.Result, error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, initiator.ErrAborted) || errors.Is(err, initiator.ErrClosed) {
		return conformance.Result{Status: scsi.TaskAborted}, nil
	}
	return conformance.Result{Status: r.Status, Sense: r.Sense, Data: in[:r.DataIn], Residual: r.Underflow - r.Overflow}, err
}

func (s *socket) Start(name string, lun int, cdb, out []byte, inLen int) (func() (conformance.Result, error), error) {
	session, err := s.session(name)
	if err != nil {
		return nil, err
	}
	type ended struct {
		result conformance.Result
		err    error
	}
	hold, in, end := initiator.NewHold(), make([]byte, inLen), make(chan ended, 1)
	ctx, abort := context.WithTimeout(context.Background(), 30*time.Second)
	over := make(chan struct{})
	s.started = append(s.started, begun{abort, over})
	go func() {
		defer abort()
		defer close(over)
		r, err := session.Execute(ctx, initiator.Command{LUN: scsi.UnitNumber(lun), CDB: cdb, Out: out, In: in, Hold: hold})
		result, err := resultOf(r, in, err)
		end <- ended{result, err}
	}()
	select {
	case <-hold.Asked():
	case e := <-end:
		end <- e
	}
	return func() (conformance.Result, error) {
		select {
		case <-over: // aborted: its data stay here
		default:
			hold.Release()
		}
		e := <-end
		return e.result, e.err
	}, nil
}

func (s *socket) Event(words []string) error {
	switch words[0] {
	case "login":
		_, err := s.session(words[1])
		return err
	case "logout":
		return s.leave(words[1], func(i *initiator.Session) error { return i.Logout(context.Background()) })
	case "lost":
		return s.leave(words[1], (*initiator.Session).Close)
	case "restart":
		return errors.Join(s.close(), s.stage.Event(words), s.open())
	case "reset":
		return s.reset(words[1])
	case "abort":
		s.started[len(s.started)-1].giveUp()
		return nil
	case "clear":
		return s.clear(words[1], words[2])
	}
	return s.stage.Event(words)
}

func (s *socket) reset(what string) error {
	switch what {
	case "warm":
		return s.manage("A", scsi.TargetWarmReset, 0)
	case "cold": // the target drops the connection after it
		return fmt.Errorf("cold reset: %w", errors.ErrUnsupported)
	}
	return s.manage("A", scsi.LogicalUnitReset, int(what[0]-'0'))
}

func (s *socket) manage(name string, f scsi.ManagementFunction, lun int) error {
	session, err := s.session(name)
	if err != nil {
		return err
	}
	if r, err := session.Manage(context.Background(), f, scsi.UnitNumber(lun)); err != nil || r != scsi.FunctionComplete {
		return fmt.Errorf("task management function %d: response %d: %w", f, r, err)
	}
	return nil
}

// clear is CLEAR TASK SET. The target says nothing of the tasks of others that
// it ended; their initiator gives them up, as it would after a while.
func (s *socket) clear(name, lun string) error {
	err := s.manage(name, scsi.ClearTaskSet, int(lun[0]-'0'))
	for _, b := range s.started {
		b.giveUp()
	}
	return err
}

func TestChecklistOverISCSI(t *testing.T) {
	for _, item := range conformance.Items() {
		t.Run(item.Number+" "+item.Name, func(t *testing.T) {
			if err := conformance.Run(newSocket(t), item); errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}
