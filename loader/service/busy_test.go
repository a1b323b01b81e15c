package service

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"virtualloader/loader/control"
)

// A drive that does not come free holds up nobody who only looks, and who needs
// it is told that it is busy.
func TestABusyDriveHoldsUpNobodyWhoLooks(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s, err := Open(Options{StateFolder: filepath.Join(dir, "state"), ISCSI: "127.0.0.1:0", Control: shortPath(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.CreateLoader(ctx, control.NewLoader{Name: "a", Folder: filepath.Join(dir, "a"), CapacityBytes: 8 << 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(ctx, control.LoadRequest{Loader: "a"}); err != nil {
		t.Fatal(err)
	}
	l, err := s.use("a")
	if err != nil {
		t.Fatal(err)
	}
	held, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- l.drive.Do(ctx, func() { close(held); <-release })
	}()
	<-held
	hurried, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := s.Unload(hurried, control.UnloadRequest{Loader: "a"}); control.CodeOf(err) != control.Busy {
		t.Errorf("unload: %v", err)
	}
	for what, look := range map[string]func() error{
		"status":   func() error { _, err := s.Status(ctx); return err },
		"loader":   func() error { _, err := s.Loader(ctx, control.LoaderRef{Loader: "a"}); return err },
		"tapes":    func() error { _, err := s.Tapes(ctx, control.LoaderRef{Loader: "a"}); return err },
		"elements": func() error { _, err := s.Elements(ctx, control.LoaderRef{Loader: "a"}); return err },
	} {
		start := time.Now()
		if err := look(); err != nil || time.Since(start) > time.Second {
			t.Errorf("%s: %v after %v", what, err, time.Since(start))
		}
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if m, err := s.Unload(ctx, control.UnloadRequest{Loader: "a"}); err != nil {
		t.Errorf("%+v, %v", m, err)
	}
}
