package tape

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// bigTape makes a tape of n equal blocks whose payload file is a hole, with a
// filemark after each "each" blocks (0: none).
func bigTape(b testing.TB, n, length, each int) *Cartridge {
	dir := b.TempDir()
	c, err := Create(dir, Spec{Barcode: "BIG001L8", CapacityBytes: 1 << 50})
	must(b, err)
	im, err := c.Load()
	must(b, err)
	zero := checksum(make([]byte, length))
	for i := range n {
		if each > 0 && i > 0 && i%each == 0 {
			im.log.tail.add(filemarkKind, 0, 1)
			must(b, im.flush())
		}
		im.log.tail.addBlock(length, zero)
		must(b, im.flushDue())
	}
	must(b, im.payload.Truncate(im.log.eod().offset))
	im.fileEnd, im.unsynced, im.suspect = im.log.eod().offset, true, false
	must(b, im.Close())
	return c
}

// Mounting a cleanly unloaded tape of 100 GB in 64 KiB blocks reads no payload
// and takes under 150 ms.
func BenchmarkMount100GB(b *testing.B) {
	c := bigTape(b, 1_600_000, 64<<10, 0)
	for b.Loop() {
		im, err := c.Load()
		must(b, err)
		b.StopTimer()
		must(b, im.Close())
		b.StartTimer()
	}
}

// After a crash the whole index is read instead.
func BenchmarkMount100GBAfterCrash(b *testing.B) {
	c := bigTape(b, 1_600_000, 64<<10, 0)
	im, err := c.Load()
	must(b, err)
	must(b, im.index.Truncate(im.log.end))
	must(b, im.payload.Truncate(im.log.eod().offset))
	im.readOnly = true
	must(b, im.Close())
	for b.Loop() {
		im, err := c.Load()
		must(b, err)
		b.StopTimer()
		im.readOnly = true
		must(b, im.Close())
		b.StartTimer()
	}
}

func BenchmarkOpen(b *testing.B) {
	c := bigTape(b, 1000, 64<<10, 10)
	for b.Loop() {
		_, err := Open(c.dir, c.barcode)
		must(b, err)
	}
}

// percentiles reports the distribution of the time of f.
func percentiles(b *testing.B, f func()) {
	var times []time.Duration
	for b.Loop() {
		start := time.Now()
		f()
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-us")
	b.ReportMetric(float64(times[len(times)-1].Microseconds()), "max-us")
}

// 1,000,000 records and 10,000 filemarks, a flush at each: random LOCATE and
// SPACE are answered in well under a millisecond.
func BenchmarkPosition(b *testing.B) {
	c := bigTape(b, 1_000_000, 512, 100)
	im, err := c.Load()
	must(b, err)
	defer im.Close()
	rnd := rand.New(rand.NewSource(1))
	end := im.Info()
	b.Run("locate", func(b *testing.B) {
		percentiles(b, func() { must(b, im.Locate(rnd.Uint64()%end.Objects)) })
	})
	b.Run("locateFile", func(b *testing.B) {
		percentiles(b, func() { must(b, im.LocateFile(rnd.Uint64()%end.Filemarks)) })
	})
	b.Run("spaceFilemarks", func(b *testing.B) {
		percentiles(b, func() { im.SpaceFilemarks(rnd.Int63n(10000) - 5000) })
	})
	b.Run("spaceBlocks", func(b *testing.B) {
		percentiles(b, func() {
			must(b, im.Locate(rnd.Uint64()%end.Objects))
			im.SpaceBlocks(rnd.Int63n(400) - 200)
		})
	})
	b.Run("endOfData", func(b *testing.B) { percentiles(b, func() { im.SpaceFilemarks(1 << 40); im.Rewind() }) })
}

func benchDirs(b *testing.B) map[string]string {
	dirs := map[string]string{"disk": b.TempDir()}
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		if d, err := os.MkdirTemp("/dev/shm", "tape"); err == nil {
			b.Cleanup(func() { os.RemoveAll(d) })
			dirs["tmpfs"] = d
		}
	}
	return dirs
}

var benchLengths = []int{4 << 10, 64 << 10, 256 << 10, 1 << 20}

const benchBytes = 1 << 30 // where a stream begins anew

