package tape

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"sync"
	"testing"
)

// Views made and read by other goroutines stay true while the tape is written
// at full speed, overwritten and begun anew.
func TestViewsBesideTheWriter(t *testing.T) {
	shortRegions(t)
	c, im, _ := newTape(t, Spec{})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := lookAt(c); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	rnd := rand.New(rand.NewSource(1))
	b := make([]byte, 3000)
	stamp := uint64(0)
	for range 150 {
		switch rnd.Intn(6) {
		case 0:
			im.Rewind()
		case 1:
			must(t, im.Locate(rnd.Uint64()%(im.Info().Objects+1)))
		case 2:
			must(t, im.Sync())
		case 3:
			must(t, im.Park())
		}
		for range 20 {
			stamp++
			for i := 0; i+16 <= len(b); i += 16 {
				binary.LittleEndian.PutUint64(b[i:], stamp)
				binary.LittleEndian.PutUint64(b[i+8:], im.Position().Object)
			}
			must(t, im.WriteBlock(b[:16*(1+rnd.Intn(180))]))
		}
		c.Info()
	}
	close(stop)
	readers.Wait()
	must(t, im.Close())
}

// lookAt reads a View twice: both times the same, every block in its place.
func lookAt(c *Cartridge) error {
	v, err := c.View()
	if err != nil {
		return err
	}
	defer v.Close()
	first, err := contents(v)
	if err != nil {
		return err
	}
	if uint64(len(first)) != v.Info().Objects {
		return fmt.Errorf("%d objects, info says %d", len(first), v.Info().Objects)
	}
	for i, o := range first {
		if n := binary.LittleEndian.Uint64(o[8:]); n != uint64(i) {
			return fmt.Errorf("object %d stands at %d", n, i)
		}
	}
	again, err := contents(v)
	if err != nil {
		return err
	}
	if len(again) != len(first) || !isPrefix(again, first) {
		return errors.New("the view changed")
	}
	return nil
}

// A switch of generations that a crash cut short is finished or forgotten,
// whatever step it had come to.
func TestInterruptedSwitchOfGenerations(t *testing.T) {
	type files map[string]string // name: which content, "old" or "new"
	for name, test := range map[string]struct {
		files files
		want  string
	}{
		"being made":      {files{".tape": "old", ".index": "old", ".tape.new": "new", ".index.tmp": "new"}, "old"},
		"half made":       {files{".tape": "old", ".index": "old", ".index.tmp": "torn"}, "old"},
		"decided":         {files{".tape": "old", ".index": "old", ".tape.new": "new", ".index.new": "new"}, "new"},
		"payload aside":   {files{".tape.g1": "old", ".index": "old", ".tape.new": "new", ".index.new": "new"}, "new"},
		"payload in":      {files{".tape.g1": "old", ".index": "old", ".tape": "new", ".index.new": "new"}, "new"},
		"index aside":     {files{".tape.g1": "old", ".index.g1": "old", ".tape": "new", ".index.new": "new"}, "new"},
		"done":            {files{".tape.g1": "old", ".index.g1": "old", ".tape": "new", ".index": "new"}, "new"},
		"payload removed": {files{".index.g1": "old", ".tape": "new", ".index": "new"}, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := newCrashFS()
			c, err := CreateOn(fsys, "/t", Spec{Barcode: "GEN001L8", CapacityBytes: 1 << 30})
			must(t, err)
			im, err := c.Load()
			must(t, err)
			must(t, im.WriteBlock([]byte("old old")))
			must(t, im.Sync())
			content := map[string][]byte{"torn": []byte("torn"), "old.tape": bytes.Clone(fsys.names["/t/GEN001L8.tape"].data), "old.index": bytes.Clone(fsys.names["/t/GEN001L8.index"].data)}
			im.Rewind()
			must(t, im.WriteBlock([]byte("new")))
			must(t, im.Sync())
			content["new.tape"] = bytes.Clone(fsys.names["/t/GEN001L8.tape"].data)
			content["new.index"] = bytes.Clone(fsys.names["/t/GEN001L8.index"].data)
			must(t, im.Close())

			after := newCrashFS()
			for suffix, which := range test.files {
				kind := ".tape"
				if bytes.HasPrefix([]byte(suffix), []byte(".index")) {
					kind = ".index"
				}
				data := content[which+kind]
				if which == "torn" {
					data = content["torn"]
				}
				after.names["/t/GEN001L8"+suffix] = &inode{data: bytes.Clone(data)}
			}
			want := []object{object("old old")}
			if test.want == "new" {
				want = []object{object("new")}
			}
			c, err = OpenOn(after, "/t", "GEN001L8")
			must(t, err)
			v, err := c.View()
			must(t, err)
			same(t, v, want)
			must(t, v.Close())
			im, err = c.Load()
			must(t, err)
			same(t, im, want)
			must(t, im.Close())
			if left, _ := after.Names("/t"); len(left) != 2 {
				t.Fatalf("files left: %q", left)
			}
		})
	}
}

