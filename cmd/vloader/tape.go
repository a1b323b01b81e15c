package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"virtualloader/loader/control"

	"github.com/spf13/cobra"
)

func (a *app) tapeCommands() *cobra.Command {
	return groupCommand("tape", "Tapes of a loader, and tape files by themselves",
		a.tapeCreate(), a.tapeList(), a.tapeInfo(), a.tapeDelete(), a.tapeErase(), a.tapeImport(), a.tapeExport(), a.tapeProtect(),
		a.tapeCheck(), a.tapeMend(), a.tapeDump(), a.tapeCat())
}

func (a *app) tapeCreate() *cobra.Command {
	var number int
	var capacity string
	var worm bool
	c := &cobra.Command{
		Use:   "create LOADER [BARCODE...]",
		Short: "Make blank tapes",
		Long:  "Make blank tapes with the given barcodes or, without any, with the next ones of the loader's family.",
		Args:  cobra.MinimumNArgs(1), ValidArgsFunction: a.completeNames(false),
		RunE: func(c *cobra.Command, args []string) error {
			r := control.NewTapes{Loader: args[0], Count: number, WORM: worm}
			if capacity != "" {
				var err error
				if r.CapacityBytes, err = control.ParseBytes(capacity); err != nil {
					return err
				}
			}
			if number < 1 {
				return usage("give 1 or more", "--count %d makes no sense", number)
			}
			if len(args) > 1 && c.Flags().Changed("count") {
				return usage("leave --count out", "barcodes and --count do not go together")
			}
			made := control.CreatedTapes{Barcodes: []string{}, Warnings: []string{}}
			barcodes := args[1:]
			if len(barcodes) == 0 {
				barcodes = []string{""}
			}
			var failed error
			for _, barcode := range barcodes {
				if r.Barcode = barcode; barcode != "" {
					r.Count = 1
				}
				created, err := a.service().CreateTapes(c.Context(), r)
				made.Barcodes = append(made.Barcodes, created.Barcodes...)
				made.Warnings = append(made.Warnings, created.Warnings...)
				if failed = err; err != nil {
					break
				}
			}
			if len(made.Barcodes) == 0 {
				return failed
			}
			a.warn(made.Warnings)
			return errors.Join(a.print(made, func(w io.Writer) {
				fmt.Fprintln(w, strings.Join(made.Barcodes, "\n"))
			}), failed)
		},
	}
	c.Flags().IntVar(&number, "count", 1, "how many")
	c.Flags().StringVar(&capacity, "capacity", "", "capacity of each, such as 2.5TB (default: the loader's)")
	c.Flags().BoolVar(&worm, "worm", false, "write once: what a host has written it can never write over")
	return c
}

func (a *app) tapeList() *cobra.Command {
	return &cobra.Command{
		Use: "list LOADER", Short: "List the tapes of a loader", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeNames(false),
		RunE: func(c *cobra.Command, args []string) error {
			tapes, err := a.service().Tapes(c.Context(), control.LoaderRef{Loader: args[0]})
			if err != nil {
				return err
			}
			return a.print(tapes, func(w io.Writer) {
				fmt.Fprintln(w, "BARCODE\tPLACE\tSTATE\tUSED\tCAPACITY\tFILES\tLAST WRITTEN")
				for _, t := range tapes {
					state := fillWords(t)
					if t.WriteProtected {
						state += ", protected"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", t.Barcode, t.Place, state,
						control.FormatBytes(t.UsedBytes), control.FormatBytes(t.CapacityBytes), t.Filemarks, timeWords(t.LastWritten))
				}
			})
		},
	}
}

func (a *app) tapeInfo() *cobra.Command {
	return &cobra.Command{
		Use: "info LOADER BARCODE", Short: "All about one tape", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeNames(true),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := a.service().Tape(c.Context(), control.TapeRef{Loader: args[0], Barcode: args[1]})
			if err != nil {
				return err
			}
			return a.print(t, func(w io.Writer) {
				row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
				row("Barcode", "%s", t.Barcode)
				row("Place", "%s", t.Place)
				row("State", "%s", fillWords(t))
				if t.Problem != "" {
					row("Problem", "%s", t.Problem)
				}
				row("Medium", "%s", t.Medium)
				row("Write protected", "%t", t.WriteProtected)
				row("Capacity", "%s, early warning %s before its end", control.FormatBytes(t.CapacityBytes), control.FormatBytes(t.EarlyWarningBytes))
				row("Used", "%s; the payload file has %d bytes", control.FormatBytes(t.UsedBytes), t.PayloadBytes)
				row("Objects", "%d, %d of them filemarks", t.Objects, t.Filemarks)
				row("Generation", "%d", t.Generation)
				row("Loaded", "%s", count(int(t.LoadCount), "time"))
				row("Created", "%s", timeWords(t.Created))
				row("Last written", "%s", timeWords(t.LastWritten))
			})
		},
	}
}

