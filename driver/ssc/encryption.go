package ssc

import (
	"context"
	"sync/atomic"
	"time"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// Scopes of data encryption parameters (SSC-4 table 176).
const (
	publicScope = 0 // whatever is set for all
	localScope  = 1 // for the I_T nexus that sets it
	allScope    = 2 // for all I_T nexuses without local parameters
)

// Encryption modes; the decryption modes are tape.DecryptMode.
const (
	encryptOff = 0
	encryptOn  = 2
)

// dataEncryption is one set of data encryption parameters. The key is in memory
// only, and overwritten when the set is given up.
type dataEncryption struct {
	tape.Encryption
	encrypt       byte
	decrypt       tape.DecryptMode
	instance      uint32 // key instance counter
	clearOnDemand bool   // CKOD: gone when the cartridge is unloaded
	by            scsi.Nexus
}

func (e *dataEncryption) active() bool {
	return e != nil && (e.encrypt != encryptOff || e.decrypt != tape.DecryptOff)
}

// wipe overwrites what was secret.
func (e *dataEncryption) wipe() {
	if e != nil {
		clear(e.Key[:])
	}
}

// keyring holds all sets. It is used in the unit's turn only, but for locals.
type keyring struct {
	shared  *dataEncryption // nil: off
	local   map[scsi.Nexus]*dataEncryption
	locals  atomic.Int32    // how many
	counter uint32          // of sets made
	applied *dataEncryption // what the image does now
}

// of returns the set that counts for a nexus, nil when nothing is to be done.
func (k *keyring) of(n scsi.Nexus) *dataEncryption {
	e, own := k.local[n]
	if !own {
		e = k.shared
	}
	if !e.active() {
		return nil
	}
	return e
}

// applyKeys makes the image encrypt and decrypt as the nexus of a command wants
// it; nearly always it does so already.
func (d *Drive) applyKeys(n scsi.Nexus) error {
	e := d.keys.of(n)
	if e == d.keys.applied || d.image == nil {
		return nil
	}
	d.lockUp()
	if e == nil {
		return nil
	}
	if e.encrypt == encryptOn {
		if err := d.image.SetEncryption(&e.Encryption); err != nil {
			return err
		}
	}
	if err := d.image.SetDecryption(e.decrypt, &e.Key); err != nil {
		return err
	}
	d.keys.applied = e
	return nil
}

// lockUp takes the key from the image.
func (d *Drive) lockUp() {
	d.keys.applied = nil
	if d.image != nil {
		// Neither fails when there is no key to take.
		_ = d.image.SetEncryption(nil)
		_ = d.image.SetDecryption(tape.DecryptOff, nil)
	}
}

// setKeys replaces the set that a nexus may set, and tells the others whose
// parameters changed by it.
func (d *Drive) setKeys(r *spc.Request, scope byte, e *dataEncryption) {
	d.lockUp()
	k := &d.keys
	old, had := k.local[r.Nexus]
	if scope != localScope && had {
		old.wipe()
		delete(k.local, r.Nexus)
		k.locals.Store(int32(len(k.local)))
	}
	if scope == publicScope {
		return
	}
	k.counter++
	e.instance, e.by = k.counter, r.Nexus
	if scope == localScope {
		old.wipe()
		if k.local == nil {
			k.local = map[scsi.Nexus]*dataEncryption{}
		}
		k.local[r.Nexus] = e
		k.locals.Store(int32(len(k.local)))
		return
	}
	changed := k.shared.active() || e.active()
	k.shared.wipe()
	if k.shared = e; !changed {
		return
	}
	d.Post(scsi.DataEncryptionParametersChanged, func(n scsi.Nexus) bool {
		_, own := k.local[n]
		return n != r.Nexus && !own
	})
}

// clearKeys gives up the sets that which says.
func (d *Drive) clearKeys(which func(*dataEncryption) bool) {
	d.lockUp()
	k := &d.keys
	if k.shared != nil && which(k.shared) {
		k.shared.wipe()
		k.shared = nil
	}
	for n, e := range k.local {
		if which(e) {
			e.wipe()
			delete(k.local, n)
		}
	}
	k.locals.Store(int32(len(k.local)))
}

func everyKey(*dataEncryption) bool   { return true }
func onDemand(e *dataEncryption) bool { return e.clearOnDemand }
func (k *keyring) scopes(n scsi.Nexus) (nexus, key byte) {
	switch e, own := k.local[n]; {
	case own && e != nil:
		return localScope, localScope
	case k.shared == nil:
		return publicScope, publicScope
	case k.shared.by == n:
		return allScope, allScope
	}
	return publicScope, allScope
}

// Logout and Lost are those of the unit; beside, the parameters that a nexus set
// for itself end with it.
func (d *Drive) Logout(n scsi.Nexus) {
	d.Unit.Logout(n)
	d.forgetNexus(n)
}

// Lost is I_T nexus loss.
func (d *Drive) Lost(n scsi.Nexus) {
	d.Unit.Lost(n)
	d.forgetNexus(n)
}

// forgetLimit is how long a nexus that leaves waits for the command of another.
const forgetLimit = 10 * time.Second

func (d *Drive) forgetNexus(n scsi.Nexus) {
	if d.keys.locals.Load() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), forgetLimit)
	defer cancel()
	err := d.Do(ctx, func() { d.clearKeys(func(e *dataEncryption) bool { return e.by == n && e != d.keys.shared }) })
	if err != nil {
		d.log.Warn("the key of an initiator that left is kept: a command still holds the drive", "nexus", n, "error", err)
	}
}
