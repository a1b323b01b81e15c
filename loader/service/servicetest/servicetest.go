// Package servicetest runs whole services for tests: free loopback ports, fresh
// folders, everything closed at the end of the test.
package servicetest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"virtualloader/loader/control"
	"virtualloader/loader/service"
)

// Env is a service and a client that speaks to it over its control connection.
type Env struct {
	*control.Client
	Options service.Options
	Ready   service.Ready

	t       testing.TB
	service *service.Service
}

// Start starts a service; change may alter its options before.
func Start(t testing.TB, change ...func(*service.Options)) *Env {
	t.Helper()
	// A socket's path must be short; the test's own folder may not be.
	run, err := os.MkdirTemp("", "vl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	e := &Env{t: t, Options: service.Options{
		StateFolder: filepath.Join(t.TempDir(), "state"), ISCSI: "127.0.0.1:0", Control: controlPath(run), Retry: 50 * time.Millisecond,
	}}
	for _, c := range change {
		c(&e.Options)
	}
	e.Client = control.NewClient(e.Options.Control)
	t.Cleanup(e.Client.Close)
	e.Up()
	t.Cleanup(e.Down)
	return e
}

// Up starts the service again after Down.
func (e *Env) Up() {
	e.t.Helper()
	s, err := service.Open(e.Options)
	if err != nil {
		e.t.Fatalf("start the service: %v", err)
	}
	e.service, e.Ready = s, s.Ready()
}

// Down stops the service as SIGTERM would.
func (e *Env) Down() {
	e.t.Helper()
	if e.service == nil {
		return
	}
	if err := e.service.Close(); err != nil {
		e.t.Errorf("stop the service: %v", err)
	}
	e.service = nil
}

// Restart stops the service and starts it again.
func (e *Env) Restart() {
	e.t.Helper()
	e.Down()
	e.Up()
}

// Create makes a loader in a fresh folder, with small tapes unless r says
// otherwise.
func (e *Env) Create(r control.NewLoader) control.CreatedLoader {
	e.t.Helper()
	if r.Folder == "" {
		r.Folder = filepath.Join(e.t.TempDir(), r.Name)
	}
	if r.CapacityBytes == 0 {
		r.CapacityBytes = 8 << 20
	}
	created, err := e.CreateLoader(context.Background(), r)
	if err != nil {
		e.t.Fatalf("create loader %s: %v", r.Name, err)
	}
	return created
}
