//go:build !windows

package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestRequestsAndAnswersCrossTheWireUnchanged(t *testing.T) {
	f := &fake{
		status: Status{Version: "1", ISCSI: "127.0.0.1:3260", Loaders: []LoaderStatus{{Name: "photos", Tapes: TapeCount{Total: 3, UsedBytes: 1 << 60}}}},
		tapes:  []Tape{{Barcode: "ABC001L8", Place: Place{Slot, 12}, CapacityBytes: 100e9}},
	}
	c := serve(t, f)
	ctx := context.Background()

	status, err := c.Status(ctx)
	if err != nil || !reflect.DeepEqual(status, f.status) {
		t.Errorf("status %+v, %v", status, err)
	}
	wanted := NewLoader{Name: "photos", Folder: "/b", Slots: 10, CapacityBytes: 25e11, Family: "ABC", Tapes: NoTapes, Mode: ModeStacker, Auth: AuthNone}
	if _, err := c.CreateLoader(ctx, wanted); err != nil || f.asked != wanted {
		t.Errorf("asked %+v, %v", f.asked, err)
	}
	tapes, err := c.Tapes(ctx, LoaderRef{"photos"})
	if err != nil || !reflect.DeepEqual(tapes, f.tapes) || f.asked != (LoaderRef{"photos"}) {
		t.Errorf("tapes %+v, %v", tapes, err)
	}
	if err := c.DeleteTape(ctx, TapeRef{"photos", "ABC001L8"}); err != nil || f.asked != (TapeRef{"photos", "ABC001L8"}) {
		t.Errorf("asked %+v, %v", f.asked, err)
	}
	moved, err := c.Move(ctx, MoveRequest{Loader: "photos", From: Place{Kind: Drive}, To: Place{Station, 2}})
	if err != nil || moved.From != (Place{Kind: Drive}) || moved.To != (Place{Station, 2}) {
		t.Errorf("moved %+v, %v", moved, err)
	}
}

func TestErrorsCrossTheWireWithCodeMessageAndHint(t *testing.T) {
	f := &fake{}
	c := serve(t, f)
	for _, code := range []Code{Invalid, NotFound, Exists, InUse, Full, Denied, Damaged, Offline, Busy, Internal} {
		f.fail = fmt.Errorf("delete: %w", &Error{Code: code, Message: "it is so", Hint: "do this"})
		err := c.DeleteTape(context.Background(), TapeRef{"photos", "X"})
		var e *Error
		if !errors.As(err, &e) || e.Code != code || e.Message != "it is so" || e.Hint != "do this" {
			t.Errorf("%s came as %#v", code, err)
		}
	}
	f.fail = io.ErrUnexpectedEOF
	if err := c.DeleteTape(context.Background(), TapeRef{}); CodeOf(err) != Internal {
		t.Errorf("a plain error came as %v", err)
	}
}

func TestStrangersAreToldThatTheyMayNot(t *testing.T) {
	c := serve(t, &fake{}, refuseEverybody)
	_, err := c.Status(context.Background())
	if CodeOf(err) != Denied || !strings.Contains(err.Error(), "4711") {
		t.Errorf("got %v", err)
	}
	if err := c.Follow(context.Background(), 0, nil); CodeOf(err) != Denied {
		t.Errorf("following: %v", err)
	}
}

func TestTheOwnUserIsAdmittedAndOthersAreNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	uid, err := peerOf(peer)
	if err != nil || uid != uint32(os.Getuid()) {
		t.Errorf("peer is %d, %v", uid, err)
	}
	if err := admission("")(peer); err != nil {
		t.Error(err)
	}
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	if err := admission("")(here); CodeOf(err) != Denied {
		t.Errorf("a connection without credentials: %v", err)
	}
	if member(uid, "no-such-group") {
		t.Error("member of a group that does not exist")
	}
}

