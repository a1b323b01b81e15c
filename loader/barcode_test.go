package loader

import (
	"slices"
	"testing"

	"virtualloader/slotmap"
)

func TestBarcodesFillSixCharactersAndGoOnAfterTheDecimals(t *testing.T) { // spec D.6
	for _, c := range []struct {
		family string
		number int
		want   string
	}{
		{"ABC", 1, "ABC001L8"}, {"ABC", 999, "ABC999L8"}, {"ABC", 1000, "ABCA00L8"}, {"ABC", 1035, "ABCA0ZL8"},
		{"ABC", 1036, "ABCA10L8"}, {"ABC", 999 + 26*36*36, "ABCZZZL8"}, {"ABC", 1000 + 26*36*36, ""},
		{"ABC", 0, ""}, {"ABC", -1, ""}, {"A", 1, "A00001L8"}, {"AB", 9999, "AB9999L8"}, {"AB", 10000, "ABA000L8"},
		{"ABCD", 99, "ABCD99L8"}, {"ABCD", 100, "ABCDA0L8"}, {"ABCD", 99 + 26*36, "ABCDZZL8"}, {"ABCD", 100 + 26*36, ""},
	} {
		got, ok := barcodeOf(c.family, c.number)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s %d: %q, want %q", c.family, c.number, got, c.want)
		}
	}
}

func TestEveryNumberHasItsOwnBarcode(t *testing.T) {
	seen := map[string]int{}
	for n := 1; ; n++ {
		b, ok := barcodeOf("ABC", n)
		if !ok {
			if n != 34696 {
				t.Errorf("the family ends at %d", n-1)
			}
			break
		}
		if other, twice := seen[b]; twice || len(b) != 8 {
			t.Fatalf("%s for %d and %d", b, other, n)
		}
		seen[b] = n
		if back, ok := numberOf("ABC", b); !ok || back != n {
			t.Fatalf("%s is number %d, want %d", b, back, n)
		}
	}
}

func TestTheNextNumberIsBeyondAllThatWereSeen(t *testing.T) { // never used again
	for _, c := range []struct {
		next     int
		barcodes []string
		want     int
	}{
		{1, nil, 1},
		{1, []string{"ABC007L8", "ABC003L8"}, 8},
		{20, []string{"ABC007L8"}, 20},
		{1, []string{"ABD007L8", "ABC0071L8", "ABC007L7", "ABC07L8", "XABC007L8", "ABC-07L8", "ABC000L8"}, 1},
		{5, []string{"ABCX07L8"}, 5}, // a word, not a number, while there are decimals
		{1, []string{"ABC999L8", "ABCA05L8"}, 1006},
		{1000, []string{"ABCA05L8"}, 1006},
	} {
		if got := numberAfter(c.next, "ABC", c.barcodes); got != c.want {
			t.Errorf("after %d and %v: %d, want %d", c.next, c.barcodes, got, c.want)
		}
	}
}

func FuzzBarcode(f *testing.F) {
	f.Add("ABC", "ABC001L8", 1)
	f.Add("A", "AZZZZZL8", 99999)
	f.Add("ABCD", "ABCDA0L8", 100)
	f.Add("ABC", "ABC001LY", 1)
	f.Fuzz(func(t *testing.T, family, barcode string, number int) {
		if len(family) < 1 || len(family) > maxFamily || !familyRule.MatchString(family) {
			t.Skip()
		}
		if n, ok := numberOf(family, barcode); ok {
			if back, ok := barcodeOf(family, n); !ok || back[:barcodeStem] != barcode[:barcodeStem] {
				t.Errorf("%s is number %d, whose barcode is %s", barcode, n, back)
			}
		}
		if b, ok := barcodeOf(family, number); ok {
			if n, ok := numberOf(family, b); !ok || n != number {
				t.Errorf("%d is %s, whose number is %d", number, b, n)
			}
		}
	})
}

func TestAFamilyIsMadeFromTheName(t *testing.T) {
	for name, want := range map[string]string{"daily": "DAI", "a": "AVT", "my-2nd": "MY2", "x.y": "XYV", "clnx": "VTL", "": "VTL"} {
		if got := familyFrom(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	if !slices.Contains([]string{"VTL"}, familyFrom("CLN")) {
		t.Error("a family of cleaning cartridges")
	}
}

// A WORM tape takes the next number of the family, has a barcode that says what
// it is (spec D.6), and is not the blank tape that a backup is promised (3.33).
func TestAWORMTapeIsNumberedAndNeverTheBlankInReserve(t *testing.T) {
	r := create(t, nil)
	made, err := r.CreateTapes(t.Context(), 2, TapeSpec{Medium: slotmap.WORMMedium})
	if err != nil {
		t.Fatal(err)
	}
	next, err := r.CreateTapes(t.Context(), 1, TapeSpec{})
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range append(made, next...) {
		want := []string{wormID, wormID, mediaID}[i]
		n, ok := numberOf(r.Identity().Family, b)
		if !ok || n != i+2 || b[barcodeStem:] != want {
			t.Errorf("tape %d is %s: number %d", i, b, n)
		}
		if r.isBlank(b) != (want == mediaID) {
			t.Errorf("%s counts as a blank in reserve: %v", b, r.isBlank(b))
		}
	}
}
