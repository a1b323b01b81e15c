package scsi

import (
	"fmt"
	"math"
)

// SenseKey is the sense key of SPC-4 4.5.6.
type SenseKey uint8

// Sense keys.
const (
	NoSense        SenseKey = 0x0
	RecoveredError SenseKey = 0x1
	NotReady       SenseKey = 0x2
	MediumError    SenseKey = 0x3
	HardwareError  SenseKey = 0x4
	IllegalRequest SenseKey = 0x5
	UnitAttention  SenseKey = 0x6
	DataProtect    SenseKey = 0x7
	BlankCheck     SenseKey = 0x8
	AbortedCommand SenseKey = 0xB
	VolumeOverflow SenseKey = 0xD
)

// Sense is what CHECK CONDITION means (SPC-4 4.5). It is an error, so that it
// can travel up from wherever the condition was found; Cause, if any, is what
// the log shows beside it.
type Sense struct {
	Key                SenseKey
	Code               AdditionalSense
	Filemark, EOM, ILI bool

	// Valid says that Information counts: an object or byte count not
	// transferred (SSC-4 4.2.20), signed.
	Valid       bool
	Information int64

	// Specific holds sense key specific bytes (SPC-4 4.5.2.4), zero when the
	// SKSV bit is off: a field pointer or a progress indication.
	Specific [3]byte

	Cause error
}

// Error names the condition in words and in hex.
func (s *Sense) Error() string {
	text := fmt.Sprintf("%s (%X/%04X)", s.Code, uint8(s.Key), uint16(s.Code))
	if s.Cause != nil {
		text += ": " + s.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (s *Sense) Unwrap() error { return s.Cause }

// FixedSenseLength is the length in bytes of fixed format sense data as the
// units send it.
const FixedSenseLength = 18

// Fixed returns the 18 bytes of fixed format sense data (SPC-4 4.5.3). An
// Information that does not fit 32 bits is left out with VALID = 0.
func (s *Sense) Fixed() []byte {
	b := make([]byte, FixedSenseLength)
	b[0] = 0x70
	b[2] = byte(s.Key) | s.streamBits()
	if s.Valid && s.Information >= math.MinInt32 && s.Information <= math.MaxUint32 {
		b[0] |= 0x80
		PutUint32(b[3:], uint32(s.Information))
	}
	b[7] = FixedSenseLength - 8
	PutUint16(b[12:], uint16(s.Code))
	copy(b[15:18], s.Specific[:])
	return b
}

// Descriptor returns descriptor format sense data (SPC-4 4.5.2) with an
// information, a sense key specific and a stream descriptor where they apply.
func (s *Sense) Descriptor() []byte {
	b := []byte{0x72, byte(s.Key), byte(s.Code >> 8), byte(s.Code), 0, 0, 0, 0}
	if s.Valid {
		d := make([]byte, 12)
		d[0], d[1], d[2] = 0x00, 0x0A, 0x80
		PutUint64(d[4:], uint64(s.Information))
		b = append(b, d...)
	}
	if s.Specific[0] != 0 {
		b = append(b, 0x02, 0x06, 0, 0, s.Specific[0], s.Specific[1], s.Specific[2], 0)
	}
	if bits := s.streamBits(); bits != 0 {
		b = append(b, 0x04, 0x02, 0, bits)
	}
	b[7] = byte(len(b) - 8)
	return b
}

func (s *Sense) streamBits() (bits byte) {
	if s.Filemark {
		bits |= 0x80
	}
	if s.EOM {
		bits |= 0x40
	}
	if s.ILI {
		bits |= 0x20
	}
	return bits
}

// ParseSense decodes fixed or descriptor format sense data as an initiator
// receives it; ok is false when it is neither or too short to hold a key.
func ParseSense(b []byte) (s Sense, ok bool) {
	if len(b) < 4 {
		return s, false
	}
	switch b[0] & 0x7f {
	case 0x70, 0x71:
		s.Key = SenseKey(b[2] & 0x0f)
		s.setStreamBits(b[2])
		if len(b) >= 7 && b[0]&0x80 != 0 {
			s.Valid, s.Information = true, int64(int32(Uint32(b[3:])))
		}
		if len(b) >= 14 {
			s.Code = AdditionalSense(Uint16(b[12:]))
		}
		if len(b) >= 18 {
			copy(s.Specific[:], b[15:18])
		}
		return s, true
	case 0x72, 0x73:
		s.Key, s.Code = SenseKey(b[1]&0x0f), AdditionalSense(Uint16(b[2:]))
		if len(b) < 8 {
			return s, true
		}
		for d := b[8:min(len(b), 8+int(b[7]))]; len(d) >= 2 && len(d) >= 2+int(d[1]); d = d[2+int(d[1]):] {
			switch {
			case d[0] == 0x00 && d[1] == 0x0A && d[2]&0x80 != 0:
				s.Valid, s.Information = true, int64(Uint64(d[4:]))
			case d[0] == 0x02 && d[1] == 0x06:
				copy(s.Specific[:], d[4:7])
			case d[0] == 0x04 && d[1] == 0x02:
				s.setStreamBits(d[3])
			}
		}
		return s, true
	}
	return s, false
}

func (s *Sense) setStreamBits(b byte) {
	s.Filemark, s.EOM, s.ILI = b&0x80 != 0, b&0x40 != 0, b&0x20 != 0
}

// InvalidFieldInCDB is 5/2400 with a pointer to the offending byte of the CDB
// and, when bit is 0 to 7, to its most significant offending bit.
func InvalidFieldInCDB(byteIndex, bit int) *Sense {
	return &Sense{Key: IllegalRequest, Code: InvalidFieldInCDBCode, Specific: fieldPointer(0x40, byteIndex, bit)}
}

// InvalidFieldInParameterList is 5/2600 with a pointer into the parameter list.
func InvalidFieldInParameterList(byteIndex, bit int) *Sense {
	return &Sense{Key: IllegalRequest, Code: InvalidFieldInParameterListCode, Specific: fieldPointer(0, byteIndex, bit)}
}

// NoBit leaves the bit pointer of InvalidFieldInCDB and
// InvalidFieldInParameterList out.
const NoBit = -1

func fieldPointer(cd byte, byteIndex, bit int) [3]byte {
	b := [3]byte{0x80 | cd, byte(byteIndex >> 8), byte(byteIndex)}
	if bit >= 0 && bit <= 7 {
		b[0] |= 0x08 | byte(bit)
	}
	return b
}

// Illegal is ILLEGAL REQUEST with the given additional sense.
func Illegal(code AdditionalSense) *Sense { return &Sense{Key: IllegalRequest, Code: code} }

// Unready is NOT READY with the given additional sense.
func Unready(code AdditionalSense) *Sense { return &Sense{Key: NotReady, Code: code} }

// Attention is UNIT ATTENTION with the given additional sense.
func Attention(code AdditionalSense) *Sense { return &Sense{Key: UnitAttention, Code: code} }

// Progress is the sense key specific field of a running operation, done of
// total (SPC-4 4.5.2.4.4).
func Progress(done, total int64) [3]byte {
	if total <= 0 || done > total {
		done, total = 1, 1
	}
	p := uint16(float64(done) / float64(total) * 0xffff)
	return [3]byte{0x80, byte(p >> 8), byte(p)}
}
