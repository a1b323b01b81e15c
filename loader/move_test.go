package loader

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

func TestATapeGoesToTheDriveAndBackWithItsData(t *testing.T) { // contract 3.19, 3.37
	r := create(t, func(s *Settings) { s.Tapes = 3 })
	r.move(t, slot(2), drive)
	if r.drive.barcode() != "ABC002L8" || r.at(drive) != "ABC002L8" || r.at(slot(2)) != "" {
		t.Fatalf("drive holds %s, the map says %s", r.drive.barcode(), r.at(drive))
	}
	r.drive.write(t, "hello", 7)
	if info, _ := r.Tape("abc002l8"); !info.Loaded || info.Address != drive {
		t.Errorf("%+v", info)
	}
	r.move(t, drive, slot(5))
	if info, _ := r.Tape("ABC002L8"); info.Loaded || info.Objects != 7 || info.PayloadBytes != 35 || info.Address != slot(5) {
		t.Errorf("after unloading: %+v", info)
	}
	if r.drive.barcode() != "" {
		t.Errorf("drive holds %s", r.drive.barcode())
	}
}

func TestRefusedMovesTouchNothing(t *testing.T) { // spec D.4
	r := create(t, func(s *Settings) { s.Tapes = 3 })
	r.move(t, slot(1), drive)
	release, err := r.hold(t.Context(), "ABC002L8", "copied")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	before := fmt.Sprint(r.Map())
	for name, c := range map[string]struct {
		src, dst slotmap.Address
		prevent  bool
		open     bool
		want     error
	}{
		"no such slot":         {src: slot(11), dst: slot(5), want: slotmap.ErrNoElement},
		"source empty":         {src: slot(4), dst: slot(5), want: slotmap.ErrSourceEmpty},
		"destination full":     {src: slot(3), dst: drive, want: slotmap.ErrDestinationFull},
		"held":                 {src: slot(2), dst: slot(5), want: slotmap.ErrHeld},
		"removal prevented":    {src: drive, dst: slot(1), prevent: true, want: errLocked},
		"prevent before open":  {src: drive, dst: mailbox, prevent: true, open: true, want: errLocked},
		"station open":         {src: slot(3), dst: mailbox, open: true, want: slotmap.ErrStationOpen},
		"empty before station": {src: mailbox, dst: slot(4), open: true, want: slotmap.ErrSourceEmpty},
		"nothing to do":        {src: slot(3), dst: slot(3)},
	} {
		r.drive.locked.Store(c.prevent)
		r.SetStation(c.open)
		if err := r.Move(t.Context(), c.src, c.dst); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if now := fmt.Sprint(r.Map()); now != before {
			t.Errorf("%s: the map changed to %s", name, now)
		}
		if r.drive.barcode() != "ABC001L8" {
			t.Errorf("%s: the drive holds %q", name, r.drive.barcode())
		}
	}
}

func TestStatusShowsWhatTheRobotCanReach(t *testing.T) {
	r := create(t, nil)
	r.move(t, slot(1), drive)
	for _, open := range []bool{true, false} {
		for _, locked := range []bool{true, false} {
			r.SetStation(open)
			r.drive.locked.Store(locked)
			if got := r.Status(mailbox).Accessible; got == open {
				t.Errorf("station open %v: accessible %v", open, got)
			}
			if got := r.Status(drive).Accessible; got == locked {
				t.Errorf("prevented %v: accessible %v", locked, got)
			}
			if s := r.Status(slot(1)); !s.Accessible || s.Exception {
				t.Errorf("slot: %+v", s)
			}
		}
	}
	if r.changer.importExport.Load() != 1 {
		t.Errorf("closing the station was told %d times", r.changer.importExport.Load())
	}
}

