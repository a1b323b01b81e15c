package conformance

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"virtualloader/driver/scsi"
)

// Bench plays scripts on a Stage.
type Bench struct {
	Stage
	started []func() (Result, error)
}

// step is one parsed command line.
type step struct {
	nexus string
	lun   int
	cdb   []byte
	out   []byte
	in    int
	want  want
}

// want is what must come of it.
type want struct {
	status   scsi.Status
	sense    *scsi.Sense
	residual *int
	length   int // -1: any
	seed     int // pattern; -1: any
	zeros    bool
	data     []string
}

// Play executes the lines of a script; the first that disappoints ends it.
func (b *Bench) Play(script string) error {
	for _, line := range strings.Split(script, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := b.line(line); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	return nil
}

func (b *Bench) line(line string) error {
	words := strings.Fields(line)
	switch {
	case words[0] == "!":
		return b.Event(words[1:])
	case line == "drain":
		return b.drain()
	case strings.HasPrefix(line, "P="):
		return b.expectPosition(line[2:])
	case strings.HasPrefix(line, "E="):
		return b.expectEnd(line[2:])
	case words[0] == "start":
		s, err := parse(words[1:])
		if err != nil {
			return err
		}
		return b.start(s)
	case words[0] == "finish":
		w, err := parseWant(words[2:])
		if err != nil {
			return err
		}
		return b.finish(w)
	}
	s, err := parse(words)
	if err != nil {
		return err
	}
	r, err := b.Exec(s.nexus, s.lun, s.cdb, s.out, s.in)
	if err != nil {
		return err
	}
	return s.want.check(r)
}

func (b *Bench) start(s step) error {
	starter, ok := b.Stage.(Starter)
	if !ok {
		return fmt.Errorf("holding data back: %w", errors.ErrUnsupported)
	}
	finish, err := starter.Start(s.nexus, s.lun, s.cdb, s.out, s.in)
	if err == nil {
		b.started = append(b.started, finish)
	}
	return err
}

func (b *Bench) finish(w want) error {
	if len(b.started) == 0 {
		return errors.New("nothing was started")
	}
	finish := b.started[0]
	b.started = b.started[1:]
	r, err := finish()
	if err != nil {
		return err
	}
	return w.check(r)
}

// Do executes a command and returns its data; the outcome must be GOOD.
func (b *Bench) Do(nexus string, lun int, cdb string, out []byte, in int) ([]byte, error) {
	raw, err := bytesOf(strings.Fields(cdb))
	if err != nil {
		return nil, err
	}
	r, err := b.Exec(nexus, lun, pad(raw), out, in)
	if err == nil {
		err = want{length: -1, seed: -1}.check(r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cdb, err)
	}
	return r.Data, nil
}

// Position returns the object number that READ POSITION tells.
func (b *Bench) Position() (uint64, error) {
	data, err := b.Do("A", 0, "34 06", nil, 32)
	if err != nil || len(data) != 32 {
		return 0, fmt.Errorf("read position, %d bytes: %w", len(data), err)
	}
	return scsi.Uint64(data[8:]), nil
}

func (b *Bench) expectPosition(number string) error {
	p, err := b.Position()
	if err == nil && strconv.FormatUint(p, 10) != number {
		err = fmt.Errorf("position is %d", p)
	}
	return err
}

// expectEnd looks where end of data is and comes back.
func (b *Bench) expectEnd(number string) error {
	p, err := b.Position()
	if err != nil {
		return err
	}
	if err := b.Play(fmt.Sprintf("11 03 = G\nP=%s\n92 00 0000 %016X = G", number, p)); err != nil {
		return fmt.Errorf("end of data: %w", err)
	}
	return nil
}

func parse(words []string) (s step, err error) {
	s.nexus = "A"
	if at, ok := strings.CutPrefix(words[0], "@"); ok && len(at) == 2 {
		s.nexus, s.lun = at[:1], int(at[1]-'0')
		words = words[1:]
	}
	command, outcome, found := cut(words, "=")
	if !found {
		return s, errors.New("no outcome")
	}
	command, out, _ := cut(command, ">")
	if last := command[len(command)-1]; last[0] == '<' {
		if s.in, err = strconv.Atoi(last[1:]); err != nil {
			return s, err
		}
		command = command[:len(command)-1]
	}
	if s.cdb, err = bytesOf(command); err != nil {
		return s, err
	}
	s.cdb = pad(s.cdb)
	if s.out, err = dataOut(out); err != nil {
		return s, err
	}
	s.want, err = parseWant(outcome)
	return s, err
}

func cut(words []string, at string) (before, after []string, found bool) {
	for i, w := range words {
		if w == at {
			return words[:i], words[i+1:], true
		}
	}
	return words, nil, false
}

func bytesOf(words []string) ([]byte, error) { return hex.DecodeString(strings.Join(words, "")) }

// pad adds zeros up to the CDB length that the operation code's group has.
func pad(cdb []byte) []byte {
	length := [8]int{6, 10, 10, 16, 16, 12, 16, 16}[cdb[0]>>5]
	for len(cdb) < length {
		cdb = append(cdb, 0)
	}
	return cdb
}

func dataOut(words []string) ([]byte, error) {
	if len(words) == 1 && strings.HasPrefix(words[0], "zeros:") {
		n, err := strconv.Atoi(words[0][len("zeros:"):])
		return make([]byte, n), err
	}
	if len(words) == 1 && strings.HasPrefix(words[0], "block:") {
		var seed, length int
		if _, err := fmt.Sscanf(words[0], "block:%d:%d", &seed, &length); err != nil {
			return nil, err
		}
		return Pattern(seed, length), nil
	}
	return bytesOf(words)
}

// Pattern returns n bytes that tell seeds and offsets apart.
func Pattern(seed, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(seed*31 + i + i>>8*7)
	}
	return p
}

