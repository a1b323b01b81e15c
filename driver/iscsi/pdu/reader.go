package pdu

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// What a Reader reports beside the errors of the socket. None of them can be
// survived: where the next PDU begins is not known, or not to be believed.
var (
	ErrHeaderDigest = errors.New("header digest does not match")
	ErrDataDigest   = errors.New("data digest does not match")
	ErrTooLong      = errors.New("data segment longer than declared")
)

// stageLength is how many bytes of small PDUs one system call can bring.
const stageLength = 8 << 10

// Reader takes the PDUs of one connection apart. One goroutine at a time.
//
// What has been read and not yet handed out stands, in stream order, in
// stage[low:split], then middle, then stage[split:high]. The middle exists only
// when the last system call also filled the caller's guess (see Next).
type Reader struct {
	// HeaderDigest and DataDigest say whether the PDUs carry them.
	HeaderDigest, DataDigest bool

	// MaxData is the longest data segment in bytes that is let in.
	MaxData int

	// Retry is asked when a read in the middle of a PDU runs into a deadline;
	// true means that the deadline was not meant for it and the read goes on.
	Retry func() bool

	src  io.Reader
	many func(a, b, c []byte) (int, error) // one readv, nil where there is none

	stage            []byte
	low, split, high int
	middle           []byte
	spill            []byte // own memory for a middle that was guessed wrong

	ahs       []byte
	remaining int // bytes of the current data segment not handed out yet
	trailer   int // padding and data digest behind it
	crc       uint32
	small     [8]byte
}

// NewReader reads PDUs from src, without digests and with data segments of at
// most maxData bytes. A *net.TCPConn gets scattered reads where the system has
// them.
func NewReader(src io.Reader, maxData int) *Reader {
	r := &Reader{src: src, MaxData: maxData, stage: make([]byte, stageLength)}
	r.many = scatter(src)
	return r
}

// Buffered is the number of bytes that were read and not handed out.
func (r *Reader) Buffered() int { return r.high - r.low + len(r.middle) }

// Next reads the next header with its additional header segments and verifies
// their digest. When into is given, bytes behind the header may already be put
// there: it belongs to the reader until the Payload call that takes them (at
// once and without a copy, when it gets a slice that begins where into begins)
// or until Next returns a header whose data segment is shorter than into.
//
// A deadline error leaves the reader where it was; Next may be called again.
func (r *Reader) Next(h *Header, into []byte) error {
	if r.remaining > 0 {
		return fmt.Errorf("%d bytes of the data segment are unread", r.remaining)
	}
	length := HeaderLength
	if r.HeaderDigest {
		length += DigestLength
	}
	for r.Buffered() < length {
		if err := r.fill(length, into); err != nil {
			return err
		}
	}
	r.pull(h[:])
	data := h.DataLength()
	if data > r.MaxData {
		return fmt.Errorf("%w: %d of at most %d bytes", ErrTooLong, data, r.MaxData)
	}
	r.ahs = r.ahs[:0]
	if n := h.AHSLength(); n > 0 {
		if cap(r.ahs) < n {
			r.ahs = make([]byte, 255*4)
		}
		r.ahs = r.ahs[:n]
		if err := r.full(r.ahs, 0); err != nil {
			return err
		}
	}
	if r.HeaderDigest {
		digest := r.small[:DigestLength]
		if err := r.full(digest, 0); err != nil {
			return err
		}
		if !digestMatches(digest, Digest(Digest(0, h[:]), r.ahs)) {
			return ErrHeaderDigest
		}
	}
	r.remaining, r.trailer, r.crc = data, 0, 0
	if data > 0 {
		r.trailer = Padding(data)
		if r.DataDigest {
			r.trailer += DigestLength
		}
	}
	if len(r.middle) > data {
		r.spill = append(r.spill[:0], r.middle...)
		r.middle = r.spill
	}
	return nil
}

// AHS returns the additional header segments of the last header, valid until
// the next one.
func (r *Reader) AHS() []byte { return r.ahs }

// Remaining is the number of bytes of the current data segment that Payload has
// not handed out.
func (r *Reader) Remaining() int { return r.remaining }

