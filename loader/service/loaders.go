package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"virtualloader/driver/spc"
	"virtualloader/loader"
	"virtualloader/loader/control"
	"virtualloader/slotmap"
)

// iqnPrefix begins every target's iSCSI name.
const iqnPrefix = "iqn.2026-11.io.virtualloader:"

// CreateLoader implements control.Loaders (contract 3.7, 3.20, 3.22).
func (s *Service) CreateLoader(_ context.Context, r control.NewLoader) (control.CreatedLoader, error) {
	s.change.Lock()
	defer s.change.Unlock()
	created, err := s.createLoader(r)
	return created, explainFor(r.Name, "", err)
}

func (s *Service) createLoader(r control.NewLoader) (answer control.CreatedLoader, err error) {
	entry, err := s.newEntry(r)
	if err != nil {
		return answer, err
	}
	settings := loader.Settings{
		Name: r.Name, Folder: entry.Folder, Slots: r.Slots, CapacityBytes: r.CapacityBytes,
		Family: r.Family, Tapes: r.Tapes, Mode: loader.Mode(r.Mode),
		Compression: r.Compression, Profile: r.Profile,
	}
	if _, err := spc.FindProfile(r.Profile); err != nil {
		return answer, fmt.Errorf("%w: %w", loader.ErrSettings, err)
	}
	create := loader.Create
	if r.Rebuild {
		create = loader.Rebuild
	}
	created, err := create(settings)
	if err != nil {
		return answer, err
	}
	entry.Folder = created.Folder
	l, err := s.bringUp(entry)
	if err != nil {
		return answer, fmt.Errorf("the folder is a loader now but cannot be served: %w", err)
	}
	err = s.config.Update(func(c *slotmap.Configuration) error {
		c.Loaders = append(c.Loaders, entry)
		return nil
	})
	if err != nil {
		return answer, errors.Join(err, s.takeDown(l))
	}
	s.publishServed(l)
	verb := "created"
	if created.Adopted {
		verb = "brought back"
	}
	s.journal.publish(control.Event{Kind: control.LoaderCreated, Loader: entry.Name, Message: fmt.Sprintf("%s in %s", verb, entry.Folder)})
	return control.CreatedLoader{Loader: s.describe(l), Adopted: created.Adopted, Tapes: list(created.Tapes), Warnings: list(created.Warnings)}, nil
}

// newEntry checks what does not depend on the folder and returns the new
// loader's place in the configuration.
func (s *Service) newEntry(r control.NewLoader) (entry slotmap.LoaderEntry, err error) {
	all := s.list()
	if _, err := s.find(r.Name); err == nil {
		return entry, &control.Error{Code: control.Exists, Message: fmt.Sprintf("a loader is called %s already", r.Name), Hint: "choose another name"}
	}
	if !filepath.IsAbs(r.Folder) {
		return entry, &control.Error{Code: control.Invalid, Message: fmt.Sprintf("the folder %q is not a whole path", r.Folder), Hint: "give it from the root"}
	}
	folder := filepath.Clean(r.Folder)
	for _, other := range all {
		if sameFolder(folder, other.entry.Folder) {
			return entry, &control.Error{Code: control.InUse, Message: fmt.Sprintf("the folder %s belongs to loader %s", folder, other.entry.Name),
				Hint: "choose another folder, or delete that loader first (its folder stays)"}
		}
	}
	if len(all) >= MaxLoaders {
		return entry, &control.Error{Code: control.Full, Message: fmt.Sprintf("there are %d loaders, which is as many as one service runs", MaxLoaders),
			Hint: "delete one that is no longer needed (its folder stays), or run a second service with a --state folder of its own"}
	}
	entry = slotmap.LoaderEntry{Name: r.Name, Folder: folder, IQN: iqnPrefix + strings.ToLower(r.Name), Auth: r.Auth}
	switch r.Auth {
	case "", control.AuthCHAP:
		entry.Auth, entry.CHAPName, entry.CHAPSecret = control.AuthCHAP, r.Name, newSecret()
	case control.AuthNone:
		if !onLoopback(s.portal.Addr()) {
			return entry, openToAll(s.portal.Addr().String())
		}
	default:
		return entry, &control.Error{Code: control.Invalid, Message: fmt.Sprintf("%q is no way to log in", r.Auth), Hint: "choose chap or none"}
	}
	return entry, nil
}

