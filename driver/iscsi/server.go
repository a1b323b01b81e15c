package iscsi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// Device is what stands behind a target: its logical units. All methods may be
// called by several goroutines at once.
type Device interface {
	// Login announces an I_T nexus before its first command.
	Login(n scsi.Nexus)
	// Logout ends a nexus as its initiator asked: its tasks are aborted, no
	// unit attention follows. It returns when they have stopped.
	Logout(n scsi.Nexus)
	// Lost ends a nexus whose connection is gone: its tasks are aborted and the
	// I_T nexus loss is taken note of. It returns when they have stopped.
	Lost(n scsi.Nexus)
	// Submit queues a task. It never blocks. A function that it returns executes
	// queued tasks; the caller must call it exactly once, here or in a goroutine.
	// Once Done has been called for a task, Abort must not be.
	Submit(t *scsi.Task) (run func())
	// Manage performs a task management function and returns when the affected
	// tasks have stopped.
	Manage(n scsi.Nexus, f scsi.ManagementFunction, lun scsi.LUN, tag uint32) scsi.ManagementResponse
}

// Target is one iSCSI target node.
type Target struct {
	Name   string // iqn, eui or naa name, at most 223 bytes
	Alias  string // shown to people; may be empty
	Device Device
	Auth   Auth

	// Initiators that may log in; empty means every one.
	Initiators []string
}

func (t *Target) admits(initiator string) bool {
	return len(t.Initiators) == 0 || slices.Contains(t.Initiators, initiator)
}

// Limits bound what peers can make a server hold (spec A.9). Zero fields take
// the default.
type Limits struct {
	Connections       int // at once, 64
	Strangers         int // of them not logged in, 8
	SessionsPerTarget int // 16
}

// Config is how a server behaves. The zero value is usable.
type Config struct {
	// Log gets connection events only; nil discards them.
	Log    *slog.Logger
	Limits Limits

	// Refused hears of every login that was refused, on the connection's
	// goroutine; nil logs it.
	Refused func(Refusal)

	// DiscoveryAuth is asked of discovery sessions; zero asks for nothing.
	DiscoveryAuth Auth

	// MinimumChap refuses weaker hashes than this one; 0 allows all.
	MinimumChap pdu.ChapAlgorithm

	// LoginTimeout bounds a login, default 15 s. Silence is how long a
	// connection may say nothing before it is asked for a sign of life, default
	// 15 s, and SilenceLimit how much longer before it is dropped, default 30 s.
	LoginTimeout, Silence, SilenceLimit time.Duration
}

// Refusal is a login that was refused.
type Refusal struct {
	Initiator, Address string
	Target             string // iSCSI name; empty: a discovery session, or none of ours
	Status             pdu.LoginStatus
}

// Server is an iSCSI target server. Safe for concurrent use.
type Server struct {
	log                   *slog.Logger
	limits                Limits
	discoveryAuth         Auth
	minimumChap           pdu.ChapAlgorithm
	refused               func(Refusal)
	loginTimeout          time.Duration
	silence, silenceLimit time.Duration

	buffers  pool
	failures failures
	clock    atomic.Int64 // milliseconds, moved by the watchdog

	mu         sync.Mutex
	closed     bool
	targets    map[string]*Target
	sessions   map[uint16]*session
	lastHandle uint16
	conns      map[*conn]bool
	strangers  map[*conn]bool
	listeners  map[net.Listener]bool
	watching   bool

	wg sync.WaitGroup
}

// Errors of a Server.
var (
	// ErrClosed is what Serve and Add return after Shutdown.
	ErrClosed = errors.New("iSCSI server is shut down")
	// ErrStuck is what Shutdown returns when a command does not end.
	ErrStuck = errors.New("a command does not end")
	// ErrExists means that a target of that name is being served.
	ErrExists = errors.New("target exists")
	// ErrNotExist means that no target of that name is being served.
	ErrNotExist = errors.New("no such target")
	// ErrName means that a target name is not an iSCSI name.
	ErrName = errors.New("not an iSCSI name: use iqn., eui. or naa. and at most 223 characters")
	// ErrSecret means that an Auth cannot work: a name without a secret, or the
	// same secret for both directions.
	ErrSecret = errors.New("CHAP needs a secret, and a different one for the other direction")
)

