package space

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Pace of the measurements.
const (
	slowest = 1500 * time.Millisecond
	fastest = 100 * time.Millisecond
)

// Config says how a Watcher works. The zero value is the default.
type Config struct {
	Thresholds Thresholds // zero: DefaultThresholds
	// Changed is called when the level of a volume changed, from the goroutine of
	// that volume, with no lock held.
	Changed func(Report)
	// Measure and VolumeOf stand for the operating system; tests put theirs here.
	Measure  func(path string) (Usage, error)
	VolumeOf func(path string) (string, error)
	Log      *slog.Logger
}

// Report is a change of level of one volume.
type Report struct {
	Folders  []string // watched folders on it
	Level    Level
	Previous Level
	Usage    Usage
}

// String is what a person reads.
func (r Report) String() string {
	return fmt.Sprintf("disk space %s: %.1f %% free (%s of %s)", r.Level, r.Usage.FreePercent(), Bytes(r.Usage.FreeBytes), Bytes(r.Usage.TotalBytes))
}

// Watcher measures the volumes of the folders it was given. All methods may be
// called at the same time.
type Watcher struct {
	config Config

	mutex      sync.Mutex // guards what follows; never held while measuring
	thresholds Thresholds
	volumes    map[string]*volume
	closed     bool
	running    sync.WaitGroup
}

// volume is one volume with its goroutine.
type volume struct {
	id      string
	folders map[string]int // path -> how often it is watched; guarded by Watcher.mutex
	level   atomic.Uint32
	usage   atomic.Pointer[Usage]
	wake    chan struct{}
	quit    chan struct{}
}

// Volume is a watched folder's view of its volume.
type Volume struct {
	watcher *Watcher
	volume  *volume
	path    string
	close   sync.Once
}

// ErrClosed: the Watcher has been closed.
var ErrClosed = errors.New("space watcher is closed")