func TestAMoveThatFailsIsUndone(t *testing.T) { // spec D.4 row 10
	broken := errors.New("broken")
	for name, spoil := range map[string]func(*rig){
		"the drive does not unload": func(r *rig) { r.drive.onUnload = func() error { return broken } },
		"the drive does not load": func(r *rig) {
			r.drive.onLoad = func(barcode string) error {
				if barcode == "ABC002L8" {
					return broken
				}
				return nil
			}
		},
		"the tape is in use elsewhere": func(r *rig) {
			cartridge, err := tape.Open(r.Folder(), "ABC002L8")
			if err != nil {
				t.Fatal(err)
			}
			image, err := cartridge.Load()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { image.Close() })
		},
		"the slot map cannot be written": func(r *rig) {
			r.drive.unloaded = func() { r.store.Close() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := create(t, func(s *Settings) { s.Tapes = 3 })
			r.move(t, slot(1), drive)
			r.drive.write(t, "x", 3)
			before := fmt.Sprint(r.Map())
			spoil(r)
			// ABC002L8 into the drive, ABC001L8 back to slot 2: one unload, one load.
			if err := r.Exchange(t.Context(), slot(2), drive, slot(2)); err == nil {
				t.Fatal("it worked")
			}
			if now := fmt.Sprint(r.Map()); now != before {
				t.Errorf("map %s, was %s", now, before)
			}
			if r.drive.barcode() != "ABC001L8" {
				t.Errorf("the drive holds %q", r.drive.barcode())
			}
			checkWhole(t, r.Folder(), r.Map())
		})
	}
}

func TestADamagedTapeGoesToTheDriveAsAnException(t *testing.T) { // spec D.4 row 9
	r := create(t, func(s *Settings) { s.Tapes = 2 })
	index := filepath.Join(r.Folder(), "ABC002L8.index")
	sound, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(index, 3); err != nil {
		t.Fatal(err)
	}
	r.move(t, slot(2), drive)
	r.await(t, EventTapeDamaged)
	if !r.Status(drive).Exception || r.drive.broken != "ABC002L8" {
		t.Errorf("%+v, the drive has %q", r.Status(drive), r.drive.barcode())
	}
	r.shut(t)
	r = open(t, r.Folder()) // no error
	if r.drive.broken != "ABC002L8" {
		t.Errorf("after a restart the drive has %q", r.drive.barcode())
	}
	r.move(t, drive, slot(5))
	if !r.Status(slot(5)).Exception || r.drive.barcode() != "" {
		t.Errorf("%+v, the drive has %q", r.Status(slot(5)), r.drive.barcode())
	}
	if err := os.WriteFile(index, sound, 0o644); err != nil {
		t.Fatal(err)
	}
	r.move(t, slot(5), drive)
	if r.Status(drive).Exception || r.drive.broken != "" {
		t.Errorf("mended, still an exception")
	}
}

func TestADamagedTapeCanBeDeleted(t *testing.T) {
	r := create(t, func(s *Settings) { s.Tapes = 2 })
	if err := os.Truncate(filepath.Join(r.Folder(), "ABC002L8.index"), 3); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteTape(t.Context(), "ABC002L8"); err != nil {
		t.Error(err)
	}
	checkWhole(t, r.Folder(), r.Map())
}

func TestACrashAtAnyStepLeavesEachTapeInOneElement(t *testing.T) { // spec F.4 139
	r := create(t, func(s *Settings) { s.Tapes = 3 })
	r.move(t, slot(1), drive)
	r.drive.write(t, "x", 3)
	var crashes []string
	crash := func() { crashes = append(crashes, copyFolder(t, r.Folder())) }
	r.drive.onUnload = func() error { crash(); return nil }
	r.drive.unloaded = crash
	r.drive.onLoad = func(string) error { crash(); return nil }
	r.drive.loaded = crash
	if err := r.Exchange(t.Context(), slot(2), drive, slot(7)); err != nil {
		t.Fatal(err)
	}
	r.move(t, drive, mailbox)
	r.move(t, slot(7), drive)
	if len(crashes) != 8 {
		t.Fatalf("%d crashes", len(crashes))
	}
	wantDrive := []string{"ABC001L8", "ABC001L8", "ABC002L8", "ABC002L8", "ABC002L8", "ABC002L8", "ABC001L8", "ABC001L8"}
	for i, folder := range crashes {
		after := open(t, folder)
		checkWhole(t, folder, after.Map())
		if after.drive.barcode() != wantDrive[i] || after.at(drive) != wantDrive[i] {
			t.Errorf("crash %d: the drive has %q, the map says %q, want %q", i, after.drive.barcode(), after.at(drive), wantDrive[i])
		}
		if d := after.Map().Drive(); d.Source.Kind() != slotmap.Storage {
			t.Errorf("crash %d: source %v", i, d.Source)
		}
	}
}

