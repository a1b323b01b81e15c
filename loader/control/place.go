package control

import (
	"fmt"
	"strconv"
	"strings"
)

// PlaceKind is the kind of a Place.
type PlaceKind string

// Kinds of places.
const (
	Slot    PlaceKind = "slot"
	Drive   PlaceKind = "drive"
	Station PlaceKind = "station" // import/export element
)

// Place is where a tape can be, as a person counts: slots and stations from 1.
// Its JSON form is its text: "slot 12", "drive", "station 2", or "" for none.
type Place struct {
	Kind   PlaceKind
	Number int // 0 for the drive
}

// IsZero reports whether p is no place.
func (p Place) IsZero() bool { return p == Place{} }

// String returns the place's text.
func (p Place) String() string {
	if p.Number == 0 {
		return string(p.Kind)
	}
	return fmt.Sprintf("%s %d", p.Kind, p.Number)
}

// ParsePlace reads "slot 12", "slot12", "12" (a slot), "drive", "station 2".
func ParsePlace(s string) (Place, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	if text == string(Drive) {
		return Place{Kind: Drive}, nil
	}
	kind := Slot
	for _, k := range []PlaceKind{Slot, Station} {
		if rest, ok := strings.CutPrefix(text, string(k)); ok {
			kind, text = k, strings.TrimLeft(rest, " :-")
			break
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return Place{}, &Error{Code: Invalid, Message: fmt.Sprintf("%q is not a place", s),
			Hint: `write "slot 12", "station 2" or "drive"`}
	}
	return Place{Kind: kind, Number: n}, nil
}

// MarshalText implements encoding.TextMarshaler.
func (p Place) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Place) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*p = Place{}
		return nil
	}
	*p, err = ParsePlace(string(b))
	return err
}
