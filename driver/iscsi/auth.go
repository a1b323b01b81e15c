package iscsi

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"virtualloader/driver/iscsi/pdu"
)

// Auth says how an initiator has to prove itself (RFC 7143 12.1.3). The zero
// value asks for nothing.
type Auth struct {
	Name, Secret string // what the initiator must know; Name == "": no authentication

	// MutualName and MutualSecret are what the target answers with when the
	// initiator wants it to prove itself too. MutualSecret must differ from Secret.
	MutualName, MutualSecret string
}

func (a Auth) required() bool { return a.Name != "" }

// challengeLength is the length in bytes of our CHAP challenge.
const challengeLength = 16

// authentication is the security stage of one login, spec A.4.
type authentication struct {
	auth    Auth
	minimum pdu.ChapAlgorithm

	chosen    bool // AuthMethod=CHAP was agreed
	done      bool
	algorithm pdu.ChapAlgorithm
	id        byte
	challenge []byte
}

// satisfied reports whether the initiator may leave the security stage.
func (a *authentication) satisfied() bool { return a.done || !a.auth.required() }

// pending reports that the dialogue has begun and is not over.
func (a *authentication) pending() bool { return a.chosen && !a.done }

// method answers the AuthMethod key.
func (a *authentication) method(offers string) (string, pdu.LoginStatus) {
	want := "None"
	if a.auth.required() {
		want = "CHAP"
	}
	if !slices.Contains(strings.Split(offers, ","), want) {
		return answerReject, pdu.LoginAuthFailed
	}
	a.chosen = want == "CHAP"
	return want, pdu.LoginSuccess
}

// step answers the CHAP keys of one request; keys holds nothing else.
func (a *authentication) step(keys map[string]string) ([]pdu.Pair, pdu.LoginStatus) {
	switch {
	case !a.chosen || a.done:
		return nil, pdu.LoginInitiatorError
	case a.challenge == nil:
		return a.sendChallenge(keys)
	}
	return a.verify(keys)
}

func (a *authentication) sendChallenge(keys map[string]string) ([]pdu.Pair, pdu.LoginStatus) {
	algorithm, ok := pdu.ChooseChapAlgorithm(keys["CHAP_A"], a.minimum)
	if !ok || len(keys) != 1 {
		return nil, pdu.LoginAuthFailed
	}
	fresh := make([]byte, 1+challengeLength)
	rand.Read(fresh)
	a.algorithm, a.id, a.challenge = algorithm, fresh[0], fresh[1:]
	return []pdu.Pair{
		{Key: "CHAP_A", Value: algorithm.String()},
		{Key: "CHAP_I", Value: strconv.Itoa(int(a.id))},
		{Key: "CHAP_C", Value: pdu.FormatBinary(a.challenge)},
	}, pdu.LoginSuccess
}

// verify checks name and response. A wrong name costs the same time as a wrong
// secret: both are always computed and compared.
func (a *authentication) verify(keys map[string]string) ([]pdu.Pair, pdu.LoginStatus) {
	response, err := pdu.ParseBinary(keys["CHAP_R"])
	if err != nil {
		response = nil
	}
	right := subtle.ConstantTimeCompare(response, a.algorithm.Response(a.id, a.auth.Secret, a.challenge))
	right &= subtle.ConstantTimeCompare([]byte(keys["CHAP_N"]), []byte(a.auth.Name))
	if right != 1 {
		return nil, pdu.LoginAuthFailed
	}
	_, hasID := keys["CHAP_I"]
	_, hasChallenge := keys["CHAP_C"]
	if !hasID && !hasChallenge {
		a.done = true
		return nil, pdu.LoginSuccess
	}
	return a.prove(keys["CHAP_I"], keys["CHAP_C"])
}

// prove answers the initiator's challenge. One that equals ours is an attempt to
// have our own question answered by us.
func (a *authentication) prove(id, challenge string) ([]pdu.Pair, pdu.LoginStatus) {
	theirs, err := pdu.ParseBinary(challenge)
	n, ok := parseNumber(id)
	switch {
	case err != nil, !ok, n > 255,
		a.auth.MutualSecret == "", a.auth.MutualSecret == a.auth.Secret,
		bytes.Equal(theirs, a.challenge):
		return nil, pdu.LoginAuthFailed
	}
	a.done = true
	return []pdu.Pair{
		{Key: "CHAP_N", Value: a.auth.MutualName},
		{Key: "CHAP_R", Value: pdu.FormatBinary(a.algorithm.Response(byte(n), a.auth.MutualSecret, theirs))},
	}, pdu.LoginSuccess
}

// failures slows repeated wrong secrets from one address down.
type failures struct {
	mu sync.Mutex
	by map[string]failure
}

type failure struct {
	count int
	last  time.Time
}

const (
	firstFailureDelay = 250 * time.Millisecond
	maxFailureDelay   = 4 * time.Second
	failureForgotten  = time.Minute
	maxFailureEntries = 1024
)

// failed notes a failure and returns how long its answer has to wait: nothing
// the first time, then twice as long each time.
func (f *failures) failed(address string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil || len(f.by) >= maxFailureEntries {
		f.by = map[string]failure{}
	}
	entry := f.by[address]
	if now.Sub(entry.last) > failureForgotten {
		entry.count = 0
	}
	entry.count, entry.last = entry.count+1, now
	f.by[address] = entry
	if entry.count == 1 {
		return 0
	}
	return min(firstFailureDelay<<min(entry.count-2, 8), maxFailureDelay)
}

// passed forgets an address.
func (f *failures) passed(address string) {
	f.mu.Lock()
	delete(f.by, address)
	f.mu.Unlock()
}
