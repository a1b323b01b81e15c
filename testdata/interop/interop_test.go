//go:build linux

package interop

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kernel "virtualloader/testdata/kernel"
	"virtualloader/testdata/kernel/tap"
)

//go:embed scenario
var scripts embed.FS

// scenario is a line of the list of scenarios.
type scenario struct {
	name     string
	packages []string // Debian packages whose programs the guest gets, with all they depend on
	proves   string   // numbers of the specification's checklist F, and of the contract
}

// scenarios in the order in which they start: the slowest first.
var scenarios = []scenario{
	{name: "amanda", packages: []string{"amanda-server", "amanda-client", "libencode-locale-perl", "liburi-perl"}, proves: "F.148; 3.36, 3.37"},
	{name: "bacula", packages: []string{"bacula-director", "bacula-director-sqlite3", "bacula-sd", "bacula-fd", "bacula-console"}, proves: "F.147; 3.36, 3.37"},
	{name: "btape", packages: []string{"bacula-sd"}, proves: "F.147; 3.26, 3.27"},
	{name: "media", packages: []string{"stenc"}, proves: "F.66; 3.26, 3.36"},
	{name: "sg", proves: "F.146; 3.2, 3.3"},
}

// limit is the time a guest gets; the slowest needs a third of it.
const limit = 15 * time.Minute

// TestInterop runs every scenario in a guest of its own.
func TestInterop(t *testing.T) {
	missing := kernel.Missing()
	if _, err := exec.LookPath("apt-get"); err != nil {
		missing = append(missing, "apt")
	}
	demand(t, missing)
	lab, err := kernel.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			play(t, lab, s)
		})
	}
}

// demand skips the test for packages that are missing; on a machine for continuous
// integration that is a failure.
func demand(t *testing.T, missing []string) {
	t.Helper()
	if len(missing) == 0 {
		return
	}
	reason := fmt.Sprintf("these Debian packages are missing: %s (apt-get install them)", strings.Join(missing, " "))
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// play fills a guest's folder with what its scenario needs and boots it.
func play(t *testing.T, lab *kernel.Lab, s scenario) {
	dir := t.ArtifactDir()
	if err := os.CopyFS(filepath.Join(dir, "interop"), scripts); err != nil {
		t.Fatal(err)
	}
	if len(s.packages) > 0 {
		if err := fetch(t.Context(), filepath.Join(dir, "packages"), s.packages...); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(filepath.Join(dir, "packages"))
	}
	disk := filepath.Join(t.TempDir(), "disk")
	if err := kernel.NewDisk(t.Context(), disk, 3<<30); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, fmt.Errorf("time limit of %v", limit))
	defer cancel()
	results := tap.NewReader(s.name, t.Output())
	status, err := lab.Boot(ctx, kernel.Guest{
		Scenario:  "../interop/scenario/" + s.name,
		Boot:      1,
		Boots:     1,
		Dir:       dir,
		Disk:      disk,
		MemoryMiB: 1024,
		Output:    results,
	})
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
