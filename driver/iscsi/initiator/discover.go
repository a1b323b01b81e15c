package initiator

import (
	"context"
	"fmt"

	"virtualloader/driver/iscsi/pdu"
)

// Portal is one way to a target that SendTargets names.
type Portal struct {
	Target  string
	Address string // host:port,portal group tag
}

// Discover logs in for discovery and asks for all targets (RFC 7143 appendix C).
func Discover(ctx context.Context, config Config) ([]Portal, error) {
	config.TargetName = ""
	s, err := Dial(ctx, config)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	pairs, err := s.Text(ctx, pdu.Pair{Key: "SendTargets", Value: "All"})
	if err != nil {
		return nil, fmt.Errorf("SendTargets: %w", err)
	}
	var portals []Portal
	target := ""
	for _, pair := range pairs {
		switch pair.Key {
		case "TargetName":
			target = pair.Value
		case "TargetAddress":
			portals = append(portals, Portal{target, pair.Value})
		}
	}
	return portals, s.Logout(ctx)
}
