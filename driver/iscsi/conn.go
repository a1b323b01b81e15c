package iscsi

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// commandWindow is how many commands an initiator may have under way in one
// session, not counting immediate ones.
const commandWindow = 16

// maxImmediate is how many immediate commands, and how many task management
// functions, may be under way.
const maxImmediate = 16

// conn is one TCP connection: first a login, then, in full feature phase, a
// session of its own (MaxConnections = 1).
//
// Lock order: gate, then mu. Neither is held while the role or the sender is
// locked, except that submit may end a task under the gate.
type conn struct {
	server  *Server
	netConn net.Conn
	reader  *pdu.Reader
	out     sender
	role    role
	log     *slog.Logger

	// Set by the login, constant afterwards.
	session *session // nil until the login is over
	cid     uint16
	parameters
	maxSend atomic.Int64 // bytes; the initiator may declare anew

	// The window. Only the goroutine that reads the socket moves expected.
	expected atomic.Uint32 // ExpCmdSN
	maximum  atomic.Uint32 // MaxCmdSN

	// For the goroutine that reads the socket only.
	header       pdu.Header
	waiting      map[uint32]func() // requests ahead of ExpCmdSN by CmdSN
	text         []byte            // a text request that continues
	pages        [][]byte          // the rest of a text response that continues
	textTag      uint32
	hot          *buffer // where the next command's immediate data will go
	immediateLen int     // immediate data of the last command
	earlyLen     int     // buffer length of the last command with data
	dataOutGuess int     // data of the last Data-Out

	// gate is held while a task is handed to the device, so that none arrives
	// there after the device was told that the session has ended.
	gate sync.Mutex

	mu        sync.Mutex
	closed    bool
	loggedOut bool
	linger    bool // let the peer read our last words before closing
	cause     error
	tasks     []*exchange
	idle      []*exchange
	immediate int // immediate commands under way
	managing  int // task management functions under way
	nextTTT   uint32
	ignored   [32]uint32 // tags of ended tasks whose data may still come, as a ring
	ignoredAt int

	done chan struct{} // closed with the connection

	// The watchdog's view, in milliseconds of the server's clock.
	heard    atomic.Int64 // last PDU read
	midPDU   atomic.Int64 // since when a PDU is being read, 0: none
	pinged   atomic.Int64 // our ping that is unanswered, 0: none
	deadline atomic.Int64 // when to close in any case, 0: never

	bytesIn, bytesOut atomic.Int64
}

// Reasons why a connection ends.
var (
	errLogout    = errors.New("logged out")
	errProtocol  = errors.New("protocol error")
	errShutdown  = errors.New("the server is shutting down")
	errReplaced  = errors.New("the initiator logged in again")
	errRemoved   = errors.New("the target was removed")
	errReset     = errors.New("target cold reset")
	errSilent    = errors.New("no answer from the initiator")
	errStalled   = errors.New("the initiator stopped in the middle of a transfer")
	errLoginTime = errors.New("no completed login in time")
)

func (s *Server) newConn(netConn net.Conn) *conn {
	c := &conn{server: s, netConn: netConn, log: s.log, done: make(chan struct{})}
	c.reader = pdu.NewReader(netConn, maxLoginData)
	c.reader.Retry = c.retryRead
	c.out = sender{conn: netConn, clock: &s.clock}
	c.heard.Store(s.clock.Load())
	c.parameters = defaultParameters()
	for i := range c.ignored {
		c.ignored[i] = pdu.ReservedTag
	}
	return c
}

// retryRead clears a deadline that was meant to wake a waiting task, not to end
// the PDU that is being read.
func (c *conn) retryRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.netConn.SetReadDeadline(time.Time{})
	return !c.closed
}

// run is the connection's life. It returns when the socket is closed and the
// session's device has been told.
func (c *conn) run() {
	defer c.netConn.Close()
	if err := c.login(); err != nil {
		c.fail(err)
		c.lastWords()
		return
	}
	c.startLoop()
	<-c.done
	c.lastWords()
	c.netConn.Close()
	c.session.end(c)
}

// startLoop starts a goroutine that reads the socket.
func (c *conn) startLoop() {
	if n := c.role.start(); n != 0 {
		c.server.spawn(func() { c.loop(n) })
	}
}

// loop reads and executes until the connection ends or its role is taken.
func (c *conn) loop(n uint64) {
	for {
		run, err := c.step(nil)
		if err != nil {
			c.fail(err)
			return
		}
		if run == nil {
			continue
		}
		c.role.enter(c.server.clock.Load())
		run()
		if !c.role.leave(n) {
			return
		}
	}
}

// step reads one PDU and acts on it. What it returns, if anything, executes
// commands that have arrived. guess is where the next data segment is expected
// to go; nil leaves that to step.
func (c *conn) step(guess []byte) (run func(), err error) {
	if guess == nil && c.immediateLen > 0 {
		guess = c.hotBuffer().mem[:c.immediateLen]
	}
	h := &c.header
	if err := c.reader.Next(h, guess); err != nil {
		if isTimeout(err) {
			return nil, nil
		}
		return nil, err
	}
	now := c.server.clock.Load()
	c.heard.Store(now)
	c.pinged.Store(0)
	c.midPDU.Store(now)
	run, err = c.dispatch(h)
	if err == nil {
		err = c.reader.Discard()
	}
	c.midPDU.Store(0)
	if errors.Is(err, pdu.ErrDataDigest) {
		c.reject(h, pdu.RejectDataDigest)
		c.hangUp()
	}
	return run, err
}

