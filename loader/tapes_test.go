package loader

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

func TestTapesAreMadeInTheLowestFreeSlots(t *testing.T) { // contract 3.8, 3.24
	r := create(t, func(s *Settings) { s.Tapes = 2 })
	r.move(t, slot(1), drive)
	made, err := r.CreateTapes(t.Context(), 3, TapeSpec{})
	if err != nil || !slices.Equal(made, barcodes(3, 5)) {
		t.Fatalf("%v %v", made, err)
	}
	// Slot 1 is kept for the tape in the drive.
	if r.at(slot(1)) != "" || r.at(slot(3)) != "ABC003L8" || r.at(slot(5)) != "ABC005L8" {
		t.Errorf("%v", r.Tapes())
	}
	made, err = r.CreateTapes(t.Context(), 1, TapeSpec{Barcode: " my-tape_1 ", CapacityBytes: 7e6, Medium: slotmap.WORMMedium})
	if err != nil || made[0] != "MY-TAPE_1" {
		t.Fatalf("%v %v", made, err)
	}
	if info, _ := r.Tape("MY-TAPE_1"); info.CapacityBytes != 7e6 || info.Medium != slotmap.WORMMedium || !info.Blank() {
		t.Errorf("%+v", info)
	}
	if e, _ := r.Map().Find("MY-TAPE_1"); e.Medium != slotmap.WORMMedium {
		t.Errorf("%+v", e)
	}
	if r.changer.storage.Load() != 2 {
		t.Errorf("the hosts were told %d times", r.changer.storage.Load())
	}
	checkWhole(t, r.Folder(), r.Map())
}

func TestTapesThatCannotBeMadeAreRefusedAndChangeNothing(t *testing.T) {
	r := create(t, func(s *Settings) { s.Tapes = 3 })
	r.move(t, slot(1), drive)
	if err := r.DeleteTape(t.Context(), "ABC003L8"); err != nil {
		t.Fatal(err)
	}
	strangers(t, r.Folder(), "NEW001L8") // not in the slot map yet
	before, files := r.Tapes(), listing(t, r.Folder())
	for name, c := range map[string]struct {
		n    int
		spec TapeSpec
		want error
	}{
		"none":                 {0, TapeSpec{}, ErrSettings},
		"more than slots":      {9, TapeSpec{}, slotmap.ErrFull},
		"two of one barcode":   {2, TapeSpec{Barcode: "X"}, ErrSettings},
		"in a slot":            {1, TapeSpec{Barcode: "abc002l8"}, ErrExists},
		"in the drive":         {1, TapeSpec{Barcode: "ABC001L8"}, ErrExists},
		"in the folder only":   {1, TapeSpec{Barcode: "NEW001L8"}, ErrExists},
		"deleted before":       {1, TapeSpec{Barcode: "ABC003L8"}, ErrUsed},
		"barcode with a space": {1, TapeSpec{Barcode: "A B"}, tape.ErrBarcode},
		"barcode with a path":  {1, TapeSpec{Barcode: "../ABC"}, tape.ErrBarcode},
		"barcode of 33":        {1, TapeSpec{Barcode: "ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567"}, tape.ErrBarcode},
		"tiny":                 {1, TapeSpec{CapacityBytes: 1}, ErrSettings},
		"negative":             {1, TapeSpec{CapacityBytes: -1}, ErrSettings},
		"unknown medium":       {1, TapeSpec{Medium: 3}, ErrSettings},
	} {
		if made, err := r.CreateTapes(t.Context(), c.n, c.spec); !errors.Is(err, c.want) {
			t.Errorf("%s: %v %v, want %v", name, made, err, c.want)
		}
	}
	if !slices.Equal(before, r.Tapes()) || !slices.Equal(files, listing(t, r.Folder())) {
		t.Errorf("something changed")
	}
}

