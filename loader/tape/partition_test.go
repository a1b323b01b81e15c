package tape

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

// twoPartitions makes a loaded tape with a block in each partition.
func twoPartitions(t *testing.T) (*Cartridge, *Image, string) {
	c, im, dir := newTape(t, Spec{CapacityBytes: 1 << 30})
	must(t, im.FormatPartitions(1<<28, 3<<28))
	for n := range 2 {
		must(t, im.SetPartition(n))
		must(t, im.WriteBlock([]byte{'a' + byte(n)}))
	}
	must(t, im.SetPartition(0))
	return c, im, dir
}

// Two partitions share a cartridge: its capacity, its counters, its protection.
func TestPartitions(t *testing.T) {
	c, im, dir := twoPartitions(t)
	if err := im.SetPartition(2); !errors.Is(err, ErrPartition) {
		t.Fatal(err)
	}
	must(t, im.SetPartition(1))
	if i := im.Info(); i.CapacityBytes != 3<<28 || i.EarlyWarningBytes != 3<<26 || i.UsedBytes != 65 || i.WriteCount != 1 || i.LoadCount != 1 {
		t.Fatalf("%+v", i)
	}
	must(t, im.SetAttribute(Attribute{ID: 0x080C, Value: []byte("one")}))
	if _, ok := im.parts[0].Attribute(0x080C); ok {
		t.Fatal("an attribute of partition 1 stands in partition 0")
	}
	must(t, im.Close())
	onlyFiles(t, dir, "ABC001L8.tape", "ABC001L8.index", "ABC001L8.tape.p1", "ABC001L8.index.p1")
	if list, err := List(dir); err != nil || len(list) != 1 {
		t.Fatalf("%q, %v", list, err)
	}
	if i := c.Info(); i.CapacityBytes != 1<<30 || i.UsedBytes != 130 || i.Objects != 2 || i.Partitions != 2 || !i.Clean {
		t.Fatalf("%+v", i)
	}
	must(t, c.SetWriteProtected(true))
	im, err := c.Load()
	must(t, err)
	must(t, im.SetPartition(1))
	if err := im.WriteBlock([]byte("x")); !errors.Is(err, ErrReadOnly) || !im.Info().WriteProtected {
		t.Fatal(err)
	}
	if a, ok := im.Attribute(0x080C); !ok || string(a.Value) != "one" {
		t.Fatalf("%+v", a)
	}
	must(t, im.Close())
	must(t, c.SetWriteProtected(false))
	for n, want := range []string{"a", "b"} {
		var b bytes.Buffer
		must(t, Cat(&b, dir, c.barcode, CatOptions{File: -1, Partition: n}))
		if b.String() != want {
			t.Fatalf("partition %d: %q", n, b.String())
		}
	}
	if err := Cat(os.Stderr, dir, c.barcode, CatOptions{Partition: 2}); !errors.Is(err, ErrPartition) {
		t.Fatal(err)
	}
	var b bytes.Buffer
	must(t, Dump(&b, dir, c.barcode))
	if strings.Count(b.String(), "blocks of 1 bytes") != 2 || !strings.Contains(b.String(), "\npartition 1\n") {
		t.Fatal(b.String())
	}
	must(t, c.Erase())
	if i := c.Info(); i.CapacityBytes != 1<<30 || i.Partitions != 1 || i.Objects != 0 {
		t.Fatalf("%+v", i)
	}
	onlyFiles(t, dir, "ABC001L8.tape", "ABC001L8.index")
	if err := Cat(os.Stderr, dir, c.barcode, CatOptions{Partition: 1}); !errors.Is(err, ErrPartition) {
		t.Fatal(err)
	}
}

