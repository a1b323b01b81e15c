package ssc

import (
	"errors"

	"virtualloader/driver/scsi"
	"virtualloader/loader/tape"
)

// conditions translates what the medium says into what a host hears, and is the
// only place that does. Order matters where an error wraps two of them.
var conditions = []struct {
	err   error
	sense scsi.Sense
}{
	{tape.ErrFilemark, scsi.Sense{Key: scsi.NoSense, Code: scsi.FilemarkDetected, Filemark: true}},
	{tape.ErrEndOfData, scsi.Sense{Key: scsi.BlankCheck, Code: scsi.EndOfDataDetected}},
	{tape.ErrBeginningOfTape, scsi.Sense{Key: scsi.NoSense, Code: scsi.BeginningOfPartitionMediumDetected, EOM: true}},
	{tape.ErrEarlyWarning, scsi.Sense{Key: scsi.NoSense, Code: scsi.EndOfPartitionMediumDetected, EOM: true}},
	{tape.ErrEndOfMedium, scsi.Sense{Key: scsi.VolumeOverflow, Code: scsi.EndOfPartitionMediumDetected, EOM: true}},
	{tape.ErrDiskFull, scsi.Sense{Key: scsi.DataProtect, Code: scsi.SpaceAllocationFailedWriteProtect}},
	{tape.ErrReadOnly, scsi.Sense{Key: scsi.DataProtect, Code: scsi.WriteProtected}},
	{tape.ErrPinned, scsi.Sense{Key: scsi.DataProtect, Code: scsi.WriteProtected}},
	{tape.ErrNoKey, scsi.Sense{Key: scsi.DataProtect, Code: scsi.UnableToDecryptData}},
	{tape.ErrNotEncrypted, scsi.Sense{Key: scsi.DataProtect, Code: scsi.UnencryptedDataWhileDecrypting}},
	{tape.ErrWrongKey, scsi.Sense{Key: scsi.DataProtect, Code: scsi.IncorrectDataEncryptionKey}},
	{tape.ErrCorrupt, scsi.Sense{Key: scsi.MediumError, Code: scsi.UnrecoveredReadError}},
	{tape.ErrDamaged, scsi.Sense{Key: scsi.MediumError, Code: scsi.MediumFormatCorrupted}},
	{tape.ErrFormat, scsi.Sense{Key: scsi.MediumError, Code: scsi.IncompatibleMedium}},
	{tape.ErrAttribute, scsi.Sense{Key: scsi.IllegalRequest, Code: scsi.InvalidFieldInParameterListCode}},
	{errProgrammableEarlyWarning, scsi.Sense{Key: scsi.NoSense, Code: scsi.ProgrammableEarlyWarningDetected, EOM: true}},
}

// errProgrammableEarlyWarning: everything was written, and for the first time
// the host's own mark before early warning is passed.
var errProgrammableEarlyWarning = errors.New("programmable early warning")

// condition returns the sense for an error of the medium with VALID and the
// given INFORMATION. An error without a row is a failure of the host's files:
// otherwise says whether it was reading or writing.
func condition(err error, otherwise scsi.AdditionalSense, information int64) *scsi.Sense {
	s := plain(err, otherwise)
	s.Valid, s.Information = true, information
	return s
}

// plain is condition without INFORMATION.
func plain(err error, otherwise scsi.AdditionalSense) *scsi.Sense {
	for _, c := range conditions {
		if errors.Is(err, c.err) {
			s := c.sense
			s.Cause = err
			return &s
		}
	}
	return &scsi.Sense{Key: scsi.MediumError, Code: otherwise, Cause: err}
}

// incorrectLength is a block of another length than asked for.
func incorrectLength(residual int64) *scsi.Sense {
	return &scsi.Sense{Key: scsi.NoSense, Code: scsi.NoAdditionalSense, ILI: true, Valid: true, Information: residual}
}

func protect(code scsi.AdditionalSense) *scsi.Sense {
	return &scsi.Sense{Key: scsi.DataProtect, Code: code}
}
