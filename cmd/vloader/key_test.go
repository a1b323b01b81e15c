package main

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"virtualloader/loader/tape"
)

// tape cat gives the plain bytes of compressed records, those of encrypted ones
// with their key, and says what is missing without it.
func TestCatOfStoredRecords(t *testing.T) {
	dir := t.TempDir()
	c, err := tape.Create(dir, tape.Spec{Barcode: "KEY001L8", CapacityBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	image, err := c.Load()
	if err != nil {
		t.Fatal(err)
	}
	key := tape.Encryption{Key: [tape.KeyBytes]byte{1, 2, 3}}
	plain := strings.Repeat("words ", 1000)
	image.SetCompression(true)
	if err := image.WriteBlock([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	if _, err := image.WriteFilemarks(1); err != nil {
		t.Fatal(err)
	}
	if err := image.SetEncryption(&key); err != nil {
		t.Fatal(err)
	}
	if err := image.WriteBlock([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	if err := image.Close(); err != nil {
		t.Fatal(err)
	}
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	digits := []byte(hex.EncodeToString(key.Key[:]) + "\n")
	for _, c := range []struct {
		args       []string
		code       int
		out, wrong string
	}{
		{[]string{"--file", "0"}, exitDone, plain, ""},
		{[]string{"--file", "1"}, exitRefused, "", "--key-file"},
		{[]string{"--file", "1", "--key-file", file("raw", key.Key[:])}, exitDone, plain, ""},
		{[]string{"--key-file", file("digits", digits)}, exitDone, plain + plain, ""},
		{[]string{"--file", "1", "--key-file", file("other", bytes.Repeat([]byte{0x99}, 32))}, exitRefused, "", "another key"},
		{[]string{"--file", "1", "--key-file", file("short", []byte("short"))}, exitUsage, "", "64 hexadecimal digits"},
		{[]string{"--partition", "1"}, exitUsage, "", "partition 1"},
	} {
		args := append([]string{"tape", "cat", filepath.Join(dir, "KEY001L8.tape")}, c.args...)
		code, out, errors := vloader("", args...)
		if code != c.code || out != c.out || !strings.Contains(errors, c.wrong) {
			t.Errorf("%q: %d, %d bytes, %s", c.args, code, len(out), errors)
		}
	}
}
