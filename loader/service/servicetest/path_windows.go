package servicetest

import "path/filepath"

func controlPath(run string) string { return `\\.\pipe\` + filepath.Base(run) }
