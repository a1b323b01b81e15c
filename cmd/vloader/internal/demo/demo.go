package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"virtualloader/loader/control"
)

// Options say what the demo works on.
type Options struct {
	Service control.Service
	Name    string    // of the loader
	Folder  string    // backup folder, absolute
	Source  string    // directory tree, absolute
	Limit   int64     // bytes of the tree at most
	Out     io.Writer // what a person reads meanwhile
}

// Result is what the demo did.
type Result struct {
	Loader       string   `json:"loader"`
	Folder       string   `json:"folder"`
	Source       string   `json:"source"`
	Files        int      `json:"files"`
	Bytes        int64    `json:"bytes"`
	ArchiveBytes int64    `json:"archiveBytes"`
	Tapes        []Tape   `json:"tapes"`
	Changed      []string `json:"changedMeanwhile"`
	WriteSeconds float64  `json:"writeSeconds"`
	ReadSeconds  float64  `json:"readSeconds"`
}

// Tape is one tape the demo wrote.
type Tape struct {
	Barcode string `json:"barcode"`
	File    string `json:"file"`
	Bytes   int64  `json:"bytes"`
}

// family begins the barcodes of the demo's tapes; nothing else is ever deleted.
const family = "DEMO"

// Capacity of the demo's tapes: at least two are needed, and a handful at most.
const (
	leastCapacityBytes = 2 << 20
	tapesWanted        = 3
)

// demo is one run.
type demo struct {
	Options
	tree   *tree
	drive  *drive
	result Result
}

// Run runs the demo.
func Run(ctx context.Context, o Options) (Result, error) {
	d := &demo{Options: o, result: Result{Loader: o.Name, Folder: o.Folder, Source: o.Source, Tapes: []Tape{}, Changed: []string{}}}
	for _, step := range []func(context.Context) error{d.findTree, d.cleanUp, d.makeFolder, d.backUp, d.restore} {
		if err := step(ctx); err != nil {
			return d.result, err
		}
	}
	d.explain()
	return d.result, nil
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.Out, format+"\n", args...) }

func (d *demo) findTree(ctx context.Context) (err error) {
	status, err := d.Service.Status(ctx)
	if err != nil {
		return err
	}
	if d.tree, err = collect(d.Source, d.Limit, d.Folder, status.StateFolder); err != nil {
		return &control.Error{Code: control.NotFound, Message: err.Error(), Hint: "choose another directory tree with --source"}
	}
	return nil
}

// cleanUp removes what an earlier run of the demo left, and nothing else.
func (d *demo) cleanUp(ctx context.Context) error {
	ref := control.LoaderRef{Loader: d.Name}
	l, err := d.Service.Loader(ctx, ref)
	switch {
	case control.CodeOf(err) == control.NotFound:
		return nil
	case err != nil:
		return err
	case l.Folder != d.Folder || l.Family != family:
		return &control.Error{Code: control.Exists, Message: fmt.Sprintf("there is a loader %s that is not the demo's, in %s", d.Name, l.Folder),
			Hint: "choose another name and folder with --name and --folder"}
	}
	tapes, err := d.Service.Tapes(ctx, ref)
	if err != nil {
		return err
	}
	for _, t := range tapes {
		if !strings.HasPrefix(t.Barcode, family) {
			return &control.Error{Code: control.Exists, Message: fmt.Sprintf("the demo's loader holds %s, which is not the demo's", t.Barcode),
				Hint: "export that tape, or choose another name and folder with --name and --folder"}
		}
	}
	d.say("Removing the tapes of the last demo.")
	if l.Drive.Barcode != "" {
		if _, err := d.Service.Unload(ctx, control.UnloadRequest{Loader: d.Name}); err != nil {
			return err
		}
	}
	for _, t := range tapes {
		if err := d.Service.DeleteTape(ctx, control.TapeRef{Loader: d.Name, Barcode: t.Barcode}); err != nil {
			return err
		}
	}
	if _, err := d.Service.DeleteLoader(ctx, ref); err != nil {
		return err
	}
	return removeSlotMap(d.Folder)
}

// removeSlotMap removes what a loader without tapes leaves in its folder, and the
// folder when nothing else is in it.
func removeSlotMap(folder string) error {
	left, err := filepath.Glob(filepath.Join(folder, "slotmap.db*"))
	for _, file := range left {
		err = errors.Join(err, os.Remove(file))
	}
	_ = os.Remove(folder) // stays when there is something else in it
	return err
}

func (d *demo) makeFolder(ctx context.Context) error {
	capacity := max(d.tree.bytes/tapesWanted*4/3, leastCapacityBytes) // a quarter is the early-warning zone
	created, err := d.Service.CreateLoader(ctx, control.NewLoader{
		Name: d.Name, Folder: d.Folder, Family: family, Mode: control.ModeStacker, CapacityBytes: capacity, Tapes: 1,
	})
	if err != nil {
		return err
	}
	d.say("1. A backup folder")
	d.say("   %s is a tape library now: %d slots, one drive, tapes of %s.", created.Loader.Folder, created.Loader.Slots, control.FormatBytes(capacity))
	return nil
}

