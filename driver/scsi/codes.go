package scsi

import "fmt"

// AdditionalSense is an additional sense code and its qualifier, ASC << 8 | ASCQ
// (SPC-4 annex F).
type AdditionalSense uint16

// Additional sense codes the units use, named as SPC-4 names them.
const (
	NoAdditionalSense                    AdditionalSense = 0x0000
	FilemarkDetected                     AdditionalSense = 0x0001
	EndOfPartitionMediumDetected         AdditionalSense = 0x0002
	BeginningOfPartitionMediumDetected   AdditionalSense = 0x0004
	EndOfDataDetected                    AdditionalSense = 0x0005
	ProgrammableEarlyWarningDetected     AdditionalSense = 0x0007
	OperationInProgress                  AdditionalSense = 0x0016
	EraseOperationInProgress             AdditionalSense = 0x0018
	BecomingReady                        AdditionalSense = 0x0401
	FormatInProgress                     AdditionalSense = 0x0404
	OperationInProgressNotReady          AdditionalSense = 0x0407
	WriteError                           AdditionalSense = 0x0C00
	InvalidFieldInCommandInformationUnit AdditionalSense = 0x0E03
	LogicalBlockGuardCheckFailed         AdditionalSense = 0x1001
	UnrecoveredReadError                 AdditionalSense = 0x1100
	MechanicalPositioningError           AdditionalSense = 0x1501
	ParameterListLengthError             AdditionalSense = 0x1A00
	InvalidOperationCode                 AdditionalSense = 0x2000
	IllegalCommandNotInAppendOnlyMode    AdditionalSense = 0x200C
	InvalidElementAddress                AdditionalSense = 0x2101
	InvalidFieldInCDBCode                AdditionalSense = 0x2400
	LogicalUnitNotSupported              AdditionalSense = 0x2500
	InvalidFieldInParameterListCode      AdditionalSense = 0x2600
	InvalidReleaseOfReservation          AdditionalSense = 0x2604
	WriteProtected                       AdditionalSense = 0x2700
	SpaceAllocationFailedWriteProtect    AdditionalSense = 0x2707
	MediumMayHaveChanged                 AdditionalSense = 0x2800
	ImportExportElementAccessed          AdditionalSense = 0x2801
	PowerOnOccurred                      AdditionalSense = 0x2901
	BusResetOccurred                     AdditionalSense = 0x2902
	DeviceResetOccurred                  AdditionalSense = 0x2903
	NexusLossOccurred                    AdditionalSense = 0x2907
	ModeParametersChanged                AdditionalSense = 0x2A01
	ReservationsPreempted                AdditionalSense = 0x2A03
	ReservationsReleased                 AdditionalSense = 0x2A04
	RegistrationsPreempted               AdditionalSense = 0x2A05
	CommandSequenceError                 AdditionalSense = 0x2C00
	DataEncryptionParametersChanged      AdditionalSense = 0x2A11
	CommandsClearedByAnotherInitiator    AdditionalSense = 0x2F00
	IncompatibleMedium                   AdditionalSense = 0x3000
	CleaningCartridgeInstalled           AdditionalSense = 0x3003
	WriteOnceMediumOverwrite             AdditionalSense = 0x300C
	MediumFormatCorrupted                AdditionalSense = 0x3100
	SavingParametersNotSupported         AdditionalSense = 0x3900
	MediumNotPresent                     AdditionalSense = 0x3A00
	MediumNotPresentTrayOpen             AdditionalSense = 0x3A02
	MediumNotPresentAuxiliaryMemory      AdditionalSense = 0x3A04
	SequentialPositioningError           AdditionalSense = 0x3B00
	PositionPastBeginningOfMedium        AdditionalSense = 0x3B0C
	DestinationElementFull               AdditionalSense = 0x3B0D
	SourceElementEmpty                   AdditionalSense = 0x3B0E
	ReportedLUNsDataHasChanged           AdditionalSense = 0x3F0E
	InternalTargetFailure                AdditionalSense = 0x4400
	MediaLoadOrEjectFailed               AdditionalSense = 0x5300
	UnloadTapeFailure                    AdditionalSense = 0x5301
	MediumRemovalPrevented               AdditionalSense = 0x5302
	UnableToDecryptData                  AdditionalSense = 0x7401
	UnencryptedDataWhileDecrypting       AdditionalSense = 0x7402
	IncorrectDataEncryptionKey           AdditionalSense = 0x7403
)

