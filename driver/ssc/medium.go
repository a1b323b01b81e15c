package ssc

import (
	"math/big"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// Bits of LOAD UNLOAD byte 4.
const (
	loadBit = 0x01
	eotBit  = 0x04
	holdBit = 0x08
)

func checkLoadUnload(r *spc.Request) error {
	if r.Flag(4, eotBit) {
		return scsi.InvalidFieldInCDB(4, 2)
	}
	return nil
}

// loadUnload is SSC-4 7.3. Retension is nothing to a file.
func (d *Drive) loadUnload(r *spc.Request) error {
	switch {
	case d.state == empty:
		return scsi.Unready(scsi.MediumNotPresent)
	case r.Flag(4, loadBit) && r.Flag(4, holdBit):
		return nil
	case r.Flag(4, loadBit):
		return d.thread(r)
	}
	return d.unthread(r)
}

// thread makes the cartridge in the drive ready, at its beginning.
func (d *Drive) thread(r *spc.Request) error {
	if d.state == ready {
		return d.doing(rewinding, d.rewindToLoadPoint)(r)
	}
	defer d.publish()
	if d.problem != nil {
		d.state = unreadable
		return d.readiness(r.Command().Opcode)
	}
	d.live.activity.Store(uint32(loading))
	rewindAll(d.image)
	d.state = ready
	d.raiseForCartridge()
	d.PostOthers(r, scsi.MediumMayHaveChanged)
	return nil
}

// unthread leaves the cartridge present but unloaded.
func (d *Drive) unthread(r *spc.Request) error {
	if r.Prevented() {
		return scsi.Illegal(scsi.MediumRemovalPrevented)
	}
	if d.state == unloaded {
		return nil
	}
	d.live.activity.Store(uint32(unloading))
	defer d.publish()
	if d.image != nil {
		if err := d.flush(); err != nil {
			return err
		}
		rewindAll(d.image)
		if err := d.image.Park(); err != nil {
			d.Raise(spc.AlertHardError)
			return plain(err, scsi.WriteError)
		}
	}
	d.state, d.overwrite = unloaded, overwrite{}
	d.clearKeys(onDemand)
	d.ClearAlerts()
	barcode, earlyWarning := d.barcode, d.earlyWarning
	r.After(func() { d.wg.Go(func() { d.host.Unloaded(barcode, earlyWarning) }) })
	return nil
}

// longErase is the LONG bit of ERASE.
func longErase(r *spc.Request) bool {
	const long6, long16 = 0x01, 0x01
	if r.Command().Opcode == scsi.Erase16 {
		return r.Flag(1, long16)
	}
	return r.Flag(1, long6)
}

// erase ends the tape at the position; LONG also destroys what was behind it,
// and is refused on a disk at its floor.
func (d *Drive) erase(r *spc.Request) error {
	long := longErase(r)
	if sense := d.gate(long); sense != nil {
		return sense
	}
	return d.reshaped(d.image.Erase(long))
}

// reshaped ends a command after which the cartridge is another one inside.
func (d *Drive) reshaped(err error) error {
	if err != nil {
		return plain(err, scsi.WriteError)
	}
	d.dirty, d.nearlyFull = true, false
	if err := d.flush(); err != nil {
		return err
	}
	d.publish()
	return nil
}

func checkCapacity(r *spc.Request) error {
	if scsi.Uint16(r.CDB[3:]) == 0 {
		return scsi.InvalidFieldInCDB(3, scsi.NoBit)
	}
	return nil
}

// fullCapacity is an attribute, outside of what READ ATTRIBUTE knows, that keeps
// the capacity the cartridge was created with while SET CAPACITY limits it.
const fullCapacity = 0xF000

func (d *Drive) setCapacity(r *spc.Request) error {
	if err := d.atBeginning(); err != nil {
		return err
	}
	full := d.image.TotalBytes()
	if a, ok := d.image.Attribute(fullCapacity); ok && len(a.Value) == 8 {
		full = int64(scsi.Uint64(a.Value))
	} else if err := d.image.SetAttribute(tape.Attribute{ID: fullCapacity, Value: spc.BigEndian(8, uint64(full))}); err != nil {
		return plain(err, scsi.WriteError)
	}
	capacity := new(big.Int).Mul(big.NewInt(full), big.NewInt(int64(scsi.Uint16(r.CDB[3:]))))
	capacity.Div(capacity, big.NewInt(0xffff))
	return d.reshaped(d.image.SetCapacity(capacity.Int64()))
}

func readBlockLimits(r *spc.Request) error {
	if r.Flag(1, 0x01) { // MLOI
		data := make([]byte, 20)
		scsi.PutUint64(data[12:], 1<<63-1)
		return r.Reply(data, len(data))
	}
	data := []byte{0, 0, 0, 0, 0, 1}
	scsi.PutUint24(data[1:], tape.MaxBlock)
	return r.Reply(data, len(data))
}

func (d *Drive) readMediaSerial(r *spc.Request) error {
	serial := spc.Pad(d.image.Info().Serial, 32)
	return r.Reply(append(spc.BigEndian(4, uint64(len(serial))), serial...), int(scsi.Uint32(r.CDB[6:])))
}
