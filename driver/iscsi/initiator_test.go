package iscsi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"virtualloader/driver/iscsi/initiator"
	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// pattern is n bytes that differ from block to block and place to place.
func pattern(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewPCG(seed, 1)
	for i := 0; i+8 <= n; i += 8 {
		scsi.PutUint64(b[i:], r.Uint64())
	}
	return b
}

func execute(t testing.TB, s *initiator.Session, c initiator.Command) initiator.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := s.Execute(ctx, c)
	if err != nil {
		t.Fatalf("CDB % x: %v", c.CDB, err)
	}
	return r
}

func TestBlocksOfEveryLengthSurviveEveryNegotiation(t *testing.T) {
	lengths := []int{1, 2, 3, 4, 511, 512, 8191, 8192, 8193, 65536, 65537, 262143, 262144, 262145, 1 << 20, 1<<20 + 5, 3<<20 + 1, 8 << 20}
	variants := map[string]func(*initiator.Config){
		"as offered":           nil,
		"digests":              func(c *initiator.Config) { c.HeaderDigest, c.DataDigest = true, true },
		"header digest":        func(c *initiator.Config) { c.HeaderDigest = true },
		"no immediate data":    func(c *initiator.Config) { c.NoImmediateData = true },
		"everything by R2T":    func(c *initiator.Config) { c.NoImmediateData, c.InitialR2T = true, true },
		"small bursts":         func(c *initiator.Config) { c.FirstBurstLength, c.MaxBurstLength = 5000, 70001 },
		"small segments":       func(c *initiator.Config) { c.MaxRecvDataSegmentLength = 8192 },
		"unsolicited data":     func(c *initiator.Config) { c.NoImmediateData, c.FirstBurstLength = true, 1<<20 },
		"tiny burst, digests":  func(c *initiator.Config) { c.MaxBurstLength, c.FirstBurstLength, c.DataDigest = 4096, 512, true },
		"large segments, CRCs": func(c *initiator.Config) { c.MaxRecvDataSegmentLength, c.DataDigest = 4<<20, true },
	}
	for name, change := range variants {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, Config{}, Auth{})
			session := s.dial(t, change)
			for i, n := range lengths {
				r := execute(t, session, initiator.Command{CDB: cdb6(scsi.Write6, 0, n), Out: pattern(uint64(i), n)})
				if r.Status != scsi.Good || r.Underflow != 0 || r.Overflow != 0 {
					t.Fatalf("write %d: %+v", n, r)
				}
			}
			execute(t, session, initiator.Command{CDB: cdb6(scsi.Rewind, 0, 0)})
			for i, n := range lengths {
				in := make([]byte, n)
				r := execute(t, session, initiator.Command{CDB: cdb6(scsi.Read6, 0, n), In: in})
				if r.Status != scsi.Good || r.DataIn != n || r.Underflow != 0 || r.Overflow != 0 {
					t.Fatalf("read %d: %+v", n, r)
				}
				if !bytes.Equal(in, pattern(uint64(i), n)) {
					t.Fatalf("block of %d bytes came back changed", n)
				}
			}
		})
	}
}

func TestPipelinedWritesArriveInOrder(t *testing.T) {
	for _, window := range []int{2, 8, 40} {
		t.Run(fmt.Sprint(window), func(t *testing.T) {
			s := startServer(t, Config{}, Auth{})
			session := s.dial(t, func(c *initiator.Config) { c.FirstBurstLength, c.MaxBurstLength = 64<<10, 256<<10 })
			const blocks = 400
			slots := make(chan struct{}, window)
			var wg sync.WaitGroup
			lengths := [...]int{100, 4096, 65536, 200000, 12}
			for i := range blocks {
				slots <- struct{}{}
				wg.Add(1)
				n := lengths[i%len(lengths)]
				err := session.Submit(initiator.Command{CDB: cdb6(scsi.Write6, 0, n), Out: pattern(uint64(i), n)},
					func(r initiator.Result, err error) {
						if err != nil || r.Status != scsi.Good {
							t.Errorf("write %d: %v %+v", i, err, r)
						}
						<-slots
						wg.Done()
					})
				if err != nil {
					t.Fatal(err)
				}
			}
			wg.Wait()
			written := s.device.units[0].written()
			if len(written) != blocks {
				t.Fatalf("%d blocks of %d", len(written), blocks)
			}
			for i, block := range written {
				if !bytes.Equal(block, pattern(uint64(i), lengths[i%len(lengths)])) {
					t.Fatalf("block %d is not what was written %dth", i, i)
				}
			}
		})
	}
}

