package iscsi

import (
	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// scsiCommand makes a task of a SCSI Command and submits it in CmdSN order.
func (c *conn) scsiCommand(h *pdu.Header) (func(), error) {
	verdict := admitNow
	if !h.Immediate() {
		verdict = c.admit(h.CmdSN())
	}
	if verdict == admitNever {
		if h.Has(pdu.FlagWrite) && !h.Final() {
			c.mu.Lock()
			c.ignore(h.ITT())
			c.mu.Unlock()
		}
		return nil, nil
	}
	if what := c.illegal(h); what != "" {
		return nil, c.violation(h, pdu.RejectInvalidField, what)
	}
	x, reason := c.newExchange(h)
	switch {
	case reason == pdu.RejectTaskInProgress:
		return nil, c.violation(h, reason, "initiator task tag in use")
	case x == nil:
		return nil, c.reject(h, reason)
	}
	additional, ok := pdu.ParseAHS(c.reader.AHS())
	if !ok {
		return nil, c.violation(h, pdu.RejectInvalidField, "malformed additional header segment")
	}
	if err := x.arrive(h, additional); err != nil {
		return nil, err
	}
	bidirectional := h.Has(pdu.FlagRead | pdu.FlagWrite)
	if verdict == admitLater {
		c.wait(h.CmdSN(), func() {
			if run := c.submit(x, bidirectional); run != nil {
				c.server.spawn(run)
			}
		})
		return nil, nil
	}
	if !x.immediate {
		c.expected.Add(1)
	}
	run := c.submit(x, bidirectional)
	if len(c.waiting) > 0 {
		c.release()
	}
	return run, nil
}

// illegal names what makes a SCSI Command's data lengths impossible, "" if
// nothing does.
func (c *conn) illegal(h *pdu.Header) string {
	data := h.DataLength()
	switch {
	case data == 0 && (h.Final() || !h.Has(pdu.FlagWrite)):
		return ""
	case !h.Has(pdu.FlagWrite):
		return "data with a command that does not write"
	case data > 0 && !c.immediateData:
		return "immediate data, though none was agreed on"
	case !h.Final() && c.initialR2T:
		return "unsolicited data, though none was agreed on"
	case data > c.firstBurst:
		return "more immediate data than the first burst"
	case data > int(h.TransferLength()):
		return "more immediate data than the command transfers"
	}
	return ""
}

// arrive fills the task in and reads the immediate data.
func (x *exchange) arrive(h *pdu.Header, additional pdu.Additional) error {
	c := x.c
	if len(additional.ExtendedCDB) > 0 {
		x.CDB = append(x.cdb[:], additional.ExtendedCDB...)
	}
	switch {
	case h.Has(pdu.FlagWrite):
		x.DataOutLength = int(h.TransferLength())
	case h.Has(pdu.FlagRead):
		x.DataInLength = int(h.TransferLength())
	}
	data := c.reader.Remaining()
	c.immediateLen = data
	x.unsolicited = h.Has(pdu.FlagWrite) && !h.Final() && x.DataOutLength > data
	if data == 0 && !x.unsolicited {
		return nil
	}
	c.earlyLen = min(x.DataOutLength, maxEarlyBuffer)
	if c.hot != nil && c.hot.class == sizeClass(c.earlyLen) {
		x.buf, c.hot = c.hot, nil
	} else { // the guess may hold what is to be copied: it stays where it is
		x.buf = c.server.buffers.get(c.earlyLen)
	}
	if err := c.reader.Payload(x.buf.mem[:data]); err != nil {
		return err
	}
	x.received = data
	x.sequenceEnd = min(c.firstBurst, x.DataOutLength)
	return nil
}

// submit hands the task to its device, unless the session has ended. What it
// returns executes it.
func (c *conn) submit(x *exchange, bidirectional bool) func() {
	c.gate.Lock()
	defer c.gate.Unlock()
	c.mu.Lock()
	over, aborted := c.closed || c.loggedOut, x.aborted
	x.submitted = true
	c.mu.Unlock()
	switch {
	case over:
	case aborted:
		x.Done(scsi.Outcome{Status: scsi.TaskAborted})
	case bidirectional:
		x.Done(scsi.Outcome{Status: scsi.CheckCondition, Sense: scsi.InvalidFieldInCDB(0, scsi.NoBit)})
	default:
		return c.session.device.Submit(&x.Task)
	}
	return nil
}

// settle returns when no task is being handed to the device any more. The
// connection is closed or logged out, so none follows.
func (c *conn) settle() {
	c.gate.Lock()
	defer c.gate.Unlock()
}

// dataOut puts one Data-Out PDU where its command wants it.
func (c *conn) dataOut(h *pdu.Header) (func(), error) {
	data := c.reader.Remaining()
	c.mu.Lock()
	x := c.find(h.ITT())
	if x == nil || x.aborted {
		known := x != nil || c.forget(h.ITT())
		if known && x == nil && !h.Final() {
			c.ignore(h.ITT())
		}
		c.mu.Unlock()
		if !known {
			return nil, c.violation(h, pdu.RejectInvalidField, "data for an unknown task")
		}
		return nil, nil
	}
	if what := x.misfit(h, data); what != "" {
		c.mu.Unlock()
		return nil, c.violation(h, pdu.RejectProtocol, what)
	}
	var place []byte
	if data > 0 {
		place = x.slice(x.received, x.received+data)
	}
	x.filling = true
	c.mu.Unlock()

	c.dataOutGuess = data
	err := c.reader.Payload(place)

	c.mu.Lock()
	defer c.mu.Unlock()
	x.filling = false
	if x.finished {
		if x.unsolicited || x.solicited {
			if h.Final() {
				c.forget(x.Tag)
			}
		}
		c.recycle(x)
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	x.received += data
	x.dataSN++
	if h.Final() {
		x.unsolicited, x.solicited = false, false
	}
	x.wake()
	return nil, nil
}

// misfit names what makes a Data-Out PDU not the next one of its sequence, ""
// if it is. conn.mu is held.
func (x *exchange) misfit(h *pdu.Header, data int) string {
	solicited := h.TTT() != pdu.ReservedTag
	end := x.received + data
	switch {
	case solicited && (!x.solicited || h.TTT() != x.ttt):
		return "data for an unknown target transfer tag"
	case !solicited && !x.unsolicited:
		return "unsolicited data that was not announced"
	case h.DataSN() != x.dataSN:
		return "a data sequence number out of order"
	case int64(h.BufferOffset()) != int64(x.received):
		return "a buffer offset out of order"
	case end > x.sequenceEnd:
		return "more data than asked for"
	case solicited && h.Final() && end != x.sequenceEnd:
		return "less data than asked for"
	}
	return ""
}
