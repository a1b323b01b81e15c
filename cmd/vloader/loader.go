package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"virtualloader/loader/control"

	"github.com/spf13/cobra"
)

func (a *app) loaderCommands() *cobra.Command {
	return groupCommand("loader", "Backup folders that are tape libraries",
		a.loaderCreate(), a.loaderList(), a.loaderInfo(), a.loaderDelete(), a.loaderInventory())
}

func (a *app) loaderCreate() *cobra.Command {
	var r control.NewLoader
	var capacity string
	c := &cobra.Command{
		Use:   "create NAME --folder DIR",
		Short: "Make a folder a loader, or bring back the one that is in it",
		Long: `Make a folder a loader: a tape library with slots, a drive and a changer.
A folder that already was one, here or on another machine, comes back with its
tapes, slots and serial numbers; the other flags then do not count.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			r.Name = args[0]
			if r.Folder, err = filepath.Abs(r.Folder); err != nil {
				return err
			}
			if capacity != "" {
				if r.CapacityBytes, err = control.ParseBytes(capacity); err != nil {
					return err
				}
			}
			if c.Flags().Changed("tapes") && r.Tapes <= 0 {
				if r.Tapes < 0 {
					return usage("give 0 or more", "--tapes %d makes no sense", r.Tapes)
				}
				r.Tapes = control.NoTapes
			}
			created, err := a.service().CreateLoader(c.Context(), r)
			if err != nil {
				return err
			}
			a.warn(created.Warnings)
			return a.print(created, func(w io.Writer) {
				l := created.Loader
				verb := "created"
				if created.Adopted {
					verb = "brought back"
				}
				fmt.Fprintf(w, "Loader %s %s in %s: %d slots, %s\n", l.Name, verb, l.Folder, l.Slots, count(l.Tapes.Total, "tape"))
				if len(created.Tapes) > 0 && !created.Adopted {
					fmt.Fprintf(w, "New: %s\n", strings.Join(created.Tapes, " "))
				}
				fmt.Fprintf(w, "Connect a backup program: vloader connection %s\n", l.Name)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&r.Folder, "folder", "", "the backup folder; made if missing")
	f.IntVar(&r.Slots, "slots", 0, "storage slots, 1 to 1000 (default 1000)")
	f.StringVar(&capacity, "capacity", "", "capacity of a tape, such as 2.5TB or 100GiB (default 100GB)")
	f.StringVar(&r.Family, "family", "", "what the barcodes begin with (default: from NAME)")
	f.IntVar(&r.Tapes, "tapes", 1, "blank tapes to begin with")
	f.StringVar(&r.Mode, "mode", control.ModeLibrary, "who changes tapes: library (the backup program) or stacker (the loader)")
	f.StringVar(&r.Auth, "auth", control.AuthCHAP, "how hosts log in: chap (with a secret) or none (this machine only)")
	f.BoolVar(&r.Compression, "compression", false, "let the drive compress when the host asks for it; the tape files are then not the plain data")
	f.StringVar(&r.Profile, "profile", "native", "what drive and changer say they are: native, ibm, hp or stk")
	f.BoolVar(&r.Rebuild, "rebuild", false, "make a new slot map from the tapes in a folder whose slot map is lost")
	_ = c.MarkFlagRequired("folder") // fails for an unknown flag only
	_ = c.MarkFlagDirname("folder")
	completeWords(c, "mode", control.ModeLibrary, control.ModeStacker)
	completeWords(c, "profile", "native", "ibm", "hp", "stk")
	completeWords(c, "auth", control.AuthCHAP, control.AuthNone)
	return c
}

func completeWords(c *cobra.Command, flag string, words ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

func (a *app) loaderList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the loaders", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			loaders, err := a.service().Loaders(c.Context())
			if err != nil {
				return err
			}
			return a.print(loaders, func(w io.Writer) {
				if len(loaders) == 0 {
					fmt.Fprintln(w, "There is no loader yet. Make one: vloader loader create NAME --folder DIR")
					return
				}
				fmt.Fprintln(w, "NAME\tSTATE\tTAPES\tUSED\tDRIVE\tFOLDER")
				for _, l := range loaders {
					fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", l.Name, l.State, l.Tapes.Total, control.FormatBytes(l.Tapes.UsedBytes), driveWords(l.Drive), l.Folder)
				}
			})
		},
	}
}

func (a *app) loaderInfo() *cobra.Command {
	var elements bool
	c := &cobra.Command{
		Use: "info NAME", Short: "All about one loader", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeNames(false),
		RunE: func(c *cobra.Command, args []string) error {
			ref := control.LoaderRef{Loader: args[0]}
			if elements {
				return a.printElements(c.Context(), ref)
			}
			l, err := a.service().Loader(c.Context(), ref)
			if err != nil {
				return err
			}
			return a.print(l, func(w io.Writer) { printLoader(w, l) })
		},
	}
	c.Flags().BoolVar(&elements, "elements", false, "list every place with its SCSI element address instead")
	return c
}

func printLoader(w io.Writer, l control.Loader) {
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("Name", "%s", l.Name)
	row("Folder", "%s", l.Folder)
	row("Device kind", "%s", l.DeviceKind)
	row("State", "%s", l.State)
	if l.Reason != "" {
		row("Reason", "%s", l.Reason)
	}
	row("Target", "%s", l.IQN)
	row("Login", "%s", l.Auth)
	if l.State != control.StateOnline {
		return
	}
	row("Mode", "%s", l.Mode)
	row("Family", "%s", l.Family)
	row("Compression", "%s", map[bool]string{false: "off", true: "as the host wants"}[l.Compression])
	row("Profile", "%s", cmp.Or(l.Profile, "native"))
	row("New tapes", "%s", control.FormatBytes(l.CapacityBytes))
	row("Slots", "%d, %d free, last used %d", l.Slots, l.FreeSlots, l.LastSlotUsed)
	row("Tapes", "%s", tapeWords(l.Tapes))
	row("Drive", "%s", driveWords(l.Drive))
	row("Disk", "%s", diskWords(l.Disk))
	row("Drive serial", "%s", l.DriveSerial)
	row("Changer serial", "%s", l.ChangerSerial)
	row("UUID", "%s", l.UUID)
}

func (a *app) printElements(ctx context.Context, ref control.LoaderRef) error {
	elements, err := a.service().Elements(ctx, ref)
	if err != nil {
		return err
	}
	return a.print(elements, func(w io.Writer) {
		fmt.Fprintln(w, "PLACE\tADDRESS\tTAPE\tCAME FROM")
		for _, e := range elements {
			fmt.Fprintf(w, "%s\t%04Xh\t%s\t%s\n", e.Place, e.Address, e.Barcode, e.Source)
		}
	})
}

func (a *app) loaderDelete() *cobra.Command {
	c := &cobra.Command{
		Use: "delete NAME", Short: "Take a loader out of service; its folder stays as it is", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames(false),
	}
	yes := yesFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.confirm(*yes, "Loader %s will no longer be served. Its folder stays as it is.", args[0]); err != nil {
			return err
		}
		l, err := a.service().DeleteLoader(c.Context(), control.LoaderRef{Loader: args[0]})
		if err != nil {
			return err
		}
		return a.print(l, func(w io.Writer) {
			fmt.Fprintf(w, "Loader %s is out of service; %s keeps its tapes.\n", l.Name, l.Folder)
			fmt.Fprintf(w, "Bring it back: vloader loader create %s --folder %q\n", l.Name, l.Folder)
		})
	}
	return c
}

func (a *app) loaderInventory() *cobra.Command {
	return &cobra.Command{
		Use: "inventory NAME", Short: "Look for tapes put into the folder or taken out of it", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames(false),
		RunE: func(c *cobra.Command, args []string) error {
			found, err := a.service().Inventory(c.Context(), control.LoaderRef{Loader: args[0]})
			if err != nil {
				return err
			}
			return a.print(found, func(w io.Writer) {
				fmt.Fprintf(w, "New\t%s\n", words(found.Added))
				fmt.Fprintf(w, "Missing\t%s\n", words(found.Missing))
				fmt.Fprintf(w, "Last slot used\t%d\n", found.LastSlotUsed)
				for _, p := range found.Problems {
					fmt.Fprintf(w, "Problem\t%s\n", p)
				}
			})
		},
	}
}
