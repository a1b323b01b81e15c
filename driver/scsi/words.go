package scsi

import (
	"fmt"
	"strings"
)

// String names the status as SAM-5 does, in upper case.
func (s Status) String() string {
	switch s {
	case Good:
		return "GOOD"
	case CheckCondition:
		return "CHECK CONDITION"
	}
	return strings.ToUpper(StatusError(s).Error())
}

var senseKeyText = map[SenseKey]string{
	NoSense: "no sense", RecoveredError: "recovered error", NotReady: "not ready", MediumError: "medium error",
	HardwareError: "hardware error", IllegalRequest: "illegal request", UnitAttention: "unit attention",
	DataProtect: "data protect", BlankCheck: "blank check", AbortedCommand: "aborted command", VolumeOverflow: "volume overflow",
}

// String returns the standard's words in lower case.
func (k SenseKey) String() string {
	if text, ok := senseKeyText[k]; ok {
		return text
	}
	return fmt.Sprintf("sense key %Xh", uint8(k))
}

// Words tells all that the sense data say, in one line for a person, such as
// "blank check, end-of-data detected (8/0005), information 4096".
func (s *Sense) Words() string {
	parts := []string{s.Key.String(), fmt.Sprintf("%s (%X/%04X)", s.Code, uint8(s.Key), uint16(s.Code))}
	for _, bit := range []struct {
		set  bool
		name string
	}{{s.Filemark, "FILEMARK"}, {s.EOM, "EOM"}, {s.ILI, "ILI"}} {
		if bit.set {
			parts = append(parts, bit.name)
		}
	}
	if s.Valid {
		parts = append(parts, fmt.Sprintf("information %d", s.Information))
	}
	return strings.Join(append(parts, s.specificWords()...), ", ")
}

// specificWords are those of the sense key specific bytes.
func (s *Sense) specificWords() []string {
	const sksv, commandData, bitValid = 0x80, 0x40, 0x08
	flags, number := s.Specific[0], Uint16(s.Specific[1:])
	switch {
	case flags&sksv == 0:
		return nil
	case s.Key != IllegalRequest:
		return []string{fmt.Sprintf("%.0f %% done", float64(number)*100/0xffff)}
	}
	where := "parameter list"
	if flags&commandData != 0 {
		where = "CDB"
	}
	text := fmt.Sprintf("byte %d of the %s", number, where)
	if flags&bitValid != 0 {
		text = fmt.Sprintf("bit %d of %s", flags&7, text)
	}
	return []string{text}
}
