package control

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// outflow is one stream of lines to a client: what follow calls its function
// with, and heartbeat in silence, the first one at once if greet. A reader who
// takes nothing for writeTimeout is let go.
type outflow[T any] struct {
	server    *Server
	heartbeat T
	greet     bool
	follow    func(ctx context.Context, f func(T) error) error
}

// serve answers a request with the stream. An error of follow before the first
// line is answered as an error.
func (o outflow[T]) serve(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(o.server.streams, cancel)()

	lines := make(chan T)
	ended := make(chan error, 1)
	go func() {
		ended <- o.follow(ctx, func(line T) error {
			select {
			case lines <- line:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	err := o.write(ctx, w, lines, ended)
	cancel()
	<-ended
	if err != nil && r.Context().Err() == nil && o.server.streams.Err() == nil {
		o.server.log.Info("stream ended", "path", r.URL.Path, "reason", err)
	}
}

// write writes lines until one of the stream's ends is reached. It puts back into
// ended what it takes out, so that the caller can wait for it too.
func (o outflow[T]) write(ctx context.Context, w http.ResponseWriter, lines <-chan T, ended chan error) error {
	control := http.NewResponseController(w)
	encoder := json.NewEncoder(w)
	silence := time.NewTimer(o.server.heartbeat)
	defer silence.Stop()
	if o.greet {
		silence.Reset(0)
	}
	for begun := false; ; begun = true {
		line := o.heartbeat
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			ended <- err
			if err != nil && !begun && ctx.Err() == nil {
				writeError(w, err)
			}
			return err
		case <-silence.C:
		case line = <-lines:
		}
		if !begun {
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.WriteHeader(http.StatusOK)
		}
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err := encoder.Encode(line); err != nil {
			return err
		}
		if err := control.Flush(); err != nil {
			return err
		}
		silence.Reset(o.server.heartbeat)
	}
}

// inflow calls f with every line of a stream until ctx ends, f returns an error,
// or the stream ends (code Unreachable).
func inflow[T any](ctx context.Context, c *Client, operation string, f func(T) error) error {
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer, err := c.request(streamCtx, http.MethodGet, operation, nothing{})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	watchdog := time.AfterFunc(c.silence, cancel)
	defer watchdog.Stop()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxRequestBytes)
	for lines.Scan() {
		watchdog.Stop() // f may take its time
		var line T
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return (&Error{Code: Internal, Message: "a line of the stream cannot be understood: " + err.Error(),
				Hint: "use a client of the service's own version"}).Because(err)
		}
		if err := f(line); err != nil {
			return err
		}
		watchdog.Reset(c.silence)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err = lines.Err()
	if err == nil {
		err = io.EOF
	}
	return c.unreachable(fmt.Errorf("the stream ended: %w", err))
}
