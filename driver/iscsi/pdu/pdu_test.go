package pdu

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestHeaderFieldsStandWhereTheStandardPutsThem(t *testing.T) {
	var h Header
	h.Reset(SCSICommand, FlagFinal|FlagRead|1)
	h.SetImmediate()
	h.SetDataLength(0x010203)
	h.SetLUN(0x0001000000000000)
	h.SetITT(0x10111213)
	h.SetTransferLength(0x20212223)
	h.SetCmdSN(0x30313233)
	h.SetExpStatSN(0x40414243)
	copy(h.CDB(), []byte{0x08, 1, 2, 3, 4, 5})
	want := "41c1000000010203" + "0001000000000000" + "10111213" + "20212223" + "30313233" + "40414243" + "080102030405" + strings.Repeat("00", 10)
	if got := hex.EncodeToString(h[:]); got != want {
		t.Fatalf("%s\nwant %s", got, want)
	}
	if !h.Immediate() || !h.Final() || h.Opcode() != SCSICommand || h.DataLength() != 0x010203 || h.TransferLength() != 0x20212223 ||
		h.LUN() != 1<<48 || h.ITT() != 0x10111213 || h.CmdSN() != 0x30313233 || h.ExpStatSN() != 0x40414243 {
		t.Fatal("fields do not read back")
	}
	h.Reset(R2T, FlagFinal)
	h.SetTTT(1)
	h.SetStatSN(2)
	h.SetWindow(3, 4)
	h.SetDataSN(5)
	h.SetBufferOffset(6)
	h.SetDesiredLength(7)
	if h.TTT() != 1 || h.StatSN() != 2 || h.ExpCmdSN() != 3 || h.MaxCmdSN() != 4 || h.DataSN() != 5 || h.BufferOffset() != 6 || h.DesiredLength() != 7 ||
		h.Residual() != 7 || h.ExpDataSN() != 5 {
		t.Fatalf("% x", h[:])
	}
	h.Reset(LoginResponse, FlagFinal|1<<2|3)
	h.SetSession(ISID{1, 2, 3, 4, 5, 6}, 0x0708)
	h.SetLoginStatus(LoginNotFound)
	h.SetCID(9)
	if h.ISID() != (ISID{1, 2, 3, 4, 5, 6}) || h.TSIH() != 0x0708 || h.LoginStatus() != 0x0203 || h.CID() != 9 || h.CurrentStage() != 1 || h.NextStage() != 3 {
		t.Fatalf("% x", h[:])
	}
}

func TestDigestOfTheStandard(t *testing.T) {
	ascending := make([]byte, 32)
	for i := range ascending {
		ascending[i] = byte(i)
	}
	for _, c := range []struct { // RFC 7143 appendix A.4
		data []byte
		wire string
	}{
		{make([]byte, 32), "aa36918a"}, {bytes.Repeat([]byte{0xff}, 32), "43aba862"}, {ascending, "4e79dd46"}, {[]byte("123456789"), "839206e3"},
	} {
		var b [4]byte
		PutDigest(b[:], Digest(0, c.data))
		if hex.EncodeToString(b[:]) != c.wire {
			t.Errorf("%x: %x, want %s", c.data, b, c.wire)
		}
	}
}

func TestSerialArithmetic(t *testing.T) {
	for _, c := range []struct {
		a, b uint32
		want bool
	}{{1, 2, true}, {2, 1, false}, {1, 1, false}, {0xFFFFFFFF, 0, true}, {0, 0xFFFFFFFF, false}, {0xFFFFFFF0, 5, true}} {
		if Before(c.a, c.b) != c.want {
			t.Errorf("Before(%X, %X)", c.a, c.b)
		}
	}
}

// stream encodes PDUs with data segments of the given lengths.
func stream(lengths []int, headerDigest, dataDigest bool) []byte {
	var b []byte
	for i, n := range lengths {
		var h Header
		h.Reset(DataOut, byte(i))
		h.SetITT(uint32(i))
		h.SetDataLength(n)
		var ahs []byte
		if i%5 == 4 {
			ahs = []byte{0, 5, 2, 0, 0, 0, 1, 0}
			h[4] = byte(len(ahs) / 4)
		}
		start := len(b)
		b = append(append(b, h[:]...), ahs...)
		if headerDigest {
			crc := Digest(0, b[start:])
			b = append(b, 0, 0, 0, 0)
			PutDigest(b[len(b)-4:], crc)
		}
		start = len(b)
		b = append(b, content(i, n)...)
		b = append(b, make([]byte, Padding(n))...)
		if dataDigest && n > 0 {
			crc := Digest(0, b[start:])
			b = append(b, 0, 0, 0, 0)
			PutDigest(b[len(b)-4:], crc)
		}
	}
	return b
}

func content(i, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(i), uint64(n)))
	for k := range b {
		b[k] = byte(r.Uint32())
	}
	return b
}

