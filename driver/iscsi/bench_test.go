package iscsi

import (
	"fmt"
	"testing"

	"virtualloader/driver/iscsi/initiator"
	"virtualloader/driver/scsi"
)

// BenchmarkDataPath moves blocks over loopback between the initiator package and
// a unit that forgets what it gets. Allocations are both ends'.
func BenchmarkDataPath(b *testing.B) {
	for _, direction := range []string{"write", "read"} {
		for _, length := range []int{4 << 10, 64 << 10, 256 << 10, 1 << 20} {
			for _, depth := range []int{1, 8} {
				b.Run(fmt.Sprintf("%s/%dKiB/Q%d", direction, length>>10, depth), func(b *testing.B) {
					s := startServer(b, Config{}, Auth{})
					s.device.units[0].null = true
					benchmarkBlocks(b, s.dial(b, nil), direction, length, depth)
				})
			}
		}
	}
}

func benchmarkBlocks(b *testing.B, session *initiator.Session, direction string, length, depth int) {
	buffers := make([][]byte, depth)
	for i := range buffers {
		buffers[i] = make([]byte, length)
	}
	finished := make(chan struct{})
	left, under := b.N, 0
	var next func(buffer []byte)
	next = func(buffer []byte) {
		command := initiator.Command{CDB: cdb6(scsi.Read6, 0, length), In: buffer}
		if direction == "write" {
			command = initiator.Command{CDB: cdb6(scsi.Write6, 0, length), Out: buffer}
		}
		session.Submit(command, func(r initiator.Result, err error) {
			if err != nil || r.Status != scsi.Good {
				b.Errorf("%v %+v", err, r)
			}
			// Callbacks come from one goroutine, so left and under need no lock.
			under--
			if left > 0 {
				left--
				under++
				next(buffer)
			} else if under == 0 {
				close(finished)
			}
		})
	}
	b.SetBytes(int64(length))
	b.ReportAllocs()
	b.ResetTimer()
	first := min(depth, b.N)
	left, under = b.N-first, first
	for i := range first {
		next(buffers[i])
	}
	<-finished
	b.StopTimer()
}
