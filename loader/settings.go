package loader

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"virtualloader/slotmap"
)

// Mode is how a loader changes its tapes at the end of one (spec C.13).
type Mode string

// Modes.
const (
	// ModeLibrary leaves it to the backup program, which asks the changer.
	ModeLibrary Mode = "library"
	// ModeStacker replaces a tape that is unloaded after early warning by the next
	// blank one, for programs that know no changer.
	ModeStacker Mode = "stacker"
)

// Defaults and limits of a loader (contract 3.6, 3.7, 3.31).
const (
	DefaultSlots         = slotmap.MaxSlots
	DefaultCapacityBytes = 100e9
	MinCapacityBytes     = 1000 * 1000 // loader/tape takes no less
	DefaultTapes         = 1
	NoTapes              = -1 // Settings.Tapes: none at all
	ImportExportElements = 4

	maxFamily = 4
	maxName   = 63
)

// Settings is what a person chooses when making a loader. Name and Folder must be
// given; zero values of the rest mean the default.
type Settings struct {
	Name          string // letters, digits, '-' and '.', at most 63; part of the iSCSI name
	Folder        string // absolute; made when it does not exist
	Slots         int    // 1 to 1000; 0: 1000
	CapacityBytes int64  // of a tape; 0: 100 GB
	Family        string // 1 to 4 of [A-Z0-9], how barcodes begin; "": made from Name
	Tapes         int    // blank tapes to make at once; 0: one, NoTapes: none
	Mode          Mode   // "": library
	Compression   bool   // the drive compresses when the host wants it; else the payload stays plain
	Profile       string // identification of the units; "": native. The caller knows which there are
}

var (
	nameRule   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	familyRule = regexp.MustCompile(`^[A-Z0-9]+$`)
)

// withDefaults fills in what was left out, and says in ErrSettings what breaks a
// rule, and the rule.
func (s Settings) withDefaults() (Settings, error) {
	if s.Slots == 0 {
		s.Slots = DefaultSlots
	}
	if s.CapacityBytes == 0 {
		s.CapacityBytes = DefaultCapacityBytes
	}
	if s.Tapes == 0 {
		s.Tapes = DefaultTapes
	}
	if s.Mode == "" {
		s.Mode = ModeLibrary
	}
	if s.Family == "" {
		s.Family = familyFrom(s.Name)
	}
	s.Family = strings.ToUpper(s.Family)
	rules := []struct {
		holds bool
		text  string
	}{
		{len(s.Name) <= maxName && nameRule.MatchString(s.Name),
			fmt.Sprintf("name %q: use 1 to %d letters, digits, '-' and '.', beginning and ending with a letter or digit", s.Name, maxName)},
		{filepath.IsAbs(s.Folder), fmt.Sprintf("folder %q: give the whole path, from the root", s.Folder)},
		{s.Slots >= 1 && s.Slots <= slotmap.MaxSlots, fmt.Sprintf("%d slots: a loader has 1 to %d", s.Slots, slotmap.MaxSlots)},
		{s.CapacityBytes >= MinCapacityBytes, fmt.Sprintf("capacity of %d bytes: a tape has at least %d", s.CapacityBytes, MinCapacityBytes)},
		{len(s.Family) <= maxFamily && familyRule.MatchString(s.Family), fmt.Sprintf("family %q: use 1 to %d letters and digits", s.Family, maxFamily)},
		{s.Family != "CLN", "family CLN: barcodes that begin so mean cleaning cartridges"},
		{s.Tapes == NoTapes || s.Tapes >= 0 && s.Tapes <= s.Slots, fmt.Sprintf("%d tapes: %d slots hold 0 to %d", s.Tapes, s.Slots, s.Slots)},
		{s.Mode == ModeLibrary || s.Mode == ModeStacker, fmt.Sprintf("mode %q: choose %s or %s", s.Mode, ModeLibrary, ModeStacker)},
	}
	for _, r := range rules {
		if !r.holds {
			return s, fmt.Errorf("%w: %s", ErrSettings, r.text)
		}
	}
	s.Folder = filepath.Clean(s.Folder)
	return s, nil
}

// familyFrom makes a family of three from a name: its first letters and digits.
func familyFrom(name string) string {
	family := ""
	for _, c := range strings.ToUpper(name) {
		if len(family) < 3 && (c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			family += string(c)
		}
	}
	if family == "CLN" {
		return "VTL"
	}
	return (family + "VTL")[:3]
}

// identity returns the Identity of a new loader.
func (s Settings) identity() slotmap.Identity {
	i := slotmap.NewIdentity()
	i.Name, i.Family, i.Mode = s.Name, s.Family, string(s.Mode)
	i.Slots, i.ImportExport = s.Slots, ImportExportElements
	i.CapacityBytes = s.CapacityBytes
	i.Compression, i.Profile = s.Compression, s.Profile
	return i
}
