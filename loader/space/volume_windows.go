package space

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/windows"
)

// volumeOf names the volume of a path by the folder it is mounted at.
func volumeOf(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return "", err
	}
	var mounted [windows.MAX_PATH + 1]uint16
	if err := windows.GetVolumePathName(name, &mounted[0], uint32(len(mounted))); err != nil {
		return "", fmt.Errorf("volume of %s: %w", path, err)
	}
	return strings.ToUpper(windows.UTF16ToString(mounted[:])), nil
}
