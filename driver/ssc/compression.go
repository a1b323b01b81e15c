package ssc

import (
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// dataCompressionEnable is DCE in byte 2 of the data compression page.
const dataCompressionEnable = 0x80

// applyCompression makes the next blocks stored as the host (DCE) and the loader
// want them. Without the loader's leave DCE is kept and reported, and does nothing.
func (d *Drive) applyCompression() {
	if d.compression {
		d.image.SetCompression(d.ModePage(pageCompression, 0)[2]&dataCompressionEnable != 0)
	}
}

// account adds what the image has read and written since the last time to the
// figures of the log pages, and returns how many bytes of payload were written.
func (d *Drive) account() (stored int64) {
	now, before := d.image.Traffic(), d.traffic
	d.traffic = now
	stored = now.WrittenStored - before.WrittenStored
	l, read := &d.live, now.ReadStored-before.ReadStored
	l.storedRead.Add(read)
	l.loadStoredRead.Add(read)
	l.storedWritten.Add(stored)
	l.loadStoredWritten.Add(stored)
	return stored
}

// passOver forgets what the image has read that no host received.
func (d *Drive) passOver() { d.traffic = d.image.Traffic() }

// ratio is a compression ratio in percent: what the host has for what the medium
// has.
func ratio(host, medium int64) uint64 {
	if host <= 0 || medium <= 0 {
		return 100
	}
	return uint64(float64(host) / float64(medium) * 100)
}

// logCompression is page 1Bh: ratios, and bytes to server, from medium, from
// server and to medium.
func (d *Drive) logCompression() []spc.LogParameter {
	l := &d.live
	read, wrote := l.bytesRead.Load(), l.bytesWritten.Load()
	fromMedium, toMedium := l.storedRead.Load(), l.storedWritten.Load()
	p := []spc.LogParameter{spc.LogNumber(0, 2, ratio(read, fromMedium)), spc.LogNumber(1, 2, ratio(wrote, toMedium))}
	for i, bytes := range []int64{read, fromMedium, wrote, toMedium} {
		code := uint16(2 + 2*i)
		p = append(p, spc.LogNumber(code, 4, uint64(bytes/mega)), spc.LogNumber(code+1, 4, uint64(bytes%mega)))
	}
	return p
}

// usedBefore is what was used before a command that stored so much left used.
func usedBefore(used, stored int64, objects int) int64 {
	return used - stored - int64(objects)*tape.ObjectBytes
}
