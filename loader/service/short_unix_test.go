//go:build !windows

package service

import (
	"os"
	"path/filepath"
	"testing"
)

// shortPath is a control path in a folder of its own, short enough for a socket.
func shortPath(t *testing.T) string {
	dir, err := os.MkdirTemp("", "vl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "c")
}