// NewWatcher returns a Watcher of nothing.
func NewWatcher(c Config) (*Watcher, error) {
	if c.Thresholds == (Thresholds{}) {
		c.Thresholds = DefaultThresholds
	}
	if err := c.Thresholds.Check(); err != nil {
		return nil, err
	}
	if c.Measure == nil {
		c.Measure = Measure
	}
	if c.VolumeOf == nil {
		c.VolumeOf = volumeOf
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Watcher{config: c, thresholds: c.Thresholds, volumes: map[string]*volume{}}, nil
}

// Watch starts to watch the volume of a folder. Folders on one volume share one
// goroutine and one level. The first measurement has been made when it returns.
// A volume that is not fine already is reported through Changed.
func (w *Watcher) Watch(path string) (*Volume, error) {
	id, err := w.config.VolumeOf(path)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	usage, err := w.config.Measure(path)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.closed {
		return nil, ErrClosed
	}
	v := w.volumes[id]
	if v == nil {
		v = &volume{id: id, folders: map[string]int{}, wake: make(chan struct{}, 1), quit: make(chan struct{})}
		v.usage.Store(&usage)
		w.volumes[id] = v
		w.running.Add(1)
		go w.watch(v, path, usage)
	}
	v.level.Store(uint32(max(v.current(), w.thresholds.next(Fine, usage.FreePercent()))))
	v.folders[path]++
	return &Volume{watcher: w, volume: v, path: path}, nil
}

// SetThresholds changes the levels; every volume is measured again at once.
func (w *Watcher) SetThresholds(t Thresholds) error {
	if err := t.Check(); err != nil {
		return err
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.thresholds = t
	for _, v := range w.volumes {
		v.measureNow()
	}
	return nil
}

// Close stops every goroutine and returns when they are gone. The levels stay as
// they are.
func (w *Watcher) Close() {
	w.mutex.Lock()
	w.closed = true
	for id, v := range w.volumes {
		close(v.quit)
		delete(w.volumes, id)
	}
	w.mutex.Unlock()
	w.running.Wait()
}

// Level returns the level as last measured. It never waits.
func (v *Volume) Level() Level { return v.volume.current() }

// Usage returns the room as last measured. It never waits.
func (v *Volume) Usage() Usage { return *v.volume.usage.Load() }

// DiskFull says that the file system refused a write for want of room: the level
// is Emergency from now on, until measurements show otherwise.
func (v *Volume) DiskFull() {
	v.volume.level.Store(uint32(Emergency))
	v.volume.measureNow()
}

// Close stops watching for this folder.
func (v *Volume) Close() {
	v.close.Do(func() {
		w := v.watcher
		w.mutex.Lock()
		defer w.mutex.Unlock()
		folders := v.volume.folders
		if folders[v.path]--; folders[v.path] <= 0 {
			delete(folders, v.path)
		}
		if len(folders) == 0 && w.volumes[v.volume.id] == v.volume {
			delete(w.volumes, v.volume.id)
			close(v.volume.quit)
		}
	})
}

func (v *volume) current() Level { return Level(v.level.Load()) }

func (v *volume) measureNow() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// watch is the goroutine of one volume; path is one of its folders, and last its
// first measurement.
func (w *Watcher) watch(v *volume, path string, last Usage) {
	defer w.running.Done()
	reported, measured := Fine, time.Now()
	failed := false
	for usage, pause := last, slowest; ; {
		reported = w.publish(v, usage, reported)
		select {
		case <-v.quit:
			return
		case <-v.wake:
		case <-time.After(pause):
		}
		now := time.Now()
		next, err := w.config.Measure(w.folder(v, path))
		if err != nil {
			if !failed {
				w.config.Log.Warn("free space cannot be measured; the last level stays", "error", err)
			}
			failed, pause = true, slowest
			continue
		}
		failed = false
		pause = w.pause(usage, next, now.Sub(measured))
		usage, measured = next, now
	}
}

// folder returns a folder of v that is still watched, so that the volume is
// measured after the first one has gone.
func (w *Watcher) folder(v *volume, first string) string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if _, there := v.folders[first]; there {
		return first
	}
	for path := range v.folders {
		return path
	}
	return first
}

// publish sets level and usage, reports a change and returns the level that was
// reported last.
func (w *Watcher) publish(v *volume, usage Usage, reported Level) Level {
	v.usage.Store(&usage)
	w.mutex.Lock()
	was := v.current()
	level := w.thresholds.next(was, usage.FreePercent())
	// DiskFull may have come in between: then the next measurement decides.
	v.level.CompareAndSwap(uint32(was), uint32(level))
	folders := make([]string, 0, len(v.folders))
	for path := range v.folders {
		folders = append(folders, path)
	}
	w.mutex.Unlock()
	if level != reported && w.config.Changed != nil {
		w.config.Changed(Report{Folders: folders, Level: level, Previous: reported, Usage: usage})
	}
	return level
}

// pause returns how long to wait before the next measurement: a quarter of the
// time in which the floor would be reached at the present rate.
func (w *Watcher) pause(before, now Usage, passed time.Duration) time.Duration {
	gone := before.FreeBytes - now.FreeBytes
	if gone <= 0 || passed <= 0 {
		return slowest
	}
	w.mutex.Lock()
	floor := w.thresholds.FloorPercent
	w.mutex.Unlock()
	left := float64(now.FreeBytes) - floor/100*float64(now.TotalBytes)
	if left <= 0 {
		return slowest
	}
	seconds := left / (float64(gone) / passed.Seconds())
	return min(max(time.Duration(seconds/4*float64(time.Second)), fastest), slowest)
}

// Bytes writes a number of bytes as a person reads it, in decimal units as disks
// and tapes are sold: "2.5 TB".
func Bytes(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB", "EB"}
	value, unit := float64(n), 0
	for value >= 1000 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.3g %s", value, units[unit])
}
