package space

import (
	"errors"
	"fmt"
)

// Level says how little room is left; a higher one is worse.
type Level uint32

// Levels of free space.
const (
	Fine Level = iota
	Warned
	Floor
	Emergency
)

var levelNames = [...]string{"fine", "warned", "floor", "emergency"}

// String is the level in one word.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level %d", uint32(l))
}

// Thresholds are the free percentages below which Warned and Floor begin.
type Thresholds struct{ WarnPercent, FloorPercent float64 }

// Fixed points of the levels, in percent of the volume.
const (
	EmergencyPercent  = 1.0
	HysteresisPercent = 1.0

	DefaultWarnPercent  = 6.0
	DefaultFloorPercent = 5.0
)

// DefaultThresholds are those of contract 3.14.
var DefaultThresholds = Thresholds{WarnPercent: DefaultWarnPercent, FloorPercent: DefaultFloorPercent}

// ErrThresholds: the levels are not in order.
var ErrThresholds = errors.New("the warning level must lie above the floor, the floor at or above 1 % and the warning below 100 %")

// Check returns ErrThresholds unless 1 <= floor < warning < 100.
func (t Thresholds) Check() error {
	if t.FloorPercent >= EmergencyPercent && t.FloorPercent < t.WarnPercent && t.WarnPercent < 100 {
		return nil
	}
	return fmt.Errorf("warning %g %%, floor %g %%: %w", t.WarnPercent, t.FloorPercent, ErrThresholds)
}

// below returns the free percentage below which a level begins.
func (t Thresholds) below(l Level) float64 {
	return [...]float64{Fine: 100, Warned: t.WarnPercent, Floor: t.FloorPercent, Emergency: EmergencyPercent}[l]
}

// next returns the level that follows current when that much is free: worse at
// once, better only past the hysteresis of every level that is left.
func (t Thresholds) next(current Level, freePercent float64) Level {
	worst := Fine
	for l := Warned; l <= Emergency; l++ {
		if freePercent < t.below(l) {
			worst = l
		}
	}
	for current > worst && freePercent > t.below(current)+HysteresisPercent {
		current--
	}
	return max(current, worst)
}
