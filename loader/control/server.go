package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Times of the server.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 30 * time.Second // for a request's body to arrive
	writeTimeout   = 10 * time.Second // for one event to be taken
	heartbeatEvery = 5 * time.Second
)

// ServerOptions are the parts of a Server that have defaults.
type ServerOptions struct {
	// Group may be the name of a group whose members may speak too.
	Group string
	// Heartbeat is the longest silence on an event stream, 0: 5 s.
	Heartbeat time.Duration
	// Log gets refused peers and broken connections, nil: none.
	Log *slog.Logger
}

// Server answers for a Service on a local connection.
type Server struct {
	service   Service
	heartbeat time.Duration
	log       *slog.Logger
	http      *http.Server
	admit     func(net.Conn) error
	streams   context.Context // ends when the event streams shall end
	endAll    context.CancelFunc
}

// NewServer returns a server for s.
func NewServer(s Service, o ServerOptions) *Server {
	server := &Server{service: s, heartbeat: o.Heartbeat, log: o.Log, admit: admission(o.Group)}
	if server.heartbeat <= 0 {
		server.heartbeat = heartbeatEvery
	}
	if server.log == nil {
		server.log = slog.New(slog.DiscardHandler)
	}
	server.streams, server.endAll = context.WithCancel(context.Background())
	server.http = &http.Server{
		Handler:           server.handler(),
		ReadHeaderTimeout: headerTimeout,
		ConnContext:       server.identify,
		ErrorLog:          slog.NewLogLogger(server.log.Handler(), slog.LevelDebug),
	}
	return server
}

// Serve answers on l until Shutdown, then returns nil. It closes l.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control connection %s: %w", l.Addr(), err)
	}
	return nil
}

// Shutdown ends the event streams, waits for the requests under way until ctx
// ends, and closes what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.endAll()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

// refusal is the key of a connection's refusal in its context.
type refusal struct{}

// identify asks who is at the other end of a new connection.
func (s *Server) identify(ctx context.Context, c net.Conn) context.Context {
	if err := s.admit(c); err != nil {
		s.log.Warn("control connection refused", "reason", err)
		return context.WithValue(ctx, refusal{}, err)
	}
	return ctx
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for name, do := range operations {
		mux.HandleFunc("/v1/"+name, s.answer(do))
	}
	mux.HandleFunc("/v1/follow", s.follow)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &Error{Code: NotFound, Message: "the service knows no operation " + strconv.Quote(r.URL.Path),
			Hint: "use a client of the service's own version"})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err, refused := r.Context().Value(refusal{}).(error); refused {
			w.Header().Set("Connection", "close")
			writeError(w, err)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) answer(do operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost && r.Method != http.MethodGet {
			writeError(w, &Error{Code: Invalid, Message: "the method " + r.Method + " means nothing here", Hint: "use POST"})
			return
		}
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(requestTimeout)) // a transport without deadlines does without
		body := io.Reader(r.Body)
		answer, err := do(r.Context(), s.service, &undeadline{body, control})
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	}
}

// undeadline lifts the read deadline once the body has been read: a request
// that takes long must not look like a peer that went away.
type undeadline struct {
	io.Reader
	control *http.ResponseController
}

func (u *undeadline) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err != nil {
		_ = u.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// follow is the event stream: a line per event, a heartbeat in silence, a write
// deadline so that a reader who takes nothing is let go.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	since, err := strconv.ParseUint(r.FormValue("since"), 10, 64)
	if r.FormValue("since") != "" && err != nil {
		writeError(w, &Error{Code: Invalid, Message: "since is not a sequence number", Hint: "give the last number seen, or 0"})
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.streams, cancel)()

	events := make(chan Event)
	ended := make(chan error, 1)
	go func() {
		ended <- s.service.Follow(ctx, since, func(e Event) error {
			select {
			case events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	err = s.stream(ctx, w, events, ended)
	cancel()
	<-ended
	if err != nil && r.Context().Err() == nil && s.streams.Err() == nil {
		s.log.Info("event stream ended", "reason", err)
	}
}

// stream writes events until one of its ends is reached. It puts back into ended
// what it takes out, so that the caller can wait for it too.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, events <-chan Event, ended chan error) error {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	encoder := json.NewEncoder(w)
	silence := time.NewTimer(0) // the first heartbeat tells the client that it is connected
	defer silence.Stop()
	for {
		e := Event{Kind: heartbeatKind}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			ended <- err
			return err
		case <-silence.C:
		case e = <-events:
		}
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err := errors.Join(encoder.Encode(e), control.Flush()); err != nil {
			return err
		}
		silence.Reset(s.heartbeat)
	}
}

func writeError(w http.ResponseWriter, err error) {
	e := AsError(err)
	status, ok := httpStatus[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	writeJSON(w, status, e)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"code":"internal","message":"the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a peer that went away finds out itself
}
