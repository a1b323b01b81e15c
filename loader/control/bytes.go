package control

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// unit is a unit of size by its name in lower case.
var units = map[string]float64{
	"": 1, "b": 1,
	"k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12, "p": 1e15, "pb": 1e15,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "pib": 1 << 50,
}

// ParseBytes reads a size such as "2.5TB", "100 GiB", "64k" or "4096". Units
// without an i are decimal, as on tape cartridges; K, M, G, T, P stand for KB and
// so on.
func ParseBytes(s string) (int64, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(text)
	}
	number, err := strconv.ParseFloat(text[:end], 64)
	unit, known := units[strings.TrimSpace(text[end:])]
	if err != nil || !known {
		return 0, &Error{Code: Invalid, Message: fmt.Sprintf("%q is not a size", s), Hint: "write it like 2.5TB, 100GiB or 4096"}
	}
	if number*unit >= math.MaxInt64 {
		return 0, &Error{Code: Invalid, Message: fmt.Sprintf("%q is more than a tape can hold", s), Hint: "choose a smaller size"}
	}
	return int64(math.Round(number * unit)), nil
}

// FormatBytes writes a size in decimal units with three significant digits:
// "2.5 TB", "999 B".
func FormatBytes(n int64) string {
	value, name := float64(n), "B"
	for _, next := range []string{"KB", "MB", "GB", "TB", "PB", "EB"} {
		if math.Abs(value) < 999.5 {
			break
		}
		value, name = value/1000, next
	}
	if name == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return strconv.FormatFloat(value, 'g', 3, 64) + " " + name
}
