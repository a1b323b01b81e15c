package control

import (
	"os"
	"path/filepath"
	"strings"
)

// pipePrefix begins the name of every named pipe.
const pipePrefix = `\\.\pipe\`

// SystemPath is the control connection of a system service.
func SystemPath() string { return pipePrefix + "vloader" }

func userPaths() []string {
	user := strings.NewReplacer(`\`, "-", "/", "-").Replace(os.Getenv("USERNAME"))
	return []string{pipePrefix + "vloader-" + user}
}

func systemStateFolder() string {
	return filepath.Join(os.Getenv("ProgramData"), "vloader")
}

func userStateFolder() string {
	if dir := os.Getenv("LOCALAPPDATA"); dir != "" {
		return filepath.Join(dir, "vloader")
	}
	return homeJoin("AppData", "Local", "vloader")
}