// Every write is slow enough for the watchdog to take the reader role, before
// and after its data comes.
func TestSlowWritesKeepOrderWhileTheRoleMoves(t *testing.T) {
	s := startServer(t, Config{}, Auth{})
	s.device.units[0].slow = 80 * time.Millisecond
	session := s.dial(t, func(c *initiator.Config) { c.FirstBurstLength, c.MaxBurstLength = 64<<10, 100<<10 })
	const blocks, length = 10, 300000
	var wg sync.WaitGroup
	for i := range blocks {
		wg.Add(1)
		session.Submit(initiator.Command{CDB: cdb6(scsi.Write6, 0, length), Out: pattern(uint64(i), length)}, func(r initiator.Result, err error) {
			defer wg.Done()
			if err != nil || r.Status != scsi.Good || r.Underflow != 0 {
				t.Errorf("write %d: %v %+v", i, err, r)
			}
		})
		if _, err := session.Ping(t.Context(), []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	for i, block := range s.device.units[0].written() {
		if !bytes.Equal(block, pattern(uint64(i), length)) {
			t.Fatalf("block %d is not what was written %dth", i, i)
		}
	}
	for _, c := range []initiator.Command{{CDB: testUnitReady}, {CDB: testUnitReady, LUN: scsi.UnitNumber(1)}} {
		execute(t, session, c)
	}
}

func TestAbortedCommandsEndAndTheSessionLives(t *testing.T) {
	s := startServer(t, Config{}, Auth{})
	session := s.dial(t, nil)
	u := s.device.units[0]
	u.stall = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() {
		_, err := session.Execute(t.Context(), initiator.Command{CDB: cdb6(scsi.WriteFilemarks6, 0, 1)})
		running <- err
	}()
	<-u.stalled
	queued := make(chan error, 1)
	go func() {
		_, err := session.Execute(ctx, initiator.Command{CDB: cdb6(scsi.TestUnitReady, 0, 0)})
		queued <- err
	}()
	eventually(t, "queued", func() bool { u.mu.Lock(); defer u.mu.Unlock(); return len(u.queue) == 1 })
	cancel()
	if err := <-queued; !errors.Is(err, context.Canceled) {
		t.Fatalf("aborted command: %v", err)
	}
	close(u.stall)
	if err := <-running; err != nil {
		t.Fatal(err)
	}
	if r := execute(t, session, initiator.Command{CDB: cdb6(scsi.TestUnitReady, 0, 0)}); r.Status != scsi.Good {
		t.Fatalf("%+v", r)
	}
}

func TestDiscoveryNamesTargetsAndPortals(t *testing.T) {
	s := startServer(t, Config{}, Auth{Name: "user", Secret: "secret"})
	s.Add(Target{Name: "iqn.2026-11.io.virtualloader:other", Device: newTestDevice(), Initiators: []string{"iqn.else"}})
	portals, err := initiator.Discover(t.Context(), initiator.Config{Address: s.address})
	if err != nil || len(portals) != 1 || portals[0] != (initiator.Portal{Target: testTarget, Address: s.address + ",1"}) {
		t.Fatalf("%v %v", portals, err)
	}
}

func TestCHAPWithEveryHash(t *testing.T) {
	auth := Auth{Name: "user", Secret: "forward secret", MutualName: "loader", MutualSecret: "backward secret"}
	s := startServer(t, Config{}, auth)
	for _, a := range []pdu.ChapAlgorithm{pdu.ChapMD5, pdu.ChapSHA1, pdu.ChapSHA256, pdu.ChapSHA3256} {
		session := s.dial(t, func(c *initiator.Config) {
			c.CHAPName, c.CHAPSecret, c.CHAPAlgorithms = "user", "forward secret", []pdu.ChapAlgorithm{a}
			c.MutualName, c.MutualSecret = "loader", "backward secret"
		})
		execute(t, session, initiator.Command{CDB: cdb6(scsi.TestUnitReady, 0, 0)})
		session.Logout(t.Context())
	}
	_, err := initiator.Dial(t.Context(), initiator.Config{Address: s.address, TargetName: testTarget,
		CHAPName: "user", CHAPSecret: "forward secret", MutualSecret: "not it at all"})
	if !errors.Is(err, initiator.ErrNotProven) {
		t.Fatalf("a target with another mutual secret: %v", err)
	}
	_, err = initiator.Dial(t.Context(), initiator.Config{Address: s.address, TargetName: testTarget, CHAPName: "user", CHAPSecret: "wrong"})
	var refused *initiator.LoginError
	if !errors.As(err, &refused) || refused.Status != pdu.LoginAuthFailed {
		t.Fatalf("a wrong secret: %v", err)
	}
}

func TestLostConnectionEndsEveryCommand(t *testing.T) {
	s := startServer(t, Config{}, Auth{})
	session := s.dial(t, nil)
	u := s.device.units[0]
	u.stall = make(chan struct{})
	ends := make(chan error, 5)
	for range cap(ends) {
		if err := session.Submit(initiator.Command{CDB: cdb6(scsi.WriteFilemarks6, 0, 1)}, func(_ initiator.Result, err error) { ends <- err }); err != nil {
			t.Fatal(err)
		}
	}
	<-u.stalled
	session.Close()
	for range cap(ends) {
		if err := <-ends; !errors.Is(err, initiator.ErrClosed) {
			t.Fatal(err)
		}
	}
	close(u.stall)
	if _, err := session.Execute(t.Context(), initiator.Command{CDB: cdb6(scsi.TestUnitReady, 0, 0)}); err == nil {
		t.Fatal("a closed session took a command")
	}
}
