package loader

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"virtualloader/loader/space"
	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

// Created is a loader that was made, or found in its folder.
type Created struct {
	Identity slotmap.Identity
	Folder   string
	// Adopted says that the folder was a loader that had been put away: its own
	// identity counts, not the settings.
	Adopted bool
	// Tapes are the barcodes in the loader: found in the folder, or made.
	Tapes []string
	// Warnings are sentences for a person; none keeps the loader from working.
	Warnings []string
}

// Create makes a loader in a folder (contract 3.7, 3.20, 3.22). A folder that does
// not exist is built under another name and renamed, so it appears whole or not at
// all. One that exists is used with its contents: a loader that had been put away
// comes back as it was; otherwise tape files in it are given slots. The loader is
// closed when Create returns: Open it.
//
// Errors, none of which leaves anything changed: ErrSettings, ErrNotWritable,
// ErrOwned, and slotmap.ErrDamaged when the slot map of the loader that was put
// away cannot be read (see Rebuild).
func Create(s Settings) (Created, error) {
	s, err := s.withDefaults()
	if err != nil {
		return Created{}, err
	}
	if err := checkOwner(s.Folder); err != nil {
		return Created{}, err
	}
	info, err := os.Stat(s.Folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return createFolder(s)
	case err != nil:
		return Created{}, fmt.Errorf("%s: %w: %w", s.Folder, ErrNotWritable, err)
	case !info.IsDir():
		return Created{}, fmt.Errorf("%s: %w: it is a file, not a folder", s.Folder, ErrNotWritable)
	}
	if err := checkWritable(s.Folder); err != nil {
		return Created{}, err
	}
	if slotmap.Exists(s.Folder) {
		return adopt(s)
	}
	return createInside(s)
}

// Rebuild makes a new slot map for a folder whose slot map and backup copy are
// lost, from the headers of the tapes in it. What was there of them is put aside,
// not deleted. The loader gets the settings given and new serial numbers: hosts
// see a new library with the old tapes. It is never done unasked. Errors: those of
// Create; ErrSettings when the slot map can be read.
func Rebuild(s Settings) (Created, error) {
	s.Tapes = NoTapes
	s, err := s.withDefaults()
	if err != nil {
		return Created{}, err
	}
	if err := checkWritable(s.Folder); err != nil {
		return Created{}, err
	}
	store, _, err := slotmap.OpenStore(s.Folder)
	switch {
	case err == nil:
		store.Close()
		return Created{}, fmt.Errorf("%w: the slot map of %s can be read, it needs no rebuilding", ErrSettings, s.Folder)
	case errors.Is(err, slotmap.ErrInUse):
		return Created{}, fmt.Errorf("%s: %w: %w", s.Folder, ErrOwned, err)
	case !errors.Is(err, slotmap.ErrDamaged) && !errors.Is(err, slotmap.ErrNotExist):
		return Created{}, err
	}
	kept, err := slotmap.SetAside(s.Folder)
	if err != nil {
		return Created{}, err
	}
	created, err := createInside(s)
	created.Warnings = append(created.Warnings, "the loader has new serial numbers: connect the backup program anew")
	for _, path := range kept {
		created.Warnings = append(created.Warnings, "the damaged slot map is kept as "+filepath.Base(path))
	}
	return created, err
}

