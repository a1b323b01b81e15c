package iscsi

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"virtualloader/driver/iscsi/pdu"
)

// login leads a connection to full feature phase (RFC 7143 clause 6, spec A.2).
type login struct {
	c         *conn
	negotiate negotiation
	auth      authentication
	started   bool // the first request has been understood
	declared  bool // our MaxRecvDataSegmentLength is out
	stage     int
	isid      pdu.ISID
	tsih      uint16
	initiator string
	target    *Target // nil in a discovery session
	request   pdu.Header
}

// loginError ends a login with a status.
type loginError struct {
	status pdu.LoginStatus
	who    string
	target string
}

func (e *loginError) Error() string {
	if e.who == "" {
		return "login refused: " + e.status.String()
	}
	return fmt.Sprintf("login of %s refused: %s", e.who, e.status)
}

func (l *login) refuse(status pdu.LoginStatus) error {
	refused := &loginError{status: status, who: l.initiator}
	if l.target != nil {
		refused.target = l.target.Name
	}
	return refused
}

// login runs the dialogue; when it returns nil the connection has a session.
func (c *conn) login() error {
	c.deadline.Store(c.server.clock.Load() + c.server.loginTimeout.Milliseconds())
	l := &login{c: c}
	l.negotiate.parameters = defaultParameters()
	for {
		pairs, err := l.receive()
		if err != nil {
			return err
		}
		done, err := l.answer(pairs)
		var refused *loginError
		if errors.As(err, &refused) {
			l.failed(refused.status)
		}
		if err != nil || done {
			return err
		}
	}
}

// receive reads one request, over as many PDUs as it takes.
func (l *login) receive() ([]pdu.Pair, error) {
	c, h := l.c, &l.request
	var text []byte
	for {
		if err := c.reader.Next(h, nil); err != nil {
			return nil, err
		}
		c.heard.Store(c.server.clock.Load())
		if h.Opcode() != pdu.LoginRequest {
			return nil, fmt.Errorf("%w: opcode %02Xh before the login", errProtocol, h.Opcode())
		}
		n := c.reader.Remaining()
		if len(text)+n > maxTextData {
			return nil, fmt.Errorf("%w: login text too long", errProtocol)
		}
		part := make([]byte, n)
		if err := c.reader.Payload(part); err != nil {
			return nil, err
		}
		text = append(text, part...)
		if !h.Has(pdu.FlagContinue) {
			break
		}
		if err := l.respond(0, nil, pdu.LoginSuccess); err != nil {
			return nil, err
		}
	}
	pairs, err := pdu.ParseText(text)
	if err != nil {
		l.failed(pdu.LoginInitiatorError)
		return nil, err
	}
	return pairs, nil
}

// answer acts on one request; done means full feature phase.
func (l *login) answer(pairs []pdu.Pair) (done bool, err error) {
	h := &l.request
	if !l.started {
		if pairs, err = l.begin(pairs); err != nil {
			return false, err
		}
	}
	if h.CurrentStage() != l.stage {
		return false, l.refuse(pdu.LoginInvalidRequest)
	}
	replies, err := l.replies(pairs)
	if err != nil {
		return false, err
	}
	next := h.NextStage()
	transit := h.Final() && !l.auth.pending()
	if transit {
		if next <= l.stage || next == 2 {
			return false, l.refuse(pdu.LoginInvalidRequest)
		}
		if !l.auth.satisfied() {
			return false, l.refuse(pdu.LoginAuthFailed)
		}
	}
	if l.stage == pdu.OperationalStage && !l.declared {
		l.declared = true
		replies = append(replies, pdu.Pair{Key: "MaxRecvDataSegmentLength", Value: strconv.Itoa(maxReceive)})
	}
	if transit && next == pdu.FullFeature {
		if err := l.finish(); err != nil {
			return false, err
		}
	}
	flags := byte(l.stage << 2)
	if transit {
		flags |= pdu.FlagFinal | byte(next)
		l.stage = next
	}
	if err := l.respond(flags, replies, pdu.LoginSuccess); err != nil {
		return false, err
	}
	return l.stage == pdu.FullFeature, nil
}

// begin reads what only the first request says and takes those keys away.
func (l *login) begin(pairs []pdu.Pair) (rest []pdu.Pair, err error) {
	c, h := l.c, &l.request
	c.expected.Store(h.CmdSN())
	c.maximum.Store(h.CmdSN() + commandWindow - 1)
	l.started, l.stage, l.isid, l.tsih, c.cid = true, h.CurrentStage(), h.ISID(), h.TSIH(), h.CID()
	if h[3] > 0 {
		return nil, l.refuse(pdu.LoginUnsupportedVersion)
	}
	if l.stage > pdu.OperationalStage {
		return nil, l.refuse(pdu.LoginInvalidRequest)
	}
	first := map[string]string{"SessionType": "Normal"}
	for _, pair := range pairs {
		switch pair.Key {
		case "InitiatorName", "SessionType", "TargetName":
			first[pair.Key] = pair.Value
		default:
			rest = append(rest, pair)
		}
	}
	l.initiator = first["InitiatorName"]
	if l.initiator == "" || len(l.initiator) > maxNameLength {
		return nil, l.refuse(pdu.LoginMissingParameter)
	}
	if err := l.choose(first["SessionType"], first["TargetName"]); err != nil {
		return nil, err
	}
	l.auth.minimum = c.server.minimumChap
	if l.stage == pdu.OperationalStage && l.auth.auth.required() {
		c.server.wrongSecret(c)
		return nil, l.refuse(pdu.LoginAuthFailed)
	}
	if l.tsih != 0 {
		return rest, l.rejoin()
	}
	return rest, nil
}

