package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"virtualloader/driver/iscsi"
	"virtualloader/loader/control"
	"virtualloader/loader/space"
	"virtualloader/slotmap"
)

// MaxLoaders is how many loaders a service runs at most (contract 3.6).
const MaxLoaders = 10

const (
	configFileName = "config.db"
	// closeTimeout is how long requests and sessions under way may take to end.
	closeTimeout = 10 * time.Second
)

// Service is the running whole. It implements control.Service.
//
// Lock order: change, then mu. Neither is held while a drive is waited for, but
// change is while a loader is opened or closed.
type Service struct {
	options Options
	started time.Time
	config  *slotmap.ConfigStore
	log     *slog.Logger
	logFile io.Writer
	journal *journal
	space   *space.Watcher
	iscsi   *iscsi.Server
	portal  net.Listener
	control *control.Server
	local   net.Listener // of the control connection

	change sync.Mutex // one change of the list of loaders at a time
	mu     sync.RWMutex
	served []*served // in the order of the configuration

	folders sync.Map // folder -> name of the loader that watches its volume

	refused refusals

	failed  chan error // a listener broke
	quit    chan struct{}
	running sync.WaitGroup
	closers []func() error // in the order of opening
}

var _ control.Service = (*Service)(nil)

// Run runs a service until ctx ends or a listener breaks, and returns when all
// is closed. What went wrong after the start is in the log.
func Run(ctx context.Context, o Options) error {
	s, err := Open(o)
	if err != nil {
		return err
	}
	if o.Ready != nil {
		o.Ready(s.Ready())
	}
	select {
	case <-ctx.Done():
	case err = <-s.failed:
		s.log.Error("the service ends", "error", err)
	}
	if err = errors.Join(err, s.Close()); err == nil {
		return nil
	}
	return (&control.Error{Code: control.Internal, Message: "the service did not end well",
		Hint: "the log says why: " + filepath.Join(s.options.StateFolder, logFileName)}).Because(err)
}

// Open starts a service; it answers when Open returns. The errors are
// *control.Error with what to do next.
func Open(o Options) (_ *Service, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return nil, explain(err)
	}
	s := &Service{options: o, started: time.Now(), failed: make(chan error, 2), quit: make(chan struct{})}
	for _, open := range []func() error{
		s.openState, s.listen, s.openLoaders, s.serveISCSI, s.serveControl,
	} {
		if err := open(); err != nil {
			if s.logFile != nil { // whoever called shows it to a person
				slog.New(slog.NewTextHandler(s.logFile, nil)).Error("the service could not start", "error", err)
			}
			return nil, errors.Join(explain(err), s.Close())
		}
	}
	return s, nil
}

// onClose has Close call f after everything that is opened later is closed.
func (s *Service) onClose(f func() error) { s.closers = append(s.closers, f) }

// Close closes everything in the reverse order of opening and waits for it. It
// is called once.
func (s *Service) Close() error {
	var failed []error
	for _, f := range slices.Backward(s.closers) {
		if err := f(); err != nil {
			failed = append(failed, err)
			if s.log != nil {
				s.log.Error("while closing", "error", err)
			}
		}
	}
	s.running.Wait()
	return errors.Join(failed...)
}

// Ready says where the service answers.
func (s *Service) Ready() Ready {
	return Ready{ISCSI: s.portal.Addr().String(), Control: s.options.Control, StateFolder: s.options.StateFolder}
}

// openState opens the log, the configuration, which also keeps a second service
// out of the state folder, then journal and space watcher.
func (s *Service) openState() error {
	folder := s.options.StateFolder
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return stateError(folder, err)
	}
	log, file, err := openLog(folder, s.options.Log, s.options.level())
	if err != nil {
		return stateError(folder, err)
	}
	s.log, s.logFile = log, file
	s.onClose(file.Close)
	config, recovery, err := slotmap.OpenConfig(filepath.Join(folder, configFileName))
	if err != nil {
		return stateError(folder, err)
	}
	s.config = config
	s.onClose(config.Close)
	if s.journal, err = openJournal(folder, log); err != nil {
		return stateError(folder, err)
	}
	s.onClose(s.journal.close)
	if recovery.Happened() {
		s.journal.publish(control.Event{Kind: control.Recovered, Severity: control.Warning, Message: recovery.String()})
	}
	settings := config.Configuration()
	s.space, err = space.NewWatcher(space.Config{
		Thresholds: space.Thresholds{WarnPercent: settings.WarnPercent, FloorPercent: settings.FloorPercent},
		Changed:    s.spaceChanged, Log: log,
	})
	if err != nil {
		return err
	}
	s.onClose(func() error { s.space.Close(); return nil })
	return nil
}

func stateError(folder string, err error) error {
	switch {
	case errors.Is(err, slotmap.ErrInUse):
		return (&control.Error{Code: control.InUse, Message: fmt.Sprintf("another service uses the state folder %s", folder),
			Hint: "stop it, or choose another folder with --state"}).Because(err)
	case errors.Is(err, slotmap.ErrDamaged):
		return (&control.Error{Code: control.Damaged, Message: err.Error(),
			Hint: fmt.Sprintf("put a good copy of %s in its place, or move it away and bring each loader back with `vloader loader create NAME --folder DIR`; no tape is lost", filepath.Join(folder, configFileName))}).Because(err)
	case errors.Is(err, fs.ErrPermission):
		return (&control.Error{Code: control.Denied, Message: fmt.Sprintf("the state folder cannot be used: %v", err),
			Hint: "choose another folder with --state"}).Because(err)
	}
	return fmt.Errorf("state folder %s: %w", folder, err)
}

// listen claims the iSCSI address and the control path; who comes now waits until
// they are served.
func (s *Service) listen() error {
	l, err := listenISCSI(s.options.ISCSI)
	if err != nil {
		return err
	}
	log := s.log
	if !s.options.Verbose {
		log = slog.New(quiet{log.Handler()})
	}
	s.portal, s.iscsi = l, iscsi.NewServer(iscsi.Config{Log: log, Refused: s.loginRefused})
	s.onClose(closeListener(l))
	if s.local, err = control.Listen(s.options.Control, s.options.Group); err != nil {
		return err
	}
	s.onClose(closeListener(s.local))
	return nil
}

// closeListener closes a listener unless its server has done so.
func closeListener(l net.Listener) func() error {
	return func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// serveISCSI lets hosts in. At the end they are asked to log out before the
// loaders close.
func (s *Service) serveISCSI() error {
	s.serve("iSCSI", func() error { return s.iscsi.Serve(s.portal) })
	s.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return s.iscsi.Shutdown(ctx)
	})
	return nil
}

// serveControl begins to answer and says that the service is there. It is the
// last to open and the first to close.
func (s *Service) serveControl() error {
	s.journal.publish(control.Event{Kind: control.ServiceStarted, Message: fmt.Sprintf("the service %s started, iSCSI on %s", control.Version, s.portal.Addr())})
	s.control = control.NewServer(s, control.ServerOptions{Group: s.options.Group, Log: s.log})
	s.serve("control", func() error { return s.control.Serve(s.local) })
	s.onClose(func() error {
		s.journal.publish(control.Event{Kind: control.ServiceStopping, Message: "the service stops"})
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return s.control.Shutdown(ctx)
	})
	return nil
}

// serve runs a listener in a goroutine; that it broke ends the service.
func (s *Service) serve(what string, run func() error) {
	s.running.Go(func() {
		if err := run(); err != nil && !errors.Is(err, iscsi.ErrClosed) {
			s.failed <- fmt.Errorf("%s: %w", what, err)
		}
	})
}
