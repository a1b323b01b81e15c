//go:build linux

package kernel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"virtualloader/testdata/kernel/tap"
)

// long asks for the scenarios that take minutes (`make soak`).
var long = os.Getenv("VLOADER_LONG") != ""

// scenario is a line of the list.
type scenario struct {
	name    string
	diskMiB int64
	boots   int // 0: one; more than one share a disk
	long    bool
	proves  string // numbers of the specification's checklist F, and of the contract
}

// scenarios are what `make kernel` plays, and `make soak` with the long ones.
var scenarios = []scenario{
	{name: "library", diskMiB: 3072, proves: "F.144; 3.33, 3.38"},
	{name: "power", diskMiB: 2048, boots: 4, proves: "F.91; 3.19"},
	{name: "tar", diskMiB: 2048, proves: "F.144; 0.3, 3.36, 3.39"},
	{name: "stacker", diskMiB: 2048, proves: "F.140, F.144; 3.33"},
	{name: "restart", diskMiB: 2048, proves: "F.139, F.142; 3.19"},
	{name: "kill", diskMiB: 2048, proves: "F.116; 3.19"},
	{name: "mt", diskMiB: 1024, proves: "F.143; 3.26"},
	{name: "mtx", diskMiB: 1024, proves: "F.128 to F.138, F.145; 3.27, 3.37"},
	{name: "login", diskMiB: 512, proves: "F.29, F.141, F.146"},
	{name: "hosts", diskMiB: 1024, proves: "F.62, F.64, F.118"},
	{name: "dd", diskMiB: 1024, proves: "F.70 to F.82; 3.36"},
	{name: "diskfull", diskMiB: 1024, proves: "F.114; 3.14, 3.34"},
	{name: "adopt", diskMiB: 1024, proves: "F.139; 3.7, 3.12, 3.22, 3.23"},
	{name: "eom", diskMiB: 1024, proves: "F.86 to F.89"},
	{name: "ten", diskMiB: 1024, proves: "3.6"},
	{name: "stall", diskMiB: 1024, proves: "F.13"},
	{name: "damage", diskMiB: 1024, proves: "F.115, F.119"},
	{name: "conform", diskMiB: 2048, proves: "F.2 to F.4 through sg"},
	{name: "crashes", diskMiB: 2048, long: true, proves: "F.116, F.139"},
	{name: "netdrop", diskMiB: 1024, long: true, proves: "F.152"},
}

// limit is the time a guest gets; the usual one needs a tenth of it.
func (s scenario) limit() time.Duration {
	if s.long {
		return 20 * time.Minute
	}
	return 4 * time.Minute
}

// TestKernel runs every scenario in a guest of its own.
func TestKernel(t *testing.T) {
	if missing := Missing(); len(missing) > 0 {
		reason := fmt.Sprintf("these Debian packages are missing: %s (apt-get install them)", strings.Join(missing, " "))
		if os.Getenv("CI") == "true" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	lab, err := Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios {
		if s.long && !long {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			play(t, lab, s)
		})
	}
}

// play boots a scenario's guests, one after the other on one disk.
func play(t *testing.T, lab *Lab, s scenario) {
	disk := filepath.Join(t.TempDir(), "disk")
	if err := NewDisk(t.Context(), disk, s.diskMiB<<20); err != nil {
		t.Fatal(err)
	}
	boots := max(s.boots, 1)
	for boot := range boots {
		ctx, cancel := context.WithTimeoutCause(t.Context(), s.limit(), fmt.Errorf("time limit of %v", s.limit()))
		results := tap.NewReader(s.name, t.Output())
		status, err := lab.Boot(ctx, Guest{
			Scenario:  s.name,
			Boot:      boot + 1,
			Boots:     boots,
			Dir:       t.ArtifactDir(),
			Disk:      disk,
			MemoryMiB: 1024,
			Output:    results,
		})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if status != 0 {
			t.Errorf("exit status %d", status)
		}
		if err := results.Verdict(); err != nil {
			t.Fatal(err)
		}
	}
}
