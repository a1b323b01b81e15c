package iscsi

import "sync"

// role says which goroutine may read a connection's socket. There is one role
// per connection and it is always in one of three states:
//
//	reading   a goroutine is at the socket: the loop that owns the role, or a
//	          task that pumps its data (ReceiveDataOut)
//	busy      the loop that owns the role executes a command; nobody reads.
//	          A task may borrow the role now, the watchdog may take it
//	vacant    the owner ended while a task had borrowed the role; who gives it
//	          back starts a new loop
//
// Loops are numbered, so that one whose role was taken notices it.
type role struct {
	mu     sync.Mutex
	owner  uint64 // number of the loop the role belongs to, 0: vacant
	last   uint64 // number of the youngest loop
	busy   bool
	since  int64 // clock when busy began
	closed bool
}

// start makes a new loop the owner and returns its number; 0 after close.
func (r *role) start() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0
	}
	r.last++
	r.owner, r.busy = r.last, false
	return r.owner
}

// enter is called by loop n before it executes a command.
func (r *role) enter(now int64) {
	r.mu.Lock()
	r.busy, r.since = true, now
	r.mu.Unlock()
}

// leave is called by loop n after the command; false means that the role is
// gone and the loop has to end.
func (r *role) leave(n uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.owner != n:
		return false
	case !r.busy:
		r.owner = 0
		return false
	}
	r.busy = false
	return true
}

// borrow lets a task read the socket if the owner is busy.
func (r *role) borrow() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.busy || r.closed {
		return false
	}
	r.busy = false
	return true
}

// giveBack ends a borrow; true means that the owner has ended meanwhile and the
// caller must start a loop.
func (r *role) giveBack(now int64) (vacant bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owner == 0 {
		return !r.closed
	}
	r.busy, r.since = true, now
	return false
}

// take lets the watchdog take the role from an owner that has been busy since
// before the deadline, and returns the new loop's number, 0 if there is no need.
func (r *role) take(deadline int64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.busy || r.closed || r.since > deadline {
		return 0
	}
	r.last++
	r.owner, r.busy = r.last, false
	return r.owner
}

// unattended reports whether nobody is at the socket.
func (r *role) unattended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.busy || r.owner == 0
}

// close makes every later start, borrow and take fail.
func (r *role) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
}
