package tape

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"os"
	"strings"
	"testing"
)

var testKey = [KeyBytes]byte{0: 1, 31: 2}

// testEncryption encrypts with testKey and key-associated data of some length.
func testEncryption(n int) *Encryption {
	return &Encryption{Key: testKey, Unauthenticated: bytes.Repeat([]byte("u"), n*MaxUnauthenticatedKAD/2),
		Authenticated: bytes.Repeat([]byte("a"), n*MaxAuthenticatedKAD/2), DescriptorFormat: byte(n)}
}

func text(n int) []byte { return bytes.Repeat([]byte("a tape drive "), n/13+1)[:n] }

func noise(n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(b)
	return b
}

func payloadOf(t *testing.T, c *Cartridge) []byte {
	b, err := os.ReadFile(c.path(payloadSuffix))
	must(t, err)
	return b
}

// What can be compressed takes less of the tape, what cannot is stored as it is,
// and the figures say what is true.
func TestCompression(t *testing.T) {
	c, im, dir := newTape(t, Spec{})
	must(t, im.WriteBlock(text(50000)))
	if im.log.head.version != plainVersion {
		t.Fatal("a plain tape has a newer format")
	}
	im.SetCompression(true)
	must(t, im.WriteBlock(noise(3000)))
	plain := im.UsedBytes()
	if plain != 53000+2*ObjectBytes || im.log.head.version != plainVersion {
		t.Fatalf("%d bytes used, format %d", plain, im.log.head.version)
	}
	must(t, im.WriteBlock(text(MaxBlock)))
	must(t, im.WriteBlock([]byte{7}))
	used := im.UsedBytes() - plain
	if used > MaxBlock/50 || im.log.head.version != formatVersion {
		t.Fatalf("%d bytes used for %d, format %d", used, MaxBlock, im.log.head.version)
	}
	traffic := im.Traffic()
	if traffic.Written != 53001+MaxBlock || traffic.WrittenStored != im.Info().PayloadBytes {
		t.Fatalf("%+v", traffic)
	}
	want := []object{text(50000), noise(3000), text(MaxBlock), {7}}
	im.Rewind()
	buf := make([]byte, MaxBlock)
	for i, w := range want {
		n, err := im.ReadBlock(buf)
		if err != nil || !bytes.Equal(buf[:n], w) {
			t.Fatalf("block %d: %d bytes, %v", i, n, err)
		}
	}
	if r := im.Traffic(); r.Read != r.Written || r.ReadStored != r.WrittenStored {
		t.Fatalf("%+v", r)
	}
	must(t, im.Close())
	var b bytes.Buffer
	must(t, Cat(&b, dir, c.barcode, CatOptions{File: -1}))
	if !bytes.Equal(b.Bytes(), bytes.Join([][]byte{want[0], want[1], want[2], want[3]}, nil)) {
		t.Fatal("Cat gives other bytes")
	}
	b.Reset()
	must(t, Dump(&b, dir, c.barcode))
	if !strings.Contains(b.String(), "blocks of 8388608 bytes, compressed, stored as ") {
		t.Fatal(b.String())
	}
	r, err := Check(dir, c.barcode, nil)
	if err != nil || len(r.Problems) > 0 || r.CheckedObjects != 4 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// A full tape takes as many bytes as its capacity says, however they are stored.
func TestCompressedBlocksFillTheTape(t *testing.T) {
	_, im, _ := newTape(t, Spec{CapacityBytes: 1e6})
	im.SetCompression(true)
	p := append(noise(2000), make([]byte, 8000)...)
	written, warned := 0, 0
	for {
		n, err := im.WriteBlocks(p, 5000)
		written += n
		if errors.Is(err, ErrEndOfMedium) {
			break
		}
		if errors.Is(err, ErrEarlyWarning) {
			warned++
		} else {
			must(t, err)
		}
	}
	if used := im.UsedBytes(); used > 1e6 || used < 1e6-3000 || written*5000 < 3e6 || warned == 0 {
		t.Fatalf("%d bytes used by %d blocks, %d warnings", used, written, warned)
	}
}

// Encrypted blocks open with their key, in the modes that allow it, and say which
// key they want.
func TestEncryption(t *testing.T) {
	c, im, dir := newTape(t, Spec{})
	must(t, im.WriteBlock([]byte("plain")))
	must(t, im.SetEncryption(testEncryption(1)))
	im.SetCompression(true)
	must(t, im.WriteBlock([]byte("secret")))
	must(t, im.WriteBlock(bytes.Repeat([]byte("secret"), 1000)))
	_, err := im.WriteFilemarks(1)
	must(t, err)
	must(t, im.Sync())
	if bytes.Contains(payloadOf(t, c), []byte("secret")) {
		t.Fatal("the payload file shows what was encrypted")
	}
	other := [KeyBytes]byte{5}
	read := func(object uint64) error {
		must(t, im.Locate(object))
		_, err := im.ReadBlock(make([]byte, 10))
		if err != nil && im.Position().Object != object {
			t.Fatalf("%v moved the position", err)
		}
		return err
	}
	for _, m := range []struct {
		mode             DecryptMode
		key              *[KeyBytes]byte
		plain, encrypted error
	}{
		{DecryptOff, nil, nil, ErrNoKey},
		{DecryptMixed, &testKey, nil, nil},
		{DecryptMixed, &other, nil, ErrWrongKey},
		{DecryptOnly, &testKey, ErrNotEncrypted, nil},
		{DecryptOnly, &other, ErrNotEncrypted, ErrWrongKey},
	} {
		must(t, im.SetDecryption(m.mode, m.key))
		for object, want := range []error{m.plain, m.encrypted, m.encrypted} {
			if err := read(uint64(object)); !errors.Is(err, want) || err != nil && want == nil {
				t.Errorf("mode %d, object %d: %v, want %v", m.mode, object, err, want)
			}
			must(t, im.Locate(uint64(object)))
			rec, err := im.NextRecord()
			if must(t, err); rec.Encrypted != (object > 0) || rec.Compressed != (object == 2) || rec.Readable != (object == 0 || m.encrypted == nil) {
				t.Errorf("mode %d, object %d: %+v", m.mode, object, rec)
			}
			e := rec.Encryption
			if object > 0 && (len(e.Unauthenticated) != 16 || string(e.Authenticated) != "aaaaaa" || e.DescriptorFormat != 1 || e.Key != [KeyBytes]byte{}) {
				t.Errorf("key-associated data %+v", e)
			}
		}
		must(t, im.Locate(0))
		n, err := im.ReadBlocks(make([]byte, 5), 5)
		if n != 1 && !errors.Is(err, m.plain) {
			t.Errorf("mode %d: ReadBlocks of a plain block: %d, %v", m.mode, n, err)
		}
	}
	if err := im.SetDecryption(DecryptOnly, nil); !errors.Is(err, ErrNoKey) {
		t.Fatal(err)
	}
	if err := im.SetEncryption(&Encryption{Unauthenticated: make([]byte, 33)}); !errors.Is(err, ErrKeyData) {
		t.Fatal(err)
	}
	must(t, im.Close())
	for key, want := range map[*[KeyBytes]byte]error{nil: ErrNoKey, &other: ErrWrongKey} {
		if err := Cat(io.Discard, dir, c.barcode, CatOptions{File: -1, Key: key}); !errors.Is(err, want) {
			t.Fatal(err)
		}
	}
	r, err := Check(dir, c.barcode, nil)
	if err != nil || len(r.Problems) > 0 {
		t.Fatalf("check needs no key: %+v, %v", r, err)
	}
}

// Whatever is changed in an envelope, it does not open: not the bytes, not the
// authenticated data, not what the index says of the block.
func TestEnvelopeIsAuthenticated(t *testing.T) {
	s, err := newSealer(testEncryption(1))
	must(t, err)
	const k = blockKind | encryptedBit
	sealed, err := s.seal(nil, []byte("block"), k, 5)
	must(t, err)
	var o opener
	o.gcm, err = newGCM(&testKey)
	must(t, err)
	open := func(b []byte, k kind, length int) error {
		_, err := o.open(bytes.Clone(b), k, length)
		return err
	}
	must(t, open(sealed, k, 5))
	for i := range sealed {
		b := bytes.Clone(sealed)
		b[i] ^= 1
		err := open(b, k, 5)
		if unauthenticated := i >= envelopeBytes && i < envelopeBytes+16; unauthenticated != (err == nil) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for n := range sealed {
		if open(sealed[:n], k, 5) == nil {
			t.Errorf("cut at %d, it opens", n)
		}
	}
	if open(sealed, k|compressedBit, 5) == nil || open(sealed, k, 6) == nil {
		t.Error("the index may say anything of the block")
	}
	again, err := s.seal(nil, []byte("block"), k, 5)
	must(t, err)
	if bytes.Equal(sealed[4:envelopeBytes], again[4:envelopeBytes]) {
		t.Error("a nonce was used twice")
	}
	s.unused = 0
	again, err = s.seal(nil, []byte("block"), k, 5)
	must(t, err)
	if bytes.Equal(sealed[4:12], again[4:12]) {
		t.Error("the counter ran over into the same nonces")
	}
}

// The cipher is AES-256-GCM: test case 16 of the GCM specification (McGrew,
// Viega), whose additional data go round the envelope.
func TestCipherIsAES256GCM(t *testing.T) {
	unhex := func(s string) []byte {
		b := make([]byte, len(s)/2)
		for i := range b {
			b[i] = unhexByte(s[2*i:])
		}
		return b
	}
	var key [KeyBytes]byte
	copy(key[:], unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))
	gcm, err := newGCM(&key)
	must(t, err)
	got := gcm.Seal(nil, unhex("cafebabefacedbaddecaf888"),
		unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"),
		unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"))
	want := unhex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" +
		"76fc6ece0f4e1768cddf8853bb2d551b")
	if !bytes.Equal(got, want) {
		t.Fatalf("% x", got)
	}
}

func unhexByte(s string) byte {
	digit := func(c byte) byte { return byte(strings.IndexByte("0123456789abcdef", c)) }
	return digit(s[0])<<4 | digit(s[1])
}

// A damaged compressed or encrypted block is told from one with another key.
func TestDamagedStoredBlocks(t *testing.T) {
	c, im, dir := newTape(t, Spec{})
	im.SetCompression(true)
	must(t, im.WriteBlock(text(10000)))
	must(t, im.SetEncryption(testEncryption(0)))
	at := im.Info().PayloadBytes
	must(t, im.WriteBlock(text(10000)))
	must(t, im.Sync())
	flip(t, c.path(payloadSuffix), at/2)
	flip(t, c.path(payloadSuffix), at+50)
	must(t, im.SetDecryption(DecryptMixed, &testKey))
	for object := range uint64(2) {
		must(t, im.Locate(object))
		if _, err := im.ReadBlock(make([]byte, 10000)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("object %d: %v", object, err)
		}
	}
	must(t, im.Close())
	r, err := Check(dir, c.barcode, nil)
	if err != nil || len(r.Problems) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// Software that knows format version 1 only refuses a tape with stored blocks.
func TestNewerFormatIsRefused(t *testing.T) {
	c, im, dir := newTape(t, Spec{})
	must(t, im.Close())
	f, err := OS().Open(c.path(indexSuffix), os.O_RDWR)
	must(t, err)
	_, err = f.WriteAt([]byte{formatVersion + 1}, int64(versionOffset))
	must(t, errors.Join(err, f.Close()))
	if _, err := Open(dir, c.barcode); !errors.Is(err, ErrFormat) {
		t.Fatal(err)
	}
}

// Any bytes in the place of an envelope or a compressed block: an error, never a
// panic, never more bytes than the index says.
func FuzzStored(f *testing.F) {
	s, err := newSealer(testEncryption(1))
	must(f, err)
	sealed, err := s.seal(nil, []byte("block"), blockKind|encryptedBit, 5)
	must(f, err)
	f.Add(sealed, 5)
	f.Add(encoder().EncodeAll(text(500), nil), 500)
	f.Add([]byte{}, 0)
	var o opener
	o.gcm, err = newGCM(&testKey)
	must(f, err)
	f.Fuzz(func(t *testing.T, b []byte, length int) {
		if length < 0 || length > 1<<16 {
			return
		}
		parseEnvelope(b)
		o.open(bytes.Clone(b), blockKind|encryptedBit, length)
		out, err := decoder().DecodeAll(b, make([]byte, 0, length))
		if err == nil && len(out) > length {
			t.Fatalf("%d bytes for %d", len(out), length)
		}
	})
}
