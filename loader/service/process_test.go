package service_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"virtualloader/loader/control"
	"virtualloader/loader/service"
)

// runAsProcess is the test binary as a service: run-service STATE CONTROL.
func runAsProcess() {
	runCtx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := service.Run(runCtx, service.Options{
		StateFolder: os.Args[2], Control: os.Args[3], ISCSI: "127.0.0.1:0",
		Ready: func(r service.Ready) { fmt.Println("ready", r.ISCSI) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, service.Words("service", err))
		os.Exit(1)
	}
	os.Exit(0)
}

// process is a service in a process of its own.
type process struct {
	*control.Client
	cmd *exec.Cmd
	out io.Closer
}

func startProcess(t *testing.T, state, path string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "run-service", state, path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{Client: control.NewClient(path), cmd: cmd, out: out}
	t.Cleanup(p.Close)
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); !strings.HasPrefix(line, "ready ") {
		t.Fatalf("said %q, %v", line, err)
	}
	return p
}

func (p *process) end(t *testing.T, how os.Signal) error {
	t.Helper()
	if err := p.cmd.Process.Signal(how); err != nil {
		t.Fatal(err)
	}
	return p.cmd.Wait()
}

// kill -9 at any moment is survivable: the next start finds loader, tapes and
// the tape in the drive, and takes the socket over.
func TestAKilledServiceComesBack(t *testing.T) {
	run, err := os.MkdirTemp("", "vl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	state, path := filepath.Join(run, "state"), filepath.Join(run, "c.sock")
	p := startProcess(t, state, path)
	made, err := p.CreateLoader(ctx, control.NewLoader{Name: "a", Folder: filepath.Join(run, "a"), Tapes: 2, CapacityBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	for i := range 5 {
		tape := made.Tapes[i%2]
		if _, err := p.Load(ctx, control.LoadRequest{Loader: "a", Barcode: tape}); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		// Something is under way when the kill comes.
		go func(c *control.Client) {
			c.CreateTapes(ctx, control.NewTapes{Loader: "a", Count: 3})
		}(p.Client)
		time.Sleep(time.Duration(i) * 3 * time.Millisecond)
		if err := p.end(t, syscall.SIGKILL); err == nil {
			t.Fatal("a killed process ended well")
		}
		p = startProcess(t, state, path)
		l, err := p.Loader(ctx, ref("a"))
		if err != nil || l.State != control.StateOnline || l.Drive.Barcode != tape || l.Tapes.Total < 2 {
			t.Fatalf("round %d: %+v, %v", i, l.LoaderStatus, err)
		}
		status, err := p.Status(ctx)
		if err != nil || status.Sequence <= last {
			t.Errorf("round %d: events went back from %d to %d, %v", i, last, status.Sequence, err)
		}
		last = status.Sequence
	}
	if err := p.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket was left behind after a clean end")
	}
}