func TestWhatAnInterruptedCreationLeftIsNoTape(t *testing.T) {
	r := create(t, nil)
	empty := filepath.Join(r.Folder(), "ABC002L8.tape")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if found, err := r.Rescan(t.Context()); err != nil || len(found.Found) > 0 {
		t.Errorf("%+v %v", found, err)
	}
	if made, err := r.CreateTapes(t.Context(), 1, TapeSpec{}); err != nil || made[0] != "ABC002L8" {
		t.Errorf("%v %v", made, err)
	}
	checkWhole(t, r.Folder(), r.Map())
}

func TestAWriteProtectedTapeIsNoBlank(t *testing.T) {
	r := create(t, func(s *Settings) { s.Tapes = 2 })
	if err := r.SetWriteProtected(t.Context(), "ABC001L8", true); err != nil {
		t.Fatal(err)
	}
	if info, _ := r.Tape("ABC001L8"); !info.WriteProtected || info.Blank() {
		t.Errorf("%+v", info)
	}
	r.move(t, slot(2), drive) // so this was the last blank
	r.await(t, EventBlankAdded)
}

func TestANumberIsNeverUsedAgain(t *testing.T) {
	r := create(t, func(s *Settings) { s.Tapes = 3 })
	if err := r.DeleteTape(t.Context(), "ABC003L8"); err != nil {
		t.Fatal(err)
	}
	if err := r.Export(t.Context(), "ABC002L8", t.TempDir()); err != nil {
		t.Fatal(err)
	}
	r.shut(t)
	r = open(t, r.Folder())
	made, err := r.CreateTapes(t.Context(), 1, TapeSpec{})
	if err != nil || made[0] != "ABC004L8" {
		t.Fatalf("%v %v", made, err)
	}
	if _, err = r.CreateTapes(t.Context(), 1, TapeSpec{Barcode: "ABC009L8"}); err != nil {
		t.Fatal(err)
	}
	strangers(t, r.Folder(), "ABC020L8")
	if made, err = r.CreateTapes(t.Context(), 1, TapeSpec{}); err != nil || made[0] != "ABC021L8" {
		t.Fatalf("%v %v", made, err)
	}
}

func TestDeletingATapeFreesItsSlotAndItsSpace(t *testing.T) { // contract 3.9, 3.25
	r := create(t, func(s *Settings) { s.Tapes = 2 })
	r.move(t, slot(1), drive)
	if err := r.DeleteTape(t.Context(), "ABC001L8"); !errors.Is(err, ErrLoaded) {
		t.Errorf("in the drive: %v", err)
	}
	if err := r.DeleteTape(t.Context(), "ABC077L8"); !errors.Is(err, ErrNoTape) {
		t.Errorf("unknown: %v", err)
	}
	release, err := r.hold(t.Context(), "ABC002L8", "copied")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteTape(t.Context(), "ABC002L8"); !errors.Is(err, slotmap.ErrHeld) {
		t.Errorf("held: %v", err)
	}
	release()
	if err := r.DeleteTape(t.Context(), "abc002l8"); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.Folder(), "ABC002L8*")); len(left) > 0 || r.at(slot(2)) != "" {
		t.Errorf("left %v", left)
	}
	if _, err := r.Tape("ABC002L8"); !errors.Is(err, ErrNoTape) {
		t.Errorf("%v", err)
	}
	checkWhole(t, r.Folder(), r.Map())
}

func TestErasingATapeMakesItBlank(t *testing.T) { // contract 3.19
	r := create(t, func(s *Settings) { s.Tapes = 2 })
	r.move(t, slot(1), drive)
	r.drive.write(t, "secret", 3)
	if err := r.EraseTape(t.Context(), "ABC001L8"); !errors.Is(err, ErrLoaded) {
		t.Errorf("in the drive: %v", err)
	}
	r.move(t, drive, slot(1))
	if err := r.EraseTape(t.Context(), "ABC001L8"); err != nil {
		t.Fatal(err)
	}
	if info, _ := r.Tape("ABC001L8"); !info.Blank() || info.UsedBytes != 0 {
		t.Errorf("%+v", info)
	}
	if data, err := os.ReadFile(filepath.Join(r.Folder(), "ABC001L8.tape")); err != nil || len(data) > 0 {
		t.Errorf("payload %q %v", data, err)
	}
}

