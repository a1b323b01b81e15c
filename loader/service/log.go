package service

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
)

const (
	logFileName    = "vloaderd.log"
	oldLogFileName = "vloaderd.old.log"
	logFileBytes   = 8 << 20
)

// openLog returns a logger that writes text to w, if not nil, and to a file in
// the state folder that is renamed at 8 MiB.
func openLog(folder string, w io.Writer, level slog.Level) (*slog.Logger, io.WriteCloser, error) {
	file, err := openRotating(filepath.Join(folder, logFileName), filepath.Join(folder, oldLogFileName), logFileBytes)
	if err != nil {
		return nil, nil, err
	}
	options := &slog.HandlerOptions{Level: level}
	handlers := []slog.Handler{slog.NewTextHandler(file, options)}
	if w != nil {
		handlers = append(handlers, slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewMultiHandler(handlers...)), file, nil
}

// quiet is a handler that leaves out what is below a warning: what the iSCSI
// server says of sessions is an event already.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(a []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
