package spc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"virtualloader/driver/scsi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire is a Transport that remembers how its task ended.
type wire struct {
	once    atomic.Int32
	aborted atomic.Bool
	wake    chan struct{} // closed by Abort
	done    chan scsi.Outcome
	in      []byte // what SendDataIn brought
}

func newWire() *wire {
	return &wire{wake: make(chan struct{}), done: make(chan scsi.Outcome, 1)}
}

func (w *wire) ReceiveDataOut(int) ([]byte, error) { <-w.wake; return nil, scsi.ErrAborted }
func (w *wire) Buffer(n int) []byte                { return make([]byte, n) }
func (w *wire) SendDataIn(p []byte) error          { w.in = append(w.in, p...); return nil }

func (w *wire) Abort() {
	if w.aborted.CompareAndSwap(false, true) {
		close(w.wake)
	}
}

func (w *wire) Done(o scsi.Outcome) {
	if w.once.Add(1) != 1 {
		panic("Done twice")
	}
	w.done <- o
}

func newTask(n scsi.Nexus, tag uint32) (*scsi.Task, *wire) {
	w := newWire()
	return &scsi.Task{Nexus: n, Tag: tag, CDB: make([]byte, 16), Transport: w}, w
}

func run(f func()) {
	if f != nil {
		f()
	}
}

func byTag(tags ...uint32) func(scsi.Nexus, uint32) bool {
	return func(_ scsi.Nexus, tag uint32) bool { return slices.Contains(tags, tag) }
}

func TestTasksRunInOrderOfSubmitWithManySubmitters(t *testing.T) {
	var order []uint32 // appended to by one goroutine at a time: the race detector watches
	s := NewTaskSet(func(task *scsi.Task) (scsi.Outcome, func()) {
		order = append(order, task.Tag)
		return scsi.Outcome{}, nil
	})
	defer s.Close()
	const tasks, submitters = 1000, 8
	var turn sync.Mutex // numbers and submits as one act
	next := uint32(0)
	var wg sync.WaitGroup
	for i := range submitters {
		wg.Go(func() {
			for {
				turn.Lock()
				if next == tasks {
					turn.Unlock()
					return
				}
				task, w := newTask(scsi.Nexus(fmt.Sprint(i%3)), next)
				next++
				f := s.Submit(task)
				turn.Unlock()
				run(f)
				<-w.done
			}
		})
	}
	wg.Wait()
	if len(order) != tasks || !slices.IsSorted(order) {
		t.Fatalf("%d tasks ran, in order: %v", len(order), slices.IsSorted(order))
	}
}

func TestSubmitterDoesNotWorkForOthers(t *testing.T) {
	release := make(chan struct{})
	s := NewTaskSet(func(task *scsi.Task) (scsi.Outcome, func()) {
		if task.Tag == 2 {
			<-release
		}
		return scsi.Outcome{}, nil
	})
	defer s.Close()
	a, _ := newTask("a", 1)
	b, wb := newTask("b", 2)
	duty := s.Submit(a)
	if s.Submit(b) != nil {
		t.Fatal("two duties at once")
	}
	duty() // returns although b's task is still running
	close(release)
	<-wb.done
}

func TestSubmitterDoesNotWorkForOthersWhenItsOwnTaskIsGone(t *testing.T) {
	release := make(chan struct{})
	s := NewTaskSet(func(*scsi.Task) (scsi.Outcome, func()) {
		<-release
		return scsi.Outcome{}, nil
	})
	defer s.Close()
	a, _ := newTask("a", 1)
	b, wb := newTask("b", 2)
	duty := s.Submit(a)
	run(s.Submit(b))
	s.Abort(context.Background(), byTag(1))
	duty()
	close(release)
	<-wb.done
}

func TestAbortTakesQueuedTasksOutAndWaitsForTheRunningOne(t *testing.T) {
	started := make(chan struct{})
	var stopped atomic.Bool
	s := NewTaskSet(func(task *scsi.Task) (scsi.Outcome, func()) {
		close(started)
		_, err := task.ReceiveDataOut(1)
		time.Sleep(5 * time.Millisecond)
		stopped.Store(true)
		return scsi.OutcomeOf(err), nil
	})
	defer s.Close()
	running, w1 := newTask("a", 1)
	queued, w2 := newTask("a", 2)
	go s.Submit(running)()
	<-started
	run(s.Submit(queued))
	hit := s.Abort(context.Background(), byTag(1, 2))
	if len(hit) != 2 || !stopped.Load() {
		t.Errorf("Abort returned %v, running one stopped: %v", hit, stopped.Load())
	}
	if <-w1.done; !w1.aborted.Load() {
		t.Error("the running task was not told")
	}
	if o := <-w2.done; o.Status != scsi.TaskAborted || !w2.aborted.Load() {
		t.Errorf("queued task ended with %v", o)
	}
	if hit := s.Abort(context.Background(), byTag(1)); len(hit) != 0 {
		t.Error("a task that ended was aborted")
	}
}

