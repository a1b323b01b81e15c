package loader

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

// Move carries the cartridge at src to dst: MOVE MEDIUM. From the drive it is
// unloaded first, into the drive it is loaded and ready when Move returns. The
// move is durable then; on an error everything is where it was. Without a deadline
// in ctx it waits two minutes at most for the arm and the drive.
//
// Errors: the slotmap sentinels (ErrNoElement, ErrSourceEmpty, ErrDestinationFull,
// ErrHeld, ErrStationOpen), those of the drive, of tape and of the file system.
func (l *Library) Move(ctx context.Context, src, dst slotmap.Address) error {
	err := l.rearrange(ctx, func(m slotmap.Map) (slotmap.Map, error) { return m.Move(src, dst) }, src, dst)
	if err != nil {
		return fmt.Errorf("move %s to %s: %w", src, dst, err)
	}
	return nil
}

// Exchange carries the cartridge at first to second, and the one at src to first:
// EXCHANGE MEDIUM. second is empty or is src. Promises and errors are those of
// Move.
func (l *Library) Exchange(ctx context.Context, src, first, second slotmap.Address) error {
	err := l.rearrange(ctx, func(m slotmap.Map) (slotmap.Map, error) { return m.Exchange(src, first, second) }, src, first, second)
	if err != nil {
		return fmt.Errorf("exchange %s, %s, %s: %w", src, first, second, err)
	}
	return nil
}

// rearrange takes the arm and makes the library as step says.
func (l *Library) rearrange(ctx context.Context, step func(slotmap.Map) (slotmap.Map, error), touched ...slotmap.Address) error {
	ctx, cancel := patience(ctx)
	defer cancel()
	if err := l.takeArm(ctx); err != nil {
		return err
	}
	defer l.releaseArm()
	was := l.Map()
	next, err := step(was)
	if err != nil {
		return err
	}
	if err := l.checkTouched(was, touched); err != nil {
		return err
	}
	return l.apply(ctx, was, next)
}

// checkTouched refuses what the map alone does not forbid: held cartridges and an
// open station. A prevented removal is the drive's to refuse, and comes first.
func (l *Library) checkTouched(m slotmap.Map, touched []slotmap.Address) error {
	open, fromDrive := false, false
	for _, a := range touched {
		e, _ := m.At(a)
		if err := l.checkHold(e.Barcode); err != nil {
			return err
		}
		open = open || a.Kind() == slotmap.ImportExport && l.station.Load()
		fromDrive = fromDrive || e.Kind == slotmap.DataTransfer && e.Full()
	}
	if open && !(fromDrive && l.locked()) {
		return slotmap.ErrStationOpen
	}
	return nil
}

// apply makes the library stand as next says: unload, commit, load. The slot map
// is the truth: at whatever step the process ends, each cartridge is in exactly
// one element of it, and Attach loads the one it names in the drive. The caller
// has the arm.
func (l *Library) apply(ctx context.Context, was, next slotmap.Map) error {
	out, in := was.Drive().Barcode, next.Drive().Barcode
	if out == in {
		return l.commit(was, next)
	}
	lastBlank := in != "" && l.isLastBlank(in)
	if out != "" {
		if err := l.dismount(ctx); err != nil {
			return fmt.Errorf("unload %s: %w", out, err)
		}
	}
	if err := l.commit(was, next); err != nil {
		return errors.Join(err, l.putBack(out))
	}
	if in == "" {
		return nil
	}
	if err := l.mount(ctx, in); err != nil {
		return errors.Join(err, l.commit(next, was), l.putBack(out))
	}
	if lastBlank {
		l.keeper.wantBlank()
	}
	return nil
}

// commit makes next durable and says what moved. Nothing is written when nothing
// moved.
func (l *Library) commit(was, next slotmap.Map) error {
	var moves []Event
	for i, e := range next.All() {
		if !e.Full() || e == was.All()[i] {
			continue
		}
		from, _ := was.Find(e.Barcode)
		moves = append(moves, Event{Kind: EventTapeMoved, Barcode: e.Barcode, From: from.Address, To: e.Address,
			Text: fmt.Sprintf("%s moved from %s to %s", e.Barcode, from.Address, e.Address)})
	}
	if len(moves) == 0 {
		return nil
	}
	err := l.store.Update(func(tx *slotmap.Tx) error {
		tx.SetMap(next)
		if out := was.Drive().Barcode; out != "" && out != next.Drive().Barcode {
			tx.PutTape(out, l.read(out))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(moves) { // what leaves the drive is told before what enters it
		l.emit(e)
	}
	return nil
}

// mount loads a cartridge into the drive. One whose files are at fault is in the
// drive then, too, unreadable and marked as an exception (spec D.4 row 9).
func (l *Library) mount(ctx context.Context, barcode string) error {
	a := l.attached.Load()
	if a == nil {
		return ErrNotAttached
	}
	cartridge, err := l.cartridge(barcode)
	var image *tape.Image
	if err == nil {
		image, err = cartridge.Load()
	}
	if isFault(err) {
		l.noteFault(barcode, err)
		err = a.drive.LoadUnreadable(ctx, barcode, err)
		if err == nil {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("load %s: %w", barcode, err)
	}
	if err := a.drive.Load(ctx, image); err != nil {
		return fmt.Errorf("load %s: %w", barcode, errors.Join(err, image.Close()))
	}
	l.loaded.Store(cartridge)
	if t, _ := l.store.Tape(barcode); t.Damaged {
		return l.noteLoaded() // it has been mended
	}
	return nil
}

// dismount unloads the drive.
func (l *Library) dismount(ctx context.Context) error {
	a := l.attached.Load()
	if a == nil {
		return nil // nothing can have been mounted
	}
	if err := a.drive.Unload(ctx); err != nil {
		return err
	}
	l.loaded.Store(nil)
	return nil
}

// putBack mounts a cartridge again after a move that did not come about. The
// caller's patience may be at its end, so it gets its own.
func (l *Library) putBack(barcode string) error {
	if barcode == "" || l.loaded.Load() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), moveTimeout)
	defer cancel()
	return l.mount(ctx, barcode)
}

// patience gives ctx a deadline when it has none.
func patience(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, moveTimeout)
}
