//go:build linux

// Command shell boots a guest as the kernel tests do and gives its shell, with
// the programs under test in /lab/bin. In it, `. /lab/guest/lib.sh; library demo
// --tapes 3` brings a library up; Ctrl-D ends the guest.
package main

import (
	"context"
	"fmt"
	"os"

	kernel "virtualloader/testdata/kernel"
)

func main() {
	if err := shell(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func shell() error {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	lab, err := kernel.Open(ctx, dir)
	if err != nil {
		return err
	}
	folder := dir + "/lab"
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	disk := dir + "/disk"
	if err := kernel.NewDisk(ctx, disk, 2<<30); err != nil {
		return err
	}
	_, err = lab.Boot(ctx, kernel.Guest{Boot: 1, Boots: 1, Dir: folder, Disk: disk, MemoryMiB: 1024})
	return err
}
