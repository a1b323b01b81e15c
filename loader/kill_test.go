package loader

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"virtualloader/slotmap"
)

// victimFolder names the loader that a process of this test moves tapes in until
// it is killed.
const victimFolder = "LOADER_TEST_VICTIM"

// round is a walk of one tape that ends where it begins.
var round = []slotmap.Address{slot(1), drive, slot(5), mailbox, drive, slot(9), slot(3), drive}

// victim walks for ever and writes the number of each move that was acknowledged.
func victim(folder string) {
	l, err := Open(folder, Options{Log: quiet})
	if err == nil {
		err = l.Attach(&fakeDrive{}, nil)
	}
	for i := 0; err == nil; i++ {
		err = l.Move(context.Background(), round[i%len(round)], round[(i+1)%len(round)])
		if err == nil {
			fmt.Println(i)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestKillingTheProcessDuringMovesLosesNoTapeAndNoAcknowledgedMove(t *testing.T) { // spec F.4 139
	self, err := os.Executable()
	if err != nil {
		t.Skip("the test program cannot be started again:", err)
	}
	for kill := range 12 {
		r := create(t, func(s *Settings) { s.Tapes = 2 })
		r.shut(t)
		command := exec.Command(self)
		command.Env = append(os.Environ(), victimFolder+"="+r.Folder())
		command.Stderr = os.Stderr
		output, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(output)
		last := -1
		for lines.Scan() {
			if last, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
			if last == 3+kill*2 {
				time.AfterFunc(time.Duration(kill)*150*time.Microsecond, func() { command.Process.Kill() })
			}
		}
		command.Wait()
		if last < 3+kill*2 {
			t.Fatalf("the process ended by itself after %d moves", last)
		}
		after := open(t, r.Folder())
		checkWhole(t, r.Folder(), after.Map())
		e, _ := after.Map().Find("ABC001L8")
		acknowledged, next := round[(last+1)%len(round)], round[(last+2)%len(round)]
		if e.Address != acknowledged && e.Address != next {
			t.Errorf("after move %d it is in %s, want %s or %s", last, e.Address, acknowledged, next)
		}
		if inDrive := e.Address == drive; inDrive != (after.drive.barcode() == "ABC001L8") {
			t.Errorf("after move %d it is in %s, the drive has %q", last, e.Address, after.drive.barcode())
		}
	}
}
