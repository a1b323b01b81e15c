//go:build linux

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Guest is one boot of the kernel that runs one scenario.
type Guest struct {
	Scenario  string    // file name in scenario/, without ".sh"; empty: a shell on the terminal
	Boot      int       // counts the boots of a scenario that has several, from 1
	Boots     int       // how many it has
	Dir       string    // folder shared with the guest: logs are left here
	Disk      string    // file made by [NewDisk], which the guest finds as /dev/ubda
	MemoryMiB int       // the guest's memory; its overlay and /tmp are in it
	Output    io.Writer // what the scenario prints, while it prints it
}

// path is the place of a file in the guest's folder.
func (g Guest) path(name string) string { return filepath.Join(g.Dir, name) }

// Boot runs a guest to its end and returns the exit status of its scenario. When ctx
// ends first the guest is killed, all of its processes with it. An error means
// that there is no exit status.
//
// In g.Dir it leaves output, service.log, dmesg and console.
func (l *Lab) Boot(ctx context.Context, g Guest) (status int, err error) {
	if err := l.prepare(g); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, tidy(g)) }()

	// The path of UML's control socket must be short, so it does not stand in g.Dir.
	control, err := os.MkdirTemp("", "uml")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(control)

	cmd, err := l.command(g, control)
	if err != nil {
		return 0, err
	}
	console, err := os.Create(g.path("console"))
	if err != nil {
		return 0, err
	}
	defer console.Close()
	if g.Scenario == "" {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, console
	} else {
		cmd.Stdout, cmd.Stderr = console, console
		release, err := guard(cmd)
		if err != nil {
			return 0, err
		}
		defer release()
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start linux.uml: %w", err)
	}
	return g.await(ctx, cmd)
}

// guard gives the command a group of processes of its own, by which all of a
// guest's can be ended, and a shell in that group that ends it when this process is no
// more: it waits for the end of a pipe whose other side we hold until release.
func guard(cmd *exec.Cmd) (release func(), err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `(read -r _; kill -KILL 0) <&3 & exec "$0" "$@" 3<&-`, cmd.Path}, cmd.Args[1:]...)
	cmd.ExtraFiles = []*os.File{read}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return func() { read.Close(); write.Close() }, nil
}

// await follows the guest's output until its end, or until ctx's.
func (g Guest) await(ctx context.Context, cmd *exec.Cmd) (status int, err error) {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()

	var offset int64
	follow := func() error {
		if g.Scenario == "" {
			return nil
		}
		var err error
		offset, err = copyFrom(g.Output, g.path("output"), offset)
		return err
	}
	for running := true; running; {
		select {
		case <-tick.C:
		case <-ended:
			running = false
		case <-ctx.Done():
			end(cmd)
			<-ended
			return 0, errors.Join(fmt.Errorf("guest %q killed: %w", g.Scenario, context.Cause(ctx)), follow())
		}
		if err := follow(); err != nil {
			end(cmd)
			if running {
				<-ended
			}
			return 0, err
		}
	}
	end(cmd) // what may have outlived UML's first process
	if g.Scenario == "" {
		return 0, nil
	}
	text, err := os.ReadFile(g.path("status"))
	if err != nil {
		return 0, fmt.Errorf("guest %q stopped before its scenario ended, see %s: %w", g.Scenario, g.path("console"), err)
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// end kills a guest's group of processes; a guest with a shell is in ours and ends by itself.
func end(cmd *exec.Cmd) {
	if cmd.SysProcAttr != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}

// command is UML's command line. Its words NAME=value become init's environment.
func (l *Lab) command(g Guest, control string) (*exec.Cmd, error) {
	uml, err := program("linux.uml")
	if err != nil {
		return nil, err
	}
	args := []string{
		"mem=" + strconv.Itoa(g.MemoryMiB) + "M", "panic=1", "quiet",
		"rootfstype=hostfs", "rootflags=/", "ro", "init=" + g.path("guest/init"),
		"ubd0=" + g.Disk, "con=null", "umid=guest", "uml_dir=" + control + "/",
		"LAB=" + g.Dir, "SOURCE=" + l.source, "BOOT=" + strconv.Itoa(g.Boot), "BOOTS=" + strconv.Itoa(g.Boots),
	}
	if g.Scenario == "" {
		args = append(args, "con0=fd:0,fd:1", "INTERACTIVE=1")
	} else {
		args = append(args, "con0=null,fd:1", "SCENARIO="+g.Scenario)
	}
	cmd := exec.Command(uml, args...)
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+l.shim, "TMPDIR="+memoryDir(g))
	return cmd, nil
}

// memoryDir is where UML puts the file that is the guest's memory: in memory where
// there is room (a container's /dev/shm is often small), else in the guest's folder.
func memoryDir(g Guest) string {
	const shm = "/dev/shm"
	var s syscall.Statfs_t
	if err := syscall.Statfs(shm, &s); err != nil || int64(s.Bavail)*s.Bsize < 2*int64(g.MemoryMiB)<<20 {
		return g.Dir
	}
	return shm
}
