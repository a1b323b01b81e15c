package spc

import "virtualloader/driver/scsi"

// Modes of READ BUFFER and WRITE BUFFER (SPC-4 6.18, 6.49).
const (
	bufferDescriptor = 0x03
	echoBuffer       = 0x0A
	echoDescriptor   = 0x0B
)

// echoBytes is the capacity of a nexus's echo buffer; its only use is to see
// that data go and come unharmed.
const echoBytes = 4096

func (u *Unit) readBuffer(r *Request) error {
	allocation := int(scsi.Uint24(r.CDB[6:]))
	switch r.CDB[1] & 0x1f {
	case bufferDescriptor: // there is no other buffer
		return r.Reply(make([]byte, 4), allocation)
	case echoDescriptor:
		const ownEcho = 0x01 // EBOS: nobody else writes into it
		return r.Reply([]byte{ownEcho, 0, echoBytes >> 8, echoBytes & 0xff}, allocation)
	case echoBuffer:
		u.mu.Lock()
		echo := r.from.echo
		u.mu.Unlock()
		if echo == nil {
			return scsi.Illegal(scsi.CommandSequenceError)
		}
		return r.Reply(echo, allocation)
	}
	return scsi.InvalidFieldInCDB(1, 4)
}

// writeBuffer takes echo data only: there is no firmware to write.
func (u *Unit) writeBuffer(r *Request) error {
	length := int(scsi.Uint24(r.CDB[6:]))
	switch {
	case r.CDB[1]&0x1f != echoBuffer:
		return scsi.InvalidFieldInCDB(1, 4)
	case length > echoBytes:
		return scsi.InvalidFieldInCDB(6, scsi.NoBit)
	}
	list, err := r.Parameters(length)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	r.from.echo = append([]byte{}, list...)
	return nil
}
