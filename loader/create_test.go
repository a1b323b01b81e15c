package loader

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"virtualloader/loader/space"
	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

func TestSettingsThatBreakARuleAreRefusedAndChangeNothing(t *testing.T) { // contract 3.5, 3.7
	for name, change := range map[string]func(*Settings){
		"no name":           func(s *Settings) { s.Name = "" },
		"name with a space": func(s *Settings) { s.Name = "my loader" },
		"name with a slash": func(s *Settings) { s.Name = "a/b" },
		"name ends in dash": func(s *Settings) { s.Name = "a-" },
		"name too long":     func(s *Settings) { s.Name = strings.Repeat("x", 64) },
		"relative folder":   func(s *Settings) { s.Folder = "backup" },
		"no folder":         func(s *Settings) { s.Folder = "" },
		"slot 1001":         func(s *Settings) { s.Slots = 1001 },
		"negative slots":    func(s *Settings) { s.Slots = -1 },
		"tiny capacity":     func(s *Settings) { s.CapacityBytes = 999999 },
		"negative capacity": func(s *Settings) { s.CapacityBytes = -1 },
		"family too long":   func(s *Settings) { s.Family = "ABCDE" },
		"family with signs": func(s *Settings) { s.Family = "A-B" },
		"family CLN":        func(s *Settings) { s.Family = "cln" },
		"more than slots":   func(s *Settings) { s.Tapes = 11 },
		"less than none":    func(s *Settings) { s.Tapes = -2 },
		"mode":              func(s *Settings) { s.Mode = "jukebox" },
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			s := small(filepath.Join(parent, "backup"))
			change(&s)
			_, err := Create(s)
			if !errors.Is(err, ErrSettings) || len(err.Error()) < 30 {
				t.Errorf("%v", err)
			}
			if left, _ := os.ReadDir(parent); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestAFolderThatCannotBeUsedIsRefused(t *testing.T) {
	parent := t.TempDir()
	file := filepath.Join(parent, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	served := create(t, nil)
	for name, c := range map[string]struct {
		folder string
		want   error
	}{
		"a file":                 {file, ErrNotWritable},
		"below a file":           {filepath.Join(file, "deeper", "backup"), ErrNotWritable},
		"not even for root":      {"/proc/backup", ErrNotWritable},
		"an existing one, too":   {"/proc/self", ErrNotWritable},
		"served by another":      {served.Folder(), ErrOwned},
		"inside another's":       {filepath.Join(served.Folder(), "inner"), ErrOwned},
		"deep inside another's":  {filepath.Join(served.Folder(), "x", "y"), ErrOwned},
		"the root of everything": {"/proc", ErrNotWritable},
	} {
		if strings.HasPrefix(c.folder, "/proc") {
			if _, err := os.Stat("/proc/self"); err != nil {
				continue
			}
		}
		if _, err := Create(small(c.folder)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "mine" {
		t.Errorf("the file was touched")
	}
	checkWhole(t, served.Folder(), served.Map())
}

func TestANewLoaderHasAThousandSlotsAndOneTapeForTheFirstBackup(t *testing.T) { // contract 3.7, 3.31
	folder := filepath.Join(t.TempDir(), "deep", "backup")
	created, err := Create(Settings{Name: "Daily", Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(created.Tapes, []string{"DAI001L8"}) || created.Adopted || created.Folder != folder {
		t.Errorf("%+v", created)
	}
	r := open(t, folder)
	i := r.Information()
	if i.DeviceKind != "virtual" || i.Slots != 1000 || i.ImportExport != 4 || i.CapacityBytes != 100e9 || i.Name != "Daily" ||
		i.Tapes != 1 || i.Blank != 1 || i.FreeSlots != 999 || i.LastSlotUsed != 1 || i.NextBarcode != "DAI002L8" || i.Mode != "library" {
		t.Errorf("%+v", i)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(folder), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if r.at(slot(1)) != "DAI001L8" {
		t.Errorf("slot 1 holds %q", r.at(slot(1)))
	}
	checkWhole(t, folder, r.Map())
}

func TestALoaderThatWasPutAwayComesBackAsItWas(t *testing.T) { // contract 3.12
	r := create(t, func(s *Settings) { s.Tapes = 3 })
	r.move(t, slot(2), drive)
	r.drive.write(t, "data", 5)
	want := r.Identity()
	r.shut(t)
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(r.Folder(), moved); err != nil {
		t.Fatal(err)
	}
	created, err := Create(Settings{Name: "other", Folder: moved, Slots: 5, Family: "XYZ"})
	if err != nil {
		t.Fatal(err)
	}
	if !created.Adopted || created.Identity != want || len(created.Tapes) != 3 || !strings.Contains(created.Warnings[0], "loader test") {
		t.Errorf("%+v", created)
	}
	again := open(t, moved)
	if again.drive.barcode() != "ABC002L8" || again.Identity() != want {
		t.Errorf("the drive has %q", again.drive.barcode())
	}
}

// strangers puts tape files into a folder, as a person would.
func strangers(t *testing.T, folder string, list ...string) {
	t.Helper()
	for _, b := range list {
		if _, err := tape.Create(folder, tape.Spec{Barcode: b, CapacityBytes: 4e6}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFolderWithTapesIsUsedWithItsContents(t *testing.T) { // contract 3.7
	folder := t.TempDir()
	strangers(t, folder, "OLD001L8", "ABC041L8")
	if err := os.WriteFile(filepath.Join(folder, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	created, err := Create(small(folder))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(created.Tapes, []string{"ABC041L8", "OLD001L8"}) {
		t.Errorf("%v", created.Tapes)
	}
	r := open(t, folder)
	if r.at(slot(1)) != "ABC041L8" || r.at(slot(2)) != "OLD001L8" || r.Information().NextBarcode != "ABC042L8" {
		t.Errorf("%v, next %s", r.Tapes(), r.Information().NextBarcode)
	}
}

func TestALoaderThatCannotBeFinishedLeavesTheFolderAsItWas(t *testing.T) {
	folder := t.TempDir()
	// In the way of the second tape.
	if err := os.MkdirAll(filepath.Join(folder, "ABC002L8.index.tmp", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := listing(t, folder)
	s := small(folder)
	s.Tapes = 3
	if created, err := Create(s); err == nil {
		t.Fatalf("%+v", created)
	}
	var after []string
	for _, name := range listing(t, folder) {
		// An empty payload file is what tape.Create takes up again.
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.IsDir() || info.Size() > 0 {
			after = append(after, name)
		}
	}
	if !slices.Equal(before, after) {
		t.Errorf("left behind: %v", after)
	}
}

func TestTapesWithoutASlotAreSaidToBeSo(t *testing.T) {
	folder := t.TempDir()
	strangers(t, folder, "OLD001L8", "OLD002L8", "OLD003L8")
	s := small(folder)
	s.Slots = 2
	created, err := Create(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(created.Tapes) != 2 || !strings.Contains(strings.Join(created.Warnings, "\n"), "1 tapes in the folder have no slot") {
		t.Errorf("%+v", created)
	}
}

func TestACapacityBeyondTheDiskIsAllowedWithAWarning(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "backup")
	s := small(folder)
	s.CapacityBytes = 1 << 59
	created, err := Create(s)
	if err != nil {
		t.Fatal(err)
	}
	usage, err := space.Measure(folder)
	if err != nil {
		t.Fatal(err)
	}
	floor := space.Bytes(usage.TotalBytes / 20)
	if len(created.Warnings) != 1 || !strings.Contains(created.Warnings[0], "when less than "+floor) {
		t.Errorf("warnings %q do not say that writing stops at %s", created.Warnings, floor)
	}
	if w := capacityWarnings(folder, 1); len(w) > 0 {
		t.Errorf("%q", w)
	}
}

// tear spoils files of a loader's folder.
func tear(t *testing.T, folder string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("torn"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADamagedSlotMapIsRecoveredAndSaidSo(t *testing.T) { // contract 3.17
	r := create(t, func(s *Settings) { s.Tapes = 3 })
	r.shut(t)
	tear(t, r.Folder(), slotmap.FileName)
	again := open(t, r.Folder())
	if e := again.await(t, EventSlotMapRecovered); !strings.Contains(e.Text, "backup copy") {
		t.Errorf("%q", e.Text)
	}
	checkWhole(t, again.Folder(), again.Map())
}

func TestALostSlotMapIsRebuiltOnlyWhenAsked(t *testing.T) { // contract 3.17
	r := create(t, func(s *Settings) { s.Tapes = 3 })
	r.move(t, slot(1), drive)
	r.drive.write(t, "data", 3)
	r.shut(t)
	was := r.Identity()
	settings := small(r.Folder())
	if _, err := Rebuild(settings); !errors.Is(err, ErrSettings) {
		t.Errorf("rebuild of a sound slot map: %v", err)
	}
	tear(t, r.Folder(), slotmap.FileName, slotmap.FileName+".backup")
	before := listing(t, r.Folder())
	if _, err := Open(r.Folder(), Options{}); !errors.Is(err, slotmap.ErrDamaged) {
		t.Errorf("open: %v", err)
	}
	if _, err := Create(settings); !errors.Is(err, slotmap.ErrDamaged) {
		t.Errorf("create: %v", err)
	}
	if after := listing(t, r.Folder()); !slices.Equal(before, after) {
		t.Errorf("files before %v, after %v", before, after)
	}
	created, err := Rebuild(settings)
	if err != nil {
		t.Fatal(err)
	}
	if created.Identity.DriveSerial == was.DriveSerial || !slices.Equal(created.Tapes, barcodes(1, 3)) || len(created.Warnings) < 3 {
		t.Errorf("%+v", created)
	}
	again := open(t, r.Folder())
	if info, err := again.Tape("ABC001L8"); err != nil || info.Objects != 3 {
		t.Errorf("%+v %v", info, err)
	}
	checkWhole(t, again.Folder(), again.Map())
}

func listing(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
