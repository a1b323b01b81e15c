//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"virtualloader/driver/conformance"
	"virtualloader/driver/scsi"
)

// Requests of the kernel's sg driver (include/scsi/sg.h).
const (
	sgIO        = 0x2285
	sgSCSIReset = 0x2284

	resetDevice = 1

	directionNone = -1
	directionOut  = -2
	directionIn   = -3

	timeoutMilliseconds = 60_000
	senseRoom           = 64
)

// header is struct sg_io_hdr.
type header struct {
	interfaceID    int32
	direction      int32
	commandLength  uint8
	senseRoom      uint8
	vectors        uint16
	transferLength uint32
	transfer       unsafe.Pointer
	command        unsafe.Pointer
	sense          unsafe.Pointer
	timeout        uint32
	flags          uint32
	packID         int32
	user           unsafe.Pointer
	status         uint8
	maskedStatus   uint8
	messageStatus  uint8
	senseWritten   uint8
	hostStatus     uint16
	driverStatus   uint16
	residual       int32
	duration       uint32
	info           uint32
}

// execute sends one command through an sg device.
func execute(device *os.File, cdb, out []byte, inLen int) (r conformance.Result, err error) {
	cdb = append([]byte(nil), cdb...)
	sense := make([]byte, senseRoom)
	h := &header{
		interfaceID: 'S', direction: directionNone, timeout: timeoutMilliseconds,
		commandLength: uint8(len(cdb)), command: unsafe.Pointer(&cdb[0]), senseRoom: senseRoom, sense: unsafe.Pointer(&sense[0]),
	}
	data := make([]byte, inLen)
	switch {
	case len(out) > 0:
		data = append([]byte(nil), out...)
		h.direction = directionOut
	case inLen > 0:
		h.direction = directionIn
	}
	if len(data) > 0 {
		h.transfer, h.transferLength = unsafe.Pointer(&data[0]), uint32(len(data))
	}
	err = ioctl(device, sgIO, unsafe.Pointer(h))
	runtime.KeepAlive(data)
	runtime.KeepAlive(cdb)
	switch {
	case errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOMEM):
		return r, fmt.Errorf("the kernel does not carry %d bytes: %w", len(data), errors.ErrUnsupported)
	case err != nil:
		return r, err
	case h.hostStatus != 0:
		return r, fmt.Errorf("command %X: host status %02Xh", cdb, h.hostStatus)
	}
	r.Status, r.Residual = scsi.Status(h.status), int(h.residual)
	if r.Status == scsi.CheckCondition {
		r.Sense = sense[:h.senseWritten]
	}
	if h.direction == directionIn {
		r.Data = data[:max(0, len(data)-int(h.residual))]
	}
	return r, nil
}

// reset has the kernel reset a logical unit.
func reset(device *os.File) error {
	what := int32(resetDevice)
	return ioctl(device, sgSCSIReset, unsafe.Pointer(&what))
}

// ioctl runs with all signals held back: sg restarts an SG_IO that a signal met,
// and the command would be executed twice. Go's runtime sends itself signals.
func ioctl(f *os.File, request uintptr, argument unsafe.Pointer) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return err
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}
