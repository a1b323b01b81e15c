package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Client is a Service on the other end of a local connection.
type Client struct {
	path string
	http *http.Client
	// silence is how long an event stream may say nothing, not even a heartbeat.
	silence time.Duration
}

var _ Service = (*Client)(nil)

// Dial returns a client of the service that listens at path (see
// [ListenPath]), having seen that something answers there; if not, the error has
// the code Unreachable. The caller closes it.
func Dial(ctx context.Context, path string) (*Client, error) {
	c := NewClient(path)
	conn, err := dialPath(ctx, path)
	if err != nil {
		return nil, c.unreachable(err)
	}
	conn.Close()
	return c, nil
}

// NewClient returns a client of the service at path without asking whether it
// is there.
func NewClient(path string) *Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialPath(ctx, path)
		},
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     30 * time.Second,
	}
	return &Client{path: path, http: &http.Client{Transport: transport}, silence: 4 * heartbeatEvery}
}

// Path returns where the client looks for the service.
func (c *Client) Path() string { return c.path }

// Close lets the idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) unreachable(cause error) *Error {
	return (&Error{Code: Unreachable, Message: fmt.Sprintf("no service answers at %s: %v", c.path, cause),
		Hint: "start it with `vloaderd start` (or `vloaderd run`), or say which one is meant with --control or $VLOADER_CONTROL"}).Because(cause)
}

// request sends body to the operation and returns the answer's body.
func (c *Client) request(ctx context.Context, method, operation string, body any) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://vloader/v1/"+operation, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, c.unreachable(errors.Unwrap(err)) // without the made-up URL
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer answer.Body.Close()
	e := new(Error)
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxRequestBytes)).Decode(e); err != nil || e.Code == "" {
		return nil, &Error{Code: Internal, Message: "the service answered " + answer.Status + " without saying why",
			Hint: "its log file may say more"}
	}
	return nil, e
}

func post[Answer any](ctx context.Context, c *Client, operation string, body any) (a Answer, err error) {
	answer, err := c.request(ctx, http.MethodPost, operation, body)
	if err != nil {
		return a, err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswerBytes)).Decode(&a); err != nil {
		return a, (&Error{Code: Internal, Message: "the service's answer cannot be understood: " + err.Error(),
			Hint: "use a client of the service's own version"}).Because(err)
	}
	return a, nil
}

type nothing struct{}

// Status implements Service, as do all methods below.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return post[Status](ctx, c, "status", nothing{})
}

func (c *Client) Events(ctx context.Context, r EventsRequest) (EventPage, error) {
	return post[EventPage](ctx, c, "events", r)
}

func (c *Client) Loaders(ctx context.Context) ([]Loader, error) {
	return post[[]Loader](ctx, c, "loaders", nothing{})
}

func (c *Client) Loader(ctx context.Context, r LoaderRef) (Loader, error) {
	return post[Loader](ctx, c, "loader", r)
}

func (c *Client) CreateLoader(ctx context.Context, r NewLoader) (CreatedLoader, error) {
	return post[CreatedLoader](ctx, c, "loader/create", r)
}

func (c *Client) DeleteLoader(ctx context.Context, r LoaderRef) (Loader, error) {
	return post[Loader](ctx, c, "loader/delete", r)
}

func (c *Client) Inventory(ctx context.Context, r LoaderRef) (Inventory, error) {
	return post[Inventory](ctx, c, "loader/inventory", r)
}

func (c *Client) Connection(ctx context.Context, r LoaderRef) (Connection, error) {
	return post[Connection](ctx, c, "loader/connection", r)
}

func (c *Client) Elements(ctx context.Context, r LoaderRef) ([]Element, error) {
	return post[[]Element](ctx, c, "loader/elements", r)
}

func (c *Client) Tapes(ctx context.Context, r LoaderRef) ([]Tape, error) {
	return post[[]Tape](ctx, c, "tapes", r)
}