// checkOwner refuses a folder inside another loader's.
func checkOwner(folder string) error {
	for parent := filepath.Dir(folder); ; parent = filepath.Dir(parent) {
		if slotmap.Exists(parent) {
			return fmt.Errorf("%s: %w: it lies inside the backup folder %s; choose one outside", folder, ErrOwned, parent)
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}

// checkWritable tries to write into a folder.
func checkWritable(folder string) error {
	file, err := os.CreateTemp(folder, ".writable-*")
	if err != nil {
		return fmt.Errorf("%s: %w: %w; choose another folder or give the service the right to write there", folder, ErrNotWritable, err)
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// adopt takes back a loader that had been put away.
func adopt(s Settings) (Created, error) {
	store, recovery, err := slotmap.OpenStore(s.Folder)
	switch {
	case errors.Is(err, slotmap.ErrInUse):
		return Created{}, fmt.Errorf("%s: %w: it is being served: %w; delete that loader first, its folder stays", s.Folder, ErrOwned, err)
	case errors.Is(err, slotmap.ErrDamaged):
		return Created{}, fmt.Errorf("%w; restore one of them, or rebuild the loader from its tapes", err)
	case err != nil:
		return Created{}, err
	}
	identity := store.Identity()
	created := Created{Identity: identity, Folder: s.Folder, Adopted: true}
	for _, e := range store.Map().All() {
		if e.Full() {
			created.Tapes = append(created.Tapes, e.Barcode)
		}
	}
	if recovery.Happened() {
		created.Warnings = append(created.Warnings, recovery.String())
	}
	created.Warnings = append(created.Warnings, fmt.Sprintf("the folder holds the loader %s, put away before: it comes back with its serial numbers, %d slots and family %s",
		identity.Name, identity.Slots, identity.Family))
	created.Warnings = append(created.Warnings, capacityWarnings(s.Folder, identity.CapacityBytes)...)
	return created, store.Close()
}

// createFolder builds a folder under another name beside its place and renames it.
func createFolder(s Settings) (Created, error) {
	parent := filepath.Dir(s.Folder)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return Created{}, fmt.Errorf("%s: %w: %w", s.Folder, ErrNotWritable, err)
	}
	building, err := os.MkdirTemp(parent, "."+filepath.Base(s.Folder)+".creating-*")
	if err != nil {
		return Created{}, fmt.Errorf("%s: %w: %w", s.Folder, ErrNotWritable, err)
	}
	final := s.Folder
	s.Folder = building
	created, err := createInside(s)
	if err == nil {
		err = os.Chmod(building, 0o755)
	}
	if err == nil {
		err = os.Rename(building, final)
	}
	if err == nil {
		err = syncDir(parent)
	}
	if err != nil {
		os.RemoveAll(building)
		return Created{}, fileError(final, err)
	}
	created.Folder = final
	return created, nil
}

// createInside makes a loader in a folder that has no slot map. When it fails, it
// takes away what it made.
func createInside(s Settings) (Created, error) {
	store, err := slotmap.CreateStore(s.Folder, s.identity())
	if err != nil {
		return Created{}, fileError(s.Folder, err)
	}
	l := &Library{folder: s.Folder, store: store, log: slog.Default()}
	created, made, err := l.fill(s)
	err = errors.Join(err, store.Close())
	if err == nil {
		return created, nil
	}
	for _, barcode := range made {
		if cartridge, openErr := tape.Open(s.Folder, barcode); openErr == nil {
			cartridge.Remove()
		}
	}
	return Created{}, errors.Join(err, slotmap.Discard(s.Folder))
}

// fill takes the tapes in the folder into the new loader, or makes the first ones.
func (l *Library) fill(s Settings) (created Created, made []string, err error) {
	found, err := l.takeInventory(false)
	if err != nil {
		return created, nil, err
	}
	if len(found.Found) == 0 && s.Tapes > 0 {
		if made, err = l.createTapes(s.Tapes, TapeSpec{}, EventTapeCreated); err != nil {
			return created, made, err
		}
	}
	created = Created{Identity: l.Identity(), Folder: s.Folder, Tapes: append(found.Found, made...)}
	if n := len(found.Unplaced); n > 0 {
		created.Warnings = append(created.Warnings, fmt.Sprintf("%d tapes in the folder have no slot: the loader has %d", n, s.Slots))
	}
	created.Warnings = append(created.Warnings, capacityWarnings(s.Folder, s.CapacityBytes)...)
	return created, made, nil
}

// capacityWarnings says when a capacity beyond the disk will matter.
func capacityWarnings(folder string, capacity int64) []string {
	usage, err := space.Measure(folder)
	if err != nil {
		return nil
	}
	floor := int64(space.DefaultFloorPercent / 100 * float64(usage.TotalBytes))
	room := max(usage.FreeBytes-floor, 0)
	if capacity <= room {
		return nil
	}
	return []string{fmt.Sprintf("a tape of %s is larger than what the disk can take: tapes grow as they are written, and writing stops with a disk-full error after about %s more, when less than %s are free",
		space.Bytes(capacity), space.Bytes(room), space.Bytes(floor))}
}

// fileError makes a file system's refusal to write ErrNotWritable.
func fileError(folder string, err error) error {
	if errors.Is(err, fs.ErrPermission) || isReadOnly(err) {
		return fmt.Errorf("%s: %w: %w", folder, ErrNotWritable, err)
	}
	return err
}
