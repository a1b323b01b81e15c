package tape

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// sentinels are the words that scripts know for errors.
var sentinels = map[string]error{
	"filemark": ErrFilemark, "end-of-data": ErrEndOfData, "beginning": ErrBeginningOfTape, "early-warning": ErrEarlyWarning,
	"end-of-medium": ErrEndOfMedium, "read-only": ErrReadOnly, "block-length": ErrBlockLength, "pinned": ErrPinned,
	"in-use": ErrInUse, "capacity": ErrCapacity, "attribute": ErrAttribute,
}

// script is one file of testdata: lines "command arguments => result". The
// result is numbers or "ok", then the error's word if there is one.
type script struct {
	t    *testing.T
	c    *Cartridge
	im   *Image
	view *View
	dir  string
	next byte
}

// size reads 64, 64k or 1m.
func size(s string) int {
	unit := 1
	switch {
	case strings.HasSuffix(s, "k"):
		unit, s = 1<<10, s[:len(s)-1]
	case strings.HasSuffix(s, "m"):
		unit, s = 1<<20, s[:len(s)-1]
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n * unit
}

func outcome(result any, err error) string {
	s := fmt.Sprint(result)
	if err == nil {
		return s
	}
	for word, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			return s + " " + word
		}
	}
	return s + " " + err.Error()
}

// write writes "3x64k": blocks, each full of the next letter.
func (s *script) write(arg string) string {
	count, length, ok := strings.Cut(arg, "x")
	if !ok {
		count, length = "1", arg
	}
	done, n := 0, size(count)
	var err error
	for range n {
		s.next++
		if err = s.im.WriteBlock(bytes.Repeat([]byte{s.next}, size(length))); err != nil && !errors.Is(err, ErrEarlyWarning) {
			break
		}
		done++
	}
	return outcome(done, err)
}

func (s *script) read(r BlockReader, length int) string {
	p := make([]byte, length)
	n, err := r.ReadBlock(p)
	if err != nil {
		return outcome(n, err)
	}
	for _, b := range p[:min(n, length)] {
		if b != p[0] {
			return "mixed bytes"
		}
	}
	return fmt.Sprintf("%d of %d", n, p[0])
}

