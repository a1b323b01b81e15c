package spc

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"virtualloader/driver/scsi"
)

// Words names the fields of CDBs, by the name of the command; a name with a
// comma may stand under the part before it. The fields of a command are
// separated by ", ", each is
//
//	NAME@BYTE          a byte
//	NAME@BYTE-BYTE     a big-endian number
//	NAME@BYTE.BIT      a flag, told when it is set
//	NAME@BYTE.LOW-HIGH some bits, told when they are not zero
//
// followed by h for hexadecimal, s for two's complement, or {a|b|c} for the
// words of the values 0, 1, 2.
type Words map[string]string

// commonWords are the fields of the commands that every unit has.
var commonWords = Words{
	"REQUEST SENSE":                "DESC@1.0, allocation length@4",
	"INQUIRY":                      "EVPD@1.0, page@2h, allocation length@3-4",
	"MODE SELECT(6)":               "PF@1.4, SP@1.0, list length@4",
	"MODE SENSE(6)":                "DBD@1.3, values@2.6-7{current|changeable|default|saved}, page@2.0-5h, subpage@3h, allocation length@4",
	"RECEIVE DIAGNOSTIC RESULTS":   "PCV@1.0, page@2h, allocation length@3-4",
	"SEND DIAGNOSTIC":              "PF@1.4, self-test@1.2, DEVOFFL@1.1, UNITOFFL@1.0, list length@3-4",
	"PREVENT ALLOW MEDIUM REMOVAL": "removal@4.0-1{allowed|prevented}",
	"WRITE BUFFER":                 "mode@1.0-4h, buffer@2, offset@3-5, list length@6-8",
	"READ BUFFER":                  "mode@1.0-4h, buffer@2, offset@3-5, allocation length@6-8",
	"LOG SELECT":                   "PCR@1.1, SP@1.0, values@2.6-7, page@2.0-5h, list length@7-8",
	"LOG SENSE":                    "PPC@1.1, SP@1.0, values@2.6-7, page@2.0-5h, subpage@3h, parameter@5-6h, allocation length@7-8",
	"MODE SELECT(10)":              "PF@1.4, SP@1.0, list length@7-8",
	"MODE SENSE(10)":               "LLBAA@1.4, DBD@1.3, values@2.6-7{current|changeable|default|saved}, page@2.0-5h, subpage@3h, allocation length@7-8",
	"REPORT LUNS":                  "select@2, allocation length@6-9",
	"PERSISTENT RESERVE IN":        "allocation length@7-8",
	"PERSISTENT RESERVE OUT":       "scope@2.4-7, type@2.0-3h, list length@5-8",
	"REPORT SUPPORTED OPERATION CODES": "RCTD@2.7, reporting@2.0-2{all|one operation code|one service action|one of either}, " +
		"operation code@3h, service action@4-5h, allocation length@6-9",
	"REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS": "allocation length@6-9",
	"REPORT TIMESTAMP":                           "allocation length@6-9",
	"SET TIMESTAMP":                              "list length@6-9",
}

// field is one entry of Words: bits of the number in bytes from to to.
type field struct {
	name        string
	from, to    int
	shift, bits int
	partial     bool // less than a byte: zero is not worth a word
	format      byte // 'h', 's' or 0
	values      []string
}

var errField = errors.New("not NAME@BYTE, NAME@BYTE-BYTE, NAME@BYTE.BIT or NAME@BYTE.LOW-HIGH")

func parseField(text string) (f field, err error) {
	name, place, found := strings.Cut(text, "@")
	if !found || place == "" {
		return f, fmt.Errorf("%q: %w", text, errField)
	}
	f.name = name
	if at := strings.IndexByte(place, '{'); at >= 0 {
		f.values = strings.Split(strings.Trim(place[at:], "{}"), "|")
		place = place[:at]
	}
	if last := place[max(0, len(place)-1):]; last == "h" || last == "s" {
		f.format, place = last[0], place[:len(place)-1]
	}
	bytePart, bitPart, partial := strings.Cut(place, ".")
	if f.from, f.to, err = parseRange(bytePart); err != nil {
		return f, fmt.Errorf("%q: %w", text, errField)
	}
	f.bits = 8 * (f.to - f.from + 1)
	if partial {
		low, high, err := parseRange(bitPart)
		if err != nil || high > 7 || f.from != f.to {
			return f, fmt.Errorf("%q: %w", text, errField)
		}
		f.partial, f.shift, f.bits = true, low, high-low+1
	}
	return f, nil
}