func TestAbortDetachesWhatDoesNotStop(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	s := NewTaskSet(func(*scsi.Task) (scsi.Outcome, func()) {
		close(started)
		<-release
		return scsi.Outcome{}, nil
	})
	task, w := newTask("a", 1)
	go s.Submit(task)()
	<-started
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if hit := s.Abort(ctx, byTag(1)); len(hit) != 1 || !s.Detached() {
		t.Fatalf("hit %v, detached %v", hit, s.Detached())
	}
	close(release)
	<-w.done
	s.Close()
	if s.Detached() {
		t.Error("still detached after the task ended")
	}
}

func TestFullTaskSetSaysSo(t *testing.T) {
	s := NewTaskSet(func(*scsi.Task) (scsi.Outcome, func()) { return scsi.Outcome{}, nil })
	first, _ := newTask("a", 0)
	duty := s.Submit(first)
	for i := range uint32(QueueLimit - 1) {
		task, _ := newTask("a", i+1)
		if s.Submit(task) != nil {
			t.Fatal("a second duty")
		}
	}
	over, w := newTask("a", 999)
	run(s.Submit(over))
	if o := <-w.done; o.Status != scsi.TaskSetFull {
		t.Errorf("status %v", o.Status)
	}
	duty()
	s.Close()
	late, w := newTask("a", 1000)
	run(s.Submit(late))
	if o := <-w.done; o.Status != scsi.Busy {
		t.Errorf("after Close: status %v", o.Status)
	}
}

func TestDoRunsInItsTurnOrNever(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	s := NewTaskSet(func(*scsi.Task) (scsi.Outcome, func()) {
		close(started)
		<-release
		return scsi.Outcome{}, nil
	})
	task, _ := newTask("a", 1)
	go s.Submit(task)()
	<-started
	ctx, cancel := context.WithCancel(context.Background())
	called := make(chan error, 1)
	go func() { called <- s.Do(ctx, func() { t.Error("ran although its context had ended") }) }()
	cancel()
	if err := <-called; !errors.Is(err, context.Canceled) {
		t.Errorf("Do returned %v", err)
	}
	var ran bool
	go close(release)
	if err := s.Do(context.Background(), func() { ran = true }); err != nil || !ran {
		t.Errorf("Do: %v, ran %v", err, ran)
	}
	s.Close()
	if err := s.Do(context.Background(), func() {}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestDoAndAbortRace has many callers give up at random moments: what Do reports
// must be what happened, and nothing may hang.
func TestDoAndAbortRace(t *testing.T) {
	s := NewTaskSet(func(*scsi.Task) (scsi.Outcome, func()) { return scsi.Outcome{}, nil })
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for n := range 300 {
				switch random.IntN(4) {
				case 0:
					s.Abort(context.Background(), func(_ scsi.Nexus, tag uint32) bool { return tag%3 == 0 })
				case 1:
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(50))*time.Microsecond)
					var ran atomic.Bool
					if err := s.Do(ctx, func() { ran.Store(true) }); (err == nil) != ran.Load() {
						t.Errorf("Do returned %v, ran %v", err, ran.Load())
					}
					cancel()
				default:
					task, w := newTask(scsi.Nexus(fmt.Sprint(i)), uint32(n))
					run(s.Submit(task))
					<-w.done
				}
			}
		})
	}
	wg.Wait()
	s.Close()
}

func TestCloseEndsEverything(t *testing.T) {
	started := make(chan struct{})
	var once sync.Once
	s := NewTaskSet(func(task *scsi.Task) (scsi.Outcome, func()) {
		once.Do(func() { close(started) })
		_, err := task.ReceiveDataOut(1)
		return scsi.OutcomeOf(err), nil
	})
	var wires []*wire
	for i := range uint32(5) {
		task, w := newTask("a", i)
		wires = append(wires, w)
		if f := s.Submit(task); f != nil {
			go f()
		}
	}
	<-started
	s.Close()
	for i, w := range wires {
		select {
		case <-w.done:
		default:
			t.Errorf("task %d was left behind", i)
		}
	}
}

func TestContextEndsWithTheTaskAndWithItsAbort(t *testing.T) {
	contexts := make(chan context.Context, 1)
	var s *TaskSet
	s = NewTaskSet(func(task *scsi.Task) (scsi.Outcome, func()) {
		ctx := s.Context()
		contexts <- ctx
		if task.Tag == 1 {
			<-ctx.Done()
		}
		return scsi.Outcome{}, nil
	})
	defer s.Close()
	task, _ := newTask("a", 1)
	go s.Submit(task)()
	<-contexts
	s.Abort(context.Background(), byTag(1))
	task, w := newTask("a", 2)
	run(s.Submit(task))
	<-w.done
	if ctx := <-contexts; ctx.Err() == nil {
		t.Error("the context outlived its task")
	}
}

func BenchmarkSubmitOnAnIdleSet(b *testing.B) {
	s := NewTaskSet(func(*scsi.Task) (scsi.Outcome, func()) { return scsi.Outcome{}, nil })
	defer s.Close()
	task := &scsi.Task{Nexus: "a", CDB: make([]byte, 16), Transport: silent{}}
	b.ReportAllocs()
	for b.Loop() {
		s.Submit(task)()
	}
}

type silent struct{}

func (silent) ReceiveDataOut(int) ([]byte, error) { return nil, nil }
func (silent) Buffer(int) []byte                  { return nil }
func (silent) SendDataIn([]byte) error            { return nil }
func (silent) Abort()                             {}
func (silent) Done(scsi.Outcome)                  {}
