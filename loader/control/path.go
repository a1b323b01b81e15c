package control

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// PathVariable is the environment variable that says where the control
// connection is.
const PathVariable = "VLOADER_CONTROL"

const socketName = "control.sock"

// DefaultPath is where a client looks for the service: $VLOADER_CONTROL; else
// the first of the user's own places and the system's where one answers; else the
// first where something is; else the user's first place.
func DefaultPath() string {
	if path := os.Getenv(PathVariable); path != "" {
		return path
	}
	candidates := append(userPaths(), SystemPath())
	for _, there := range []func(string) bool{answers, exists} {
		for _, path := range candidates {
			if there(path) {
				return path
			}
		}
	}
	return candidates[0]
}

// answers reports whether somebody listens at path.
func answers(path string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	conn, err := dialPath(ctx, path)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// ListenPath is where a service listens unless told: $VLOADER_CONTROL, else
// the system's place for a system service and the user's for a user's.
func ListenPath(system bool) string {
	if path := os.Getenv(PathVariable); path != "" {
		return path
	}
	if system {
		return SystemPath()
	}
	return userPaths()[0]
}

// StateFolder is where a service keeps its configuration and log unless told.
func StateFolder(system bool) string {
	if system {
		return systemStateFolder()
	}
	return userStateFolder()
}

func homeJoin(parts ...string) string {
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	return filepath.Join(append([]string{home}, parts...)...)
}