// Writing, beside a plain file that is written and synced the same way.
func BenchmarkWrite(b *testing.B) {
	for name, dir := range benchDirs(b) {
		for _, length := range benchLengths {
			p := make([]byte, length)
			rand.New(rand.NewSource(1)).Read(p)
			b.Run(fmt.Sprintf("%s/%dK/tape", name, length>>10), func(b *testing.B) {
				d := filepath.Join(dir, fmt.Sprint(b.N, length))
				must(b, os.MkdirAll(d, 0o755))
				defer os.RemoveAll(d)
				c, err := Create(d, Spec{Barcode: "BENCH1L8", CapacityBytes: 1 << 40})
				must(b, err)
				im, err := c.Load()
				must(b, err)
				b.SetBytes(int64(length))
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if i%(benchBytes/length) == benchBytes/length-1 {
						must(b, im.Sync())
						im.Rewind()
					}
					must(b, im.WriteBlock(p))
				}
				must(b, im.Sync())
				must(b, im.Close())
			})
			b.Run(fmt.Sprintf("%s/%dK/file", name, length>>10), func(b *testing.B) {
				path := filepath.Join(dir, "plain")
				f, err := OS().Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
				must(b, err)
				defer os.Remove(path)
				defer f.Close()
				b.SetBytes(int64(length))
				off := int64(0)
				for i := 0; b.Loop(); i++ {
					if i%(benchBytes/length) == benchBytes/length-1 {
						must(b, f.Sync())
						must(b, f.Truncate(0))
						off = 0
					}
					_, err := f.WriteAt(p, off)
					must(b, err)
					off += int64(length)
				}
				must(b, f.Sync())
			})
		}
	}
}

// Reading what the page cache has, beside a plain file.
func BenchmarkRead(b *testing.B) {
	const total = 256 << 20
	for _, length := range benchLengths {
		dir := b.TempDir()
		c, err := Create(dir, Spec{Barcode: "BENCH1L8", CapacityBytes: 1 << 40})
		must(b, err)
		im, err := c.Load()
		must(b, err)
		p := make([]byte, length)
		for i := range total / length {
			binary.LittleEndian.PutUint64(p, uint64(i))
			must(b, im.WriteBlock(p))
		}
		b.Run(fmt.Sprintf("%dK/tape", length>>10), func(b *testing.B) {
			b.SetBytes(int64(length))
			b.ReportAllocs()
			for b.Loop() {
				if im.Position().Object == uint64(total/length) {
					im.Rewind()
				}
				_, err := im.ReadBlock(p)
				must(b, err)
			}
		})
		b.Run(fmt.Sprintf("%dK/file", length>>10), func(b *testing.B) {
			b.SetBytes(int64(length))
			off := int64(0)
			for b.Loop() {
				if off == total {
					off = 0
				}
				_, err := im.payload.ReadAt(p, off)
				must(b, err)
				off += int64(length)
			}
		})
		im.Rewind()
		big := make([]byte, 1<<20)
		b.Run(fmt.Sprintf("%dK/tape-fixed-1M", length>>10), func(b *testing.B) {
			b.SetBytes(1 << 20)
			for b.Loop() {
				if im.Position().Object == uint64(total/length) {
					im.Rewind()
				}
				_, err := im.ReadBlocks(big, length)
				must(b, err)
			}
		})
		must(b, im.Close())
	}
}

// What a flush costs: one small block, one filemark, one Sync, beside two
// files that are written and synced one after the other.
func BenchmarkSync(b *testing.B) {
	c, err := Create(b.TempDir(), Spec{Barcode: "BENCH1L8", CapacityBytes: 1 << 40})
	must(b, err)
	im, err := c.Load()
	must(b, err)
	defer im.Close()
	p := make([]byte, 10240)
	b.Run("tape", func(b *testing.B) {
		for b.Loop() {
			must(b, im.WriteBlock(p))
			_, err := im.WriteFilemarks(1)
			must(b, err)
			must(b, im.Sync())
		}
	})
	b.Run("file", func(b *testing.B) {
		f, err := OS().Open(filepath.Join(b.TempDir(), "plain"), os.O_RDWR|os.O_CREATE)
		must(b, err)
		defer f.Close()
		for i := int64(0); b.Loop(); i++ {
			_, err := f.WriteAt(p, i*int64(len(p)))
			must(b, err)
			must(b, f.Sync())
		}
	})
}
