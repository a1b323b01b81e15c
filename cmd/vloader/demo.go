package main

import (
	"io"
	"os"
	"path/filepath"

	"virtualloader/cmd/vloader/internal/demo"
	"virtualloader/loader/control"

	"github.com/spf13/cobra"
)

func (a *app) demoCommand() *cobra.Command {
	var source, folder, name, limit string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Back up a directory tree over several tapes, restore it and compare, before your eyes",
		Long: `Make a backup folder with small tapes, write a directory tree through the iSCSI
drive as tar across automatic tape changes, read it back and compare every byte.
The tree is only read. Loader and folder stay; the next run replaces them.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			o := demo.Options{Service: a.service(), Name: name, Out: a.out}
			if a.json {
				o.Out = io.Discard
			}
			if o.Source, err = filepath.Abs(source); err != nil {
				return err
			}
			if folder == "" {
				home, err := os.UserHomeDir()
				if err != nil {
					return usage("say where with --folder", "there is no home folder for the demo: %v", err)
				}
				folder = filepath.Join(home, "vloader-"+name)
			}
			if o.Folder, err = filepath.Abs(folder); err != nil {
				return err
			}
			if o.Limit, err = control.ParseBytes(limit); err != nil {
				return err
			}
			result, err := demo.Run(c.Context(), o)
			if err != nil || !a.json {
				return err
			}
			return a.print(result, nil)
		},
	}
	f := c.Flags()
	f.StringVar(&source, "source", ".", "directory tree to back up")
	f.StringVar(&folder, "folder", "", "backup folder (default: vloader-demo in your home folder)")
	f.StringVar(&name, "name", "demo", "name of the loader")
	f.StringVar(&limit, "limit", "300MB", "how much of the tree at most")
	_ = c.MarkFlagDirname("source") // fails for an unknown flag only
	_ = c.MarkFlagDirname("folder")
	return c
}
