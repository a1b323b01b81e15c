package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"virtualloader/loader/control"

	"github.com/spf13/cobra"
)

func (a *app) eventsCommand() *cobra.Command {
	var follow bool
	var since uint64
	c := &cobra.Command{
		Use:   "events",
		Short: "What happened, and with --follow what happens",
		Long: `List the events that are still kept. With --follow, wait for further ones, also
across restarts of the service, until Ctrl-C; without --since that begins now.
With --json every event is one line.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			if !follow {
				page, err := a.service().Events(ctx, control.EventsRequest{Since: since})
				if err != nil {
					return err
				}
				for _, e := range page.Events {
					if err := a.printEvent(e); err != nil {
						return err
					}
				}
				return nil
			}
			if !c.Flags().Changed("since") {
				status, err := a.service().Status(ctx)
				if err != nil {
					return err
				}
				since = status.Sequence
			}
			return a.follow(ctx, since)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until Ctrl-C")
	c.Flags().Uint64Var(&since, "since", 0, "begin after the event with this number")
	return c
}

func (a *app) follow(ctx context.Context, since uint64) error {
	err := a.service().FollowAlways(ctx, since, a.printEvent, func(err error) {
		if err != nil {
			fmt.Fprintf(a.err, "vloader: %v; waiting for it to come back\n", err)
		}
	})
	if errors.Is(err, context.Canceled) {
		return nil // Ctrl-C is how following ends
	}
	return err
}

func (a *app) printEvent(e control.Event) error {
	if a.json {
		return json.NewEncoder(a.out).Encode(e)
	}
	mark := ""
	if e.Severity != control.Info {
		mark = strings.ToUpper(string(e.Severity)) + " "
	}
	where := e.Loader
	if where != "" {
		where += ": "
	}
	_, err := fmt.Fprintf(a.out, "%6d  %s  %s%s%s\n", e.Sequence, e.Time.Local().Format(time.DateTime), mark, where, e.Message)
	return err
}
