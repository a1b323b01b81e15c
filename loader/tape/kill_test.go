package tape

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"testing"
	"time"
)

const (
	killEnv = "VLOADER_TAPE_KILL" // the folder of the child that is going to be killed
	longEnv = "VLOADER_LONG"      // run the long forms of the tests
)

// killBlock is what the child writes as block n: its length and bytes follow
// from n, so that the parent knows them.
func killBlock(n uint64, buf []byte) []byte {
	length := 1 + int(n*7919%300_000)
	if n%3 > 0 {
		length = 64 << 10
	}
	b := buf[:length]
	number := binary.LittleEndian.AppendUint64(nil, n)
	for i := 0; i < length; i += 512 {
		copy(b[i:], number)
	}
	return b
}

// killChild appends blocks for ever, a filemark and a Sync now and then, and
// says after each Sync how many objects are acknowledged.
func killChild() {
	c, err := Open(os.Getenv(killEnv), "KILL01L8")
	if err != nil {
		panic(err)
	}
	im, err := c.Load()
	if err != nil {
		panic(err)
	}
	im.SpaceEndOfData()
	buf := make([]byte, 300_001)
	fmt.Println(im.Position().Object)
	for i := 0; ; i++ {
		if err := im.WriteBlock(killBlock(im.Position().Object, buf)); err != nil {
			panic(err)
		}
		if i%40 == 0 {
			if _, err := im.WriteFilemarks(1); err != nil {
				panic(err)
			}
		}
		if i%100 == 99 {
			if err := im.Sync(); err != nil {
				panic(err)
			}
			fmt.Println(im.Position().Object)
		}
	}
}

// kill -9 in the middle of a stream: everything acknowledged by a flush is
// intact, the tape ends at a whole record, and Check agrees (contract 3.19).
func TestKilledAtRandomMoments(t *testing.T) {
	moments := 20
	if os.Getenv(longEnv) != "" {
		moments = 200
	}
	dir := t.TempDir()
	c, err := Create(dir, Spec{Barcode: "KILL01L8", CapacityBytes: 1 << 40})
	must(t, err)
	rnd := rand.New(rand.NewSource(1))
	for moment := range moments {
		acked := killOne(t, dir, time.Duration(rnd.Intn(60_000))*time.Microsecond)
		if _, err := Check(dir, "KILL01L8", nil); err != nil {
			t.Fatal(err)
		}
		im, err := c.Load()
		must(t, err)
		end := im.Info().Objects
		if end < acked {
			t.Fatalf("moment %d: %d objects acknowledged, %d found", moment, acked, end)
		}
		if moment%10 == 9 || moment == moments-1 {
			killCompare(t, im)
			r, err := Check(dir, "KILL01L8", nil)
			must(t, err)
			if len(r.Problems) > 0 || r.CheckedObjects != end {
				t.Fatalf("moment %d: %+v", moment, r)
			}
			must(t, im.Format())
		}
		must(t, im.Close())
	}
}

// killOne starts the child, kills it some time after its first words and
// returns the objects it said were acknowledged.
func killOne(t *testing.T, dir string, after time.Duration) uint64 {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), killEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	acked := uint64(0)
	timer := (*time.Timer)(nil)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Sscan(lines.Text(), &acked)
		if timer == nil {
			timer = time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	}
	cmd.Wait()
	return acked
}

// killCompare reads the whole tape.
func killCompare(t *testing.T, im *Image) {
	t.Helper()
	im.Rewind()
	want, got := make([]byte, 300_001), make([]byte, 300_001)
	for n := uint64(0); ; n++ {
		k, err := im.ReadBlock(got)
		switch {
		case errors.Is(err, ErrFilemark):
		case errors.Is(err, ErrEndOfData):
			return
		case err != nil:
			t.Fatal(err)
		default:
			if !bytes.Equal(got[:k], killBlock(n, want)) {
				t.Fatalf("object %d is not what was written", n)
			}
		}
	}
}

// A stream that reached the index but no sync mark is verified, flushed and told
// to people while the cartridge is being loaded.
func TestATapeKilledBeforeItsFirstSyncLoads(t *testing.T) {
	disk := newCrashFS()
	c, err := CreateOn(disk, "/", Spec{Barcode: "ABC001L8", CapacityBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	im, err := c.Load()
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 256<<10)
	for range 2 * flushObjects {
		if err := im.WriteBlock(block); err != nil {
			t.Fatal(err)
		}
	}
	after := disk.killed()
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err = OpenOn(after, "/", "ABC001L8"); err != nil {
		t.Fatal(err)
	}
	if im, err = c.Load(); err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if got := im.Info().Objects; got < flushObjects || c.Info().Objects != got {
		t.Errorf("%d objects are left, %d told", got, c.Info().Objects)
	}
}
