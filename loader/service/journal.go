package service

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"virtualloader/loader/control"
)

// How many events are kept in memory and, with the older file, on disk.
const (
	keptEvents       = 4096
	eventFileBytes   = 2 << 20
	eventFileName    = "events.ndjson"
	oldEventFileName = "events.old.ndjson"
)

// journal publishes events to whoever follows them and writes each as a line to
// a file in the state folder, so that numbers go on, and last night can be read,
// after a restart. Losing the last lines in a crash costs a reader nothing but
// those lines.
type journal struct {
	feed *control.Feed
	log  *slog.Logger

	mu   sync.Mutex // held while an event gets its number and its line
	file *rotatingFile
}

// openJournal reads what earlier runs wrote. A line that cannot be read (the
// last one, after a crash) is left out.
func openJournal(folder string, log *slog.Logger) (*journal, error) {
	current, older := filepath.Join(folder, eventFileName), filepath.Join(folder, oldEventFileName)
	backlog := append(readEvents(older), readEvents(current)...)
	file, err := openRotating(current, older, eventFileBytes)
	if err != nil {
		return nil, err
	}
	if err := file.endLine(); err != nil {
		file.Close()
		return nil, err
	}
	return &journal{feed: control.NewFeed(keptEvents, backlog), log: log, file: file}, nil
}

func readEvents(path string) (events []control.Event) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil // the first run, or a file nobody can read: numbers begin anew
	}
	for line := range bytes.Lines(b) {
		var e control.Event
		if json.Unmarshal(line, &e) == nil && e.Sequence > 0 {
			events = append(events, e)
		}
	}
	return events
}

// levels is how each severity stands in the log.
var levels = map[control.Severity]slog.Level{
	control.Info:    slog.LevelInfo,
	control.Warning: slog.LevelWarn,
	control.Alert:   slog.LevelError,
}

// publish sends e to all readers, to the file and to the log.
func (j *journal) publish(e control.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e = j.feed.Publish(e)
	line, err := json.Marshal(e)
	if err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	if err != nil {
		j.log.Debug("event not written", "sequence", e.Sequence, "reason", err)
	}
	attributes := []any{"event", e.Kind, "sequence", e.Sequence}
	for _, a := range [][2]string{{"loader", e.Loader}, {"barcode", e.Barcode}} {
		if a[1] != "" {
			attributes = append(attributes, a[0], a[1])
		}
	}
	j.log.Log(context.Background(), levels[e.Severity], e.Message, attributes...)
}

func (j *journal) close() error { return j.file.Close() }
