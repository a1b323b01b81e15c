package pdu

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// scatter returns a function that fills up to three slices by one readv.
func scatter(src io.Reader) func(a, b, c []byte) (int, error) {
	conn, ok := src.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil
	}
	var vector [3][]byte
	var used, n int
	var failure error
	attempt := func(fd uintptr) bool {
		n, failure = unix.Readv(int(fd), vector[:used])
		return failure != unix.EAGAIN && failure != unix.EINTR
	}
	return func(a, b, c []byte) (int, error) {
		vector, used = [3][]byte{a, b, c}, 3
		if len(c) == 0 {
			used = 2
		}
		n, failure = 0, nil
		err := raw.Read(attempt)
		vector = [3][]byte{}
		if err == nil {
			err = failure
		}
		if err == nil && n == 0 {
			err = io.EOF
		}
		return max(n, 0), err
	}
}
