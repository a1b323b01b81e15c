package initiator

import (
	"fmt"
	"net"
	"slices"

	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// read is the reading goroutine. It alone ends commands, so that nobody writes
// into Command.In after that.
func (s *Session) read() {
	defer close(s.done)
	for {
		if err := s.step(); err != nil {
			s.fail(fmt.Errorf("iSCSI session lost: %w", err))
			break
		}
	}
	s.mu.Lock()
	err, calls := s.err, s.calls
	s.calls, s.backlog, s.reads = map[uint32]*call{}, nil, nil
	s.mu.Unlock()
	close(s.transfers)
	for _, c := range calls {
		c.done(Result{}, err)
	}
}

// write is the writing goroutine: it sends the data that R2Ts ask for and what
// has waited for the window.
func (s *Session) write() {
	for t := range s.transfers {
		s.mu.Lock()
		switch {
		case s.err != nil:
		case t.answerToPing != nil:
			t.answerToPing.SetCmdSN(s.cmdSN)
			if err := s.out.write(t.answerToPing, nil); err != nil {
				s.broken(err)
			}
		case t.data != nil:
			s.sendData(t)
		default:
			s.sendBacklog()
		}
		s.mu.Unlock()
	}
}

// sendBacklog sends what the window lets out; mu is held.
func (s *Session) sendBacklog() {
	for len(s.backlog) > 0 && !pdu.Before(s.maxCmdSN, s.cmdSN) {
		c := s.backlog[0]
		s.backlog = s.backlog[1:]
		if s.calls[c.tag] == c {
			s.sendCommand(c)
		}
	}
}

// step reads one PDU.
func (s *Session) step() error {
	h := &s.header
	if err := s.reader.Next(h, s.guess()); err != nil {
		return err
	}
	if h.Opcode() == pdu.DataIn {
		return s.dataIn(h)
	}
	data := make([]byte, s.reader.Remaining())
	if err := s.reader.Payload(data); err != nil {
		return err
	}
	handler, known := responses[h.Opcode()]
	if !known {
		return fmt.Errorf("%w: opcode %02Xh", ErrProtocol, h.Opcode())
	}
	return handler(s, h, data)
}

var responses = map[pdu.Opcode]func(*Session, *pdu.Header, []byte) error{
	pdu.NopIn:          (*Session).nopIn,
	pdu.SCSIResponse:   (*Session).scsiResponse,
	pdu.TaskResponse:   (*Session).taskResponse,
	pdu.TextResponse:   (*Session).answered,
	pdu.LogoutResponse: (*Session).answered,
	pdu.R2T:            (*Session).readyToTransfer,
	pdu.Async:          (*Session).async,
	pdu.Reject:         (*Session).rejected,
}

// guess is where the next Data-In probably goes: to the oldest command with data
// to come.
func (s *Session) guess() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reads) == 0 {
		return nil
	}
	c := s.reads[0]
	rest := c.command.In[c.received:]
	return rest[:min(len(rest), s.config.MaxRecvDataSegmentLength)]
}

// status notes StatSN and the window of a PDU that carries status.
func (s *Session) status(h *pdu.Header) {
	s.expStatSN.Store(h.StatSN() + 1)
	s.window(h)
}

func (s *Session) window(h *pdu.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pdu.Before(s.maxCmdSN, h.MaxCmdSN()) {
		s.maxCmdSN = h.MaxCmdSN()
	}
	if len(s.backlog) > 0 {
		select {
		case s.transfers <- transfer{}:
		default: // the writer has work, and looks again after the next PDU
		}
	}
}

// take removes a request that has ended.
func (s *Session) take(tag uint32) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[tag]
	if c == nil {
		return nil
	}
	delete(s.calls, tag)
	if i := slices.Index(s.reads, c); i >= 0 {
		s.reads = slices.Delete(s.reads, i, i+1)
	}
	return c
}

func (s *Session) find(tag uint32) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[tag]
}

func (s *Session) dataIn(h *pdu.Header) error {
	c := s.find(h.ITT())
	n := s.reader.Remaining()
	switch {
	case c == nil || c.answer != nil:
		return fmt.Errorf("%w: data for an unknown task", ErrProtocol)
	case h.DataSN() != c.pdus || int(h.BufferOffset()) != c.received || c.received+n > len(c.command.In):
		return fmt.Errorf("%w: a Data-In out of order or too long", ErrProtocol)
	}
	if err := s.reader.Payload(c.command.In[c.received : c.received+n]); err != nil {
		return err
	}
	s.mu.Lock()
	c.received += n
	s.mu.Unlock()
	c.pdus++
	if !h.Has(pdu.FlagStatus) {
		s.window(h)
		return nil
	}
	s.status(h)
	s.finish(h, nil)
	return nil
}