var additionalSenseText = map[AdditionalSense]string{
	NoAdditionalSense:                    "no additional sense information",
	FilemarkDetected:                     "filemark detected",
	EndOfPartitionMediumDetected:         "end-of-partition/medium detected",
	BeginningOfPartitionMediumDetected:   "beginning-of-partition/medium detected",
	EndOfDataDetected:                    "end-of-data detected",
	ProgrammableEarlyWarningDetected:     "programmable early warning detected",
	OperationInProgress:                  "operation in progress",
	EraseOperationInProgress:             "erase operation in progress",
	BecomingReady:                        "logical unit is in process of becoming ready",
	FormatInProgress:                     "logical unit not ready, format in progress",
	OperationInProgressNotReady:          "logical unit not ready, operation in progress",
	WriteError:                           "write error",
	InvalidFieldInCommandInformationUnit: "invalid field in command information unit",
	DataEncryptionParametersChanged:      "data encryption parameters changed by another I_T nexus",
	UnableToDecryptData:                  "unable to decrypt data",
	UnencryptedDataWhileDecrypting:       "unencrypted data encountered while decrypting",
	IncorrectDataEncryptionKey:           "incorrect data encryption key",
	LogicalBlockGuardCheckFailed:         "logical block guard check failed",
	UnrecoveredReadError:                 "unrecovered read error",
	MechanicalPositioningError:           "mechanical positioning error",
	ParameterListLengthError:             "parameter list length error",
	InvalidOperationCode:                 "invalid command operation code",
	IllegalCommandNotInAppendOnlyMode:    "illegal command when not in append-only mode",
	InvalidElementAddress:                "invalid element address",
	InvalidFieldInCDBCode:                "invalid field in CDB",
	LogicalUnitNotSupported:              "logical unit not supported",
	InvalidFieldInParameterListCode:      "invalid field in parameter list",
	InvalidReleaseOfReservation:          "invalid release of persistent reservation",
	WriteProtected:                       "write protected",
	SpaceAllocationFailedWriteProtect:    "space allocation failed write protect",
	MediumMayHaveChanged:                 "not ready to ready change, medium may have changed",
	ImportExportElementAccessed:          "import or export element accessed",
	PowerOnOccurred:                      "power on occurred",
	BusResetOccurred:                     "SCSI bus reset occurred",
	DeviceResetOccurred:                  "bus device reset function occurred",
	NexusLossOccurred:                    "I_T nexus loss occurred",
	ModeParametersChanged:                "mode parameters changed",
	ReservationsPreempted:                "reservations preempted",
	ReservationsReleased:                 "reservations released",
	RegistrationsPreempted:               "registrations preempted",
	CommandSequenceError:                 "command sequence error",
	CommandsClearedByAnotherInitiator:    "commands cleared by another initiator",
	IncompatibleMedium:                   "incompatible medium installed",
	CleaningCartridgeInstalled:           "cleaning cartridge installed",
	WriteOnceMediumOverwrite:             "WORM medium - overwrite attempted",
	MediumFormatCorrupted:                "medium format corrupted",
	SavingParametersNotSupported:         "saving parameters not supported",
	MediumNotPresent:                     "medium not present",
	MediumNotPresentTrayOpen:             "medium not present - tray open",
	MediumNotPresentAuxiliaryMemory:      "medium not present - medium auxiliary memory accessible",
	SequentialPositioningError:           "sequential positioning error",
	PositionPastBeginningOfMedium:        "position past beginning of medium",
	DestinationElementFull:               "medium destination element full",
	SourceElementEmpty:                   "medium source element empty",
	ReportedLUNsDataHasChanged:           "reported LUNs data has changed",
	InternalTargetFailure:                "internal target failure",
	MediaLoadOrEjectFailed:               "media load or eject failed",
	UnloadTapeFailure:                    "unload tape failure",
	MediumRemovalPrevented:               "medium removal prevented",
}

