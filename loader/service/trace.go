package service

import (
	"context"
	"encoding/hex"
	"strings"
	"sync"

	"virtualloader/driver/target"
	"virtualloader/loader/control"
)

// traceQueue is how many commands a reader of a trace may be behind.
const traceQueue = 1024

// tracer tells the commands of one loader to whoever follows them. The router
// traces only while there is a reader.
type tracer struct {
	router *target.Router

	mu      sync.Mutex
	readers map[*traceReader]struct{}
	closed  bool
}

// traceReader is one follower. Its queue is closed with the loader.
type traceReader struct {
	queue chan control.TracedCommand
	lost  uint64 // commands that found the queue full, not told yet
}

func newTracer(r *target.Router) *tracer {
	return &tracer{router: r, readers: map[*traceReader]struct{}{}}
}

// join adds a reader; nil once the loader is closed.
func (t *tracer) join() *traceReader {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	r := &traceReader{queue: make(chan control.TracedCommand, traceQueue)}
	t.readers[r] = struct{}{}
	t.router.Trace(t.tell)
	return r
}

func (t *tracer) leave(r *traceReader) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.readers, r)
	if len(t.readers) == 0 {
		t.router.Trace(nil)
	}
}

// close ends all traces.
func (t *tracer) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.router.Trace(nil)
	for r := range t.readers {
		close(r.queue)
	}
	clear(t.readers)
}

// tell is the router's sink: it never waits.
func (t *tracer) tell(c target.Traced) {
	command := tracedCommand(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	for r := range t.readers {
		r.put(command)
	}
}

// put queues a command, after the gap before it, or counts it as lost. The
// tracer's lock is held.
func (r *traceReader) put(c control.TracedCommand) {
	if r.lost > 0 && len(r.queue) < cap(r.queue)-1 {
		r.queue <- control.TracedCommand{Kind: control.GapKind, Lost: r.lost}
		r.lost = 0
	}
	if r.lost > 0 || len(r.queue) == cap(r.queue) {
		r.lost++
		return
	}
	r.queue <- c
}

func tracedCommand(c target.Traced) control.TracedCommand {
	t := control.TracedCommand{
		Kind: control.TraceCommand, Time: c.Arrived, Nanoseconds: c.Duration, Initiator: initiatorOf(c.Nexus),
		CDB: hex.EncodeToString(c.CDB), Command: c.Words, DataOutBytes: c.DataOut, DataInBytes: c.DataIn,
	}
	t.LUN, _ = c.LUN.Number()
	if c.Aborted {
		return t
	}
	t.Status = c.Outcome.Status.String()
	if c.Outcome.Sense != nil {
		t.Sense = strings.TrimPrefix(c.Outcome.Sense.Words(), "no sense, ")
	}
	return t
}

// Trace implements control.Watcher.
func (s *Service) Trace(ctx context.Context, r control.LoaderRef, f func(control.TracedCommand) error) error {
	l, err := s.use(r.Loader)
	if err != nil {
		return err
	}
	reader := l.trace.join()
	if reader == nil {
		return offline(l.entry.Name, "it is being closed")
	}
	defer l.trace.leave(reader)
	if err := f(control.TracedCommand{Kind: control.TraceBegan}); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c, open := <-reader.queue:
			if !open {
				return offline(l.entry.Name, "it was closed")
			}
			if err := f(c); err != nil {
				return err
			}
		}
	}
}