func parseWant(words []string) (w want, err error) {
	w.length, w.seed = -1, -1
	words, w.data, _ = cut(words, ":")
	for _, word := range words {
		if err := w.word(word); err != nil {
			return w, fmt.Errorf("outcome %q: %w", word, err)
		}
	}
	return w, nil
}

func (w *want) word(word string) error {
	if name, value, ok := strings.Cut(word, "="); ok {
		n, err := strconv.ParseInt(value, 10, 64)
		return errors.Join(err, w.number(name, n))
	}
	if seed, ok := strings.CutPrefix(word, "block:"); ok {
		var err error
		w.seed, err = strconv.Atoi(seed)
		return err
	}
	switch word {
	case "G":
		return nil
	case "zeros":
		w.zeros = true
		return nil
	case "FM":
		w.sense.Filemark = true
		return nil
	case "EOM":
		w.sense.EOM = true
		return nil
	case "ILI":
		w.sense.ILI = true
		return nil
	}
	var key, code, status uint
	if _, err := fmt.Sscanf(word, "%X/%04X", &key, &code); err == nil {
		w.status, w.sense = scsi.CheckCondition, &scsi.Sense{Key: scsi.SenseKey(key), Code: scsi.AdditionalSense(code)}
		return nil
	}
	_, err := fmt.Sscanf(word, "%Xh", &status)
	w.status = scsi.Status(status)
	return err
}

func (w *want) number(name string, n int64) error {
	value := int(n)
	switch name {
	case "I":
		w.sense.Valid, w.sense.Information = true, n
	case "U":
		w.residual = &value
	case "O":
		value = -value
		w.residual = &value
	case "len":
		w.length = value
	default:
		return errors.New("unknown")
	}
	return nil
}

// check compares a result with what is wanted.
func (w want) check(r Result) error {
	if got, wanted := describe(r), w.describe(); got != wanted {
		return fmt.Errorf("got %s, want %s", got, wanted)
	}
	if w.residual != nil && r.Residual != *w.residual {
		return fmt.Errorf("residual %d, want %d", r.Residual, *w.residual)
	}
	if w.length >= 0 && len(r.Data) != w.length {
		return fmt.Errorf("%d bytes came, want %d", len(r.Data), w.length)
	}
	if w.seed >= 0 && string(r.Data) != string(Pattern(w.seed, len(r.Data))) {
		return errors.New("the data are not those of the block")
	}
	if w.zeros && (len(r.Data) == 0 || strings.Trim(string(r.Data), "\x00") != "") {
		return errors.New("the data are not zeros")
	}
	return w.checkData(r.Data)
}

func (w want) checkData(data []byte) error {
	digits := strings.Join(w.data, "")
	for i := 0; i+1 < len(digits); i += 2 {
		pair := digits[i : i+2]
		if pair == "??" {
			continue
		}
		if i/2 >= len(data) || !strings.EqualFold(pair, hex.EncodeToString(data[i/2:i/2+1])) {
			return fmt.Errorf("byte %d is not %s: % X", i/2, pair, data[:min(len(data), 64)])
		}
	}
	return nil
}

func describe(r Result) string {
	if r.Status != scsi.CheckCondition {
		return fmt.Sprintf("status %02Xh", uint8(r.Status))
	}
	sense, ok := scsi.ParseSense(r.Sense)
	if !ok {
		return fmt.Sprintf("sense data that cannot be read: % X", r.Sense)
	}
	return describeSense(sense)
}

func (w want) describe() string {
	if w.sense == nil {
		return fmt.Sprintf("status %02Xh", uint8(w.status))
	}
	return describeSense(*w.sense)
}

func describeSense(s scsi.Sense) string {
	text := fmt.Sprintf("%X/%04X", uint8(s.Key), uint16(s.Code))
	for _, bit := range []struct {
		set  bool
		name string
	}{{s.Filemark, "FM"}, {s.EOM, "EOM"}, {s.ILI, "ILI"}} {
		if bit.set {
			text += " " + bit.name
		}
	}
	if s.Valid {
		text += fmt.Sprintf(" I=%d", s.Information)
	}
	return text
}