func TestBadRequestsAreRefusedWithWords(t *testing.T) {
	c := serve(t, &fake{})
	post := func(operation, body string) (int, string) {
		t.Helper()
		answer, err := c.http.Post("http://vloader/v1/"+operation, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		b, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(b)
	}
	for _, row := range []struct {
		operation, body string
		status          int
		says            string
	}{
		{"tapes", `{"loader":`, http.StatusBadRequest, "cannot be understood"},
		{"tapes", `{"lodaer":"x"}`, http.StatusBadRequest, "lodaer"},
		{"tapes", `{} {}`, http.StatusBadRequest, "more than one"},
		{"tapes", `[1]`, http.StatusBadRequest, "cannot be understood"},
		{"move", `{"loader":"x","from":"attic"}`, http.StatusBadRequest, "not a place"},
		{"tapes", `{"loader":"` + strings.Repeat("x", maxRequestBytes) + `"}`, http.StatusBadRequest, "longer than"},
		{"nonsense", `{}`, http.StatusNotFound, "no operation"},
		{"follow?since=x", ``, http.StatusBadRequest, "sequence number"},
		{"status", ``, http.StatusOK, "version"},
	} {
		if status, body := post(row.operation, row.body); status != row.status || !strings.Contains(body, row.says) {
			t.Errorf("%s %.40s: %d %.200s", row.operation, row.body, status, body)
		}
	}
}

func TestEventsAreFollowedFromAnySequenceNumber(t *testing.T) {
	f := &fake{feed: NewFeed(100, nil)}
	c := serve(t, f)
	for i := 1; i <= 5; i++ {
		f.feed.Publish(Event{Kind: TapeCreated, Message: fmt.Sprint(i)})
	}
	stop := errors.New("enough")
	var seen []uint64
	err := c.Follow(context.Background(), 2, func(e Event) error {
		seen = append(seen, e.Sequence)
		switch e.Sequence {
		case 5:
			f.feed.Publish(Event{Kind: TapeDeleted})
		case 6:
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || fmt.Sprint(seen) != "[3 4 5 6]" {
		t.Errorf("saw %v, %v", seen, err)
	}
	page, err := c.Events(context.Background(), EventsRequest{Since: 4})
	if err != nil || len(page.Events) != 2 || page.Last != 6 {
		t.Errorf("page %+v, %v", page, err)
	}
}

func TestFollowingGoesOnAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	feed := NewFeed(100, nil)
	feed.Publish(Event{Kind: TapeCreated})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	var seen []uint64
	states := make(chan error, 10)
	got := make(chan uint64)
	done := make(chan error, 1)
	c := NewClient(path)
	defer c.Close()
	go func() {
		done <- c.FollowAlways(ctx, 0, func(e Event) error {
			seen = append(seen, e.Sequence)
			got <- e.Sequence
			return nil
		}, func(err error) { states <- err })
	}()
	if err := <-states; CodeOf(err) != Unreachable {
		t.Fatalf("before the first start: %v", err)
	}
	t.Run("first", func(t *testing.T) {
		serveAt(t, &fake{feed: feed}, path)
		if err := <-states; err != nil {
			t.Fatal(err)
		}
		<-got
	})
	if err := <-states; CodeOf(err) != Unreachable {
		t.Fatalf("after the stop: %v", err)
	}
	feed.Publish(Event{Kind: TapeDeleted})
	t.Run("second", func(t *testing.T) {
		serveAt(t, &fake{feed: feed}, path)
		if err := <-states; err != nil {
			t.Fatal(err)
		}
		<-got
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || fmt.Sprint(seen) != "[1 2]" {
		t.Errorf("saw %v, ended with %v", seen, err)
	}
}

func TestASilentStreamIsGivenUp(t *testing.T) {
	c := serve(t, &fake{}, func(s *Server) { s.heartbeat = time.Hour })
	c.silence = 50 * time.Millisecond
	if err := c.Follow(context.Background(), 0, nil); CodeOf(err) != Unreachable {
		t.Errorf("got %v", err)
	}
}

func TestHeartbeatsKeepAnIdleStreamAlive(t *testing.T) {
	f := &fake{feed: NewFeed(10, nil)}
	c := serve(t, f)
	c.silence = 500 * time.Millisecond
	stop := errors.New("enough")
	publish := time.AfterFunc(time.Second, func() { f.feed.Publish(Event{Kind: TapeCreated}) })
	defer publish.Stop()
	if err := c.Follow(context.Background(), 0, func(Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestAReaderThatWentAwayEndsItsRequest(t *testing.T) {
	c := serve(t, &fake{})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Load(ctx, LoadRequest{Loader: "x"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestASocketLeftBehindIsReplacedAndALiveOneIsNot(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "c.sock")
	left, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, ""); CodeOf(err) != InUse {
		t.Errorf("a live socket: %v", err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close() // as kill -9 leaves it
	again, err := Listen(path, "")
	if err != nil {
		t.Fatal("a stale socket:", err)
	}
	defer again.Close()
	for p, mode := range map[string]os.FileMode{filepath.Dir(path): 0o700, path: 0o600} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v", p, info.Mode().Perm(), err)
		}
	}

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(file, ""); CodeOf(err) != Exists {
		t.Errorf("a plain file: %v", err)
	}
	if b, _ := os.ReadFile(file); !bytes.Equal(b, []byte("precious")) {
		t.Error("the plain file was touched")
	}
	if _, err := Listen(filepath.Join(dir, strings.Repeat("x", 200)), ""); CodeOf(err) != Invalid {
		t.Errorf("a path too long: %v", err)
	}
}

func TestNobodyThereIsSaidSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.sock")
	if _, err := Dial(context.Background(), path); CodeOf(err) != Unreachable {
		t.Errorf("dial: %v", err)
	}
	c := NewClient(path)
	if _, err := c.Status(context.Background()); CodeOf(err) != Unreachable || !strings.Contains(err.Error(), path) {
		t.Errorf("status: %v", err)
	}
	live := serve(t, &fake{})
	d, err := Dial(context.Background(), live.Path())
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

func TestTheControlPathIsFoundByItsRules(t *testing.T) {
	runtime, state := t.TempDir(), t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	t.Setenv("XDG_STATE_HOME", state)
	t.Setenv(PathVariable, "")
	first, second := filepath.Join(runtime, "vloader", "control.sock"), filepath.Join(state, "vloader", "control.sock")
	if got := DefaultPath(); got != first && got != SystemPath() {
		t.Errorf("nothing there: %s", got)
	}
	if got := ListenPath(false); got != first {
		t.Errorf("user's service: %s", got)
	}
	if got := ListenPath(true); got != SystemPath() {
		t.Errorf("system service: %s", got)
	}
	if err := os.MkdirAll(filepath.Dir(second), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(second, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := DefaultPath(); got != second {
		t.Errorf("socket in the state folder: %s", got)
	}
	t.Setenv(PathVariable, "/elsewhere")
	if DefaultPath() != "/elsewhere" || ListenPath(true) != "/elsewhere" {
		t.Error("the environment's word does not count")
	}
}

func TestALiveServiceIsFoundBehindADeadSocket(t *testing.T) {
	t.Setenv(PathVariable, "")
	runtime, state := t.TempDir(), t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	t.Setenv("XDG_STATE_HOME", state)
	paths := userPaths()
	dead, err := Listen(paths[0], "")
	if err != nil {
		t.Skip(err) // the test's folder has too long a name for a socket
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	serveAt(t, &fake{}, paths[1])
	if got := DefaultPath(); got != paths[1] {
		t.Errorf("got %s", got)
	}
}

// A reader that takes nothing is let go after the write deadline, and the server
// can still be shut down: the cleanup of serve waits for it.
func TestAReaderThatTakesNothingHoldsNobodyUp(t *testing.T) {
	f := &fake{feed: NewFeed(100_000, nil)}
	c := serve(t, f)
	conn, err := net.Dial("unix", c.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /v1/follow?since=0 HTTP/1.1\r\nHost: vloader\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1000)
	start := time.Now()
	for range 5000 { // far more than socket buffers hold
		f.feed.Publish(Event{Kind: TapeMoved, Message: long})
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("publishing took %v", took)
	}
	if _, err := c.Status(context.Background()); err != nil {
		t.Error(err)
	}
}

// refusing is a Service that says no to everything.
type refusing struct{ Service }

func FuzzRequest(f *testing.F) {
	f.Add("tapes", `{"loader":"photos"}`)
	f.Add("move", `{"loader":"x","from":"slot 1","to":"drive"}`)
	f.Add("settings/change", `{"warnPercent":1e400}`)
	f.Add("loader/create", `{"name":"x","slots":-1,"tapes":9999999999}`)
	f.Fuzz(func(t *testing.T, name, body string) {
		do, known := operations[name]
		if !known {
			return
		}
		defer func() { // the request was understood: there is nobody to ask
			if r := recover(); r != nil && !strings.Contains(fmt.Sprint(r), "nil pointer") {
				t.Fatal(r)
			}
		}()
		if _, err := do(context.Background(), refusing{}, strings.NewReader(body)); CodeOf(err) != Invalid {
			t.Errorf("%s %q: %v", name, body, err)
		}
	})
}
