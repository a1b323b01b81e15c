//go:build linux

package interop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// relay stands between an initiator that expects a disk and a target that is a tape
// or a changer. libiscsi's test program begins with READ CAPACITY(10): the target gets
// TEST UNIT READY in its place, so that numbering and unit attentions are the target's
// own, and its GOOD becomes the capacity of a small disk. Its tests of
// reservations read and write with READ(10) and WRITE(10), which become READ(6) and
// WRITE(6). All else passes as it is. The relay knows no digests.
type relay struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup
}

// newRelay serves on a free port of the loopback until Close.
func newRelay(target string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: l, target: target}
	r.wg.Go(r.serve)
	return r, nil
}

// Addr is where the initiator connects to.
func (r *relay) Addr() string { return r.listener.Addr().String() }

// Close stops listening and waits until the last connection has ended.
func (r *relay) Close() error {
	err := r.listener.Close()
	r.wg.Wait()
	return err
}

func (r *relay) serve() {
	for {
		initiator, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil {
			continue
		}
		target, err := net.Dial("tcp", r.target)
		if err != nil {
			initiator.Close()
			continue
		}
		asked := &questions{answers: map[uint32][]byte{}}
		end := func() { initiator.Close(); target.Close() }
		r.wg.Go(func() { defer end(); copyPDUs(target, initiator, asked.command) })
		r.wg.Go(func() { defer end(); copyPDUs(initiator, target, asked.response) })
	}
}

const headerLength = 48

// pdu is one protocol data unit as it is on the wire.
type pdu struct{ header, rest []byte }

// copyPDUs copies until either side ends; change may alter each PDU.
func copyPDUs(dst io.Writer, src io.Reader, change func(*pdu)) {
	for {
		p := pdu{header: make([]byte, headerLength)}
		if _, err := io.ReadFull(src, p.header); err != nil {
			return
		}
		data := int(binary.BigEndian.Uint32(p.header[4:8]) & 0xFFFFFF)
		p.rest = make([]byte, int(p.header[4])*4+(data+3)/4*4)
		if _, err := io.ReadFull(src, p.rest); err != nil {
			return
		}
		change(&p)
		if _, err := dst.Write(append(p.header, p.rest...)); err != nil {
			return
		}
	}
}

// The opcodes of PDUs, and those of a disk's commands.
const (
	opcodeCommand  = 0x01
	opcodeResponse = 0x21
	opcodeDataIn   = 0x25

	readCapacity10 = 0x25
	read10         = 0x28
	write10        = 0x2A
)

// questions are the commands of one connection that are on their way and that the
// relay answers with data when the target has answered GOOD: data by task tag.
type questions struct {
	mu      sync.Mutex
	answers map[uint32][]byte
}

// command puts a tape's command in the place of a disk's.
func (q *questions) command(p *pdu) {
	if p.header[0]&0x3F != opcodeCommand {
		return
	}
	cdb, length := p.header[32:48], p.header[20:24] // expected data transfer length
	var answer []byte
	switch cdb[0] {
	case readCapacity10:
		clear(cdb)                                    // TEST UNIT READY
		answer = []byte{0, 0, 0xFF, 0xFF, 0, 0, 2, 0} // last block 65535, 512 bytes each
	case read10:
		clear(cdb)
		cdb[0] = 0x08 // READ(6) of nothing: medium access without regard to what is on the tape
		answer = make([]byte, min(binary.BigEndian.Uint32(length), 512))
	case write10:
		clear(cdb)
		cdb[0] = 0x0A // WRITE(6), one block of variable length
		copy(cdb[2:5], length[1:])
		return
	default:
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.answers[tag(p)] = answer
}

// response makes an answer with data of the target's GOOD.
func (q *questions) response(p *pdu) {
	if p.header[0]&0x3F != opcodeResponse {
		return
	}
	q.mu.Lock()
	answer, asked := q.answers[tag(p)]
	delete(q.answers, tag(p))
	q.mu.Unlock()
	if !asked || p.header[3] != 0 {
		return
	}
	// Data-In with status: the numbers at 24 to 35 stay, the rest begins anew.
	h := p.header
	h[0], h[1], h[2] = opcodeDataIn, 0x81, 0
	clear(h[4:16])
	copy(h[20:24], bytes.Repeat([]byte{0xFF}, 4))
	clear(h[36:48])
	binary.BigEndian.PutUint32(h[4:8], uint32(len(answer)))
	p.rest = answer
}

// tag is the initiator task tag.
func tag(p *pdu) uint32 { return binary.BigEndian.Uint32(p.header[16:20]) }
