package service

import (
	"bufio"
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

const module = "virtualloader/"

// mayImport lists, for every package of ours, which others of ours its code may
// import. A package that is not listed fails the test: give it a row.
var mayImport = map[string]string{
	"driver/scsi":                "",
	"loader/tape":                "",
	"loader/space":               "",
	"loader/control":             "",
	"slotmap":                    "",
	"driver/iscsi/pdu":           "",
	"driver/iscsi":               "driver/scsi driver/iscsi/pdu",
	"driver/iscsi/initiator":     "driver/scsi driver/iscsi/pdu",
	"driver/spc":                 "driver/scsi",
	"driver/target":              "driver/scsi driver/spc",
	"driver/ssc":                 "driver/scsi driver/spc loader/tape",
	"driver/smc":                 "driver/scsi driver/spc slotmap",
	"driver/conformance":         "driver/scsi",
	"loader":                     "loader/tape loader/space slotmap",
	"loader/service":             "driver/scsi driver/spc driver/iscsi driver/target driver/ssc driver/smc loader loader/tape loader/space loader/control slotmap",
	"loader/service/servicetest": "loader/service loader/control",
	"cmd/vloaderd":               "loader/service",
	"cmd/vloader":                "loader/control loader/tape slotmap cmd/vloader/internal/demo",
	"cmd/vloader/internal/demo":  "loader/control driver/scsi driver/iscsi/initiator",
}

// fences names the only packages of ours that may import a foreign one.
var fences = map[string]string{
	"go.etcd.io/bbolt":              "slotmap",
	"fyne.io/":                      "gui cmd/virtualloader",
	"github.com/kardianos/service":  "cmd/vloaderd",
	"github.com/shirou/gopsutil/":   "loader/space",
	"github.com/spf13/cobra":        "cmd/vloader",
	"github.com/Microsoft/go-winio": "loader/control",
}

// TestImportsGoOneWay holds the direction cmd -> loader/service -> rooms ->
// leaves, and the fences around foreign packages.
func TestImportsGoOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		pkg := strings.TrimPrefix(words[0], module)
		allowed, known := mayImport[pkg]
		if !known {
			t.Errorf("%s has no row in mayImport", pkg)
			continue
		}
		for _, imported := range words[1:] {
			if ours, ok := strings.CutPrefix(imported, module); ok && !contains(allowed, ours) {
				t.Errorf("%s must not import %s", pkg, ours)
			}
			for foreign, owners := range fences {
				if strings.HasPrefix(imported, foreign) && !contains(owners, pkg) {
					t.Errorf("%s must not import %s: only %s may", pkg, imported, owners)
				}
			}
		}
	}
}

func contains(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if w == word {
			return true
		}
	}
	return false
}
