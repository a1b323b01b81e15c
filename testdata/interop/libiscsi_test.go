//go:build linux

package interop

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"virtualloader/loader/control"
	"virtualloader/loader/service/servicetest"
)

// families are those of iscsi-test-cu's tests that apply to a tape drive or a changer.
var families = []string{
	"Inquiry", "ModeSense6", "TestUnitReady", "ReportSupportedOpcodes", "Reserve6", "PrinReadKeys", "PrinServiceactionRange",
	"PrinReportCapabilities", "ProutRegister", "ProutReserve", "ProutClear", "ProutPreempt", "iSCSIcmdsn", "StartStopUnit",
}

// The units, by LUN.
const (
	drive = iota
	changer
)

// exceptions are what a disk does and a unit does not: families, or single tests that
// must fail. When one of these passes after all, the test says so.
var exceptions = map[string]struct {
	units  []int
	reason string
}{
	"StartStopUnit": {[]int{changer}, "this opcode is OPEN/CLOSE IMPORT/EXPORT ELEMENT (SMC-3)"},
	"StartStopUnit.PwrCnd": {[]int{drive},
		"the opcode is LOAD UNLOAD, which has reserved bits where START STOP UNIT has POWER CONDITION (SSC-4)"},
	"StartStopUnit.NoLoej": {[]int{drive},
		"the opcode is LOAD UNLOAD, which unloads when bit 0 is 0 and has EOT in the place of NO FLUSH (SSC-4)"},
}

// noBlocks is why the tests of access do not apply to a changer.
const noBlocks = "reads and writes blocks, which a changer does not have"

// exception is the reason why a test, or a family, is an exception on a unit.
func exception(unit int, name string) (reason string, ok bool) {
	if unit == changer && strings.HasPrefix(name, "ProutReserve.Access") {
		return noBlocks, true
	}
	e, ok := exceptions[name]
	return e.reason, ok && slices.Contains(e.units, unit)
}

// TestLibiscsi runs libiscsi's tests of targets against both units (contract 3.2, 3.3).
func TestLibiscsi(t *testing.T) {
	if _, err := exec.LookPath("iscsi-test-cu"); err != nil {
		demand(t, []string{"libiscsi-bin"})
	}
	env := servicetest.Start(t)
	const name = "cunit"
	created := env.Create(control.NewLoader{Name: name, CapacityBytes: 64e6, Tapes: 1, Auth: "none"})
	connection, err := env.Connection(t.Context(), control.LoaderRef{Loader: name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := env.Load(t.Context(), control.LoadRequest{Loader: name, Barcode: created.Tapes[0]}); err != nil {
		t.Fatal(err)
	}
	r, err := newRelay(env.Ready.ISCSI)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	for unit, kind := range []string{drive: "drive", changer: "changer"} {
		url := fmt.Sprintf("iscsi://%s/%s/%d", r.Addr(), connection.IQN, unit)
		for _, family := range families {
			t.Run(kind+"/"+family, func(t *testing.T) {
				if reason, ok := exception(unit, family); ok {
					t.Skip(reason)
				}
				runFamily(t, unit, family, url)
			})
		}
	}
}

// runFamily runs one family and reports each of its tests.
func runFamily(t *testing.T, unit int, family, url string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "iscsi-test-cu", "--dataloss", "--fail", "--verbose", "--test", "ALL."+family, url).CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("no end within a minute:\n%s", out)
	}
	results := parseResults(string(out))
	if len(results) == 0 {
		t.Fatalf("no test ran: %v\n%s", err, out)
	}
	for _, r := range results {
		t.Run(r.name, func(t *testing.T) {
			reason, excepted := exception(unit, family+"."+r.name)
			switch {
			case excepted && r.passed:
				t.Errorf("passes, and was expected not to: %s", reason)
			case excepted:
				t.Skip(reason)
			case !r.passed:
				t.Error(r.text)
			case r.skipped != "":
				t.Skip("says iscsi-test-cu: " + r.skipped)
			}
		})
	}
}

// result is what iscsi-test-cu says of one of its tests.
type result struct {
	name, text, skipped string
	passed              bool
}

var (
	testLine    = regexp.MustCompile(`(?m)^ *Test: (\S+) \.\.\.`)
	verdictWord = regexp.MustCompile(`(?m)(?:^ *|\.\.\.)(passed|FAILED)\b`)
	skippedLine = regexp.MustCompile(`(?m)\[SKIPPED\] (.*)$`)
	summaryLine = regexp.MustCompile(`(?m)^ *Run Summary:`)
)

// parseResults reads the program's output. A test without a verdict has not passed.
func parseResults(out string) []result {
	if end := summaryLine.FindStringIndex(out); end != nil {
		out = out[:end[0]]
	}
	var results []result
	starts := testLine.FindAllStringSubmatchIndex(out, -1)
	for i, s := range starts {
		end := len(out)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		r := result{name: out[s[2]:s[3]], text: out[s[0]:end]}
		if m := verdictWord.FindStringSubmatch(r.text); m != nil {
			r.passed = m[1] == "passed"
		}
		if m := skippedLine.FindStringSubmatch(r.text); m != nil {
			r.skipped = m[1]
		}
		results = append(results, r)
	}
	return results
}

func TestParseResults(t *testing.T) {
	results := parseResults("Suite: X\n  Test: One ...passed\n  Test: Two ...    [FAILED] said\nFAILED\n    1. f.c:1\n" +
		"  Test: Three ...    [SKIPPED] Not SBC\npassed\n  Test: Four ...\nRun Summary: passed\n")
	got := ""
	for _, r := range results {
		got += fmt.Sprintf("%s %v %q; ", r.name, r.passed, r.skipped)
	}
	if want := `One true ""; Two false ""; Three true "Not SBC"; Four false ""; `; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
