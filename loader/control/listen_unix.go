//go:build !windows

package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// maxSocketPath is the longest path of a unix socket in bytes on every system we
// run on (104 on macOS, 108 on Linux, with a final zero byte).
const maxSocketPath = 103

// Listen listens at path for the control connection. A folder that is missing is
// made with mode 0700, the socket gets 0600; with a group it is 0750 and 0660. A
// socket left over from a service that was killed is replaced; one that is
// answered is in use.
func Listen(path, group string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, &Error{Code: Invalid, Message: fmt.Sprintf("the control path %s is longer than the %d bytes a socket's path may have", path, maxSocketPath),
			Hint: "choose a shorter one with --control or $" + PathVariable}
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	folderMode, socketMode := fs.FileMode(0o700), fs.FileMode(0o600)
	if group != "" {
		folderMode, socketMode = 0o750, 0o660
	}
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return nil, cannotListen(path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, cannotListen(path, err)
	}
	if err := errors.Join(os.Chmod(path, socketMode), giveToGroup(path, group)); err != nil {
		l.Close()
		return nil, cannotListen(path, err)
	}
	return l, nil
}

// removeStale removes the socket at path if nobody answers there.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return cannotListen(path, err)
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return &Error{Code: Exists, Message: fmt.Sprintf("%s is there and is not a socket", path),
			Hint: "choose another place with --control, or move that file away"}
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		conn.Close()
		return &Error{Code: InUse, Message: "another service answers at " + path,
			Hint: "stop it, or choose another place with --control"}
	case errors.Is(err, syscall.ECONNREFUSED):
		err = os.Remove(path)
	}
	if err != nil {
		return cannotListen(path, err)
	}
	return nil
}

func giveToGroup(path, group string) error {
	if group == "" {
		return nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return err
	}
	return errors.Join(os.Chown(filepath.Dir(path), -1, gid), os.Chown(path, -1, gid))
}

func cannotListen(path string, err error) error {
	code := Internal
	if errors.Is(err, fs.ErrPermission) {
		code = Denied
	}
	return (&Error{Code: code, Message: fmt.Sprintf("cannot listen at %s: %v", path, err),
		Hint: "choose a place you may write to with --control or $" + PathVariable}).Because(err)
}

func dialPath(ctx context.Context, path string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		var plain *net.OpError
		if errors.As(err, &plain) {
			err = plain.Err // the path is in the message already
		}
	}
	return conn, err
}