// String returns the standard's words in lower case.
func (a AdditionalSense) String() string {
	if text, ok := additionalSenseText[a]; ok {
		return text
	}
	return fmt.Sprintf("additional sense %04Xh", uint16(a))
}

// Opcode is the first byte of a CDB. The same value means different commands on
// a tape drive and on a medium changer.
type Opcode uint8

// Operation codes of all device types (SPC-4).
const (
	TestUnitReady            Opcode = 0x00
	RequestSense             Opcode = 0x03
	Inquiry                  Opcode = 0x12
	ModeSelect6              Opcode = 0x15
	Reserve6                 Opcode = 0x16
	Release6                 Opcode = 0x17
	ModeSense6               Opcode = 0x1A
	ReceiveDiagnosticResults Opcode = 0x1C
	SendDiagnostic           Opcode = 0x1D
	PreventAllow             Opcode = 0x1E
	WriteBuffer              Opcode = 0x3B
	ReadBuffer               Opcode = 0x3C
	LogSelect                Opcode = 0x4C
	LogSense                 Opcode = 0x4D
	ModeSelect10             Opcode = 0x55
	Reserve10                Opcode = 0x56
	Release10                Opcode = 0x57
	ModeSense10              Opcode = 0x5A
	PersistentReserveIn      Opcode = 0x5E
	PersistentReserveOut     Opcode = 0x5F
	ReportLUNs               Opcode = 0xA0
	SecurityProtocolIn       Opcode = 0xA2
	MaintenanceIn            Opcode = 0xA3
	MaintenanceOut           Opcode = 0xA4
)

// Operation codes of a sequential-access device (SSC-4).
const (
	Rewind               Opcode = 0x01
	FormatMedium         Opcode = 0x04
	ReadBlockLimits      Opcode = 0x05
	Read6                Opcode = 0x08
	Write6               Opcode = 0x0A
	SetCapacity          Opcode = 0x0B
	ReadReverse6         Opcode = 0x0F
	WriteFilemarks6      Opcode = 0x10
	Space6               Opcode = 0x11
	Verify6              Opcode = 0x13
	Erase6               Opcode = 0x19
	LoadUnload           Opcode = 0x1B
	Locate10             Opcode = 0x2B
	ReadPosition         Opcode = 0x34
	ReportDensitySupport Opcode = 0x44
	WriteFilemarks16     Opcode = 0x80
	AllowOverwrite       Opcode = 0x82
	ReadAttribute        Opcode = 0x8C
	WriteAttribute       Opcode = 0x8D
	Space16              Opcode = 0x91
	Locate16             Opcode = 0x92
	Erase16              Opcode = 0x93
	SecurityProtocolOut  Opcode = 0xB5
	ServiceActionIn12    Opcode = 0xAB
)

// Operation codes of a medium changer (SMC-3).
const (
	RezeroUnit                       Opcode = 0x01
	InitializeElementStatus          Opcode = 0x07
	OpenCloseImportExportElement     Opcode = 0x1B
	PositionToElement                Opcode = 0x2B
	InitializeElementStatusWithRange Opcode = 0x37
	MoveMedium                       Opcode = 0xA5
	ExchangeMedium                   Opcode = 0xA6
	RequestVolumeElementAddress      Opcode = 0xB5
	SendVolumeTag                    Opcode = 0xB6
	ReadElementStatus                Opcode = 0xB8
)
