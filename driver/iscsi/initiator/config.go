package initiator

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"virtualloader/driver/iscsi/pdu"
)

// Config says whom to log in to and what to offer. Lengths are bytes; zero
// fields take the default.
type Config struct {
	Address       string // host:port
	InitiatorName string // default iqn.2026-11.io.virtualloader:initiator
	TargetName    string // empty: a discovery session
	ISID          pdu.ISID

	// CHAPName and CHAPSecret answer the target's question. With MutualSecret
	// the target must prove itself too, under MutualName unless that is empty.
	CHAPName, CHAPSecret     string
	MutualName, MutualSecret string
	CHAPAlgorithms           []pdu.ChapAlgorithm // most preferred first; default SHA-256, MD5

	HeaderDigest, DataDigest bool // CRC32C is demanded

	MaxRecvDataSegmentLength int // default 262144
	FirstBurstLength         int // default 262144
	MaxBurstLength           int // default 16776192
	NoImmediateData          bool
	InitialR2T               bool

	Timeout time.Duration // for connecting and logging in, default 15 s

	// OnAsync gets Async Messages on the reading goroutine; may be nil.
	OnAsync func(pdu.AsyncEvent)
}

func (c *Config) setDefaults() {
	orDefault(&c.InitiatorName, "iqn.2026-11.io.virtualloader:initiator")
	orDefault(&c.MaxRecvDataSegmentLength, 256<<10)
	orDefault(&c.FirstBurstLength, 256<<10)
	orDefault(&c.MaxBurstLength, 16776192)
	orDefault(&c.Timeout, 15*time.Second)
	if len(c.CHAPAlgorithms) == 0 {
		c.CHAPAlgorithms = []pdu.ChapAlgorithm{pdu.ChapSHA256, pdu.ChapMD5}
	}
	if c.ISID == (pdu.ISID{}) {
		rand.Read(c.ISID[:])
		c.ISID[0] = 0x80 // random format, RFC 7143 11.12.5
	}
}

func orDefault[T comparable](field *T, fallback T) {
	var zero T
	if *field == zero {
		*field = fallback
	}
}

// Parameters are what a login agreed on; lengths are bytes.
type Parameters struct {
	HeaderDigest, DataDigest bool
	ImmediateData            bool
	InitialR2T               bool
	FirstBurstLength         int
	MaxBurstLength           int
	MaxSend                  int // the target's MaxRecvDataSegmentLength
	TargetAlias              string
	TSIH                     uint16
}

// Errors of this package.
var (
	// ErrClosed ends commands when Close or Logout is called under them.
	ErrClosed = errors.New("iSCSI session is closed")
	// ErrAborted ends a command that a task management function aborted.
	ErrAborted = errors.New("command aborted")
	// ErrProtocol means that the target broke the protocol.
	ErrProtocol = errors.New("iSCSI protocol error by the target")
	// ErrNotProven means that the target failed mutual authentication.
	ErrNotProven = errors.New("the target did not prove that it knows the mutual CHAP secret")
)

// LoginError is a login the target refused.
type LoginError struct{ Status pdu.LoginStatus }

// Error names the status.
func (e *LoginError) Error() string { return "iSCSI login: " + e.Status.String() }

// RejectError is a PDU the target refused.
type RejectError struct{ Reason pdu.RejectReason }

// Error names the reason.
func (e *RejectError) Error() string {
	return fmt.Sprintf("iSCSI target rejected the request, reason %02Xh", uint8(e.Reason))
}
