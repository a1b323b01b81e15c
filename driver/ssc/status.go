package ssc

import (
	"sync/atomic"

	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// activity is DT DEVICE ACTIVITY of log page 11h.
type activity uint32

const (
	resting     activity = 0x00
	loading     activity = 0x02
	unloading   activity = 0x03
	reading     activity = 0x05
	writing     activity = 0x06
	positioning activity = 0x07
	rewinding   activity = 0x08
	erasing     activity = 0x09
	formatting  activity = 0x0A
)

var activityWords = map[activity]string{
	resting: "idle", loading: "loading", unloading: "unloading", reading: "reading", writing: "writing",
	positioning: "positioning", rewinding: "rewinding", erasing: "erasing", formatting: "formatting",
}

// live is what anybody may read at any time.
type live struct {
	activity atomic.Uint32
	mounted  atomic.Pointer[mounted]

	object, file         atomic.Uint64
	partition            atomic.Int32
	usedBytes            [2]atomic.Int64 // up to end of data, of the partitions
	bytesRead            atomic.Int64    // to hosts, since the drive was made
	bytesWritten         atomic.Int64
	loadRead, loadWrites atomic.Int64 // of this load

	// The same in the payload file, where blocks may be compressed.
	storedRead, storedWritten         atomic.Int64
	loadStoredRead, loadStoredWritten atomic.Int64
}

// mounted is what changes rarely about a cartridge.
type mounted struct {
	barcode string
	info    tape.Info   // of the first partition, and CapacityBytes of all
	parts   []tape.Info // of each; UsedBytes are out of date while the host writes
	ready   bool
	problem error
}

func (l *live) newLoad() {
	l.loadRead.Store(0)
	l.loadWrites.Store(0)
	l.loadStoredRead.Store(0)
	l.loadStoredWritten.Store(0)
}

// publish makes all of the cartridge's state visible and the drive idle.
func (d *Drive) publish() {
	d.live.activity.Store(uint32(resting))
	if d.state == empty {
		d.live.mounted.Store(nil)
		d.live.object.Store(0)
		d.live.file.Store(0)
		for i := range d.live.usedBytes {
			d.live.usedBytes[i].Store(0)
		}
		return
	}
	m := &mounted{barcode: d.barcode, ready: d.state == ready, problem: d.problem}
	if d.image != nil {
		for n := range d.image.Partitions() {
			m.parts = append(m.parts, d.image.PartitionInfo(n))
			d.live.usedBytes[n].Store(m.parts[n].UsedBytes)
		}
		m.info = m.parts[0]
		m.info.CapacityBytes = d.image.TotalBytes()
		d.publishPosition()
	}
	d.live.mounted.Store(m)
}

// used is what is used in all partitions together.
func (l *live) used(m *mounted) (n int64) {
	for i := range m.parts {
		n += l.usedBytes[i].Load()
	}
	return n
}

func (d *Drive) publishPosition() {
	p := d.image.Position()
	d.live.object.Store(p.Object)
	d.live.file.Store(p.File)
	d.live.partition.Store(int32(d.image.Partition()))
}

// doing wraps a command that moves the medium, so that others see what the drive
// is at and where it stands afterwards.
func (d *Drive) doing(what activity, do func(*spc.Request) error) func(*spc.Request) error {
	return func(r *spc.Request) error {
		d.live.activity.Store(uint32(what))
		var err error
		if what == reading || what == writing {
			err = d.applyKeys(r.Nexus)
		}
		if err == nil {
			err = do(r)
		}
		if d.image != nil {
			d.publishPosition()
		}
		d.live.activity.Store(uint32(resting))
		return err
	}
}

// DriveStatus is what a person wants to know of a drive.
type DriveStatus struct {
	Activity       string // "empty", "idle", "unloaded", "writing", ...
	Barcode        string // empty: no cartridge
	Ready          bool   // the cartridge can be read
	Problem        string // why it cannot, when that is not plain
	Object, File   uint64 // position: objects and filemarks before it
	UsedBytes      int64
	CapacityBytes  int64
	WriteProtected bool
	Locked         bool // an initiator prevents removal
	Sessions       int  // nexuses logged in

	// BytesRead and BytesWritten count what went to and came from hosts since
	// the drive was made; a rate is the difference of two readings.
	BytesRead, BytesWritten int64
}

// Status returns the drive's state at this moment. It never waits for a command.
func (d *Drive) Status() DriveStatus {
	l := &d.live
	s := DriveStatus{
		Activity: activityWords[activity(l.activity.Load())],
		Object:   l.object.Load(), File: l.file.Load(),
		BytesRead: l.bytesRead.Load(), BytesWritten: l.bytesWritten.Load(),
		Locked: d.Prevented(), Sessions: d.LoggedIn(),
	}
	m := l.mounted.Load()
	if m == nil {
		s.Activity = "empty"
		return s
	}
	s.Barcode, s.Ready = m.barcode, m.ready
	s.CapacityBytes, s.UsedBytes, s.WriteProtected = m.info.CapacityBytes, l.used(m), m.info.WriteProtected
	if m.problem != nil {
		s.Problem = m.problem.Error()
	}
	if !m.ready && s.Activity == activityWords[resting] {
		s.Activity = "unloaded"
	}
	return s
}
