package loader

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"virtualloader/loader/space"
	"virtualloader/slotmap"
)

// keeper is the goroutine that does what a loader does by itself at the end of a
// tape (contract 3.33, spec C.13): it keeps a blank tape ready, and in stacker
// mode it changes tapes. The drive's turn never waits for it.
type keeper struct {
	library *Library
	wake    chan struct{}
	quit    chan struct{}
	done    chan struct{}
	wanted  atomic.Bool // a blank tape is needed and has not been seen since

	mutex   sync.Mutex // guards what follows
	full    string     // stacker mode: tape to be replaced
	refused string     // why a blank was last refused; told once
}

func startKeeper(l *Library) *keeper {
	k := &keeper{library: l, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go k.run()
	return k
}

// NearlyFull is told by the drive that the tape has passed 80 % of its capacity:
// a blank tape is made ready, soon, if there is none.
func (l *Library) NearlyFull(string) { l.keeper.wantBlank() }

// Unloaded is told by the drive that the host unloaded the tape. In stacker mode,
// if the tape reached early warning, it goes back to its slot and the next blank
// one is loaded, soon.
func (l *Library) Unloaded(barcode string, reachedEarlyWarning bool) {
	if !reachedEarlyWarning || l.Identity().Mode != string(ModeStacker) {
		return
	}
	l.keeper.mutex.Lock()
	l.keeper.full = barcode
	l.keeper.mutex.Unlock()
	l.keeper.check()
}

// Replenish makes the blank tape that is due and could not be made before: to be
// called when there is room on the disk again.
func (l *Library) Replenish() { l.keeper.check() }

func (k *keeper) wantBlank() {
	k.wanted.Store(true)
	k.check()
}

// check wakes the goroutine. It never waits. A library that is being opened has
// none yet.
func (k *keeper) check() {
	if k == nil {
		return
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) stop() {
	close(k.quit)
	<-k.done
}

func (k *keeper) run() {
	defer close(k.done)
	for {
		select {
		case <-k.quit:
			return
		case <-k.wake:
		}
		k.mutex.Lock()
		full := k.full
		k.full = ""
		k.mutex.Unlock()
		if full != "" {
			k.withArm(func(ctx context.Context) error { return k.library.changeTapes(ctx, full) })
		}
		if k.wanted.Load() {
			k.withArm(func(context.Context) error { return k.library.provideBlank() })
		}
	}
}

// withArm does one thing with the arm and logs what went wrong.
func (k *keeper) withArm(f func(context.Context) error) {
	l := k.library
	ctx, cancel := context.WithTimeout(l.ctx, moveTimeout)
	defer cancel()
	err := l.takeArm(ctx)
	if err == nil {
		defer l.releaseArm()
		err = f(ctx)
	}
	if err != nil && l.ctx.Err() == nil {
		l.log.Error("end of tape", "error", err)
	}
}

// provideBlank makes a blank tape unless there is one. The caller has the arm.
func (l *Library) provideBlank() error {
	k := l.keeper
	if _, there := l.nextBlank(l.Map(), 0); there {
		k.wanted.Store(false)
		return nil
	}
	if level := l.options.Level(); level >= space.Warned {
		k.refuse(fmt.Sprintf("no blank tape is left and none is made: disk space is %s", level))
		return nil
	}
	if _, err := l.freeSlots(l.Map(), 1); err != nil {
		k.refuse("no blank tape is left and none can be made: " + err.Error())
		return nil
	}
	if _, err := l.createTapes(1, TapeSpec{}, EventBlankAdded); err != nil {
		k.refuse("no blank tape is left and none can be made: " + err.Error())
		return err
	}
	k.wanted.Store(false)
	k.refuse("")
	return nil
}

// refuse says once why there is no blank tape.
func (k *keeper) refuse(why string) {
	k.mutex.Lock()
	told := k.refused == why
	k.refused = why
	k.mutex.Unlock()
	if why != "" && !told {
		k.library.emit(Event{Kind: EventBlankRefused, Text: why})
	}
}

// changeTapes puts the tape in the drive back and loads the next blank one, in one
// commit. It does nothing while a host prevents removal, or when the tape has been
// moved in between. The caller has the arm.
func (l *Library) changeTapes(ctx context.Context, barcode string) error {
	was := l.Map()
	drive := was.Drive()
	if drive.Barcode != barcode || l.locked() {
		return nil
	}
	home := drive.Source
	if e, ok := was.At(home); !ok || e.Full() {
		if home, ok = was.FirstFree(slotmap.Storage); !ok {
			l.keeper.refuse(fmt.Sprintf("%s cannot be replaced: no slot is free for it", barcode))
			return nil
		}
	}
	blank, there := l.nextBlank(was, home)
	if !there {
		l.keeper.wanted.Store(true)
		if err := l.provideBlank(); err != nil {
			return err
		}
		was = l.Map()
		blank, there = l.nextBlank(was, home)
	}
	next, err := was.Move(drive.Address, home)
	if err == nil && there {
		next, err = next.Move(blank.Address, drive.Address)
	}
	if err == nil {
		err = l.apply(ctx, was, next)
	}
	if err != nil {
		return fmt.Errorf("replace %s: %w", barcode, err)
	}
	l.changed(true, false)
	if there {
		l.emit(Event{Kind: EventTapesChanged, Barcode: blank.Barcode, From: blank.Address, To: drive.Address,
			Text: fmt.Sprintf("%s is full and back in %s; %s is in the drive", barcode, home, blank.Barcode)})
	}
	return nil
}

// nextBlank returns the first blank tape in a slot after the given one, else the
// lowest. Held tapes do not count.
func (l *Library) nextBlank(m slotmap.Map, after slotmap.Address) (slotmap.Element, bool) {
	var lowest slotmap.Element
	for _, e := range m.Elements(slotmap.Storage) {
		if !e.Full() || !l.isBlank(e.Barcode) || l.checkHold(e.Barcode) != nil {
			continue
		}
		if e.Address > after {
			return e, true
		}
		if !lowest.Full() {
			lowest = e
		}
	}
	return lowest, lowest.Full()
}

// isBlank says whether a backup can go on with a tape. A WORM tape is for what a
// person chooses, a cleaning tape for nothing.
func (l *Library) isBlank(barcode string) bool {
	t, known := l.store.Tape(barcode)
	return known && t.Blank() && t.Medium == slotmap.DataMedium
}

// isLastBlank says whether a tape is blank and no other in a slot is.
func (l *Library) isLastBlank(barcode string) bool {
	if !l.isBlank(barcode) {
		return false
	}
	for _, e := range l.Map().Elements(slotmap.Storage) {
		if e.Full() && e.Barcode != barcode && l.isBlank(e.Barcode) {
			return false
		}
	}
	return true
}
