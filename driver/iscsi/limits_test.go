package iscsi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"virtualloader/driver/iscsi/initiator"
	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// Spec A.9, the limits that F.1 does not name.
func TestLimits(t *testing.T) {
	for _, item := range []struct {
		name   string
		config Config
		run    func(t *testing.T, s *testServer)
	}{
		{"login PDU above 8192 bytes", Config{}, func(t *testing.T, s *testServer) {
			r := s.connect(t)
			var h pdu.Header
			h.Reset(pdu.LoginRequest, pdu.FlagFinal|1<<2|3)
			r.sendLogin(&h, "InitiatorName="+testInitiator, "X="+strings.Repeat("x", 8200))
			r.closed()
		}},
		{"login text above 64 KiB", Config{}, func(t *testing.T, s *testServer) {
			r := s.connect(t)
			for range 8 {
				if h, _ := r.loginRequest(pdu.FlagContinue|1<<2, strings.Repeat("x", 8000)); h.LoginStatus() != 0 {
					t.Fatal(h.LoginStatus())
				}
			}
			var h pdu.Header
			h.Reset(pdu.LoginRequest, pdu.FlagContinue|1<<2)
			r.sendLogin(&h, strings.Repeat("x", 8000))
			r.closed()
		}},
		{"more than 64 keys", Config{}, func(t *testing.T, s *testServer) {
			r := s.connect(t)
			keys := make([]string, 65)
			for i := range keys {
				keys[i] = fmt.Sprintf("X-%d=1", i)
			}
			if h, _ := r.loginRequest(pdu.FlagFinal|1<<2|3, keys...); h.LoginStatus() != pdu.LoginInitiatorError {
				t.Fatal(h.LoginStatus())
			}
			r.closed()
		}},
		{"login that does not end", Config{LoginTimeout: 100 * time.Millisecond}, func(t *testing.T, s *testServer) {
			s.connect(t).closed()
			r := s.connect(t)
			r.loginRequest(1<<2, "InitiatorName="+testInitiator, "TargetName="+testTarget)
			r.closed()
		}},
		{"connections", Config{Limits: Limits{Connections: 3}}, func(t *testing.T, s *testServer) {
			for i := range 3 {
				s.loginISID(t, byte(i))
			}
			s.connect(t).closed()
		}},
		{"strangers", Config{Limits: Limits{Strangers: 2}}, func(t *testing.T, s *testServer) {
			a := s.connect(t)
			s.connect(t)
			eventually(t, "both accepted", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.strangers) == 2 })
			s.connect(t).closed()
			a.conn.Close()
			eventually(t, "one gone", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.strangers) == 1 })
			s.login(t).good(testUnitReady)
		}},
		{"sessions per target", Config{Limits: Limits{SessionsPerTarget: 2}}, func(t *testing.T, s *testServer) {
			s.loginISID(t, 1)
			s.loginISID(t, 2)
			r := s.connect(t)
			r.isid[5] = 3
			h, _ := r.loginRequest(pdu.FlagFinal|1<<2|3, "InitiatorName="+testInitiator, "TargetName="+testTarget)
			if h.LoginStatus() != pdu.LoginOutOfResources {
				t.Fatal(h.LoginStatus())
			}
		}},
		{"immediate commands", Config{}, func(t *testing.T, s *testServer) {
			r := s.login(t)
			u := s.device.units[0]
			u.stall = make(chan struct{})
			defer close(u.stall)
			r.write(r.command(final, 0, cdb6(scsi.WriteFilemarks6, 0, 1)), nil)
			<-u.stalled
			for range maxImmediate + 1 {
				h := r.command(final, 0, testUnitReady)
				h.SetImmediate()
				r.cmdSN--
				r.write(h, nil)
			}
			r.rejected(pdu.RejectTooManyImmediate)
		}},
		{"commands beyond the window", Config{}, func(t *testing.T, s *testServer) {
			r := s.login(t)
			u := s.device.units[0]
			u.stall = make(chan struct{})
			r.write(r.command(final, 0, cdb6(scsi.WriteFilemarks6, 0, 1)), nil)
			<-u.stalled
			for range commandWindow + 3 {
				r.write(r.command(final, 0, testUnitReady), nil)
			}
			r.write(r.request(pdu.NopOut, final), nil)
			r.receive(pdu.NopIn) // so all of them have been read
			close(u.stall)
			for range commandWindow {
				r.status(scsi.Good)
			}
			r.silent()
		}},
		{"bidirectional command", Config{}, func(t *testing.T, s *testServer) {
			r := s.login(t)
			r.write(r.command(final|pdu.FlagRead|pdu.FlagWrite, 16, testUnitReady), make([]byte, 16))
			r.senseIs(scsi.IllegalRequest, scsi.InvalidFieldInCDBCode)
			r.good(testUnitReady)
		}},
		{"16 MiB announced, 1 KiB written", Config{}, func(t *testing.T, s *testServer) {
			r := s.login(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			h := r.command(write, 1<<24-1, cdb6(scsi.Write6, 0, 1024))
			r.write(h, pattern(1, 1024))
			answer, _ := r.status(scsi.Good)
			residualIs(t, answer, pdu.FlagUnderflow, 1<<24-1-1024)
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
				t.Fatalf("%d bytes allocated", grown)
			}
		}},
		{"silence", Config{Silence: 50 * time.Millisecond, SilenceLimit: 150 * time.Millisecond}, func(t *testing.T, s *testServer) {
			r := s.login(t)
			for range 2 {
				ping, data := r.next2(t)
				if ping.Opcode() != pdu.NopIn || ping.ITT() != pdu.ReservedTag || ping.TTT() == pdu.ReservedTag || len(data) != 0 || ping.StatSN() != r.expStatSN {
					t.Fatalf("% x", ping[:])
				}
				h := r.request(pdu.NopOut, final)
				h.SetITT(pdu.ReservedTag)
				h.SetTTT(ping.TTT())
				r.write(h, nil)
			}
			r.next2(t) // not answered
			r.closed()
		}},
		{"shutdown asks for a logout", Config{}, func(t *testing.T, s *testServer) {
			r := s.login(t)
			ended := make(chan error, 1)
			go func() { ended <- s.Shutdown(context.Background()) }()
			h, _ := r.receive(pdu.Async)
			if h[36] != byte(pdu.AsyncRequestLogout) || scsi.Uint16(h[42:]) != logoutSeconds {
				t.Fatalf("% x", h[:])
			}
			r.write(r.request(pdu.LogoutReq, final), nil)
			r.receive(pdu.LogoutResponse)
			r.conn.Close()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if s.device.saw("lost") || s.Add(Target{Name: "iqn.x"}) != ErrClosed {
				t.Fatal("not shut down cleanly")
			}
		}},
		{"target cold reset drops the sessions", Config{}, func(t *testing.T, s *testServer) {
			r := s.login(t)
			if got := r.manage(scsi.TargetColdReset, 0, 0, 0); got != scsi.FunctionComplete {
				t.Fatal(got)
			}
			r.closed()
		}},
		{"removed target", Config{}, func(t *testing.T, s *testServer) {
			r := s.login(t)
			if err := s.Remove(testTarget); err != nil {
				t.Fatal(err)
			}
			r.closed()
			if !s.device.saw("lost") || !errors.Is(s.Remove(testTarget), ErrNotExist) {
				t.Fatal("not removed")
			}
		}},
		{"initiator that is not admitted", Config{}, func(t *testing.T, s *testServer) {
			s.Add(Target{Name: "iqn.private", Device: s.device, Initiators: []string{"iqn.else"}})
			h, _ := s.connect(t).loginRequest(pdu.FlagFinal|1<<2|3, "InitiatorName=iqn.i", "TargetName=iqn.private")
			if h.LoginStatus() != pdu.LoginForbidden {
				t.Fatal(h.LoginStatus())
			}
		}},
		{"text in full feature phase", Config{}, func(t *testing.T, s *testServer) {
			r := s.login(t)
			answer := r.sendTargets("SendTargets=\x00MaxBurstLength=512\x00X-a=1\x00MaxRecvDataSegmentLength=512")
			want := "TargetName=" + testTarget + "\x00TargetAddress=" + s.address + ",1\x00MaxBurstLength=Reject\x00X-a=NotUnderstood\x00"
			if string(answer) != want {
				t.Fatalf("%q", answer)
			}
			s.device.units[0].blocks = [][]byte{pattern(1, 1024)}
			r.write(r.command(reads, 1024, cdb6(scsi.Read6, 0, 1024)), nil)
			for range 2 {
				if _, data := r.receive(pdu.DataIn); len(data) != 512 {
					t.Fatalf("%d bytes", len(data))
				}
			}
		}},
	} {
		t.Run(item.name, func(t *testing.T) { item.run(t, startServer(t, item.config, Auth{})) })
	}
}

