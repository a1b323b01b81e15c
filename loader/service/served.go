package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"virtualloader/driver/iscsi"
	"virtualloader/driver/smc"
	"virtualloader/driver/spc"
	"virtualloader/driver/ssc"
	"virtualloader/driver/target"
	"virtualloader/loader"
	"virtualloader/loader/control"
	"virtualloader/loader/space"
	"virtualloader/slotmap"
)

// served is one loader of the configuration: online with all its parts, or
// offline with the reason. It is not changed once it is published.
type served struct {
	entry  slotmap.LoaderEntry
	reason string // why it is offline; empty: online

	library *loader.Library
	drive   *ssc.Drive
	changer *smc.Changer
	volume  *space.Volume
	trace   *tracer
}

func (l *served) online() bool { return l.reason == "" }

// host is what the drive asks of those around it.
type host struct {
	*loader.Library
	volume *space.Volume
}

// gates is what each level of disk space leaves open (spec C.14).
var gates = map[space.Level]ssc.WriteGate{
	space.Fine: ssc.GateOpen, space.Warned: ssc.GateOpen, space.Floor: ssc.GateFloor, space.Emergency: ssc.GateEmergency,
}

// Gate implements ssc.Host.
func (h host) Gate() ssc.WriteGate { return gates[h.volume.Level()] }

// bringUp opens a loader and serves it; on an error nothing of it is left open.
func (s *Service) bringUp(entry slotmap.LoaderEntry) (_ *served, err error) {
	if entry.Auth == control.AuthNone && !onLoopback(s.portal.Addr()) {
		return nil, openToAll(s.portal.Addr().String())
	}
	var undo []func() error
	defer func() {
		if err != nil {
			for _, f := range slices.Backward(undo) {
				err = errors.Join(err, f())
			}
		}
	}()
	l := &served{entry: entry}
	s.folders.Store(entry.Folder, entry.Name) // the watch may report at once
	undo = append(undo, func() error { s.folders.Delete(entry.Folder); return nil })
	if l.volume, err = s.space.Watch(entry.Folder); err != nil {
		return nil, err
	}
	undo = append(undo, func() error { l.volume.Close(); return nil })
	l.library, err = loader.Open(entry.Folder, loader.Options{
		Events: func(e loader.Event) { s.loaderEvent(entry.Name, e) }, Level: l.volume.Level, Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	undo = append(undo, l.library.Close)
	if err := s.checkIdentity(entry.Name, l.library.Identity()); err != nil {
		return nil, err
	}
	if err := l.makeUnits(s); err != nil {
		return nil, err
	}
	undo = append(undo, l.closeUnits)
	if err := l.library.Attach(l.drive, l.changer); err != nil {
		return nil, err
	}
	return l, s.iscsi.Add(s.target(l))
}

// makeUnits makes the loader's two logical units and the target device of both.
func (l *served) makeUnits(s *Service) error {
	identity := l.library.Identity()
	profile, err := spc.FindProfile(identity.Profile)
	if err != nil {
		return err
	}
	drive := profile.Tape.With(identity.DriveSerial, identity.DriveNAA, l.entry.IQN)
	changer := profile.Changer.With(identity.ChangerSerial, identity.ChangerNAA, l.entry.IQN)
	log := s.log.With("loader", l.entry.Name)
	l.drive = ssc.New(ssc.Config{Identity: drive, Host: host{l.library, l.volume}, Compression: identity.Compression, Log: log})
	l.changer = smc.New(smc.Config{Identity: changer, DriveIdentity: drive, Library: l.library, Log: log})
	l.trace = newTracer(target.New(l.drive, l.changer))
	return nil
}

func (l *served) closeUnits() error {
	l.trace.close()
	l.changer.Close()
	return l.drive.Close()
}

func (s *Service) target(l *served) iscsi.Target {
	t := iscsi.Target{Name: l.entry.IQN, Alias: l.entry.Name, Device: door{l.trace.router, s.journal.publish, l.entry.Name}}
	if l.entry.Auth != control.AuthNone {
		t.Auth = iscsi.Auth{Name: l.entry.CHAPName, Secret: l.entry.CHAPSecret}
	}
	return t
}

// takeDown undoes bringUp in reverse order: sessions, units (the drive flushes
// and closes its tape, which stays in the drive's element), library, watch.
func (s *Service) takeDown(l *served) error {
	if !l.online() {
		return nil
	}
	err := errors.Join(s.iscsi.Remove(l.entry.IQN), l.closeUnits(), l.library.Close())
	l.volume.Close()
	s.folders.Delete(l.entry.Folder)
	if err != nil {
		return fmt.Errorf("close loader %s: %w", l.entry.Name, err)
	}
	return nil
}

// checkIdentity refuses a second loader with the identity of one that is online:
// a copy of its folder. Hosts would take the two for one.
func (s *Service) checkIdentity(name string, identity slotmap.Identity) error {
	for _, other := range s.list() {
		if other.online() && other.entry.Name != name && other.library.Identity().UUID == identity.UUID {
			return &control.Error{Code: control.Exists, Message: fmt.Sprintf("the folder is a copy of that of loader %s, which is served", other.entry.Name),
				Hint: "backup programs would take the two for one library: delete the loader " + other.entry.Name + " first (its folder stays)"}
		}
	}
	return nil
}

func openToAll(address string) error {
	return &control.Error{Code: control.Denied, Message: fmt.Sprintf("login without a secret is not permitted while the service listens on %s, where other machines reach it", address),
		Hint: "use --auth chap, or have the service listen on 127.0.0.1"}
}

// openLoaders brings up what the configuration names (contract 3.18) and watches
// over those that could not be. A loader that cannot be opened keeps no other one
// from being served.
func (s *Service) openLoaders() error {
	for _, entry := range s.config.Configuration().Loaders {
		l, err := s.bringUp(entry)
		if err != nil {
			l = s.offline(entry, err)
		}
		s.publishServed(l)
	}
	s.onClose(s.closeLoaders)
	s.running.Go(s.retryOffline)
	s.onClose(func() error { close(s.quit); return nil })
	return nil
}

func (s *Service) closeLoaders() error {
	s.change.Lock()
	defer s.change.Unlock()
	s.mu.Lock()
	all := s.served
	s.served = nil
	s.mu.Unlock()
	var failed []error
	for _, l := range slices.Backward(all) {
		failed = append(failed, s.takeDown(l))
	}
	return errors.Join(failed...)
}

// offline says that a loader cannot be served and why.
func (s *Service) offline(entry slotmap.LoaderEntry, cause error) *served {
	reason := explain(cause).Error()
	s.journal.publish(control.Event{Kind: control.LoaderOffline, Severity: control.Alert, Loader: entry.Name, Message: "offline: " + reason})
	return &served{entry: entry, reason: reason}
}

// retryOffline tries from time to time to bring offline loaders back: the disk
// may have been attached again.
func (s *Service) retryOffline() {
	tick := time.NewTicker(s.options.Retry)
	defer tick.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-tick.C:
			for _, l := range s.list() {
				if !l.online() {
					s.bringBack(l.entry.Name)
				}
			}
		}
	}
}

