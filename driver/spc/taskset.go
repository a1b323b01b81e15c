package spc

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"virtualloader/driver/scsi"
)

// QueueLimit is how many tasks may wait in a TaskSet; one more is answered with
// TASK SET FULL.
const QueueLimit = 64

// ErrClosed is what Do returns once the task set is closed.
var ErrClosed = errors.New("logical unit is shut down")

// Executor executes one task and says how it ended. The second result, if any,
// is called once after the task has been answered, before the next one starts.
type Executor func(t *scsi.Task) (outcome scsi.Outcome, after func())

// TaskSet is the queue of one logical unit (SAM-5 clause 8): tasks are executed
// one at a time, strictly in the order of Submit, whatever their attribute says.
//
// It has no goroutine while it is idle. Whoever submits to an idle set receives
// the duty to run it, so a task needs no hand-over; as soon as a task of another
// nexus stands at the head, a goroutine of the set takes the duty over, so that
// no connection is ever kept busy with the commands of its neighbour.
//
// All methods may be called from any goroutine, but Do and Close not by the task
// that is executing, and Abort by it only when it does not match itself.
type TaskSet struct {
	execute Executor
	run     func()

	mu       sync.Mutex
	stopped  *sync.Cond // signals each end of a running entry
	queue    []entry
	head     int
	tasks    int        // tasks (not calls) in queue
	busy     bool       // somebody has the duty to run
	duty     scsi.Nexus // whose submitter it is, unless a goroutine of the set
	running  entry
	ending   bool // running has its outcome; too late to abort it
	aborting int  // calls of running's Abort that have not returned
	sequence uint64
	cancel   context.CancelFunc
	closed   bool

	aborted  atomic.Bool // running was told to stop
	detached atomic.Bool // an Abort gave up waiting for running
	wg       sync.WaitGroup
}

// entry is a task or a call in the queue. It repeats the task's names, because
// the task is the transport's again once it has been answered.
type entry struct {
	task  *scsi.Task
	call  *call
	nexus scsi.Nexus
	tag   uint32
}

type call struct {
	f       func()
	claimed atomic.Bool
	done    chan struct{}
}

// NewTaskSet returns an idle, empty task set.
func NewTaskSet(execute Executor) *TaskSet {
	s := &TaskSet{execute: execute}
	s.stopped = sync.NewCond(&s.mu)
	s.run = func() { s.drain(false) }
	return s
}

// Submit puts t at the end of the queue. A run that is not nil must be called
// exactly once, by the caller or in a goroutine: it executes t, and whatever
// else of the same nexus has arrived by then. Submit itself never blocks.
func (s *TaskSet) Submit(t *scsi.Task) (run func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return func() { t.Done(scsi.Outcome{Status: scsi.Busy}) }
	}
	if s.tasks >= QueueLimit {
		return func() { t.Done(scsi.Outcome{Status: scsi.TaskSetFull}) }
	}
	s.tasks++
	if s.push(entry{task: t, nexus: t.Nexus, tag: t.Tag}) {
		s.duty = t.Nexus
		return s.run
	}
	return nil
}

// Do calls f when its turn among the tasks has come and returns when f has
// returned. If ctx ends before that turn, f is never called and Do returns the
// context's error; ErrClosed after Close.
func (s *TaskSet) Do(ctx context.Context, f func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &call{f: f, done: make(chan struct{})}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	if s.push(entry{call: c}) {
		s.wg.Go(func() { s.drain(true) })
	}
	s.mu.Unlock()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		if c.claimed.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-c.done
		return nil
	}
}

// push queues e and reports whether the caller must see to it that the set runs.
func (s *TaskSet) push(e entry) bool {
	if s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	} else if s.head > QueueLimit {
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue, s.head = s.queue[:n], 0
	}
	s.queue = append(s.queue, e)
	duty := !s.busy
	s.busy = true
	return duty
}

// pop makes the next entry the running one; ok is false when nothing waits, and
// then the duty to run is over.
func (s *TaskSet) pop() (e entry, ok bool) {
	if s.head == len(s.queue) {
		s.busy = false
		s.stopped.Broadcast()
		return e, false
	}
	e = s.queue[s.head]
	s.queue[s.head] = entry{}
	s.head++
	if e.task != nil {
		s.tasks--
	}
	s.running, s.ending = e, false
	s.sequence++
	s.aborted.Store(false)
	return e, true
}

