package ssc

import (
	"bytes"
	"encoding/hex"
	"testing"

	"virtualloader/loader/tape"
)

// setEncryption is a valid Set Data Encryption page for all nexuses.
func setEncryption(key byte) []byte {
	b := make([]byte, setEncryptionFixed+tape.KeyBytes)
	copy(b, []byte{0, 0x10, 0, byte(len(b) - 4), allScope << 5, 0, encryptOn, byte(tape.DecryptMixed), algorithmIndex})
	b[19] = tape.KeyBytes
	for i := range tape.KeyBytes {
		b[setEncryptionFixed+i] = key
	}
	return b
}

var setEncryptionCDB = []byte{0xB5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, setEncryptionFixed + tape.KeyBytes}

// A key that was replaced or cleared stays nowhere in the drive's memory, nor in
// the data that brought it.
func TestKeysAreOverwritten(t *testing.T) {
	d, _ := newDrive(t)
	load(t, d, 4<<20)
	page := setEncryption(0x5A)
	if o := do(t, d, page, setEncryptionCDB...); o.Sense != nil {
		t.Fatal(o.Sense)
	}
	if !bytes.Equal(page, make([]byte, len(page))) {
		t.Errorf("the parameter list was kept: %s", hex.EncodeToString(page))
	}
	do(t, d, make([]byte, 100), 0x0A, 0, 0, 0, 100, 0)
	first := d.keys.shared
	if first.Key[0] != 0x5A || d.keys.applied != first {
		t.Fatalf("%+v", d.keys.shared)
	}
	do(t, d, setEncryption(0x5B), setEncryptionCDB...)
	second := d.keys.shared
	d.Reset(0x2903)
	for _, e := range []*dataEncryption{first, second} {
		if e.Key != [tape.KeyBytes]byte{} {
			t.Errorf("a key is kept: % X", e.Key)
		}
	}
	if d.keys.shared != nil || d.keys.applied != nil {
		t.Error("the reset left a key in use")
	}
}

// Whatever a Set Data Encryption page holds: parameters within the limits, or an
// error, never a panic.
func FuzzSetEncryption(f *testing.F) {
	f.Add(setEncryption(1))
	f.Add(append(setEncryption(1), 0, 0, 0, 2, 'a', 'b', 1, 0, 0, 1, 'c'))
	f.Add([]byte{0, 0x10, 0, 1, 0x40})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, e, err := parseSetEncryption(b)
		if len(e.Unauthenticated) > tape.MaxUnauthenticatedKAD || len(e.Authenticated) > tape.MaxAuthenticatedKAD {
			t.Fatalf("%+v", e)
		}
		if err == nil && e.encrypt != encryptOff && e.encrypt != encryptOn {
			t.Fatalf("%+v", e)
		}
	})
}
