package loader

import "strings"

// A barcode made by the loader is 8 characters: a family of 1 to 4, a running
// number that fills 6 together with it, and the media identifier of an LTO-8
// cartridge, data or WORM (spec D.6). When the decimal numbers are used up, counting goes on
// with a letter in front, so that a family of three lasts for 34,695 tapes:
//
//	ABC001L8 .. ABC999L8, then ABCA00L8, ABCA01L8 .. ABCZZZL8
const (
	barcodeStem = 6
	mediaID     = "L8"
	wormID      = "LY"

	digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func power(base, exponent int) int {
	p := 1
	for range exponent {
		p *= base
	}
	return p
}

// barcodeOf returns the data cartridge's barcode with a running number from 1,
// false when the family has none for it.
func barcodeOf(family string, number int) (string, bool) {
	width := barcodeStem - len(family)
	base, firstLetter := 10, power(10, width)
	if number >= firstLetter {
		// Past the decimals: ten digits are skipped in the leading place, in base 36.
		base, number = 36, number-firstLetter+10*power(36, width-1)
	}
	if number < 1 || number >= power(base, width) {
		return "", false
	}
	text := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		text[i] = digits[number%base]
		number /= base
	}
	return family + string(text) + mediaID, true
}

// numberOf returns the running number in a barcode of the family, false when it
// has none.
func numberOf(family, barcode string) (int, bool) {
	stem := strings.TrimSuffix(barcode, mediaID)
	if len(stem) == len(barcode) {
		stem = strings.TrimSuffix(barcode, wormID)
	}
	text, ours := strings.CutPrefix(stem, family)
	if !ours || len(stem) != barcodeStem || len(barcode) == barcodeStem {
		return 0, false
	}
	base := 36
	if strings.Trim(text, digits[:10]) == "" {
		base = 10
	} else if text[0] < 'A' {
		return 0, false
	}
	number := 0
	for _, c := range []byte(text) {
		value := strings.IndexByte(digits, c)
		if value < 0 {
			return 0, false
		}
		number = number*base + value
	}
	if base == 36 {
		number += power(10, len(text)) - 10*power(36, len(text)-1)
	}
	return number, number > 0
}

// numberAfter returns the first running number that is beyond next and beyond
// every barcode seen. A number with a letter counts only once the decimals are
// used up: before that it is the word of a longer family.
func numberAfter(next int, family string, barcodes []string) int {
	letters := power(10, barcodeStem-len(family))
	pass := func(low, high int) {
		for _, b := range barcodes {
			if n, ok := numberOf(family, b); ok && n >= low && n < high {
				next = max(next, n+1)
			}
		}
	}
	pass(1, letters)
	if next >= letters {
		pass(letters, letters+26*power(36, barcodeStem-len(family)-1))
	}
	return next
}
