package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"virtualloader/driver/iscsi/initiator"
	"virtualloader/loader/control"
	"virtualloader/loader/service/servicetest"
)

func TestATraceIsFollowedUntilInterrupted(t *testing.T) {
	e := servicetest.Start(t)
	e.Create(control.NewLoader{Name: "photos"})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	// When the trace has begun a host sends a command; when that is told, Ctrl-C.
	began := &waiter{want: "tracing", found: func() { go sendInquiry(t, e) }}
	out := &waiter{want: "INQUIRY", found: cancel}
	a := &app{in: strings.NewReader(""), out: out, err: began}
	if code := a.run(ctx, []string{"--control", e.Options.Control, "trace", "photos"}); code != exitDone {
		t.Errorf("ended with %d: %s", code, began)
	}
	if want := "  0  INQUIRY page 00h, allocation length 36: GOOD, 36 bytes to the host; iqn."; !strings.Contains(out.String(), want) {
		t.Error(out.String())
	}
}

func sendInquiry(t *testing.T, e *servicetest.Env) {
	c, err := e.Connection(context.Background(), control.LoaderRef{Loader: "photos"})
	if err != nil {
		t.Error(err)
		return
	}
	s, err := initiator.Dial(context.Background(), initiator.Config{Address: c.Address, TargetName: c.IQN, CHAPName: c.CHAPName, CHAPSecret: c.CHAPSecret})
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	if _, err := s.Execute(context.Background(), initiator.Command{CDB: []byte{0x12, 0, 0, 0, 36, 0}, In: make([]byte, 36)}); err != nil {
		t.Error(err)
	}
}

func TestLinesOfATrace(t *testing.T) {
	line := control.TracedCommand{Kind: control.TraceCommand, Command: "READ(6) length 9", Status: "CHECK CONDITION", Sense: "end of data", Initiator: "iqn.a"}
	for _, row := range []struct {
		line control.TracedCommand
		want string
	}{
		{line, "READ(6) length 9: end of data; iqn.a\n"},
		{control.TracedCommand{Kind: control.TraceCommand, Command: "REWIND", Initiator: "iqn.a"}, "REWIND: aborted; iqn.a\n"},
		{control.TracedCommand{Kind: control.GapKind, Lost: 12}, "12 commands came too fast and cannot be shown\n"},
	} {
		var out bytes.Buffer
		a := &app{out: &out}
		if err := a.printTraced(row.line); err != nil || !strings.HasSuffix(out.String(), row.want) {
			t.Errorf("%q, %v", out.String(), err)
		}
		out.Reset()
		a.json = true
		var back control.TracedCommand
		if err := a.printTraced(row.line); err != nil || json.Unmarshal(out.Bytes(), &back) != nil || back != row.line {
			t.Errorf("%q, %v", out.String(), err)
		}
	}
	if code, _, errors := vloader("nowhere", "trace"); code != exitUsage || !strings.Contains(errors, "trace LOADER") {
		t.Error(code, errors)
	}
}
