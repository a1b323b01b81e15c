package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"virtualloader/driver/iscsi/initiator"
	"virtualloader/driver/scsi"
	"virtualloader/loader/control"
)

// blockLength is the length in bytes of the tape blocks the demo writes.
const blockLength = 256 << 10

// Times of the drive.
const (
	readyTimeout = 30 * time.Second
	pollEvery    = 20 * time.Millisecond
)

// What a tape says instead of giving or taking a block.
var (
	errFilemark     = errors.New("filemark")
	errEndOfData    = errors.New("end of data")
	errEarlyWarning = errors.New("early warning")
)

// drive is the tape drive as a backup host sees it: SCSI commands over iSCSI,
// variable block length.
type drive struct {
	session *initiator.Session
}

// connect logs in to a loader.
func connect(ctx context.Context, c control.Connection) (*drive, error) {
	session, err := initiator.Dial(ctx, initiator.Config{
		Address: c.Address, TargetName: c.IQN, InitiatorName: "iqn.2026-11.io.virtualloader:demo",
		CHAPName: c.CHAPName, CHAPSecret: c.CHAPSecret,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.Address, err)
	}
	return &drive{session}, nil
}

func (d *drive) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return d.session.Logout(ctx)
}

// command sends one command; CHECK CONDITION comes back as a *scsi.Sense.
func (d *drive) command(ctx context.Context, cdb []byte, out, in []byte) (int, error) {
	r, err := d.session.Execute(ctx, initiator.Command{LUN: scsi.UnitNumber(0), CDB: cdb, Out: out, In: in})
	switch {
	case err != nil:
		return 0, err
	case r.Status == scsi.Good:
		return r.DataIn, nil
	case r.Status == scsi.CheckCondition:
		if sense, ok := scsi.ParseSense(r.Sense); ok {
			return r.DataIn, &sense
		}
	}
	return r.DataIn, scsi.StatusError(r.Status)
}

// waitReady waits until a tape is in the drive and ready, as a host does: it
// takes note of unit attentions and asks again.
func (d *drive) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		_, err := d.command(ctx, []byte{byte(scsi.TestUnitReady), 0, 0, 0, 0, 0}, nil, nil)
		var sense *scsi.Sense
		if err == nil || !errors.As(err, &sense) || sense.Key != scsi.NotReady && sense.Key != scsi.UnitAttention {
			return err
		}
		if sense.Key == scsi.UnitAttention {
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no tape became ready: %w", err)
		case <-time.After(pollEvery):
		}
	}
}

// write writes one block. errEarlyWarning: it is written and the tape is nearly
// full.
func (d *drive) write(ctx context.Context, block []byte) error {
	n := len(block)
	_, err := d.command(ctx, []byte{byte(scsi.Write6), 0, byte(n >> 16), byte(n >> 8), byte(n), 0}, block, nil)
	var sense *scsi.Sense
	if errors.As(err, &sense) && sense.EOM && (sense.Key == scsi.NoSense || sense.Key == scsi.RecoveredError) {
		return errEarlyWarning
	}
	return err
}

// filemark ends a file; what was written is on disk when it returns.
func (d *drive) filemark(ctx context.Context) error {
	_, err := d.command(ctx, []byte{byte(scsi.WriteFilemarks6), 0, 0, 0, 1, 0}, nil, nil)
	var sense *scsi.Sense
	if errors.As(err, &sense) && sense.EOM && sense.Key == scsi.NoSense {
		return nil // in the early-warning zone, and written
	}
	return err
}

// read reads one block of at most len(p) bytes.
func (d *drive) read(ctx context.Context, p []byte) (int, error) {
	n := len(p)
	const sili = 0x02 // shorter blocks are no error
	got, err := d.command(ctx, []byte{byte(scsi.Read6), sili, byte(n >> 16), byte(n >> 8), byte(n), 0}, nil, p)
	var sense *scsi.Sense
	if errors.As(err, &sense) {
		switch {
		case sense.Filemark:
			return 0, errFilemark
		case sense.Key == scsi.BlankCheck:
			return 0, errEndOfData
		}
	}
	return got, err
}

func (d *drive) rewind(ctx context.Context) error {
	_, err := d.command(ctx, []byte{byte(scsi.Rewind), 0, 0, 0, 0, 0}, nil, nil)
	return err
}

// unload ejects the tape; a stacker puts the next one in.
func (d *drive) unload(ctx context.Context) error {
	_, err := d.command(ctx, []byte{byte(scsi.LoadUnload), 0, 0, 0, 0, 0}, nil, nil)
	return err
}