// Payload reads the next len(p) bytes of the current data segment, at most
// Remaining. With its last byte the padding is read and the digest verified.
func (r *Reader) Payload(p []byte) error {
	if len(p) > r.remaining {
		return io.ErrShortBuffer
	}
	if len(p) == 0 {
		return nil
	}
	rest := p
	if len(r.middle) > 0 && &p[0] == &r.middle[0] {
		n := min(len(p), len(r.middle))
		rest, r.middle = p[n:], r.middle[n:]
	}
	tail := 0
	if len(p) == r.remaining {
		tail = r.trailer
	}
	if err := r.full(rest, tail); err != nil {
		return err
	}
	r.remaining -= len(p)
	if r.DataDigest {
		r.crc = Digest(r.crc, p)
	}
	if r.remaining > 0 {
		return nil
	}
	return r.end()
}

// end takes padding and data digest, which full has brought in.
func (r *Reader) end() error {
	if r.trailer == 0 {
		return nil
	}
	trailer := r.small[:r.trailer]
	if err := r.full(trailer, 0); err != nil {
		return err
	}
	if !r.DataDigest {
		return nil
	}
	padding := trailer[:len(trailer)-DigestLength]
	if !digestMatches(trailer[len(padding):], Digest(r.crc, padding)) {
		return ErrDataDigest
	}
	return nil
}

// Discard reads what is left of the data segment and forgets it; its digest is
// still verified.
func (r *Reader) Discard() error {
	if r.remaining == 0 {
		return nil
	}
	scratch := make([]byte, min(4096, r.remaining))
	for r.remaining > 0 {
		if err := r.Payload(scratch[:min(len(scratch), r.remaining)]); err != nil {
			return err
		}
	}
	return nil
}

// pull moves buffered bytes to p, as many as there are.
func (r *Reader) pull(p []byte) (n int) {
	n = copy(p, r.stage[r.low:r.split])
	r.low += n
	if k := copy(p[n:], r.middle); k > 0 {
		r.middle = r.middle[k:]
		n += k
	}
	if r.low == r.split && len(r.middle) == 0 {
		r.split = r.high
		k := copy(p[n:], r.stage[r.low:r.high])
		r.low += k
		n += k
	}
	return n
}

// fill reads once from the socket behind an incomplete header of the given
// length. The guess is used only from the header's end on.
func (r *Reader) fill(length int, into []byte) error {
	if r.Buffered() > 0 && (len(r.middle) > 0 || r.low > 0) {
		var partial [HeaderLength + DigestLength]byte
		n := r.pull(partial[:])
		r.low, r.high = 0, copy(r.stage, partial[:n])
	} else if r.low == r.high {
		r.low, r.high = 0, 0
	}
	r.split, r.middle = r.high, nil
	if r.many == nil || len(into) == 0 {
		n, err := r.src.Read(r.stage[r.high:])
		r.high += n
		r.split = r.high
		return readError(n, err)
	}
	head := length - r.high
	n, err := r.many(r.stage[r.high:length], into, r.stage[length:])
	if n <= head {
		r.high += n
		r.split = r.high
		return readError(n, err)
	}
	r.split = length
	r.middle = into[:min(n-head, len(into))]
	r.high = length + n - head - len(r.middle)
	return readError(n, err)
}

// full fills p from the buffered bytes and the socket. tail bytes are known to
// follow: they are read in the same call where possible, and stay buffered.
func (r *Reader) full(p []byte, tail int) error {
	for len(p) > 0 {
		if r.Buffered() > 0 {
			p = p[r.pull(p):]
			continue
		}
		n, err := r.direct(p, tail)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && r.Retry != nil && r.Retry() {
			continue
		}
		if err := readError(n, err); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		p = p[min(n, len(p)):]
	}
	return nil
}

// direct reads straight into p; what comes behind it, up to tail bytes, is
// buffered. Short pieces take as much as the stage holds.
func (r *Reader) direct(p []byte, tail int) (int, error) {
	if len(p) < stageLength/2 {
		n, err := r.src.Read(r.stage)
		r.low, r.split, r.high = 0, n, n
		return r.pull(p), readError(n, err)
	}
	if tail == 0 || r.many == nil {
		return r.src.Read(p)
	}
	n, err := r.many(p, r.stage[:tail], nil)
	if n > len(p) {
		r.low, r.split, r.high = 0, n-len(p), n-len(p)
	}
	return n, err
}

func readError(n int, err error) error {
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
