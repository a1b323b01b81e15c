package iscsi

import (
	"time"

	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// maxEarlyBuffer is the most payload memory in bytes a command gets before its
// unit has asked for data: its unsolicited data always fits.
const maxEarlyBuffer = 2 << 20

// exchange is one SCSI command of a connection: the task, its data in both
// directions and its end. It implements scsi.Transport. Exchanges are pooled per
// connection.
type exchange struct {
	scsi.Task
	c         *conn
	cdb       [16]byte
	immediate bool

	// Data-In belongs to the goroutine that executes the task.
	lent   *buffer
	held   []byte // the last piece, kept back to go out with the status
	wanted int    // bytes the unit had for the initiator
	sent   int    // bytes sent, without held
	burst  int    // bytes of the current Data-In sequence
	pdus   uint32 // Data-In and R2T PDUs sent: the next DataSN, and ExpDataSN

	// Data-Out is guarded by conn.mu.
	buf         *buffer // holds bytes [base, base+len(buf.mem)) of the transfer
	base        int
	received    int // bytes that came
	taken       int // bytes the unit took
	sequenceEnd int // where the running sequence ends; received when there is none
	unsolicited bool
	solicited   bool   // an R2T is outstanding
	ttt         uint32 // of the outstanding R2T
	dataSN      uint32 // of the next Data-Out in the sequence
	r2tSN       uint32
	submitted   bool // its turn by CmdSN has come
	filling     bool // the socket's reader is writing into buf
	pumping     bool // the executing goroutine is reading the socket
	aborted     bool
	finished    bool

	ready chan struct{} // capacity 1: something changed for a waiting ReceiveDataOut
}

// ReceiveDataOut implements scsi.Transport. If nobody else is at the socket it
// reads the initiator's data itself.
func (x *exchange) ReceiveDataOut(n int) ([]byte, error) {
	c := x.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if n < 0 || n > x.DataOutLength-x.taken {
		return nil, scsi.ErrDataOutShort
	}
	need := x.taken + n
	for x.received < need {
		switch {
		case x.aborted || c.closed:
			return nil, scsi.ErrAborted
		case x.unsolicited || x.solicited:
			x.await()
		default:
			x.makeRoom(need)
			x.request(need)
		}
	}
	if x.aborted || c.closed {
		return nil, scsi.ErrAborted
	}
	p := x.slice(x.taken, need)
	x.taken = need
	return p, nil
}

func (x *exchange) room() int {
	if x.buf == nil {
		return 0
	}
	return len(x.buf.mem)
}

func (x *exchange) slice(from, to int) []byte {
	if from == to {
		return nil
	}
	return x.buf.mem[from-x.base : to-x.base : to-x.base]
}

// makeRoom lets buf reach to the given byte of the transfer, keeping what was
// received and not taken. No sequence may be running.
func (x *exchange) makeRoom(to int) {
	if to <= x.base+x.room() {
		return
	}
	old, rest := x.buf, x.slice(x.taken, x.received)
	if x.room() < to-x.taken {
		x.buf = x.c.server.buffers.get(to - x.taken)
	}
	copy(x.buf.mem, rest)
	x.base = x.taken
	if old != x.buf {
		x.c.server.buffers.put(old)
	}
}

// request sends an R2T for the bytes up to need, at most one burst. conn.mu is
// released meanwhile.
func (x *exchange) request(need int) {
	c := x.c
	length := min(need-x.received, c.maxBurst)
	c.nextTTT++
	if c.nextTTT == pdu.ReservedTag {
		c.nextTTT = 0
	}
	x.solicited, x.ttt, x.dataSN, x.sequenceEnd = true, c.nextTTT, 0, x.received+length
	ttt, sn, offset := x.ttt, x.r2tSN, x.received
	x.r2tSN++
	x.pdus++
	c.mu.Unlock()
	defer c.mu.Lock()
	s := &c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.header(pdu.R2T, pdu.FlagFinal)
	h.SetLUN(uint64(x.LUN))
	h.SetITT(x.Tag)
	h.SetTTT(ttt)
	h.SetStatSN(s.statSN)
	h.SetWindow(c.window())
	h.SetDataSN(sn)
	h.SetBufferOffset(uint32(offset))
	h.SetDesiredLength(uint32(length))
	s.add(h, nil)
	s.flush()
}

// await returns when something may have changed for this exchange: one PDU was
// read, by this goroutine or by another, or the task was aborted. conn.mu is held
// on entry and exit.
func (x *exchange) await() {
	c := x.c
	if !c.role.borrow() {
		c.mu.Unlock()
		select {
		case <-x.ready:
		case <-c.done:
		}
		c.mu.Lock()
		return
	}
	x.pumping = true
	var guess []byte
	if x.solicited && c.dataOutGuess > 0 {
		guess = x.slice(x.received, min(x.sequenceEnd, x.received+c.dataOutGuess))
	}
	c.mu.Unlock()
	run, err := c.step(guess)
	if run != nil {
		c.server.spawn(run)
	}
	if err != nil {
		c.fail(err)
	}
	if c.role.giveBack(c.server.clock.Load()) {
		c.startLoop()
	}
	c.mu.Lock()
	x.pumping = false
	if x.aborted {
		c.netConn.SetReadDeadline(time.Time{})
	}
}

// Abort implements scsi.Transport.
func (x *exchange) Abort() {
	c := x.c
	c.mu.Lock()
	defer c.mu.Unlock()
	x.aborted = true
	x.wake()
	if x.pumping {
		c.netConn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (x *exchange) wake() {
	select {
	case x.ready <- struct{}{}:
	default:
	}
}

// Buffer implements scsi.Transport.
func (x *exchange) Buffer(n int) []byte {
	if len(x.held) > 0 {
		x.release()
	}
	if x.lent == nil || len(x.lent.mem) < n {
		x.c.server.buffers.put(x.lent)
		x.lent = x.c.server.buffers.get(n)
	}
	return x.lent.mem[:n:n]
}

// SendDataIn implements scsi.Transport.
func (x *exchange) SendDataIn(p []byte) error {
	if len(x.held) > 0 {
		x.release()
	}
	x.wanted += len(p)
	x.held = p[:min(len(p), x.DataInLength-x.sent)]
	if x.c.isOver(x) {
		return scsi.ErrAborted
	}
	return nil
}

// release sends the piece that was held back: it was not the last one.
func (x *exchange) release() {
	if s := &x.c.out; !x.c.isOver(x) {
		s.mu.Lock()
		x.addDataIn(s, false, 0, 0)
		s.flush()
		s.mu.Unlock()
	}
}

// addDataIn adds the held piece as Data-In PDUs. In the last piece the last PDU
// is final; with FlagStatus in flags it carries GOOD and the residual.
func (x *exchange) addDataIn(s *sender, last bool, flags byte, residual uint32) {
	c := x.c
	for len(x.held) > 0 {
		n := min(len(x.held), int(c.maxSend.Load()), c.maxBurst-x.burst)
		end := last && n == len(x.held)
		x.burst += n
		h := s.header(pdu.DataIn, 0)
		if end || x.burst == c.maxBurst {
			h[1] |= pdu.FlagFinal
			x.burst = 0
		}
		h.SetITT(x.Tag)
		h.SetTTT(pdu.ReservedTag)
		h.SetWindow(c.window())
		h.SetDataSN(x.pdus)
		h.SetBufferOffset(uint32(x.sent))
		x.pdus++
		x.sent += n
		if end && flags&pdu.FlagStatus != 0 {
			h[1] |= flags
			h.SetResidual(residual)
			s.addStatus(h, x.held[:n])
		} else {
			s.add(h, x.held[:n])
		}
		x.held = x.held[n:]
	}
}

// Done implements scsi.Transport: it sends what was held back and the status,
// then gives the exchange back to the connection.
func (x *exchange) Done(o scsi.Outcome) {
	c := x.c
	if !c.finish(x) {
		c.retire(x)
		return
	}
	flags, residual := x.residual()
	s := &c.out
	s.mu.Lock()
	collapse := o.Status == scsi.Good && len(x.held) > 0
	if collapse {
		x.addDataIn(s, true, flags|pdu.FlagStatus, residual)
	} else {
		x.addDataIn(s, true, 0, 0)
		x.addResponse(s, o, flags, residual)
	}
	s.flush()
	s.mu.Unlock()
	c.retire(x)
}

func (x *exchange) addResponse(s *sender, o scsi.Outcome, flags byte, residual uint32) {
	h := s.header(pdu.SCSIResponse, pdu.FlagFinal|flags)
	h[3] = byte(o.Status)
	h.SetITT(x.Tag)
	h.SetWindow(x.c.window())
	h.SetDataSN(x.pdus)
	h.SetResidual(residual)
	if o.Status != scsi.CheckCondition || o.Sense == nil {
		s.addStatus(h, nil)
		return
	}
	sense := o.SenseData()
	data := make([]byte, 2, 2+len(sense))
	scsi.PutUint16(data, uint16(len(sense)))
	s.addStatus(h, append(data, sense...))
}

// residual works the flags and the residual count out (spec A.6): no flag goes
// with a count of 0.
func (x *exchange) residual() (flags byte, count uint32) {
	expected, moved := x.DataInLength, x.wanted
	if x.DataOutLength > 0 {
		expected, moved = x.DataOutLength, x.taken
	}
	switch {
	case moved < expected:
		return pdu.FlagUnderflow, uint32(expected - moved)
	case moved > expected:
		return pdu.FlagOverflow, uint32(moved - expected)
	}
	return 0, 0
}