func TestInventoryRecognisesWhatCameAndWhatWent(t *testing.T) { // contract 3.13, 3.19
	r := create(t, func(s *Settings) { s.Tapes = 4 })
	r.move(t, slot(1), drive)
	r.move(t, slot(4), mailbox)
	strangers(t, r.Folder(), "NEW001L8")
	for _, b := range []string{"ABC002L8", "ABC004L8"} {
		files, err := filesOf(r.Folder(), b)
		if err != nil {
			t.Fatal(err)
		}
		if err := files.remove(); err != nil {
			t.Fatal(err)
		}
	}
	found, err := r.Rescan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(found.Found, []string{"NEW001L8"}) || !slices.Equal(found.Missing, []string{"ABC004L8", "ABC002L8"}) || found.LastSlotUsed != 3 {
		t.Errorf("%+v", found)
	}
	// Slot 1 is kept for the tape in the drive, slot 2 has become free.
	if r.at(slot(2)) != "NEW001L8" || r.at(mailbox) != "" || r.LastSlotUsed() != 3 {
		t.Errorf("%v", r.Tapes())
	}
	if r.changer.storage.Load() != 1 || r.changer.importExport.Load() != 1 {
		t.Errorf("the hosts were not told once")
	}
	if err := r.Inventory(t.Context()); err != nil || r.changer.storage.Load() != 1 {
		t.Errorf("a second inventory told of changes (%v)", err)
	}
	checkWhole(t, r.Folder(), r.Map())
}

func TestInventoryLeavesAHeldTapeAlone(t *testing.T) {
	r := create(t, func(s *Settings) { s.Tapes = 2 })
	release, err := r.hold(t.Context(), "ABC002L8", "exported")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filesOf(r.Folder(), "ABC002L8")
	if err != nil {
		t.Fatal(err)
	}
	if err := files.remove(); err != nil {
		t.Fatal(err)
	}
	if found, err := r.Rescan(t.Context()); err != nil || len(found.Missing) > 0 {
		t.Errorf("%+v %v", found, err)
	}
	release()
	if found, err := r.Rescan(t.Context()); err != nil || len(found.Missing) != 1 {
		t.Errorf("%+v %v", found, err)
	}
}