// NewServer makes a server without targets.
func NewServer(config Config) *Server {
	s := &Server{
		log: config.Log, limits: config.Limits, discoveryAuth: config.DiscoveryAuth, minimumChap: config.MinimumChap,
		loginTimeout: orDefault(config.LoginTimeout, 15*time.Second),
		silence:      orDefault(config.Silence, 15*time.Second),
		silenceLimit: orDefault(config.SilenceLimit, 30*time.Second),
		targets:      map[string]*Target{}, sessions: map[uint16]*session{},
		conns: map[*conn]bool{}, strangers: map[*conn]bool{}, listeners: map[net.Listener]bool{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.refused = config.Refused; s.refused == nil {
		s.refused = func(r Refusal) {
			s.log.Warn("iSCSI login refused", "address", r.Address, "initiator", r.Initiator, "target", r.Target, "status", r.Status.String())
		}
	}
	s.limits.Connections = orDefault(s.limits.Connections, 64)
	s.limits.Strangers = orDefault(s.limits.Strangers, 8)
	s.limits.SessionsPerTarget = orDefault(s.limits.SessionsPerTarget, 16)
	s.clock.Store(1)
	return s
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// Add begins to serve a target.
func (s *Server) Add(t Target) error {
	switch {
	case !isName(t.Name):
		return fmt.Errorf("add target %q: %w", t.Name, ErrName)
	case t.Auth.Name != "" && t.Auth.Secret == "", t.Auth.MutualSecret != "" && t.Auth.MutualSecret == t.Auth.Secret:
		return fmt.Errorf("add target %s: %w", t.Name, ErrSecret)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.targets[t.Name] != nil {
		return fmt.Errorf("add target %s: %w", t.Name, ErrExists)
	}
	s.targets[t.Name] = &t
	return nil
}

func isName(name string) bool {
	if len(name) > maxNameLength || strings.ContainsAny(name, " \t\x00,") {
		return false
	}
	for _, prefix := range []string{"iqn.", "eui.", "naa."} {
		if strings.HasPrefix(name, prefix) && len(name) > len(prefix) {
			return true
		}
	}
	return false
}

// Remove stops serving a target and drops its sessions; it returns when the
// device has been told of each of them.
func (s *Server) Remove(name string) error {
	s.mu.Lock()
	t := s.targets[name]
	delete(s.targets, name)
	s.mu.Unlock()
	if t == nil {
		return fmt.Errorf("remove target %s: %w", name, ErrNotExist)
	}
	for _, n := range s.dropSessions(t, errRemoved) {
		<-n.gone
	}
	return nil
}

// dropSessions ends the connections of a target's sessions.
func (s *Server) dropSessions(t *Target, cause error) (dropped []*session) {
	s.mu.Lock()
	for _, n := range s.sessions {
		if n.target == t {
			dropped = append(dropped, n)
		}
	}
	s.mu.Unlock()
	for _, n := range dropped {
		n.conn.fail(cause)
	}
	return dropped
}

func (s *Server) target(name string) *Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.targets[name]
}

func (s *Server) sessionByHandle(handle uint16) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[handle]
}

// visibleTargets are those an initiator may log in to, by name.
func (s *Server) visibleTargets(initiator string) (visible []*Target) {
	s.mu.Lock()
	for _, t := range s.targets {
		if t.admits(initiator) {
			visible = append(visible, t)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(visible, func(a, b *Target) int { return strings.Compare(a.Name, b.Name) })
	return visible
}

// SessionInfo is what a person may want to know of a session.
type SessionInfo struct {
	Initiator, Address, Target string // Target is "" in a discovery session
	Since                      time.Time
	BytesIn, BytesOut          int64 // SCSI data from and to the initiator, ended commands only
	HeaderDigest, DataDigest   bool
}

// Sessions lists the live sessions, oldest first. It never waits for a device.
func (s *Server) Sessions() []SessionInfo {
	s.mu.Lock()
	infos := make([]SessionInfo, 0, len(s.sessions))
	for _, n := range s.sessions {
		c := n.conn
		infos = append(infos, SessionInfo{
			Initiator: n.initiator, Address: c.netConn.RemoteAddr().String(), Target: n.key.target, Since: n.since,
			BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
			HeaderDigest: c.headerDigest, DataDigest: c.dataDigest,
		})
	}
	s.mu.Unlock()
	slices.SortFunc(infos, func(a, b SessionInfo) int { return a.Since.Compare(b.Since) })
	return infos
}

// Serve accepts connections until the listener fails or Shutdown is called,
// which makes it return ErrClosed. It closes the listener. Several listeners may
// be served at once.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.listeners[l] = true
	s.mu.Unlock()
	for {
		netConn, err := l.Accept()
		switch {
		case err == nil:
			s.accept(netConn)
		case isShortage(err):
			s.log.Warn("iSCSI accept failed, trying again", "error", err)
			time.Sleep(50 * time.Millisecond)
		default:
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.listeners, l)
			if s.closed {
				return ErrClosed
			}
			return fmt.Errorf("iSCSI portal %s: %w", l.Addr(), err)
		}
	}
}

// Socket buffers in bytes. The one for sending is smaller: more data under way
// than the processor's cache holds makes deep queues of reads slower.
const (
	receiveBuffer = 1 << 20
	sendBuffer    = 512 << 10
)

func (s *Server) accept(netConn net.Conn) {
	if tcp, ok := netConn.(*net.TCPConn); ok {
		tcp.SetNoDelay(true)
		tcp.SetReadBuffer(receiveBuffer)
		tcp.SetWriteBuffer(sendBuffer)
	}
	c := s.newConn(netConn)
	s.mu.Lock()
	if s.closed || len(s.conns) >= s.limits.Connections || len(s.strangers) >= s.limits.Strangers {
		s.mu.Unlock()
		netConn.Close()
		return
	}
	s.conns[c], s.strangers[c] = true, true
	if !s.watching {
		s.watching = true
		s.wg.Go(s.watch)
	}
	s.wg.Go(func() { s.serveConn(c) })
	s.mu.Unlock()
}

func (s *Server) serveConn(c *conn) {
	c.run()
	var refused *loginError
	if c.session == nil && errors.As(c.cause, &refused) {
		s.refused(Refusal{Initiator: refused.who, Address: c.netConn.RemoteAddr().String(), Target: refused.target, Status: refused.status})
	}
	s.mu.Lock()
	delete(s.conns, c)
	delete(s.strangers, c)
	last := len(s.conns) == 0
	s.mu.Unlock()
	if last {
		s.buffers.drop()
	}
}

// spawn runs f in a goroutine that Shutdown waits for. Its caller is such a
// goroutine itself.
func (s *Server) spawn(f func()) { s.wg.Go(f) }

// logoutSeconds is how long Shutdown lets initiators log out by themselves.
const logoutSeconds = 3

// stuckSeconds is how long Shutdown waits for goroutines once every connection
// is dropped.
const stuckSeconds = 10

// Shutdown stops accepting, asks the initiators to log out, drops those that
// have not after 3 s or when ctx ends, and waits for every goroutine of the
// server. ErrStuck means that a command did not end, for instance because the
// file system under it hangs; its goroutine is left behind.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
	var conns []*conn
	asked := false
	for c := range s.conns {
		conns = append(conns, c)
	}
	for _, n := range s.sessions {
		asked = true
		s.wg.Go(n.conn.requestLogout)
	}
	s.mu.Unlock()
	if asked {
		awaitAll(ctx, conns, logoutSeconds*time.Second)
	}
	for _, c := range conns {
		c.fail(errShutdown)
	}
	finished := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-time.After(stuckSeconds * time.Second):
		return ErrStuck
	}
	s.buffers.drop()
	return nil
}

// awaitAll waits until all connections have ended, the time is over or ctx ends.
func awaitAll(ctx context.Context, conns []*conn, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, c := range conns {
		select {
		case <-c.done:
		case <-ctx.Done():
			return
		}
	}
}

// requestLogout sends an Async Message that asks for a logout.
func (c *conn) requestLogout() {
	var h pdu.Header
	h.Reset(pdu.Async, pdu.FlagFinal)
	h.SetITT(pdu.ReservedTag)
	h[36] = byte(pdu.AsyncRequestLogout)
	scsi16(h[42:], logoutSeconds) // parameter 3
	c.sendStatus(&h, nil)
}
