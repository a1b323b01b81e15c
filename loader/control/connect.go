package control

import (
	"fmt"
	"net"
)

// Commands are ready-to-paste lines that connect a backup host to a loader.
type Commands struct {
	OpenISCSI  []string `json:"openIscsi"`  // Linux
	PowerShell []string `json:"powerShell"` // Windows, as administrator
	ISCSICLI   []string `json:"iscsicli"`   // Windows without PowerShell's iSCSI module
}

// Commands returns the lines for this connection, secret included.
func (c Connection) Commands() Commands {
	return Commands{OpenISCSI: c.openISCSI(), PowerShell: c.powerShell(), ISCSICLI: c.iscsicli()}
}

// openISCSI makes a static node record, so that no discovery is needed first.
func (c Connection) openISCSI() []string {
	node := fmt.Sprintf("sudo iscsiadm -m node -T %s -p %s", c.IQN, c.Address)
	lines := []string{node + " -o new"}
	if c.Auth == AuthCHAP {
		for _, setting := range [][2]string{{"authmethod", "CHAP"}, {"username", c.CHAPName}, {"password", c.CHAPSecret}} {
			lines = append(lines, fmt.Sprintf("%s -o update -n node.session.auth.%s -v %s", node, setting[0], setting[1]))
		}
	}
	return append(lines, node+" --login", "lsscsi -g")
}

func (c Connection) powerShell() []string {
	host, port := c.hostPort()
	portal := fmt.Sprintf("-TargetPortalAddress %s -TargetPortalPortNumber %s", host, port)
	login := fmt.Sprintf("Connect-IscsiTarget -NodeAddress %s %s -IsPersistent $true", c.IQN, portal)
	if c.Auth == AuthCHAP {
		login += fmt.Sprintf(" -AuthenticationType ONEWAYCHAP -ChapUsername %s -ChapSecret %s", c.CHAPName, c.CHAPSecret)
	}
	return []string{"Set-Service MSiSCSI -StartupType Automatic; Start-Service MSiSCSI", "New-IscsiTargetPortal " + portal, login}
}

func (c Connection) iscsicli() []string {
	host, port := c.hostPort()
	login := "iscsicli QLoginTarget " + c.IQN
	if c.Auth == AuthCHAP {
		login += " " + c.CHAPName + " " + c.CHAPSecret
	}
	return []string{"sc config msiscsi start= auto & sc start msiscsi", fmt.Sprintf("iscsicli AddTargetPortal %s %s", host, port), login}
}

func (c Connection) hostPort() (host, port string) {
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil {
		return c.Address, "3260"
	}
	return host, port
}
