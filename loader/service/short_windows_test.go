package service

import (
	"path/filepath"
	"testing"
)

func shortPath(t *testing.T) string { return `\\.\pipe\` + filepath.Base(t.TempDir()) + t.Name() }
