//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// fetch downloads into dir, which it makes, the Debian packages that this machine
// lacks of names and of all they depend on. Nothing is installed here: a guest unpacks
// them over what it sees of this machine. Any user may do this, and several at once.
func fetch(ctx context.Context, dir string, names ...string) error {
	if err := os.MkdirAll(filepath.Join(dir, "partial"), 0o755); err != nil {
		return err
	}
	options := []string{
		"-q", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=", "-o", "Dir::Cache::archives=" + dir,
		"-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
	}
	download := append([]string{"install", "--download-only", "--yes", "--no-install-recommends"}, names...)
	first := apt(ctx, append(options, download...))
	if first == nil {
		return nil
	}
	// The lists of packages may be missing or old here. Fresh ones, of our own.
	lists, err := os.MkdirTemp("", "lists")
	if err != nil {
		return err
	}
	defer os.RemoveAll(lists)
	options = append(options, "-o", "Dir::State::lists="+lists)
	if err := apt(ctx, append(options, "update")); err != nil {
		return errors.Join(first, err)
	}
	return apt(ctx, append(options, download...))
}

func apt(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
