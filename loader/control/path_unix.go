//go:build !windows

package control

import (
	"os"
	"path/filepath"
	"runtime"
)

// SystemPath is the control connection of a system service.
func SystemPath() string {
	if runtime.GOOS == "darwin" {
		return filepath.Join("/var/run/vloader", socketName)
	}
	return filepath.Join("/run/vloader", socketName)
}

func userPaths() (paths []string) {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "vloader", socketName))
	}
	return append(paths, filepath.Join(userStateFolder(), socketName))
}

func systemStateFolder() string { return "/var/lib/vloader" }

func userStateFolder() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "vloader")
	}
	if runtime.GOOS == "darwin" {
		return homeJoin("Library", "Application Support", "vloader")
	}
	return homeJoin(".local", "state", "vloader")
}
