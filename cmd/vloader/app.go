package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"virtualloader/loader/control"

	"github.com/spf13/cobra"
)

// app is one run of the command line.
type app struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // a person can answer on in

	path   string // of the control connection
	json   bool
	client *control.Client
	ran    bool // the command line was understood
}

// run carries out one command line and returns its exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	command, err := root.ExecuteContextC(ctx)
	if a.client != nil {
		a.client.Close()
	}
	if err != nil && !a.ran {
		err = usage(fmt.Sprintf("usage: %s (`%s --help` says more)", command.UseLine(), command.CommandPath()), "%v", err)
	}
	if err != nil {
		a.report(err)
	}
	return exitCode(err)
}

// report writes an error as two lines, what happened and what to do next, or as
// one JSON object.
func (a *app) report(err error) {
	e := explain(err)
	if a.json {
		b, _ := json.Marshal(map[string]*control.Error{"error": e})
		fmt.Fprintf(a.err, "%s\n", b)
		return
	}
	fmt.Fprintf(a.err, "vloader: %s\n", e.Message)
	if e.Hint != "" {
		fmt.Fprintf(a.err, "   next: %s\n", e.Hint)
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "vloader",
		Short:         "A folder on your disk that backup programs take for a tape library",
		Long:          "vloader asks the virtual loader service (vloaderd) and looks after tape files.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          group,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.path, "control", "", "where the service listens (default $"+control.PathVariable+", else the user's, else the system's)")
	flags.BoolVar(&a.json, "json", false, "print JSON")
	root.AddCommand(
		a.loaderCommands(), a.tapeCommands(), a.loadCommand(), a.unloadCommand(), a.moveCommand(),
		a.connectionCommand(), a.statusCommand(), a.eventsCommand(), a.traceCommand(), a.configCommands(), a.demoCommand(), a.versionCommand(),
		exitCodesTopic(),
	)
	a.watch(root)
	return root
}

// watch has every command note that its command line was understood: what goes
// wrong before is an error of usage.
func (a *app) watch(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			a.ran = true
			return run(c, args)
		}
	}
	for _, below := range c.Commands() {
		a.watch(below)
	}
}

// group is what a command does that only has commands below it.
func group(c *cobra.Command, _ []string) error {
	if err := c.Help(); err != nil {
		return err
	}
	return usage("choose one of the commands above", "`%s` alone does nothing", c.CommandPath())
}

// groupCommand returns a command for the commands below it.
func groupCommand(name, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs, RunE: group}
	c.AddCommand(commands...)
	return c
}

// service returns the service this run speaks to.
func (a *app) service() *control.Client {
	if a.client == nil {
		path := a.path
		if path == "" {
			path = control.DefaultPath()
		}
		a.client = control.NewClient(path)
	}
	return a.client
}

// print writes v as JSON or, through text, for a person. Columns are separated
// by tabs.
func (a *app) print(v any, text func(w io.Writer)) error {
	if a.json {
		encoder := json.NewEncoder(a.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(v)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	text(w)
	return w.Flush()
}

// warn writes the service's warnings for a person; JSON has them in its answer.
func (a *app) warn(warnings []string) {
	if a.json {
		return
	}
	for _, w := range warnings {
		fmt.Fprintf(a.err, "warning: %s\n", w)
	}
}

// confirm has a person say yes to what cannot be undone, unless yes says so
// already.
func (a *app) confirm(yes bool, format string, args ...any) error {
	if yes {
		return nil
	}
	question := fmt.Sprintf(format, args...)
	if a.terminal {
		fmt.Fprintf(a.err, "%s\nGo on? [y/N] ", question)
		answer, err := bufio.NewReader(a.in).ReadString('\n')
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
			return nil
		}
		if answer != "" || err == nil { // the null device looks like a terminal and says nothing
			return &control.Error{Code: control.Denied, Message: "not confirmed; nothing was changed", Hint: "answer y, or give --yes"}
		}
	}
	return usage("say --yes if that is meant", "%s Nobody is there to ask.", question)
}

// yesFlag adds --yes to a command that destroys something.
func yesFlag(c *cobra.Command) *bool {
	return c.Flags().BoolP("yes", "y", false, "do not ask")
}

// completeNames completes the first argument with the loaders' names and
// those after it, if tapes is set, with that loader's barcodes.
func (a *app) completeNames(tapes bool) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		ctx := c.Context()
		switch {
		case len(args) == 0:
			loaders, _ := a.service().Loaders(ctx)
			for _, l := range loaders {
				names = append(names, l.Name)
			}
		case tapes:
			list, _ := a.service().Tapes(ctx, control.LoaderRef{Loader: args[0]})
			for _, t := range list {
				names = append(names, t.Barcode)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
