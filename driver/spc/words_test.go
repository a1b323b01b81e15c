package spc

import "testing"

func TestFieldsAreReadAsTheyAreWritten(t *testing.T) {
	cdb := []byte{0x11, 0x0D, 0xFF, 0xFF, 0xFE, 0x00}
	for text, want := range map[string]string{
		"count@2-4s":       "count -2",
		"count@2-4":        "count 16777214",
		"address@2-3h":     "address FFFFh",
		"low@1.0-1{a|b}":   "low b",
		"low@1.0-1{a}":     "low 1",
		"flag@1.0":         "flag",
		"unset flag@1.1":   "",
		"two@1.2-3":        "two 3",
		"none@1.4-5":       "",
		"whole byte@5":     "whole byte 0",
		"page@1.0-5h":      "page 0Dh",
		"values@5{none|x}": "values none",
	} {
		f, err := parseField(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := f.say(cdb); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"length", "length@", "length@{", "length@x", "length@4-2", "flag@1.8", "flag@1-2.3", "wide@1-9"} {
		if f, err := parseField(text); err == nil {
			t.Errorf("%s is taken for %+v", text, f)
		}
	}
}

func TestWordsThatDoNotFitTheirRowAreFound(t *testing.T) {
	set := NewCommandSet([]Command{{Opcode: 0x01, Name: "THING", Usage: []byte{0, 0x03, 0xff, 0, 0, 0}}})
	for text, good := range map[string]bool{
		"A@1.0, B@1.1, C@2":        true,
		"A@1.0, C@2":               false,
		"A@1.0, B@1.1, C@2, D@3":   false,
		"A@1.0, B@1.1, C@2, D@@1.": false,
		"":                         false,
	} {
		if _, err := newDescriber(set, Words{"THING": text}); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