// drain executes what is queued. Unless it runs in a goroutine of the set, it
// leaves what is not of its own nexus to such a goroutine.
func (s *TaskSet) drain(own bool) {
	s.mu.Lock()
	for own || !s.foreign() {
		e, ok := s.pop()
		if !ok {
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		s.perform(e)
		s.mu.Lock()
		s.running = entry{}
		s.detached.Store(false)
		s.stopped.Broadcast()
	}
	s.wg.Go(func() { s.drain(true) })
	s.mu.Unlock()
}

// foreign says whether the next entry is not a task of the nexus on duty.
func (s *TaskSet) foreign() bool {
	if s.head == len(s.queue) {
		return false
	}
	next := &s.queue[s.head]
	return next.task == nil || next.nexus != s.duty
}

func (s *TaskSet) perform(e entry) {
	if c := e.call; c != nil {
		if c.claimed.CompareAndSwap(false, true) {
			c.f()
			close(c.done)
		}
		return
	}
	outcome, after := s.execute(e.task)
	s.mu.Lock()
	for s.aborting > 0 {
		s.stopped.Wait()
	}
	s.ending = true
	cancel := s.cancel
	s.cancel = nil
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	e.task.Done(outcome)
	if after != nil {
		s.letGo()
		after()
	}
}

// letGo ends the running task, which was answered, before what follows it: no
// Abort waits for that.
func (s *TaskSet) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = entry{}
	s.stopped.Broadcast()
}

// Context returns a context for the running task that ends when the task is
// aborted or has ended. Only the Executor may call it.
func (s *TaskSet) Context() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if previous := s.cancel; previous != nil {
		s.cancel = func() { previous(); cancel() }
	} else {
		s.cancel = cancel
	}
	if s.aborted.Load() {
		cancel()
	}
	return ctx
}

// Aborted says whether the running task was told to stop; long loops in an
// Executor look at it. It costs one atomic load.
func (s *TaskSet) Aborted() bool { return s.aborted.Load() }

// Detached says that a running task was aborted and did not stop in time: the
// initiator believes it gone.
func (s *TaskSet) Detached() bool { return s.detached.Load() }

// Abort ends every task that match names: queued ones never start, the running
// one is told to stop. Neither is answered (TAS = 0). Abort returns when the
// running one has stopped, or when ctx ends; then that task is detached: it will
// not be answered either, but still holds the unit. The result names the nexuses
// whose tasks were aborted, one entry a task.
func (s *TaskSet) Abort(ctx context.Context, match func(n scsi.Nexus, tag uint32) bool) []scsi.Nexus {
	s.mu.Lock()
	var hit []scsi.Nexus
	gone := s.remove(func(e entry) bool { return match(e.nexus, e.tag) })
	for _, e := range gone {
		hit = append(hit, e.nexus)
	}
	wait := s.running.task != nil && match(s.running.nexus, s.running.tag)
	sequence := s.sequence
	if wait && !s.ending {
		hit = append(hit, s.running.nexus)
		s.stopRunning()
	}
	s.mu.Unlock()
	finish(gone)
	if wait {
		s.await(ctx, sequence)
	}
	return hit
}

// remove takes the waiting tasks that match names out of the queue.
func (s *TaskSet) remove(match func(entry) bool) (gone []entry) {
	keep := s.queue[s.head:s.head]
	for _, e := range s.queue[s.head:] {
		if e.task != nil && match(e) {
			gone = append(gone, e)
			s.tasks--
			continue
		}
		keep = append(keep, e)
	}
	clear(s.queue[s.head+len(keep):])
	s.queue = s.queue[:s.head+len(keep)]
	return gone
}

// stopRunning is called with the lock held and gives it up while the transport
// is told; until that has returned the task is not answered, so that its memory
// cannot be in use again.
func (s *TaskSet) stopRunning() {
	task, cancel := s.running.task, s.cancel
	s.aborted.Store(true)
	s.aborting++
	s.mu.Unlock()
	task.Abort()
	if cancel != nil {
		cancel()
	}
	s.mu.Lock()
	s.aborting--
	s.stopped.Broadcast()
}

// finish tells the transports of tasks that never ran that they are over.
func finish(gone []entry) {
	for _, e := range gone {
		e.task.Abort()
		e.task.Done(scsi.Outcome{Status: scsi.TaskAborted})
	}
}

// await returns when the entry numbered sequence no longer runs, or marks it
// detached when ctx ends first.
func (s *TaskSet) await(ctx context.Context, sequence uint64) {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stopped.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.sequence == sequence && s.running.task != nil {
		if ctx.Err() != nil {
			s.detached.Store(true)
			return
		}
		s.stopped.Wait()
	}
}

// Close aborts all tasks, lets calls of Do that wait fail with ErrClosed or run,
// and returns when nothing runs any more. Tasks submitted later are BUSY.
func (s *TaskSet) Close() {
	s.mu.Lock()
	s.closed = true
	gone := s.remove(func(entry) bool { return true })
	if s.running.task != nil && !s.ending {
		s.stopRunning()
	}
	s.mu.Unlock()
	finish(gone)
	s.mu.Lock()
	for s.busy {
		s.stopped.Wait()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
