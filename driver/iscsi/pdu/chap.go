package pdu

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"strconv"
	"strings"
)

// ChapAlgorithm is a CHAP_A value (IANA "PPP Authentication Algorithms").
type ChapAlgorithm int

// The hashes of RFC 7143 12.1.3 and of open-iscsi.
const (
	ChapMD5     ChapAlgorithm = 5
	ChapSHA1    ChapAlgorithm = 6
	ChapSHA256  ChapAlgorithm = 7
	ChapSHA3256 ChapAlgorithm = 8
)

var chapHashes = map[ChapAlgorithm]func() hash.Hash{
	ChapMD5:     md5.New,
	ChapSHA1:    sha1.New,
	ChapSHA256:  sha256.New,
	ChapSHA3256: func() hash.Hash { return sha3.New256() },
}

// Known reports whether the algorithm can be computed here.
func (a ChapAlgorithm) Known() bool { return chapHashes[a] != nil }

// String is the value as CHAP_A carries it.
func (a ChapAlgorithm) String() string { return strconv.Itoa(int(a)) }

// Response computes H(id, secret, challenge) (RFC 1994 4.1); nil for an unknown
// algorithm.
func (a ChapAlgorithm) Response(id byte, secret string, challenge []byte) []byte {
	if !a.Known() {
		return nil
	}
	h := chapHashes[a]()
	h.Write([]byte{id})
	h.Write([]byte(secret))
	h.Write(challenge)
	return h.Sum(nil)
}

// ChooseChapAlgorithm returns the first algorithm of an initiator's CHAP_A list
// that is known and at least minimum (0: any); ok is false when none is.
func ChooseChapAlgorithm(list string, minimum ChapAlgorithm) (a ChapAlgorithm, ok bool) {
	for _, item := range strings.Split(list, ",") {
		n, err := strconv.Atoi(item)
		if a := ChapAlgorithm(n); err == nil && a.Known() && a >= minimum {
			return a, true
		}
	}
	return 0, false
}

// MaxChapBinary is the longest CHAP_C or CHAP_R in bytes (RFC 7143 12.1.3).
const MaxChapBinary = 1024

// ErrBinary means that a value is no hex or base64 constant of legal length.
var ErrBinary = errors.New("malformed binary value")

// ParseBinary decodes a large binary value, 0x hex or 0b base64 (RFC 7143 6.1),
// of 1 to MaxChapBinary bytes.
func ParseBinary(s string) ([]byte, error) {
	if len(s) < 3 || len(s) > 2+2*MaxChapBinary || s[0] != '0' {
		return nil, ErrBinary
	}
	var b []byte
	var err error
	switch digits := s[2:]; s[1] {
	case 'x', 'X':
		if len(digits)%2 != 0 {
			digits = "0" + digits
		}
		b, err = hex.DecodeString(digits)
	case 'b', 'B':
		b, err = base64.StdEncoding.DecodeString(digits)
	default:
		return nil, ErrBinary
	}
	if err != nil || len(b) == 0 || len(b) > MaxChapBinary {
		return nil, ErrBinary
	}
	return b, nil
}

// FormatBinary encodes a large binary value as 0x hex.
func FormatBinary(b []byte) string { return "0x" + hex.EncodeToString(b) }
