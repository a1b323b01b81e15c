package service_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"virtualloader/loader/control"
	"virtualloader/loader/service"
	"virtualloader/loader/service/servicetest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "run-service" {
		runAsProcess()
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

func ref(name string) control.LoaderRef { return control.LoaderRef{Loader: name} }

// Contract 3.17, 3.19: what was made is there after a restart, the tape that was
// in the drive is in it again.
func TestEverythingIsThereAfterARestart(t *testing.T) {
	e := servicetest.Start(t)
	made := e.Create(control.NewLoader{Name: "photos", Tapes: 3, Slots: 20, Family: "PHO"})
	if _, err := e.Load(ctx, control.LoadRequest{Loader: "photos", Barcode: made.Tapes[1]}); err != nil {
		t.Fatal(err)
	}
	connection, err := e.Connection(ctx, ref("photos"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := e.Loader(ctx, ref("photos"))
	if err != nil {
		t.Fatal(err)
	}
	e.Restart()
	after, err := e.Loader(ctx, ref("photos"))
	if err != nil {
		t.Fatal(err)
	}
	if after.UUID != before.UUID || after.DriveSerial != before.DriveSerial || after.IQN != before.IQN || after.Tapes != before.Tapes {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if after.Drive.Barcode != made.Tapes[1] {
		t.Errorf("in the drive: %q, want %s", after.Drive.Barcode, made.Tapes[1])
	}
	now, err := e.Connection(ctx, ref("photos"))
	if err != nil || now.CHAPSecret != connection.CHAPSecret || len(now.CHAPSecret) != 16 || now.CHAPName != "photos" {
		t.Errorf("connection %+v, %v", now, err)
	}
}

// Contract 3.12, 3.7: a deleted loader's folder stays and brings it back.
func TestADeletedLoaderComesBackFromItsFolder(t *testing.T) {
	e := servicetest.Start(t)
	made := e.Create(control.NewLoader{Name: "a", Tapes: 2})
	gone, err := e.DeleteLoader(ctx, ref("a"))
	if err != nil || gone.UUID != made.Loader.UUID {
		t.Fatalf("%+v, %v", gone, err)
	}
	if _, err := e.Loader(ctx, ref("a")); control.CodeOf(err) != control.NotFound {
		t.Errorf("still there: %v", err)
	}
	back, err := e.CreateLoader(ctx, control.NewLoader{Name: "b", Folder: made.Loader.Folder})
	if err != nil || !back.Adopted || back.Loader.UUID != made.Loader.UUID || len(back.Tapes) != 2 {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestTapesMoveBetweenSlotsStationAndDrive(t *testing.T) {
	e := servicetest.Start(t)
	tapes := e.Create(control.NewLoader{Name: "a", Tapes: 3, Slots: 5}).Tapes
	place := func(kind control.PlaceKind, n int) control.Place { return control.Place{Kind: kind, Number: n} }
	drive := place(control.Drive, 0)

	for _, step := range []struct {
		what string
		do   func() (control.Moved, error)
		want string
		code control.Code
	}{
		{"first blank", func() (control.Moved, error) { return e.Load(ctx, control.LoadRequest{Loader: "a"}) }, tapes[0] + " slot 1 drive", ""},
		{"the same", func() (control.Moved, error) {
			return e.Load(ctx, control.LoadRequest{Loader: "a", Barcode: tapes[0]})
		}, "", control.InUse},
		{"another one (3.37)", func() (control.Moved, error) { return e.Load(ctx, control.LoadRequest{Loader: "a", Slot: 3}) }, tapes[2] + " slot 3 drive", ""},
		{"wrong barcode", func() (control.Moved, error) {
			return e.Unload(ctx, control.UnloadRequest{Loader: "a", Barcode: tapes[0]})
		}, "", control.InUse},
		{"into slot 5", func() (control.Moved, error) { return e.Unload(ctx, control.UnloadRequest{Loader: "a", Slot: 5}) }, tapes[2] + " drive slot 5", ""},
		{"empty drive", func() (control.Moved, error) { return e.Unload(ctx, control.UnloadRequest{Loader: "a"}) }, "", control.NotFound},
		{"to the station", func() (control.Moved, error) {
			return e.Move(ctx, control.MoveRequest{Loader: "a", From: place(control.Slot, 1), To: place(control.Station, 1)})
		}, tapes[0] + " slot 1 station 1", ""},
		{"a full place", func() (control.Moved, error) {
			return e.Move(ctx, control.MoveRequest{Loader: "a", From: place(control.Slot, 2), To: place(control.Slot, 5)})
		}, "", control.InUse},
		{"an empty source", func() (control.Moved, error) {
			return e.Move(ctx, control.MoveRequest{Loader: "a", From: place(control.Slot, 4), To: drive})
		}, "", control.NotFound},
		{"beyond the last slot", func() (control.Moved, error) { return e.Load(ctx, control.LoadRequest{Loader: "a", Slot: 6}) }, "", control.NotFound},
		{"no such tape", func() (control.Moved, error) { return e.Load(ctx, control.LoadRequest{Loader: "a", Barcode: "NONE"}) }, "", control.NotFound},
	} {
		m, err := step.do()
		if got := fmt.Sprintf("%s %s %s", m.Barcode, m.From, m.To); control.CodeOf(err) != step.code || err == nil && got != step.want {
			t.Errorf("%s: %s, %v", step.what, got, err)
		}
	}
	elements, err := e.Elements(ctx, ref("a"))
	if err != nil || len(elements) != 4+1+5 {
		t.Fatalf("%d elements, %v", len(elements), err)
	}
	if first := elements[0]; first.Place != place(control.Station, 1) || first.Barcode != tapes[0] || first.Address != 0x10 {
		t.Errorf("first element %+v", first)
	}
}

// A loaded tape is refused for everything that needs its files (bad input of the
// issue), and nothing changes.
func TestALoadedTapeIsNotTouched(t *testing.T) {
	e := servicetest.Start(t)
	barcode := e.Create(control.NewLoader{Name: "a"}).Tapes[0]
	tape := control.TapeRef{Loader: "a", Barcode: barcode}
	if _, err := e.Load(ctx, control.LoadRequest{Loader: "a", Barcode: barcode}); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"delete":  e.DeleteTape(ctx, tape),
		"erase":   e.EraseTape(ctx, tape),
		"export":  e.ExportTape(ctx, control.ExportRequest{Loader: "a", Barcode: barcode, Folder: t.TempDir()}),
		"protect": e.ProtectTape(ctx, control.Protection{Loader: "a", Barcode: barcode, Protected: true}),
	} {
		if control.CodeOf(err) != control.InUse {
			t.Errorf("%s: %v", what, err)
		}
	}
	if now, err := e.Tape(ctx, tape); err != nil || !now.Loaded {
		t.Errorf("%+v, %v", now, err)
	}
}

func TestTapesAreProtectedExportedImportedAndErased(t *testing.T) {
	e := servicetest.Start(t)
	barcode := e.Create(control.NewLoader{Name: "a", Tapes: 2}).Tapes[0]
	e.Create(control.NewLoader{Name: "b", Tapes: control.NoTapes, Family: "BBB"})
	tape := control.TapeRef{Loader: "a", Barcode: barcode}

	if err := e.ProtectTape(ctx, control.Protection{Loader: "a", Barcode: barcode, Protected: true}); err != nil {
		t.Fatal(err)
	}
	if now, err := e.Tape(ctx, tape); err != nil || !now.WriteProtected {
		t.Errorf("%+v, %v", now, err)
	}
	if err := e.EraseTape(ctx, tape); control.CodeOf(err) != control.Denied {
		t.Errorf("erase a protected tape: %v", err)
	}
	if err := e.ProtectTape(ctx, control.Protection{Loader: "a", Barcode: barcode}); err != nil {
		t.Fatal(err)
	}
	if err := e.EraseTape(ctx, tape); err != nil {
		t.Error(err)
	}
	shelf := filepath.Join(t.TempDir(), "shelf")
	if err := e.ExportTape(ctx, control.ExportRequest{Loader: "a", Barcode: barcode, Folder: shelf}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Tape(ctx, tape); control.CodeOf(err) != control.NotFound {
		t.Errorf("exported: %v", err)
	}
	got, err := e.ImportTapes(ctx, control.ImportRequest{Loader: "b", Files: []string{shelf}})
	if err != nil || len(got.Barcodes) != 1 || got.Barcodes[0] != barcode {
		t.Errorf("imported %+v, %v", got, err)
	}
	if _, err := e.ImportTapes(ctx, control.ImportRequest{Loader: "b", Files: []string{filepath.Join(shelf, "none")}}); control.CodeOf(err) != control.NotFound {
		t.Errorf("import of nothing: %v", err)
	}
}

// One loader whose folder is gone keeps no other from being served, and it comes
// back by itself with its folder.
func TestALoaderWithoutItsFolderIsOfflineUntilItIsBack(t *testing.T) {
	e := servicetest.Start(t)
	folder := e.Create(control.NewLoader{Name: "usb"}).Loader.Folder
	e.Create(control.NewLoader{Name: "here"})
	e.Down()
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	e.Up()
	away, err := e.Loader(ctx, ref("usb"))
	if err != nil || away.State != control.StateOffline || away.Reason == "" {
		t.Errorf("%+v, %v", away.LoaderStatus, err)
	}
	if here, err := e.Loader(ctx, ref("here")); err != nil || here.State != control.StateOnline {
		t.Errorf("%+v, %v", here.LoaderStatus, err)
	}
	if _, err := e.Tapes(ctx, ref("usb")); control.CodeOf(err) != control.Offline {
		t.Errorf("tapes of an offline loader: %v", err)
	}
	status, err := e.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(folder+".away", folder); err != nil {
		t.Fatal(err)
	}
	await(t, e, status.Sequence, control.LoaderOnline)
	if back, err := e.Loader(ctx, ref("usb")); err != nil || back.State != control.StateOnline || back.Tapes.Total != 1 {
		t.Errorf("%+v, %v", back.LoaderStatus, err)
	}
}

// A damaged slot map puts the loader offline with words and changes nothing; when
// it is put away and rebuilt the tapes are back (3.22, 3.23).
func TestADamagedSlotMapIsSaidAndCanBeRebuilt(t *testing.T) {
	e := servicetest.Start(t)
	folder := e.Create(control.NewLoader{Name: "a", Tapes: 3}).Loader.Folder
	e.Down()
	files, err := filepath.Glob(filepath.Join(folder, "slotmap.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	garbage := []byte(strings.Repeat("garbage ", 1000))
	for _, f := range files {
		if err := os.WriteFile(f, garbage, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	e.Up()
	l, err := e.Loader(ctx, ref("a"))
	if err != nil || l.State != control.StateOffline || !strings.Contains(l.Reason, "slot map") {
		t.Errorf("%+v, %v", l.LoaderStatus, err)
	}
	if b, _ := os.ReadFile(filepath.Join(folder, "slotmap.db")); string(b) != string(garbage) {
		t.Error("the damaged slot map was changed")
	}
	if _, err := e.DeleteLoader(ctx, ref("a")); err != nil {
		t.Fatal(err)
	}
	again := control.NewLoader{Name: "a", Folder: folder}
	if _, err := e.CreateLoader(ctx, again); control.CodeOf(err) != control.Damaged {
		t.Errorf("create over a damaged slot map: %v", err)
	}
	again.Rebuild = true
	back, err := e.CreateLoader(ctx, again)
	if err != nil || back.Loader.Tapes.Total != 3 {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestASlotMapComesBackFromItsBackupCopy(t *testing.T) {
	e := servicetest.Start(t)
	folder := e.Create(control.NewLoader{Name: "a", Tapes: 3}).Loader.Folder
	status, err := e.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	e.Down()
	if err := os.WriteFile(filepath.Join(folder, "slotmap.db"), []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	e.Up()
	if l, err := e.Loader(ctx, ref("a")); err != nil || l.State != control.StateOnline || l.Tapes.Total != 3 {
		t.Errorf("%+v, %v", l.LoaderStatus, err)
	}
	await(t, e, status.Sequence, control.Recovered)
}

// Contract 3.17: the configuration's backup copy is used, and said to be used;
// without it the service ends and has overwritten nothing.
func TestTheConfigurationComesBackFromItsBackupCopyOrNothingIsOverwritten(t *testing.T) {
	e := servicetest.Start(t)
	e.Create(control.NewLoader{Name: "a"})
	status, err := e.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	e.Down()
	config := filepath.Join(e.Options.StateFolder, "config.db")
	spoil := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spoil(config)
	e.Up()
	if l, err := e.Loader(ctx, ref("a")); err != nil || l.State != control.StateOnline {
		t.Errorf("%+v, %v", l.LoaderStatus, err)
	}
	await(t, e, status.Sequence, control.Recovered)
	e.Down()

	copies, err := filepath.Glob(config + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range copies {
		spoil(path)
	}
	_, err = service.Open(e.Options)
	if control.CodeOf(err) != control.Damaged || !strings.Contains(service.Words("vloaderd", err), "next:") {
		t.Errorf("both damaged: %v", err)
	}
	if b, _ := os.ReadFile(config); string(b) != "garbage" {
		t.Error("the damaged configuration was overwritten")
	}
}

func TestOneServiceForEachStateFolderControlPathAndPort(t *testing.T) {
	e := servicetest.Start(t)
	other := e.Options
	other.Control += "2"
	if _, err := service.Open(other); control.CodeOf(err) != control.InUse || !strings.Contains(err.Error(), e.Options.StateFolder) {
		t.Errorf("same state folder: %v", err)
	}
	other = e.Options
	other.StateFolder = t.TempDir()
	if _, err := service.Open(other); control.CodeOf(err) != control.InUse || !strings.Contains(err.Error(), e.Options.Control) {
		t.Errorf("same control path: %v", err)
	}
	other.Control, other.ISCSI = e.Options.Control+"3", e.Ready.ISCSI
	_, err := service.Open(other)
	if words := service.Words("vloaderd", err); control.CodeOf(err) != control.InUse || !strings.Contains(words, e.Ready.ISCSI) || !strings.Contains(words, "--iscsi") {
		t.Errorf("same port: %v", err)
	}
	if _, err := os.Stat(other.Control); err == nil {
		t.Error("the control socket was left behind")
	}
	for _, address := range []string{"nonsense", "127.0.0.1:99999", "203.0.113.1:3260"} {
		other.ISCSI = address
		if _, err := service.Open(other); control.CodeOf(err) != control.Invalid {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestSeveralServicesRunSideBySide(t *testing.T) {
	auto := func(o *service.Options) { o.ISCSI = "127.0.0.1:auto" }
	one, two := servicetest.Start(t, auto), servicetest.Start(t, auto)
	if one.Ready.ISCSI == two.Ready.ISCSI {
		t.Errorf("both on %s", one.Ready.ISCSI)
	}
	for _, e := range []*servicetest.Env{one, two} {
		e.Create(control.NewLoader{Name: "same"})
	}
}

func TestLoginWithoutASecretIsForThisMachineOnly(t *testing.T) {
	e := servicetest.Start(t)
	e.Create(control.NewLoader{Name: "open", Auth: control.AuthNone})
	if c, err := e.Connection(ctx, ref("open")); err != nil || c.Auth != control.AuthNone || c.CHAPSecret != "" {
		t.Errorf("%+v, %v", c, err)
	}
	e.Down()
	e.Options.ISCSI = "0.0.0.0:0"
	e.Up()
	if l, err := e.Loader(ctx, ref("open")); err != nil || l.State != control.StateOffline {
		t.Errorf("an open loader on all addresses: %+v, %v", l.LoaderStatus, err)
	}
	_, err := e.CreateLoader(ctx, control.NewLoader{Name: "open2", Folder: filepath.Join(t.TempDir(), "x"), Auth: control.AuthNone})
	if control.CodeOf(err) != control.Denied {
		t.Errorf("create: %v", err)
	}
	e.Create(control.NewLoader{Name: "shut"})
	c, err := e.Connection(ctx, ref("shut"))
	if host, _, _ := net.SplitHostPort(c.Address); err != nil || host == "0.0.0.0" {
		t.Errorf("connection says %s, %v", c.Address, err)
	}
}

func TestSpaceLevelsAreSettings(t *testing.T) {
	e := servicetest.Start(t)
	if s, err := e.Settings(ctx); err != nil || s.WarnPercent != 6 || s.FloorPercent != 5 {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []control.Settings{{WarnPercent: 5, FloorPercent: 6}, {WarnPercent: 6}, {WarnPercent: 101, FloorPercent: 5}} {
		if _, err := e.ChangeSettings(ctx, bad); control.CodeOf(err) != control.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := e.ChangeSettings(ctx, control.Settings{WarnPercent: 8, FloorPercent: 7}); err != nil {
		t.Fatal(err)
	}
	e.Restart()
	if s, err := e.Settings(ctx); err != nil || s.WarnPercent != 8 || s.FloorPercent != 7 {
		t.Errorf("after a restart: %+v, %v", s, err)
	}
}

// Contract 3.14: a level above what is free warns everybody at once, and only
// once; the drive's gate closes with the floor.
func TestCrossingASpaceLevelIsAnEvent(t *testing.T) {
	e := servicetest.Start(t)
	l := e.Create(control.NewLoader{Name: "a"}).Loader
	if l.Disk.FreePercent < 3 || l.Disk.FreePercent > 97 {
		t.Skipf("the disk has %.1f %% free: no level can be put above and below it", l.Disk.FreePercent)
	}
	status, err := e.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.ChangeSettings(ctx, control.Settings{WarnPercent: l.Disk.FreePercent + 2, FloorPercent: l.Disk.FreePercent + 1}); err != nil {
		t.Fatal(err)
	}
	event := await(t, e, status.Sequence, control.SpaceChanged)
	if event.Level != control.SpaceFloor || event.Severity != control.Alert || event.Loader != "a" {
		t.Errorf("%+v", event)
	}
	now, err := e.Loader(ctx, ref("a"))
	if err != nil || now.Disk.Level != control.SpaceFloor {
		t.Errorf("%+v, %v", now.Disk, err)
	}
	if _, err := e.ChangeSettings(ctx, control.Settings{WarnPercent: 2, FloorPercent: 1}); err != nil {
		t.Fatal(err)
	}
	if event = await(t, e, event.Sequence, control.SpaceChanged); event.Level != control.SpaceFine {
		t.Errorf("%+v", event)
	}
}

// await returns the next event of a kind after a sequence number.
func await(t *testing.T, e *servicetest.Env, since uint64, kind control.Kind) (found control.Event) {
	t.Helper()
	waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := e.Follow(waiting, since, func(event control.Event) error {
		if event.Kind == kind {
			found = event
			cancel()
			return context.Canceled
		}
		return nil
	})
	if found.Kind != kind {
		t.Fatalf("no event %s: %v", kind, err)
	}
	return found
}

// Two folders with one identity would be one library to a host.
func TestACopyOfAServedFolderIsRefused(t *testing.T) {
	e := servicetest.Start(t)
	folder := e.Create(control.NewLoader{Name: "a"}).Loader.Folder
	e.Down()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	e.Up()
	_, err := e.CreateLoader(ctx, control.NewLoader{Name: "b", Folder: copied})
	if control.CodeOf(err) != control.Exists || !strings.Contains(err.Error(), "copy of that of loader a") {
		t.Errorf("%v", err)
	}
	if _, err := e.DeleteLoader(ctx, ref("a")); err != nil {
		t.Fatal(err)
	}
	if back, err := e.CreateLoader(ctx, control.NewLoader{Name: "b", Folder: copied}); err != nil || !back.Adopted {
		t.Errorf("%+v, %v", back, err)
	}
}