func (c *Client) Tape(ctx context.Context, r TapeRef) (Tape, error) {
	return post[Tape](ctx, c, "tape", r)
}

func (c *Client) CreateTapes(ctx context.Context, r NewTapes) (CreatedTapes, error) {
	return post[CreatedTapes](ctx, c, "tape/create", r)
}

func (c *Client) DeleteTape(ctx context.Context, r TapeRef) error {
	_, err := post[nothing](ctx, c, "tape/delete", r)
	return err
}

func (c *Client) EraseTape(ctx context.Context, r TapeRef) error {
	_, err := post[nothing](ctx, c, "tape/erase", r)
	return err
}

func (c *Client) ImportTapes(ctx context.Context, r ImportRequest) (Imported, error) {
	return post[Imported](ctx, c, "tape/import", r)
}

func (c *Client) ExportTape(ctx context.Context, r ExportRequest) error {
	_, err := post[nothing](ctx, c, "tape/export", r)
	return err
}

func (c *Client) ProtectTape(ctx context.Context, r Protection) error {
	_, err := post[nothing](ctx, c, "tape/protect", r)
	return err
}

func (c *Client) Load(ctx context.Context, r LoadRequest) (Moved, error) {
	return post[Moved](ctx, c, "load", r)
}

func (c *Client) Unload(ctx context.Context, r UnloadRequest) (Moved, error) {
	return post[Moved](ctx, c, "unload", r)
}

func (c *Client) Move(ctx context.Context, r MoveRequest) (Moved, error) {
	return post[Moved](ctx, c, "move", r)
}

func (c *Client) Settings(ctx context.Context) (Settings, error) {
	return post[Settings](ctx, c, "settings", nothing{})
}

func (c *Client) ChangeSettings(ctx context.Context, s Settings) (Settings, error) {
	return post[Settings](ctx, c, "settings/change", s)
}

// Follow reads one event stream until ctx ends, f returns an error, or the
// stream ends (code Unreachable): then call it again with the last number seen,
// or let [Client.FollowAlways] do so.
func (c *Client) Follow(ctx context.Context, since uint64, f func(Event) error) error {
	return c.follow(ctx, since, func(e Event) error {
		if e.Kind == heartbeatKind {
			return nil
		}
		return f(e)
	})
}

func (c *Client) follow(ctx context.Context, since uint64, f func(Event) error) error {
	return inflow(ctx, c, "follow?since="+strconv.FormatUint(since, 10), f)
}

// Trace implements Service; the stream's end is an error with code Unreachable.
func (c *Client) Trace(ctx context.Context, r LoaderRef, f func(TracedCommand) error) error {
	return inflow(ctx, c, "trace?loader="+url.QueryEscape(r.Loader), func(t TracedCommand) error {
		if t.Kind == heartbeatKind {
			return nil
		}
		return f(t)
	})
}

// Pauses between attempts to reach a service that went away.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 3 * time.Second
)

// FollowAlways is Follow across restarts of the service: when the stream ends
// it tries again, going on after the last event seen. It calls state, if not
// nil, with nil whenever a stream begins and with the reason when the service
// becomes unreachable, once for each change. It returns when ctx ends, f returns
// an error, or the service refuses.
func (c *Client) FollowAlways(ctx context.Context, since uint64, f func(Event) error, state func(error)) error {
	var failed error // of f
	connected, first, pause := false, true, firstPause
	for {
		err := c.follow(ctx, since, func(e Event) error {
			if !connected {
				connected, pause = true, firstPause
				if state != nil {
					state(nil)
				}
			}
			if e.Kind == heartbeatKind {
				return nil
			}
			since = e.Sequence
			failed = f(e)
			return failed
		})
		if failed != nil || ctx.Err() != nil || CodeOf(err) != Unreachable {
			return err
		}
		if (connected || first) && state != nil {
			state(err)
		}
		connected, first = false, false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}
