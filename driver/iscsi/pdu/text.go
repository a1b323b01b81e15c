package pdu

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits of text data (spec A.9).
const (
	MaxTextKeys    = 64
	MaxKeyLength   = 63
	MaxValueLength = 8191
)

// ErrText means that a data segment is not a list of key=value pairs within the
// limits.
var ErrText = errors.New("malformed text keys")

// Pair is one text key with its value (RFC 7143 6.1).
type Pair struct{ Key, Value string }

// ParseText splits a data segment into its pairs, each ended by a NUL. Empty
// pairs, as some initiators leave behind by padding, are skipped.
func ParseText(data []byte) ([]Pair, error) {
	var pairs []Pair
	for len(data) > 0 {
		end := bytes.IndexByte(data, 0)
		if end < 0 {
			return nil, fmt.Errorf("%w: the last pair does not end", ErrText)
		}
		pair := data[:end]
		data = data[end+1:]
		if len(pair) == 0 {
			continue
		}
		key, value, found := bytes.Cut(pair, []byte{'='})
		switch {
		case !found || len(key) == 0:
			return nil, fmt.Errorf("%w: a pair without key or value", ErrText)
		case len(key) > MaxKeyLength || len(value) > MaxValueLength:
			return nil, fmt.Errorf("%w: a key or value is too long", ErrText)
		case len(pairs) == MaxTextKeys:
			return nil, fmt.Errorf("%w: more than %d keys", ErrText, MaxTextKeys)
		}
		pairs = append(pairs, Pair{string(key), string(value)})
	}
	return pairs, nil
}

// AppendPair appends key=value and its NUL.
func AppendPair(dst []byte, key, value string) []byte {
	dst = append(dst, key...)
	dst = append(dst, '=')
	dst = append(dst, value...)
	return append(dst, 0)
}