// readAll takes a stream apart, guessing where data goes as often as not.
func readAll(t *testing.T, r *Reader, lengths []int, random *rand.Rand) {
	t.Helper()
	for i, n := range lengths {
		place := make([]byte, n+random.IntN(5000))
		var guess []byte
		switch random.IntN(3) {
		case 0:
			guess = place[:min(len(place), n)]
		case 1:
			guess = place[:random.IntN(len(place)+1)]
		}
		var h Header
		for {
			err := r.Next(&h, guess)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				continue
			}
			if err != nil {
				t.Fatalf("PDU %d: %v", i, err)
			}
			break
		}
		if h.ITT() != uint32(i) || r.Remaining() != n || len(r.AHS()) != h.AHSLength() {
			t.Fatalf("PDU %d: tag %d, %d bytes", i, h.ITT(), r.Remaining())
		}
		p := place[:n]
		if random.IntN(4) == 0 && n > 10 {
			if err := r.Payload(p[:n/3]); err != nil {
				t.Fatal(err)
			}
			if err := r.Payload(p[n/3:]); err != nil {
				t.Fatal(err)
			}
		} else if err := r.Payload(p); err != nil {
			t.Fatalf("PDU %d: %v", i, err)
		}
		if !bytes.Equal(p, content(i, n)) {
			t.Fatalf("PDU %d of %d bytes came changed", i, n)
		}
	}
}

func TestReaderTakesEveryStreamApart(t *testing.T) {
	for _, digests := range []int{0, 1, 2, 3} {
		for seed := range uint64(3) {
			random := rand.New(rand.NewPCG(seed, 7))
			var lengths []int
			for range 120 {
				lengths = append(lengths, []int{0, 0, random.IntN(40), 4096, random.IntN(9000), random.IntN(70000)}[random.IntN(6)])
			}
			encoded := stream(lengths, digests&1 != 0, digests&2 != 0)
			for name, open := range map[string]func(t *testing.T) io.Reader{
				"whole": func(*testing.T) io.Reader { return bytes.NewReader(encoded) },
				"drips": func(*testing.T) io.Reader { return iotest.HalfReader(bytes.NewReader(encoded)) },
				"tcp":   func(t *testing.T) io.Reader { return overTCP(t, encoded, random) },
			} {
				t.Run(fmt.Sprintf("digests %d seed %d %s", digests, seed, name), func(t *testing.T) {
					r := NewReader(open(t), 1<<20)
					r.HeaderDigest, r.DataDigest = digests&1 != 0, digests&2 != 0
					readAll(t, r, lengths, random)
				})
			}
		}
	}
}

// overTCP sends the stream in pieces of random length; read deadlines strike now
// and then.
func overTCP(t *testing.T, encoded []byte, random *rand.Rand) io.Reader {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	seed := random.Uint64()
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return
		}
		defer c.Close()
		random := rand.New(rand.NewPCG(seed, 1))
		for rest := encoded; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(100000))
			c.Write(rest[:n])
			rest = rest[n:]
		}
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestDeadlineBetweenPDUsLosesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	encoded := stream([]int{5000}, false, false)
	r := NewReader(c, 1<<20)
	retried := false
	r.Retry = func() bool { c.SetReadDeadline(time.Time{}); retried = true; peer.Write(encoded[100:]); return true }
	place := make([]byte, 5000)
	var h Header
	for _, part := range [][]byte{nil, encoded[:20], encoded[20:47]} {
		peer.Write(part)
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		var timeout net.Error
		if err := r.Next(&h, place); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Fatal(err)
		}
	}
	peer.Write(encoded[47:100])
	if err := r.Next(&h, place); err == nil {
		t.Fatal("the deadline is still there")
	}
	c.SetReadDeadline(time.Time{})
	if err := r.Next(&h, place); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Unix(1, 0))
	if err := r.Payload(place); err != nil || !retried || !bytes.Equal(place, content(0, 5000)) {
		t.Fatal(err, retried)
	}
}

