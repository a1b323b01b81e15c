package service_test

import (
	"context"
	"errors"
	"testing"

	"virtualloader/loader/control"
	"virtualloader/loader/service/servicetest"
)

// trace follows a loader's commands; every line comes out of the channel, which is closed
// with the trace's error in ended.
func trace(e *servicetest.Env, ctx context.Context, name string) (lines chan control.TracedCommand, ended chan error) {
	lines, ended = make(chan control.TracedCommand, 100), make(chan error, 1)
	go func() {
		ended <- e.Trace(ctx, ref(name), func(c control.TracedCommand) error { lines <- c; return nil })
		close(lines)
	}()
	return lines, ended
}

func TestATraceTellsWhatAHostDoes(t *testing.T) {
	e := servicetest.Start(t)
	e.Create(control.NewLoader{Name: "photos"})
	e.Create(control.NewLoader{Name: "music"})
	if _, err := e.Load(ctx, control.LoadRequest{Loader: "photos"}); err != nil {
		t.Fatal(err)
	}
	tracing, end := context.WithCancel(ctx)
	lines, ended := trace(e, tracing, "photos")
	if first := <-lines; first.Kind != control.TraceBegan {
		t.Fatalf("begins with %+v", first)
	}
	login(t, e, "music").mustDo(0, []byte{0x12, 0, 0, 0, 36, 0}, nil, make([]byte, 36))
	h := login(t, e, "photos")
	h.mustDo(0, testUnitReady, nil, nil)
	h.mustDo(0, write([]byte("hello")), []byte("hello"), nil)
	var last control.TracedCommand
	for last.Command != "WRITE(6) length 5" {
		last = <-lines
		if last.Kind != control.TraceCommand || last.Time.IsZero() || last.Nanoseconds <= 0 || last.Initiator == "" {
			t.Errorf("%+v", last)
		}
		if last.Command == "INQUIRY" {
			t.Error("the other loader's command is told")
		}
	}
	if last.Status != "GOOD" || last.DataOutBytes != 5 || last.LUN != 0 || last.CDB != "0a0000000500" {
		t.Errorf("%+v", last)
	}
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestATraceEndsWithItsLoader(t *testing.T) {
	e := servicetest.Start(t)
	e.Create(control.NewLoader{Name: "photos"})
	if _, ended := trace(e, ctx, "nobody"); control.CodeOf(<-ended) != control.NotFound {
		t.Error("a loader that is not there is traced")
	}
	lines, ended := trace(e, ctx, "photos")
	<-lines
	if _, err := e.DeleteLoader(ctx, ref("photos")); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; control.CodeOf(err) != control.Unreachable {
		t.Errorf("ended with %v", err)
	}
}