func TestRandomMovesAndRestartsAgreeWithASimpleModel(t *testing.T) { // contract 3.19, spec F.4 139
	random := rand.New(rand.NewPCG(3, 4))
	r := create(t, func(s *Settings) { s.Tapes, s.Slots = 4, 6 })
	model := map[slotmap.Address]string{}
	source := map[string]slotmap.Address{}
	for _, e := range r.Map().All() {
		model[e.Address] = e.Barcode
	}
	addresses := []slotmap.Address{drive, drive, mailbox, mailbox + 1, slot(1), slot(2), slot(3), slot(4), slot(5), slot(6)}
	moved := 0
	for i := range 400 {
		src, dst := addresses[random.IntN(len(addresses))], addresses[random.IntN(len(addresses))]
		err := r.Move(t.Context(), src, dst)
		if allowed := model[src] != "" && (model[dst] == "" || src == dst); allowed != (err == nil) {
			t.Fatalf("step %d, %s to %s: %v", i, src, dst, err)
		}
		if err == nil && src != dst {
			moved++
			if src != drive {
				source[model[src]] = src
			}
			model[dst], model[src] = model[src], ""
		}
		if i%40 == 39 {
			r.shut(t)
			r = open(t, r.Folder())
		}
		for _, e := range r.Map().All() {
			if e.Barcode != model[e.Address] {
				t.Fatalf("step %d: %s holds %q, want %q", i, e.Address, e.Barcode, model[e.Address])
			}
			if e.Full() && e.Source != source[e.Barcode] {
				t.Fatalf("step %d: %s came from %s, want %s", i, e.Barcode, e.Source, source[e.Barcode])
			}
		}
		if r.drive.barcode() != model[drive] {
			t.Fatalf("step %d: the drive has %q, want %q", i, r.drive.barcode(), model[drive])
		}
		// The keeper makes blanks of its own when the last one is loaded: here there are
		// always two others.
	}
	if moved < 50 {
		t.Errorf("only %d moves were allowed", moved)
	}
}

func TestReadersNeverWaitAndMoversOnlyUntilTheirDeadline(t *testing.T) {
	r := create(t, func(s *Settings) { s.Tapes = 2 })
	r.move(t, slot(1), drive)
	busy, free := make(chan struct{}), make(chan struct{})
	r.drive.onUnload = func() error { close(busy); <-free; return nil }
	done := make(chan error, 1)
	go func() { done <- r.Move(context.Background(), drive, slot(1)) }()
	<-busy

	read := make(chan struct{})
	go func() {
		defer close(read)
		r.Map()
		r.Tapes()
		r.Information()
		r.Status(drive)
		r.Identity()
		r.NearlyFull("ABC001L8")
		r.Unloaded("ABC001L8", true)
	}()
	select {
	case <-read:
	case <-time.After(10 * time.Second):
		t.Fatal("a reader waits for the drive")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := r.Move(ctx, slot(2), slot(3)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second move: %v", err)
	}
	close(free)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if r.at(slot(2)) != "ABC002L8" || r.at(slot(1)) != "ABC001L8" {
		t.Errorf("%v", r.Tapes())
	}
}

func TestWithoutADriveOnlySlotsMove(t *testing.T) {
	created, err := Create(small(filepath.Join(t.TempDir(), "backup")))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(created.Folder, Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Move(t.Context(), slot(1), drive); !errors.Is(err, ErrNotAttached) {
		t.Errorf("%v", err)
	}
	if err := l.Move(t.Context(), slot(1), slot(2)); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
	if err := l.Move(t.Context(), slot(2), slot(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("move after close: %v", err)
	}
}

func BenchmarkMoveDurable(b *testing.B) {
	r := create(b, func(s *Settings) { s.Slots, s.Tapes = 1000, 2 })
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		src, dst := slot(1), slot(900)
		if i%2 == 1 {
			src, dst = dst, src
		}
		if err := r.Move(b.Context(), src, dst); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadAndUnload(b *testing.B) {
	r := create(b, func(s *Settings) { s.Slots, s.Tapes = 1000, 2 })
	b.ResetTimer()
	for b.Loop() {
		if err := r.Move(b.Context(), slot(1), drive); err != nil {
			b.Fatal(err)
		}
		if err := r.Move(b.Context(), drive, slot(1)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMapOf1000Slots(b *testing.B) {
	r := create(b, func(s *Settings) { s.Slots = 1000 })
	for b.Loop() {
		for _, e := range r.Map().All() {
			r.Status(e.Address)
		}
	}
}
