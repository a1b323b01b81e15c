package conformance_test

import (
	"encoding/hex"
	"strings"
	"testing"
)

// Every bit that a command evaluates has a word, so the trace hides nothing.
func TestEveryFieldOfEveryCommandHasAWord(t *testing.T) {
	s := newStage(t)
	if err := s.drive.CheckWords(); err != nil {
		t.Error("tape drive:", err)
	}
	if err := s.changer.CheckWords(); err != nil {
		t.Error("changer:", err)
	}
}

func TestCommandsAreToldInWords(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct {
		lun       int
		cdb, want string
	}{
		{0, "080204000000", "READ(6) SILI, length 262144"},
		{0, "1100FFFFFE00", "SPACE(6) over blocks, count -2"},
		{0, "92080000000000000000000700000000", "LOCATE(16) to file, partition 0, id 7"},
		{0, "1A000F00FF00", "MODE SENSE(6) values current, page 0Fh, subpage 00h, allocation length 255"},
		{0, "000000000000", "TEST UNIT READY"},
		{0, "5F0103000000000018", "PERSISTENT RESERVE OUT, RESERVE type 3h, list length 24"},
		{0, "280000000000", "unknown operation code 28h, service action 00h"},
		{1, "A50000001000010000000000", "MOVE MEDIUM robot 0000h, from 1000h, to 0100h"},
		{1, "010000000000", "REZERO UNIT"},
	} {
		cdb, err := hex.DecodeString(c.cdb)
		if err != nil {
			t.Fatal(err)
		}
		cdb = append(cdb, make([]byte, 16)...)
		describe := s.drive.Describe
		if c.lun == 1 {
			describe = s.changer.Describe
		}
		if got := describe(cdb); got != c.want && !strings.HasPrefix(got, c.want+",") {
			t.Errorf("%s: %q, want %q", c.cdb, got, c.want)
		}
	}
}
