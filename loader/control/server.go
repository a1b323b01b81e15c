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
	mux.HandleFunc("/v1/trace", s.trace)
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

// follow is the event stream. Its first heartbeat tells the client that it is
// connected.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	since, err := strconv.ParseUint(r.FormValue("since"), 10, 64)
	if r.FormValue("since") != "" && err != nil {
		writeError(w, &Error{Code: Invalid, Message: "since is not a sequence number", Hint: "give the last number seen, or 0"})
		return
	}
	outflow[Event]{s, Event{Kind: heartbeatKind}, true, func(ctx context.Context, f func(Event) error) error {
		return s.service.Follow(ctx, since, f)
	}}.serve(w, r)
}

// trace is the command trace of a loader. It begins with a line that says so, or
// with an error.
func (s *Server) trace(w http.ResponseWriter, r *http.Request) {
	loader := LoaderRef{Loader: r.FormValue("loader")}
	outflow[TracedCommand]{s, TracedCommand{Kind: heartbeatKind}, false, func(ctx context.Context, f func(TracedCommand) error) error {
		return s.service.Trace(ctx, loader, f)
	}}.serve(w, r)
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
