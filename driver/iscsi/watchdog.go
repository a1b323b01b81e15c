package iscsi

import (
	"errors"
	"syscall"
	"time"
)

// The watchdog looks at every connection this often. A loop that has been inside
// one command for busyLimit loses its role, so that NOP-Out, task management and
// logout are answered within about a tenth of a second whatever a command does.
const (
	watchInterval = 25 * time.Millisecond
	busyLimit     = 50 // milliseconds

	partialLimit = 30_000 // milliseconds for one PDU to arrive completely
	writeLimit   = 60_000 // milliseconds for one write to the socket
)

// watch runs while there are connections. It is also the server's clock.
func (s *Server) watch() {
	start, base := time.Now(), s.clock.Load()
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	var conns []*conn
	for range ticker.C {
		now := base + time.Since(start).Milliseconds()
		s.clock.Store(now)
		s.mu.Lock()
		if len(s.conns) == 0 {
			s.watching = false
			s.mu.Unlock()
			return
		}
		conns = conns[:0]
		for c := range s.conns {
			conns = append(conns, c)
		}
		s.mu.Unlock()
		for _, c := range conns {
			c.watch(now)
		}
	}
}

// watch is one look at one connection. It never blocks.
func (c *conn) watch(now int64) {
	if n := c.role.take(now - busyLimit); n != 0 {
		c.server.spawn(func() { c.loop(n) })
	}
	if since := c.out.blockedSince.Load(); since != 0 && now-since > writeLimit {
		c.fail(errStalled)
	}
	if since := c.midPDU.Load(); since != 0 && now-since > partialLimit && !c.role.unattended() {
		c.fail(errStalled)
	}
	if deadline := c.deadline.Load(); deadline != 0 && now > deadline {
		c.fail(errLoginTime)
	}
	c.watchSilence(now)
}

// watchSilence asks a silent peer for a sign of life and drops one that gives
// none, but never while nobody looks at the socket.
func (c *conn) watchSilence(now int64) {
	if c.deadline.Load() != 0 || c.role.unattended() {
		return
	}
	silent := now - c.heard.Load()
	switch pinged := c.pinged.Load(); {
	case pinged == 0 && silent > c.server.silence.Milliseconds():
		c.pinged.Store(now)
		c.server.spawn(c.ping)
	case pinged != 0 && now-pinged > c.server.silenceLimit.Milliseconds():
		c.fail(errSilent)
	}
}

// isShortage reports errors of accept that pass: a shortage, or a peer that went
// away too quickly.
func isShortage(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}
