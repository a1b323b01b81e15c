package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"virtualloader/loader/control"
	"virtualloader/loader/service/servicetest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vloader runs one command line as a script would: nobody to ask.
func vloader(path string, args ...string) (code int, out, errors string) {
	var stdout, stderr bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &stdout, err: &stderr}
	code = a.run(context.Background(), append([]string{"--control", path}, args...))
	return code, stdout.String(), stderr.String()
}

// TestScripts runs every script in testdata against a service of its own. A line
// says
//
//	$ WORDS         run vloader with these words
//	=> CODE         and it ends with this exit code (default 0)
//	> TEXT          and its output contains the text
//	! TEXT          and its errors contain the text
//	file PATH TEXT  write a file
//	remove PATH     remove a file or folder
//	restart         restart the service
//
// $TMP is a fresh folder. Every error must say what next.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			r := &runner{t: t, env: servicetest.Start(t), tmp: t.TempDir(), script: script}
			for i, line := range strings.Split(string(text), "\n") {
				r.line = i + 1
				r.step(strings.ReplaceAll(strings.TrimSpace(line), "$TMP", r.tmp))
			}
			r.finish()
		})
	}
}

// runner runs one script.
type runner struct {
	t      *testing.T
	env    *servicetest.Env
	tmp    string
	script string
	line   int

	command     string // the last one
	commandLine int
	code, want  int
	out, errors string
}

func (r *runner) step(line string) {
	r.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "", "#":
	case "$":
		r.finish()
		r.command, r.commandLine, r.want = line, r.line, exitDone
		r.code, r.out, r.errors = vloader(r.env.Options.Control, splitLine(rest)...)
	case "=>":
		want, err := strconv.Atoi(rest)
		if err != nil {
			r.t.Fatalf("%s:%d: %v", r.script, r.line, err)
		}
		r.want = want
	case ">", "!":
		from := r.out
		if verb == "!" {
			from = r.errors
		}
		if !strings.Contains(from, rest) {
			r.t.Errorf("%s:%d: %s\nwants %q in\n%s%s", r.script, r.line, r.command, line, r.out, r.errors)
		}
	case "file":
		path, text, _ := strings.Cut(rest, " ")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	case "remove":
		if err := os.RemoveAll(rest); err != nil {
			r.t.Fatal(err)
		}
	case "restart":
		r.finish()
		r.env.Restart()
	default:
		r.t.Fatalf("%s:%d: no step %q", r.script, r.line, verb)
	}
}

// finish judges the last command's end.
func (r *runner) finish() {
	r.t.Helper()
	if r.command == "" {
		return
	}
	if r.code != r.want {
		r.t.Errorf("%s:%d: %s\nended with %d, want %d\n%s%s", r.script, r.commandLine, r.command, r.code, r.want, r.out, r.errors)
	}
	if r.code != exitDone && !strings.Contains(r.errors, "next: ") && !strings.Contains(r.errors, `"hint":"`) {
		r.t.Errorf("%s:%d: %s\ndoes not say what next:\n%s", r.script, r.commandLine, r.command, r.errors)
	}
	r.command = ""
}

// splitLine splits a command line at blanks; quotes keep words together.
func splitLine(line string) (words []string) {
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

func TestWithoutAServiceItIsSaidSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	for _, args := range [][]string{{"status"}, {"events", "--follow"}, {"loader", "list"}, {"tape", "check", "a", "B"}, {"demo"}} {
		code, _, errors := vloader(path, args...)
		if code != exitUnreachable || !strings.Contains(errors, "vloaderd run") {
			t.Errorf("%v: %d, %s", args, code, errors)
		}
	}
}

func TestEveryExitCodeIsExplained(t *testing.T) {
	explained := map[int]bool{}
	for _, e := range exitCodes {
		explained[e.code] = true
	}
	for code, exit := range exitOf {
		if !explained[exit] {
			t.Errorf("%s ends with %d, which help does not explain", code, exit)
		}
		if got := exitCode(&control.Error{Code: code}); got != exit {
			t.Errorf("%s ends with %d", code, got)
		}
	}
	for err, want := range map[error]int{nil: exitDone, context.Canceled: exitInterrupted, os.ErrInvalid: exitFailed} {
		if got := exitCode(err); got != want {
			t.Errorf("%v ends with %d", err, got)
		}
	}
}

