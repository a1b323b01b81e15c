package iscsi

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// discover opens a discovery session.
func (s *testServer) discover(t testing.TB) *raw {
	t.Helper()
	r := s.connect(t)
	h, answer := r.loginRequest(pdu.FlagFinal|1<<2|3, "InitiatorName="+testInitiator, "SessionType=Discovery", "MaxBurstLength=512",
		"MaxRecvDataSegmentLength=32768")
	if h.LoginStatus() != 0 || answer["MaxBurstLength"] != answerIrrelevant {
		t.Fatalf("%v %v", h.LoginStatus(), answer)
	}
	return r
}

// sendTargets asks and collects the answer, checking how it is split.
func (r *raw) sendTargets(question string) (answer []byte) {
	r.t.Helper()
	h := r.request(pdu.TextRequest, final)
	h.SetTTT(pdu.ReservedTag)
	data := []byte(question + "\x00")
	for {
		r.write(h, data)
		response, part := r.receive(pdu.TextResponse)
		answer = append(answer, part...)
		if len(part) > 8192 || response.ITT() != h.ITT() {
			r.t.Fatalf("%d bytes", len(part))
		}
		if response.Final() != (response.TTT() == pdu.ReservedTag) || response.Final() == response.Has(pdu.FlagContinue) {
			r.t.Fatalf("F, C and TTT disagree: % x", response[:])
		}
		if response.Final() {
			return answer
		}
		h.SetTTT(response.TTT())
		data = nil
	}
}

func (r *raw) manage(f scsi.ManagementFunction, lun uint64, tag, sn uint32) scsi.ManagementResponse {
	r.t.Helper()
	h := r.request(pdu.TaskRequest, final|byte(f))
	h.SetLUN(lun)
	h.SetUint32(20, tag)
	h.SetUint32(32, sn)
	r.write(h, nil)
	answer, _ := r.receive(pdu.TaskResponse)
	return scsi.ManagementResponse(answer[2])
}

func writeWithR2T(t *testing.T, s *testServer, maxBurst, bursts int) {
	r := s.login(t, "InitialR2T=No", "FirstBurstLength=262144", fmt.Sprint("MaxBurstLength=", maxBurst))
	block := pattern(1, 1<<20)
	h := r.command(write, 1<<20, cdb6(scsi.Write6, 0, 1<<20))
	r.write(h, block[:256<<10])
	offset, length := 256<<10, (768<<10)/bursts
	for i := range bursts {
		r2t, data := r.receive(pdu.R2T)
		if r2t.DataSN() != uint32(i) || r2t.BufferOffset() != uint32(offset) || r2t.DesiredLength() != uint32(length) || len(data) != 0 || r2t.ITT() != h.ITT() {
			t.Fatalf("R2T %d: % x", i, r2t[:])
		}
		r.silent()
		half := length / 2
		r.dataOut(0, h.ITT(), r2t.TTT(), 0, offset, block[offset:offset+half])
		r.dataOut(final, h.ITT(), r2t.TTT(), 1, offset+half, block[offset+half:offset+length])
		offset += length
	}
	answer, _ := r.status(scsi.Good)
	residualIs(t, answer, 0, 0)
	if answer.ExpDataSN() != uint32(bursts) || !bytes.Equal(s.device.units[0].written()[0], block) {
		t.Fatal("wrong ExpDataSN or block")
	}
}

func badDataOut(t *testing.T, s *testServer) {
	for name, send := range map[string]func(r *raw, tag, ttt uint32){
		"DataSN 5 first":    func(r *raw, tag, ttt uint32) { r.dataOut(final, tag, ttt, 5, 0, make([]byte, 4096)) },
		"gap":               func(r *raw, tag, ttt uint32) { r.dataOut(final, tag, ttt, 0, 512, make([]byte, 3584)) },
		"past the end":      func(r *raw, tag, ttt uint32) { r.dataOut(final, tag, ttt, 0, 0, make([]byte, 4100)) },
		"unknown TTT":       func(r *raw, tag, ttt uint32) { r.dataOut(final, tag, ttt+1, 0, 0, make([]byte, 4096)) },
		"unknown tag":       func(r *raw, tag, ttt uint32) { r.dataOut(final, tag+50, ttt, 0, 0, make([]byte, 4096)) },
		"ended too early":   func(r *raw, tag, ttt uint32) { r.dataOut(final, tag, ttt, 0, 0, make([]byte, 4000)) },
		"unsolicited, none": func(r *raw, tag, _ uint32) { r.dataOut(final, tag, pdu.ReservedTag, 0, 0, make([]byte, 4096)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := s.login(t)
			r.t = t
			r.write(r.command(write, 4096, cdb6(scsi.Write6, 0, 4096)), nil)
			h, _, err := r.next(5 * time.Second)
			if err == nil && h.Opcode() == pdu.SCSIResponse { // the attention of the connection lost before
				r.expStatSN = h.StatSN() + 1
				r.write(r.command(write, 4096, cdb6(scsi.Write6, 0, 4096)), nil)
				h, _ = r.receive(pdu.R2T)
			}
			send(r, h.ITT(), h.TTT())
			refusal, _ := r.receive(pdu.Reject)
			if reason := pdu.RejectReason(refusal[2]); reason != pdu.RejectProtocol && reason != pdu.RejectInvalidField {
				t.Fatalf("reason %02x", reason)
			}
			r.closed()
			if len(s.device.units[0].written()) != 0 {
				t.Fatal("written")
			}
		})
	}
}

func abortTask(t *testing.T, s *testServer) {
	r := s.login(t)
	u := s.device.units[0]
	u.stall = make(chan struct{})
	r.write(r.command(final, 0, cdb6(scsi.WriteFilemarks6, 0, 1)), nil)
	<-u.stalled
	queued := r.command(final, 0, testUnitReady)
	r.write(queued, nil)
	if got := r.manage(scsi.AbortTask, 0, queued.ITT(), queued.CmdSN()); got != scsi.FunctionComplete {
		t.Fatalf("queued: %d", got)
	}
	if got := r.manage(scsi.AbortTask, 0, 4711, r.cmdSN-1); got != scsi.TaskDoesNotExist {
		t.Fatalf("unknown: %d", got)
	}
	close(u.stall)
	r.status(scsi.Good)

	// A running write that waits for its data ends without a block.
	running := r.command(write, 4096, cdb6(scsi.Write6, 0, 4096))
	r.write(running, nil)
	r2t, _ := r.receive(pdu.R2T)
	if got := r.manage(scsi.AbortTask, 0, running.ITT(), running.CmdSN()); got != scsi.FunctionComplete {
		t.Fatalf("running: %d", got)
	}
	r.dataOut(final, running.ITT(), r2t.TTT(), 0, 0, make([]byte, 4096)) // was under way: dropped silently
	if len(u.written()) != 0 {
		t.Fatal("written")
	}

	// One that waits for its turn, and one that was lost on the way: its CmdSN
	// counts as received.
	held := r.command(final, 0, testUnitReady)
	ahead := r.command(final, 0, testUnitReady)
	r.write(ahead, nil)
	if got := r.manage(scsi.AbortTask, 0, ahead.ITT(), ahead.CmdSN()); got != scsi.FunctionComplete {
		t.Fatalf("held: %d", got)
	}
	if got := r.manage(scsi.AbortTask, 0, held.ITT(), held.CmdSN()); got != scsi.FunctionComplete {
		t.Fatalf("still to come: %d", got)
	}
	r.good(testUnitReady)
}
