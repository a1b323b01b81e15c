package service

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"virtualloader/driver/scsi"
	"virtualloader/loader"
	"virtualloader/loader/control"
	"virtualloader/loader/space"
	"virtualloader/loader/tape"
	"virtualloader/slotmap"
)

// meaning is what an error of the rooms below means to a person.
type meaning struct {
	is   error
	code control.Code
	hint string
}

// meanings, the more particular before the general.
var meanings = []meaning{
	{loader.ErrSettings, control.Invalid, "correct that and ask again; nothing was made"},
	{loader.ErrNotWritable, control.Denied, "choose a folder that you may write to, or change its permissions"},
	{loader.ErrOwned, control.InUse, "choose another folder, or delete that loader first (its folder stays)"},
	{loader.ErrUsed, control.Exists, "choose a number that was never used, or leave the barcode out"},
	{loader.ErrExists, control.Exists, "choose another barcode, or leave it out to get the next one"},
	{loader.ErrNoTape, control.NotFound, "`vloader tape list LOADER` shows the tapes there are"},
	{loader.ErrLoaded, control.InUse, "`vloader unload LOADER` first"},
	{loader.ErrFamilyExhausted, control.Full, "give a barcode of your own, or make a loader with another family"},
	{loader.ErrClosed, control.Offline, "the loader is being closed; ask again when it is back"},

	{slotmap.ErrNoElement, control.NotFound, "`vloader loader info LOADER --elements` lists the places"},
	{slotmap.ErrSourceEmpty, control.NotFound, "`vloader tape list LOADER` shows where the tapes are"},
	{slotmap.ErrDestinationFull, control.InUse, "choose a free place, or move the tape that is there first"},
	{slotmap.ErrHeld, control.InUse, "wait until the copy, export or erasure of this tape has ended"},
	{slotmap.ErrFull, control.Full, "delete or export tapes that are no longer needed"},
	{slotmap.ErrExists, control.Exists, "choose another barcode"},
	{slotmap.ErrInUse, control.InUse, "stop the other service that has this folder open, or choose another folder"},
	{slotmap.ErrVersion, control.Denied, "use the newer version of Virtual Loader that wrote it"},
	{slotmap.ErrDamaged, control.Damaged, "put a good copy of the file in its place; a folder's slot map can be made anew from its tapes: `vloader loader create NAME --folder DIR --rebuild`"},

	{tape.ErrBarcode, control.Invalid, "letters, digits, - and _, at most 32 of them"},
	{tape.ErrExists, control.Exists, "choose another barcode, or leave it out to get the next one"},
	{tape.ErrNotExist, control.NotFound, "look whether the tape's files are still in the folder; `vloader loader inventory LOADER` looks again"},
	{tape.ErrInUse, control.InUse, "unload the tape first; a tape can be loaded once, by one service"},
	{tape.ErrPinned, control.InUse, "wait until the copy of this tape has ended"},
	{tape.ErrReadOnly, control.Denied, "`vloader tape protect --off LOADER BARCODE` clears the write protection"},
	{tape.ErrIndexLost, control.Damaged, "`vloader tape mend --block-length N` rebuilds a tape of equal records"},
	{tape.ErrDamaged, control.Damaged, "`vloader tape mend LOADER BARCODE` repairs what can be repaired"},
	{tape.ErrFormat, control.Denied, "use the newer version of Virtual Loader that wrote the tape"},
	{tape.ErrCapacity, control.Invalid, "choose a capacity of at least 1 MB"},
	{tape.ErrDiskFull, control.Full, "free some space on the disk"},

	{space.ErrThresholds, control.Invalid, "for example 6 to warn and 5 to refuse"},
	{fs.ErrPermission, control.Denied, "change the permissions, or choose another folder"},
	{fs.ErrNotExist, control.NotFound, "check the path, and that the disk is attached"},
}

// explain gives err the code and hint it has for a person; nil stays nil.
func explain(err error) error { return explainFor("", "", err) }

// explainFor is explain with a loader's name and a tape's barcode, where they
// are known, in the hint's commands.
func explainFor(name, barcode string, err error) error {
	if err == nil {
		return nil
	}
	var known *control.Error
	if errors.As(err, &known) {
		return err
	}
	var sense *scsi.Sense
	if errors.As(err, &sense) && sense.Code == scsi.MediumRemovalPrevented {
		return (&control.Error{Code: control.InUse, Message: "the backup program holds the tape in the drive",
			Hint: "let it finish and unlock the drive, or end its session"}).Because(err)
	}
	for _, m := range meanings {
		if errors.Is(err, m.is) {
			return (&control.Error{Code: m.code, Message: err.Error(), Hint: fill(m.hint, name, barcode)}).Because(err)
		}
	}
	return control.AsError(err)
}

// fill puts the names that are known into a hint's commands.
func fill(hint, name, barcode string) string {
	if name != "" {
		hint = strings.ReplaceAll(hint, "LOADER", name)
	}
	if barcode != "" {
		hint = strings.ReplaceAll(hint, "BARCODE", barcode)
	}
	return hint
}

func noLoader(name string) error {
	return &control.Error{Code: control.NotFound, Message: fmt.Sprintf("no loader is called %q", name),
		Hint: "`vloader loader list` shows those there are"}
}

func offline(name, reason string) error {
	return &control.Error{Code: control.Offline, Message: fmt.Sprintf("loader %s is offline: %s", name, reason),
		Hint: "bring its folder back; the service looks again by itself, and at once on `vloader loader inventory " + name + "`"}
}
