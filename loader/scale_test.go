package loader

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// thousand makes a loader of 1000 tapes, closed.
func thousand(t testing.TB) string {
	t.Helper()
	s := small(filepath.Join(t.TempDir(), "backup"))
	s.Slots, s.Tapes = 1000, 1000
	created, err := Create(s)
	if err != nil {
		t.Fatal(err)
	}
	return created.Folder
}

// TestTenLoadersOfAThousandTapesOpenQuicklyAndStaySmall: goals G11 and G12 of
// design/speed.md give ten loaders 64 MB and 2 s for everything. The libraries' part
// takes about 0.1 s; the limit here allows for the race detector on a busy machine.
func TestTenLoadersOfAThousandTapesOpenQuicklyAndStaySmall(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 10,000 tapes")
	}
	folders := []string{thousand(t)}
	for len(folders) < 10 {
		// Hard links are enough: names are all that Open looks at.
		folder := t.TempDir()
		for _, name := range tapeFiles(t, folders[0]) {
			if err := os.Link(filepath.Join(folders[0], name), filepath.Join(folder, name)); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"slotmap.db", "slotmap.db.backup"} {
			data, err := os.ReadFile(filepath.Join(folders[0], name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		folders = append(folders, folder)
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, start := heap(), time.Now()
	for _, f := range folders {
		r := open(t, f)
		if got := len(r.Tapes()); got != 1000 {
			t.Fatalf("%d tapes", got)
		}
	}
	took, grown := time.Since(start), heap()-before
	t.Logf("opened in %v, heap grew by %.1f MB", took, float64(grown)/1e6)
	if took > 10*time.Second {
		t.Errorf("opening took %v", took)
	}
	if grown > 20e6 {
		t.Errorf("heap grew by %d bytes", grown)
	}
}

// tapeFiles returns the names of the tape files in a folder.
func tapeFiles(t testing.TB, folder string) (names []string) {
	t.Helper()
	for _, pattern := range []string{"*.tape", "*.index"} {
		matches, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range matches {
			names = append(names, filepath.Base(m))
		}
	}
	return names
}

func BenchmarkOpen1000Tapes(b *testing.B) {
	folder := thousand(b)
	for b.Loop() {
		l, err := Open(folder, Options{Log: quiet})
		if err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}

func BenchmarkInventoryOf1000Tapes(b *testing.B) {
	r := open(b, thousand(b))
	for b.Loop() {
		if err := r.Inventory(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
