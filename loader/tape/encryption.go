package tape

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// KeyBytes is the length of a key: AES-256.
const KeyBytes = 32

// The longest key-associated data (SSC-4 4.2.26), in bytes.
const (
	MaxUnauthenticatedKAD = 32
	MaxAuthenticatedKAD   = 12
)

// Encryption is how blocks are encrypted: with AES-256 in Galois/Counter Mode,
// each block for itself. The key-associated data are stored in the clear with
// every block, so that a host knows which key it needs; the authenticated ones
// cannot be changed without the key.
type Encryption struct {
	Key              [KeyBytes]byte
	Unauthenticated  []byte // at most MaxUnauthenticatedKAD bytes
	Authenticated    []byte // at most MaxAuthenticatedKAD bytes
	DescriptorFormat byte   // what the host says of them
}

// DecryptMode says what may be read.
type DecryptMode uint8

// Decryption modes, as SSC-4 table 178 has them.
const (
	DecryptOff   DecryptMode = 0 // encrypted blocks cannot be read
	DecryptOnly  DecryptMode = 2 // only encrypted blocks can be read
	DecryptMixed DecryptMode = 3 // encrypted and plain blocks can be read
)

// Record is how the block at a position is stored.
type Record struct {
	Compressed, Encrypted bool
	Readable              bool       // not encrypted, or the present key opens it
	Encryption            Encryption // its key-associated data, when it is encrypted; no key
}

// The envelope of an encrypted block: algorithm u8, lengths of unauthenticated
// and authenticated data u8 each, their format u8, nonce 12; then the two, the
// encrypted bytes and the tag.
const (
	aesGCM        = 1
	nonceBytes    = 12
	tagBytes      = 16
	envelopeBytes = 4 + nonceBytes
	maxEnvelope   = envelopeBytes + MaxUnauthenticatedKAD + MaxAuthenticatedKAD + tagBytes
)

// SetDecryption says what may be read from now on, and with which key; it is not
// looked at with DecryptOff. An image and a View begin with DecryptOff.
func (r *reader) SetDecryption(mode DecryptMode, key *[KeyBytes]byte) error {
	o := opener{mode: mode}
	if mode != DecryptOff {
		var err error
		if o.gcm, err = newGCM(key); err != nil {
			return err
		}
	}
	r.opener = o
	return nil
}

// NextRecord returns how the block at the position is stored, without moving;
// zero for a filemark. It reads and opens an encrypted block, for only that
// tells whether the key fits. ErrEndOfData, ErrCorrupt.
func (r *reader) NextRecord() (Record, error) {
	o, err := r.Next()
	if err != nil || o.Filemark {
		return Record{}, err
	}
	u := &r.cur.runs[r.run]
	rec := Record{Compressed: u.kind&compressedBit != 0, Encrypted: u.kind&encryptedBit != 0, Readable: true}
	if !rec.Encrypted {
		return rec, nil
	}
	stored, err := r.fetchStored(u)
	if err != nil {
		return rec, err
	}
	e, err := parseEnvelope(stored)
	if err != nil {
		return rec, err
	}
	rec.Encryption = Encryption{Unauthenticated: append([]byte(nil), e.unauthenticated...),
		Authenticated: append([]byte(nil), e.authenticated...), DescriptorFormat: e.head[3]}
	_, err = r.opener.open(stored, u.kind, int(u.length))
	rec.Readable = err == nil
	return rec, nil
}

func newGCM(key *[KeyBytes]byte) (cipher.AEAD, error) {
	if key == nil {
		return nil, ErrNoKey
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// sealer encrypts with one key. Nonces never repeat: 8 random bytes for each
// sealer and a counter behind them.
type sealer struct {
	gcm    cipher.AEAD
	head   [envelopeBytes]byte
	kad    []byte // unauthenticated, authenticated
	aad    []byte
	unused uint32 // nonces left with these random bytes
}

func newSealer(e *Encryption) (*sealer, error) {
	u, a := len(e.Unauthenticated), len(e.Authenticated)
	if u > MaxUnauthenticatedKAD || a > MaxAuthenticatedKAD {
		return nil, fmt.Errorf("key-associated data of %d and %d bytes: %w", u, a, ErrKeyData)
	}
	gcm, err := newGCM(&e.Key)
	if err != nil {
		return nil, err
	}
	s := &sealer{gcm: gcm}
	s.head[0], s.head[1], s.head[2], s.head[3] = aesGCM, byte(u), byte(a), e.DescriptorFormat
	s.kad = append(append(s.kad, e.Unauthenticated...), e.Authenticated...)
	return s, nil
}

// nonce steps to the next one.
func (s *sealer) nonce() {
	if s.unused == 0 {
		rand.Read(s.head[4 : 4+8]) // never fails
		s.unused = 1<<32 - 1
	}
	s.unused--
	le.PutUint32(s.head[4+8:], s.unused)
}

// seal appends the envelope of block bytes b, which are length bytes of kind k
// once they are opened.
func (s *sealer) seal(dst, b []byte, k kind, length int) ([]byte, error) {
	s.nonce()
	if need := len(b) + maxEnvelope; cap(dst) < need {
		dst = make([]byte, 0, need)
	}
	dst = append(append(dst, s.head[:]...), s.kad...)
	s.aad = additional(s.aad[:0], s.head[:], s.kad[s.head[1]:], k, length)
	return s.gcm.Seal(dst, s.head[4:], b, s.aad), nil
}

// additional is what the tag covers beside the bytes themselves: everything that
// says what they are.
func additional(b, head, authenticated []byte, k kind, length int) []byte {
	b = append(append(b, head...), authenticated...)
	return append(le.AppendUint32(b, uint32(length)), byte(k))
}

// envelope is the parsed form.
type envelope struct {
	head, unauthenticated, authenticated []byte
	sealed                               []byte // with the tag
}

var errEnvelope = errors.New("it has no valid envelope")

func parseEnvelope(b []byte) (e envelope, err error) {
	if len(b) < envelopeBytes || b[0] != aesGCM || b[1] > MaxUnauthenticatedKAD || b[2] > MaxAuthenticatedKAD {
		return e, fmt.Errorf("%w: %w", ErrCorrupt, errEnvelope)
	}
	u, a := envelopeBytes+int(b[1]), envelopeBytes+int(b[1])+int(b[2])
	if len(b) < a+tagBytes {
		return e, fmt.Errorf("%w: %w", ErrCorrupt, errEnvelope)
	}
	return envelope{b[:envelopeBytes], b[envelopeBytes:u], b[u:a], b[a:]}, nil
}

// opener decrypts.
type opener struct {
	mode DecryptMode
	gcm  cipher.AEAD
	aad  []byte
}

// open opens an envelope in place.
func (o *opener) open(stored []byte, k kind, length int) ([]byte, error) {
	e, err := parseEnvelope(stored)
	switch {
	case err != nil:
		return nil, err
	case o.gcm == nil:
		return nil, ErrNoKey
	}
	o.aad = additional(o.aad[:0], e.head, e.authenticated, k, length)
	b, err := o.gcm.Open(e.sealed[:0], e.head[4:], e.sealed, o.aad)
	if err != nil {
		return nil, ErrWrongKey
	}
	if k&compressedBit == 0 && len(b) != length {
		return nil, fmt.Errorf("%d bytes came out of %d: %w", len(b), length, ErrCorrupt)
	}
	return b, nil
}
