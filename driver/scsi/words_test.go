package scsi

import "testing"

func TestSenseDataInWords(t *testing.T) {
	for want, s := range map[string]Sense{
		"blank check, end-of-data detected (8/0005), information 4096":                              {Key: BlankCheck, Code: EndOfDataDetected, Valid: true, Information: 4096},
		"no sense, filemark detected (0/0001), FILEMARK, EOM, ILI, information -3":                  {Code: FilemarkDetected, Filemark: true, EOM: true, ILI: true, Valid: true, Information: -3},
		"illegal request, invalid field in CDB (5/2400), bit 2 of byte 1 of the CDB":                *InvalidFieldInCDB(1, 2),
		"not ready, logical unit not ready, operation in progress (2/0407), 50 % done":              {Key: NotReady, Code: OperationInProgressNotReady, Specific: Progress(1, 2)},
		"illegal request, invalid field in parameter list (5/2600), byte 258 of the parameter list": *InvalidFieldInParameterList(258, NoBit),
		"sense key Fh, additional sense 1234h (F/1234)":                                             {Key: 15, Code: 0x1234},
	} {
		if got := s.Words(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for status, want := range map[Status]string{Good: "GOOD", CheckCondition: "CHECK CONDITION", Busy: "BUSY",
		ReservationConflict: "RESERVATION CONFLICT", TaskSetFull: "TASK SET FULL", 0x77: "STATUS 77H"} {
		if status.String() != want {
			t.Errorf("%02x: %q", uint8(status), status)
		}
	}
}
