package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	manager "github.com/kardianos/service"
)

// The unit file is what systemd would get; nothing but the file is made, as
// systemctl is out of reach.
func TestTheUnitFileIsWhatSystemdShouldRead(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("PATH", "")
	o := options{user: true}
	o.StateFolder = "/var/tmp/a state"
	for _, system := range manager.AvailableSystems() {
		if system.String() != "linux-systemd" {
			continue
		}
		s, err := system.New(&program{}, o.config())
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Install() // ends where systemctl is wanted
		unit, err := os.ReadFile(filepath.Join(home, ".config/systemd/user/vloaderd.service"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{` "run" "--state" "/var/tmp/a state"`, "Restart=on-failure", "TimeoutStopSec=120", "WantedBy=default.target", "Description=Virtual Loader"} {
			if !strings.Contains(string(unit), want) {
				t.Errorf("no %s in\n%s", want, unit)
			}
		}
		if strings.Contains(string(unit), "{{") {
			t.Errorf("not filled in:\n%s", unit)
		}
		return
	}
	t.Fatal("this build knows no systemd")
}
