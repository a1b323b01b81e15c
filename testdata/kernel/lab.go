//go:build linux

package kernel

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed guest scenario shim
var files embed.FS

// requirements are the Debian packages a lab needs and a program of each.
var requirements = []struct{ pkg, program string }{
	{"user-mode-linux", "linux.uml"},
	{"open-iscsi", "iscsid"},
	{"lsscsi", "lsscsi"},
	{"sg3-utils", "sg_inq"},
	{"mtx", "mtx"},
	{"mt-st", "mt-st"},
	{"kmod", "modprobe"},
	{"iproute2", "tc"},
	{"libiscsi-bin", "iscsi-inq"},
	{"e2fsprogs", "mkfs.ext4"},
	{"gcc", "gcc"},
}

// Missing returns the Debian packages that a lab needs and this machine lacks.
func Missing() []string {
	var missing []string
	for _, r := range requirements {
		if _, err := program(r.program); err != nil {
			missing = append(missing, r.pkg)
		}
	}
	return missing
}

// program finds a program in PATH and where Debian keeps those for root, which is
// not in everybody's PATH.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

// Lab is what the guests of one run have in common. It does not change after
// [Open]; any number of guests may use it at once.
type Lab struct {
	shim   string // library to preload into UML
	bin    string // folder with the programs under test
	source string // GOROOT: a real directory tree to back up
}

// Open builds the programs under test and the library for UML into dir, which must exist.
func Open(ctx context.Context, dir string) (*Lab, error) {
	l := &Lab{shim: filepath.Join(dir, "xstate.so"), bin: filepath.Join(dir, "bin")}
	code, err := files.ReadFile("shim/xstate.c")
	if err != nil {
		return nil, err
	}
	gcc := exec.CommandContext(ctx, "gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-x", "c", "-o", l.shim, "-", "-ldl")
	gcc.Stdin = strings.NewReader(string(code))
	if err := run(gcc); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", l.bin+"/", "virtualloader/cmd/...", "virtualloader/testdata/kernel/conform")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := run(build); err != nil {
		return nil, err
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	l.source = strings.TrimSpace(string(goroot))
	return l, nil
}

// run runs a command; its output is part of the error.
func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// NewDisk makes a guest's disk: a sparse file with an empty ext4 file system.
func NewDisk(ctx context.Context, name string, bytes int64) error {
	disk, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := errors.Join(disk.Truncate(bytes), disk.Close()); err != nil {
		return err
	}
	mkfs, err := program("mkfs.ext4")
	if err != nil {
		return err
	}
	return run(exec.CommandContext(ctx, mkfs, "-q", "-m", "0", name))
}

// prepare fills a guest's folder with its scripts and the programs.
func (l *Lab) prepare(g Guest) error {
	if strings.ContainsAny(g.Dir+g.Disk, " ,") {
		return fmt.Errorf("%q, %q: a guest's files must have no space or comma in their paths", g.Dir, g.Disk)
	}
	for _, former := range []string{"output", "status"} {
		if err := os.Remove(g.path(former)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, sub := range []string{"guest", "scenario"} {
		tree, err := fs.Sub(files, sub)
		if err != nil {
			return err
		}
		if err := os.CopyFS(filepath.Join(g.Dir, sub), tree); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(g.Dir, "guest/init"), 0o755); err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(g.Dir, "bin"), os.DirFS(l.bin))
}

// tidy removes what prepare made.
func tidy(g Guest) error {
	return errors.Join(os.RemoveAll(g.path("bin")), os.RemoveAll(g.path("guest")), os.RemoveAll(g.path("scenario")))
}

// copyFrom copies a file from offset on, as far as it goes now, and returns the new offset.
func copyFrom(w io.Writer, name string, offset int64) (int64, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return offset, nil
	} else if err != nil {
		return offset, err
	}
	defer f.Close()
	n, err := io.Copy(w, io.NewSectionReader(f, offset, 1<<40))
	return offset + n, err
}
