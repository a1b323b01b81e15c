package initiator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// Command is one SCSI command. Out and In are the data the initiator sends and
// the room for what it expects; at most one of them may be used. The slices
// belong to the session until the command ends.
type Command struct {
	LUN       scsi.LUN
	CDB       []byte // at most 16 bytes
	Out, In   []byte
	Attribute scsi.Attribute // Untagged means Simple
	Immediate bool
	Hold      *Hold // nil: Out goes as soon as the target takes it
}

// Result is how a command ended.
type Result struct {
	Status    scsi.Status
	Sense     []byte // with CHECK CONDITION; scsi.ParseSense decodes it
	DataIn    int    // bytes in Command.In
	Underflow int    // bytes of the expected length that were not transferred
	Overflow  int    // bytes the target had beyond it
}

// call is a request under way.
type call struct {
	command  Command
	tag      uint32
	sn       uint32
	sent     bool
	received int
	pdus     uint32
	done     func(Result, error)
	answer   func(h *pdu.Header, data []byte) // other requests than commands
	victim   func(c *call) bool               // whom a task management function ends
}

// Session is one logged in connection. All methods may be used concurrently.
type Session struct {
	config Config
	conn   net.Conn
	reader *pdu.Reader
	header pdu.Header // of the reading goroutine
	param  Parameters

	expStatSN atomic.Uint32

	mu       sync.Mutex // guards what follows and the order of writing
	out      writer
	calls    map[uint32]*call
	backlog  []*call // waiting for the window, in order
	reads    []*call // commands with data to come, in order
	lastTag  uint32
	cmdSN    uint32
	maxCmdSN uint32
	err      error

	transfers chan transfer
	done      chan struct{} // closed when the reader ends
	wg        sync.WaitGroup
}

// transfer is data that the target has asked for.
type transfer struct {
	tag, ttt     uint32
	lun          scsi.LUN
	data         []byte
	offset       int
	answerToPing *pdu.Header
}

