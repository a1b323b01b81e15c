//go:build linux

// Conform plays the checklist of virtualloader/driver/conformance on a loader as
// a Linux kernel sees it: through the sg devices of two sessions, which are the
// checklist's nexuses A and B. It prints one line for each item in the Test
// Anything Protocol.
//
//	conform LOADER TAPE-A CHANGER-A TAPE-B CHANGER-B [ITEM...]
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"virtualloader/driver/conformance"
	"virtualloader/loader/control"
)

func main() {
	if len(os.Args) < 6 {
		fmt.Fprintln(os.Stderr, "usage: conform LOADER TAPE-A CHANGER-A TAPE-B CHANGER-B [ITEM...]")
		os.Exit(2)
	}
	if err := play(os.Args[1], os.Args[2:6], os.Args[6:]); err != nil {
		fmt.Fprintln(os.Stderr, "conform:", err)
		os.Exit(1)
	}
}

// play plays the items with the given numbers, or all.
func play(loader string, nodes, numbers []string) error {
	s := &stage{ctx: context.Background(), client: control.NewClient(control.DefaultPath()), loader: loader, devices: map[string][2]*os.File{}}
	defer s.client.Close()
	for i, nexus := range []string{"A", "B"} {
		var pair [2]*os.File
		for lun := range pair {
			f, err := os.OpenFile(nodes[2*i+lun], os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			pair[lun] = f
		}
		s.devices[nexus] = pair
	}
	for i := range ownTapes {
		if _, err := s.client.CreateTapes(s.ctx, control.NewTapes{Loader: loader, Barcode: ownTape(i), CapacityBytes: usualCapacity}); err != nil {
			return err
		}
	}
	failed := 0
	for i, item := range conformance.Items() {
		if len(numbers) > 0 && !slices.Contains(numbers, item.Number) {
			continue
		}
		err := s.refresh()
		if err == nil {
			err = conformance.Run(s, item)
		}
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			fmt.Printf("ok %d - %s %s # SKIP %v\n", i+1, item.Number, item.Name, err)
		case err != nil:
			failed++
			fmt.Printf("not ok %d - %s %s\n# %v\n", i+1, item.Number, item.Name, err)
		default:
			fmt.Printf("ok %d - %s %s\n", i+1, item.Number, item.Name)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d items failed", failed, len(conformance.Items()))
	}
	return nil
}
