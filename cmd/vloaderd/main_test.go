//go:build !windows

package main

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "run" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

func TestTheCommandLineIsJudged(t *testing.T) {
	for _, row := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitUsage, "vloaderd run"},
		{[]string{"--help"}, exitDone, "vloaderd run"},
		{[]string{"-h"}, exitDone, "vloaderd run"},
		{[]string{"run", "--help"}, exitDone, "--iscsi"},
		{[]string{"dance"}, exitUsage, "next:"},
		{[]string{"run", "--dance"}, exitUsage, "dance"},
		{[]string{"run", "away"}, exitUsage, "next:"},
		{[]string{"run", "--state", "/proc/vloader/none"}, exitFailed, "state folder"},
		{[]string{"run", "--state", t.TempDir(), "--iscsi", "nowhere"}, exitFailed, "127.0.0.1:auto"},
	} {
		var out bytes.Buffer
		if code := run(row.args, &out, &out); code != row.code || !strings.Contains(strings.ReplaceAll(out.String(), "  -iscsi", "--iscsi"), row.says) {
			t.Errorf("%v: %d, want %d\n%s", row.args, code, row.code, out.String())
		}
	}
}

// Two run side by side from any folder, say where they are, and end cleanly.
func TestRunSaysWhenItIsReadyAndEndsOnSIGTERM(t *testing.T) {
	dir, err := os.MkdirTemp("", "vd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var running []*exec.Cmd
	addresses := map[string]bool{}
	for _, name := range []string{"one", "two"} {
		socket := filepath.Join(dir, name+".sock")
		cmd := exec.Command(os.Args[0], "run", "--state", name, "--iscsi", "127.0.0.1:auto", "--control", socket)
		cmd.Dir = dir
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		line, err := bufio.NewReader(out).ReadString('\n')
		words := strings.Fields(line)
		if err != nil || len(words) != 8 || words[1] != "ready:" || words[5] != socket || words[7] != filepath.Join(dir, name) {
			t.Fatalf("%q, %v", line, err)
		}
		addresses[words[3]] = true
		running = append(running, cmd)
	}
	if len(addresses) != 2 {
		t.Errorf("addresses %v", addresses)
	}
	for _, cmd := range running {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

func TestAPortInUseIsSaidWithWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var out bytes.Buffer
	code := run([]string{"run", "--state", t.TempDir(), "--iscsi", l.Addr().String(), "--control", filepath.Join(t.TempDir(), "c")}, &out, &out)
	if code != exitFailed || !strings.Contains(out.String(), l.Addr().String()) || !strings.Contains(out.String(), "next: ") {
		t.Errorf("%d: %s", code, out.String())
	}
}

func TestTheServiceManagerGetsTheWholeCommandLine(t *testing.T) {
	o := options{}
	o.StateFolder, o.ISCSI, o.Control, o.Group = "/s", "127.0.0.1:3260", "/c", "backup"
	if got := strings.Join(o.config().Arguments, " "); got != "run --system --state /s --iscsi 127.0.0.1:3260 --control /c --group backup" {
		t.Error(got)
	}
	user := options{user: true}
	if got := strings.Join(user.config().Arguments, " "); got != "run" {
		t.Error(got)
	}
	for unit, want := range map[string]string{systemdUnit(true): "WantedBy=default.target", systemdUnit(false): "StateDirectory=vloader"} {
		if !strings.Contains(unit, want) || !strings.Contains(unit, "TimeoutStopSec=120") {
			t.Error(unit)
		}
	}
}