// commands are what scripts can do.
var commands = map[string]func(s *script, a []string) string{
	"create": func(s *script, a []string) string {
		spec := Spec{Barcode: "TEST01L8", CapacityBytes: int64(size(a[0]))}
		if len(a) > 1 {
			spec.EarlyWarningBytes = int64(size(a[1]))
		}
		c, err := Create(s.dir, spec)
		s.c = c
		return outcome("ok", err)
	},
	"load": func(s *script, a []string) string {
		im, err := s.c.Load()
		if err == nil {
			s.im = im
		}
		return outcome("ok", err)
	},
	"close": func(s *script, a []string) string { return outcome("ok", s.im.Close()) },
	"park":  func(s *script, a []string) string { return outcome("ok", s.im.Park()) },
	"sync":  func(s *script, a []string) string { return outcome("ok", s.im.Sync()) },
	"write": func(s *script, a []string) string { return s.write(a[0]) },
	"write-many": func(s *script, a []string) string {
		length, count := size(a[1]), size(a[0])
		s.next++
		return outcome(s.im.WriteBlocks(bytes.Repeat([]byte{s.next}, length*count), length))
	},
	"read-many": func(s *script, a []string) string {
		return outcome(s.im.ReadBlocks(make([]byte, size(a[0])*size(a[1])), size(a[1])))
	},
	"filemark": func(s *script, a []string) string {
		n := 1
		if len(a) > 0 {
			n = size(a[0])
		}
		return outcome(s.im.WriteFilemarks(n))
	},
	"read":       func(s *script, a []string) string { return s.read(s.im, size(a[0])) },
	"rewind":     func(s *script, a []string) string { s.im.Rewind(); return "ok" },
	"eod":        func(s *script, a []string) string { s.im.SpaceEndOfData(); return "ok" },
	"locate":     func(s *script, a []string) string { return outcome("ok", s.im.Locate(uint64(size(a[0])))) },
	"file":       func(s *script, a []string) string { return outcome("ok", s.im.LocateFile(uint64(size(a[0])))) },
	"space":      func(s *script, a []string) string { return outcome(s.im.SpaceBlocks(int64(size(a[0])))) },
	"fsf":        func(s *script, a []string) string { return outcome(s.im.SpaceFilemarks(int64(size(a[0])))) },
	"sequential": func(s *script, a []string) string { return outcome(s.im.SpaceSequentialFilemarks(int64(size(a[0])))) },
	"erase":      func(s *script, a []string) string { return outcome("ok", s.im.Erase(len(a) > 0)) },
	"format":     func(s *script, a []string) string { return outcome("ok", s.im.Format()) },
	"capacity":   func(s *script, a []string) string { return outcome("ok", s.im.SetCapacity(int64(size(a[0])))) },
	"protect":    func(s *script, a []string) string { return outcome("ok", s.c.SetWriteProtected(a[0] == "on")) },
	"view": func(s *script, a []string) string {
		v, err := s.c.View()
		s.view = v
		return outcome("ok", err)
	},
	"view-read":  func(s *script, a []string) string { return s.read(s.view, size(a[0])) },
	"view-close": func(s *script, a []string) string { return outcome("ok", s.view.Close()) },
	"attribute": func(s *script, a []string) string {
		id, _ := strconv.ParseUint(a[0], 16, 16)
		if len(a) > 1 {
			return outcome("ok", s.im.SetAttribute(Attribute{ID: uint16(id), Format: 1, Value: []byte(a[1])}))
		}
		v, ok := s.im.Attribute(uint16(id))
		return fmt.Sprintf("%s %t", v.Value, ok)
	},
	"position": func(s *script, a []string) string {
		p := s.im.Position()
		return fmt.Sprintf("object %d file %d bop %t ew %t", p.Object, p.File, p.BeginningOfPartition, p.EarlyWarning)
	},
	"info": func(s *script, a []string) string {
		i := s.c.Info()
		if s.im != nil && s.im.payload != nil {
			i = s.im.Info()
		}
		return fmt.Sprintf("objects %d filemarks %d payload %d used %d generation %d writes %d loads %d clean %t",
			i.Objects, i.Filemarks, i.PayloadBytes, i.UsedBytes, i.Generation, i.WriteCount, i.LoadCount, i.Clean)
	},
	"payload": func(s *script, a []string) string {
		st, err := os.Stat(s.c.path(payloadSuffix))
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(st.Size())
	},
	"files": func(s *script, a []string) string {
		list, _ := OS().Names(s.dir)
		return fmt.Sprint(len(list))
	},
	"check": func(s *script, a []string) string {
		r, err := Check(s.dir, s.c.Barcode(), nil)
		return outcome(fmt.Sprintf("objects %d problems %d", r.CheckedObjects, len(r.Problems)), err)
	},
}

// The stories of testdata come out as they are told there.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	must(t, err)
	if len(files) < 5 {
		t.Fatalf("%d scripts found", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			must(t, err)
			s := &script{t: t, dir: t.TempDir()}
			for n, line := range strings.Split(string(text), "\n") {
				line, _, _ = strings.Cut(line, "#")
				do, want, _ := strings.Cut(line, "=>")
				words := strings.Fields(do)
				if len(words) == 0 {
					continue
				}
				command := commands[words[0]]
				if command == nil {
					t.Fatalf("%s:%d: unknown command %q", file, n+1, words[0])
				}
				got := strings.TrimSpace(command(s, words[1:]))
				if got != strings.TrimSpace(want) {
					t.Errorf("%s:%d: %s => %s", file, n+1, strings.TrimSpace(do), got)
				}
			}
			if s.im != nil {
				must(t, s.im.Close())
			}
		})
	}
}

var update = flag.Bool("update-golden", false, "write the golden image of the present format version")

