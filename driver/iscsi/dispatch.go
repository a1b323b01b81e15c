package iscsi

import (
	"fmt"

	"virtualloader/driver/iscsi/pdu"
)

// request is how one kind of PDU is handled, on the goroutine that reads the
// socket.
type request struct {
	do func(c *conn, h *pdu.Header) (run func(), err error)

	discovery bool // allowed in a discovery session
	unordered bool // looks at CmdSN by itself, or has none
}

// requests is what an initiator may send in full feature phase beside SCSI
// commands.
var requests = map[pdu.Opcode]request{}

func init() {
	requests[pdu.NopOut] = request{do: (*conn).nopOut, discovery: true}
	requests[pdu.TaskRequest] = request{do: (*conn).taskManagement}
	requests[pdu.TextRequest] = request{do: (*conn).textRequest, discovery: true}
	requests[pdu.DataOut] = request{do: (*conn).dataOut, unordered: true}
	requests[pdu.LogoutReq] = request{do: (*conn).logout, discovery: true}
}

// dispatch acts on one PDU whose data segment is still in the reader.
func (c *conn) dispatch(h *pdu.Header) (run func(), err error) {
	if c.isLoggedOut() {
		return nil, c.reject(h, pdu.RejectWaitingForLogout)
	}
	if h.Opcode() == pdu.SCSICommand && !c.session.discovery {
		return c.scsiCommand(h)
	}
	req, known := requests[h.Opcode()]
	switch {
	case h.Opcode() == pdu.SNACK:
		return nil, c.reject(h, pdu.RejectSNACK)
	case !known || c.session.discovery && !req.discovery:
		return nil, c.reject(h, pdu.RejectUnsupported)
	case req.unordered || h.Immediate():
		return req.do(c, h)
	}
	switch c.admit(h.CmdSN()) {
	case admitNow:
		c.expected.Add(1)
		c.maximum.Add(1) // nothing that stays under way: the window moves along
		if run, err = req.do(c, h); err == nil {
			c.release()
		}
		return run, err
	case admitLater:
		return nil, c.postpone(*h, req)
	}
	return nil, nil
}

// admission is what CmdSN says about a request (RFC 7143 4.2.2.1).
type admission int

const (
	admitNever admission = iota // outside the window, or there already: ignored
	admitNow
	admitLater
)

func (c *conn) admit(sn uint32) admission {
	expected, maximum := c.window()
	switch {
	case sn == expected && !pdu.Before(maximum, sn):
		return admitNow
	case pdu.Before(sn, expected) || pdu.Before(maximum, sn):
		return admitNever
	}
	if _, there := c.waiting[sn]; there {
		return admitNever
	}
	return admitLater
}

// wait keeps a request until those before it have come.
func (c *conn) wait(sn uint32, do func()) {
	if c.waiting == nil {
		c.waiting = map[uint32]func(){}
	}
	c.waiting[sn] = do
}

// release lets the requests follow that waited for the one that just came.
func (c *conn) release() {
	for len(c.waiting) > 0 {
		sn := c.expected.Load()
		do, there := c.waiting[sn]
		if !there {
			return
		}
		delete(c.waiting, sn)
		c.expected.Add(1)
		do()
	}
}

// postpone keeps a request without a data segment that matters. Text requests
// have one; no initiator sends them ahead of their turn, so they are refused.
func (c *conn) postpone(h pdu.Header, req request) error {
	if h.DataLength() > 0 {
		return c.reject(&h, pdu.RejectProtocol)
	}
	c.wait(h.CmdSN(), func() {
		c.maximum.Add(1)
		if _, err := req.do(c, &h); err != nil {
			c.fail(err)
		}
	})
	return nil
}

// reject refuses a PDU; the connection goes on. The data segment is left to the
// caller of dispatch.
func (c *conn) reject(h *pdu.Header, reason pdu.RejectReason) error {
	var r pdu.Header
	r.Reset(pdu.Reject, pdu.FlagFinal)
	r[2] = byte(reason)
	r.SetITT(pdu.ReservedTag)
	copied := *h
	return c.sendStatus(&r, copied[:])
}

// violation refuses a PDU after which the stream cannot be trusted: Reject, then
// the connection is dropped.
func (c *conn) violation(h *pdu.Header, reason pdu.RejectReason, what string) error {
	c.reject(h, reason)
	c.hangUp()
	return fmt.Errorf("%w: %s", errProtocol, what)
}

func (c *conn) isLoggedOut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loggedOut
}

// maxEcho is how much of a ping's data comes back, in bytes.
const maxEcho = 64 << 10

func (c *conn) nopOut(h *pdu.Header) (func(), error) {
	if h.ITT() == pdu.ReservedTag {
		return nil, nil // the answer to our own ping
	}
	var r pdu.Header
	r.Reset(pdu.NopIn, pdu.FlagFinal)
	r.SetLUN(h.LUN())
	r.SetITT(h.ITT())
	r.SetTTT(pdu.ReservedTag)
	data := make([]byte, min(c.reader.Remaining(), int(c.maxSend.Load()), maxEcho))
	if err := c.reader.Payload(data); err != nil {
		return nil, err
	}
	return nil, c.sendStatus(&r, data)
}

// ping asks the initiator for a sign of life.
func (c *conn) ping() {
	var h pdu.Header
	h.Reset(pdu.NopIn, pdu.FlagFinal)
	h.SetITT(pdu.ReservedTag)
	h.SetTTT(1)
	c.send(&h, nil)
}

// Logout reasons and responses (RFC 7143 11.14.1, 11.15.1).
const (
	logoutSession    = 0
	logoutConnection = 1
	logoutRecovery   = 2

	logoutDone        = 0
	logoutUnknownCID  = 1
	logoutNoRecovery  = 2
	logoutGraceMillis = 5000
)

func (c *conn) logout(h *pdu.Header) (func(), error) {
	var r pdu.Header
	r.Reset(pdu.LogoutResponse, pdu.FlagFinal)
	r.SetITT(h.ITT())
	scsi16(r[40:], 2) // Time2Wait in seconds; Time2Retain stays 0
	switch reason := h.Flags() & 0x7f; {
	case reason == logoutRecovery:
		r[2] = logoutNoRecovery
	case reason == logoutConnection && h.CID() != c.cid:
		r[2] = logoutUnknownCID
	case reason > logoutRecovery:
		return nil, c.reject(h, pdu.RejectInvalidField)
	default:
		c.mu.Lock()
		c.loggedOut = true
		c.mu.Unlock()
		c.deadline.Store(c.server.clock.Load() + logoutGraceMillis)
		c.server.spawn(func() {
			c.session.leave(c)
			c.sendStatus(&r, nil)
		})
		return nil, nil
	}
	return nil, c.sendStatus(&r, nil)
}

func scsi16(b []byte, v uint16) { b[0], b[1] = byte(v>>8), byte(v) }
