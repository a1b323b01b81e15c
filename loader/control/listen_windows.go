package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
	"strings"
	"time"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

// closeTimeout bounds Close of a pipe's listener, which can wait for an accept
// that never ends.
const closeTimeout = 2 * time.Second

// Listen listens on the named pipe path. Its security descriptor refuses the
// network and admits the system, administrators, the service's user and the
// group, if one is named.
func Listen(path, group string) (net.Listener, error) {
	if !strings.HasPrefix(path, pipePrefix) {
		return nil, &Error{Code: Invalid, Message: fmt.Sprintf("%q is not the name of a pipe", path),
			Hint: `choose a name such as ` + pipePrefix + `vloader with --control`}
	}
	descriptor, err := securityDescriptor(group)
	if err != nil {
		return nil, cannotListen(path, err)
	}
	l, err := winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: descriptor, InputBufferSize: 1 << 16, OutputBufferSize: 1 << 16})
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return nil, (&Error{Code: InUse, Message: "another service answers at " + path,
			Hint: "stop it, or choose another name with --control"}).Because(err)
	}
	if err != nil {
		return nil, cannotListen(path, err)
	}
	return boundedListener{l}, nil
}

// securityDescriptor is the rule who may open the pipe, in the security
// descriptor definition language.
func securityDescriptor(group string) (string, error) {
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return "", err
	}
	sddl := "D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;" + me.User.Sid.String() + ")"
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return "", err
		}
		sddl += "(A;;GRGW;;;" + g.Gid + ")"
	}
	return sddl, nil
}

type boundedListener struct{ net.Listener }

func (l boundedListener) Close() error {
	done := make(chan error, 1)
	go func() { done <- l.Listener.Close() }()
	select {
	case err := <-done:
		return err
	case <-time.After(closeTimeout):
		return errors.New("the pipe did not close in time")
	}
}

func cannotListen(path string, err error) error {
	return (&Error{Code: Internal, Message: fmt.Sprintf("cannot listen at %s: %v", path, err),
		Hint: "choose another name with --control or %" + PathVariable + "%"}).Because(err)
}

func dialPath(ctx context.Context, path string) (net.Conn, error) {
	return winio.DialPipeContext(ctx, path)
}