// A clean mount reads footer, directory and one stretch of index, and nothing
// of the payload.
func TestCleanMountReadsNoPayload(t *testing.T) {
	fsys := newCrashFS()
	c, err := CreateOn(fsys, "/t", Spec{Barcode: "MOUNT1L8", CapacityBytes: 1 << 40})
	must(t, err)
	im, err := c.Load()
	must(t, err)
	for i := range 100_000 {
		must(t, im.WriteBlock(make([]byte, 1+i%7)))
	}
	must(t, im.Close())
	c, err = OpenOn(fsys, "/t", "MOUNT1L8")
	must(t, err)
	reads := 0
	fsys.fault = func(op, file string) error {
		if op == "read" && file == "MOUNT1L8.tape" {
			return errors.New("the payload was read")
		}
		if op == "read" {
			reads++
		}
		return nil
	}
	im, err = c.Load()
	must(t, err)
	if reads > 4 {
		t.Fatalf("%d reads of the index", reads)
	}
	if n := len(im.log.dir); n < 30 || n > 60 {
		t.Fatalf("%d directory entries for 100,000 unequal records", n)
	}
	if max := int64(16 * 100_000); im.log.end > max {
		t.Fatalf("%d index bytes for 100,000 records", im.log.end)
	}
	must(t, im.Locate(77_777))
	must(t, im.Close())
}

// Room reserved ahead is given back at unload.
func TestReservedRoomIsGivenBack(t *testing.T) {
	c, im, _ := newTape(t, Spec{})
	must(t, im.WriteBlock(make([]byte, 1000)))
	if _, ok := blocksOf(t, c.path(payloadSuffix)); !ok {
		t.Skip("this system does not tell how much room a file takes")
	}
	must(t, im.Close())
	if n, _ := blocksOf(t, c.path(payloadSuffix)); n > 1<<20 {
		t.Fatalf("a file of 1000 bytes takes %d", n)
	}
}

// Where the files cannot be written the tape is read-only.
func TestReadOnlyFiles(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("the super user may write anything")
	}
	c, im, _ := newTape(t, Spec{})
	must(t, im.WriteBlock([]byte("x")))
	must(t, im.Close())
	must(t, os.Chmod(c.path(indexSuffix), 0o444))
	im, err := c.Load()
	must(t, err)
	if err := im.WriteBlock([]byte("y")); !errors.Is(err, ErrReadOnly) {
		t.Fatal(err)
	}
	same(t, im, []object{object("x")})
	must(t, im.Close())
}

// The hot path allocates nothing.
func TestBlocksMoveWithoutAllocation(t *testing.T) {
	_, im, _ := newTape(t, Spec{})
	p := make([]byte, 4096)
	if n := testing.AllocsPerRun(2000, func() { im.WriteBlock(p) }); n > 0 {
		t.Errorf("WriteBlock: %v allocations", n)
	}
	im.Rewind()
	if n := testing.AllocsPerRun(1000, func() { im.ReadBlock(p) }); n > 0 {
		t.Errorf("ReadBlock: %v allocations", n)
	}
}
