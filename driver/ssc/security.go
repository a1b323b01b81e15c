package ssc

import (
	"errors"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// Security protocols (SPC-4 table 263).
const (
	protocolInformation    = 0x00
	tapeDataEncryption     = 0x20
	inc512                 = 0x80 // CDB byte 4: the length counts 512 bytes
	algorithmIndex         = 1    // of the one algorithm there is
	algorithmAES256GCM     = 0x00010014
	capabilitiesDescriptor = 24
)

// Pages of protocol 20h (SSC-4 8.5).
const (
	pageInSupport       = 0x0000
	pageOutSupport      = 0x0001
	pageCapabilities    = 0x0010 // in
	pageSetEncryption   = 0x0010 // out
	pageKeyFormats      = 0x0011
	pageManagement      = 0x0012
	pageStatus          = 0x0020
	pageNextBlockStatus = 0x0021
)

// securityPages are what SECURITY PROTOCOL IN answers for protocol 20h, without
// their header of page code and length.
var securityPages = []struct {
	code uint16
	body func(*Drive, *spc.Request) ([]byte, error)
}{
	{pageInSupport, nil}, // the codes of this table
	{pageOutSupport, func(*Drive, *spc.Request) ([]byte, error) { return spc.BigEndian(2, pageSetEncryption), nil }},
	{pageCapabilities, (*Drive).encryptionCapabilities},
	{pageKeyFormats, func(*Drive, *spc.Request) ([]byte, error) { return []byte{0}, nil }}, // plain keys
	{pageManagement, func(*Drive, *spc.Request) ([]byte, error) {
		const ckod, all, local, public = 0x04, 0x04, 0x02, 0x01
		return []byte{0, ckod, 0, all | local | public, 0, 0, 0, 0, 0, 0, 0, 0}, nil
	}},
	{pageStatus, (*Drive).encryptionStatus},
	{pageNextBlockStatus, (*Drive).nextBlockStatus},
}

// securityLength is the length in bytes that a SECURITY PROTOCOL command gives.
func securityLength(r *spc.Request) int64 {
	n := int64(scsi.Uint32(r.CDB[6:]))
	if r.Flag(4, inc512) {
		n *= 512
	}
	return n
}

// securityIn is SECURITY PROTOCOL IN (SPC-4 6.41).
func (d *Drive) securityIn(r *spc.Request) error {
	code := scsi.Uint16(r.CDB[2:])
	var data []byte
	switch r.CDB[1] {
	case protocolInformation:
		switch code {
		case 0x0000:
			data = []byte{0, 0, 0, 0, 0, 0, 0, 2, protocolInformation, tapeDataEncryption}
		case 0x0001: // no certificate
			data = make([]byte, 4)
		default:
			return scsi.InvalidFieldInCDB(2, scsi.NoBit)
		}
	case tapeDataEncryption:
		body, err := d.securityPage(r, code)
		if err != nil {
			return err
		}
		data = append(append(spc.BigEndian(2, uint64(code)), spc.BigEndian(2, uint64(len(body)))...), body...)
	default:
		return scsi.InvalidFieldInCDB(1, scsi.NoBit)
	}
	return r.Reply(data, int(min(securityLength(r), 1<<31-1)))
}

func (d *Drive) securityPage(r *spc.Request, code uint16) ([]byte, error) {
	if code == pageInSupport {
		var codes []byte
		for _, p := range securityPages {
			codes = append(codes, byte(p.code>>8), byte(p.code))
		}
		return codes, nil
	}
	for _, p := range securityPages {
		if p.code == code {
			return p.body(d, r)
		}
	}
	return nil, scsi.InvalidFieldInCDB(2, scsi.NoBit)
}

// encryptionCapabilities is page 0010h: AES-256-GCM, done here, with key-associated
// data of any length up to the largest.
func (d *Drive) encryptionCapabilities(*spc.Request) ([]byte, error) {
	const cfgAllowed, valid, macDED, decrypts, encrypts, ownNonce, modesKept = 0x01, 0x80, 0x30, 0x08, 0x02, 0x10, 0x09
	b := make([]byte, 16+capabilitiesDescriptor)
	b[0] = cfgAllowed
	a := b[16:]
	a[0], a[4], a[5], a[12] = algorithmIndex, macDED|decrypts|encrypts, ownNonce, modesKept
	if d.hasMedium() {
		a[4] |= valid
	}
	scsi.PutUint16(a[2:], capabilitiesDescriptor-4)
	scsi.PutUint16(a[6:], tape.MaxUnauthenticatedKAD)
	scsi.PutUint16(a[8:], tape.MaxAuthenticatedKAD)
	scsi.PutUint16(a[10:], tape.KeyBytes)
	scsi.PutUint32(a[20:], algorithmAES256GCM)
	return b, nil
}

// encryptionStatus is page 0020h: what counts for the nexus that asks.
func (d *Drive) encryptionStatus(r *spc.Request) ([]byte, error) {
	const notExternal, rawReadsDisabled = 0x10, 0x01
	b := make([]byte, 20)
	nexus, key := d.keys.scopes(r.Nexus)
	b[0] = nexus<<5 | key
	b[8] = notExternal
	e := d.keys.of(r.Nexus)
	if e == nil {
		return b, nil
	}
	b[1], b[2], b[3] = e.encrypt, byte(e.decrypt), algorithmIndex
	scsi.PutUint32(b[4:], e.instance)
	if e.encrypt == encryptOn {
		b[8] |= rawReadsDisabled
	}
	b[9] = e.DescriptorFormat
	return appendKAD(b, e.Encryption, 0), nil
}

// Types of key-associated data descriptors.
const (
	kadUnauthenticated = 0x00
	kadAuthenticated   = 0x01
)

// appendKAD appends key-associated data descriptors; authenticated says what the
// drive found of them (1: covered by no check, 2: the check passed).
func appendKAD(b []byte, e tape.Encryption, authenticated byte) []byte {
	for kind, data := range [][]byte{e.Unauthenticated, e.Authenticated} {
		if len(data) > 0 {
			found := authenticated
			if kind == kadUnauthenticated && found > 1 {
				found = 1
			}
			b = append(b, byte(kind), found, 0, byte(len(data)))
			b = append(b, data...)
		}
	}
	return b
}

// nextBlockStatus is page 0021h: how the block at the position is stored.
func (d *Drive) nextBlockStatus(r *spc.Request) ([]byte, error) {
	const notABlock, plain, compressed, readable, locked = 2, 3, 4, 5, 6
	if err := d.readiness(r.Command().Opcode); err != nil {
		return nil, err
	}
	if err := d.applyKeys(r.Nexus); err != nil {
		return nil, err
	}
	b := make([]byte, 12)
	scsi.PutUint64(b, d.image.Position().Object)
	object, err := d.image.Next()
	if errors.Is(err, tape.ErrEndOfData) || err == nil && object.Filemark {
		b[8] = notABlock<<4 | notABlock
		return b, nil
	}
	var record tape.Record
	if err == nil {
		record, err = d.image.NextRecord()
	}
	if err != nil {
		return nil, unreadableRecord(err)
	}
	b[8] = plain<<4 | plain
	if record.Compressed {
		b[8] = compressed<<4 | plain
	}
	if !record.Encrypted {
		return b, nil
	}
	status, authenticated := byte(locked), byte(1)
	if record.Readable {
		status, authenticated = readable, 2
	}
	b[8] = b[8]&0xF0 | status
	b[9], b[11] = algorithmIndex, record.Encryption.DescriptorFormat
	return appendKAD(b, record.Encryption, authenticated), nil
}

// unreadableRecord is the sense for a record whose state cannot be found out.
func unreadableRecord(err error) error { return plain(err, scsi.UnrecoveredReadError) }

// securityOut is SECURITY PROTOCOL OUT (SPC-4 6.42): Set Data Encryption is all
// there is.
func (d *Drive) securityOut(r *spc.Request) error {
	switch {
	case r.CDB[1] != tapeDataEncryption:
		return scsi.InvalidFieldInCDB(1, scsi.NoBit)
	case scsi.Uint16(r.CDB[2:]) != pageSetEncryption:
		return scsi.InvalidFieldInCDB(2, scsi.NoBit)
	}
	n := securityLength(r)
	if n == 0 {
		return nil
	}
	list, err := r.Parameters(int(min(n, spc.ParameterLimit+1)))
	if err != nil {
		return err
	}
	defer clear(list) // the key stays nowhere else
	scope, e, err := parseSetEncryption(list)
	if err != nil {
		e.wipe()
		return err
	}
	d.setKeys(r, scope, e)
	return nil
}

// setEncryptionFixed is how long the Set Data Encryption page is before its key.
const setEncryptionFixed = 20

// parseSetEncryption reads the Set Data Encryption page (SSC-4 8.5.3.2).
func parseSetEncryption(b []byte) (scope byte, e *dataEncryption, err error) {
	e = &dataEncryption{}
	if len(b) < setEncryptionFixed || len(b) < 4+int(scsi.Uint16(b[2:])) {
		return 0, e, scsi.Illegal(scsi.ParameterListLengthError)
	}
	if scsi.Uint16(b) != pageSetEncryption {
		return 0, e, scsi.InvalidFieldInParameterList(0, scsi.NoBit)
	}
	if b = b[:4+int(scsi.Uint16(b[2:]))]; len(b) < setEncryptionFixed {
		return 0, e, scsi.InvalidFieldInParameterList(2, scsi.NoBit)
	}
	if scope = b[4] >> 5; scope == publicScope {
		return scope, e, nil // the rest counts for nothing
	}
	const lock, sdk, ckorp, ckorl, ckod = 0x01, 0x08, 0x02, 0x01, 0x04
	encrypt, decrypt, off := b[6], tape.DecryptMode(b[7]), b[6] == encryptOff && b[7] == 0
	rawRead := b[5] >> 4 & 3
	for _, field := range []struct {
		wrong bool
		at    int
	}{
		{scope > allScope || b[4]&lock != 0, 4},
		{b[5]&(sdk|ckorp|ckorl) != 0 || rawRead == 1 || rawRead == 3, 5},
		{encrypt != encryptOff && encrypt != encryptOn, 6},
		{decrypt != tape.DecryptOff && decrypt != tape.DecryptOnly && decrypt != tape.DecryptMixed, 7},
		{!off && b[8] != algorithmIndex, 8},
		{!off && b[9] != 0, 9},
		{b[10] > 2, 10},
		{!off && scsi.Uint16(b[18:]) != tape.KeyBytes, 18},
	} {
		if field.wrong {
			return scope, e, scsi.InvalidFieldInParameterList(field.at, scsi.NoBit)
		}
	}
	e.encrypt, e.decrypt, e.clearOnDemand = encrypt, decrypt, b[5]&ckod != 0
	if off {
		return scope, e, nil
	}
	e.DescriptorFormat = b[10]
	if len(b) < setEncryptionFixed+tape.KeyBytes {
		return scope, e, scsi.Illegal(scsi.ParameterListLengthError)
	}
	copy(e.Key[:], b[setEncryptionFixed:])
	return scope, e, e.parseKAD(b, setEncryptionFixed+tape.KeyBytes)
}

// parseKAD reads the key-associated data descriptors of b from offset at on.
func (e *dataEncryption) parseKAD(b []byte, at int) error {
	kinds := []struct {
		to    *[]byte
		limit int
	}{kadUnauthenticated: {&e.Unauthenticated, tape.MaxUnauthenticatedKAD}, kadAuthenticated: {&e.Authenticated, tape.MaxAuthenticatedKAD}}
	for at < len(b) {
		rest := b[at:]
		if len(rest) < 4 || len(rest) < 4+int(scsi.Uint16(rest[2:])) {
			return scsi.Illegal(scsi.ParameterListLengthError)
		}
		kind, n := int(rest[0]), int(scsi.Uint16(rest[2:]))
		if kind >= len(kinds) || n > kinds[kind].limit || *kinds[kind].to != nil {
			return scsi.InvalidFieldInParameterList(at, scsi.NoBit)
		}
		*kinds[kind].to = append([]byte{}, rest[4:4+n]...)
		at += 4 + n
	}
	return nil
}
