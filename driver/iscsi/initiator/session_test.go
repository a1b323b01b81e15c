package initiator

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile is a target that logs anybody in and answers the first command with
// what a test wants.
func hostile(t *testing.T, login string, answer func(command *pdu.Header) []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := pdu.NewReader(conn, 1<<20)
		var h pdu.Header
		if r.Next(&h, nil) != nil || r.Discard() != nil {
			return
		}
		conn.Write(loginAnswer(&h, login))
		if r.Next(&h, nil) != nil || r.Discard() != nil {
			return
		}
		conn.Write(answer(&h))
		r.Next(&h, nil) // until the initiator hangs up
	}()
	return l.Addr().String()
}

func loginAnswer(request *pdu.Header, text string) []byte {
	var h pdu.Header
	h.Reset(pdu.LoginResponse, request.Flags())
	h.SetSession(request.ISID(), 1)
	h.SetITT(request.ITT())
	h.SetStatSN(1)
	h.SetWindow(request.CmdSN(), request.CmdSN()+3)
	return segment(&h, []byte(text))
}

func segment(h *pdu.Header, data []byte) []byte {
	h.SetDataLength(len(data))
	b := append(append([]byte(nil), h[:]...), data...)
	return append(b, make([]byte, pdu.Padding(len(data)))...)
}

// reply is a PDU for a command, with one thing wrong.
func reply(op pdu.Opcode, command *pdu.Header, change func(h *pdu.Header)) *pdu.Header {
	h := &pdu.Header{}
	h.Reset(op, pdu.FlagFinal)
	h.SetITT(command.ITT())
	h.SetStatSN(2)
	h.SetWindow(command.CmdSN()+1, command.CmdSN()+4)
	change(h)
	return h
}

func TestBrokenTargetsEndTheSession(t *testing.T) {
	read := Command{CDB: []byte{byte(scsi.Read6), 0, 0, 4, 0, 0}, In: make([]byte, 1024)}
	write := Command{CDB: []byte{byte(scsi.Write6), 0, 0, 4, 0, 0}, Out: make([]byte, 1024)}
	for name, c := range map[string]struct {
		command Command
		answer  func(command *pdu.Header) []byte
	}{
		"data beyond the buffer": {read, func(c *pdu.Header) []byte {
			return segment(reply(pdu.DataIn, c, func(*pdu.Header) {}), make([]byte, 1025))
		}},
		"data at a gap": {read, func(c *pdu.Header) []byte {
			return segment(reply(pdu.DataIn, c, func(h *pdu.Header) { h.SetBufferOffset(4) }), make([]byte, 8))
		}},
		"data for nobody": {read, func(c *pdu.Header) []byte {
			return segment(reply(pdu.DataIn, c, func(h *pdu.Header) { h.SetITT(999) }), make([]byte, 8))
		}},
		"R2T beyond the data": {write, func(c *pdu.Header) []byte {
			return segment(reply(pdu.R2T, c, func(h *pdu.Header) { h.SetBufferOffset(1000); h.SetDesiredLength(25) }), nil)
		}},
		"R2T for nothing": {write, func(c *pdu.Header) []byte {
			return segment(reply(pdu.R2T, c, func(*pdu.Header) {}), nil)
		}},
		"unknown opcode": {read, func(c *pdu.Header) []byte {
			return segment(reply(0x2f, c, func(*pdu.Header) {}), nil)
		}},
		"longer than declared": {read, func(c *pdu.Header) []byte {
			return segment(reply(pdu.NopIn, c, func(*pdu.Header) {}), make([]byte, 300<<10))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			address := hostile(t, "TargetPortalGroupTag=1\x00", c.answer)
			s, err := Dial(t.Context(), Config{Address: address, TargetName: "iqn.t"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			_, err = s.Execute(t.Context(), c.command)
			if !errors.Is(err, ErrProtocol) && !errors.Is(err, pdu.ErrTooLong) {
				t.Fatalf("error %v", err)
			}
			<-s.Done()
		})
	}
}

func TestRejectEndsTheCommandOnly(t *testing.T) {
	address := hostile(t, "", func(c *pdu.Header) []byte {
		h := reply(pdu.Reject, c, func(h *pdu.Header) { h[2] = byte(pdu.RejectInvalidField); h.SetITT(pdu.ReservedTag) })
		return segment(h, c[:])
	})
	s, err := Dial(t.Context(), Config{Address: address, TargetName: "iqn.t"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Execute(t.Context(), Command{CDB: make([]byte, 6)})
	var rejected *RejectError
	if !errors.As(err, &rejected) || rejected.Reason != pdu.RejectInvalidField {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
		t.Fatal("the session ended")
	default:
	}
}

func TestDemandedDigestThatIsDeclined(t *testing.T) {
	address := hostile(t, "HeaderDigest=None\x00", nil)
	if _, err := Dial(t.Context(), Config{Address: address, TargetName: "iqn.t", HeaderDigest: true}); !errors.Is(err, ErrProtocol) {
		t.Fatal(err)
	}
}

func TestImpossibleCommandsAreRefusedHere(t *testing.T) {
	s := &Session{}
	for _, c := range []Command{{CDB: make([]byte, 17)}, {CDB: make([]byte, 6), In: []byte{1}, Out: []byte{1}}} {
		if err := s.Submit(c, nil); err == nil || !strings.Contains(err.Error(), "16 bytes") {
			t.Fatal(err)
		}
	}
	if text := fmt.Sprint(&LoginError{pdu.LoginAuthFailed}, &RejectError{4}); !strings.Contains(text, "0201") || !strings.Contains(text, "04h") {
		t.Fatal(text)
	}
}
