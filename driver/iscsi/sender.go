package iscsi

import (
	"net"
	"sync"
	"sync/atomic"

	"virtualloader/driver/iscsi/pdu"
)

// framesAtOnce is how many PDUs one vectored write carries at most.
const framesAtOnce = 64

// frame is what stands around one PDU's data: header and header digest before
// it, padding and data digest behind it.
type frame struct {
	head [pdu.HeaderLength + pdu.DigestLength]byte
	tail [pdu.DigestLength + 4]byte
}

// sender writes the PDUs of one connection. Whoever has something to say locks
// it, takes headers, adds them and flushes: header and data leave in one vectored
// write, on the caller's goroutine.
//
// sender.mu is taken last and calls nothing back.
type sender struct {
	mu sync.Mutex

	conn                     net.Conn
	headerDigest, dataDigest bool
	statSN                   uint32 // of the next PDU that carries status
	err                      error  // first write error; nothing is written after it

	frames [framesAtOnce]frame
	used   int
	vector [][]byte
	work   net.Buffers

	// blockedSince is the server's clock when the running write began, 0: none.
	blockedSince atomic.Int64
	clock        *atomic.Int64
}

// header returns the next PDU's header to fill in, in place. Nothing else may be
// taken before it is added.
func (s *sender) header(op pdu.Opcode, flags byte) *pdu.Header {
	if s.used == framesAtOnce {
		s.flush()
	}
	h := (*pdu.Header)(s.frames[s.used].head[:])
	h.Reset(op, flags)
	return h
}

// add appends the PDU whose header was taken; data must stay unchanged until
// flush. The header's data length is set here.
func (s *sender) add(h *pdu.Header, data []byte) {
	f := &s.frames[s.used]
	s.used++
	h.SetDataLength(len(data))
	head := f.head[:pdu.HeaderLength]
	if s.headerDigest {
		head = f.head[:]
		pdu.PutDigest(head[pdu.HeaderLength:], pdu.Digest(0, h[:]))
	}
	s.vector = append(s.vector, head)
	if len(data) == 0 {
		return
	}
	s.vector = append(s.vector, data)
	f.tail = [len(f.tail)]byte{}
	n := pdu.Padding(len(data))
	if s.dataDigest {
		pdu.PutDigest(f.tail[n:], pdu.Digest(pdu.Digest(0, data), f.tail[:n]))
		n += pdu.DigestLength
	}
	if n > 0 {
		s.vector = append(s.vector, f.tail[:n])
	}
}

// addStatus is add for a PDU that consumes a StatSN.
func (s *sender) addStatus(h *pdu.Header, data []byte) {
	h.SetStatSN(s.statSN)
	s.statSN++
	s.add(h, data)
}

// flush writes what was added.
func (s *sender) flush() error {
	if s.err == nil && len(s.vector) > 0 {
		s.blockedSince.Store(s.clock.Load())
		s.work = s.vector
		_, s.err = s.work.WriteTo(s.conn)
		s.blockedSince.Store(0)
	}
	clear(s.vector)
	s.vector, s.used = s.vector[:0], 0
	return s.err
}
