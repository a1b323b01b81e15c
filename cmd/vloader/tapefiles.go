package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"virtualloader/loader/control"
	"virtualloader/loader/tape"

	"github.com/spf13/cobra"
)

// fileUse is how the tools that work on tape files name their tape.
const fileUse = " {LOADER BARCODE | FILE}"

const fileHelp = `
The tape is named by its loader and barcode, for which the service is asked where
the folder is, or by a file of it, such as DIR/ABC001L8.tape or DIR/ABC001L8,
for which no service is needed.`

// tapeFile returns the folder and barcode that args name.
func (a *app) tapeFile(ctx context.Context, args []string) (folder, barcode string, err error) {
	if len(args) == 2 {
		l, err := a.service().Loader(ctx, control.LoaderRef{Loader: args[0]})
		if err != nil {
			return "", "", err
		}
		barcode, err := tape.Barcode(args[1])
		return l.Folder, barcode, err
	}
	folder, name := filepath.Split(args[0])
	name, _, _ = strings.Cut(name, ".")
	if folder == "" {
		folder = "."
	}
	barcode, err = tape.Barcode(name)
	return folder, barcode, err
}

func (a *app) tapeCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check" + fileUse, Short: "Read a whole tape and say whether it is as it was written",
		Long: "Read every record of a tape and compare it with its checksum. Changes nothing." + fileHelp,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeNames(true),
		RunE: func(c *cobra.Command, args []string) error {
			folder, barcode, err := a.tapeFile(c.Context(), args)
			if err != nil {
				return err
			}
			report, err := tape.Check(folder, barcode, a.progress("checked"))
			if err != nil {
				return err
			}
			if err := a.printReport(report); err != nil {
				return err
			}
			if len(report.Problems) > 0 {
				return &control.Error{Code: control.Damaged, Message: fmt.Sprintf("%s has %s", barcode, count(len(report.Problems), "problem")),
					Hint: "`vloader tape mend` repairs what can be repaired; keep a copy of the files before"}
			}
			return nil
		},
	}
}

func (a *app) tapeMend() *cobra.Command {
	var o tape.MendOptions
	var capacity string
	c := &cobra.Command{
		Use: "mend" + fileUse, Short: "Repair a damaged tape as far as can be",
		Long: "Repair a tape's index. The payload file keeps every byte. A loaded tape is refused." + fileHelp,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeNames(true),
		RunE: func(c *cobra.Command, args []string) error {
			folder, barcode, err := a.tapeFile(c.Context(), args)
			if err != nil {
				return err
			}
			if capacity != "" {
				if o.CapacityBytes, err = control.ParseBytes(capacity); err != nil {
					return err
				}
			}
			report, err := tape.Mend(folder, barcode, o)
			if err != nil {
				return err
			}
			if len(args) == 2 { // the loader should see it as it now is
				if _, err := a.service().Inventory(c.Context(), control.LoaderRef{Loader: args[0]}); err != nil {
					return err
				}
			}
			return a.printReport(report)
		},
	}
	c.Flags().IntVar(&o.BlockLength, "block-length", 0, "bytes of each record, when the index is lost and must be made anew")
	c.Flags().StringVar(&capacity, "capacity", "", "capacity of the tape, when the index is lost")
	return c
}

func (a *app) tapeDump() *cobra.Command {
	return &cobra.Command{
		Use: "dump" + fileUse, Short: "List what stands on a tape: header, records, filemarks",
		Long: "List what a tape's index says, for a person. Changes nothing." + fileHelp,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeNames(true),
		RunE: func(c *cobra.Command, args []string) error {
			folder, barcode, err := a.tapeFile(c.Context(), args)
			if err != nil {
				return err
			}
			return tape.Dump(a.out, folder, barcode)
		},
	}
}

func (a *app) tapeCat() *cobra.Command {
	var o tape.CatOptions
	var keyFile string
	c := &cobra.Command{
		Use: "cat" + fileUse, Short: "Write the data of a tape, or of one file of it, to standard output",
		Long: "Write records one after the other, checked, decompressed, without their boundaries. Changes nothing.\n" +
			"Records that a host had the drive encrypt need the host's key." + fileHelp,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeNames(true),
		RunE: func(c *cobra.Command, args []string) error {
			folder, barcode, err := a.tapeFile(c.Context(), args)
			if err != nil {
				return err
			}
			if keyFile != "" {
				if o.Key, err = readKey(keyFile); err != nil {
					return err
				}
			}
			return tape.Cat(a.out, folder, barcode, o)
		},
	}
	c.Flags().IntVar(&o.File, "file", -1, "only the file with this number: 0 is what stands before the first filemark")
	c.Flags().IntVar(&o.Partition, "partition", 0, "the partition, 0 or 1")
	c.Flags().StringVar(&keyFile, "key-file", "", "a file with the key of encrypted records: 32 bytes, or 64 hexadecimal digits")
	return c
}

// readKey reads a key as backup programs keep it.
func readKey(name string) (*[tape.KeyBytes]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return nil, err
	}
	if len(b) != tape.KeyBytes {
		b, err = hex.DecodeString(strings.TrimSpace(string(b)))
	}
	if err != nil || len(b) != tape.KeyBytes {
		return nil, usage("give a file with 32 bytes, or 64 hexadecimal digits and nothing else", "%s holds no AES-256 key", name)
	}
	return (*[tape.KeyBytes]byte)(b), nil
}

// progressEvery is the pause between two lines of progress.
const progressEvery = 2 * time.Second

// progress returns a function that tells a person from time to time how far it
// is.
func (a *app) progress(what string) func(done, total int64) {
	if a.json || !a.terminal {
		return nil
	}
	next := time.Now().Add(progressEvery)
	return func(done, total int64) {
		if now := time.Now(); now.After(next) {
			next = now.Add(progressEvery)
			fmt.Fprintf(a.err, "%s %s of %s\n", what, control.FormatBytes(done), control.FormatBytes(total))
		}
	}
}
