package ssc

import (
	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
)

// commands are the drive's rows (SSC-4 clause 5 and 6).
func (d *Drive) commands() []spc.Command {
	const (
		medium  = spc.NeedsMedium
		change  = spc.NeedsMedium | spc.ChangesMedium
		telling = spc.UnderPersistent // whatever moves nothing, as spec B.4 lists it
		ff      = 0xff
	)
	return []spc.Command{
		{Opcode: scsi.Rewind, Name: "REWIND", Usage: []byte{0, 0x01, 0, 0, 0, 0}, Flags: medium, Do: d.doing(rewinding, d.rewind)},
		{Opcode: scsi.FormatMedium, Name: "FORMAT MEDIUM", Usage: []byte{0, 0x03, 0x0f, ff, ff, 0}, Flags: change,
			Check: checkFormat, Do: d.doing(formatting, d.formatMedium)},
		{Opcode: scsi.ReadBlockLimits, Name: "READ BLOCK LIMITS", Usage: []byte{0, 0x01, 0, 0, 0, 0}, Do: readBlockLimits},
		{Opcode: scsi.Read6, Name: "READ(6)", Usage: []byte{0, 0x03, ff, ff, ff, 0}, Flags: medium | spc.UnderWriteExclusive, Check: d.checkRead, Do: d.doing(reading, d.read6)},
		{Opcode: scsi.Write6, Name: "WRITE(6)", Usage: []byte{0, 0x01, ff, ff, ff, 0}, Flags: change | needsSpace,
			Check: d.checkWrite, Do: d.doing(writing, d.write6)},
		{Opcode: scsi.SetCapacity, Name: "SET CAPACITY", Usage: []byte{0, 0x01, 0, ff, ff, 0}, Flags: change | needsSpace,
			Check: checkCapacity, Do: d.doing(formatting, d.setCapacity)},
		{Opcode: scsi.ReadReverse6, Name: "READ REVERSE(6)", Usage: []byte{0, 0x07, ff, ff, ff, 0}, Flags: medium | spc.UnderWriteExclusive, Check: d.checkRead, Do: d.doing(reading, d.readReverse)},
		{Opcode: scsi.WriteFilemarks6, Name: "WRITE FILEMARKS(6)", Usage: []byte{0, 0x01, ff, ff, ff, 0}, Flags: medium, Do: d.doing(writing, d.writeFilemarks)},
		{Opcode: scsi.Space6, Name: "SPACE(6)", Usage: []byte{0, 0x0f, ff, ff, ff, 0}, Flags: medium, Check: checkSpace, Do: d.doing(positioning, d.space)},
		{Opcode: scsi.Verify6, Name: "VERIFY(6)", Usage: []byte{0, 0x2f, ff, ff, ff, 0}, Flags: medium, Check: d.checkVerify, Do: d.doing(reading, d.verify)},
		{Opcode: scsi.Erase6, Name: "ERASE(6)", Usage: []byte{0, 0x03, 0, 0, 0, 0}, Flags: change, Do: d.doing(erasing, d.erase)},
		{Opcode: scsi.LoadUnload, Name: "LOAD UNLOAD", Usage: []byte{0, 0x01, 0, 0, 0x0f, 0}, Check: checkLoadUnload, Do: d.loadUnload},
		{Opcode: scsi.Locate10, Name: "LOCATE(10)", Usage: []byte{0, 0x07, 0, ff, ff, ff, ff, 0, ff, 0}, Flags: medium,
			Check: d.checkLocate, Do: d.doing(positioning, d.locate)},
		{Opcode: scsi.ReadPosition, Name: "READ POSITION", Usage: []byte{0, 0x1f, 0, 0, 0, 0, 0, ff, ff, 0}, Flags: medium,
			Check: checkReadPosition, Do: d.readPosition},
		{Opcode: scsi.ReportDensitySupport, Name: "REPORT DENSITY SUPPORT", Usage: []byte{0, 0x03, 0, 0, 0, 0, 0, ff, ff, 0}, Flags: telling, Do: d.reportDensity},
		{Opcode: scsi.WriteFilemarks16, Name: "WRITE FILEMARKS(16)", Usage: []byte{0, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ff, ff, ff, 0},
			Flags: medium, Do: d.doing(writing, d.writeFilemarks)},
		{Opcode: scsi.AllowOverwrite, Name: "ALLOW OVERWRITE", Usage: []byte{0, 0, 0x0f, ff, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0, 0, 0}, Flags: medium, Do: d.allowOverwrite},
		{Opcode: scsi.ReadAttribute, Name: "READ ATTRIBUTE", Usage: []byte{0, 0x1f, 0, 0, 0, ff, 0, ff, ff, ff, ff, ff, ff, ff, 0x01, 0},
			Flags: telling, Check: d.checkAttribute, Do: d.readAttribute},
		{Opcode: scsi.WriteAttribute, Name: "WRITE ATTRIBUTE", Usage: []byte{0, 0x01, 0, 0, 0, ff, 0, ff, 0, 0, ff, ff, ff, ff, 0, 0},
			Check: d.checkAttribute, Do: d.writeAttribute},
		{Opcode: scsi.Space16, Name: "SPACE(16)", Usage: []byte{0, 0x0f, 0, 0, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0, 0, 0}, Flags: medium,
			Check: checkSpace, Do: d.doing(positioning, d.space)},
		{Opcode: scsi.Locate16, Name: "LOCATE(16)", Usage: []byte{0, 0x1b, 0, ff, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0, 0, 0}, Flags: medium,
			Check: d.checkLocate, Do: d.doing(positioning, d.locate)},
		{Opcode: scsi.Erase16, Name: "ERASE(16)", Usage: []byte{0, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Flags: change, Do: d.doing(erasing, d.erase)},
		{Opcode: scsi.SecurityProtocolIn, Name: "SECURITY PROTOCOL IN", Usage: []byte{0, ff, ff, ff, 0x80, 0, ff, ff, ff, ff, 0, 0}, Do: d.securityIn},
		{Opcode: scsi.SecurityProtocolOut, Name: "SECURITY PROTOCOL OUT", Usage: []byte{0, ff, ff, ff, 0x80, 0, ff, ff, ff, ff, 0, 0}, Do: d.securityOut},
		{Opcode: scsi.ServiceActionIn12, Action: 0x01, HasAction: true, Name: "READ MEDIA SERIAL NUMBER",
			Usage: []byte{0, 0, 0, 0, 0, 0, ff, ff, ff, ff, 0, 0}, Flags: medium, Do: d.readMediaSerial},
	}
}
