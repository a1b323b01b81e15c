package service_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"virtualloader/driver/iscsi/initiator"
	"virtualloader/driver/scsi"
	"virtualloader/loader/control"
	"virtualloader/loader/service/servicetest"
)

// host is a backup host that is logged in to a loader.
type host struct {
	t *testing.T
	*initiator.Session
}

func login(t *testing.T, e *servicetest.Env, name string) host {
	t.Helper()
	c, err := e.Connection(ctx, ref(name))
	if err != nil {
		t.Fatal(err)
	}
	s, err := initiator.Dial(ctx, initiator.Config{Address: c.Address, TargetName: c.IQN, CHAPName: c.CHAPName, CHAPSecret: c.CHAPSecret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return host{t, s}
}

// do sends a command and returns its sense; UNIT ATTENTION is taken note of and
// the command sent again.
func (h host) do(lun int, cdb []byte, out, in []byte) (initiator.Result, *scsi.Sense) {
	h.t.Helper()
	for range 10 {
		r, err := h.Execute(ctx, initiator.Command{LUN: scsi.UnitNumber(lun), CDB: cdb, Out: out, In: in})
		if err != nil {
			h.t.Fatalf("command %X: %v", cdb, err)
		}
		if r.Status == scsi.Good {
			return r, nil
		}
		sense, ok := scsi.ParseSense(r.Sense)
		if !ok {
			h.t.Fatalf("command %X: status %d without sense", cdb, r.Status)
		}
		if sense.Key != scsi.UnitAttention {
			return r, &sense
		}
	}
	h.t.Fatalf("command %X: nothing but unit attentions", cdb)
	return initiator.Result{}, nil
}

func (h host) mustDo(lun int, cdb []byte, out, in []byte) initiator.Result {
	h.t.Helper()
	r, sense := h.do(lun, cdb, out, in)
	if sense != nil {
		h.t.Fatalf("command %X: %v", cdb, sense)
	}
	return r
}

var (
	testUnitReady = []byte{0x00, 0, 0, 0, 0, 0}
	writeFilemark = []byte{0x10, 0, 0, 0, 1, 0}
	rewind        = []byte{0x01, 0, 0, 0, 0, 0}
	prevent       = []byte{0x1E, 0, 0, 0, 1, 0}
	allow         = []byte{0x1E, 0, 0, 0, 0, 0}
)

func write(block []byte) []byte {
	return []byte{0x0A, 0, 0, byte(len(block) >> 8), byte(len(block)), 0}
}

// Spec A.4, bad input of a wrong CHAP secret: refused, told to a person with
// what to do, and told once.
func TestAWrongSecretIsRefusedAndToldOnce(t *testing.T) {
	e := servicetest.Start(t)
	e.Create(control.NewLoader{Name: "photos"})
	c, err := e.Connection(ctx, ref("photos"))
	if err != nil {
		t.Fatal(err)
	}
	status, err := e.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = initiator.Dial(ctx, initiator.Config{Address: c.Address, TargetName: c.IQN, CHAPName: c.CHAPName, CHAPSecret: "not the secret!!"})
		var refused *initiator.LoginError
		if !errors.As(err, &refused) {
			t.Fatalf("login with a wrong secret: %v", err)
		}
	}
	event := await(t, e, status.Sequence, control.LoginRefused)
	if event.Loader != "photos" || event.Severity != control.Warning || !strings.Contains(event.Message, "vloader connection photos") {
		t.Errorf("%+v", event)
	}
	login(t, e, "photos")
	opened := await(t, e, status.Sequence, control.SessionOpened)
	page, err := e.Events(ctx, control.EventsRequest{Since: event.Sequence})
	if err != nil {
		t.Fatal(err)
	}
	for _, later := range page.Events {
		if later.Kind == control.LoginRefused && later.Sequence < opened.Sequence {
			t.Errorf("told again: %+v", later)
		}
	}
}

// Contract 0.3, 3.2, 3.39: what the host writes are the bytes of the payload
// file; the status shows session and drive without waiting for either.
func TestWhatAHostWritesIsInThePayloadFile(t *testing.T) {
	e := servicetest.Start(t)
	made := e.Create(control.NewLoader{Name: "a"})
	if _, err := e.Load(ctx, control.LoadRequest{Loader: "a"}); err != nil {
		t.Fatal(err)
	}
	h := login(t, e, "a")
	block := []byte(strings.Repeat("payload ", 1000))
	h.mustDo(0, testUnitReady, nil, nil)
	h.mustDo(0, write(block), block, nil)
	h.mustDo(0, writeFilemark, nil, nil)

	b, err := os.ReadFile(filepath.Join(made.Loader.Folder, made.Tapes[0]+".tape"))
	if err != nil || string(b[:len(block)]) != string(block) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	status, err := e.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	l := status.Loaders[0]
	if len(l.Sessions) != 1 || l.Drive.Object != 2 || l.Drive.File != 1 || l.Drive.WrittenBytes != int64(len(block)) || l.Tapes.Partly != 1 {
		t.Errorf("%+v", l)
	}
	e.Restart() // the host's session ends, the tape is mounted again (3.19)
	h = login(t, e, "a")
	back := make([]byte, len(block))
	h.mustDo(0, testUnitReady, nil, nil)
	h.mustDo(0, rewind, nil, nil)
	r := h.mustDo(0, []byte{0x08, 0, 0, byte(len(back) >> 8), byte(len(back)), 0}, nil, back)
	if r.DataIn != len(block) || string(back) != string(block) {
		t.Errorf("%d bytes came back", r.DataIn)
	}
}

func TestATapeThatAHostHoldsIsNotTakenAway(t *testing.T) {
	e := servicetest.Start(t)
	e.Create(control.NewLoader{Name: "a", Tapes: 2})
	if _, err := e.Load(ctx, control.LoadRequest{Loader: "a"}); err != nil {
		t.Fatal(err)
	}
	h := login(t, e, "a")
	h.mustDo(0, prevent, nil, nil)
	_, unload := e.Unload(ctx, control.UnloadRequest{Loader: "a"})
	_, load := e.Load(ctx, control.LoadRequest{Loader: "a", Slot: 2})
	_, gone := e.DeleteLoader(ctx, ref("a"))
	for what, err := range map[string]error{"unload": unload, "load another": load, "delete the loader": gone} {
		if control.CodeOf(err) != control.InUse || !strings.Contains(err.Error(), "backup program") {
			t.Errorf("%s: %v", what, err)
		}
	}
	h.mustDo(0, allow, nil, nil)
	if _, err := e.Unload(ctx, control.UnloadRequest{Loader: "a"}); err != nil {
		t.Error(err)
	}
}

// Contract 3.34, spec C.14: below the floor a write is refused with an error of
// its own, the file can still be closed, and when there is room again writing
// goes on by itself.
func TestBelowTheFloorWritesAreRefusedAndTheFileCanBeClosed(t *testing.T) {
	e := servicetest.Start(t)
	l := e.Create(control.NewLoader{Name: "a"}).Loader
	if l.Disk.FreePercent < 3 || l.Disk.FreePercent > 97 {
		t.Skipf("the disk has %.1f %% free: no level can be put above and below it", l.Disk.FreePercent)
	}
	if _, err := e.Load(ctx, control.LoadRequest{Loader: "a"}); err != nil {
		t.Fatal(err)
	}
	h := login(t, e, "a")
	block := make([]byte, 4096)
	h.mustDo(0, testUnitReady, nil, nil)
	h.mustDo(0, write(block), block, nil)
	status, err := e.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.ChangeSettings(ctx, control.Settings{WarnPercent: l.Disk.FreePercent + 2, FloorPercent: l.Disk.FreePercent + 1}); err != nil {
		t.Fatal(err)
	}
	crossed := await(t, e, status.Sequence, control.SpaceChanged)
	_, sense := h.do(0, write(block), block, nil)
	if sense == nil || sense.Key != scsi.DataProtect || sense.Code != scsi.SpaceAllocationFailedWriteProtect || sense.EOM {
		t.Errorf("write below the floor: %v", sense)
	}
	h.mustDo(0, writeFilemark, nil, nil)
	if _, err := e.ChangeSettings(ctx, control.Settings{WarnPercent: 2, FloorPercent: 1}); err != nil {
		t.Fatal(err)
	}
	await(t, e, crossed.Sequence, control.SpaceChanged)
	h.mustDo(0, write(block), block, nil)
}

// A loader that is deleted under a host's session ends the session and flushes
// the tape.
func TestDeletingALoaderEndsItsSessions(t *testing.T) {
	e := servicetest.Start(t)
	made := e.Create(control.NewLoader{Name: "a"})
	e.Create(control.NewLoader{Name: "b"})
	if _, err := e.Load(ctx, control.LoadRequest{Loader: "a"}); err != nil {
		t.Fatal(err)
	}
	h, other := login(t, e, "a"), login(t, e, "b")
	block := make([]byte, 4096)
	h.mustDo(0, testUnitReady, nil, nil)
	h.mustDo(0, write(block), block, nil)
	if _, err := e.DeleteLoader(ctx, ref("a")); err != nil {
		t.Fatal(err)
	}
	<-h.Done()
	other.mustDo(1, testUnitReady, nil, nil)
	back, err := e.CreateLoader(ctx, control.NewLoader{Name: "a", Folder: made.Loader.Folder})
	if err != nil || back.Loader.Drive.Barcode != made.Tapes[0] || back.Loader.Tapes.Partly != 1 {
		t.Errorf("%+v, %v", back.Loader.LoaderStatus, err)
	}
}
