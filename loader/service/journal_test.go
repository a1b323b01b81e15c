package service

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"virtualloader/loader/control"
)

func TestEventNumbersGoOnAfterACrash(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	j, err := openJournal(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		j.publish(control.Event{Kind: control.TapeCreated, Message: fmt.Sprint(i)})
	}
	j.close()
	file := filepath.Join(dir, eventFileName)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b[:len(b)-5], 0o600); err != nil { // the last line is torn
		t.Fatal(err)
	}
	for run := range 2 {
		if j, err = openJournal(dir, log); err != nil {
			t.Fatal(err)
		}
		j.publish(control.Event{Kind: control.TapeDeleted})
		events, _ := j.feed.After(0, 0)
		if last := events[len(events)-1]; last.Sequence != uint64(3+run) || last.Kind != control.TapeDeleted || len(events) != 3+run {
			t.Errorf("run %d: %d events, last %+v", run, len(events), last)
		}
		j.close()
	}
}

func TestEventsAreLoggedOnceWithTheirSeverity(t *testing.T) {
	var out bytes.Buffer
	j, err := openJournal(t.TempDir(), slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	j.publish(control.Event{Kind: control.SpaceChanged, Severity: control.Alert, Loader: "photos", Message: "the disk is nearly full"})
	if text := out.String(); strings.Count(text, "nearly full") != 1 || !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "loader=photos") {
		t.Error(text)
	}
}

func TestAFullFileIsRotatedAndNoLineIsLost(t *testing.T) {
	dir := t.TempDir()
	path, older := filepath.Join(dir, "log"), filepath.Join(dir, "old")
	r, err := openRotating(path, older, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	line := []byte(strings.Repeat("x", 39) + "\n")
	for i := range 7 {
		if _, err := r.Write(line); err != nil {
			t.Fatal(i, err)
		}
	}
	for p, want := range map[string]int64{path: 40, older: 80} {
		if info, err := os.Stat(p); err != nil || info.Size() != want {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	if _, err := r.Write(bytes.Repeat(line, 5)); err != nil {
		t.Error("a line longer than the limit:", err)
	}
}

func TestSecretsAreRandomAndFitEveryHost(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		s := newSecret()
		if len(s) != 16 || seen[s] || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzA0123456789") != "" {
			t.Fatalf("%q", s)
		}
		seen[s] = true
	}
}
