// Command vloaderd is the virtual loader service: `vloaderd run` in front of a
// terminal or a script, and install, start, stop, status and uninstall for the
// system's service manager. Everything it does is in loader/service.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"virtualloader/loader/service"

	manager "github.com/kardianos/service"
)

// Exit codes; those of status are the ones init scripts use.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitNotRunning   = 3
	exitNotInstalled = 4
)

const usageText = `vloaderd is the virtual loader service.

  vloaderd run [flags]              run in the foreground until Ctrl-C or SIGTERM
  vloaderd install [flags]          have the system start it, with these flags
  vloaderd start|stop|status        what the words say; status ends with 0 when it
                                    runs, 3 when not, 4 when it is not installed
  vloaderd uninstall                undo install; state and backup folders stay

Flags:
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are the flags of every command.
type options struct {
	service.Options
	user bool
}

func run(args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("vloaderd", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.StateFolder, "state", "", "folder of configuration and log `DIR` (default: the user's state folder)")
	flags.StringVar(&o.ISCSI, "iscsi", "", "iSCSI address `ADDR:PORT`; port auto takes a free one (default 127.0.0.1:auto)")
	flags.StringVar(&o.Control, "control", "", "control socket `PATH`, on Windows a pipe (default: $VLOADER_CONTROL, else in the user's runtime folder)")
	flags.StringVar(&o.Group, "group", "", "group `NAME` whose members may use the control socket too")
	flags.BoolVar(&o.Verbose, "verbose", false, "log more")
	flags.BoolVar(&o.user, "user", false, "the user's own service instead of the system's")
	flags.BoolVar(&o.System, "system", false, "use the system's folders (set by install)")
	flags.Usage = func() { fmt.Fprint(stderr, usageText); flags.PrintDefaults() }

	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		flags.Usage()
		if len(args) == 1 && strings.Trim(args[0], "-") == "help" || len(args) == 1 && args[0] == "-h" {
			return exitDone
		}
		return exitUsage
	}
	command, known := commands[args[0]]
	if !known {
		fmt.Fprintf(stderr, "vloaderd: no command is called %q\n   next: `vloaderd --help` lists them\n", args[0])
		return exitUsage
	}
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return exitDone
	} else if err != nil {
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "vloaderd: %q is one word too many\n   next: `vloaderd --help` shows the flags\n", flags.Arg(0))
		return exitUsage
	}
	o.Log = stderr
	o.Ready = func(r service.Ready) {
		fmt.Fprintf(stdout, "vloaderd ready: iscsi %s control %s state %s\n", r.ISCSI, r.Control, r.StateFolder)
	}
	code, err := command(o, stdout)
	if err != nil {
		fmt.Fprintln(stderr, service.Words("vloaderd", err))
	}
	return code
}

// commands are the words after vloaderd.
var commands = map[string]func(options, io.Writer) (int, error){
	"run":       runCommand,
	"install":   installCommand,
	"uninstall": managed(manager.Service.Uninstall),
	"start":     managed(manager.Service.Start),
	"stop":      managed(manager.Service.Stop),
	"status":    statusCommand,
}

// runCommand runs the service itself: under the service manager by its rules,
// otherwise until a signal comes. A second signal ends it at once.
func runCommand(o options, _ io.Writer) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	var err error
	if manager.Interactive() {
		err = service.Run(ctx, o.Options)
	} else {
		err = runManaged(ctx, o)
	}
	if err != nil {
		return exitFailed, err
	}
	return exitDone, nil
}
