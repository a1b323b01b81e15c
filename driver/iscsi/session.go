package iscsi

import (
	"fmt"
	"sync"
	"time"

	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// sessionKey says which logins mean the same I_T nexus. target is "" in a
// discovery session.
type sessionKey struct {
	target, initiator string
	isid              pdu.ISID
}

// session is what a login has made. It ends exactly once, by leave or by end.
type session struct {
	key       sessionKey
	handle    uint16 // TSIH
	conn      *conn
	target    *Target // nil in a discovery session
	device    Device
	nexus     scsi.Nexus
	initiator string
	discovery bool
	since     time.Time

	once sync.Once
	gone chan struct{} // closed when the device has been told that it ended
}

// openSession enters a session for a finished login. A live one of the same key
// is ended first (session reinstatement, spec A.2).
func (s *Server) openSession(c *conn, key sessionKey, target *Target) (*session, pdu.LoginStatus) {
	n := &session{key: key, conn: c, target: target, initiator: key.initiator, since: time.Now(), gone: make(chan struct{})}
	n.nexus = scsi.Nexus(fmt.Sprintf("%s,i,0x%x", key.initiator, key.isid))
	n.discovery = target == nil
	if target != nil {
		n.device = target.Device
	}
	for {
		old, status := s.enter(n)
		if status != pdu.LoginSuccess {
			return nil, status
		}
		if old == nil {
			break
		}
		old.conn.fail(errReplaced)
		select {
		case <-old.gone:
		case <-c.done:
			return nil, pdu.LoginUnavailable
		}
	}
	c.session = n
	if n.device != nil {
		n.device.Login(n.nexus)
	}
	s.log.Info("iSCSI login", "initiator", n.initiator, "target", key.target, "address", c.netConn.RemoteAddr().String(),
		"discovery", n.discovery, "digests", n.digests())
	return n, pdu.LoginSuccess
}

// enter puts the session into the books, or returns the one in its place.
func (s *Server) enter(n *session) (old *session, status pdu.LoginStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, pdu.LoginUnavailable
	}
	if n.target != nil && s.targets[n.target.Name] != n.target {
		return nil, pdu.LoginNotFound
	}
	count := 0
	for _, other := range s.sessions {
		if other.key == n.key && !n.discovery {
			return other, pdu.LoginSuccess
		}
		if other.key.target == n.key.target {
			count++
		}
	}
	if count >= s.limits.SessionsPerTarget && !n.discovery {
		return nil, pdu.LoginOutOfResources
	}
	for s.lastHandle++; s.lastHandle == 0 || s.sessions[s.lastHandle] != nil; s.lastHandle++ {
	}
	n.handle = s.lastHandle
	s.sessions[n.handle] = n
	delete(s.strangers, n.conn)
	return nil, pdu.LoginSuccess
}

// leave ends the session as the initiator asked.
func (n *session) leave(c *conn) { n.finish(c, Device.Logout, "iSCSI logout") }

// end ends the session because its connection did, unless it ended before.
func (n *session) end(c *conn) { n.finish(c, Device.Lost, "iSCSI session lost") }

func (n *session) finish(c *conn, tell func(Device, scsi.Nexus), message string) {
	n.once.Do(func() {
		c.settle()
		if n.device != nil {
			tell(n.device, n.nexus)
		}
		s := c.server
		s.mu.Lock()
		delete(s.sessions, n.handle)
		s.mu.Unlock()
		close(n.gone)
		attributes := []any{"initiator", n.initiator, "target", n.key.target}
		c.mu.Lock()
		if c.cause != nil {
			attributes = append(attributes, "cause", c.cause)
		}
		c.mu.Unlock()
		s.log.Info(message, attributes...)
	})
}

func (n *session) digests() string {
	switch c := n.conn; {
	case c.headerDigest && c.dataDigest:
		return "header, data"
	case c.headerDigest:
		return "header"
	case c.dataDigest:
		return "data"
	}
	return "none"
}
