package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Limits of one message on the wire, in bytes. The longest answer is a thousand
// tapes of some 500 bytes.
const (
	maxRequestBytes = 1 << 20
	maxAnswerBytes  = 64 << 20
)

// operation carries out one request against a Service: body in, answer out.
type operation func(ctx context.Context, s Service, body io.Reader) (any, error)

// operations is every operation by its name on the wire, but Follow and Trace,
// which are streams.
var operations = map[string]operation{
	"status": ask(Service.Status),
	"events": call(Service.Events),

	"loaders":           ask(Service.Loaders),
	"loader":            call(Service.Loader),
	"loader/create":     call(Service.CreateLoader),
	"loader/delete":     call(Service.DeleteLoader),
	"loader/inventory":  call(Service.Inventory),
	"loader/connection": call(Service.Connection),
	"loader/elements":   call(Service.Elements),

	"tapes":        call(Service.Tapes),
	"tape":         call(Service.Tape),
	"tape/create":  call(Service.CreateTapes),
	"tape/delete":  order(Service.DeleteTape),
	"tape/erase":   order(Service.EraseTape),
	"tape/import":  call(Service.ImportTapes),
	"tape/export":  order(Service.ExportTape),
	"tape/protect": order(Service.ProtectTape),

	"load":   call(Service.Load),
	"unload": call(Service.Unload),
	"move":   call(Service.Move),

	"settings":        ask(Service.Settings),
	"settings/change": call(Service.ChangeSettings),
}

// call makes an operation of a method with a request and an answer.
func call[Request, Answer any](method func(Service, context.Context, Request) (Answer, error)) operation {
	return func(ctx context.Context, s Service, body io.Reader) (any, error) {
		var r Request
		if err := decode(body, &r); err != nil {
			return nil, err
		}
		return method(s, ctx, r)
	}
}

// ask makes an operation of a method without a request.
func ask[Answer any](method func(Service, context.Context) (Answer, error)) operation {
	return func(ctx context.Context, s Service, body io.Reader) (any, error) {
		var none struct{}
		if err := decode(body, &none); err != nil {
			return nil, err
		}
		return method(s, ctx)
	}
}

// order makes an operation of a method without an answer.
func order[Request any](method func(Service, context.Context, Request) error) operation {
	return func(ctx context.Context, s Service, body io.Reader) (any, error) {
		var r Request
		if err := decode(body, &r); err != nil {
			return nil, err
		}
		return struct{}{}, method(s, ctx, r)
	}
}

// decode reads one JSON value of at most maxRequestBytes into v; an empty body
// leaves v as it is.
func decode(body io.Reader, v any) error {
	b, err := io.ReadAll(io.LimitReader(body, maxRequestBytes+1))
	switch {
	case err != nil:
		return (&Error{Code: Invalid, Message: "the request broke off: " + err.Error(), Hint: "send it again"}).Because(err)
	case len(b) > maxRequestBytes:
		return &Error{Code: Invalid, Message: fmt.Sprintf("the request is longer than %d bytes", maxRequestBytes), Hint: "split it"}
	case len(bytes.TrimSpace(b)) == 0:
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err = d.Decode(v)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("more than one JSON value")
		}
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	if err != nil {
		return (&Error{Code: Invalid, Message: "the request cannot be understood: " + err.Error(),
			Hint: "use a client of the service's own version"}).Because(err)
	}
	return nil
}