// hotBuffer is where the next command's immediate data is expected to go. It
// belongs to the goroutine that reads the socket until a command takes it.
func (c *conn) hotBuffer() *buffer {
	if c.hot != nil && c.hot.class != sizeClass(c.earlyLen) {
		c.server.buffers.put(c.hot)
		c.hot = nil
	}
	if c.hot == nil {
		c.hot = c.server.buffers.get(c.earlyLen)
	}
	return c.hot
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// fail ends the connection; the first cause is the one that is told.
func (c *conn) fail(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if c.loggedOut {
		cause = errLogout
	}
	c.closed, c.cause = true, cause
	c.role.close()
	close(c.done)
	if !c.linger {
		c.netConn.Close()
	}
}

// hangUp makes the connection's end wait until the peer has read what was sent.
func (c *conn) hangUp() {
	c.mu.Lock()
	c.linger = true
	c.mu.Unlock()
}

// lastWords keeps the closing of a socket with unread input from destroying what
// we sent last: the output is ended and the input drained for a moment.
func (c *conn) lastWords() {
	c.mu.Lock()
	linger := c.linger
	c.mu.Unlock()
	if !linger {
		return
	}
	if half, ok := c.netConn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	c.netConn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	io.Copy(io.Discard, io.LimitReader(c.netConn, 4<<20))
}

// window returns ExpCmdSN and MaxCmdSN for an outgoing PDU.
func (c *conn) window() (expected, maximum uint32) {
	return c.expected.Load(), c.maximum.Load()
}

// send writes one PDU that carries no status.
func (c *conn) send(h *pdu.Header, data []byte) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	own := c.out.header(h.Opcode(), 0)
	*own = *h
	own.SetStatSN(c.out.statSN)
	own.SetWindow(c.window())
	c.out.add(own, data)
	c.out.flush()
}

// sendStatus writes one PDU that consumes a StatSN.
func (c *conn) sendStatus(h *pdu.Header, data []byte) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	own := c.out.header(h.Opcode(), 0)
	*own = *h
	own.SetWindow(c.window())
	c.out.addStatus(own, data)
	return c.out.flush()
}

// newExchange takes an exchange from the pool and enters it as a task; nil when
// the tag is in use or too many immediate ones are under way. The reason says
// which.
func (c *conn) newExchange(h *pdu.Header) (*exchange, pdu.RejectReason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tag, immediate := h.ITT(), h.Immediate()
	if c.find(tag) != nil {
		return nil, pdu.RejectTaskInProgress
	}
	if immediate && c.immediate >= maxImmediate {
		return nil, pdu.RejectTooManyImmediate
	}
	if immediate {
		c.immediate++
	}
	c.forget(tag)
	var x *exchange
	if n := len(c.idle); n > 0 {
		x, c.idle = c.idle[n-1], c.idle[:n-1]
	} else {
		x = &exchange{ready: make(chan struct{}, 1)}
	}
	select {
	case <-x.ready:
	default:
	}
	*x = exchange{c: c, ready: x.ready, immediate: immediate}
	x.cdb = [16]byte(h.CDB())
	x.Task = scsi.Task{
		Nexus:     c.session.nexus,
		LUN:       scsi.LUN(h.LUN()),
		Tag:       tag,
		Attribute: scsi.Attribute(h.Flags() & pdu.AttributeMask),
		CDB:       x.cdb[:],
		Transport: x,
	}
	c.tasks = append(c.tasks, x)
	return x, 0
}

// find returns the task with a tag; conn.mu is held.
func (c *conn) find(tag uint32) *exchange {
	for _, x := range c.tasks {
		if x.Tag == tag {
			return x
		}
	}
	return nil
}

// finish takes the task off the list and opens the window; false means that
// nobody waits for its response.
func (c *conn) finish(x *exchange) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.tasks {
		if t == x {
			last := len(c.tasks) - 1
			c.tasks[i] = c.tasks[last]
			c.tasks[last] = nil
			c.tasks = c.tasks[:last]
			break
		}
	}
	if x.unsolicited || x.solicited {
		c.ignore(x.Tag)
	}
	if x.immediate {
		c.immediate--
	} else {
		c.maximum.Add(1)
	}
	if x.aborted && !x.immediate && !c.closed && !c.loggedOut && c.managing == 0 {
		c.server.spawn(c.announceWindow)
	}
	return !x.aborted && !c.closed
}

// retire gives buffers and exchange back, or leaves that to the reader if it is
// just writing into them.
func (c *conn) retire(x *exchange) {
	c.bytesIn.Add(int64(x.received))
	c.bytesOut.Add(int64(x.sent))
	c.mu.Lock()
	defer c.mu.Unlock()
	x.finished = true
	if !x.filling {
		c.recycle(x)
	}
}

func (c *conn) recycle(x *exchange) {
	c.server.buffers.put(x.buf)
	c.server.buffers.put(x.lent)
	x.buf, x.lent, x.held = nil, nil, nil
	c.idle = append(c.idle, x)
}

// isOver reports whether nobody waits for the task any more.
func (c *conn) isOver(x *exchange) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return x.aborted || c.closed
}

// ignore remembers a tag whose Data-Out PDUs are to be dropped silently.
func (c *conn) ignore(tag uint32) {
	c.ignored[c.ignoredAt] = tag
	c.ignoredAt = (c.ignoredAt + 1) % len(c.ignored)
}

// forget ends ignore and reports whether the tag was remembered.
func (c *conn) forget(tag uint32) (known bool) {
	for i := range c.ignored {
		if c.ignored[i] == tag && tag != pdu.ReservedTag {
			c.ignored[i], known = pdu.ReservedTag, true
		}
	}
	return known
}

// announceWindow tells the initiator that the window opened without a response.
func (c *conn) announceWindow() {
	var h pdu.Header
	h.Reset(pdu.NopIn, pdu.FlagFinal)
	h.SetITT(pdu.ReservedTag)
	h.SetTTT(pdu.ReservedTag)
	c.send(&h, nil)
}
