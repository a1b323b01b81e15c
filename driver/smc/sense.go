package smc

import (
	"context"
	"errors"

	"virtualloader/driver/scsi"
	"virtualloader/slotmap"
)

// conditions translates what the library says (spec D.4).
var conditions = []struct {
	err   error
	sense scsi.Sense
}{
	{slotmap.ErrNoElement, scsi.Sense{Key: scsi.IllegalRequest, Code: scsi.InvalidElementAddress}},
	{slotmap.ErrSourceEmpty, scsi.Sense{Key: scsi.IllegalRequest, Code: scsi.SourceElementEmpty}},
	{slotmap.ErrDestinationFull, scsi.Sense{Key: scsi.IllegalRequest, Code: scsi.DestinationElementFull}},
	{slotmap.ErrHeld, scsi.Sense{Key: scsi.IllegalRequest, Code: scsi.MediumRemovalPrevented}},
	{slotmap.ErrStationOpen, scsi.Sense{Key: scsi.NotReady, Code: scsi.MediumNotPresentTrayOpen}},
	// The drive did not come free in time: the tape could not be unloaded.
	{context.DeadlineExceeded, scsi.Sense{Key: scsi.IllegalRequest, Code: scsi.UnloadTapeFailure}},
}

// senseOf turns an error of the library into what the host hears. Sense data
// that is already there, of the drive for instance, stays as it is.
func senseOf(err error) error {
	var sense *scsi.Sense
	switch {
	case err == nil:
		return nil
	case errors.As(err, &sense):
		return sense
	case errors.Is(err, context.Canceled):
		return scsi.ErrAborted
	}
	for _, c := range conditions {
		if errors.Is(err, c.err) {
			s := c.sense
			return &s
		}
	}
	return &scsi.Sense{Key: scsi.HardwareError, Code: scsi.MechanicalPositioningError, Cause: err}
}
