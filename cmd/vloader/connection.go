package main

import (
	"fmt"
	"io"

	"virtualloader/loader/control"

	"github.com/spf13/cobra"
)

func (a *app) connectionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "connection LOADER", Short: "How a backup program reaches a loader, with lines to paste", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames(false),
		RunE: func(c *cobra.Command, args []string) error {
			connection, err := a.service().Connection(c.Context(), control.LoaderRef{Loader: args[0]})
			if err != nil {
				return err
			}
			answer := struct {
				control.Connection
				Commands control.Commands `json:"commands"`
			}{connection, connection.Commands()}
			return a.print(answer, func(w io.Writer) { printConnection(w, answer.Connection, answer.Commands) })
		},
	}
}

func printConnection(w io.Writer, c control.Connection, lines control.Commands) {
	fmt.Fprintf(w, "Address\t%s\n", c.Address)
	fmt.Fprintf(w, "Target\t%s\n", c.IQN)
	if c.Auth == control.AuthCHAP {
		fmt.Fprintf(w, "CHAP name\t%s\n", c.CHAPName)
		fmt.Fprintf(w, "CHAP secret\t%s\n", c.CHAPSecret)
	} else {
		fmt.Fprintf(w, "Login\twithout a secret, from this machine only\n")
	}
	fmt.Fprintf(w, "Tape drive\tLUN %d\n", c.DriveLUN)
	fmt.Fprintf(w, "Changer\tLUN %d\n", c.ChangerLUN)
	for _, block := range []struct {
		title string
		lines []string
	}{
		{"Linux (package open-iscsi):", lines.OpenISCSI},
		{"Windows (PowerShell as administrator):", lines.PowerShell},
		{"Windows (command prompt as administrator):", lines.ISCSICLI},
	} {
		fmt.Fprintf(w, "\n%s\n", block.title)
		for _, line := range block.lines {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
}
