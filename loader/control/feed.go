package control

import (
	"context"
	"sync"
	"time"
)

// Feed keeps the latest events in a ring and lets any number of readers walk it
// by sequence number, each at its own pace. Publishing never waits for a reader.
// All methods may be called by many goroutines at once.
type Feed struct {
	mu     sync.Mutex
	ring   []Event       // the event with number n stands at n % len
	oldest uint64        // number of the oldest kept event
	last   uint64        // number of the newest, 0 before the first
	wake   chan struct{} // closed when the next event is there
}

// NewFeed returns a feed that keeps up to limit events, beginning with those of
// an earlier run: backlog ascends by sequence number. Later numbers go on from
// its last.
func NewFeed(limit int, backlog []Event) *Feed {
	f := &Feed{ring: make([]Event, max(limit, 1)), oldest: 1, wake: make(chan struct{})}
	for _, e := range backlog {
		if e.Sequence <= f.last {
			continue
		}
		if e.Sequence != f.last+1 {
			f.oldest = e.Sequence // a hole: what came before it is not kept
		}
		f.last = e.Sequence - 1
		f.append(e)
	}
	return f
}

// Publish gives e the next sequence number and, unless it has one, the time of
// day, and returns it so.
func (f *Feed) Publish(e Event) Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = time.Now().Round(time.Millisecond)
	}
	if e.Severity == "" {
		e.Severity = Info
	}
	e.Sequence = f.last + 1
	f.append(e)
	close(f.wake)
	f.wake = make(chan struct{})
	return e
}

func (f *Feed) append(e Event) {
	f.last++
	f.ring[f.last%uint64(len(f.ring))] = e
	if f.last-f.oldest >= uint64(len(f.ring)) {
		f.oldest = f.last - uint64(len(f.ring)) + 1
	}
}

// Last returns the number of the newest event, 0 when there was none.
func (f *Feed) Last() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// After returns the kept events after sequence number since, at most limit of
// them (0: all). When some of those were already dropped, or since is a number
// that was never given out, the first one is a gap. More is closed when there
// are further events to come back for.
func (f *Feed) After(since uint64, limit int) (events []Event, more <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := since + 1
	if since > f.last || (since > 0 && next < f.oldest) {
		gap := Event{Kind: GapKind, Severity: Warning, Sequence: f.oldest - 1, Time: time.Now().Round(time.Millisecond),
			Message: "events before this one are no longer kept; the status shows where things stand"}
		if since < f.oldest {
			gap.Lost = f.oldest - next
		}
		events = append(events, gap)
	}
	if next < f.oldest || since > f.last {
		next = f.oldest
	}
	for ; next <= f.last && (limit <= 0 || len(events) < limit); next++ {
		events = append(events, f.ring[next%uint64(len(f.ring))])
	}
	return events, f.wake
}

// followBatch is how many events a follower takes from the ring at a time.
const followBatch = 256

// Follow calls fn with every event after since as [Watcher] describes.
func (f *Feed) Follow(ctx context.Context, since uint64, fn func(Event) error) error {
	for {
		events, more := f.After(since, followBatch)
		for _, e := range events {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(e); err != nil {
				return err
			}
			since = e.Sequence
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-more:
		}
	}
}