// golden are the images of every format version there was.
var golden = []struct {
	dir     string
	version uint32
	storing bool
	divided bool
}{{"testdata/format1", 1, false, false}, {"testdata/format2", 2, true, false}, {"testdata/format2-partitions", 2, false, true}}

// writeGolden makes the golden image; storing: with blocks stored plain,
// compressed, encrypted, and both; divided: with a partition 1.
func writeGolden(t *testing.T, dir string, storing, divided bool) {
	c, err := Create(dir, Spec{Barcode: "GOLD01L8", CapacityBytes: 1e9})
	must(t, err)
	im, err := c.Load()
	must(t, err)
	if divided {
		must(t, im.FormatPartitions(5e8, 5e8))
		must(t, im.SetPartition(1))
		must(t, im.WriteBlock(goldenBlock(7)))
		must(t, im.SetPartition(0))
	}
	must(t, im.SetAttribute(Attribute{ID: 0x0803, Format: 2, Value: []byte("golden tape")}))
	for i := range 40 {
		if storing {
			im.SetCompression(i >= 10)
			if i >= 20 {
				must(t, im.SetEncryption(testEncryption(i%3)))
			}
		}
		must(t, im.WriteBlock(goldenBlock(i)))
		if i%10 == 9 {
			_, err := im.WriteFilemarks(1)
			must(t, err)
			must(t, im.Sync())
		}
	}
	must(t, im.Locate(30))
	must(t, im.WriteBlock(goldenBlock(99)))
	must(t, im.Close())
}

func goldenBlock(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 100+i%3*50) }

// goldenObjects is what stands on the golden image.
func goldenObjects() []object {
	var list []object
	for i := range 40 {
		list = append(list, goldenBlock(i))
		if i%10 == 9 {
			list = append(list, nil)
		}
	}
	return append(list[:30], goldenBlock(99))
}

// A tape of an older format version opens for ever, cleanly unloaded or not.
func TestGoldenImagesOfAllFormatVersions(t *testing.T) {
	for _, g := range golden {
		newest := g.version == formatVersion
		if *update && newest {
			must(t, os.RemoveAll(g.dir))
			must(t, os.MkdirAll(g.dir, 0o755))
			writeGolden(t, g.dir, g.storing, g.divided)
		}
		t.Run(filepath.Base(g.dir), func(t *testing.T) { opensAsEver(t, g.dir, g.version, g.divided) })
	}
}

func opensAsEver(t *testing.T, golden string, version uint32, divided bool) {
	for _, clean := range []bool{true, false} {
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(golden)))
		c, err := Open(dir, "GOLD01L8")
		must(t, err)
		if !clean {
			must(t, os.Truncate(c.path(indexSuffix), sizeOf(t, c.path(indexSuffix))-1))
		}
		im, err := c.Load()
		must(t, err)
		if im.log.head.version != version {
			t.Fatalf("format version %d, want %d", im.log.head.version, version)
		}
		must(t, im.SetDecryption(DecryptMixed, &testKey))
		same(t, im, goldenObjects())
		if a, ok := im.Attribute(0x0803); !ok || string(a.Value) != "golden tape" {
			t.Fatalf("attribute %q, %t", a.Value, ok)
		}
		if im.TotalBytes() != 1e9 || im.Partitions() > 1 != divided {
			t.Fatalf("%d bytes in %d partitions", im.TotalBytes(), im.Partitions())
		}
		i := im.Info()
		if i.EarlyWarningBytes != i.CapacityBytes/4 || i.LoadCount < 1 || i.WriteCount != 1 || len(i.Serial) != 32 {
			t.Fatalf("%+v", i)
		}
		if divided {
			must(t, im.SetPartition(1))
			same(t, im, []object{goldenBlock(7)})
		}
		must(t, im.Close())
		r, err := Check(dir, "GOLD01L8", nil)
		if err != nil || len(r.Problems) > 0 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
}

func sizeOf(t testing.TB, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	must(t, err)
	return st.Size()
}
