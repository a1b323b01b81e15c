package iscsi

import (
	"net"
	"strconv"

	"virtualloader/driver/iscsi/pdu"
)

// portalGroupTag of the only portal group.
const portalGroupTag = "1"

// textRequest answers SendTargets and the few keys that may change in full
// feature phase (RFC 7143 11.10, appendix C). A long answer leaves in pages, one
// per request.
func (c *conn) textRequest(h *pdu.Header) (func(), error) {
	if h.TTT() == pdu.ReservedTag {
		c.text, c.pages = nil, nil
	}
	data := make([]byte, c.reader.Remaining())
	if len(c.text)+len(data) > maxTextData {
		return nil, c.violation(h, pdu.RejectInvalidField, "a text request that is too long")
	}
	if err := c.reader.Payload(data); err != nil {
		return nil, err
	}
	c.text = append(c.text, data...)
	if h.Has(pdu.FlagContinue) {
		return nil, c.sendText(h, nil, 0)
	}
	if len(c.pages) == 0 {
		pairs, err := pdu.ParseText(c.text)
		if err != nil {
			return nil, c.violation(h, pdu.RejectProtocol, err.Error())
		}
		c.pages = c.paginate(c.textAnswer(pairs))
	}
	c.text = nil
	page := c.pages[0]
	c.pages = c.pages[1:]
	switch {
	case len(c.pages) > 0:
		return nil, c.sendText(h, page, pdu.FlagContinue)
	case !h.Final():
		return nil, c.sendText(h, page, 0)
	}
	return nil, c.sendText(h, page, pdu.FlagFinal)
}

// paginate cuts an answer into data segments, at least one.
func (c *conn) paginate(data []byte) (pages [][]byte) {
	limit := min(maxLoginData, int(c.maxSend.Load()))
	for len(data) > limit {
		pages, data = append(pages, data[:limit]), data[limit:]
	}
	return append(pages, data)
}

func (c *conn) sendText(request *pdu.Header, data []byte, flags byte) error {
	var r pdu.Header
	r.Reset(pdu.TextResponse, flags)
	r.SetITT(request.ITT())
	if flags&pdu.FlagFinal != 0 {
		r.SetTTT(pdu.ReservedTag)
	} else {
		r.SetTTT(c.textTag)
		c.textTag = (c.textTag + 1) & 0x7fffffff
	}
	return c.sendStatus(&r, data)
}

func (c *conn) textAnswer(pairs []pdu.Pair) (answer []byte) {
	for _, pair := range pairs {
		rule, known := keyRules[pair.Key]
		switch {
		case pair.Key == "SendTargets":
			answer = c.sendTargets(answer, pair.Value)
		case !known:
			answer = pdu.AppendPair(answer, pair.Key, answerNotUnderstood)
		case !rule.anyTime:
			answer = pdu.AppendPair(answer, pair.Key, answerReject)
		default:
			p := c.parameters
			p.maxSend = int(c.maxSend.Load())
			if reply := rule.answer(&p, pair.Value); reply != "" {
				answer = pdu.AppendPair(answer, pair.Key, reply)
			}
			c.maxSend.Store(int64(p.maxSend))
		}
	}
	return answer
}

// sendTargets lists what the initiator may log in to: everything in a discovery
// session, its own target in any other.
func (c *conn) sendTargets(answer []byte, which string) []byte {
	if which == "" && c.session.discovery || which == "All" && !c.session.discovery {
		return pdu.AppendPair(answer, "SendTargets", answerReject)
	}
	address := portal(c.netConn.LocalAddr())
	for _, t := range c.server.visibleTargets(c.session.initiator) {
		own := c.session.target != nil && c.session.target.Name == t.Name
		if !c.session.discovery && !own || which != "" && which != "All" && which != t.Name {
			continue
		}
		answer = pdu.AppendPair(answer, "TargetName", t.Name)
		answer = pdu.AppendPair(answer, "TargetAddress", address)
	}
	return answer
}

// portal is the address of this connection as TargetAddress says it.
func portal(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return net.JoinHostPort(tcp.IP.String(), strconv.Itoa(tcp.Port)) + "," + portalGroupTag
	}
	return a.String() + "," + portalGroupTag
}