func parseRange(text string) (low, high int, err error) {
	first, last, wide := strings.Cut(text, "-")
	if !wide {
		last = first
	}
	low, err = strconv.Atoi(first)
	if err == nil {
		high, err = strconv.Atoi(last)
	}
	if err == nil && (low < 0 || high < low || high-low > 7) {
		err = errField
	}
	return low, high, err
}

// mask is which bits of a CDB byte belong to the field.
func (f field) mask(i int) byte {
	switch {
	case i < f.from || i > f.to:
		return 0
	case f.partial:
		return byte((1<<f.bits - 1) << f.shift)
	}
	return 0xff
}

func (f field) value(cdb []byte) (v uint64) {
	for _, b := range cdb[f.from : f.to+1] {
		v = v<<8 | uint64(b)
	}
	return v >> f.shift & (1<<f.bits - 1)
}

// say tells the field of a CDB; "" when it is not worth a word.
func (f field) say(cdb []byte) string {
	v := f.value(cdb)
	switch {
	case v < uint64(len(f.values)):
		return f.name + " " + f.values[v]
	case f.partial && v == 0:
		return ""
	case f.bits == 1:
		return f.name
	case f.format == 'h':
		return fmt.Sprintf("%s %0*Xh", f.name, (f.bits+3)/4, v)
	case f.format == 's':
		return fmt.Sprintf("%s %d", f.name, int64(v<<(64-f.bits))>>(64-f.bits))
	}
	return fmt.Sprintf("%s %d", f.name, v)
}

// fields returns the fields of a command.
func (w Words) fields(command string) (fields []field, err error) {
	text, found := w[command]
	if !found {
		family, _, _ := strings.Cut(command, ",")
		text = w[family]
	}
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ", ") {
		f, err := parseField(part)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", command, err)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// describer says CDBs in words; it does not change.
type describer map[*Command][]field

// newDescriber prepares the words of a unit's rows. Words that cannot be read,
// or that speak of other bits than the row's usage mask, are errors.
func newDescriber(commands *CommandSet, groups ...Words) (describer, error) {
	d := describer{}
	var wrong []error
	rows := commands.Rows()
	for i := range rows {
		c := &rows[i]
		for _, words := range slices.Backward(groups) {
			fields, err := words.fields(c.Name)
			if err != nil {
				wrong = append(wrong, err)
			}
			if fields != nil {
				d[c] = fields
				break
			}
		}
		wrong = append(wrong, c.compare(d[c]))
	}
	return d, errors.Join(wrong...)
}

// compare looks whether fields speak of exactly the bits that the row uses.
func (c *Command) compare(fields []field) error {
	for i := 1; i < len(c.Usage)-1; i++ {
		told := byte(0)
		for _, f := range fields {
			told |= f.mask(i)
		}
		if told != c.Usage[i] {
			return fmt.Errorf("%s: byte %d uses bits %02X, its words tell %02X", c.Name, i, c.Usage[i], told)
		}
	}
	return nil
}

// CheckWords says which rows have no proper words. They are told by name alone.
func (u *Unit) CheckWords() error {
	_, err := newDescriber(u.commands, commonWords, u.config.Words)
	return err
}

// Describe says a CDB in words: the command's name and its fields, such as
// "READ(6) SILI, length 262144".
func (u *Unit) Describe(cdb []byte) string {
	c, err := u.commands.Find(cdb)
	if err != nil {
		return fmt.Sprintf("unknown operation code %02Xh, service action %02Xh", cdb[0], cdb[1]&0x1f)
	}
	var said []string
	for _, f := range u.describer[c] {
		if s := f.say(cdb); s != "" {
			said = append(said, s)
		}
	}
	if len(said) == 0 {
		return c.Name
	}
	return c.Name + " " + strings.Join(said, ", ")
}

// CDBLength is the length in bytes of the CDBs of an operation code's group
// (SPC-4 4.3.4.2); vendor groups count as 16.
func CDBLength(op scsi.Opcode) int {
	return [8]int{6, 10, 10, 16, 16, 12, 16, 16}[op>>5]
}
