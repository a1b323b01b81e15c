package loader

import (
	"os"
	"path/filepath"
	"testing"
)

// A tape with two partitions is four files; all of them go where it goes.
func TestATapeWithTwoPartitionsMovesWhole(t *testing.T) {
	r := create(t, func(s *Settings) { s.Tapes = 1 })
	r.move(t, slot(1), drive)
	image := r.drive.image
	if err := image.FormatPartitions(2e6, 2e6); err != nil {
		t.Fatal(err)
	}
	if err := image.SetPartition(1); err != nil {
		t.Fatal(err)
	}
	if err := image.WriteBlock([]byte("partition 1")); err != nil {
		t.Fatal(err)
	}
	r.move(t, drive, slot(1))
	if i, err := r.Tape("ABC001L8"); err != nil || i.CapacityBytes != 4e6 || i.UsedBytes != 11+64 {
		t.Fatalf("%+v, %v", i, err)
	}
	away := filepath.Join(t.TempDir(), "away")
	if err := r.Export(t.Context(), "ABC001L8", away); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(away); err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.Folder(), "ABC001L8*")); len(left) > 0 {
		t.Fatalf("left behind: %q", left)
	}
	if _, err := r.Import(t.Context(), []string{away}, 0); err != nil {
		t.Fatal(err)
	}
	r.move(t, slot(1), drive)
	image = r.drive.image
	if err := image.SetPartition(1); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 20)
	if n, err := image.ReadBlock(p); err != nil || string(p[:n]) != "partition 1" {
		t.Fatalf("%q, %v", p[:n], err)
	}
	r.move(t, drive, slot(1))
	if err := r.DeleteTape(t.Context(), "ABC001L8"); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.Folder(), "ABC001L8*")); len(left) > 0 {
		t.Fatalf("left behind: %q", left)
	}
}
