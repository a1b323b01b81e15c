package main

import (
	"fmt"
	"io"

	"virtualloader/loader/control"

	"github.com/spf13/cobra"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "What is going on", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.service().Status(c.Context())
			if err != nil {
				return err
			}
			return a.print(s, func(w io.Writer) { printStatus(w, s) })
		},
	}
}

func printStatus(w io.Writer, s control.Status) {
	fmt.Fprintf(w, "Service %s, up since %s, iSCSI on %s\n", s.Version, timeWords(s.Started), s.ISCSI)
	if len(s.Loaders) == 0 {
		fmt.Fprintln(w, "There is no loader yet. Make one: vloader loader create NAME --folder DIR")
	}
	for _, l := range s.Loaders {
		fmt.Fprintf(w, "\n%s\t%s\n", l.Name, l.Folder)
		if l.State != control.StateOnline {
			fmt.Fprintf(w, "  %s\t%s\n", l.State, l.Reason)
			continue
		}
		fmt.Fprintf(w, "  Drive\t%s\n", driveWords(l.Drive))
		fmt.Fprintf(w, "  Tapes\t%s\n", tapeWords(l.Tapes))
		fmt.Fprintf(w, "  Disk\t%s\n", diskWords(l.Disk))
		for _, h := range l.Sessions {
			fmt.Fprintf(w, "  Host\t%s at %s since %s\n", h.Initiator, h.Address, timeWords(h.Since))
		}
	}
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "The version of this program", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.print(map[string]string{"version": control.Version}, func(w io.Writer) {
				fmt.Fprintf(w, "vloader %s\n", control.Version)
			})
		},
	}
}
