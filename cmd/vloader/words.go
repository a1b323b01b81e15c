package main

import (
	"fmt"
	"strings"
	"time"

	"virtualloader/loader/control"
)

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func words(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

func tapeWords(t control.TapeCount) string {
	return fmt.Sprintf("%d: %d blank, %d partly, %d full; %s used", t.Total, t.Blank, t.Partly, t.Full, control.FormatBytes(t.UsedBytes))
}

func driveWords(d control.DriveStatus) string {
	if d.Barcode == "" {
		return "empty"
	}
	s := d.Barcode + " " + d.Activity
	if d.Locked {
		s += ", locked by the host"
	}
	return s
}

func diskWords(d control.DiskStatus) string {
	if d.TotalBytes == 0 {
		return "unknown"
	}
	s := fmt.Sprintf("%s free of %s (%.1f %%)", control.FormatBytes(d.FreeBytes), control.FormatBytes(d.TotalBytes), d.FreePercent)
	if d.Level != control.SpaceFine {
		s += ", " + d.Level
	}
	return s
}

func timeWords(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format(time.DateTime)
}

func fillWords(t control.Tape) string {
	switch {
	case t.Problem != "":
		return "damaged"
	case t.Objects == 0:
		return "blank"
	case t.CapacityBytes > 0 && t.UsedBytes >= t.CapacityBytes-t.EarlyWarningBytes:
		return "full"
	}
	return "partly"
}
