package control

import (
	"context"
	"errors"
	"net/http"
)

// Code says to a program what kind of error it is.
type Code string

// Codes of errors.
const (
	Invalid     Code = "invalid"     // the request itself is wrong
	NotFound    Code = "not-found"   // no loader, tape or place of that name
	Exists      Code = "exists"      // there is one already
	InUse       Code = "in-use"      // loaded, locked, pinned, or held by another process
	Full        Code = "full"        // no free slot, no further loader, no room
	Denied      Code = "denied"      // this user, this folder, or this setting is not permitted
	Damaged     Code = "damaged"     // a file cannot be read as what it should be
	Offline     Code = "offline"     // the loader's folder cannot be served now
	Busy        Code = "busy"        // the drive did not come free in time
	Unreachable Code = "unreachable" // no service answers
	Internal    Code = "internal"    // anything else
)

// Error is an error as a person sees it and as it crosses the wire.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`        // what happened
	Hint    string `json:"hint,omitempty"` // what to do next

	cause error
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause on the side of the wire where the error arose.
func (e *Error) Unwrap() error { return e.cause }

// Because returns e with a cause for errors.Is and errors.As.
func (e *Error) Because(cause error) *Error { e.cause = cause; return e }

// AsError returns the *Error in err's chain, or makes one: of a context that
// ended it is Busy, of anything else Internal. nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return (&Error{Code: Busy, Message: "the operation was given up before its turn came: " + err.Error(),
			Hint: "try again when the drive is idle; `vloader status` shows what it does"}).Because(err)
	}
	return (&Error{Code: Internal, Message: err.Error(),
		Hint: "the service's log file says more"}).Because(err)
}

// CodeOf returns the code of err, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}

// httpStatus is each code's HTTP status; what is not here is 500.
var httpStatus = map[Code]int{
	Invalid:  http.StatusBadRequest,
	NotFound: http.StatusNotFound,
	Exists:   http.StatusConflict,
	InUse:    http.StatusLocked,
	Full:     http.StatusInsufficientStorage,
	Denied:   http.StatusForbidden,
	Damaged:  http.StatusUnprocessableEntity,
	Offline:  http.StatusServiceUnavailable,
	Busy:     http.StatusServiceUnavailable,
}
