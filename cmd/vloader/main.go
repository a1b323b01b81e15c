// Command vloader is the command line of the virtual loader: everything that can
// be asked of the service, and the tools that work on tape files alone.
//
// One file per command group; app.go is what they share: the service's client,
// output as text or JSON, errors as two lines, exit codes (exit.go).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := (&app{in: os.Stdin, out: os.Stdout, err: os.Stderr, terminal: isTerminal(os.Stdin)}).run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// isTerminal reports whether a person can answer at f. The null device looks
// like one and answers with its end.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
