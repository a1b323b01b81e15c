package space

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLevelsAreLeftOnePercentAboveWhereTheyBegin(t *testing.T) { // contract 3.14, spec C.14
	walk := []struct {
		free float64
		want Level
	}{
		{50, Fine}, {6, Fine}, {5.99, Warned}, {6.5, Warned}, {7, Warned}, {7.01, Fine},
		{4.99, Floor}, {5.5, Floor}, {6, Floor}, {6.01, Warned}, {7.01, Fine},
		{0.99, Emergency}, {1.5, Emergency}, {2, Emergency}, {2.01, Floor}, {0.5, Emergency}, {40, Fine},
		{0, Emergency}, {6.5, Warned},
	}
	level := Fine
	for i, step := range walk {
		if level = DefaultThresholds.next(level, step.free); level != step.want {
			t.Fatalf("step %d, %g %% free: %s, want %s", i, step.free, level, step.want)
		}
	}
}

func TestThresholdsMustBeInOrder(t *testing.T) {
	for _, c := range []struct {
		thresholds Thresholds
		fine       bool
	}{
		{Thresholds{6, 5}, true}, {Thresholds{20, 1}, true}, {Thresholds{5, 5}, false},
		{Thresholds{5, 6}, false}, {Thresholds{6, 0.5}, false}, {Thresholds{100, 5}, false}, {Thresholds{}, false},
	} {
		if err := c.thresholds.Check(); (err == nil) != c.fine || err != nil && !errors.Is(err, ErrThresholds) {
			t.Errorf("%v: %v", c.thresholds, err)
		}
	}
}

// fakeDisk is a volume of 1000 bytes under the tests' control.
type fakeDisk struct {
	mutex    sync.Mutex
	free     int64
	measured int
	failing  bool
	reports  []Report
}

func (d *fakeDisk) set(free int64) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.free = free
}

func (d *fakeDisk) measure(string) (Usage, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.measured++
	if d.failing {
		return Usage{}, errors.New("no answer")
	}
	return Usage{TotalBytes: 1000, FreeBytes: d.free}, nil
}

func (d *fakeDisk) changed(r Report) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	slices.Sort(r.Folders)
	d.reports = append(d.reports, r)
}

func (d *fakeDisk) taken() (reports []Report, measured int) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	reports, measured = d.reports, d.measured
	d.reports, d.measured = nil, 0
	return reports, measured
}

func (d *fakeDisk) watcher(t *testing.T) *Watcher {
	t.Helper()
	w, err := NewWatcher(Config{Changed: d.changed, Measure: d.measure, VolumeOf: func(path string) (string, error) {
		volume, _, _ := strings.Cut(path, "/")
		return volume, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAChangeOfLevelIsToldOnceForAVolumeAndAllItsFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{free: 500}
		w := d.watcher(t)
		defer w.Close()
		one, err := w.Watch("a/one")
		if err != nil {
			t.Fatal(err)
		}
		two, err := w.Watch("a/two")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * slowest)
		if reports, measured := d.taken(); len(reports) > 0 || measured > 13 {
			t.Errorf("%d reports, %d measurements of one quiet volume in 10 periods", len(reports), measured)
		}
		for _, c := range []struct {
			free int64
			want Level
		}{{59, Warned}, {49, Floor}, {5, Emergency}, {900, Fine}} {
			before := one.Level()
			d.set(c.free)
			time.Sleep(3 * slowest)
			reports, _ := d.taken()
			want := []Report{{Folders: []string{"a/one", "a/two"}, Level: c.want, Previous: before, Usage: Usage{TotalBytes: 1000, FreeBytes: c.free}}}
			if !reflect.DeepEqual(reports, want) || one.Level() != c.want || two.Level() != c.want {
				t.Errorf("%d free: %v, level %s", c.free, reports, one.Level())
			}
		}
		one.Close()
		d.set(30)
		time.Sleep(3 * slowest)
		if reports, _ := d.taken(); len(reports) != 1 || fmt.Sprint(reports[0].Folders) != "[a/two]" || two.Usage().FreeBytes != 30 {
			t.Errorf("after one folder left: %v", reports)
		}
		two.Close()
		two.Close()
		time.Sleep(3 * slowest)
		d.taken()
		time.Sleep(10 * slowest)
		if _, measured := d.taken(); measured > 0 {
			t.Errorf("measured %d times with nobody watching", measured)
		}
	})
}

func TestAVolumeThatIsLowAtTheStartIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{free: 45}
		w := d.watcher(t)
		defer w.Close()
		v, err := w.Watch("a/one")
		if err != nil || v.Level() != Floor {
			t.Fatalf("%v, level %s", err, v.Level())
		}
		synctest.Wait()
		if reports, _ := d.taken(); len(reports) != 1 || reports[0].Level != Floor {
			t.Errorf("%v", reports)
		}
	})
}

func TestMeasurementsComeFasterWhenTheFloorComesNear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{free: 1000}
		w := d.watcher(t)
		defer w.Close()
		if _, err := w.Watch("a/one"); err != nil {
			t.Fatal(err)
		}
		// 200 of 1000 bytes a second go away; the floor is at 50.
		late := time.Duration(0)
		for free := int64(1000); free >= 40; free -= 20 {
			d.set(free)
			time.Sleep(100 * time.Millisecond)
		}
		for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			if reports, _ := d.taken(); len(reports) > 0 {
				late = time.Since(start)
				break
			}
			if time.Since(start) > slowest {
				t.Fatal("no report")
			}
		}
		if late > 200*time.Millisecond {
			t.Errorf("noticed %v late", late)
		}
	})
}

func TestDiskFullIsAnEmergencyUntilMeasuredOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{free: 15}
		w := d.watcher(t)
		defer w.Close()
		v, err := w.Watch("a/one")
		if err != nil {
			t.Fatal(err)
		}
		v.DiskFull()
		if v.Level() != Emergency {
			t.Fatalf("level %s", v.Level())
		}
		time.Sleep(5 * slowest)
		if v.Level() != Emergency { // 1.5 % is within the hysteresis
			t.Errorf("level %s", v.Level())
		}
		d.set(500)
		time.Sleep(2 * slowest)
		if v.Level() != Fine {
			t.Errorf("level %s", v.Level())
		}
	})
}

func TestNewThresholdsCountAtOnceAndAFailingDiskKeepsItsLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDisk{free: 150}
		w := d.watcher(t)
		v, err := w.Watch("a/one")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.SetThresholds(Thresholds{1, 2}); !errors.Is(err, ErrThresholds) {
			t.Error(err)
		}
		if err := w.SetThresholds(Thresholds{30, 20}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if v.Level() != Floor {
			t.Errorf("level %s", v.Level())
		}
		d.mutex.Lock()
		d.failing = true
		d.mutex.Unlock()
		time.Sleep(5 * slowest)
		if v.Level() != Floor {
			t.Errorf("failing disk: level %s", v.Level())
		}
		if _, err := w.Watch("b/one"); err == nil {
			t.Error("a volume that cannot be measured was accepted")
		}
		w.Close()
		if _, err := w.Watch("a/one"); err == nil {
			t.Error("watching after Close")
		}
	})
}

func TestTheRealVolumeOfATemporaryFolder(t *testing.T) {
	w, err := NewWatcher(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	a, err := w.Watch(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.Watch(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if a.volume != b.volume {
		t.Error("two folders of one volume are watched twice")
	}
	if u := a.Usage(); u.TotalBytes <= 0 || u.FreeBytes < 0 || u.FreeBytes > u.TotalBytes {
		t.Errorf("%+v", u)
	}
	if _, err := w.Watch(t.TempDir() + "/nothing"); err == nil {
		t.Error("a folder that does not exist is watched")
	}
}

func TestBytesAreWrittenAsDisksAreSold(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1000: "1 kB", 2.5e12: "2.5 TB", 100e9: "100 GB", 1234567: "1.23 MB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func BenchmarkLevel(b *testing.B) {
	w, _ := NewWatcher(Config{})
	defer w.Close()
	v, err := w.Watch(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		v.Level()
	}
}
