package iscsi

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"virtualloader/driver/iscsi/initiator"
	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// lun9 is a logical unit that does not exist.
var lun9 = uint64(scsi.UnitNumber(9))

// openISCSIKeys are open-iscsi's offers as its defaults make them.
var openISCSIKeys = []string{"SessionType=Normal", "HeaderDigest=None", "DataDigest=None", "DefaultTime2Wait=2", "DefaultTime2Retain=0",
	"IFMarker=No", "OFMarker=No", "ErrorRecoveryLevel=0", "InitialR2T=No", "ImmediateData=Yes", "MaxBurstLength=16776192",
	"FirstBurstLength=262144", "MaxOutstandingR2T=1", "MaxConnections=1", "DataPDUInOrder=Yes", "DataSequenceInOrder=Yes",
	"MaxRecvDataSegmentLength=262144"}

// checklist is spec F.1 as far as this layer alone can show it; items 2 to 5, 7
// and 9 are login scripts in testdata, 36 is the fuzz test.
var checklist = []struct {
	name string
	run  func(t *testing.T, s *testServer)
}{
	{"F.1/1 login with open-iscsi's keys", func(t *testing.T, s *testServer) {
		r := s.connect(t)
		answer := r.loginAs(testInitiator, openISCSIKeys...)
		for key, want := range map[string]string{"HeaderDigest": "None", "InitialR2T": "No", "ImmediateData": "Yes", "FirstBurstLength": "262144",
			"MaxBurstLength": "16776192", "MaxRecvDataSegmentLength": "1048576", "TargetPortalGroupTag": "1", "ErrorRecoveryLevel": "0",
			"MaxConnections": "1", "MaxOutstandingR2T": "1", "DataPDUInOrder": "Yes", "IFMarker": "No", "DefaultTime2Wait": "2"} {
			if answer[key] != want {
				t.Errorf("%s=%s, want %s", key, answer[key], want)
			}
		}
		if s.Sessions()[0].Target != testTarget {
			t.Error(s.Sessions())
		}
		r.good(testUnitReady)
	}},
	{"F.1/6 header digest only", func(t *testing.T, s *testServer) {
		r := s.connect(t)
		answer := r.loginAs(testInitiator, "HeaderDigest=CRC32C,None", "DataDigest=None")
		if answer["HeaderDigest"] != "CRC32C" || answer["DataDigest"] != "None" {
			t.Fatal(answer)
		}
		r.good(testUnitReady)
		if crc := pdu.Digest(0, []byte("123456789")); crc != 0xE3069283 {
			t.Fatalf("crc32c = %08X", crc)
		}
	}},
	{"F.1/8 session reinstatement", func(t *testing.T, s *testServer) {
		old := s.login(t)
		u := s.device.units[0]
		u.stall = make(chan struct{})
		old.write(old.command(final, 0, cdb6(scsi.WriteFilemarks6, 0, 1)), nil)
		<-u.stalled
		time.AfterFunc(200*time.Millisecond, func() { close(u.stall) })
		r := s.login(t)
		old.closed()
		r.write(r.command(final, 0, testUnitReady), nil)
		r.senseIs(scsi.UnitAttention, scsi.NexusLossOccurred)
		r.good(testUnitReady)
		h := r.command(final, 0, testUnitReady)
		h.SetLUN(uint64(scsi.UnitNumber(1)))
		r.write(h, nil)
		r.senseIs(scsi.UnitAttention, scsi.NexusLossOccurred)
		if len(s.Sessions()) != 1 {
			t.Fatal(s.Sessions())
		}
	}},
	{"F.1/10 a command or garbage before the login", func(t *testing.T, s *testServer) {
		r := s.connect(t)
		r.write(r.command(final, 0, testUnitReady), nil)
		r.closed()
		r = s.connect(t)
		r.conn.Write(bytes.Repeat([]byte{0xA5}, 48))
		r.closed()
		if len(s.device.units[0].order()) != 0 {
			t.Fatal("executed")
		}
	}},
	{"F.1/11 discovery", func(t *testing.T, s *testServer) {
		r := s.discover(t)
		answer := r.sendTargets("SendTargets=All")
		want := "TargetName=" + testTarget + "\x00TargetAddress=" + s.address + ",1\x00"
		if string(answer) != want {
			t.Fatalf("%q", answer)
		}
		r.write(r.command(final, 0, testUnitReady), nil)
		r.rejected(pdu.RejectUnsupported)
	}},
	{"F.1/12 300 targets", func(t *testing.T, s *testServer) {
		for i := range 300 {
			if err := s.Add(Target{Name: fmt.Sprintf("iqn.2026-11.io.virtualloader:with-a-longer-name-%03d", i), Device: s.device}); err != nil {
				t.Fatal(err)
			}
		}
		answer := s.discover(t).sendTargets("SendTargets=All")
		if n := bytes.Count(answer, []byte("TargetName=")); n != 301 || len(answer) < 3*8192 {
			t.Fatalf("%d targets in %d bytes", n, len(answer))
		}
	}},
	{"F.1/13 ping while a flush hangs", func(t *testing.T, s *testServer) {
		r := s.login(t)
		u := s.device.units[0]
		u.stall = make(chan struct{})
		defer close(u.stall)
		r.write(r.command(final, 0, cdb6(scsi.WriteFilemarks6, 0, 1)), nil)
		<-u.stalled
		data := pattern(1, 100)
		for range 4 {
			began := time.Now()
			h := r.request(pdu.NopOut, final)
			h.SetTTT(pdu.ReservedTag)
			r.write(h, data)
			echo, back := r.receive(pdu.NopIn)
			if !bytes.Equal(back, data) || echo.ITT() != r.tag || echo.TTT() != pdu.ReservedTag {
				t.Fatalf("% x", echo[:])
			}
			if took := time.Since(began); took > time.Second {
				t.Fatalf("answered after %v", took)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}},
	{"F.1/14 CmdSN outside the window", func(t *testing.T, s *testServer) {
		r := s.login(t)
		for _, sn := range []uint32{r.cmdSN + commandWindow, r.cmdSN - 1} {
			h := r.command(final, 0, testUnitReady)
			h.SetCmdSN(sn)
			r.cmdSN--
			r.write(h, nil)
			r.silent()
		}
		r.good(testUnitReady)
	}},
	{"F.1/15 commands out of order", func(t *testing.T, s *testServer) {
		r := s.login(t)
		first, second := r.command(final, 0, testUnitReady), r.command(final, 0, testUnitReady)
		r.write(second, nil)
		r.silent()
		r.write(first, nil)
		for _, want := range []*pdu.Header{first, second} {
			if h, _ := r.status(scsi.Good); h.ITT() != want.ITT() {
				t.Fatalf("tag %d before %d", h.ITT(), want.ITT())
			}
		}
		if executed := s.device.units[0].order(); !slices.Equal(executed, []uint32{first.ITT(), second.ITT()}) {
			t.Fatal(executed)
		}
	}},
	{"F.1/16 immediate command", func(t *testing.T, s *testServer) {
		r := s.login(t)
		h := r.command(final, 0, testUnitReady)
		h.SetImmediate()
		r.cmdSN--
		r.write(h, nil)
		if answer, _ := r.status(scsi.Good); answer.ExpCmdSN() != r.cmdSN {
			t.Fatalf("ExpCmdSN %d, want %d", answer.ExpCmdSN(), r.cmdSN)
		}
	}},
	{"F.1/17 short block with SILI: status in the Data-In", func(t *testing.T, s *testServer) {
		r := s.login(t)
		s.device.units[0].blocks = [][]byte{pattern(1, 1000)}
		r.write(r.command(reads, 4096, cdb6(scsi.Read6, 2, 4096)), nil)
		h, data := r.receive(pdu.DataIn)
		if !h.Has(pdu.FlagFinal|pdu.FlagStatus) || h[3] != 0 || !bytes.Equal(data, pattern(1, 1000)) {
			t.Fatalf("% x", h[:])
		}
		residualIs(t, h, pdu.FlagUnderflow, 3096)
		r.silent()
	}},
	{"F.1/18 short block: data, then CHECK CONDITION", func(t *testing.T, s *testServer) {
		r := s.login(t)
		s.device.units[0].blocks = [][]byte{pattern(1, 1000)}
		r.write(r.command(reads, 4096, cdb6(scsi.Read6, 0, 4096)), nil)
		if h, data := r.receive(pdu.DataIn); h.Has(pdu.FlagStatus) || !h.Final() || len(data) != 1000 {
			t.Fatalf("% x", h[:])
		}
		h := r.senseIs(scsi.NoSense, 0)
		residualIs(t, h, pdu.FlagUnderflow, 3096)
		if h.ExpDataSN() != 1 {
			t.Fatal(h.ExpDataSN())
		}
	}},
	{"F.1/19 exact block: no flag, no residual", func(t *testing.T, s *testServer) {
		r := s.login(t)
		s.device.units[0].blocks = [][]byte{pattern(1, 1000)}
		r.write(r.command(reads, 1000, cdb6(scsi.Read6, 0, 1000)), nil)
		h, _ := r.receive(pdu.DataIn)
		residualIs(t, h, 0, 0)
	}},
	{"F.1/20 a data-in buffer with a command that has none", func(t *testing.T, s *testServer) {
		r := s.login(t)
		for op, length := range map[scsi.Opcode]int{scsi.TestUnitReady: 16, scsi.Rewind: 16, scsi.MoveMedium: 64} {
			r.write(r.command(reads, length, cdb6(op, 0, 0)), nil)
			h, _ := r.status(scsi.Good)
			residualIs(t, h, pdu.FlagUnderflow, uint32(length))
		}
	}},
	{"F.1/21 expected length 0", func(t *testing.T, s *testServer) {
		r := s.login(t)
		r.write(r.command(write, 0, cdb6(scsi.MoveMedium, 0, 0)), nil)
		h, _ := r.status(scsi.Good)
		residualIs(t, h, 0, 0)
		r.write(r.command(reads, 0, []byte{byte(scsi.Inquiry), 0, 0, 0, 36, 0}), nil)
		h, _ = r.status(scsi.Good)
		residualIs(t, h, pdu.FlagOverflow, 36)
	}},
	{"F.1/22 one R2T for the rest", func(t *testing.T, s *testServer) { writeWithR2T(t, s, 16776192, 1) }},
	{"F.1/23 one R2T per burst", func(t *testing.T, s *testServer) { writeWithR2T(t, s, 262144, 3) }},
	{"F.1/24 Data-In as small as the initiator wants", func(t *testing.T, s *testServer) {
		r := s.login(t, "MaxRecvDataSegmentLength=8192")
		block := pattern(1, 1<<20)
		s.device.units[0].blocks = [][]byte{block}
		r.write(r.command(reads, 1<<20, cdb6(scsi.Read6, 0, 1<<20)), nil)
		for i := range 128 {
			h, data := r.receive(pdu.DataIn)
			if h.DataSN() != uint32(i) || h.BufferOffset() != uint32(i*8192) || !bytes.Equal(data, block[i*8192:][:8192]) {
				t.Fatalf("PDU %d: % x", i, h[:])
			}
			if burst := i%32 == 31; h.Final() != burst || h.Has(pdu.FlagStatus) != (i == 127) {
				t.Fatalf("PDU %d: flags %02x (MaxBurstLength 262144)", i, h.Flags())
			}
		}
	}},
	{"F.1/25 data out of order", badDataOut},
	{"F.1/26 a write that fails early", func(t *testing.T, s *testServer) {
		r := s.login(t, "InitialR2T=No", "FirstBurstLength=524288", "MaxBurstLength=1048576")
		s.device.units[0].protected = true
		h := r.command(pdu.FlagWrite, 512<<10, cdb6(scsi.Write6, 0, 512<<10))
		r.write(h, make([]byte, 1024))
		answer := r.senseIs(scsi.DataProtect, scsi.WriteProtected)
		residualIs(t, answer, pdu.FlagUnderflow, 512<<10)
		r.dataOut(0, h.ITT(), pdu.ReservedTag, 0, 1024, make([]byte, 200<<10))
		r.dataOut(final, h.ITT(), pdu.ReservedTag, 1, 201<<10, make([]byte, 311<<10))
		r.good(testUnitReady)
	}},
	{"F.1/27 expected length and CDB disagree", func(t *testing.T, s *testServer) {
		r := s.login(t)
		r.write(r.command(write, 512, cdb6(scsi.Write6, 0, 1000)), make([]byte, 512))
		r.senseIs(scsi.IllegalRequest, scsi.InvalidFieldInCommandInformationUnit)
		if len(s.device.units[0].written()) != 0 {
			t.Fatal("written")
		}
		r.write(r.command(write, 2000, cdb6(scsi.Write6, 0, 1000)), pattern(1, 2000))
		h, _ := r.status(scsi.Good)
		residualIs(t, h, pdu.FlagUnderflow, 1000)
		if blocks := s.device.units[0].written(); len(blocks) != 1 || !bytes.Equal(blocks[0], pattern(1, 2000)[:1000]) {
			t.Fatal("wrong block")
		}
	}},
	{"F.1/28 ABORT TASK", abortTask},
	{"F.1/29 other task management", func(t *testing.T, s *testServer) {
		r := s.login(t)
		other := s.loginISID(t, 9)
		for _, c := range []struct {
			function scsi.ManagementFunction
			lun      uint64
			want     scsi.ManagementResponse
		}{{scsi.LogicalUnitReset, 0, 0}, {scsi.LogicalUnitReset, lun9, scsi.LUNDoesNotExist}, {scsi.TaskReassign, 0, scsi.ReassignNotSupported},
			{scsi.ClearACA, 0, scsi.FunctionNotSupported}, {42, 0, scsi.FunctionNotSupported}} {
			if got := r.manage(c.function, c.lun, 0, 0); got != c.want {
				t.Errorf("function %d: response %d, want %d", c.function, got, c.want)
			}
		}
		for _, c := range []*raw{r, other} {
			c.write(c.command(final, 0, testUnitReady), nil)
			c.senseIs(scsi.UnitAttention, scsi.DeviceResetOccurred)
		}
	}},
	{"F.1/30 CLEAR TASK SET by another session", func(t *testing.T, s *testServer) {
		a, b := s.loginISID(t, 1), s.loginISID(t, 2)
		u := s.device.units[0]
		u.stall = make(chan struct{})
		a.write(a.command(final, 0, cdb6(scsi.WriteFilemarks6, 0, 1)), nil)
		<-u.stalled
		a.write(a.command(final, 0, testUnitReady), nil)
		eventually(t, "queued", func() bool { u.mu.Lock(); defer u.mu.Unlock(); return len(u.queue) == 1 })
		time.AfterFunc(50*time.Millisecond, func() { close(u.stall) })
		if got := b.manage(scsi.ClearTaskSet, 0, 0, 0); got != scsi.FunctionComplete {
			t.Fatal(got)
		}
		for range 2 { // the window opened without a response: NOP-In says so
			h, _, err := a.next(5 * time.Second)
			if err != nil || h.Opcode() != pdu.NopIn || h.ITT() != pdu.ReservedTag || h.TTT() != pdu.ReservedTag {
				t.Fatalf("%v % x", err, h[:])
			}
		}
		a.write(a.command(final, 0, testUnitReady), nil)
		a.senseIs(scsi.UnitAttention, scsi.CommandsClearedByAnotherInitiator)
		a.good(testUnitReady)
	}},
	{"F.1/31 logout", func(t *testing.T, s *testServer) {
		r := s.login(t)
		r.good(cdb6(scsi.Reserve6, 0, 0))
		h := r.request(pdu.LogoutReq, final|2)
		r.write(h, nil)
		if answer, _ := r.receive(pdu.LogoutResponse); answer[2] != 2 {
			t.Fatalf("remove for recovery: %d", answer[2])
		}
		h = r.request(pdu.LogoutReq, final|1)
		h.SetCID(77)
		r.write(h, nil)
		if answer, _ := r.receive(pdu.LogoutResponse); answer[2] != 1 {
			t.Fatalf("unknown CID: %d", answer[2])
		}
		r.write(r.request(pdu.LogoutReq, final), nil)
		if answer, _ := r.receive(pdu.LogoutResponse); answer[2] != 0 || scsi.Uint16(answer[40:]) != 2 || scsi.Uint16(answer[42:]) != 0 {
			t.Fatalf("% x", answer[:])
		}
		r.write(r.command(final, 0, testUnitReady), nil)
		r.rejected(pdu.RejectWaitingForLogout)
		again := s.login(t)
		again.good(testUnitReady)
		if s.device.units[0].isReserved() || s.device.saw("lost") || !s.device.saw("logout") {
			t.Fatal("not a clean logout")
		}
	}},
	{"F.1/32 reset in the middle of a write stream", func(t *testing.T, s *testServer) {
		r := s.login(t, "InitialR2T=No")
		for range 10 {
			r.write(r.command(write, 5000, cdb6(scsi.Write6, 0, 5000)), pattern(1, 5000))
		}
		half := r.encode(r.command(write, 5000, cdb6(scsi.Write6, 0, 5000)), nil)
		half[6], half[7] = 5000>>8, 5000&0xff
		r.conn.Write(append(half, make([]byte, 700)...))
		r.conn.Close()
		eventually(t, "lost", func() bool { return s.device.saw("lost") })
		for _, block := range s.device.units[0].written() {
			if !bytes.Equal(block, pattern(1, 5000)) {
				t.Fatal("torn block")
			}
		}
		again := s.login(t)
		again.write(again.command(final, 0, testUnitReady), nil)
		again.senseIs(scsi.UnitAttention, scsi.NexusLossOccurred)
		again.good(testUnitReady)
	}},
	{"F.1/33 rejects", func(t *testing.T, s *testServer) {
		r := s.login(t)
		for op, reason := range map[pdu.Opcode]pdu.RejectReason{pdu.SNACK: pdu.RejectSNACK, 0x1F: pdu.RejectUnsupported} {
			r.write(r.request(op, final), []byte("some data"))
			r.rejected(reason)
			r.good(testUnitReady)
		}
		u := s.device.units[0]
		u.stall = make(chan struct{})
		defer close(u.stall)
		h := r.command(final, 0, cdb6(scsi.WriteFilemarks6, 0, 1))
		r.write(h, nil)
		<-u.stalled
		again := r.command(final, 0, testUnitReady)
		again.SetITT(h.ITT())
		r.write(again, nil)
		r.rejected(pdu.RejectTaskInProgress)
		r.closed()
	}},
	{"F.1/34 absurd lengths", func(t *testing.T, s *testServer) {
		var before, after runtime.MemStats
		r := s.login(t)
		runtime.ReadMemStats(&before)
		h := r.command(write, 1<<24, cdb6(scsi.Write6, 0, 1<<24-1))
		b := r.encode(h, nil)
		b[5], b[6], b[7] = 0xff, 0xff, 0xff
		r.conn.Write(b)
		r.closed()
		r = s.login(t)
		b = r.encode(r.command(final, 0, testUnitReady), nil)
		b[4] = 255
		r.conn.Write(append(b, bytes.Repeat([]byte{0xff}, 1020)...))
		r.rejected(pdu.RejectInvalidField)
		r.closed()
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
			t.Fatalf("%d bytes allocated", grown)
		}
	}},
	{"F.1/35 digest errors", func(t *testing.T, s *testServer) {
		r := s.login(t, "DataDigest=CRC32C", "HeaderDigest=CRC32C", "InitialR2T=No")
		h := r.command(pdu.FlagWrite, 4096, cdb6(scsi.Write6, 0, 4096))
		r.write(h, nil)
		out := &pdu.Header{}
		out.Reset(pdu.DataOut, final)
		out.SetITT(h.ITT())
		out.SetTTT(pdu.ReservedTag)
		b := r.encode(out, make([]byte, 4096))
		b[len(b)-1] ^= 1
		r.conn.Write(b)
		r.rejected(pdu.RejectDataDigest)
		r.closed()
		if len(s.device.units[0].written()) != 0 {
			t.Fatal("written")
		}
		r = s.login(t, "HeaderDigest=CRC32C")
		b = r.encode(r.command(final, 0, testUnitReady), nil)
		b[50] ^= 1
		r.conn.Write(b)
		r.closed()
	}},
}

func TestChecklist(t *testing.T) {
	for _, item := range checklist {
		t.Run(strings.ReplaceAll(item.name, "/", "-"), func(t *testing.T) {
			item.run(t, startServer(t, Config{}, Auth{}))
		})
	}
}

func TestPingIsAnsweredWhateverACommandDoes(t *testing.T) {
	s := startServer(t, Config{}, Auth{})
	session := s.dial(t, nil)
	u := s.device.units[0]
	u.stall = make(chan struct{})
	ended := make(chan struct{})
	session.Submit(initiator.Command{CDB: cdb6(scsi.WriteFilemarks6, 0, 1)}, func(initiator.Result, error) { close(ended) })
	<-u.stalled
	var took []time.Duration
	for range 60 {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if _, err := session.Ping(ctx, []byte("are you there")); err != nil {
			t.Fatal(err)
		}
		cancel()
		took = append(took, time.Since(began))
	}
	close(u.stall)
	<-ended
	slices.Sort(took)
	if median := took[len(took)/2]; median > 200*time.Millisecond {
		t.Fatalf("half of the pings took %v and more", median)
	}
	t.Logf("slowest ping: %v", took[len(took)-1])
	execute(t, session, initiator.Command{CDB: testUnitReady})
}
