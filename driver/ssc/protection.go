package ssc

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
)

// Logical block protection: while the control data protection mode
// page says so, every block crosses the transport with a CRC32C behind it.
//
//	initiator ── block, CRC ──> checked here ── block ──> Image, with its own
//	          <── block, CRC ── made here    <── block ── checksum, checked there
//
// The checksum that the Image keeps is made of the very memory whose CRC was
// right, so a bit that turns over anywhere between the two programs is found. A
// protected block counts with its CRC in transfer lengths, on tape it is plain.

// The control data protection mode page, and what may stand in it.
const (
	pageControl           = 0x0A
	subpageDataProtection = 0xF0

	protectNothing = 0
	protectCRC32C  = 2

	protectedWrites = 0x80 // LBP_W, byte 6
	protectedReads  = 0x40 // LBP_R
	protectedBuffer = 0x20 // RBDP: of RECOVER BUFFERED DATA, which there is none of

	crcBytes = 4
)

// vpdProtection is VPD page B5h: one method, CRC32C of four bytes, for writes
// and reads. Descriptors begin at byte 8 of the page.
var vpdProtection = []byte{0, 0, 0, 0, 3, protectCRC32C, crcBytes, protectedWrites | protectedReads}

// dataProtection is the control data protection mode page.
func dataProtection() spc.ModePage {
	p := make([]byte, 32)
	p[0], p[1], p[3] = 0x40|pageControl, subpageDataProtection, 0x1C
	mask := fixed(p)
	mask[4], mask[5], mask[6] = 0xFF, 0x3F, protectedWrites|protectedReads|protectedBuffer
	return spc.ModePage{Default: p, Changeable: mask, Check: checkDataProtection}
}

func checkDataProtection(p []byte) error {
	method, length, where := p[4], p[5]&0x3F, p[6]&(protectedWrites|protectedReads|protectedBuffer)
	switch {
	case method != protectNothing && method != protectCRC32C:
		return scsi.InvalidFieldInParameterList(4, scsi.NoBit)
	case method == protectCRC32C && length != crcBytes || method == protectNothing && length != 0:
		return scsi.InvalidFieldInParameterList(5, 5)
	case where&protectedBuffer != 0 || method == protectNothing && where != 0:
		return scsi.InvalidFieldInParameterList(6, 7)
	}
	return nil
}

// protects says whether blocks that go that way carry a CRC.
func (d *Drive) protects(where byte) bool {
	p := d.ModePage(pageControl, subpageDataProtection)
	return p[4] != protectNothing && p[6]&where != 0
}

// withProtection has READ(6) and WRITE(6) obey the mode page.
func (d *Drive) withProtection(rows []spc.Command) []spc.Command {
	for i := range rows {
		switch row := &rows[i]; row.Opcode {
		case scsi.Read6:
			row.Do = d.guard(protectedReads, row.Do)
		case scsi.Write6:
			row.Do = d.guard(protectedWrites, row.Do)
		case scsi.ReadReverse6:
			row.Do = d.refuseProtected(row.Do)
		}
	}
	return rows
}

// refuseProtected refuses a read whose blocks would come without their CRC.
func (d *Drive) refuseProtected(do func(*spc.Request) error) func(*spc.Request) error {
	return func(r *spc.Request) error {
		if d.protects(protectedReads) {
			return scsi.InvalidFieldInCDB(0, scsi.NoBit)
		}
		return do(r)
	}
}

// guard carries a command out on blocks without their CRC. Fixed block mode
// is refused: the standard leaves open which length counts there.
func (d *Drive) guard(where byte, do func(*spc.Request) error) func(*spc.Request) error {
	return func(r *spc.Request) error {
		length := int(scsi.Uint24(r.CDB[2:]))
		switch {
		case length == 0 || !d.protects(where):
			return do(r)
		case r.Flag(1, fixedBit):
			return scsi.InvalidFieldInCDB(1, 0)
		case length <= crcBytes:
			return scsi.InvalidFieldInCDB(2, scsi.NoBit)
		}
		plain := length - crcBytes
		c := &checked{Transport: r.Transport}
		if where == protectedReads {
			object, err := d.image.Next()
			c.cut = err == nil && object.Length > plain
		}
		original, task := r.Task, *r.Task
		task.CDB, task.Transport = slices.Clone(task.CDB), c
		scsi.PutUint24(task.CDB[2:], uint32(plain))
		r.Task = &task
		err := do(r)
		r.Task = original
		return withLength(err, plain, length)
	}
}

// withLength turns INFORMATION that means the whole plain length into the length
// that the initiator asked for.
func withLength(err error, plain, asked int) error {
	var sense *scsi.Sense
	if !errors.As(err, &sense) || !sense.Valid || sense.ILI || sense.Information != int64(plain) {
		return err
	}
	told := *sense
	told.Information = int64(asked)
	return &told
}

// checked is a Transport that takes the CRC off what comes and puts one behind
// what goes.
type checked struct {
	scsi.Transport
	lent []byte
	cut  bool // the block does not fit: its CRC must not be right
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ReceiveDataOut implements scsi.Transport.
func (c *checked) ReceiveDataOut(n int) ([]byte, error) {
	p, err := c.Transport.ReceiveDataOut(n + crcBytes)
	if err != nil {
		return nil, err
	}
	if crc32.Checksum(p[:n], castagnoli) != binary.LittleEndian.Uint32(p[n:]) {
		return nil, &scsi.Sense{Key: scsi.HardwareError, Code: scsi.LogicalBlockGuardCheckFailed, Valid: true, Information: int64(n + crcBytes)}
	}
	return p[:n:n], nil
}

// Buffer implements scsi.Transport.
func (c *checked) Buffer(n int) []byte {
	c.lent = c.Transport.Buffer(n + crcBytes)
	return c.lent[:n:n]
}

// SendDataIn implements scsi.Transport.
func (c *checked) SendDataIn(p []byte) error {
	n := len(p)
	if n == 0 || n+crcBytes > len(c.lent) || &p[0] != &c.lent[0] {
		copy(c.Buffer(n), p)
	}
	crc := crc32.Checksum(c.lent[:n], castagnoli)
	if c.cut {
		crc = ^crc
	}
	binary.LittleEndian.PutUint32(c.lent[n:], crc)
	return c.Transport.SendDataIn(c.lent[:n+crcBytes])
}
