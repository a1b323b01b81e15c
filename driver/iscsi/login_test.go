package iscsi

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"virtualloader/driver/iscsi/pdu"
)

// Login scripts, testdata/login/*.txt, a line each:
//
//	auth NAME SECRET [MUTUALNAME MUTUALSECRET]   what the target asks for; first line
//	> [T] CSG[->NSG] [tsih=N] [cid=N] [version-min=N] [C] KEY=VALUE...   the initiator's request
//	< STATUS [T] CSG[->NSG] KEY=VALUE...         the target's answer; * is any value, keys not named must not come
//	closed                                       the target drops the connection
//	ready                                        a TEST UNIT READY is answered
//	again                                        another connection from the same initiator port
//
// In a request $good, $wrong, $id and $reflect stand for CHAP values that depend
// on the target's challenge; a space in a value is written as _.
func TestLoginScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/login/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			s := &loginScript{t: t}
			scanner := bufio.NewScanner(f)
			for line := 1; scanner.Scan(); line++ {
				text := strings.TrimSpace(scanner.Text())
				if text == "" || text[0] == '#' {
					continue
				}
				s.place = fmt.Sprintf("%s:%d: ", path, line)
				s.line(strings.Fields(text))
			}
		})
	}
}

type loginScript struct {
	t      *testing.T
	place  string
	server *testServer
	auth   Auth
	r      *raw

	header    pdu.Header
	answer    map[string]string
	id        byte
	challenge string
	algorithm pdu.ChapAlgorithm
}

func (s *loginScript) fatal(format string, a ...any) {
	s.t.Helper()
	s.t.Fatalf(s.place+format, a...)
}

func (s *loginScript) line(words []string) {
	if words[0] == "auth" {
		words = append(words, "", "")
		s.auth = Auth{Name: words[1], Secret: words[2], MutualName: words[3], MutualSecret: words[4]}
		return
	}
	if s.server == nil {
		s.server = startServer(s.t, Config{}, s.auth)
		s.r = s.server.connect(s.t)
	}
	switch words[0] {
	case ">":
		s.request(words[1:])
	case "<":
		s.expect(words[1:])
	case "closed":
		s.r.closed()
	case "again":
		s.r = s.server.connect(s.t)
	case "ready":
		s.r.write(s.r.command(final, 0, testUnitReady), nil)
		if h, _, err := s.r.next(5 * time.Second); err != nil || h.Opcode() != pdu.SCSIResponse {
			s.fatal("%v % x", err, h[:])
		}
	default:
		s.fatal("unknown line")
	}
}

// flags reads "[T] CSG[->NSG]" and returns what follows.
func (s *loginScript) flags(words []string) (flags byte, rest []string) {
	if words[0] == "T" {
		flags, words = pdu.FlagFinal, words[1:]
	}
	from, to, moves := strings.Cut(words[0], "->")
	n, err := strconv.Atoi(from)
	if err != nil {
		s.fatal("stage %q", words[0])
	}
	flags |= byte(n << 2)
	if moves {
		n, _ := strconv.Atoi(to)
		flags |= byte(n)
	}
	return flags, words[1:]
}

func (s *loginScript) request(words []string) {
	var h pdu.Header
	flags, words := s.flags(words)
	h.Reset(pdu.LoginRequest, flags)
	tsih := 0
	var keys []string
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		n, _ := strconv.Atoi(value)
		switch key {
		case "tsih":
			tsih = n
			if value == "live" {
				tsih = int(s.header.TSIH())
			}
		case "cid":
			h.SetCID(uint16(n))
		case "version-min":
			h[3] = byte(n)
		case "C":
			h[1] |= pdu.FlagContinue
		default:
			keys = append(keys, key+"="+s.value(strings.ReplaceAll(value, "_", " ")))
		}
	}
	h.SetSession(s.r.isid, uint16(tsih))
	s.r.sendLogin(&h, keys...)
}

// value computes what depends on the challenge.
func (s *loginScript) value(v string) string {
	challenge, _ := pdu.ParseBinary(s.challenge)
	switch v {
	case "$good":
		return pdu.FormatBinary(s.algorithm.Response(s.id, s.auth.Secret, challenge))
	case "$wrong":
		return pdu.FormatBinary(s.algorithm.Response(s.id, s.auth.Secret+"?", challenge))
	case "$reflect":
		return s.challenge
	}
	return v
}

func (s *loginScript) expect(words []string) {
	s.t.Helper()
	var text []byte
	s.header, text = s.r.receive(pdu.LoginResponse)
	s.answer = keysOf(s.t, text)
	if status := fmt.Sprintf("%04X", uint16(s.header.LoginStatus())); status != words[0] {
		s.fatal("status %s, want %s", status, words[0])
	}
	if words[0] != "0000" {
		return
	}
	flags, words := s.flags(words[1:])
	if s.header.Flags() != flags {
		s.fatal("flags %02x, want %02x, keys %v", s.header.Flags(), flags, s.answer)
	}
	for _, word := range words {
		key, want, _ := strings.Cut(word, "=")
		got, there := s.answer[key]
		want = strings.ReplaceAll(want, "_", " ")
		switch {
		case !there:
			s.fatal("no %s in %v", key, s.answer)
		case want == "$proof":
			expected := s.algorithm.Response(42, s.auth.MutualSecret, []byte{0xAA, 0xBB, 0xCC, 0xDD})
			if got != pdu.FormatBinary(expected) {
				s.fatal("the target's proof is wrong")
			}
		case want != "*" && got != want:
			s.fatal("%s=%s, want %s", key, got, want)
		}
		delete(s.answer, key)
	}
	if c, there := keysOf(s.t, text)["CHAP_C"]; there {
		all := keysOf(s.t, text)
		n, _ := strconv.Atoi(all["CHAP_I"])
		a, _ := strconv.Atoi(all["CHAP_A"])
		s.id, s.challenge, s.algorithm = byte(n), c, pdu.ChapAlgorithm(a)
	}
	if len(s.answer) > 0 {
		s.fatal("keys that were not expected: %v", s.answer)
	}
	if s.header.Has(pdu.FlagFinal) && s.header.NextStage() == pdu.FullFeature && s.header.TSIH() == 0 {
		s.fatal("TSIH 0 in the final response")
	}
}
