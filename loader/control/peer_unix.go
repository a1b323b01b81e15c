//go:build !windows

package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
)

// admission returns the rule who may speak: the service's own user, root, and
// the members of group, if one is named.
func admission(group string) func(net.Conn) error {
	return func(c net.Conn) error {
		uid, err := peerOf(c)
		if err != nil {
			return (&Error{Code: Denied, Message: "the system does not say who is asking: " + err.Error(),
				Hint: "use the service's socket directly"}).Because(err)
		}
		if uid == uint32(os.Geteuid()) || uid == 0 || (group != "" && member(uid, group)) {
			return nil
		}
		return &Error{Code: Denied, Message: fmt.Sprintf("user %d may not speak to the service of user %d", uid, os.Geteuid()),
			Hint: "use the account the service runs under, or have it started with a group you belong to"}
	}
}

// member reports whether a user belongs to a group.
func member(uid uint32, group string) bool {
	g, err := user.LookupGroup(group)
	if err != nil {
		return false
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return false
	}
	ids, err := u.GroupIds()
	return err == nil && slices.Contains(ids, g.Gid)
}

// peerOf returns the user at the other end of a unix socket.
func peerOf(c net.Conn) (uid uint32, err error) {
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return 0, errors.New("the connection is not a unix socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var asked error
	if err := raw.Control(func(fd uintptr) { uid, asked = peerUID(int(fd)) }); err != nil {
		return 0, err
	}
	return uid, asked
}
