//go:build !windows

package servicetest

import "path/filepath"

func controlPath(run string) string { return filepath.Join(run, "c.sock") }