func TestWhatCannotBeUndoneIsAskedFor(t *testing.T) {
	for _, row := range []struct {
		answer   string
		terminal bool
		yes      bool
		want     control.Code
	}{
		{"y\n", true, false, ""},
		{"YES\n", true, false, ""},
		{"n\n", true, false, control.Denied},
		{"\n", true, false, control.Denied},
		{"sure", true, false, control.Denied},
		{"", true, false, control.Invalid}, // the null device
		{"y\n", false, false, control.Invalid},
		{"", false, true, ""},
	} {
		a := &app{in: strings.NewReader(row.answer), err: &bytes.Buffer{}, terminal: row.terminal}
		if err := a.confirm(row.yes, "All will be gone."); control.CodeOf(err) != row.want {
			t.Errorf("%+v: %v", row, err)
		}
	}
}

func TestEventsAreFollowedUntilInterrupted(t *testing.T) {
	e := servicetest.Start(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &waiter{want: "photos: created in", found: cancel}
	a := &app{in: strings.NewReader(""), out: out, err: &bytes.Buffer{}}
	go e.CreateLoader(ctx, control.NewLoader{Name: "photos", Folder: filepath.Join(t.TempDir(), "p"), CapacityBytes: 8 << 20})
	if code := a.run(ctx, []string{"--control", e.Options.Control, "events", "--follow", "--since", "0"}); code != exitDone {
		t.Errorf("ended with %d: %s", code, a.err)
	}
	if !strings.Contains(out.String(), out.want) {
		t.Error(out.String())
	}
}

// waiter calls found when a text was written to it.
type waiter struct {
	bytes.Buffer
	want  string
	found func()
}

func (w *waiter) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.want) {
		w.found()
	}
	return n, err
}

func TestCompletionKnowsLoadersAndTapes(t *testing.T) {
	e := servicetest.Start(t)
	e.Create(control.NewLoader{Name: "photos", Family: "PHO"})
	path := e.Options.Control
	if _, out, _ := vloader(path, "__complete", "tape", "info", ""); !strings.Contains(out, "photos") {
		t.Error(out)
	}
	if _, out, _ := vloader(path, "__complete", "tape", "info", "photos", ""); !strings.Contains(out, "PHO001L8") {
		t.Error(out)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, errors := vloader(path, "completion", shell); code != exitDone || len(out) < 1000 {
			t.Errorf("%s: %d, %d bytes, %s", shell, code, len(out), errors)
		}
	}
}

// A real tree goes to tape over several tapes and comes back equal.
func TestTheDemoBacksUpAndRestores(t *testing.T) {
	e := servicetest.Start(t)
	source, folder := filepath.Join(t.TempDir(), "tree"), filepath.Join(t.TempDir(), "backup")
	if err := os.MkdirAll(filepath.Join(source, "deep", "er"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		data := bytes.Repeat([]byte{byte(i), byte(i >> 1), 7}, 50_000+i*1000)
		if err := os.WriteFile(filepath.Join(source, "deep", strconv.Itoa(i)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("deep/1", filepath.Join(source, "link")); err != nil {
		t.Log("no links here:", err)
	}
	for run := range 2 { // the second replaces the first
		code, out, errors := vloader(e.Options.Control, "demo", "--source", source, "--folder", folder)
		if code != exitDone || !strings.Contains(out, "every byte is equal") || !strings.Contains(out, "changed tapes by itself") {
			t.Fatalf("run %d: %d\n%s%s", run, code, out, errors)
		}
		if files, _ := filepath.Glob(filepath.Join(folder, "DEMO*.tape")); len(files) < 2 {
			t.Errorf("tape files: %v", files)
		}
	}
	if code, _, errors := vloader(e.Options.Control, "tape", "check", "demo", "DEMO01L8"); code != exitDone {
		t.Error(code, errors)
	}
	e.Create(control.NewLoader{Name: "mine"})
	if code, _, errors := vloader(e.Options.Control, "demo", "--source", source, "--name", "mine"); code != exitRefused {
		t.Errorf("the demo took somebody's loader: %d, %s", code, errors)
	}
}
