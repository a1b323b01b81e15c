package iscsi

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// raw is an initiator that sends exactly what a test tells it to.
type raw struct {
	t         testing.TB
	conn      net.Conn
	reader    *pdu.Reader
	cmdSN     uint32 // of the next command that is not immediate
	expStatSN uint32
	tag       uint32
	tsih      uint16
	isid      pdu.ISID

	headerDigest, dataDigest bool
}

func (s *testServer) connect(t testing.TB) *raw {
	t.Helper()
	r := s.dialRaw(t)
	t.Cleanup(func() { r.conn.Close() })
	return r
}

// dialRaw connects; the caller closes the connection.
func (s *testServer) dialRaw(t testing.TB) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	return &raw{t: t, conn: conn, reader: pdu.NewReader(conn, 1<<24-1), cmdSN: 100, isid: pdu.ISID{0x80, 1, 2, 3, 4, 5}}
}

// login connects and logs in to the test target with further keys.
func (s *testServer) login(t testing.TB, keys ...string) *raw {
	t.Helper()
	r := s.connect(t)
	r.loginAs(testInitiator, keys...)
	return r
}

func (s *testServer) loginISID(t testing.TB, last byte) *raw {
	t.Helper()
	r := s.connect(t)
	r.isid[5] = last
	r.loginAs(testInitiator, "InitialR2T=No")
	return r
}

func (r *raw) loginAs(initiator string, keys ...string) map[string]string {
	r.t.Helper()
	keys = append([]string{"InitiatorName=" + initiator, "TargetName=" + testTarget}, keys...)
	h, answer := r.loginRequest(pdu.FlagFinal|1<<2|3, keys...)
	if h.LoginStatus() != pdu.LoginSuccess || h.Flags() != pdu.FlagFinal|1<<2|3 {
		r.t.Fatalf("login: status %v, flags %02x", h.LoginStatus(), h.Flags())
	}
	r.headerDigest, r.dataDigest = answer["HeaderDigest"] == "CRC32C", answer["DataDigest"] == "CRC32C"
	r.reader.HeaderDigest, r.reader.DataDigest = r.headerDigest, r.dataDigest
	return answer
}

func (r *raw) loginRequest(flags byte, keys ...string) (pdu.Header, map[string]string) {
	r.t.Helper()
	var h pdu.Header
	h.Reset(pdu.LoginRequest, flags)
	h.SetSession(r.isid, r.tsih)
	r.sendLogin(&h, keys...)
	answer, text := r.receive(pdu.LoginResponse)
	return answer, keysOf(r.t, text)
}

func (r *raw) sendLogin(h *pdu.Header, keys ...string) {
	h.SetImmediate()
	h.SetITT(7)
	h.SetCmdSN(r.cmdSN)
	h.SetExpStatSN(r.expStatSN)
	text := ""
	if len(keys) > 0 {
		text = strings.Join(keys, "\x00") + "\x00"
	}
	r.write(h, []byte(text))
}

func keysOf(t testing.TB, text []byte) map[string]string {
	t.Helper()
	pairs, err := pdu.ParseText(text)
	if err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	m := map[string]string{}
	for _, pair := range pairs {
		m[pair.Key] = pair.Value
	}
	return m
}

// encode puts a PDU together as it goes onto the wire.
func (r *raw) encode(h *pdu.Header, data []byte) []byte {
	h.SetDataLength(len(data))
	b := append([]byte(nil), h[:]...)
	if r.headerDigest {
		b = append(b, 0, 0, 0, 0)
		pdu.PutDigest(b[len(b)-4:], pdu.Digest(0, h[:]))
	}
	start := len(b)
	b = append(b, data...)
	b = append(b, make([]byte, pdu.Padding(len(data)))...)
	if r.dataDigest && len(data) > 0 {
		crc := pdu.Digest(0, b[start:])
		b = append(b, 0, 0, 0, 0)
		pdu.PutDigest(b[len(b)-4:], crc)
	}
	return b
}

func (r *raw) write(h *pdu.Header, data []byte) {
	r.t.Helper()
	if _, err := r.conn.Write(r.encode(h, data)); err != nil {
		r.t.Fatal(err)
	}
}

// next reads a PDU of any kind.
func (r *raw) next(patience time.Duration) (h pdu.Header, data []byte, err error) {
	r.conn.SetReadDeadline(time.Now().Add(patience))
	if err := r.reader.Next(&h, nil); err != nil {
		return h, nil, err
	}
	data = make([]byte, r.reader.Remaining())
	return h, data, r.reader.Payload(data)
}

