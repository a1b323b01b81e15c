package service

import (
	"context"
	"fmt"

	"virtualloader/loader"
	"virtualloader/loader/control"
	"virtualloader/slotmap"
)

// media names the medium types for a person.
var media = map[slotmap.Medium]string{slotmap.DataMedium: "data", slotmap.CleaningMedium: "cleaning", slotmap.WORMMedium: "worm"}

func describeTape(t loader.TapeInfo) control.Tape {
	d := control.Tape{
		Barcode: t.Barcode, Place: placeOf(t.Address), Loaded: t.Loaded, Medium: media[t.Medium],
		CapacityBytes: t.CapacityBytes, EarlyWarningBytes: t.EarlyWarningBytes, UsedBytes: t.UsedBytes, PayloadBytes: t.PayloadBytes,
		Objects: t.Objects, Filemarks: t.Filemarks, Generation: t.Generation, LoadCount: t.LoadCount,
		Created: t.Created, LastWritten: t.LastWritten, WriteProtected: t.WriteProtected,
	}
	if t.Damaged {
		d.Problem = "its files are gone or damaged"
	}
	return d
}

// Tapes implements control.Tapes.
func (s *Service) Tapes(_ context.Context, r control.LoaderRef) ([]control.Tape, error) {
	l, err := s.use(r.Loader)
	if err != nil {
		return nil, err
	}
	tapes := []control.Tape{}
	for _, t := range l.library.Tapes() {
		tapes = append(tapes, describeTape(t))
	}
	return tapes, nil
}

// Tape implements control.Tapes.
func (s *Service) Tape(_ context.Context, r control.TapeRef) (control.Tape, error) {
	l, err := s.use(r.Loader)
	if err != nil {
		return control.Tape{}, err
	}
	t, err := l.library.Tape(r.Barcode)
	if err != nil {
		return control.Tape{}, explainFor(r.Loader, r.Barcode, err)
	}
	return describeTape(t), nil
}

// CreateTapes implements control.Tapes (contract 3.8, 3.24).
func (s *Service) CreateTapes(ctx context.Context, r control.NewTapes) (control.CreatedTapes, error) {
	none := control.CreatedTapes{Barcodes: []string{}, Warnings: []string{}}
	l, err := s.use(r.Loader)
	if err != nil {
		return none, err
	}
	if r.Count == 0 {
		r.Count = 1
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	spec := loader.TapeSpec{Barcode: r.Barcode, CapacityBytes: r.CapacityBytes}
	if r.WORM {
		spec.Medium = slotmap.WORMMedium
	}
	barcodes, err := l.library.CreateTapes(ctx, r.Count, spec)
	answer := control.CreatedTapes{Barcodes: list(barcodes), Warnings: list(l.library.CapacityWarnings(r.CapacityBytes))}
	if err != nil && len(barcodes) > 0 {
		err = fmt.Errorf("%d of %d tapes were made: %w", len(barcodes), r.Count, err)
	}
	return answer, explainFor(r.Loader, r.Barcode, err)
}

// tapeWork carries out something with one tape of a loader that is online.
func (s *Service) tapeWork(ctx context.Context, name, barcode string, do func(context.Context, *loader.Library) error) error {
	l, err := s.use(name)
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	return explainFor(name, barcode, do(ctx, l.library))
}

// DeleteTape implements control.Tapes (contract 3.9, 3.25).
func (s *Service) DeleteTape(ctx context.Context, r control.TapeRef) error {
	return s.tapeWork(ctx, r.Loader, r.Barcode, func(ctx context.Context, l *loader.Library) error {
		return l.DeleteTape(ctx, r.Barcode)
	})
}

// EraseTape implements control.Tapes (contract 3.19).
func (s *Service) EraseTape(ctx context.Context, r control.TapeRef) error {
	return s.tapeWork(ctx, r.Loader, r.Barcode, func(ctx context.Context, l *loader.Library) error {
		return l.EraseTape(ctx, r.Barcode)
	})
}

// ImportTapes implements control.Tapes (contract 3.10).
func (s *Service) ImportTapes(ctx context.Context, r control.ImportRequest) (answer control.Imported, err error) {
	err = s.tapeWork(ctx, r.Loader, "", func(ctx context.Context, l *loader.Library) error {
		barcodes, err := l.Import(ctx, r.Files, slotmap.Storage)
		answer.Barcodes = list(barcodes)
		return err
	})
	return answer, err
}

// ExportTape implements control.Tapes.
func (s *Service) ExportTape(ctx context.Context, r control.ExportRequest) error {
	return s.tapeWork(ctx, r.Loader, r.Barcode, func(ctx context.Context, l *loader.Library) error {
		return l.Export(ctx, r.Barcode, r.Folder)
	})
}

// ProtectTape implements control.Tapes.
func (s *Service) ProtectTape(ctx context.Context, r control.Protection) error {
	return s.tapeWork(ctx, r.Loader, r.Barcode, func(ctx context.Context, l *loader.Library) error {
		return l.SetWriteProtected(ctx, r.Barcode, r.Protected)
	})
}