// Dial connects and logs in. ctx bounds that only.
func Dial(ctx context.Context, config Config) (*Session, error) {
	config.setDefaults()
	ctx, cancel := context.WithTimeout(ctx, config.Timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", config.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	d := &dialogue{config: config, conn: conn, reader: pdu.NewReader(conn, 1<<16)}
	err = d.login()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return start(d), nil
}

func start(d *dialogue) *Session {
	s := &Session{
		config: d.config, conn: d.conn, reader: d.reader, param: d.param,
		out:   writer{conn: d.conn, headerDigest: d.param.HeaderDigest, dataDigest: d.param.DataDigest},
		calls: map[uint32]*call{}, cmdSN: d.window[0], maxCmdSN: d.window[1], lastTag: 1,
		transfers: make(chan transfer, 256), done: make(chan struct{}),
	}
	s.expStatSN.Store(d.statSN)
	s.reader.MaxData = d.config.MaxRecvDataSegmentLength
	s.reader.HeaderDigest, s.reader.DataDigest = d.param.HeaderDigest, d.param.DataDigest
	s.wg.Go(s.read)
	s.wg.Go(s.write)
	return s
}

// Parameters returns what the login agreed on.
func (s *Session) Parameters() Parameters { return s.param }

// Execute sends a command and waits for its end. When ctx ends first the command
// is aborted; Execute returns when the target has let go of it.
func (s *Session) Execute(ctx context.Context, command Command) (Result, error) {
	type ended struct {
		result Result
		err    error
	}
	end := make(chan ended, 1)
	c, err := s.submit(command, func(r Result, err error) { end <- ended{r, err} })
	if err != nil {
		return Result{}, err
	}
	select {
	case e := <-end:
		return e.result, e.err
	case <-ctx.Done():
	}
	s.abandon(c)
	e := <-end
	if e.err != nil {
		return e.result, ctx.Err()
	}
	return e.result, nil
}

// abortPatience is how long a target may take to abort a task before its
// session is given up.
const abortPatience = 15 * time.Second

func (s *Session) abandon(c *call) {
	ctx, cancel := context.WithTimeout(context.Background(), abortPatience)
	defer cancel()
	if _, err := s.manage(ctx, scsi.AbortTask, c.command.LUN, c.tag, c.sn); err != nil {
		s.fail(err)
	}
}

// Submit sends a command, or queues it until the target's window opens, and
// calls done when it has ended. Commands go out in the order of the calls. done
// runs on the reading goroutine: it must not wait for the session, but may
// Submit. An error means that done will not be called.
func (s *Session) Submit(command Command, done func(Result, error)) error {
	_, err := s.submit(command, done)
	return err
}

func (s *Session) submit(command Command, done func(Result, error)) (*call, error) {
	if len(command.CDB) > 16 || len(command.Out) > 0 && len(command.In) > 0 {
		return nil, errors.New("a command has at most 16 bytes and one direction")
	}
	c := &call{command: command, done: done}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	s.enter(c)
	if len(s.backlog) > 0 || !command.Immediate && pdu.Before(s.maxCmdSN, s.cmdSN) {
		s.backlog = append(s.backlog, c)
		return c, nil
	}
	return c, s.sendCommand(c)
}

// enter gives a request a tag; mu is held.
func (s *Session) enter(c *call) {
	for s.lastTag++; s.lastTag == pdu.ReservedTag || s.calls[s.lastTag] != nil; s.lastTag++ {
	}
	c.tag = s.lastTag
	s.calls[c.tag] = c
}

// sendCommand writes a SCSI Command with its immediate data; mu is held.
func (s *Session) sendCommand(c *call) error {
	k := &c.command
	attribute := k.Attribute
	if attribute == scsi.Untagged {
		attribute = scsi.Simple
	}
	h := s.out.header(pdu.SCSICommand, byte(attribute))
	immediate, early := 0, 0
	if len(k.Out) > 0 {
		h[1] |= pdu.FlagWrite
		h.SetTransferLength(uint32(len(k.Out)))
		immediate, early = s.early(k)
	}
	if len(k.In) > 0 {
		h[1] |= pdu.FlagRead
		h.SetTransferLength(uint32(len(k.In)))
		s.reads = append(s.reads, c)
	}
	if early <= immediate {
		h[1] |= pdu.FlagFinal
	}
	h.SetLUN(uint64(k.LUN))
	h.SetITT(c.tag)
	copy(h.CDB(), k.CDB)
	s.number(h, k.Immediate)
	c.sn, c.sent = h.CmdSN(), true
	if err := s.out.write(h, k.Out[:immediate]); err != nil {
		return s.broken(err)
	}
	if early > immediate {
		return s.sendData(transfer{tag: c.tag, ttt: pdu.ReservedTag, lun: k.LUN, data: k.Out[immediate:early], offset: immediate})
	}
	return nil
}

// number sets CmdSN and ExpStatSN; mu is held.
func (s *Session) number(h *pdu.Header, immediate bool) {
	h.SetCmdSN(s.cmdSN)
	h.SetExpStatSN(s.expStatSN.Load())
	if immediate {
		h.SetImmediate()
	} else {
		s.cmdSN++
	}
}

// sendData writes one sequence of Data-Out PDUs; mu is held.
func (s *Session) sendData(t transfer) error {
	for sn := uint32(0); len(t.data) > 0; sn++ {
		n := min(len(t.data), s.param.MaxSend)
		h := s.out.header(pdu.DataOut, 0)
		if n == len(t.data) {
			h[1] = pdu.FlagFinal
		}
		h.SetLUN(uint64(t.lun))
		h.SetITT(t.tag)
		h.SetTTT(t.ttt)
		h.SetExpStatSN(s.expStatSN.Load())
		h.SetDataSN(sn)
		h.SetBufferOffset(uint32(t.offset))
		if err := s.out.write(h, t.data[:n]); err != nil {
			return s.broken(err)
		}
		t.data, t.offset = t.data[n:], t.offset+n
	}
	return nil
}

// broken notes a write error; the reader ends the commands. mu is held.
func (s *Session) broken(err error) error {
	if s.err == nil {
		s.err = err
	}
	s.conn.Close()
	return nil
}

// request sends another kind of request, outside the command order, and waits
// for its answer.
func (s *Session) request(ctx context.Context, h *pdu.Header, data []byte) (answer pdu.Header, text []byte, err error) {
	return s.requestEnding(ctx, h, data, nil)
}

// requestEnding is request for a task management function: with its answer, the
// commands end that victim names.
func (s *Session) requestEnding(ctx context.Context, h *pdu.Header, data []byte, victim func(*call) bool) (answer pdu.Header, text []byte, err error) {
	type answered struct {
		h    pdu.Header
		data []byte
		err  error
	}
	end := make(chan answered, 1)
	c := &call{
		answer: func(h *pdu.Header, data []byte) { end <- answered{h: *h, data: data} },
		done:   func(_ Result, err error) { end <- answered{err: err} },
		victim: victim,
	}
	s.mu.Lock()
	if s.err != nil {
		err = s.err
	} else {
		s.enter(c)
		h.SetITT(c.tag)
		s.number(h, true)
		if failed := s.out.write(h, data); failed != nil {
			s.broken(failed)
		}
	}
	s.mu.Unlock()
	if err != nil {
		return answer, nil, err
	}
	select {
	case a := <-end:
		return a.h, a.data, a.err
	case <-ctx.Done():
		return answer, nil, ctx.Err()
	}
}

// Ping sends a NOP-Out with data and returns what came back.
func (s *Session) Ping(ctx context.Context, data []byte) ([]byte, error) {
	var h pdu.Header
	h.Reset(pdu.NopOut, pdu.FlagFinal)
	h.SetTTT(pdu.ReservedTag)
	_, echo, err := s.request(ctx, &h, data)
	return echo, err
}

// Manage performs a task management function on a logical unit. Use a context
// to abort one command (see Execute).
func (s *Session) Manage(ctx context.Context, f scsi.ManagementFunction, lun scsi.LUN) (scsi.ManagementResponse, error) {
	return s.manage(ctx, f, lun, pdu.ReservedTag, 0)
}

func (s *Session) manage(ctx context.Context, f scsi.ManagementFunction, lun scsi.LUN, tag, sn uint32) (scsi.ManagementResponse, error) {
	var h pdu.Header
	h.Reset(pdu.TaskRequest, pdu.FlagFinal|byte(f))
	h.SetLUN(uint64(lun))
	h.SetUint32(20, tag)
	h.SetUint32(32, sn)
	answer, _, err := s.requestEnding(ctx, &h, nil, func(c *call) bool {
		switch {
		case f == scsi.AbortTask:
			return c.tag == tag
		case !c.sent || !pdu.Before(c.sn, h.CmdSN()):
			return false
		}
		return c.command.LUN == lun || f == scsi.TargetWarmReset || f == scsi.TargetColdReset
	})
	if err != nil {
		return 0, err
	}
	return scsi.ManagementResponse(answer[2]), nil
}

// Text sends a text request and returns the answer, over as many PDUs as it takes.
func (s *Session) Text(ctx context.Context, pairs ...pdu.Pair) ([]pdu.Pair, error) {
	var data, text []byte
	for _, pair := range pairs {
		data = pdu.AppendPair(data, pair.Key, pair.Value)
	}
	tag := uint32(pdu.ReservedTag)
	for {
		var h pdu.Header
		h.Reset(pdu.TextRequest, pdu.FlagFinal)
		h.SetTTT(tag)
		answer, part, err := s.request(ctx, &h, data)
		if err != nil {
			return nil, err
		}
		text = append(text, part...)
		if answer.Final() {
			return pdu.ParseText(text)
		}
		if len(text) > 16<<20 {
			return nil, fmt.Errorf("%w: a text answer without end", ErrProtocol)
		}
		tag, data = answer.TTT(), nil
	}
}

// Logout ends the session as the protocol wants it and closes the connection.
func (s *Session) Logout(ctx context.Context) error {
	var h pdu.Header
	h.Reset(pdu.LogoutReq, pdu.FlagFinal)
	answer, _, err := s.request(ctx, &h, nil)
	if err == nil && answer[2] != 0 {
		err = fmt.Errorf("iSCSI logout: response %d", answer[2])
	}
	s.Close()
	return err
}

// Close drops the connection; commands under way end with ErrClosed. It returns
// when the session's goroutines have ended, so it must not be called by a
// command's callback.
func (s *Session) Close() error {
	s.fail(ErrClosed)
	s.wg.Wait()
	return nil
}

// Done is closed when the connection has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

func (s *Session) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.conn.Close()
}