// receive reads the next PDU, which must be of the given kind.
func (r *raw) receive(op pdu.Opcode) (pdu.Header, []byte) {
	r.t.Helper()
	h, data, err := r.next(5 * time.Second)
	for err == nil && op != pdu.NopIn && h.Opcode() == pdu.NopIn && h.ITT() == pdu.ReservedTag && h.TTT() == pdu.ReservedTag {
		h, data, err = r.next(5 * time.Second) // only tells the window
	}
	if err != nil {
		r.t.Fatalf("waiting for opcode %02Xh: %v", op, err)
	}
	if h.Opcode() != op {
		r.t.Fatalf("got opcode %02Xh (% x), want %02Xh", h.Opcode(), h[:], op)
	}
	if op != pdu.R2T && (op != pdu.DataIn || h.Has(pdu.FlagStatus)) {
		if r.expStatSN != 0 && h.StatSN() != r.expStatSN {
			r.t.Fatalf("StatSN %d, want %d", h.StatSN(), r.expStatSN)
		}
		r.expStatSN = h.StatSN() + 1
	}
	return h, data
}

// closed expects the target to have dropped the connection.
func (r *raw) closed() {
	r.t.Helper()
	h, _, err := r.next(5 * time.Second)
	if err == nil {
		r.t.Fatalf("got opcode %02Xh on a connection that should be closed", h.Opcode())
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r.t.Fatal("the connection is still open")
	}
	if !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		r.t.Fatal(err)
	}
}

// silent expects no PDU for a moment.
func (r *raw) silent() {
	r.t.Helper()
	h, _, err := r.next(60 * time.Millisecond)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		r.t.Fatalf("got opcode %02Xh (% x), error %v; want silence", h.Opcode(), h[:], err)
	}
}

// command makes a SCSI Command with the next tag and CmdSN.
func (r *raw) command(flags byte, length int, cdb []byte) *pdu.Header {
	h := &pdu.Header{}
	h.Reset(pdu.SCSICommand, flags|byte(scsi.Simple))
	r.tag++
	h.SetITT(r.tag)
	h.SetTransferLength(uint32(length))
	copy(h.CDB(), cdb)
	r.number(h)
	return h
}

// number gives a request the next CmdSN.
func (r *raw) number(h *pdu.Header) {
	h.SetCmdSN(r.cmdSN)
	h.SetExpStatSN(r.expStatSN)
	r.cmdSN++
}

// request makes another kind of request with the next tag; immediate, so that it
// takes no CmdSN.
func (r *raw) request(op pdu.Opcode, flags byte) *pdu.Header {
	h := &pdu.Header{}
	h.Reset(op, flags)
	h.SetImmediate()
	r.tag++
	h.SetITT(r.tag)
	h.SetCmdSN(r.cmdSN)
	h.SetExpStatSN(r.expStatSN)
	return h
}

const (
	final = pdu.FlagFinal
	reads = pdu.FlagFinal | pdu.FlagRead
	write = pdu.FlagFinal | pdu.FlagWrite
)

var testUnitReady = cdb6(scsi.TestUnitReady, 0, 0)

// status expects a SCSI Response and returns its sense data's key and code.
func (r *raw) status(want scsi.Status) (pdu.Header, scsi.Sense) {
	r.t.Helper()
	h, data := r.receive(pdu.SCSIResponse)
	if scsi.Status(h[3]) != want {
		r.t.Fatalf("status %02x with % x, want %02x", h[3], data, want)
	}
	if want != scsi.CheckCondition {
		return h, scsi.Sense{}
	}
	if len(data) != 20 || scsi.Uint16(data) != 18 {
		r.t.Fatalf("sense segment % x", data)
	}
	sense, _ := scsi.ParseSense(data[2:])
	return h, sense
}

func (r *raw) senseIs(key scsi.SenseKey, code scsi.AdditionalSense) pdu.Header {
	r.t.Helper()
	h, sense := r.status(scsi.CheckCondition)
	if sense.Key != key || sense.Code != code {
		r.t.Fatalf("sense %v, want %X/%04X", &sense, uint8(key), uint16(code))
	}
	return h
}

// good sends a command without data and expects GOOD.
func (r *raw) good(cdb []byte) {
	r.t.Helper()
	r.write(r.command(final, 0, cdb), nil)
	r.status(scsi.Good)
}

// residualIs checks flags and count of a response or last Data-In.
func residualIs(t testing.TB, h pdu.Header, flag byte, count uint32) {
	t.Helper()
	if h.Flags()&(pdu.FlagOverflow|pdu.FlagUnderflow) != flag || h.Residual() != count {
		t.Fatalf("flags %02x residual %d, want %02x %d", h.Flags(), h.Residual(), flag, count)
	}
}

// dataOut sends one Data-Out PDU.
func (r *raw) dataOut(flags byte, tag, ttt, sn uint32, offset int, data []byte) {
	r.t.Helper()
	h := &pdu.Header{}
	h.Reset(pdu.DataOut, flags)
	h.SetITT(tag)
	h.SetTTT(ttt)
	h.SetExpStatSN(r.expStatSN)
	h.SetDataSN(sn)
	h.SetBufferOffset(uint32(offset))
	r.write(h, data)
}

// rejected expects a Reject with a reason and the refused header.
func (r *raw) rejected(reason pdu.RejectReason) {
	r.t.Helper()
	h, data := r.receive(pdu.Reject)
	if pdu.RejectReason(h[2]) != reason || len(data) != pdu.HeaderLength {
		r.t.Fatalf("reject %02x with %d bytes, want %02x", h[2], len(data), reason)
	}
}
