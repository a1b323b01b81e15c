package main

import (
	"fmt"
	"io"

	"virtualloader/loader/control"

	"github.com/spf13/cobra"
)

func (a *app) loadCommand() *cobra.Command {
	var slot int
	c := &cobra.Command{
		Use:   "load LOADER [BARCODE | --slot N]",
		Short: "Put a tape into the drive",
		Long: `Put a tape into the drive: the one named, the one in slot N or, without either,
the first blank one. A tape that is in the drive goes back first.`,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeNames(true),
		RunE: func(c *cobra.Command, args []string) error {
			r := control.LoadRequest{Loader: args[0], Slot: slot}
			if err := tapeOrSlot(c, args, &r.Barcode); err != nil {
				return err
			}
			moved, err := a.service().Load(c.Context(), r)
			return a.printMove(moved, err)
		},
	}
	c.Flags().IntVar(&slot, "slot", 0, "the slot to take the tape from, 1 is the first")
	return c
}

func (a *app) unloadCommand() *cobra.Command {
	var slot int
	c := &cobra.Command{
		Use:   "unload LOADER [BARCODE | --slot N]",
		Short: "Put the drive's tape into a slot",
		Long: `Put the tape in the drive back into the slot it came from, or into slot N. A
BARCODE is a check: another tape in the drive is refused.`,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeNames(true),
		RunE: func(c *cobra.Command, args []string) error {
			r := control.UnloadRequest{Loader: args[0], Slot: slot}
			if err := tapeOrSlot(c, args, &r.Barcode); err != nil {
				return err
			}
			moved, err := a.service().Unload(c.Context(), r)
			return a.printMove(moved, err)
		},
	}
	c.Flags().IntVar(&slot, "slot", 0, "the slot to put the tape into, 1 is the first")
	return c
}

// tapeOrSlot reads the choice between a barcode and --slot.
func tapeOrSlot(c *cobra.Command, args []string, barcode *string) error {
	slot := c.Flags().Changed("slot")
	if n, _ := c.Flags().GetInt("slot"); slot && n < 1 {
		return usage("slots are counted from 1", "there is no slot %d", n)
	}
	if len(args) < 2 {
		return nil
	}
	if slot {
		return usage("give one of the two", "a barcode and --slot do not go together")
	}
	*barcode = args[1]
	return nil
}

func (a *app) moveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "move LOADER FROM TO",
		Short: "Move a tape between places",
		Long:  `Move a tape. Places are "slot 12" (or just 12), "station 2" and "drive".`,
		Args:  cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) (err error) {
			r := control.MoveRequest{Loader: args[0]}
			if r.From, err = control.ParsePlace(args[1]); err != nil {
				return err
			}
			if r.To, err = control.ParsePlace(args[2]); err != nil {
				return err
			}
			moved, err := a.service().Move(c.Context(), r)
			return a.printMove(moved, err)
		},
	}
}

func (a *app) printMove(m control.Moved, err error) error {
	if err != nil {
		return err
	}
	return a.print(m, func(w io.Writer) { fmt.Fprintf(w, "%s: %s -> %s\n", m.Barcode, m.From, m.To) })
}
