package scsi

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

func TestFixedSenseHasTheBytesOfSPC4(t *testing.T) {
	for _, c := range []struct {
		name  string
		sense Sense
		want  string
	}{
		{"end of data with a residual", Sense{Key: BlankCheck, Code: EndOfDataDetected, Valid: true, Information: 4096},
			"f0 00 08 00001000 0a 00000000 0005 00 000000"},
		{"a block longer than the request", Sense{ILI: true, Valid: true, Information: 500 - 1000},
			"f0 00 20 fffffe0c 0a 00000000 0000 00 000000"},
		{"filemark", Sense{Filemark: true, Code: FilemarkDetected, Valid: true, Information: 1},
			"f0 00 80 00000001 0a 00000000 0001 00 000000"},
		{"early warning", Sense{EOM: true, Code: EndOfPartitionMediumDetected, Valid: true},
			"f0 00 40 00000000 0a 00000000 0002 00 000000"},
		{"field pointer", *InvalidFieldInCDB(1, 2), "70 00 05 00000000 0a 00000000 2400 00 ca0001"},
		{"field pointer without a bit", *InvalidFieldInParameterList(258, NoBit), "70 00 05 00000000 0a 00000000 2600 00 800102"},
		{"a residual that does not fit", Sense{Key: BlankCheck, Code: EndOfDataDetected, Valid: true, Information: math.MaxInt64},
			"70 00 08 00000000 0a 00000000 0005 00 000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, err := hex.DecodeString(strings.ReplaceAll(c.want, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			if got := c.sense.Fixed(); !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
		})
	}
}

func TestParseSenseReadsWhatBothFormatsSay(t *testing.T) {
	for _, s := range []Sense{
		{Key: BlankCheck, Code: EndOfDataDetected, Valid: true, Information: 7},
		{Key: NoSense, Code: FilemarkDetected, Filemark: true, EOM: true, ILI: true, Valid: true, Information: -12},
		{Key: NotReady, Code: EraseOperationInProgress, Specific: Progress(1, 2)},
		{Key: UnitAttention, Code: PowerOnOccurred},
	} {
		for format, b := range map[string][]byte{"fixed": s.Fixed(), "descriptor": s.Descriptor()} {
			got, ok := ParseSense(b)
			if !ok || got != s {
				t.Errorf("%s %x: got %+v, want %+v", format, b, got, s)
			}
		}
	}
}

func FuzzParseSense(f *testing.F) {
	f.Add((&Sense{Key: BlankCheck, Valid: true, Information: 7}).Fixed())
	f.Add((&Sense{Key: NotReady, Valid: true, EOM: true, Specific: Progress(1, 3)}).Descriptor())
	f.Add([]byte{0x72, 0, 0, 0, 0, 0, 0, 0xff, 0x00, 0x0A})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := ParseSense(b)
		if !ok || b[0]&0x7f > 0x71 {
			return
		}
		if again, ok := ParseSense(s.Fixed()); !ok || again.Key != s.Key || again.Information != s.Information {
			t.Errorf("%x reads as %+v, which reads as %+v", b, s, again)
		}
	})
}

func TestOutcomeOfIsTheOnlyWayFromErrorToStatus(t *testing.T) {
	sense := &Sense{Key: MediumError, Code: WriteError, Cause: io.ErrUnexpectedEOF}
	for _, c := range []struct {
		err    error
		status Status
		key    SenseKey
		code   AdditionalSense
	}{
		{nil, Good, 0, 0},
		{fmt.Errorf("write ABC001L8: %w", sense), CheckCondition, MediumError, WriteError},
		{fmt.Errorf("lun 0: %w", StatusError(ReservationConflict)), ReservationConflict, 0, 0},
		{ErrAborted, TaskAborted, 0, 0},
		{ErrDataOutShort, CheckCondition, IllegalRequest, InvalidFieldInCommandInformationUnit},
		{errors.New("something else"), CheckCondition, HardwareError, InternalTargetFailure},
	} {
		o := OutcomeOf(c.err)
		if o.Status != c.status || (o.Sense != nil) != (c.status == CheckCondition) {
			t.Errorf("%v: got %+v", c.err, o)
			continue
		}
		if o.Sense != nil && (o.Sense.Key != c.key || o.Sense.Code != c.code) {
			t.Errorf("%v: got %v", c.err, o.Sense)
		}
	}
	if !errors.Is(sense, io.ErrUnexpectedEOF) {
		t.Error("the cause of a sense cannot be found")
	}
}

func TestLUNNumber(t *testing.T) {
	for _, c := range []struct {
		lun LUN
		n   int
		ok  bool
	}{
		{0, 0, true},
		{UnitNumber(1), 1, true},
		{UnitNumber(255), 255, true},
		{0x4101 << 48, 0x101, true},
		{0x0100 << 48, 0, false},
		{1, 0, false},
		{ReportLUNsWellKnown, 0, false},
	} {
		if n, ok := c.lun.Number(); n != c.n || ok != c.ok {
			t.Errorf("%016x: got %d, %v", uint64(c.lun), n, ok)
		}
	}
}

func TestBigEndianFields(t *testing.T) {
	b := make([]byte, 3)
	for _, v := range []int32{0, 1, -1, 0x7fffff, -0x800000} {
		PutUint24(b, uint32(v))
		if got := Int24(b); got != v {
			t.Errorf("%x: got %d, want %d", b, got, v)
		}
	}
}
