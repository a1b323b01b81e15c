package space

import (
	"fmt"

	"github.com/shirou/gopsutil/v3/disk"
)

// Usage is the room on a volume, in bytes.
type Usage struct {
	TotalBytes int64 // size of the volume
	FreeBytes  int64 // what may still be written
}

// FreePercent is the free part of the volume, 0 to 100.
func (u Usage) FreePercent() float64 {
	if u.TotalBytes <= 0 {
		return 0
	}
	return 100 * float64(u.FreeBytes) / float64(u.TotalBytes)
}

// Measure asks the operating system about the volume that path is on.
func Measure(path string) (Usage, error) {
	u, err := disk.Usage(path)
	if err != nil {
		return Usage{}, fmt.Errorf("measure free space of %s: %w", path, err)
	}
	return Usage{TotalBytes: int64(u.Total), FreeBytes: int64(u.Free)}, nil
}