func TestReaderRefusesWhatCannotBeTrusted(t *testing.T) {
	flip := func(b []byte, i int) []byte { b[i] ^= 1; return b }
	for name, c := range map[string]struct {
		input []byte
		want  error
	}{
		"header digest": {flip(stream([]int{10}, true, true), 20), ErrHeaderDigest},
		"data digest":   {flip(stream([]int{10}, true, true), 55), ErrDataDigest},
		"padding":       {flip(stream([]int{9}, true, true), 52+10), ErrDataDigest},
		"too long":      {stream([]int{1001}, true, true), ErrTooLong},
		"cut off":       {stream([]int{100}, true, true)[:90], io.ErrUnexpectedEOF},
	} {
		r := NewReader(bytes.NewReader(c.input), 1000)
		r.HeaderDigest, r.DataDigest = true, true
		var h Header
		err := r.Next(&h, nil)
		if err == nil {
			err = r.Discard()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestTextKeys(t *testing.T) {
	var b []byte
	b = AppendPair(b, "A", "1")
	b = AppendPair(b, "B", "")
	b = AppendPair(b, "C", "x=y,z")
	pairs, err := ParseText(append(b, 0, 0))
	if err != nil || fmt.Sprint(pairs) != "[{A 1} {B } {C x=y,z}]" {
		t.Fatal(pairs, err)
	}
	for name, bad := range map[string]string{
		"no NUL": "A=1", "no =": "A\x00", "no key": "=1\x00",
		"long key": strings.Repeat("k", 64) + "=1\x00", "long value": "k=" + strings.Repeat("v", 8192) + "\x00",
		"too many": strings.Repeat("k=v\x00", 65),
	} {
		if _, err := ParseText([]byte(bad)); !errors.Is(err, ErrText) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCHAPResponses(t *testing.T) {
	challenge := []byte("0123456789abcdef")
	for a, want := range map[ChapAlgorithm]int{ChapMD5: 16, ChapSHA1: 20, ChapSHA256: 32, ChapSHA3256: 32} {
		if n := len(a.Response(1, "secret", challenge)); n != want {
			t.Errorf("%v: %d bytes", a, n)
		}
	}
	// printf '\001secret0123456789abcdef' | md5sum, and sha256sum
	for a, want := range map[ChapAlgorithm]string{ChapMD5: "1166c5a4d653b5f41cc0431512a91a1c", ChapSHA256: "522793e21c2154b398008b91188ea8e0efecf2e328088117ac4cf13dfc809946"} {
		if got := hex.EncodeToString(a.Response(1, "secret", challenge)); got != want {
			t.Errorf("%v: %s", a, got)
		}
	}
	if a, ok := ChooseChapAlgorithm("99,7,5", 0); !ok || a != ChapSHA256 {
		t.Error(a)
	}
	if _, ok := ChooseChapAlgorithm("5,6", ChapSHA256); ok {
		t.Error("weaker than the minimum")
	}
	for in, want := range map[string]string{"0xABcd": "abcd", "0Xf": "0f", "0bqrvM3Q==": "aabbccdd", "0x": "", "x12": "", "0xzz": "", "0b!": "", "12": "", "": ""} {
		b, err := ParseBinary(in)
		if hex.EncodeToString(b) != want || (err == nil) != (want != "") {
			t.Errorf("%q: %x %v", in, b, err)
		}
	}
}

func TestAdditionalHeaderSegments(t *testing.T) {
	b, _ := hex.DecodeString("000502000000100000050100AABBCCDD")
	a, ok := ParseAHS(b)
	if !ok || a.BidiLength != 0x1000 || hex.EncodeToString(a.ExtendedCDB) != "aabbccdd" {
		t.Fatal(a, ok)
	}
	for _, bad := range []string{"00", "0000000000", "00FF0100", "00060200000000000000"} {
		b, _ := hex.DecodeString(bad)
		if _, ok := ParseAHS(b); ok {
			t.Errorf("%s was taken", bad)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(stream([]int{0, 10, 5000, 3}, false, false), 0)
	f.Add(stream([]int{0, 10, 5000, 3}, true, true), 3)
	f.Add(bytes.Repeat([]byte{0xff}, 200), 1)
	f.Fuzz(func(t *testing.T, input []byte, digests int) {
		r := NewReader(bytes.NewReader(input), 8192)
		r.HeaderDigest, r.DataDigest = digests&1 != 0, digests&2 != 0
		var h Header
		for r.Next(&h, nil) == nil {
			ParseAHS(r.AHS())
			if r.Remaining() > 8192 {
				t.Fatal("above the limit")
			}
			if r.Discard() != nil {
				return
			}
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add([]byte("A=1\x00B=\x00"))
	f.Add([]byte("SendTargets=All\x00\x00"))
	f.Fuzz(func(t *testing.T, input []byte) {
		pairs, err := ParseText(input)
		if err != nil {
			return
		}
		var again []byte
		for _, p := range pairs {
			again = AppendPair(again, p.Key, p.Value)
		}
		back, err := ParseText(again)
		if err != nil || fmt.Sprint(back) != fmt.Sprint(pairs) {
			t.Fatalf("%q became %q", pairs, back)
		}
	})
}

func FuzzCHAP(f *testing.F) {
	f.Add("0x00ff", "5,6,7")
	f.Add("0bAAAA", "8")
	f.Fuzz(func(t *testing.T, binary, list string) {
		if b, err := ParseBinary(binary); err == nil {
			if len(b) == 0 || len(b) > MaxChapBinary {
				t.Fatal(len(b))
			}
			if back, err := ParseBinary(FormatBinary(b)); err != nil || !bytes.Equal(back, b) {
				t.Fatal("no round trip")
			}
		}
		if a, ok := ChooseChapAlgorithm(list, 0); ok && a.Response(1, "s", []byte{1}) == nil {
			t.Fatal("chose an unknown hash")
		}
	})
}
