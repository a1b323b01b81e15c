//go:build !windows

package space

import (
	"fmt"
	"os"
	"syscall"
)

// volumeOf names the volume of a path by its device number.
func volumeOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return path, nil
	}
	return fmt.Sprint(stat.Dev), nil
}
