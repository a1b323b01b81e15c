package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"virtualloader/loader/control"

	"github.com/spf13/cobra"
)

func (a *app) traceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "trace LOADER",
		Short: "Every SCSI command that backup programs send, as it ends",
		Long: `Show every SCSI command that reaches a loader from now on, until Ctrl-C: when it
came, how long it took, from whom, what it asks in words, how it ended, and how
many bytes went which way. Logical unit 0 is the drive, 1 the changer. With --json
every command is one line. A loader that nobody traces pays nothing for it.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames(false),
		RunE: func(c *cobra.Command, args []string) error {
			err := a.service().Trace(c.Context(), control.LoaderRef{Loader: args[0]}, a.printTraced)
			if errors.Is(err, context.Canceled) {
				return nil // Ctrl-C is how tracing ends
			}
			return err
		},
	}
}

func (a *app) printTraced(c control.TracedCommand) error {
	if a.json {
		return json.NewEncoder(a.out).Encode(c)
	}
	switch c.Kind {
	case control.TraceBegan:
		_, err := fmt.Fprintln(a.err, "tracing; Ctrl-C ends it")
		return err
	case control.GapKind:
		_, err := fmt.Fprintf(a.out, "%s came too fast and cannot be shown\n", count(int(c.Lost), "command"))
		return err
	}
	_, err := fmt.Fprintf(a.out, "%s  %8s  %d  %s: %s%s; %s\n", c.Time.Local().Format("15:04:05.000"), c.Nanoseconds.Round(time.Microsecond),
		c.LUN, c.Command, endWords(c), bytesWords(c), c.Initiator)
	return err
}

// bytesWords says what was transferred, if anything.
func bytesWords(c control.TracedCommand) string {
	text := ""
	if c.DataOutBytes > 0 {
		text += fmt.Sprintf(", %d bytes from the host", c.DataOutBytes)
	}
	if c.DataInBytes > 0 {
		text += fmt.Sprintf(", %d bytes to the host", c.DataInBytes)
	}
	return text
}

func endWords(c control.TracedCommand) string {
	switch {
	case c.Status == "":
		return "aborted"
	case c.Sense != "":
		return c.Sense
	}
	return c.Status
}
