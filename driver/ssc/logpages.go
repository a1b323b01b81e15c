package ssc

import (
	"math"
	"sync/atomic"

	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

const mega = 1e6

// logPages are the drive's log pages (spec B.6). They read published values
// only, so LOG SENSE never waits for a command.
func (d *Drive) logPages() []spc.LogPage {
	l := &d.live
	return []spc.LogPage{
		{Code: 0x02, Parameters: func() []spc.LogParameter { return errorCounters(l.bytesWritten.Load()) }, Clear: func() { l.bytesWritten.Store(0) }},
		{Code: 0x03, Parameters: func() []spc.LogParameter { return errorCounters(l.bytesRead.Load()) }, Clear: func() { l.bytesRead.Store(0) }},
		{Code: 0x0C, Parameters: d.logSequentialAccess, Clear: l.clearSequentialAccess},
		{Code: 0x11, Parameters: d.logDeviceStatus},
		{Code: 0x12, Parameters: d.logTapeAlertResponse},
		{Code: 0x17, Parameters: d.logVolumeStatistics},
		{Code: 0x1B, Parameters: d.logCompression},
		{Code: 0x31, Parameters: d.logCapacity},
	}
}

// errorCounters are pages 02h and 03h: no errors, and the bytes processed.
func errorCounters(bytes int64) []spc.LogParameter {
	var p []spc.LogParameter
	for code := range uint16(7) {
		value := uint64(0)
		if code == 5 {
			value = uint64(bytes)
		}
		p = append(p, spc.LogNumber(code, 8, value))
	}
	return p
}

// clearSequentialAccess begins all counts of page 0Ch anew, those of 02h and 03h
// with them.
func (l *live) clearSequentialAccess() {
	for _, n := range []*atomic.Int64{&l.bytesRead, &l.bytesWritten, &l.storedRead, &l.storedWritten} {
		n.Store(0)
	}
}

func (d *Drive) logSequentialAccess() []spc.LogParameter {
	read, wrote := uint64(d.live.bytesRead.Load()), uint64(d.live.bytesWritten.Load())
	return []spc.LogParameter{
		spc.LogNumber(0, 8, wrote), spc.LogNumber(1, 8, uint64(d.live.storedWritten.Load())),
		spc.LogNumber(2, 8, uint64(d.live.storedRead.Load())), spc.LogNumber(3, 8, read),
		spc.LogNumber(0x0100, 8, 0), // cleaning required
	}
}

// logDeviceStatus is the very high frequency data of page 11h, which programs
// poll while a command runs.
func (d *Drive) logDeviceStatus() []spc.LogParameter {
	const pamr, hui, macc, cmpr, wrtp, dinit = 0x80, 0x40, 0x20, 0x10, 0x08, 0x01
	const mprsnt, threaded, mountedBit = 0x10, 0x02, 0x01
	b := []byte{dinit | cmpr, 0, byte(d.live.activity.Load()), 0}
	if d.Prevented() {
		b[0] |= pamr
	}
	if m := d.live.mounted.Load(); m != nil {
		b[0] |= macc
		b[1] |= mprsnt
		if m.ready {
			b[1] |= threaded | mountedBit
		}
		if m.info.WriteProtected {
			b[0] |= wrtp
		}
	}
	if d.LoggedIn() > 0 {
		b[0] |= hui
	}
	return []spc.LogParameter{{Code: 0, Control: spc.LogBinary, Value: b}}
}

func (d *Drive) logTapeAlertResponse() []spc.LogParameter {
	return []spc.LogParameter{{Code: 0, Control: spc.LogBinary, Value: spc.BigEndian(8, uint64(d.Alerts()))}}
}

// volume is what the volume pages tell; valid is false without a usable medium,
// and then all figures are zero.
type volume struct {
	valid bool
	info  tape.Info // CapacityBytes of all partitions
	total int64     // used in all partitions
	// Of each partition; one at least.
	capacity, used, remaining []int64
}

func (d *Drive) volume() volume {
	m := d.live.mounted.Load()
	if m == nil || !m.ready || m.problem != nil {
		zero := []int64{0}
		return volume{capacity: zero, used: zero, remaining: zero}
	}
	v := volume{valid: true, info: m.info, total: d.live.used(m)}
	for n, p := range m.parts {
		used := d.live.usedBytes[n].Load()
		v.capacity, v.used = append(v.capacity, p.CapacityBytes), append(v.used, used)
		v.remaining = append(v.remaining, max(0, p.CapacityBytes-used))
	}
	return v
}

func (d *Drive) logVolumeStatistics() []spc.LogParameter {
	v := d.volume()
	wrote, read := uint64(d.live.loadWrites.Load()), uint64(d.live.loadRead.Load())
	number := spc.LogNumber
	p := []spc.LogParameter{
		number(0x00, 1, flag(v.valid)), number(0x01, 4, v.info.LoadCount), number(0x02, 8, wrote/mega),
	}
	for code := uint16(0x03); code <= 0x06; code++ { // errors
		p = append(p, number(code, 4, 0))
	}
	p = append(p, number(0x07, 8, read/mega), number(0x08, 4, 0), number(0x09, 4, 0), number(0x0C, 4, 0), number(0x0D, 4, 0),
		number(0x0E, 4, wrote/mega), number(0x0F, 4, read/mega), number(0x10, 8, wrote/mega), number(0x11, 8, read/mega),
		number(0x12, 2, ratio(int64(wrote), d.live.loadStoredWritten.Load())), number(0x13, 2, ratio(int64(read), d.live.loadStoredRead.Load())), number(0x14, 8, 0), number(0x15, 8, 0),
		number(0x16, 8, uint64(v.info.CapacityBytes/mega)), number(0x17, 8, uint64(v.total/mega)),
		spc.LogParameter{Code: 0x40, Control: spc.LogASCII, Value: spc.Pad(v.info.Serial, 32)},
		number(0x80, 1, flag(v.info.WriteProtected)), number(0x81, 1, flag(v.info.Medium == tape.WORM)),
		number(0x0101, 4, v.info.LoadCount), number(0x0102, 4, v.info.LoadCount))
	return append(p, partitionRecords(0x0202, v.capacity), partitionRecords(0x0203, v.used), partitionRecords(0x0204, v.remaining))
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// logCapacity is page 31h, in MiB.
func (d *Drive) logCapacity() []spc.LogParameter {
	v := d.volume()
	mib := func(bytes []int64, n int) uint64 {
		if n >= len(bytes) {
			return 0
		}
		return min(uint64(bytes[n])>>20, math.MaxUint32)
	}
	return []spc.LogParameter{
		spc.LogNumber(1, 4, mib(v.remaining, 0)), spc.LogNumber(2, 4, mib(v.remaining, 1)),
		spc.LogNumber(3, 4, mib(v.capacity, 0)), spc.LogNumber(4, 4, mib(v.capacity, 1)),
	}
}
