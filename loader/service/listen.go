package service

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"virtualloader/loader/control"
)

// The iSCSI address of a service that is not told one: this machine only.
const (
	defaultHost = "127.0.0.1"
	defaultPort = 3260
	// portsTried is how many ports from defaultPort on are looked at.
	portsTried = 100
	autoPort   = "auto"
)

// listenISCSI listens at address, HOST:PORT, where PORT may be "auto": 3260 or
// the next that is free. An empty address is 127.0.0.1:auto.
func listenISCSI(address string) (net.Listener, error) {
	if address == "" {
		address = net.JoinHostPort(defaultHost, autoPort)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, (&control.Error{Code: control.Invalid, Message: fmt.Sprintf("%q is not an iSCSI address: %v", address, err),
			Hint: "write it like 127.0.0.1:3260 or 127.0.0.1:auto"}).Because(err)
	}
	if port != autoPort {
		l, err := net.Listen("tcp", address)
		return l, listenError(address, err)
	}
	for n := defaultPort; n < defaultPort+portsTried; n++ {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(n)))
		if err == nil || !isInUse(err) {
			return l, listenError(address, err)
		}
	}
	return nil, &control.Error{Code: control.InUse, Message: fmt.Sprintf("the ports %d to %d on %s are all taken", defaultPort, defaultPort+portsTried-1, host),
		Hint: "choose one with --iscsi ADDR:PORT"}
}

func listenError(address string, err error) error {
	switch {
	case err == nil:
		return nil
	case isInUse(err):
		return (&control.Error{Code: control.InUse, Message: fmt.Sprintf("the iSCSI address %s is taken by another program", address),
			Hint: "stop that program, or choose another port with --iscsi ADDR:PORT (ADDR:auto takes a free one)"}).Because(err)
	}
	return (&control.Error{Code: control.Invalid, Message: fmt.Sprintf("cannot listen on the iSCSI address %s: %v", address, err),
		Hint: "choose an address of this machine with --iscsi ADDR:PORT"}).Because(err)
}

// windowsAddressInUse is WSAEADDRINUSE.
const windowsAddressInUse = syscall.Errno(10048)

func isInUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, windowsAddressInUse)
}

// onLoopback reports whether only this machine can reach a listener.
func onLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// reachable is the address a host should use for a listener: of one that
// listens everywhere, this machine's first address that is not loopback.
func reachable(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return address.String()
	}
	host := defaultHost
	networks, _ := net.InterfaceAddrs() // without an answer loopback is as good as any
	for _, n := range networks {
		if ip, ok := n.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && ip.IP.To4() != nil {
			host = ip.IP.String()
			break
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}
