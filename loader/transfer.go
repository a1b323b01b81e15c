package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

// Files of a cartridge all begin with its barcode and one of these. The payload
// is moved first and the index last.
const (
	payloadSuffix = ".tape"
	indexSuffix   = ".index"
)

// copiesPrefix hides copies that are not complete.
const copiesPrefix = ".moving-"

// Import moves tapes into the loader (contract 3.10): into free slots, or into
// free import/export elements when kind is slotmap.ImportExport. A path is a tape's
// payload or index file, or a folder of tapes. On the same volume files are
// renamed, else they are copied, synced and then deleted where they were; when
// something fails, a tape is whole in its old place or in the new one.
//
// It returns the barcodes that came in, in order, and the first error. Errors:
// ErrExists, ErrSettings (nothing to import), slotmap.ErrFull, those of tape and
// of the file system.
func (l *Library) Import(ctx context.Context, paths []string, kind slotmap.Kind) ([]string, error) {
	if kind == 0 {
		kind = slotmap.Storage
	}
	if kind != slotmap.Storage && kind != slotmap.ImportExport {
		return nil, fmt.Errorf("%w: tapes are imported into slots or import/export elements, not into the %s", ErrSettings, kind)
	}
	var all []cartridgeFiles
	for _, path := range paths {
		found, err := cartridgesAt(path)
		if err != nil {
			return nil, fmt.Errorf("import %s: %w", path, err)
		}
		all = append(all, found...)
	}
	seen := map[string]bool{}
	for _, c := range all {
		if seen[c.barcode] {
			return nil, fmt.Errorf("import %s twice: %w", c.barcode, ErrExists)
		}
		seen[c.barcode] = true
		if err := l.checkImport(c); err != nil {
			return nil, fmt.Errorf("import %s: %w", c.barcode, err)
		}
	}
	if total, full := l.Map().Count(kind); len(all) > total-full {
		return nil, fmt.Errorf("import %d tapes: %d of %d elements (%s) are free: %w", len(all), total-full, total, kind, slotmap.ErrFull)
	}
	var imported []string
	for _, c := range all {
		if err := l.importOne(ctx, c, kind); err != nil {
			return imported, fmt.Errorf("import %s: %w", c.barcode, fileError(l.folder, err))
		}
		imported = append(imported, c.barcode)
	}
	return imported, nil
}

// checkImport refuses what can be refused before anything is moved.
func (l *Library) checkImport(c cartridgeFiles) error {
	if _, there := l.Map().Find(c.barcode); there {
		return ErrExists
	}
	if sameFolder(c.dir, l.folder) {
		return fmt.Errorf("%w: its files are in the loader's folder already; take inventory", ErrSettings)
	}
	if files, err := filesOf(l.folder, c.barcode); err != nil || len(files.names) > 0 {
		return errors.Join(err, ErrExists)
	}
	cartridge, err := tape.Open(c.dir, c.barcode)
	if err != nil {
		return err
	}
	return settle(cartridge)
}

// settle makes sure that nobody uses a cartridge, and puts in order what a crash
// left, so that its files can be moved. A damaged one may be moved as it is.
func settle(cartridge *tape.Cartridge) error {
	image, err := cartridge.Load()
	if errors.Is(err, tape.ErrDamaged) {
		return nil
	}
	if err != nil {
		return err
	}
	return image.Close()
}

func (l *Library) importOne(ctx context.Context, c cartridgeFiles, kind slotmap.Kind) error {
	err := l.accept(ctx, c, kind)
	if !isOtherVolume(err) {
		return err
	}
	copies, err := c.copyTo(ctx, l.folder)
	if err != nil {
		return err
	}
	if err := l.accept(ctx, copies, kind); err != nil {
		return errors.Join(err, copies.remove())
	}
	return c.remove()
}

// accept renames a cartridge's files into the folder and puts it into the map;
// when that fails they are renamed back.
func (l *Library) accept(ctx context.Context, c cartridgeFiles, kind slotmap.Kind) error {
	ctx, cancel := patience(ctx)
	defer cancel()
	if err := l.takeArm(ctx); err != nil {
		return err
	}
	defer l.releaseArm()
	m := l.Map()
	if kind == slotmap.ImportExport && l.station.Load() {
		return slotmap.ErrStationOpen
	}
	place, free := m.FirstFree(kind, reservedSlot(m))
	if !free {
		return fmt.Errorf("%s: %w", kind, slotmap.ErrFull)
	}
	if present, err := filesOf(l.folder, c.barcode); err != nil || len(present.names) > 0 {
		return errors.Join(err, ErrExists)
	}
	moved, err := c.moveTo(l.folder)
	if err != nil {
		return err
	}
	r := l.read(c.barcode)
	err = l.store.Update(func(tx *slotmap.Tx) error {
		next, err := tx.Map().Place(place, c.barcode, r.Medium, true)
		if err != nil {
			return err
		}
		tx.SetMap(next)
		tx.PutTape(c.barcode, r)
		identity := tx.Identity()
		identity.NextNumber = numberAfter(identity.NextNumber, identity.Family, []string{c.barcode})
		tx.SetIdentity(identity)
		return nil
	})
	if err != nil {
		return errors.Join(err, moved.moveBack(c))
	}
	l.emit(Event{Kind: EventTapeImported, Barcode: c.barcode, To: place, Text: fmt.Sprintf("%s came from %s and is in %s", c.barcode, c.dir, place)})
	l.changed(kind == slotmap.Storage, kind == slotmap.ImportExport)
	return nil
}

