package initiator

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"strconv"
	"strings"

	"virtualloader/driver/iscsi/pdu"
)

// dialogue is the login of one session.
type dialogue struct {
	config Config
	conn   net.Conn
	reader *pdu.Reader
	param  Parameters
	statSN uint32 // ExpStatSN
	window [2]uint32

	challenge []byte // ours, for mutual CHAP
	id        byte
}

// login runs from the first request to full feature phase.
func (d *dialogue) login() error {
	c := &d.config
	first := []pdu.Pair{{Key: "InitiatorName", Value: c.InitiatorName}}
	if c.TargetName == "" {
		first = append(first, pdu.Pair{Key: "SessionType", Value: "Discovery"})
	} else {
		first = append(first, pdu.Pair{Key: "SessionType", Value: "Normal"}, pdu.Pair{Key: "TargetName", Value: c.TargetName})
	}
	if c.CHAPName != "" {
		if err := d.authenticate(first); err != nil {
			return err
		}
		first = nil
	}
	return d.operational(first)
}

func (d *dialogue) authenticate(first []pdu.Pair) error {
	answer, _, err := d.exchange(pdu.SecurityStage, false, append(first, pdu.Pair{Key: "AuthMethod", Value: "CHAP,None"}))
	if err != nil {
		return err
	}
	switch answer["AuthMethod"] {
	case "None":
		_, _, err = d.exchange(pdu.SecurityStage, true, nil)
		return err
	case "CHAP":
	default:
		return fmt.Errorf("%w: AuthMethod=%s", ErrProtocol, answer["AuthMethod"])
	}
	var offers []string
	for _, a := range d.config.CHAPAlgorithms {
		offers = append(offers, a.String())
	}
	answer, _, err = d.exchange(pdu.SecurityStage, false, []pdu.Pair{{Key: "CHAP_A", Value: strings.Join(offers, ",")}})
	if err != nil {
		return err
	}
	return d.prove(answer)
}

// prove answers the target's challenge and checks its answer to ours.
func (d *dialogue) prove(question map[string]string) error {
	algorithm, ok := pdu.ChooseChapAlgorithm(question["CHAP_A"], 0)
	id, err := strconv.ParseUint(question["CHAP_I"], 0, 8)
	challenge, bad := pdu.ParseBinary(question["CHAP_C"])
	if !ok || err != nil || bad != nil {
		return fmt.Errorf("%w: malformed CHAP challenge", ErrProtocol)
	}
	proof := []pdu.Pair{
		{Key: "CHAP_N", Value: d.config.CHAPName},
		{Key: "CHAP_R", Value: pdu.FormatBinary(algorithm.Response(byte(id), d.config.CHAPSecret, challenge))},
	}
	mutual := d.config.MutualSecret != ""
	if mutual {
		fresh := make([]byte, 17)
		rand.Read(fresh)
		d.id, d.challenge = fresh[0], fresh[1:]
		proof = append(proof, pdu.Pair{Key: "CHAP_I", Value: strconv.Itoa(int(d.id))},
			pdu.Pair{Key: "CHAP_C", Value: pdu.FormatBinary(d.challenge)})
	}
	answer, transit, err := d.exchange(pdu.SecurityStage, true, proof)
	if err != nil {
		return err
	}
	if mutual {
		response, err := pdu.ParseBinary(answer["CHAP_R"])
		expected := algorithm.Response(d.id, d.config.MutualSecret, d.challenge)
		if err != nil || subtle.ConstantTimeCompare(response, expected) != 1 ||
			d.config.MutualName != "" && d.config.MutualName != answer["CHAP_N"] || bytes.Equal(challenge, d.challenge) {
			return ErrNotProven
		}
	}
	if !transit {
		return fmt.Errorf("%w: the target stays in the security stage", ErrProtocol)
	}
	return nil
}

func (d *dialogue) operational(first []pdu.Pair) error {
	offer := append(first, d.offers()...)
	agreed := map[string]string{}
	for round := 0; round < 8; round++ {
		answer, transit, err := d.exchange(pdu.OperationalStage, true, offer)
		if err != nil {
			return err
		}
		for key, value := range answer {
			agreed[key] = value
		}
		if transit {
			return d.adopt(agreed)
		}
		offer = nil
	}
	return fmt.Errorf("%w: the login does not end", ErrProtocol)
}

