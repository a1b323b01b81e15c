package control

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func numbers(events []Event) (s string) {
	for _, e := range events {
		if e.Kind == GapKind {
			s += fmt.Sprintf("gap%d-", e.Lost)
		}
		s += fmt.Sprintf("%d ", e.Sequence)
	}
	return s
}

func TestAFeedKeepsTheLatestAndTellsOfGaps(t *testing.T) {
	f := NewFeed(4, nil)
	for range 10 {
		f.Publish(Event{Kind: TapeMoved})
	}
	for _, row := range []struct {
		since uint64
		limit int
		want  string
	}{
		{0, 0, "7 8 9 10 "},
		{0, 2, "7 8 "},
		{6, 0, "7 8 9 10 "},
		{5, 0, "gap1-6 7 8 9 10 "},
		{2, 0, "gap4-6 7 8 9 10 "},
		{9, 0, "10 "},
		{10, 0, ""},
		{99, 0, "gap0-6 7 8 9 10 "}, // a number of a feed that is gone
	} {
		if events, _ := f.After(row.since, row.limit); numbers(events) != row.want {
			t.Errorf("after %d limit %d: %q, want %q", row.since, row.limit, numbers(events), row.want)
		}
	}
}

func TestAFeedGoesOnFromItsBacklog(t *testing.T) {
	f := NewFeed(3, []Event{{Sequence: 5}, {Sequence: 8}, {Sequence: 7}, {Sequence: 9}})
	if e := f.Publish(Event{Kind: TapeMoved}); e.Sequence != 10 {
		t.Errorf("next number is %d", e.Sequence)
	}
	if events, _ := f.After(0, 0); numbers(events) != "8 9 10 " {
		t.Errorf("kept %s", numbers(events))
	}
	if events, _ := f.After(5, 0); numbers(events) != "gap2-7 8 9 10 " {
		t.Errorf("after the hole %s", numbers(events))
	}
}

// A reader that stands still must not hold up the publisher, and learns how much
// it missed.
func TestASlowReaderIsToldWhatItMissed(t *testing.T) {
	f := NewFeed(8, nil)
	f.Publish(Event{Kind: TapeMoved})
	stop := errors.New("enough")
	var seen []Event
	err := f.Follow(context.Background(), 0, func(e Event) error {
		seen = append(seen, e)
		if e.Sequence == 1 {
			for range 20 {
				f.Publish(Event{Kind: TapeMoved})
			}
		}
		if e.Sequence == f.Last() {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || numbers(seen) != "1 gap12-13 14 15 16 17 18 19 20 21 " {
		t.Errorf("saw %s, %v", numbers(seen), err)
	}
}

func TestFollowingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f := NewFeed(8, nil)
	f.Publish(Event{})
	err := f.Follow(ctx, 0, func(Event) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSizesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]int64{
		"2.5TB": 25e11, "100GiB": 100 << 30, "64k": 64000, "4096": 4096, " 1 gb ": 1e9, "1.5 KiB": 1536, "0": 0, "7P": 7e15,
	} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "5 parsecs", "-1GB", "1..2", "99999PB", "1e400", "NaN"} {
		if got, err := ParseBytes(text); CodeOf(err) != Invalid {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1 KB", 25e11: "2.5 TB", 107374182400: "107 GB", 999_600: "1 MB", 1 << 62: "4.61 EB"} {
		if got := FormatBytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestPlacesAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]Place{
		"slot 12": {Slot, 12}, "Slot12": {Slot, 12}, "12": {Slot, 12}, "drive": {Kind: Drive}, "station 2": {Station, 2}, "station:2": {Station, 2},
	} {
		if got, err := ParsePlace(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "slot", "slot 0", "shelf 3", "drive 1"} {
		if got, err := ParsePlace(text); CodeOf(err) != Invalid {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func FuzzPlace(f *testing.F) {
	for _, s := range []string{"slot 12", "drive", "", "station -1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePlace(s)
		if err != nil {
			return
		}
		if again, err := ParsePlace(p.String()); err != nil || again != p {
			t.Errorf("%q is %v, then %v, %v", s, p, again, err)
		}
	})
}

func FuzzBytes(f *testing.F) {
	f.Add("2.5TB")
	f.Add("9e9")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseBytes(s); err == nil && n < 0 {
			t.Errorf("%q is %d", s, n)
		}
	})
}
