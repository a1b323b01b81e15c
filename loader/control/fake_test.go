package control

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a Service that remembers the last request and answers with what it is
// given.
type fake struct {
	Service
	feed   *Feed
	asked  any
	fail   error
	status Status
	tapes  []Tape
}

func (f *fake) Status(context.Context) (Status, error) { return f.status, f.fail }

func (f *fake) Events(_ context.Context, r EventsRequest) (EventPage, error) {
	events, _ := f.feed.After(r.Since, r.Limit)
	return EventPage{Events: events, Last: f.feed.Last()}, f.fail
}

func (f *fake) Follow(ctx context.Context, since uint64, fn func(Event) error) error {
	return f.feed.Follow(ctx, since, fn)
}

func (f *fake) CreateLoader(_ context.Context, r NewLoader) (CreatedLoader, error) {
	f.asked = r
	return CreatedLoader{Loader: Loader{LoaderStatus: LoaderStatus{Name: r.Name}}}, f.fail
}

func (f *fake) Tapes(_ context.Context, r LoaderRef) ([]Tape, error) {
	f.asked = r
	return f.tapes, f.fail
}

func (f *fake) DeleteTape(_ context.Context, r TapeRef) error {
	f.asked = r
	return f.fail
}

func (f *fake) Load(ctx context.Context, r LoadRequest) (Moved, error) {
	f.asked = r
	<-ctx.Done()
	return Moved{}, ctx.Err()
}

func (f *fake) Move(_ context.Context, r MoveRequest) (Moved, error) {
	f.asked = r
	return Moved{Barcode: "ABC001L8", From: r.From, To: r.To}, f.fail
}

// serve runs a server for f and returns a client of it.
func serve(t *testing.T, f *fake, change ...func(*Server)) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run", "c.sock")
	return serveAt(t, f, path, change...)
}

func serveAt(t *testing.T, f *fake, path string, change ...func(*Server)) *Client {
	t.Helper()
	if f.feed == nil {
		f.feed = NewFeed(100, nil)
	}
	l, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(f, ServerOptions{Heartbeat: 20 * time.Millisecond})
	for _, c := range change {
		c(s)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	client := NewClient(path)
	client.silence = 2 * time.Second
	t.Cleanup(func() {
		client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error("shutdown:", err)
		}
		if err := <-done; err != nil {
			t.Error("serve:", err)
		}
	})
	return client
}

func refuseEverybody(s *Server) {
	s.admit = func(net.Conn) error {
		return &Error{Code: Denied, Message: "user 4711 may not speak", Hint: "use another account"}
	}
}
