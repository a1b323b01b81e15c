package ssc

import (
	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/loader/tape"
)

// Mode pages the drive itself looks at.
const (
	pageCompression        = 0x0F
	pageDeviceConfig       = 0x10
	subpageConfigExtension = 0x01
)

// page builds a mode page of n parameter bytes from its non-zero bytes.
func page(code byte, n int, bytes map[int]byte) []byte {
	b := make([]byte, 2+n)
	b[0], b[1] = code, byte(n)
	for i, v := range bytes {
		b[i] = v
	}
	return b
}

// fixed is the changeable mask of a page that MODE SELECT may carry back but
// not change.
func fixed(p []byte) []byte { return make([]byte, len(p)) }

func (d *Drive) modeConfig() spc.ModeConfig {
	compression := page(pageCompression, 0x0E, map[int]byte{2: 0xC0, 3: 0x80, 7: 0x01, 11: 0x01})
	compressionMask := fixed(compression)
	compressionMask[2], compressionMask[3] = 0x80, 0x80 // DCE, DDE

	extension := make([]byte, 32)
	extension[0], extension[1], extension[3], extension[5] = 0x40|pageDeviceConfig, subpageConfigExtension, 0x1C, 0x02
	extensionMask := fixed(extension)
	extensionMask[5], extensionMask[6], extensionMask[7] = 0xF0, 0xFF, 0xFF // write mode, PEWS

	return spc.ModeConfig{
		Pages: []spc.ModePage{
			still(page(0x01, 0x0A, nil)),
			still(page(0x02, 0x0E, nil)),
			dataProtection(),
			{Default: compression, Changeable: compressionMask},
			d.deviceConfiguration(),
			{Default: extension, Changeable: extensionMask, Check: checkExtension},
			d.mediumPartition(),
			still(page(0x1C, 0x0A, map[int]byte{2: 0x08, 3: 0x03})),
			d.mediumConfiguration(),
		},
		Header: d.modeHeader, Descriptor: d.blockDescriptor,
		CheckBlock: d.checkBlock, SetBlock: d.setBlock,
	}
}

func still(p []byte) spc.ModePage { return spc.ModePage{Default: p, Changeable: fixed(p)} }

// deviceConfiguration is page 10h: LOIS, EEG and SEW, rewind on reset.
func (d *Drive) deviceConfiguration() spc.ModePage {
	p := still(page(pageDeviceConfig, 0x0E, map[int]byte{8: 0x40, 10: 0x18, 15: 0x10}))
	p.Live = func(b []byte) {
		if d.ModePage(pageCompression, 0)[2]&0x80 != 0 {
			b[14] = 0x01
		}
		if d.hasMedium() {
			b[3] = byte(d.image.Partition())
		}
		if d.image != nil && d.protected {
			b[15] |= 0x02 // PERSWP
		}
	}
	return p
}

// mediumConfiguration is page 1Dh: WORMM.
func (d *Drive) mediumConfiguration() spc.ModePage {
	p := still(page(0x1D, 0x1E, nil))
	p.Live = func(b []byte) {
		if d.image != nil && d.medium == tape.WORM {
			b[2] |= 0x01
		}
	}
	return p
}

// Write modes of the device configuration extension page.
const appendOnlyMode = 1

func checkExtension(p []byte) error {
	if p[5]>>4 > appendOnlyMode {
		return scsi.InvalidFieldInParameterList(5, 7)
	}
	return nil
}

func (d *Drive) appendOnly() bool {
	return d.ModePage(pageDeviceConfig, subpageConfigExtension)[5]>>4 == appendOnlyMode
}

// programmableEarlyWarning is the length in bytes of the zone before early
// warning, 0 when there is none.
func (d *Drive) programmableEarlyWarning() int64 {
	return int64(scsi.Uint16(d.ModePage(pageDeviceConfig, subpageConfigExtension)[6:])) * 1e6
}

// hasMedium says whether the cartridge's own figures can be told.
func (d *Drive) hasMedium() bool { return d.state == ready && d.image != nil }

func (d *Drive) modeHeader() (mediumType, specific byte) {
	const writeProtected, buffered = 0x80, 0x10
	if !d.unbuffered {
		specific = buffered
	}
	if d.hasMedium() {
		mediumType = generationOf(d.barcode).mediumType(d.medium)
		if d.protected {
			specific |= writeProtected
		}
	}
	if d.host.Gate() != GateOpen {
		specific |= writeProtected
	}
	return mediumType, specific
}

func (d *Drive) density() byte {
	if d.hasMedium() {
		return generationOf(d.barcode).density
	}
	return 0
}

func (d *Drive) blockDescriptor(pc spc.PageControl) []byte {
	b := make([]byte, 8)
	switch pc {
	case spc.ChangeableValues:
		scsi.PutUint24(b[5:], 0xFFFFFF)
	case spc.CurrentValues:
		b[0] = d.density()
		scsi.PutUint24(b[5:], uint32(d.blockLength))
	default:
		b[0] = d.density()
	}
	return b
}

func (d *Drive) checkBlock(specific byte, descriptor []byte) error {
	if specific>>4&7 > 1 {
		return scsi.InvalidFieldInParameterList(2, 6)
	}
	if descriptor == nil {
		return nil
	}
	const same = 0x7F
	switch code := descriptor[0]; code {
	case 0, same, native.density, d.density():
	default:
		return scsi.InvalidFieldInParameterList(4, 7)
	}
	if scsi.Uint24(descriptor[5:]) > tape.MaxBlock {
		return scsi.InvalidFieldInParameterList(9, 7)
	}
	return nil
}

func (d *Drive) setBlock(specific byte, descriptor []byte) {
	d.unbuffered = specific&0x70 == 0
	if descriptor != nil {
		d.blockLength = int(scsi.Uint24(descriptor[5:]))
	}
}
