package service

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"virtualloader/loader/control"
)

// Options say how a service runs. The zero value is the embedded default: the
// user's state folder and control path, 127.0.0.1:3260 or the next free port.
type Options struct {
	StateFolder string // configuration, journal, log; made if missing
	ISCSI       string // HOST:PORT, PORT may be "auto"
	Control     string // unix socket or named pipe
	Group       string // whose members may use the control connection too
	System      bool   // defaults of a system service
	Verbose     bool   // log details

	// Log gets the log as text beside the log file, nil: nothing.
	Log io.Writer
	// Ready, if not nil, is called once when the service answers.
	Ready func(Ready)

	// Retry is the pause between attempts to bring an offline loader back, 0: 15 s.
	Retry time.Duration
}

// Ready says where a service answers.
type Ready struct{ ISCSI, Control, StateFolder string }

const defaultRetry = 15 * time.Second

func (o Options) withDefaults() (Options, error) {
	if o.StateFolder == "" {
		o.StateFolder = control.StateFolder(o.System)
	}
	if o.Control == "" {
		o.Control = control.ListenPath(o.System)
	}
	if o.Retry <= 0 {
		o.Retry = defaultRetry
	}
	var folder, path error
	o.StateFolder, folder = filepath.Abs(o.StateFolder)
	o.Control, path = filepath.Abs(o.Control)
	return o, errors.Join(folder, path)
}

func (o Options) level() slog.Level {
	if o.Verbose {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// Words writes an error for a person: what happened, and on a second line what
// to do next.
func Words(program string, err error) string {
	var e *control.Error
	if !errors.As(err, &e) || e.Hint == "" {
		return fmt.Sprintf("%s: %v", program, err)
	}
	return fmt.Sprintf("%s: %s\n   next: %s", program, e.Message, e.Hint)
}
