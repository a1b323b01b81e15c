//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"virtualloader/driver/conformance"
	"virtualloader/driver/scsi"
	"virtualloader/loader/control"
	"virtualloader/loader/tape"
)

const (
	ownTapes       = 10  // fixture G0: ABC000L8 to ABC009L8 in slots 1 to 10
	asideSlot      = 500 // the first of the slots where tapes stand out of the way
	usualCapacity  = 256 << 20
	attentionLimit = 10
)

func ownTape(i int) string { return fmt.Sprintf("ABC%03dL8", i) }

// stage is a loader behind the kernel: commands go through sg devices, and what
// no command does through the service's control connection.
type stage struct {
	ctx     context.Context
	client  *control.Client
	loader  string
	devices map[string][2]*os.File // by nexus: tape, changer
}

// Exec implements conformance.Execer.
func (s *stage) Exec(nexus string, lun int, cdb, out []byte, inLen int) (conformance.Result, error) {
	if lun > 1 {
		return conformance.Result{}, fmt.Errorf("the kernel has no device for LUN %d: %w", lun, errors.ErrUnsupported)
	}
	return execute(s.devices[nexus][lun], cdb, out, inLen)
}

// Event implements conformance.Stage.
func (s *stage) Event(words []string) error {
	switch words[0] {
	case "cartridge":
		return s.cartridge(words[1], words[2:])
	case "protect":
		return s.reload(func(barcode string) error {
			return s.client.ProtectTape(s.ctx, control.Protection{Loader: s.loader, Barcode: barcode, Protected: true})
		})
	case "reload":
		return s.reload(func(string) error { return nil })
	case "reset":
		if lun, err := strconv.Atoi(words[1]); err == nil {
			return reset(s.devices["A"][lun])
		}
	}
	return fmt.Errorf("event %q: %w", words[0], errors.ErrUnsupported)
}

var media = map[string]struct {
	barcode string
	medium  tape.MediumType
}{
	"data": {"ABC100L8", tape.Data}, "worm": {"ABC100LY", tape.WORM}, "cleaning": {"CLN100L1", tape.Cleaning},
}

// cartridge makes a blank one in a folder, has the loader take it in, and loads it.
func (s *stage) cartridge(kind string, sizes []string) error {
	m := media[kind]
	spec := tape.Spec{Barcode: m.barcode, Medium: m.medium, CapacityBytes: usualCapacity, EarlyWarningBytes: usualCapacity / 4}
	if len(sizes) == 2 {
		spec.CapacityBytes, _ = strconv.ParseInt(sizes[0], 10, 64)
		spec.EarlyWarningBytes, _ = strconv.ParseInt(sizes[1], 10, 64)
	}
	dir, err := os.MkdirTemp("", "cartridge")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := tape.Create(dir, spec); err != nil {
		return err
	}
	if _, err := s.client.ImportTapes(s.ctx, control.ImportRequest{Loader: s.loader, Files: []string{filepath.Clean(dir)}}); err != nil {
		return err
	}
	_, err = s.client.Load(s.ctx, control.LoadRequest{Loader: s.loader, Barcode: m.barcode})
	return err
}

func (s *stage) reload(between func(barcode string) error) error {
	moved, err := s.client.Unload(s.ctx, control.UnloadRequest{Loader: s.loader})
	if err != nil {
		return err
	}
	if err := between(moved.Barcode); err != nil {
		return err
	}
	_, err = s.client.Load(s.ctx, control.LoadRequest{Loader: s.loader, Barcode: moved.Barcode})
	return err
}

// refresh brings the loader back to fixture G0 whatever an item left behind.
func (s *stage) refresh() error {
	for lun := range 2 {
		if err := reset(s.devices["A"][lun]); err != nil {
			return fmt.Errorf("reset LUN %d: %w", lun, err)
		}
	}
	const registerKey, clearKey, closeStation, clearCounters = "5F060000000000001800", "5F030000000000001800", "1B0000100100", "4C020000000000000000"
	key := func(own, action byte) []byte {
		list := make([]byte, 24)
		list[7], list[15] = own, action
		return list
	}
	for _, c := range []struct {
		lun int
		cdb string
		out []byte
	}{{0, registerKey, key(0, 1)}, {0, clearKey, key(1, 0)}, {1, registerKey, key(0, 1)}, {1, clearKey, key(1, 0)}, {1, closeStation, nil}, {0, clearCounters, nil}} {
		if err := s.must(c.lun, c.cdb, c.out); err != nil {
			return err
		}
	}
	return s.sort()
}

// must has a command of nexus A end well, after its unit attentions.
func (s *stage) must(lun int, cdb string, out []byte) error {
	var raw []byte
	for i := 0; i+1 < len(cdb); i += 2 {
		b, err := strconv.ParseUint(cdb[i:i+2], 16, 8)
		if err != nil {
			return err
		}
		raw = append(raw, byte(b))
	}
	var r conformance.Result
	for range attentionLimit {
		var err error
		if r, err = s.Exec("A", lun, raw, out, 0); err != nil || r.Status == scsi.Good {
			return err
		}
	}
	return fmt.Errorf("LUN %d, command %s: status %v, sense % X", lun, cdb, r.Status, r.Sense)
}

// sort empties the drive, deletes what is not G0's and puts G0's tapes where
// they belong.
func (s *stage) sort() error {
	ref := control.LoaderRef{Loader: s.loader}
	elements, err := s.client.Elements(s.ctx, ref)
	if err != nil {
		return err
	}
	aside := asideSlot
	for _, e := range elements {
		if e.Barcode == "" {
			continue
		}
		number, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(e.Barcode, "ABC"), "L8"))
		own := err == nil && number < ownTapes
		if own && e.Place == (control.Place{Kind: control.Slot, Number: number + 1}) {
			continue
		}
		to := control.Place{Kind: control.Slot, Number: aside}
		aside++
		if _, err := s.client.Move(s.ctx, control.MoveRequest{Loader: s.loader, From: e.Place, To: to}); err != nil {
			return err
		}
		if own {
			defer func() { // its slot is free once every tape has been looked at
				_, err := s.client.Move(s.ctx, control.MoveRequest{Loader: s.loader, From: to, To: control.Place{Kind: control.Slot, Number: number + 1}})
				if err != nil {
					fmt.Printf("# %s could not be put back: %v\n", e.Barcode, err)
				}
			}()
			continue
		}
		if err := s.client.DeleteTape(s.ctx, control.TapeRef{Loader: s.loader, Barcode: e.Barcode}); err != nil {
			return err
		}
	}
	return nil
}
