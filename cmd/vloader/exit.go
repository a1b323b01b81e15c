package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"virtualloader/loader/control"
	"virtualloader/loader/tape"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitNotFound    = 4
	exitRefused     = 5
	exitDamaged     = 6
	exitInterrupted = 130
)

// exitCodes explains every code, in the order of the help text.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitDone, "done"},
	{exitFailed, "failed for a reason that has no code of its own"},
	{exitUsage, "the command line or a value in it is wrong; nothing was changed"},
	{exitUnreachable, "no service answers"},
	{exitNotFound, "no such loader, tape or place"},
	{exitRefused, "refused as things stand: in use, exists already, full, not permitted, busy, offline"},
	{exitDamaged, "a tape, slot map or configuration is damaged"},
	{exitInterrupted, "interrupted (Ctrl-C)"},
}

// exitOf is the exit code of each error code; what is not here is exitFailed.
var exitOf = map[control.Code]int{
	control.Invalid:     exitUsage,
	control.Unreachable: exitUnreachable,
	control.NotFound:    exitNotFound,
	control.Exists:      exitRefused,
	control.InUse:       exitRefused,
	control.Full:        exitRefused,
	control.Denied:      exitRefused,
	control.Busy:        exitRefused,
	control.Offline:     exitRefused,
	control.Damaged:     exitDamaged,
}

// tapeErrors says what each error of the tape tools means to a person.
var tapeErrors = []struct {
	is   error
	code control.Code
	hint string
}{
	{tape.ErrNotExist, control.NotFound, "look for the files BARCODE.tape and BARCODE.index in the folder"},
	{tape.ErrInUse, control.InUse, "unload the tape, or stop the service that has it loaded"},
	{tape.ErrPinned, control.InUse, "wait until the copy of this tape has ended"},
	{tape.ErrBarcode, control.Invalid, "letters, digits, - and _, at most 32 of them"},
	{tape.ErrFormat, control.Denied, "use the newer version that wrote the tape"},
	{tape.ErrIndexLost, control.Damaged, "`vloader tape mend --block-length N` rebuilds a tape of equal records"},
	{tape.ErrDamaged, control.Damaged, "`vloader tape mend` repairs what can be repaired"},
	{tape.ErrCorrupt, control.Damaged, "`vloader tape check` lists every damaged record"},
	{tape.ErrPartition, control.Invalid, "most tapes have partition 0 only"},
	{tape.ErrNoKey, control.Denied, "give the key with `vloader tape cat --key-file FILE`"},
	{tape.ErrWrongKey, control.Denied, "give the key the record was written with"},
	{tape.ErrReadOnly, control.Denied, "clear the write protection with `vloader tape protect --off`"},
}

// explain returns err as a person should see it.
func explain(err error) *control.Error {
	var known *control.Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return (&control.Error{Code: control.Internal, Message: "interrupted", Hint: "the service finishes what it had begun; `vloader status` shows it"}).Because(err)
	}
	for _, t := range tapeErrors {
		if errors.Is(err, t.is) {
			return (&control.Error{Code: t.code, Message: err.Error(), Hint: t.hint}).Because(err)
		}
	}
	return (&control.Error{Code: control.Internal, Message: err.Error()}).Because(err)
}

func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	if code, ok := exitOf[explain(err).Code]; ok {
		return code
	}
	return exitFailed
}

// usage is an error in the command line.
func usage(hint, format string, args ...any) error {
	return &control.Error{Code: control.Invalid, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// exitCodesTopic is `vloader help exit-codes`.
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("vloader ends with one of these exit codes:\n\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.meaning)
	}
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: b.String()}
}
