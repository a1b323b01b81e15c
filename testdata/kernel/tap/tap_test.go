package tap

import (
	"io"
	"testing"
)

// A scenario that fails in any of the ways it can must not pass.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		name, output string
		pass         bool
	}{
		{"all good", "ok 1 - a\nok 2 - b\n1..2\n", true},
		{"one bad", "ok 1 - a\nnot ok 2 - b\n1..2\n", false},
		{"stopped early", "ok 1 - a\n", false},
		{"announced more", "ok 1 - a\n1..2\n", false},
		{"nothing checked", "1..0\n", false},
		{"silent", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := NewReader("x", io.Discard)
			for _, b := range []byte(c.output) { // as slowly as a guest may print
				_, _ = r.Write([]byte{b})
			}
			if err := r.Verdict(); (err == nil) != c.pass {
				t.Errorf("verdict %v, want pass=%v", err, c.pass)
			}
		})
	}
}
