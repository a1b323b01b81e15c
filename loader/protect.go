package loader

import (
	"context"

	"virtualloader/slotmap"
)

// SetWriteProtected sets or clears the write protection of a tape that is not in
// the drive. Errors: those of DeleteTape.
func (l *Library) SetWriteProtected(ctx context.Context, barcode string, protected bool) error {
	return l.work(ctx, "protect", "protected", barcode, func(barcode string) error {
		cartridge, err := l.cartridge(barcode)
		if err == nil {
			err = cartridge.SetWriteProtected(protected)
		}
		if err != nil {
			return err
		}
		return l.store.Update(func(tx *slotmap.Tx) error {
			tx.PutTape(barcode, l.read(barcode))
			return nil
		})
	})
}

// CapacityWarnings says, for a person, when tapes of a capacity (0: the loader's)
// will be too large for the disk; none when one of them fits.
func (l *Library) CapacityWarnings(capacityBytes int64) []string {
	if capacityBytes == 0 {
		capacityBytes = l.Identity().CapacityBytes
	}
	return capacityWarnings(l.folder, capacityBytes)
}