// A view keeps its partition from going, and its bytes from changing.
func TestViewsOfPartitions(t *testing.T) {
	c, im, _ := twoPartitions(t)
	must(t, im.SetPartition(1))
	v, err := im.View()
	must(t, err)
	if err := im.Format(); !errors.Is(err, ErrPinned) {
		t.Fatal(err)
	}
	im.Rewind()
	must(t, im.WriteBlock([]byte("new")))
	must(t, im.Close())
	if err := c.Erase(); !errors.Is(err, ErrPinned) {
		t.Fatal(err)
	}
	if err := c.Remove(); !errors.Is(err, ErrPinned) {
		t.Fatal(err)
	}
	im, err = c.Load()
	must(t, err)
	must(t, im.FormatPartitions(1<<29, 1<<29))
	same(t, v, []object{[]byte("b")})
	must(t, v.Close())
	must(t, im.Format())
	must(t, im.Close())
	must(t, c.Remove())
}

// What a host may ask for that cannot be.
func TestPartitionSizes(t *testing.T) {
	_, im, _ := twoPartitions(t)
	for _, sizes := range [][]int64{{}, {1e6, 1e6, 1e6}} {
		if err := im.FormatPartitions(sizes...); !errors.Is(err, ErrPartition) {
			t.Fatalf("%d: %v", sizes, err)
		}
	}
	for _, sizes := range [][]int64{{0}, {1e6, 1e3}, {1e6, 1e6}, {1e6, 1 << 60}, {-1, 1 << 30}} {
		if err := im.FormatPartitions(sizes...); !errors.Is(err, ErrCapacity) {
			t.Fatalf("%d: %v", sizes, err)
		}
	}
	if im.TotalBytes() != 1<<30 || im.Info().Objects != 1 {
		t.Fatal("a refused format changed something")
	}
	must(t, im.FormatPartitions(1<<20, 1<<20+5))
	if i := im.Info(); i.CapacityBytes != 1<<20+5 || im.parts[1].Info().CapacityBytes != 1<<20 {
		t.Fatalf("%+v", i)
	}
}

// Check finds damage in partition 1, and mend repairs it, also when an index is
// gone; files of another cartridge are not taken for it.
func TestMendPartitions(t *testing.T) {
	for lost, part := range map[string]string{"the second index": secondPart, "the first index": ""} {
		t.Run(lost, func(t *testing.T) {
			c, im, dir := twoPartitions(t)
			serial := im.log.head.serial
			must(t, im.Close())
			must(t, os.Remove(c.path(indexSuffix)+part))
			if _, err := Mend(dir, c.barcode, MendOptions{}); !errors.Is(err, ErrIndexLost) {
				t.Fatal(err)
			}
			r, err := Mend(dir, c.barcode, MendOptions{BlockLength: 1, CapacityBytes: 1 << 28})
			if err != nil || len(r.Problems) > 0 || len(r.Changes) == 0 || r.CheckedObjects != 2 {
				t.Fatalf("%+v, %v", r, err)
			}
			c, err = Open(dir, c.barcode)
			must(t, err)
			im, err = c.Load()
			must(t, err)
			if im.Partitions() != 2 || im.log.head.serial != serial {
				t.Fatalf("%d partitions, serial %x", im.Partitions(), im.log.head.serial)
			}
			same(t, im, []object{[]byte("a")})
			must(t, im.SetPartition(1))
			same(t, im, []object{[]byte("b")})
			must(t, im.Close())
		})
	}
	t.Run("a block", func(t *testing.T) {
		c, im, dir := twoPartitions(t)
		must(t, im.Close())
		flip(t, c.path(payloadSuffix)+secondPart, 0)
		r, err := Check(dir, c.barcode, nil)
		if err != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0].String(), "partition 1") {
			t.Fatalf("%+v, %v", r, err)
		}
	})
	t.Run("another cartridge's", func(t *testing.T) {
		c, im, _ := twoPartitions(t)
		must(t, im.Close())
		_, im, dir := twoPartitions(t)
		must(t, im.Close())
		for _, s := range []string{payloadSuffix, indexSuffix} {
			must(t, os.Rename(c.path(s)+secondPart, dir+"/ABC001L8"+s+secondPart))
		}
		other, err := Open(dir, c.barcode)
		must(t, err)
		if _, err := other.Load(); !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		if _, err := Open(c.dir, c.barcode); !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		_, err = other.Load()
		if errors.Is(err, ErrInUse) {
			t.Fatal("a load that failed left the tape locked")
		}
	})
}
