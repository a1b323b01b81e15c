package pdu

import "encoding/binary"

// Types of additional header segments (RFC 7143 11.2.2.1).
const (
	ahsExtendedCDB = 1
	ahsBidiLength  = 2
)

// Additional is what a SCSI Command's additional header segments say.
type Additional struct {
	ExtendedCDB []byte // bytes 16 and on of a CDB longer than 16 bytes; aliases the input
	BidiLength  uint32 // expected bidirectional read data transfer length
}

// ParseAHS decodes additional header segments; ok is false when a segment is cut
// off or of the wrong length. Unknown types are skipped.
func ParseAHS(b []byte) (a Additional, ok bool) {
	for len(b) > 0 {
		if len(b) < 4 {
			return a, false
		}
		length := int(binary.BigEndian.Uint16(b))
		end := 3 + length
		if length == 0 || end > len(b) {
			return a, false
		}
		switch b[2] {
		case ahsExtendedCDB:
			a.ExtendedCDB = b[4:end]
		case ahsBidiLength:
			if length != 5 {
				return a, false
			}
			a.BidiLength = binary.BigEndian.Uint32(b[4:])
		}
		end += Padding(end)
		if end > len(b) {
			return a, false
		}
		b = b[end:]
	}
	return a, true
}