// maxNameLength of an iSCSI name in bytes (RFC 7143 4.2.7.2).
const maxNameLength = 223

// choose finds what the initiator wants to log in to.
func (l *login) choose(sessionType, name string) error {
	switch {
	case sessionType == "Discovery":
		l.negotiate.discovery = true
		l.auth.auth = l.c.server.discoveryAuth
		return nil
	case sessionType != "Normal":
		return l.refuse(pdu.LoginSessionType)
	case name == "":
		return l.refuse(pdu.LoginMissingParameter)
	}
	l.target = l.c.server.target(name)
	if l.target == nil {
		return l.refuse(pdu.LoginNotFound)
	}
	if !l.target.admits(l.initiator) {
		return l.refuse(pdu.LoginForbidden)
	}
	l.auth.auth = l.target.Auth
	return nil
}

// rejoin answers a login that names a session (spec A.2): with one connection
// per session it can only take the place of the one that is there.
func (l *login) rejoin() error {
	old := l.c.server.sessionByHandle(l.tsih)
	switch {
	case old == nil || old.key != l.key():
		return l.refuse(pdu.LoginNoSession)
	case old.conn.cid != l.c.cid:
		return l.refuse(pdu.LoginTooManyConnections)
	}
	return nil
}

func (l *login) key() sessionKey {
	key := sessionKey{initiator: l.initiator, isid: l.isid}
	if l.target != nil {
		key.target = l.target.Name
	}
	return key
}

// replies answers the keys of one request.
func (l *login) replies(pairs []pdu.Pair) (replies []pdu.Pair, err error) {
	if l.target != nil && !l.named() {
		replies = append(replies, pdu.Pair{Key: "TargetPortalGroupTag", Value: portalGroupTag})
		if l.target.Alias != "" {
			replies = append(replies, pdu.Pair{Key: "TargetAlias", Value: l.target.Alias})
		}
	}
	chap := map[string]string{}
	var operational []pdu.Pair
	for _, pair := range pairs {
		switch {
		case pair.Key == "AuthMethod" && l.stage == pdu.SecurityStage:
			method, status := l.auth.method(pair.Value)
			if status != pdu.LoginSuccess {
				return nil, l.refuse(status)
			}
			replies = append(replies, pdu.Pair{Key: pair.Key, Value: method})
		case strings.HasPrefix(pair.Key, "CHAP_") && l.stage == pdu.SecurityStage:
			chap[pair.Key] = pair.Value
		default:
			operational = append(operational, pair)
		}
	}
	if len(chap) > 0 {
		proof, err := l.chap(chap)
		if err != nil {
			return nil, err
		}
		replies = append(replies, proof...)
	}
	return append(replies, l.negotiate.answer(operational)...), nil
}

// named reports, from the second call on, that the portal group tag is out.
func (l *login) named() bool {
	was := l.negotiate.seen["TargetPortalGroupTag"]
	if l.negotiate.seen == nil {
		l.negotiate.seen = map[string]bool{}
	}
	l.negotiate.seen["TargetPortalGroupTag"] = true
	return was
}

func (l *login) chap(keys map[string]string) ([]pdu.Pair, error) {
	proof, status := l.auth.step(keys)
	if status == pdu.LoginAuthFailed {
		l.c.server.wrongSecret(l.c)
	}
	if status != pdu.LoginSuccess {
		return nil, l.refuse(status)
	}
	if l.auth.done {
		l.c.server.failures.passed(host(l.c.netConn))
	}
	return proof, nil
}

// wrongSecret makes the answer to a repeated failure wait.
func (s *Server) wrongSecret(c *conn) {
	delay := s.failures.failed(host(c.netConn), time.Now())
	if delay == 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.done:
	}
}

func host(c net.Conn) string {
	address := c.RemoteAddr().String()
	if name, _, err := net.SplitHostPort(address); err == nil {
		return name
	}
	return address
}

// finish makes the session, ending one that the same initiator port had.
func (l *login) finish() error {
	c := l.c
	c.parameters = l.negotiate.parameters
	c.maxSend.Store(int64(c.parameters.maxSend))
	c.firstBurst = min(c.firstBurst, c.maxBurst)
	s, status := c.server.openSession(c, l.key(), l.target)
	if status != pdu.LoginSuccess {
		return l.refuse(status)
	}
	l.tsih = s.handle
	return nil
}

func (l *login) failed(status pdu.LoginStatus) {
	l.c.hangUp()
	l.respond(byte(l.stage<<2), nil, status)
}

// respond sends a Login Response. With the last one the digests begin.
func (l *login) respond(flags byte, pairs []pdu.Pair, status pdu.LoginStatus) error {
	var r pdu.Header
	r.Reset(pdu.LoginResponse, flags)
	r.SetSession(l.request.ISID(), l.tsih)
	r.SetITT(l.request.ITT())
	r.SetLoginStatus(status)
	var data []byte
	for _, pair := range pairs {
		data = pdu.AppendPair(data, pair.Key, pair.Value)
	}
	c := l.c
	err := c.sendStatus(&r, data)
	if err != nil || flags&pdu.FlagFinal == 0 || flags&3 != pdu.FullFeature {
		return err
	}
	c.reader.MaxData = maxReceive
	c.reader.HeaderDigest, c.reader.DataDigest = c.headerDigest, c.dataDigest
	c.out.mu.Lock()
	c.out.headerDigest, c.out.dataDigest = c.headerDigest, c.dataDigest
	c.out.mu.Unlock()
	c.deadline.Store(0)
	return nil
}
