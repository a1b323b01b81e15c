package iscsi

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// fuzzPhases are what is sent before the mutated PDUs: nothing, half a login, a
// discovery session, a session, a session with a write that waits for data.
var fuzzPhases = []struct {
	name    string
	prepare func(s *testServer, r *raw)
}{
	{"before login", func(*testServer, *raw) {}},
	{"in login", func(_ *testServer, r *raw) {
		r.loginRequest(1<<2, "InitiatorName="+testInitiator, "TargetName="+testTarget)
	}},
	{"discovery", func(_ *testServer, r *raw) {
		r.loginRequest(pdu.FlagFinal|1<<2|3, "InitiatorName="+testInitiator, "SessionType=Discovery")
	}},
	{"session", func(_ *testServer, r *raw) { r.loginAs(testInitiator, "InitialR2T=No") }},
	{"data out", func(_ *testServer, r *raw) {
		r.loginAs(testInitiator, "InitialR2T=No")
		r.write(r.command(write, 100000, cdb6(scsi.Write6, 0, 100000)), nil)
		r.next(time.Second)
	}},
	{"digests", func(_ *testServer, r *raw) { r.loginAs(testInitiator, "HeaderDigest=CRC32C", "DataDigest=CRC32C") }},
}

// mutate makes a PDU that is almost right.
func mutate(r *raw, random *rand.Rand) []byte {
	opcodes := []pdu.Opcode{pdu.NopOut, pdu.SCSICommand, pdu.SCSICommand, pdu.TaskRequest, pdu.LoginRequest, pdu.TextRequest, pdu.DataOut, pdu.DataOut, pdu.LogoutReq, pdu.SNACK, 0x1c}
	var h pdu.Header
	h.Reset(opcodes[random.IntN(len(opcodes))], byte(random.Uint32()))
	if random.IntN(2) == 0 {
		h.SetImmediate()
	}
	h.SetITT(uint32(random.IntN(6)))
	h.SetTTT([]uint32{pdu.ReservedTag, 1, 2, 4096}[random.IntN(4)])
	h.SetCmdSN(r.cmdSN + uint32(random.IntN(4)))
	h.SetBufferOffset(uint32(random.IntN(3) * 512))
	data := make([]byte, []int{0, 0, 1, 48, 512, 4096}[random.IntN(6)])
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	if h.Opcode() == pdu.SCSICommand {
		ops := []scsi.Opcode{scsi.TestUnitReady, scsi.Write6, scsi.Read6, scsi.Inquiry, 0xff}
		copy(h.CDB(), cdb6(ops[random.IntN(len(ops))], byte(random.IntN(4)), random.IntN(5000)))
		h.SetTransferLength(uint32(random.IntN(6000)))
	}
	for range random.IntN(3) {
		h[random.IntN(len(h))] ^= byte(1 << random.IntN(8))
	}
	ahs := int(h[4])
	b := r.encode(&h, data)
	if ahs > 0 && random.IntN(2) == 0 {
		b = append(b, make([]byte, 4*ahs)...)
	}
	if random.IntN(20) == 0 {
		binary.BigEndian.PutUint32(b[4:], random.Uint32())
	}
	return b
}

// assault sends mutated PDUs in one phase until the target hangs up or n are out,
// and returns how many went.
func assault(s *testServer, r *raw, seed uint64, n int) (sent int) {
	random := rand.New(rand.NewPCG(seed, 99))
	fuzzPhases[seed%uint64(len(fuzzPhases))].prepare(s, r)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		r.conn.SetReadDeadline(time.Time{})
		buf := make([]byte, 64<<10)
		for {
			if _, err := r.conn.Read(buf); err != nil {
				return
			}
		}
	}()
	for ; sent < n; sent++ {
		r.conn.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := r.conn.Write(mutate(r, random)); err != nil {
			break
		}
		r.cmdSN += uint32(random.IntN(2))
	}
	r.conn.Close()
	<-drained
	return sent
}

// mutatedPDUs is how many PDUs TestMutatedPDUs sends: $VLOADER_PDUS, which
// `make fuzz` sets to the checklist's ten million, or few enough for every day.
func mutatedPDUs(t *testing.T) int {
	if text := os.Getenv("VLOADER_PDUS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal("VLOADER_PDUS:", err)
		}
		return n
	}
	if testing.Short() {
		return 1000
	}
	return 10_000
}

// TestMutatedPDUs is F.1/36: nothing panics, nothing is kept, no other session
// notices.
func TestMutatedPDUs(t *testing.T) {
	s := startServer(t, Config{}, Auth{})
	// Task management may rightly reset its own target, so the bystander has another.
	if err := s.Add(Target{Name: "iqn.bystander", Device: newTestDevice()}); err != nil {
		t.Fatal(err)
	}
	bystander := s.connect(t)
	if h, _ := bystander.loginRequest(pdu.FlagFinal|1<<2|3, "InitiatorName=iqn.b", "TargetName=iqn.bystander"); h.LoginStatus() != pdu.LoginSuccess {
		t.Fatal(h.LoginStatus())
	}
	limit, sent, connections := mutatedPDUs(t), 0, uint64(0)
	began, told := time.Now(), time.Now()
	for ; sent < limit; connections++ {
		r := s.dialRaw(t)
		r.isid[4] = byte(connections)
		sent += assault(s, r, connections, 60)
		if time.Since(told) > time.Minute {
			told = time.Now()
			t.Logf("%d PDUs in %d connections after %v", sent, connections, told.Sub(began).Round(time.Second))
		}
		if connections%50 == 0 {
			bystander.write(bystander.command(final, 0, []byte{byte(scsi.Inquiry), 0, 0, 0, 0, 0}), nil)
			bystander.status(scsi.Good)
		}
	}
	eventually(t, "every assault over", func() bool { return len(s.Sessions()) == 1 })
}

// FuzzConnection feeds a session with what the fuzzer likes, after a login.
func FuzzConnection(f *testing.F) {
	var h pdu.Header
	h.Reset(pdu.SCSICommand, write)
	h.SetCmdSN(100)
	f.Add(h[:])
	h.Reset(pdu.TextRequest, final)
	f.Add(append(h[:], "SendTargets=All\x00"...))
	s := startServer(f, Config{}, Auth{})
	f.Fuzz(func(t *testing.T, input []byte) {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		r := &raw{t: t, conn: conn, reader: pdu.NewReader(conn, 1<<24-1), cmdSN: 100, isid: pdu.ISID{0x80}}
		r.loginAs(testInitiator, "InitialR2T=No")
		conn.Write(input)
		conn.(*net.TCPConn).CloseWrite()
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 1<<16)
		for {
			if _, err := conn.Read(buf); err != nil {
				break
			}
		}
		conn.Close()
	})
}