// finish ends a command with the status in h.
func (s *Session) finish(h *pdu.Header, sense []byte) {
	c := s.take(h.ITT())
	if c == nil {
		return
	}
	r := Result{Status: scsi.Status(h[3]), Sense: sense, DataIn: c.received}
	switch {
	case h.Has(pdu.FlagUnderflow):
		r.Underflow = int(h.Residual())
	case h.Has(pdu.FlagOverflow):
		r.Overflow = int(h.Residual())
	}
	c.done(r, nil)
}

func (s *Session) scsiResponse(h *pdu.Header, data []byte) error {
	s.status(h)
	if h[2] != 0 {
		if c := s.take(h.ITT()); c != nil {
			c.done(Result{}, fmt.Errorf("%w: response code %d", ErrProtocol, h[2]))
		}
		return nil
	}
	var sense []byte
	if len(data) >= 2 {
		sense = data[2:min(len(data), 2+int(scsi.Uint16(data)))]
	}
	s.finish(h, sense)
	return nil
}

func (s *Session) answered(h *pdu.Header, data []byte) error {
	s.status(h)
	if c := s.take(h.ITT()); c != nil && c.answer != nil {
		c.answer(h, data)
	}
	return nil
}

// taskResponse answers the function and ends the commands that it aborted: the
// target says nothing of them.
func (s *Session) taskResponse(h *pdu.Header, data []byte) error {
	s.status(h)
	c := s.take(h.ITT())
	if c == nil || c.answer == nil {
		return nil
	}
	for _, v := range s.takeVictims(c) {
		v.done(Result{}, ErrAborted)
	}
	c.answer(h, data)
	return nil
}

func (s *Session) takeVictims(function *call) (victims []*call) {
	s.mu.Lock()
	for _, c := range s.calls {
		if function.victim != nil && c.answer == nil && function.victim(c) {
			victims = append(victims, c)
		}
	}
	s.mu.Unlock()
	for _, c := range victims {
		s.take(c.tag)
	}
	return victims
}

func (s *Session) nopIn(h *pdu.Header, data []byte) error {
	if h.ITT() != pdu.ReservedTag {
		return s.answered(h, data)
	}
	s.window(h)
	if h.TTT() == pdu.ReservedTag {
		return nil
	}
	var r pdu.Header
	r.Reset(pdu.NopOut, pdu.FlagFinal)
	r.SetImmediate()
	r.SetLUN(h.LUN())
	r.SetITT(pdu.ReservedTag)
	r.SetTTT(h.TTT())
	r.SetExpStatSN(s.expStatSN.Load())
	s.transfers <- transfer{answerToPing: &r}
	return nil
}

func (s *Session) readyToTransfer(h *pdu.Header, _ []byte) error {
	s.window(h)
	c := s.find(h.ITT())
	from, n := int(h.BufferOffset()), int(h.DesiredLength())
	if c == nil || n == 0 || from+n > len(c.command.Out) {
		return fmt.Errorf("%w: an R2T that fits no command", ErrProtocol)
	}
	s.solicited(c, h, from, n)
	return nil
}

func (s *Session) async(h *pdu.Header, _ []byte) error {
	s.status(h)
	if s.config.OnAsync != nil {
		s.config.OnAsync(pdu.AsyncEvent(h[36]))
	}
	return nil
}

func (s *Session) rejected(h *pdu.Header, data []byte) error {
	s.status(h)
	if len(data) < pdu.HeaderLength {
		return nil
	}
	refused := (*pdu.Header)(data)
	if c := s.take(refused.ITT()); c != nil {
		c.done(Result{}, &RejectError{pdu.RejectReason(h[2])})
	}
	return nil
}

// writer puts header and data of one PDU into one vectored write.
type writer struct {
	conn                     net.Conn
	headerDigest, dataDigest bool
	head                     [pdu.HeaderLength + pdu.DigestLength]byte
	tail                     [pdu.DigestLength + 4]byte
	vector                   [3][]byte
	work                     net.Buffers
}

// header returns the next PDU's header to fill in, in place.
func (w *writer) header(op pdu.Opcode, flags byte) *pdu.Header {
	h := (*pdu.Header)(w.head[:])
	h.Reset(op, flags)
	return h
}

// write sends a PDU; h may be the header taken last, or another one.
func (w *writer) write(h *pdu.Header, data []byte) error {
	h.SetDataLength(len(data))
	head := w.head[:copy(w.head[:], h[:])]
	if w.headerDigest {
		head = w.head[:]
		pdu.PutDigest(head[pdu.HeaderLength:], pdu.Digest(0, h[:]))
	}
	if len(data) == 0 {
		_, err := w.conn.Write(head)
		return err
	}
	w.tail = [len(w.tail)]byte{}
	n := pdu.Padding(len(data))
	if w.dataDigest {
		pdu.PutDigest(w.tail[n:], pdu.Digest(pdu.Digest(0, data), w.tail[:n]))
		n += pdu.DigestLength
	}
	w.vector = [3][]byte{head, data, w.tail[:n]}
	w.work = w.vector[:]
	if n == 0 {
		w.work = w.vector[:2]
	}
	_, err := w.work.WriteTo(w.conn)
	return err
}