// bringBack tries to bring an offline loader up and returns it as it then is.
func (s *Service) bringBack(name string) (*served, error) {
	s.change.Lock()
	defer s.change.Unlock()
	l, err := s.find(name)
	if err != nil || l.online() {
		return l, err
	}
	back, err := s.bringUp(l.entry)
	if err != nil {
		if reason := explain(err).Error(); reason != l.reason {
			s.publishServed(s.offline(l.entry, err))
		}
		return nil, err
	}
	s.publishServed(back)
	s.journal.publish(control.Event{Kind: control.LoaderOnline, Loader: name, Message: "the loader is online again"})
	return back, nil
}

// list returns the loaders as they now are.
func (s *Service) list() []*served {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.served)
}

// publishServed adds a loader, or puts it in the place of the one of its name.
func (s *Service) publishServed(l *served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.index(l.entry.Name); i >= 0 {
		s.served[i] = l
		return
	}
	s.served = append(s.served, l)
}

// index finds a loader by name, in any case of letters. The caller holds mu.
func (s *Service) index(name string) int {
	return slices.IndexFunc(s.served, func(l *served) bool { return strings.EqualFold(l.entry.Name, name) })
}

// find returns a loader by name.
func (s *Service) find(name string) (*served, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i := s.index(name); i >= 0 {
		return s.served[i], nil
	}
	return nil, noLoader(name)
}

// use returns a loader that is online.
func (s *Service) use(name string) (*served, error) {
	l, err := s.find(name)
	if err == nil && !l.online() {
		err = offline(l.entry.Name, l.reason)
	}
	return l, err
}

// patience bounds how long a person's request waits for the arm or the drive.
const patience = 60 * time.Second

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience)
}