func (d *dialogue) offers() []pdu.Pair {
	c := &d.config
	number := func(key string, n int) pdu.Pair { return pdu.Pair{Key: key, Value: strconv.Itoa(n)} }
	pairs := []pdu.Pair{
		{Key: "HeaderDigest", Value: choice(c.HeaderDigest, "CRC32C", "None")},
		{Key: "DataDigest", Value: choice(c.DataDigest, "CRC32C", "None")},
		number("MaxRecvDataSegmentLength", c.MaxRecvDataSegmentLength),
		number("ErrorRecoveryLevel", 0),
		number("DefaultTime2Wait", 2),
		number("DefaultTime2Retain", 0),
	}
	if c.TargetName == "" {
		return pairs
	}
	return append(pairs,
		pdu.Pair{Key: "InitialR2T", Value: choice(c.InitialR2T, "Yes", "No")},
		pdu.Pair{Key: "ImmediateData", Value: choice(c.NoImmediateData, "No", "Yes")},
		number("MaxBurstLength", c.MaxBurstLength),
		number("FirstBurstLength", c.FirstBurstLength),
		number("MaxOutstandingR2T", 1),
		number("MaxConnections", 1),
		pdu.Pair{Key: "DataPDUInOrder", Value: "Yes"},
		pdu.Pair{Key: "DataSequenceInOrder", Value: "Yes"},
	)
}

func choice(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

// adopt takes the agreed values over; what the target left out keeps RFC 7143's
// default.
func (d *dialogue) adopt(agreed map[string]string) error {
	p := &d.param
	p.HeaderDigest = agreed["HeaderDigest"] == "CRC32C"
	p.DataDigest = agreed["DataDigest"] == "CRC32C"
	if d.config.HeaderDigest && !p.HeaderDigest || d.config.DataDigest && !p.DataDigest {
		return fmt.Errorf("%w: the target declines CRC32C digests", ErrProtocol)
	}
	p.ImmediateData = agreed["ImmediateData"] != "No" && !d.config.NoImmediateData
	p.InitialR2T = agreed["InitialR2T"] != "No"
	p.FirstBurstLength = number(agreed["FirstBurstLength"], 64<<10)
	p.MaxBurstLength = number(agreed["MaxBurstLength"], 256<<10)
	p.MaxSend = number(agreed["MaxRecvDataSegmentLength"], 8192)
	p.TargetAlias = agreed["TargetAlias"]
	return nil
}

func number(s string, fallback int) int {
	if n, err := strconv.ParseUint(s, 0, 24); err == nil && n > 0 {
		return int(n)
	}
	return fallback
}

// exchange sends one request and reads the whole answer.
func (d *dialogue) exchange(stage int, transit bool, pairs []pdu.Pair) (answer map[string]string, moved bool, err error) {
	var data []byte
	for _, pair := range pairs {
		data = pdu.AppendPair(data, pair.Key, pair.Value)
	}
	flags := byte(stage << 2)
	if transit {
		flags |= pdu.FlagFinal | byte(nextStage(stage))
	}
	var text []byte
	for {
		if err := d.send(flags, data); err != nil {
			return nil, false, err
		}
		var h pdu.Header
		if err := d.reader.Next(&h, nil); err != nil {
			return nil, false, fmt.Errorf("iSCSI login: %w", err)
		}
		if h.Opcode() != pdu.LoginResponse {
			return nil, false, fmt.Errorf("%w: opcode %02Xh during login", ErrProtocol, h.Opcode())
		}
		part := make([]byte, d.reader.Remaining())
		if err := d.reader.Payload(part); err != nil {
			return nil, false, err
		}
		if status := h.LoginStatus(); status != pdu.LoginSuccess {
			return nil, false, &LoginError{status}
		}
		d.statSN, d.window, d.param.TSIH = h.StatSN()+1, [2]uint32{h.ExpCmdSN(), h.MaxCmdSN()}, h.TSIH()
		text = append(text, part...)
		if !h.Has(pdu.FlagContinue) {
			answer, err = parsePairs(text)
			return answer, h.Final(), err
		}
		data, flags = nil, byte(stage<<2)
	}
}

func nextStage(stage int) int {
	if stage == pdu.SecurityStage {
		return pdu.OperationalStage
	}
	return pdu.FullFeature
}

func parsePairs(text []byte) (map[string]string, error) {
	pairs, err := pdu.ParseText(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	m := map[string]string{}
	for _, pair := range pairs {
		m[pair.Key] = pair.Value
	}
	return m, nil
}

func (d *dialogue) send(flags byte, data []byte) error {
	var h pdu.Header
	h.Reset(pdu.LoginRequest, flags)
	h.SetImmediate()
	h.SetSession(d.config.ISID, 0)
	h.SetITT(1)
	h.SetCmdSN(1)
	h.SetExpStatSN(d.statSN)
	h.SetDataLength(len(data))
	b := append(h[:], data...)
	b = append(b, make([]byte, pdu.Padding(len(data)))...)
	_, err := d.conn.Write(b)
	return err
}
