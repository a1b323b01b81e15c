package conformance

import (
	"errors"
	"fmt"

	"virtualloader/driver/scsi"
)

// Result is how a command ended. Residual counts bytes: positive an underflow,
// negative an overflow.
type Result struct {
	Status   scsi.Status
	Sense    []byte
	Data     []byte
	Residual int
}

// Execer executes one command for a nexus ("A", "B") on a logical unit. out is
// the data-out, inLen the expected data-in length in bytes. An error means that
// the command could not be carried, not that it failed.
type Execer interface {
	Exec(nexus string, lun int, cdb, out []byte, inLen int) (Result, error)
}

// Stage is what items are played on: fresh, with an empty drive and ten
// cartridges in the first slots (fixture G0).
//
// Events are: "cartridge data|worm|cleaning [CAPACITY EARLYWARNING]" (a blank one into the
// drive), "protect" (the loaded one becomes write protected), "reload",
// "damaged" and "unknown" (a cartridge that cannot be read), "restart" (the
// service), "login X", "logout X", "lost X", "reset LUN|warm|cold", "clear X LUN" (CLEAR TASK
// SET), "abort X" (ABORT TASK of X's command that was started last), "gate open|floor|emergency" (room on the disk), "corrupt N" (payload
// byte N), "import" (an operator fills an import/export element), "add" (a cartridge file
// appears), "compression" (the loader allows it; the service restarts). errors.ErrUnsupported: not here.
type Stage interface {
	Execer
	Event(words []string) error
}

// Starter is a Stage that can hold the data-out of a command back: the command
// runs until it needs them, and finish lets them through and waits for the end.
// The status of a command that was aborted, and never answered, is TASK ABORTED.
type Starter interface {
	Start(nexus string, lun int, cdb, out []byte, inLen int) (finish func() (Result, error), err error)
}

// Item is one line of the checklist.
type Item struct {
	Number  string // "F.3/74", with a letter where the checklist has cases
	Name    string
	Fixture string // see Fixtures; "": the bare stage
	Script  string
	// Check, if any, is played after Script.
	Check func(b *Bench) error
}

// Fixtures are the states of the checklist, as scripts on a fresh stage.
var Fixtures = map[string]string{
	"":   "",
	"SN": "",
	"G0": "",
	"S0": "! cartridge data\ndrain",
	"S1": "! cartridge data\ndrain\n" + fiveObjects,
	"SW": "! cartridge data\ndrain\n" + fiveObjects + "! protect",
	"SX": "! cartridge worm\ndrain\n" + fiveObjects,
	// SE is small enough to be filled: 4 MiB, early warning in the last MiB.
	"SE": "! cartridge data 4194304 1048576\ndrain",
	"SF": "! cartridge data\ndrain\n" + sixteenObjects + "15 10 00 00 0C > 00001008 00000000 00000200 = G\n",
}

const fiveObjects = `
0A 00 0003E8 > block:0:1000 = G
0A 00 0007D0 > block:1:2000 = G
10 00 000001 = G
0A 00 000BB8 > block:3:3000 = G
10 00 000001 = G
01 = G
`

var sixteenObjects = func() (script string) {
	write := func(from, to, length int) {
		for i := from; i <= to; i++ {
			script += fmt.Sprintf("0A 00 %06X > block:%d:%d = G\n", length, i, length)
		}
	}
	write(0, 9, 512)
	script += "10 00 000001 = G\n"
	write(11, 13, 512)
	write(14, 14, 100)
	write(15, 15, 512)
	return script + "01 = G\n"
}()

// Items returns the whole checklist as far as it is written down here.
func Items() []Item {
	var all []Item
	for _, part := range [][]Item{commonItems, moreItems, driveItems, mediaItems, edgeItems, changerItems} {
		all = append(all, part...)
	}
	return all
}

// Run plays one item on a fresh stage. errors.ErrUnsupported is in the chain
// when the stage cannot play it.
func Run(stage Stage, item Item) error {
	b := &Bench{Stage: stage}
	setup, known := Fixtures[item.Fixture]
	if !known {
		return fmt.Errorf("fixture %q is unknown", item.Fixture)
	}
	if err := errors.Join(b.drain(), b.Play(setup), b.drain()); err != nil {
		return fmt.Errorf("fixture %s: %w", item.Fixture, err)
	}
	if err := b.Play(item.Script); err != nil {
		return err
	}
	if item.Check != nil {
		return item.Check(b)
	}
	return nil
}

// drain lets both nexuses take their unit attentions on both logical units.
func (b *Bench) drain() error {
	for _, nexus := range []string{"A", "B"} {
		for lun := range 2 {
			if err := b.drainOne(nexus, lun); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Bench) drainOne(nexus string, lun int) error {
	for range 10 {
		r, err := b.Exec(nexus, lun, []byte{0x03, 0, 0, 0, 18, 0}, nil, 18)
		if err != nil {
			return err
		}
		if sense, ok := scsi.ParseSense(r.Data); ok && sense.Key == scsi.NoSense {
			return nil
		}
	}
	return fmt.Errorf("nexus %s, LUN %d: more unit attentions than there can be", nexus, lun)
}
