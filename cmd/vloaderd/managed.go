package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"virtualloader/loader/service"

	manager "github.com/kardianos/service"
)

// program is the service in the service manager's hands.
type program struct {
	ctx    context.Context
	cancel context.CancelFunc
	o      service.Options
	ended  chan struct{} // closed when Run has returned err
	err    error
}

// Start implements manager.Interface: it returns at once.
func (p *program) Start(manager.Service) error {
	go func() {
		defer close(p.ended)
		if p.err = service.Run(p.ctx, p.o); p.err != nil {
			// Windows' manager learns of an end only from the process.
			fmt.Fprintln(os.Stderr, service.Words("vloaderd", p.err))
			os.Exit(exitFailed)
		}
	}()
	return nil
}

// Stop implements manager.Interface: it returns when everything is closed.
func (p *program) Stop(manager.Service) error {
	p.cancel()
	<-p.ended
	return p.err
}

func runManaged(ctx context.Context, o options) error {
	p := &program{o: o.Options, ended: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(ctx)
	defer p.cancel()
	c := o.config()
	c.Option["RunWait"] = func() {
		select {
		case <-ctx.Done():
		case <-p.ended:
		}
	}
	s, err := manager.New(p, c)
	if err != nil {
		return err
	}
	return s.Run()
}

// config describes the service to the service manager.
func (o options) config() *manager.Config {
	c := &manager.Config{
		Name: "vloaderd", DisplayName: "Virtual Loader", Description: "Virtual Loader: backup folders as tape libraries",
		Arguments: []string{"run"},
		Option: manager.KeyValue{
			"UserService": o.user, "SystemdScript": systemdUnit(o.user), "KeepAlive": true, "RunAtLoad": true,
			"Restart": "on-failure", "OnFailure": "restart", "OnFailureDelayDuration": "5s",
		},
	}
	if !o.user {
		c.Arguments = append(c.Arguments, "--system")
	}
	for _, f := range [][2]string{{"--state", absolute(o.StateFolder)}, {"--iscsi", o.ISCSI}, {"--control", absolute(o.Control)}, {"--group", o.Group}} {
		if f[1] != "" {
			c.Arguments = append(c.Arguments, f[0], f[1])
		}
	}
	return c
}

func absolute(path string) string {
	if whole, err := filepath.Abs(path); path != "" && err == nil {
		return whole
	}
	return path
}

// systemdUnit is the unit file, in the template language of the service
// manager's package. Stopping may take as long as a flush of every tape.
func systemdUnit(user bool) string {
	directories, target := "RuntimeDirectory=vloader\nRuntimeDirectoryMode=0755\nStateDirectory=vloader\nStateDirectoryMode=0700\n", "multi-user.target"
	if user {
		directories, target = "", "default.target"
	}
	return `[Unit]
Description={{Description}}
ConditionFileIsExecutable={{Path | cmdEscape}}
After=network.target

[Service]
ExecStart={{Path | cmdEscape}}{{range Arguments}} {{. | cmd}}{{end}}
Restart={{Restart}}
RestartSec=5
TimeoutStopSec=120
NoNewPrivileges=yes
` + directories + `
[Install]
WantedBy=` + target + `
`
}

func (o options) manage() (manager.Service, error) {
	s, err := manager.New(&program{}, o.config())
	if err != nil {
		return nil, fmt.Errorf("the system's service manager: %w", err)
	}
	return s, nil
}

// managed makes a command of something the service manager does.
func managed(do func(manager.Service) error) func(options, io.Writer) (int, error) {
	return func(o options, _ io.Writer) (int, error) {
		s, err := o.manage()
		if err == nil {
			err = do(s)
		}
		switch {
		case errors.Is(err, manager.ErrNotInstalled):
			return exitNotInstalled, fmt.Errorf("%w; `vloaderd install` does that, `vloaderd run` needs no installation", err)
		case errors.Is(err, fs.ErrPermission):
			return exitFailed, fmt.Errorf("%w\n   next: do it as administrator, or with --user for a service of your own", err)
		case err != nil:
			return exitFailed, fmt.Errorf("the service manager (%s) refused: %w\n   next: `vloaderd status` says whether it is installed; `vloaderd run` needs no service manager", manager.Platform(), err)
		}
		return exitDone, nil
	}
}

func installCommand(o options, out io.Writer) (int, error) {
	code, err := managed(manager.Service.Install)(o, out)
	if err == nil {
		fmt.Fprintln(out, "vloaderd is installed; start it with: vloaderd start"+userFlag(o.user))
	}
	return code, err
}

func userFlag(user bool) string {
	if user {
		return " --user"
	}
	return ""
}

func statusCommand(o options, out io.Writer) (int, error) {
	s, err := o.manage()
	if err != nil {
		return exitFailed, err
	}
	status, err := s.Status()
	switch {
	case err != nil: // some managers have no other word for it
		fmt.Fprintf(out, "vloaderd is not installed (%s: %v); `vloaderd run` needs no installation\n", manager.Platform(), err)
		return exitNotInstalled, nil
	case status == manager.StatusRunning:
		fmt.Fprintln(out, "vloaderd runs")
		return exitDone, nil
	}
	fmt.Fprintln(out, "vloaderd does not run")
	return exitNotRunning, nil
}