// sameFolder reports whether two paths name one folder, links resolved where
// they can be.
func sameFolder(a, b string) bool {
	return resolved(a) == resolved(b)
}

func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}

// secretLength is the length of a CHAP secret in characters: Windows takes 12 to
// 16.
const secretLength = 16

// newSecret returns a random CHAP secret of letters and digits without those
// that are easily confused: 80 bits.
func newSecret() string {
	const alphabet = "abcdefghijkmnpqrstuvwxyz23456789" // 32, so that none is likelier
	b := make([]byte, secretLength)
	rand.Read(b) // never fails
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return string(b)
}

// Loaders implements control.Loaders.
func (s *Service) Loaders(context.Context) ([]control.Loader, error) {
	all := []control.Loader{}
	for _, l := range s.list() {
		all = append(all, s.describe(l))
	}
	return all, nil
}

// Loader implements control.Loaders (contract 3.11).
func (s *Service) Loader(_ context.Context, r control.LoaderRef) (control.Loader, error) {
	l, err := s.find(r.Loader)
	if err != nil {
		return control.Loader{}, err
	}
	return s.describe(l), nil
}

// DeleteLoader implements control.Loaders (contract 3.12): sessions end, the
// tape in the drive is flushed and closed, and the configuration forgets the
// loader. The folder stays.
func (s *Service) DeleteLoader(_ context.Context, r control.LoaderRef) (control.Loader, error) {
	s.change.Lock()
	defer s.change.Unlock()
	l, err := s.find(r.Loader)
	if err != nil {
		return control.Loader{}, err
	}
	was := s.describe(l)
	if was.Drive.Locked {
		return was, &control.Error{Code: control.InUse, Message: fmt.Sprintf("a backup program holds the tape %s in the drive of loader %s", was.Drive.Barcode, was.Name),
			Hint: "let it finish and unlock the drive, or end its session"}
	}
	err = s.config.Update(func(c *slotmap.Configuration) error {
		for i, entry := range c.Loaders {
			if entry.Name == l.entry.Name {
				c.Loaders = append(c.Loaders[:i:i], c.Loaders[i+1:]...)
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return was, explain(err)
	}
	s.mu.Lock()
	if i := s.index(l.entry.Name); i >= 0 {
		s.served = append(s.served[:i:i], s.served[i+1:]...)
	}
	s.mu.Unlock()
	err = s.takeDown(l)
	s.journal.publish(control.Event{Kind: control.LoaderDeleted, Loader: was.Name, Message: "no longer served; " + was.Folder + " keeps its tapes"})
	return was, explainFor(was.Name, was.Drive.Barcode, err)
}

// Inventory implements control.Loaders (contract 3.13). An offline loader is
// tried at once.
func (s *Service) Inventory(ctx context.Context, r control.LoaderRef) (control.Inventory, error) {
	l, err := s.bringBack(r.Loader)
	if err != nil {
		return control.Inventory{}, explainFor(r.Loader, "", err)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	found, err := l.library.Rescan(ctx)
	if err != nil {
		return control.Inventory{}, explainFor(r.Loader, "", err)
	}
	answer := control.Inventory{Loader: l.entry.Name, Added: list(found.Found), Missing: list(found.Missing), Problems: []string{}, LastSlotUsed: found.LastSlotUsed}
	for _, barcode := range found.Unplaced {
		answer.Problems = append(answer.Problems, fmt.Sprintf("no slot is free for %s", barcode))
	}
	for _, t := range l.library.Tapes() {
		if t.Damaged {
			answer.Problems = append(answer.Problems, fmt.Sprintf("%s is damaged; `vloader tape check %s %s` says more", t.Barcode, l.entry.Name, t.Barcode))
		}
	}
	return answer, nil
}

// Connection implements control.Loaders.
func (s *Service) Connection(_ context.Context, r control.LoaderRef) (control.Connection, error) {
	l, err := s.find(r.Loader)
	if err != nil {
		return control.Connection{}, err
	}
	return control.Connection{
		Loader: l.entry.Name, Address: reachable(s.portal.Addr()), IQN: l.entry.IQN, Auth: l.entry.Auth,
		CHAPName: l.entry.CHAPName, CHAPSecret: l.entry.CHAPSecret, DriveLUN: 0, ChangerLUN: 1,
	}, nil
}

// list is s, but never nil, so that JSON has [] for none.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
