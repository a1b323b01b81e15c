package smc

import "testing"

func TestTemplatesOfVolumeTags(t *testing.T) {
	for _, c := range []struct {
		template, name string
		fits           bool
	}{
		{"ABC001L8", "ABC001L8", true}, {"ABC001L8", "ABC001L9", false}, {"ABC", "ABC001L8", false},
		{"ABC*", "ABC001L8", true}, {"*L8", "ABC001L8", true}, {"*", "", true}, {"*", "X", true}, {"**?", "X", true},
		{"??????L8", "ABC001L8", true}, {"?????L8", "ABC001L8", false}, {"A*0?1*", "ABC001L8", true}, {"?", "", false}, {"", "", true}, {"", "A", false},
	} {
		if match(c.template, c.name) != c.fits {
			t.Errorf("%q, %q", c.template, c.name)
		}
	}
}