// next2 reads a PDU that carries no status of its own.
func (r *raw) next2(t *testing.T) (pdu.Header, []byte) {
	t.Helper()
	h, data, err := r.next(5 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return h, data
}

func TestRepeatedFailuresAreDelayed(t *testing.T) {
	var f failures
	now := time.Now()
	for i, want := range []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
		if got := f.failed("a", now); got != want {
			t.Errorf("failure %d: %v, want %v", i, got, want)
		}
	}
	if f.failed("b", now) != 0 || f.failed("a", now.Add(2*time.Minute)) != 0 {
		t.Error("another address, or a long time ago, is not a repetition")
	}
	f.passed("a")
	if f.failed("a", now) != 0 {
		t.Error("success is not forgiven")
	}
	for i := range 3 * maxFailureEntries {
		f.failed(fmt.Sprint(i), now)
	}
	if len(f.by) > maxFailureEntries {
		t.Error(len(f.by))
	}
}

func TestWrongNameAndWrongSecretTakeTheSameTime(t *testing.T) {
	a := authentication{auth: Auth{Name: "user", Secret: "forward secret"}, chosen: true}
	if _, status := a.step(map[string]string{"CHAP_A": "5"}); status != pdu.LoginSuccess {
		t.Fatal(status)
	}
	good := pdu.FormatBinary(a.algorithm.Response(a.id, "forward secret", a.challenge))
	measure := func(name, response string) time.Duration {
		best := time.Hour
		for range 20 {
			began := time.Now()
			for range 200 {
				if _, status := a.step(map[string]string{"CHAP_N": name, "CHAP_R": response}); status != pdu.LoginAuthFailed {
					t.Fatal(status)
				}
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	name, secret := measure("nobody", good), measure("user", strings.Repeat("0", 0)+"0x"+strings.Repeat("00", 16))
	if name > 3*secret || secret > 3*name {
		t.Errorf("wrong name %v, wrong secret %v", name, secret)
	}
}

func TestThousandConnectionsLeaveNothingBehind(t *testing.T) {
	s := startServer(t, Config{}, Auth{})
	s.login(t).good(testUnitReady)
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 250 {
				session, err := initiator.Dial(context.Background(), initiator.Config{Address: s.address, TargetName: testTarget})
				if err != nil {
					t.Errorf("worker %d, connection %d: %v", worker, i, err)
					return
				}
				block := pattern(uint64(i), 3000)
				if _, err := session.Execute(context.Background(), initiator.Command{CDB: cdb6(scsi.Write6, 0, 3000), Out: block}); err != nil {
					t.Error(err)
				}
				if i%2 == 0 {
					session.Logout(context.Background())
				}
				session.Close()
			}
		})
	}
	wg.Wait()
	eventually(t, "goroutines back to where they were", func() bool { return runtime.NumGoroutine() <= before })
	eventually(t, "one session left", func() bool { return len(s.Sessions()) == 1 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) != 1 || len(s.strangers) != 0 {
		t.Fatalf("%d connections, %d strangers", len(s.conns), len(s.strangers))
	}
}

func TestSeveralSessionsShareAUnit(t *testing.T) {
	s := startServer(t, Config{}, Auth{})
	var wg sync.WaitGroup
	for worker := range 4 {
		session := s.dial(t, func(c *initiator.Config) {
			c.InitiatorName = fmt.Sprint("iqn.i", worker)
			c.FirstBurstLength = 16 << 10
			c.NoImmediateData = worker%2 == 0
			c.DataDigest = worker == 3
		})
		for lane := range 4 {
			wg.Go(func() {
				for i := range 60 {
					block := pattern(uint64(worker), 1000+40000*(i%3))
					command := initiator.Command{CDB: cdb6(scsi.Write6, 0, len(block)), Out: block, LUN: scsi.UnitNumber(lane % 2)}
					if r, err := session.Execute(context.Background(), command); err != nil || r.Status != scsi.Good || r.Underflow != 0 {
						t.Errorf("%v %+v", err, r)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	if n := len(s.device.units[0].written()) + len(s.device.units[1].written()); n != 4*4*60 {
		t.Fatalf("%d blocks", n)
	}
	for _, block := range s.device.units[0].written() {
		whole := false
		for worker := range 4 {
			whole = whole || bytes.Equal(block, pattern(uint64(worker), len(block)))
		}
		if !whole {
			t.Fatal("a block mixed of two")
		}
	}
}

// TestStalledReaderDoesNotStopOthers has one initiator that never reads its data.
func TestStalledReaderDoesNotStopOthers(t *testing.T) {
	s := startServer(t, Config{}, Auth{})
	s.device.units[0].null = true
	stuck := s.login(t)
	for range commandWindow {
		stuck.write(stuck.command(reads, 8<<20, cdb6(scsi.Read6, 0, 8<<20)), nil)
	}
	other := s.loginISID(t, 9)
	h := other.command(final, 0, testUnitReady)
	h.SetLUN(uint64(scsi.UnitNumber(1)))
	other.write(h, nil)
	other.status(scsi.Good)
	stuck.conn.Close()
	other.write(other.command(reads, 4096, cdb6(scsi.Read6, 0, 4096)), nil)
	other.receive(pdu.DataIn)
}
