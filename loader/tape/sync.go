package tape

import (
	"errors"
	"fmt"
	"sync"
)

// Sync is Image.Sync for one partition.
func (im *partition) Sync() error {
	if err := im.closed(); err != nil {
		return err
	}
	if im.broken != nil {
		return im.broken
	}
	if !im.dirty() {
		return nil
	}
	if err := im.sync(); err != nil {
		return im.fail("sync", err)
	}
	return nil
}

// dirty says whether anything would be lost in a power cut now.
func (im *partition) dirty() bool {
	return im.unsynced || im.flushed < im.log.eod().object || im.trouble != nil
}

func (im *partition) sync() error {
	im.quiet()
	if err := im.trouble; err != nil {
		im.trouble = nil
		return err
	}
	if err := im.syncPayload(); err != nil {
		return err
	}
	if im.newState || im.flushed < im.log.eod().object || im.marked != im.log.durable {
		if err := im.flush(); err != nil {
			return err
		}
	}
	return im.syncIndex()
}

// quiet waits until the background is idle and remembers its failure.
func (im *partition) quiet() {
	if err := im.back.wait(); err != nil {
		im.trouble = fmt.Errorf("write back: %w", err)
		im.suspect, im.logSuspect = true, true
	}
}

func (im *partition) syncPayload() error {
	end := im.log.eod()
	if im.suspect {
		_, err := im.log.verify(im.payload, im.log.durable, end.object, func(off int64, p []byte) error {
			_, err := im.payload.WriteAt(p, off)
			return err
		})
		if err != nil {
			return err
		}
	}
	if im.suspect || end.offset > im.syncedTo {
		if err := im.payload.Sync(); err != nil {
			im.suspect = true
			return err
		}
	}
	im.suspect, im.syncedTo, im.log.durable = false, end.offset, end.object
	return nil
}

func (im *partition) syncIndex() error {
	if im.logSuspect {
		if err := im.rewriteLog(); err != nil {
			return err
		}
	}
	if err := im.index.Sync(); err != nil {
		im.logSuspect = true
		return err
	}
	im.logSuspect, im.log.synced, im.unsynced = false, im.log.end, false
	return nil
}

// rewriteLog writes the chunks again that may not have reached the disk.
func (im *partition) rewriteLog() error {
	b, err := im.log.chunks(im.log.synced, im.log.end)
	if err != nil {
		return err
	}
	_, err = im.index.WriteAt(b, im.log.synced)
	return err
}

// writeBack keeps the disk busy while the host writes, so that the flush at
// the end is short, and now and then makes a sync mark possible. Its goroutine
// starts with the first request and ends with stop. All methods but the
// goroutine's belong to the image's owner.
type writeBack struct {
	index, payload File
	requests       chan request
	idle           sync.WaitGroup // requests under way
	gone           sync.WaitGroup // the goroutine
	started        int64          // payload bytes handed to the disk
	synced         int64          // payload bytes at the last sync request

	mu   sync.Mutex
	err  error
	done uint64 // objects made durable
}

// request is a stretch of payload to start writing or, with objects, a wish
// to have everything up to there durable.
type request struct {
	off, n  int64
	objects uint64
}

// restart begins anew with other files; it must be idle.
func (w *writeBack) restart(index, payload File, offset int64) {
	w.index, w.payload, w.started, w.synced = index, payload, offset, offset
	w.mu.Lock()
	w.err, w.done = nil, 0
	w.mu.Unlock()
}

// advance tells how far the stream has come.
func (w *writeBack) advance(p mark) {
	switch {
	case p.offset-w.synced >= syncMarkBytes:
		if w.send(request{objects: p.object}) {
			w.synced, w.started = p.offset, p.offset
		}
	case p.offset-w.started >= writeBackStep:
		if w.send(request{off: w.started, n: p.offset - w.started}) {
			w.started = p.offset
		}
	}
}

// send hands a request over unless one waits already.
func (w *writeBack) send(r request) bool {
	if w.requests == nil {
		w.requests = make(chan request, 1)
		w.gone.Go(w.run)
	}
	w.idle.Add(1)
	select {
	case w.requests <- r:
		return true
	default:
		w.idle.Done()
		return false
	}
}

func (w *writeBack) run() {
	for r := range w.requests {
		err := w.serve(r)
		w.mu.Lock()
		w.err = errors.Join(w.err, err)
		if w.err == nil {
			w.done = max(w.done, r.objects)
		}
		w.mu.Unlock()
		w.idle.Done()
	}
}

func (w *writeBack) serve(r request) error {
	if r.objects > 0 {
		return errors.Join(w.payload.Sync(), w.index.Sync())
	}
	if f, ok := w.payload.(writebacker); ok {
		return f.WriteBack(r.off, r.n)
	}
	return w.payload.Sync()
}

// durable returns how many objects were made durable.
func (w *writeBack) durable() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// limit forgets what was made durable behind a cut.
func (w *writeBack) limit(at mark) {
	w.started, w.synced = min(w.started, at.offset), min(w.synced, at.offset)
	w.mu.Lock()
	w.done = min(w.done, at.object)
	w.mu.Unlock()
}

// wait waits until nothing is under way and returns, once, what went wrong.
func (w *writeBack) wait() error {
	w.idle.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.err
	w.err = nil
	return err
}

// stop ends the goroutine.
func (w *writeBack) stop() {
	if w.requests != nil {
		close(w.requests)
		w.gone.Wait()
		w.requests = nil
	}
}