// backUp writes the tree to tape as a backup host does.
func (d *demo) backUp(ctx context.Context) error {
	more := ""
	if d.tree.cut {
		more = fmt.Sprintf(" (the first %s of it)", control.FormatBytes(d.Limit))
	}
	d.say("2. Backup over iSCSI")
	d.say("   %s%s: %d files and folders, %s, as tar in blocks of 256 KiB.", d.Source, more, len(d.tree.entries), control.FormatBytes(d.tree.bytes))
	loaded, err := d.Service.Load(ctx, control.LoadRequest{Loader: d.Name})
	if err != nil {
		return err
	}
	if err := d.connect(ctx); err != nil {
		return err
	}
	defer d.drive.close()
	if err := d.drive.waitReady(ctx); err != nil {
		return err
	}
	start := time.Now()
	barcode := loaded.Barcode
	w := &volumeWriter{ctx: ctx, drive: d.drive, changed: func(written int64) error {
		d.result.Tapes = append(d.result.Tapes, Tape{Barcode: barcode, File: filepath.Join(d.Folder, barcode+".tape"), Bytes: written})
		d.result.ArchiveBytes += written
		d.say("   %s took %s.", barcode, control.FormatBytes(written))
		status, err := d.Service.Loader(ctx, control.LoaderRef{Loader: d.Name})
		if next := status.Drive.Barcode; next != barcode && next != "" {
			d.say("   %s is in the drive: the loader changed tapes by itself.", next)
			barcode = next
		}
		return err
	}}
	if err := d.tree.archive(ctx, w); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	d.result.WriteSeconds = time.Since(start).Seconds()
	d.say("   %s in %.1f s: %s a second.", control.FormatBytes(d.result.ArchiveBytes), d.result.WriteSeconds, rate(d.result.ArchiveBytes, d.result.WriteSeconds))
	return nil
}

func (d *demo) connect(ctx context.Context) error {
	connection, err := d.Service.Connection(ctx, control.LoaderRef{Loader: d.Name})
	if err == nil {
		d.drive, err = connect(ctx, connection)
	}
	return err
}

// restore reads the tapes in order and compares.
func (d *demo) restore(ctx context.Context) error {
	d.say("3. Restore and compare")
	if err := d.connect(ctx); err != nil {
		return err
	}
	defer d.drive.close()
	var order []string
	for _, t := range d.result.Tapes {
		order = append(order, t.Barcode)
	}
	start := time.Now()
	r := &volumeReader{ctx: ctx, drive: d.drive, tapes: order, block: make([]byte, blockLength), load: func(barcode string) error {
		l, err := d.Service.Loader(ctx, control.LoaderRef{Loader: d.Name})
		if err != nil || l.Drive.Barcode == barcode {
			return err
		}
		_, err = d.Service.Load(ctx, control.LoadRequest{Loader: d.Name, Barcode: barcode})
		return err
	}}
	found, err := d.tree.compare(ctx, r)
	if err != nil {
		return fmt.Errorf("compare what came back from tape: %w", err)
	}
	d.result.ReadSeconds = time.Since(start).Seconds()
	d.result.Files, d.result.Bytes = found.files, found.bytes
	d.result.Changed = append(d.result.Changed, found.changed...)
	d.say("   %d files, %s: every byte is equal. %.1f s, %s a second.", found.files, control.FormatBytes(found.bytes), d.result.ReadSeconds, rate(d.result.ArchiveBytes, d.result.ReadSeconds))
	if n := len(found.changed); n > 0 {
		d.say("   (%d of them changed on disk since they were written; the tape has them as they were.)", n)
	}
	_, err = d.Service.Unload(ctx, control.UnloadRequest{Loader: d.Name})
	return err
}

func (d *demo) explain() {
	d.say("4. The tapes are plain files")
	for _, t := range d.result.Tapes {
		size := int64(-1)
		if info, err := os.Stat(t.File); err == nil {
			size = info.Size()
		}
		d.say("   %s  %d bytes", t.File, size)
	}
	d.say("   Look inside without us:  cat %s | tar -tvf -", filepath.Join(d.Folder, family+"*.tape"))
	d.say("5. Connect a backup program")
	for _, line := range [][2]string{
		{"vloader connection " + d.Name, "lines to paste for Linux and Windows"},
		{"vloader loader create NAME --folder DIR", "a folder of your own"},
		{"vloader loader delete " + d.Name, "when you have seen enough; the folder stays"},
	} {
		d.say("   %-42s %s", line[0], line[1])
	}
}

func rate(bytes int64, seconds float64) string {
	if seconds <= 0 {
		return "-"
	}
	return control.FormatBytes(int64(float64(bytes) / seconds))
}
