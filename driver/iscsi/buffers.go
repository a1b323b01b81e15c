package iscsi

import (
	"math/bits"
	"sync"
	"unsafe"
)

// pageLength is what payload buffers are aligned to, so that they can be handed
// to direct I/O.
const pageLength = 4096

// Payload buffers come in powers of two from 4 KiB to 16 MiB.
const (
	smallestClass = 12
	largestClass  = 24
	buffersKept   = 32 << 20 // bytes of free buffers a server holds on to
)

// buffer is pooled, page aligned memory.
type buffer struct {
	mem   []byte
	class int
}

// pool lends payload buffers, the one that came back last first: it is the one
// still in the processor's cache. The zero value is ready. Safe for concurrent use.
type pool struct {
	mu   sync.Mutex
	free [largestClass + 1][]*buffer
	kept int
}

// sizeClass is the power of two that holds n bytes.
func sizeClass(n int) int { return max(smallestClass, bits.Len(uint(max(n, 1)-1))) }

// get lends a buffer of at least n bytes.
func (p *pool) get(n int) *buffer {
	class := sizeClass(n)
	if class > largestClass {
		return &buffer{mem: alignedBytes(n)}
	}
	p.mu.Lock()
	if list := p.free[class]; len(list) > 0 {
		b := list[len(list)-1]
		p.free[class] = list[:len(list)-1]
		p.kept -= len(b.mem)
		p.mu.Unlock()
		return b
	}
	p.mu.Unlock()
	return &buffer{mem: alignedBytes(1 << class), class: class}
}

// put takes a buffer back; nil is fine.
func (p *pool) put(b *buffer) {
	if b == nil || b.class == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept+len(b.mem) > buffersKept {
		return
	}
	p.kept += len(b.mem)
	p.free[b.class] = append(p.free[b.class], b)
}

// drop forgets the free buffers.
func (p *pool) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.free[:])
	p.kept = 0
}

func alignedBytes(n int) []byte {
	mem := make([]byte, n+pageLength)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(mem))) & (pageLength - 1))
	return mem[skip : skip+n : skip+n]
}