// eachTape carries out do for every barcode among args and says what was done.
// It stops at the first that fails.
func (a *app) eachTape(args []string, done string, do func(control.TapeRef) error) error {
	finished := []string{}
	var failed error
	for _, barcode := range args[1:] {
		if failed = do(control.TapeRef{Loader: args[0], Barcode: barcode}); failed != nil {
			break
		}
		finished = append(finished, barcode)
	}
	if len(finished) == 0 {
		return failed
	}
	return errors.Join(a.print(map[string][]string{done: finished}, func(w io.Writer) {
		for _, barcode := range finished {
			fmt.Fprintf(w, "%s %s\n", barcode, done)
		}
	}), failed)
}

func (a *app) tapeDelete() *cobra.Command {
	c := &cobra.Command{Use: "delete LOADER BARCODE...", Short: "Remove tapes with everything on them", Args: cobra.MinimumNArgs(2), ValidArgsFunction: a.completeNames(true)}
	yes := yesFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.confirm(*yes, "%s of loader %s and everything on it will be gone.", strings.Join(args[1:], ", "), args[0]); err != nil {
			return err
		}
		return a.eachTape(args, "deleted", func(t control.TapeRef) error { return a.service().DeleteTape(c.Context(), t) })
	}
	return c
}

func (a *app) tapeErase() *cobra.Command {
	c := &cobra.Command{Use: "erase LOADER BARCODE...", Short: "Make tapes blank", Args: cobra.MinimumNArgs(2), ValidArgsFunction: a.completeNames(true)}
	yes := yesFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.confirm(*yes, "Everything on %s of loader %s will be gone.", strings.Join(args[1:], ", "), args[0]); err != nil {
			return err
		}
		return a.eachTape(args, "erased", func(t control.TapeRef) error { return a.service().EraseTape(c.Context(), t) })
	}
	return c
}

func (a *app) tapeImport() *cobra.Command {
	return &cobra.Command{
		Use: "import LOADER FILE...", Short: "Take tape files of another folder into a loader",
		Long: "Take tapes in. FILE is any file of a tape, or a folder, which means all tapes in it.",
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			r := control.ImportRequest{Loader: args[0]}
			for _, file := range args[1:] {
				path, err := filepath.Abs(file)
				if err != nil {
					return err
				}
				r.Files = append(r.Files, path)
			}
			imported, err := a.service().ImportTapes(c.Context(), r)
			if err != nil {
				return err
			}
			return a.print(imported, func(w io.Writer) {
				for _, barcode := range imported.Barcodes {
					fmt.Fprintf(w, "%s imported\n", barcode)
				}
			})
		},
	}
}

func (a *app) tapeExport() *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use: "export LOADER BARCODE... --folder DIR", Short: "Move tapes' files out of a loader into a folder",
		Args: cobra.MinimumNArgs(2), ValidArgsFunction: a.completeNames(true),
		RunE: func(c *cobra.Command, args []string) error {
			to, err := filepath.Abs(folder)
			if err != nil {
				return err
			}
			return a.eachTape(args, "exported", func(t control.TapeRef) error {
				return a.service().ExportTape(c.Context(), control.ExportRequest{Loader: t.Loader, Barcode: t.Barcode, Folder: to})
			})
		},
	}
	c.Flags().StringVar(&folder, "folder", "", "where the files go")
	_ = c.MarkFlagRequired("folder") // fails for an unknown flag only
	_ = c.MarkFlagDirname("folder")
	return c
}

func (a *app) tapeProtect() *cobra.Command {
	var off bool
	c := &cobra.Command{
		Use: "protect LOADER BARCODE...", Short: "Set or clear the write protection of tapes",
		Args: cobra.MinimumNArgs(2), ValidArgsFunction: a.completeNames(true),
		RunE: func(c *cobra.Command, args []string) error {
			done := "protected"
			if off {
				done = "writable"
			}
			return a.eachTape(args, done, func(t control.TapeRef) error {
				return a.service().ProtectTape(c.Context(), control.Protection{Loader: t.Loader, Barcode: t.Barcode, Protected: !off})
			})
		},
	}
	c.Flags().BoolVar(&off, "off", false, "clear it")
	return c
}
