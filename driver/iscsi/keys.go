package iscsi

import (
	"slices"
	"strconv"
	"strings"

	"virtualloader/driver/iscsi/pdu"
)

// Limits that the target declares or negotiates down to (spec A.3), in bytes.
const (
	maxReceive    = 1 << 20  // MaxRecvDataSegmentLength of Data-Out, immediate data and text
	maxFirstBurst = 1 << 20  // unsolicited data of one command
	maxMaxBurst   = 16776192 // data of one R2T or one Data-In sequence
	maxLoginData  = 8192     // data segment of a login PDU, either way
	maxTextData   = 64 << 10 // one request spread over several PDUs
)

// Values with a meaning of their own in an answer (RFC 7143 6.2).
const (
	answerReject        = "Reject"
	answerIrrelevant    = "Irrelevant"
	answerNotUnderstood = "NotUnderstood"
)

// parameters are what a session has agreed on; the zero of RFC 7143's defaults
// is defaultParameters.
type parameters struct {
	headerDigest, dataDigest  bool
	initialR2T, immediateData bool
	firstBurst, maxBurst      int // bytes
	maxSend                   int // bytes, the initiator's MaxRecvDataSegmentLength
}

func defaultParameters() parameters {
	return parameters{initialR2T: true, immediateData: true, firstBurst: 64 << 10, maxBurst: 256 << 10, maxSend: 8192}
}

// keyRule says how one operational key is answered: "" means no answer.
type keyRule struct {
	answer    func(p *parameters, value string) string
	discovery bool // has a meaning in a discovery session
	anyTime   bool // may come again in full feature phase
}

// keyRules is the table of spec A.3.
var keyRules = map[string]keyRule{
	"HeaderDigest":             {answer: digest(func(p *parameters) *bool { return &p.headerDigest }), discovery: true},
	"DataDigest":               {answer: digest(func(p *parameters) *bool { return &p.dataDigest }), discovery: true},
	"MaxRecvDataSegmentLength": {answer: declared(512, 1<<24-1, func(p *parameters, n int) { p.maxSend = n }), discovery: true, anyTime: true},
	"ImmediateData":            {answer: and(true, func(p *parameters) *bool { return &p.immediateData })},
	"InitialR2T":               {answer: or(false, func(p *parameters) *bool { return &p.initialR2T })},
	"FirstBurstLength": {answer: func(p *parameters, value string) string {
		limit := min(maxFirstBurst, p.maxBurst)
		return minimum(512, 1<<24-1, limit, func(p *parameters, n int) { p.firstBurst = n })(p, value)
	}},
	"MaxBurstLength":      {answer: minimum(512, 1<<24-1, maxMaxBurst, func(p *parameters, n int) { p.maxBurst = n })},
	"MaxOutstandingR2T":   {answer: minimum(1, 65535, 1, nil)},
	"MaxConnections":      {answer: minimum(1, 65535, 1, nil)},
	"ErrorRecoveryLevel":  {answer: minimum(0, 2, 0, nil), discovery: true},
	"DefaultTime2Wait":    {answer: maximum(0, 3600, 2), discovery: true},
	"DefaultTime2Retain":  {answer: minimum(0, 3600, 0, nil), discovery: true},
	"DataPDUInOrder":      {answer: or(true, nil)},
	"DataSequenceInOrder": {answer: or(true, nil)},
	"IFMarker":            {answer: and(false, nil), discovery: true},
	"OFMarker":            {answer: and(false, nil), discovery: true},
	"IFMarkInt":           {answer: constant(answerIrrelevant), discovery: true},
	"OFMarkInt":           {answer: constant(answerIrrelevant), discovery: true},
	"iSCSIProtocolLevel":  {answer: minimum(0, 31, 1, nil), discovery: true},
	"TaskReporting":       {answer: oneOf("RFC3720")},
	"InitiatorAlias":      {answer: constant(""), discovery: true},
}

func constant(answer string) func(*parameters, string) string {
	return func(*parameters, string) string { return answer }
}

func digest(field func(*parameters) *bool) func(*parameters, string) string {
	return func(p *parameters, value string) string {
		for _, offer := range strings.Split(value, ",") {
			if offer == "None" || offer == "CRC32C" {
				*field(p) = offer == "CRC32C"
				return offer
			}
		}
		return answerReject
	}
}

func oneOf(ours string) func(*parameters, string) string {
	return func(_ *parameters, value string) string {
		if slices.Contains(strings.Split(value, ","), ours) {
			return ours
		}
		return answerReject
	}
}

func boolean(result func(offer bool) bool, field func(*parameters) *bool) func(*parameters, string) string {
	return func(p *parameters, value string) string {
		if value != "Yes" && value != "No" {
			return answerReject
		}
		agreed := result(value == "Yes")
		if field != nil {
			*field(p) = agreed
		}
		if agreed {
			return "Yes"
		}
		return "No"
	}
}

func and(ours bool, field func(*parameters) *bool) func(*parameters, string) string {
	return boolean(func(offer bool) bool { return offer && ours }, field)
}

func or(ours bool, field func(*parameters) *bool) func(*parameters, string) string {
	return boolean(func(offer bool) bool { return offer || ours }, field)
}

func number(low, high int, result func(p *parameters, offer int) string) func(*parameters, string) string {
	return func(p *parameters, value string) string {
		n, ok := parseNumber(value)
		if !ok || n < low || n > high {
			return answerReject
		}
		return result(p, n)
	}
}

func minimum(low, high, ours int, set func(*parameters, int)) func(*parameters, string) string {
	return number(low, high, func(p *parameters, offer int) string {
		agreed := min(offer, ours)
		if set != nil {
			set(p, agreed)
		}
		return strconv.Itoa(agreed)
	})
}

func maximum(low, high, ours int) func(*parameters, string) string {
	return number(low, high, func(_ *parameters, offer int) string { return strconv.Itoa(max(offer, ours)) })
}

func declared(low, high int, set func(*parameters, int)) func(*parameters, string) string {
	return number(low, high, func(p *parameters, offer int) string {
		set(p, offer)
		return ""
	})
}

// parseNumber decodes a decimal or 0x constant (RFC 7143 6.1).
func parseNumber(s string) (int, bool) {
	base := 10
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		s, base = s[2:], 16
	}
	n, err := strconv.ParseUint(s, base, 32)
	return int(n), err == nil
}

// negotiation answers the operational keys of one login.
type negotiation struct {
	parameters
	discovery bool
	seen      map[string]bool
}

// answer returns the replies to a request's keys, in order, but FirstBurstLength
// last since MaxBurstLength limits it.
func (n *negotiation) answer(pairs []pdu.Pair) (replies []pdu.Pair) {
	pairs = slices.Clone(pairs)
	slices.SortStableFunc(pairs, func(a, b pdu.Pair) int { return firstBurstLast(a) - firstBurstLast(b) })
	for _, pair := range pairs {
		if reply := n.one(pair.Key, pair.Value); reply != "" {
			replies = append(replies, pdu.Pair{Key: pair.Key, Value: reply})
		}
	}
	return replies
}

func firstBurstLast(p pdu.Pair) int {
	if p.Key == "FirstBurstLength" {
		return 1
	}
	return 0
}

func (n *negotiation) one(key, value string) string {
	rule, known := keyRules[key]
	switch {
	case !known:
		return answerNotUnderstood
	case n.seen[key]:
		return answerReject
	}
	if n.seen == nil {
		n.seen = map[string]bool{}
	}
	n.seen[key] = true
	if n.discovery && !rule.discovery {
		return answerIrrelevant
	}
	return rule.answer(&n.parameters, value)
}
