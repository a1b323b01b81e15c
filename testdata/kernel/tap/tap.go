// Package tap reads the Test Anything Protocol: the checks that a scenario in a
// guest prints, one line each.
package tap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

// Reader is a writer that reads a scenario's output, passes it on with the
// scenario's name before each line, and counts. It is for one goroutine at a time.
type Reader struct {
	name    string
	out     io.Writer
	partial []byte
	good    int
	bad     int
	planned int
}

// NewReader makes the reader of the scenario called name, which passes lines on to out.
func NewReader(name string, out io.Writer) *Reader { return &Reader{name: name, out: out} }

var (
	resultLine = regexp.MustCompile(`^(not )?ok \d+ `)
	planLine   = regexp.MustCompile(`^1\.\.(\d+)$`)
)

// Write takes the next part of the output. It does not fail.
func (r *Reader) Write(p []byte) (int, error) {
	r.partial = append(r.partial, p...)
	for {
		line, rest, whole := bytes.Cut(r.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		r.line(string(line))
		r.partial = rest
	}
}

func (r *Reader) line(line string) {
	if m := resultLine.FindStringSubmatch(line); m != nil && m[1] == "" {
		r.good++
	} else if m != nil {
		r.bad++
	}
	if m := planLine.FindStringSubmatch(line); m != nil {
		r.planned, _ = strconv.Atoi(m[1])
	}
	fmt.Fprintf(r.out, "%-8s %s\n", r.name, line)
}

// Verdict is nil when the scenario ran to its end and all of its checks were good.
func (r *Reader) Verdict() error {
	switch {
	case r.bad > 0:
		return fmt.Errorf("%d of %d checks failed", r.bad, r.good+r.bad)
	case r.good == 0:
		return errors.New("no check ran")
	case r.planned != r.good:
		return fmt.Errorf("%d checks ran, the scenario counted %d", r.good, r.planned)
	}
	return nil
}
