package loader

import (
	"strings"
	"testing"

	"virtualloader/loader/space"
	"virtualloader/slotmap"
)

func TestABlankTapeIsReadyBeforeTheEndOfATape(t *testing.T) { // contract 3.33, spec C.13 A
	t.Run("when the last blank is loaded", func(t *testing.T) {
		r := create(t, nil)
		r.move(t, slot(1), drive)
		e := r.await(t, EventBlankAdded)
		// Slot 1 stays free for the tape that came from it.
		if e.Barcode != "ABC002L8" || e.To != slot(2) || r.at(slot(2)) != "ABC002L8" {
			t.Errorf("%+v", e)
		}
		r.rest(t)
		if n := r.changer.storage.Load(); n != 1 {
			t.Errorf("the hosts were told %d times", n)
		}
		checkWhole(t, r.Folder(), r.Map())
	})
	t.Run("when a tape is nearly full", func(t *testing.T) {
		r := create(t, nil)
		r.move(t, slot(1), drive)
		r.await(t, EventBlankAdded)
		r.move(t, slot(2), mailbox) // not in a slot any more
		r.NearlyFull("ABC001L8")
		r.await(t, EventBlankAdded)
		r.NearlyFull("ABC001L8")
		r.rest(t)
		if got := len(r.Tapes()); got != 3 {
			t.Errorf("%d tapes", got)
		}
	})
	t.Run("not when there is one", func(t *testing.T) {
		r := create(t, func(s *Settings) { s.Tapes = 2 })
		r.move(t, slot(1), drive)
		r.NearlyFull("ABC001L8")
		r.rest(t)
		if got := len(r.Tapes()); got != 2 {
			t.Errorf("%d tapes", got)
		}
	})
	t.Run("after a crash in between", func(t *testing.T) {
		r := create(t, nil)
		r.level.Store(uint32(space.Floor))
		r.move(t, slot(1), drive)
		r.await(t, EventBlankRefused)
		again := open(t, copyFolder(t, r.Folder()))
		again.await(t, EventBlankAdded)
	})
}

func TestNoBlankTapeIsMadeWhenTheDiskIsShortAndOneAsSoonAsItIsNot(t *testing.T) { // spec C.14 soft
	r := create(t, nil)
	r.level.Store(uint32(space.Warned))
	r.move(t, slot(1), drive)
	if e := r.await(t, EventBlankRefused); !strings.Contains(e.Text, "warned") {
		t.Errorf("%q", e.Text)
	}
	r.NearlyFull("ABC001L8")
	r.rest(t)
	for len(r.events) > 0 {
		if e := <-r.events; e.Kind == EventBlankRefused {
			t.Error("said twice")
		}
	}
	r.level.Store(uint32(space.Fine))
	r.Replenish()
	r.await(t, EventBlankAdded)
}

func TestFullSlotsAreSaidAndABlankFollowsWhenOneIsFree(t *testing.T) {
	r := create(t, func(s *Settings) { s.Slots, s.Tapes = 2, 2 })
	r.move(t, slot(2), drive)
	r.drive.write(t, "x", 1)
	r.move(t, drive, slot(2))
	r.move(t, slot(1), drive) // the last blank; the one free slot is its own
	if e := r.await(t, EventBlankRefused); !strings.Contains(e.Text, slotmap.ErrFull.Error()) {
		t.Errorf("%q", e.Text)
	}
	if err := r.DeleteTape(t.Context(), "ABC002L8"); err != nil {
		t.Fatal(err)
	}
	if e := r.await(t, EventBlankAdded); e.To != slot(2) {
		t.Errorf("%+v", e)
	}
}

func TestAStackerLoadsTheNextBlankByItself(t *testing.T) { // contract 3.33, spec C.13 B
	stacker := func(t *testing.T) *rig {
		r := create(t, func(s *Settings) { s.Mode, s.Tapes = ModeStacker, 4 })
		r.move(t, slot(3), drive)
		r.drive.write(t, "x", 1)
		return r
	}
	t.Run("the one after its slot", func(t *testing.T) {
		r := stacker(t)
		r.Unloaded("ABC003L8", true)
		e := r.await(t, EventTapesChanged)
		if e.Barcode != "ABC004L8" || r.drive.barcode() != "ABC004L8" || r.at(slot(3)) != "ABC003L8" || r.at(slot(4)) != "" {
			t.Errorf("%+v, %v", e, r.Tapes())
		}
		r.drive.write(t, "x", 1)
		r.Unloaded("ABC004L8", true)
		// None after slot 4: the lowest.
		if e := r.await(t, EventTapesChanged); e.Barcode != "ABC001L8" {
			t.Errorf("%+v", e)
		}
		checkWhole(t, r.Folder(), r.Map())
	})
	t.Run("one made for it", func(t *testing.T) {
		r := create(t, func(s *Settings) { s.Mode = ModeStacker })
		r.level.Store(uint32(space.Warned))
		r.move(t, slot(1), drive)
		r.drive.write(t, "x", 1)
		r.await(t, EventBlankRefused)
		r.level.Store(uint32(space.Fine))
		r.Unloaded("ABC001L8", true)
		if e := r.await(t, EventTapesChanged); e.Barcode != "ABC002L8" || r.at(slot(1)) != "ABC001L8" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("never otherwise", func(t *testing.T) {
		r := stacker(t)
		loads := len(r.drive.loads)
		still := func(why string) {
			t.Helper()
			r.rest(t)
			if len(r.drive.loads) != loads || r.drive.barcode() != "ABC003L8" {
				t.Errorf("%s: the drive has %q", why, r.drive.barcode())
			}
		}
		r.Unloaded("ABC003L8", false)
		still("early warning was not reached")
		r.Unloaded("ABC002L8", true)
		still("another tape is in the drive")
		r.drive.locked.Store(true)
		r.Unloaded("ABC003L8", true)
		still("removal is prevented")
		r.drive.locked.Store(false)
		still("removal is allowed later")
	})
	t.Run("not in library mode", func(t *testing.T) {
		r := create(t, func(s *Settings) { s.Tapes = 3 })
		r.move(t, slot(1), drive)
		r.Unloaded("ABC001L8", true)
		r.rest(t)
		if r.drive.barcode() != "ABC001L8" {
			t.Errorf("the drive has %q", r.drive.barcode())
		}
	})
	t.Run("an empty drive when there is none", func(t *testing.T) {
		r := create(t, func(s *Settings) { s.Mode = ModeStacker })
		r.level.Store(uint32(space.Floor))
		r.move(t, slot(1), drive)
		r.drive.write(t, "x", 1)
		r.Unloaded("ABC001L8", true)
		r.await(t, EventBlankRefused)
		r.rest(t)
		if r.at(slot(1)) != "ABC001L8" || r.drive.barcode() != "" {
			t.Errorf("%v", r.Tapes())
		}
	})
}