// Export moves a tape that is not in the drive to a folder, which is made if it
// does not exist (contract 3.12). The slot map changes when the files are in their
// new place, whole. Errors: ErrNoTape, ErrLoaded, ErrExists, slotmap.ErrHeld,
// tape.ErrInUse, those of the file system.
func (l *Library) Export(ctx context.Context, barcode, dir string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("%w: folder %q: give the whole path, from the root", ErrSettings, dir)
	}
	if sameFolder(dir, l.folder) {
		return fmt.Errorf("%w: %s is the loader's own folder", ErrSettings, dir)
	}
	barcode, err := tape.Barcode(barcode)
	if err != nil {
		return err
	}
	release, err := l.hold(ctx, barcode, "exported")
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer release()
	if err := l.export(ctx, barcode, filepath.Clean(dir)); err != nil {
		return fmt.Errorf("export %s to %s: %w", barcode, dir, fileError(dir, err))
	}
	text := fmt.Sprintf("%s was moved to %s", barcode, dir)
	return l.forget(context.WithoutCancel(ctx), barcode, Event{Kind: EventTapeExported, Text: text})
}

// export moves the files of a held cartridge.
func (l *Library) export(ctx context.Context, barcode, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if present, err := filesOf(dir, barcode); err != nil || len(present.names) > 0 {
		return errors.Join(err, ErrExists)
	}
	cartridge, err := l.cartridge(barcode)
	if err == nil {
		err = settle(cartridge)
	}
	if err != nil && !errors.Is(err, tape.ErrDamaged) {
		return err
	}
	files, err := filesOf(l.folder, barcode)
	if err != nil {
		return err
	}
	_, err = files.moveTo(dir)
	if !isOtherVolume(err) {
		return err
	}
	copies, err := files.copyTo(ctx, dir)
	if err != nil {
		return err
	}
	if _, err := copies.moveTo(dir); err != nil {
		return errors.Join(err, copies.remove())
	}
	return files.remove()
}

// cartridgeFiles is the files of one cartridge in one folder.
type cartridgeFiles struct {
	dir, barcode string
	names        []string // as they should be; the payload before the index
	prefix       string   // what the names begin with for now
}

func (c cartridgeFiles) path(name string) string { return filepath.Join(c.dir, c.prefix+name) }

// filesOf finds the files of a cartridge; none is no error.
func filesOf(dir, barcode string) (cartridgeFiles, error) {
	c := cartridgeFiles{dir: dir, barcode: barcode}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return c, err
	}
	for _, suffix := range []string{payloadSuffix, indexSuffix} {
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), barcode+suffix) {
				c.names = append(c.names, e.Name())
			}
		}
	}
	// What must come last is the index itself: it makes a cartridge of the rest.
	if i := slices.Index(c.names, barcode+indexSuffix); i >= 0 {
		c.names = append(slices.Delete(c.names, i, i+1), barcode+indexSuffix)
	}
	return c, nil
}

// cartridgesAt finds the cartridges that a path means.
func cartridgesAt(path string) ([]cartridgeFiles, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	dir, barcodes := filepath.Split(path)
	list := []string{strings.TrimSuffix(strings.TrimSuffix(barcodes, payloadSuffix), indexSuffix)}
	if info.IsDir() {
		dir = path
		if list, err = tape.List(dir); err != nil {
			return nil, err
		}
	}
	var found []cartridgeFiles
	for _, name := range list {
		barcode, err := tape.Barcode(name)
		if err != nil {
			return nil, err
		}
		c, err := filesOf(filepath.Clean(dir), barcode)
		if err != nil {
			return nil, err
		}
		if len(c.names) == 0 {
			return nil, tape.ErrNotExist
		}
		found = append(found, c)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: no tapes in it", ErrSettings)
	}
	return found, nil
}

// moveTo renames the files into a folder, under their own names, all or none.
func (c cartridgeFiles) moveTo(dir string) (cartridgeFiles, error) {
	moved := cartridgeFiles{dir: dir, barcode: c.barcode}
	for _, name := range c.names {
		err := os.Rename(c.path(name), moved.path(name))
		if err != nil {
			return moved, errors.Join(err, moved.moveBack(c))
		}
		moved.names = append(moved.names, name)
	}
	return moved, errors.Join(syncDir(dir), syncDir(c.dir))
}

// moveBack undoes moveTo.
func (c cartridgeFiles) moveBack(to cartridgeFiles) error {
	var failed error
	for _, name := range slices.Backward(c.names) {
		failed = errors.Join(failed, os.Rename(c.path(name), to.path(name)))
	}
	return failed
}

// copyTo copies the files into a folder, under hidden names, synced, all or none.
func (c cartridgeFiles) copyTo(ctx context.Context, dir string) (cartridgeFiles, error) {
	copies := cartridgeFiles{dir: dir, barcode: c.barcode, prefix: copiesPrefix}
	for _, name := range c.names {
		copies.names = append(copies.names, name)
		if err := copyFile(ctx, copies.path(name), c.path(name)); err != nil {
			return copies, errors.Join(err, copies.remove())
		}
	}
	return copies, syncDir(dir)
}

// remove deletes the files, the index first: what is left is no cartridge.
func (c cartridgeFiles) remove() error {
	var failed error
	for _, name := range slices.Backward(c.names) {
		if err := os.Remove(c.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return errors.Join(failed, syncDir(c.dir))
}

// sweep deletes copies that were not completed when the process ended; what they
// were copies of is whole.
func (l *Library) sweep() {
	left, err := filepath.Glob(filepath.Join(l.folder, copiesPrefix+"*"))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		l.log.Warn("unfinished copies cannot be deleted", "error", err)
	}
}

// copyFile copies a file and syncs the copy; the end of ctx stops it.
func copyFile(ctx context.Context, to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for err == nil {
		if err = ctx.Err(); err == nil {
			_, err = io.CopyN(out, in, 64<<20)
		}
	}
	if err == io.EOF {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// sameFolder says whether two paths lead to one folder.
func sameFolder(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
