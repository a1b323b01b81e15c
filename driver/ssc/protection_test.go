package ssc

import (
	"bytes"
	"testing"

	"virtualloader/driver/scsi"
)

// Whatever memory a unit sends from, the block goes with its CRC behind it, and
// with a wrong one when it is only the beginning of a block.
func TestACRCGoesBehindEveryBlock(t *testing.T) {
	want := []byte("123456789\x83\x92\x06\xE3") // CRC32C E3069283h, least significant byte first
	for name, send := range map[string]func(c *checked) error{
		"lent": func(c *checked) error {
			p := c.Buffer(9)
			copy(p, "123456789")
			return c.SendDataIn(p)
		},
		"lent and not filled": func(c *checked) error {
			p := c.Buffer(100)
			copy(p, "123456789")
			return c.SendDataIn(p[:9])
		},
		"its own": func(c *checked) error { return c.SendDataIn([]byte("123456789")) },
	} {
		for _, cut := range []bool{false, true} {
			k := &keeping{}
			if err := send(&checked{Transport: k, cut: cut}); err != nil {
				t.Fatal(err)
			}
			if len(k.data) != len(want) || bytes.Equal(k.data, want) == cut {
				t.Errorf("%s, cut %v: % X", name, cut, k.data)
			}
		}
	}
}

func TestOnlyTheWholeLengthIsTranslated(t *testing.T) {
	for _, c := range []struct{ in, out scsi.Sense }{
		{scsi.Sense{Filemark: true, Valid: true, Information: 996}, scsi.Sense{Filemark: true, Valid: true, Information: 1000}},
		{scsi.Sense{ILI: true, Valid: true, Information: 996}, scsi.Sense{ILI: true, Valid: true, Information: 996}},
		{scsi.Sense{EOM: true, Valid: true}, scsi.Sense{EOM: true, Valid: true}},
		{scsi.Sense{Information: 996}, scsi.Sense{Information: 996}},
	} {
		if got := withLength(&c.in, 996, 1000).(*scsi.Sense); *got != c.out {
			t.Errorf("%+v became %+v", c.in, *got)
		}
	}
	if err := withLength(scsi.ErrAborted, 996, 1000); err != scsi.ErrAborted {
		t.Error(err)
	}
}