func TestACopyThatIsStoppedLeavesNothingBehind(t *testing.T) {
	dir := otherVolume(t, "NEW001L8")
	r := create(t, nil)
	files, err := filesOf(dir, "NEW001L8")
	if err != nil {
		t.Fatal(err)
	}
	before := listing(t, r.Folder())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := files.copyTo(ctx, r.Folder()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	files.names = append(files.names, "NEW001L8.index.gone")
	if _, err := files.copyTo(t.Context(), r.Folder()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := files.moveTo(t.TempDir()); err == nil {
		t.Error("a file that does not exist was moved")
	}
	if after := listing(t, r.Folder()); !slices.Equal(before, after) {
		t.Errorf("left: %v", after)
	}
	if list, _ := tape.List(dir); len(list) != 1 {
		t.Errorf("the original has gone")
	}
}

func TestInventoryIsTakenWhenTheLoaderOpens(t *testing.T) {
	r := create(t, func(s *Settings) { s.Tapes = 2 })
	r.shut(t)
	strangers(t, r.Folder(), "NEW001L8")
	r = open(t, r.Folder())
	r.await(t, EventTapeFound)
	checkWhole(t, r.Folder(), r.Map())
}

func TestATapeWhoseFilesGoWhileItIsInTheDriveIsAnException(t *testing.T) { // spec D.5
	r := create(t, func(s *Settings) { s.Tapes = 2 })
	r.move(t, slot(1), drive)
	r.shut(t)
	aside := t.TempDir()
	files, err := filesOf(r.Folder(), "ABC001L8")
	if err != nil {
		t.Fatal(err)
	}
	moved, err := files.moveTo(aside)
	if err != nil {
		t.Fatal(err)
	}
	r = open(t, r.Folder())
	if !r.Status(drive).Exception || r.drive.broken != "ABC001L8" || r.at(drive) != "ABC001L8" {
		t.Errorf("%+v, the drive has %q", r.Status(drive), r.drive.barcode())
	}
	r.await(t, EventTapeMissing)
	if _, err := moved.moveTo(r.Folder()); err != nil {
		t.Fatal(err)
	}
	if err := r.Inventory(t.Context()); err != nil || r.Status(drive).Exception || r.drive.broken != "" || r.drive.barcode() != "ABC001L8" {
		t.Errorf("%v %+v, the drive has %q", err, r.Status(drive), r.drive.barcode())
	}
	r.move(t, drive, slot(1))
}

// away makes a folder with tapes in it.
func away(t *testing.T, list ...string) string {
	t.Helper()
	dir := t.TempDir()
	strangers(t, dir, list...)
	return dir
}

// otherVolume returns a folder on another volume than the tests' own, with tapes.
func otherVolume(t *testing.T, list ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "loader-test-")
	if err != nil {
		t.Skip("no second volume here")
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	probe := filepath.Join(dir, "probe")
	if err := os.WriteFile(probe, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(probe, filepath.Join(t.TempDir(), "probe")); !isOtherVolume(err) {
		t.Skip("no second volume here")
	}
	os.Remove(probe)
	strangers(t, dir, list...)
	return dir
}

func TestTapesAreMovedInFromElsewhere(t *testing.T) { // contract 3.10
	for name, from := range map[string]func(*testing.T, ...string) string{"same volume": away, "other volume": otherVolume} {
		t.Run(name, func(t *testing.T) {
			dir := from(t, "NEW001L8", "NEW002L8", "NEW003L8", "ABC050L8")
			r := create(t, nil)
			got, err := r.Import(t.Context(), []string{filepath.Join(dir, "NEW002L8.tape"), filepath.Join(dir, "ABC050L8.index")}, 0)
			if err != nil || !slices.Equal(got, []string{"NEW002L8", "ABC050L8"}) {
				t.Fatalf("%v %v", got, err)
			}
			got, err = r.Import(t.Context(), []string{dir}, slotmap.ImportExport)
			if err != nil || !slices.Equal(got, []string{"NEW001L8", "NEW003L8"}) {
				t.Fatalf("%v %v", got, err)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if e, _ := r.Map().At(mailbox); e.Barcode != "NEW001L8" || !e.Imported {
				t.Errorf("%+v", e)
			}
			if r.at(slot(2)) != "NEW002L8" || r.Information().NextBarcode != "ABC051L8" {
				t.Errorf("%v", r.Tapes())
			}
			checkWhole(t, r.Folder(), r.Map())
			r.move(t, mailbox, drive)
		})
	}
}

func TestImportsThatCannotBeAreRefusedAndLoseNothing(t *testing.T) {
	r := create(t, func(s *Settings) { s.Slots = 2 })
	dir := away(t, "NEW001L8", "NEW002L8")
	twin := away(t, "ABC001L8", "NEW001L8")
	inUse := away(t, "USE001L8")
	used, err := tape.Open(inUse, "USE001L8")
	if err != nil {
		t.Fatal(err)
	}
	image, err := used.Load()
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	for name, c := range map[string]struct {
		paths []string
		kind  slotmap.Kind
		want  error
	}{
		"exists here":      {[]string{filepath.Join(twin, "ABC001L8.tape")}, 0, ErrExists},
		"twice":            {[]string{dir, filepath.Join(twin, "NEW001L8.tape")}, 0, ErrExists},
		"own folder":       {[]string{filepath.Join(r.Folder(), "ABC001L8.tape")}, 0, ErrExists},
		"nothing there":    {[]string{filepath.Join(dir, "NEW009L8.tape")}, 0, os.ErrNotExist},
		"folder of none":   {[]string{t.TempDir()}, 0, ErrSettings},
		"in use elsewhere": {[]string{filepath.Join(inUse, "USE001L8.index")}, 0, tape.ErrInUse},
		"into the drive":   {[]string{filepath.Join(dir, "NEW001L8.tape")}, slotmap.DataTransfer, ErrSettings},
	} {
		if _, err := r.Import(t.Context(), c.paths, c.kind); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if got, err := r.Import(t.Context(), []string{dir}, 0); !errors.Is(err, slotmap.ErrFull) || len(got) > 0 {
		t.Errorf("one slot for two tapes: %v %v", got, err)
	}
	if list, _ := tape.List(dir); !slices.Equal(list, []string{"NEW001L8", "NEW002L8"}) {
		t.Errorf("left in the old place: %v", list)
	}
	checkWhole(t, r.Folder(), r.Map())
}

func TestUnfinishedCopiesAreSweptAway(t *testing.T) {
	r := create(t, nil)
	r.shut(t)
	tear(t, r.Folder(), copiesPrefix+"NEW001L8.tape", copiesPrefix+"NEW001L8.index")
	r = open(t, r.Folder())
	if left, _ := filepath.Glob(filepath.Join(r.Folder(), copiesPrefix+"*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	checkWhole(t, r.Folder(), r.Map())
}

func TestAnImportThatCannotBeRecordedIsTakenBack(t *testing.T) {
	r := create(t, nil)
	dir := away(t, "NEW001L8")
	before := listing(t, dir)
	r.store.Close()
	if _, err := r.Import(t.Context(), []string{dir}, 0); err == nil {
		t.Fatal("it worked")
	}
	if after := listing(t, dir); !slices.Equal(before, after) {
		t.Errorf("%v, was %v", after, before)
	}
	checkWhole(t, r.Folder(), r.Map())
}

func TestATapeIsMovedOutWhole(t *testing.T) { // contract 3.12
	for name, to := range map[string]func(*testing.T, ...string) string{"same volume": away, "other volume": otherVolume} {
		t.Run(name, func(t *testing.T) {
			dir := to(t, "ABC002L8")
			r := create(t, func(s *Settings) { s.Tapes = 3 })
			r.move(t, slot(1), drive)
			r.drive.write(t, "words", 4)
			target := filepath.Join(dir, "deeper")
			for _, c := range []struct {
				barcode, dir string
				want         error
			}{
				{"ABC001L8", target, ErrLoaded},
				{"ABC009L8", target, ErrNoTape},
				{"ABC002L8", dir, ErrExists},
				{"ABC002L8", "here", ErrSettings},
				{"ABC002L8", r.Folder(), ErrSettings},
			} {
				if err := r.Export(t.Context(), c.barcode, c.dir); !errors.Is(err, c.want) {
					t.Errorf("%s to %s: %v, want %v", c.barcode, c.dir, err, c.want)
				}
			}
			r.move(t, drive, mailbox)
			if err := r.Export(t.Context(), "ABC001L8", target); err != nil {
				t.Fatal(err)
			}
			cartridge, err := tape.Open(target, "ABC001L8")
			if err != nil || cartridge.Info().Objects != 4 {
				t.Errorf("%v", err)
			}
			if r.at(mailbox) != "" {
				t.Errorf("%v", r.Tapes())
			}
			if hidden, _ := filepath.Glob(filepath.Join(target, ".*")); len(hidden) > 0 {
				t.Errorf("left behind: %v", hidden)
			}
			checkWhole(t, r.Folder(), r.Map())
			if _, err := r.Import(t.Context(), []string{target}, 0); err != nil {
				t.Errorf("and back: %v", err)
			}
		})
	}
}
