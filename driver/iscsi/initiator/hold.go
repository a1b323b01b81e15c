package initiator

import (
	"sync"

	"virtualloader/driver/iscsi/pdu"
)

// Hold keeps the data of one command back until somebody lets it go, which a
// test does to see what goes on meanwhile.
type Hold struct {
	asked, free  chan struct{}
	askOnce, let sync.Once
}

// NewHold returns a Hold for one command.
func NewHold() *Hold { return &Hold{asked: make(chan struct{}), free: make(chan struct{})} }

// Asked is closed when the target has asked for data: the command has its turn.
func (h *Hold) Asked() <-chan struct{} { return h.asked }

// Release lets the data go, as far as the target asks for it.
func (h *Hold) Release() { h.let.Do(func() { close(h.free) }) }

// holdBack sends what an R2T asks for once the command's Hold is released,
// unless the command or the session has ended by then.
func (s *Session) holdBack(c *call, t transfer) {
	hold := c.command.Hold
	hold.askOnce.Do(func() { close(hold.asked) })
	s.wg.Go(func() {
		select {
		case <-hold.free:
		case <-s.done:
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err == nil && s.calls[c.tag] == c {
			s.sendData(t)
		}
	})
}

// early is how much of a command's data goes out before the target asks: in the
// command's own PDU, and with unsolicited PDUs after it.
func (s *Session) early(k *Command) (immediate, unsolicited int) {
	if k.Hold != nil {
		return 0, 0
	}
	if s.param.ImmediateData {
		immediate = min(len(k.Out), s.param.FirstBurstLength, s.param.MaxSend)
	}
	if !s.param.InitialR2T {
		unsolicited = min(len(k.Out), s.param.FirstBurstLength)
	}
	return immediate, unsolicited
}

// solicited sends what an R2T asks for.
func (s *Session) solicited(c *call, h *pdu.Header, from, n int) {
	t := transfer{tag: c.tag, ttt: h.TTT(), lun: c.command.LUN, data: c.command.Out[from : from+n], offset: from}
	if c.command.Hold != nil {
		s.holdBack(c, t)
		return
	}
	s.transfers <- t
}
