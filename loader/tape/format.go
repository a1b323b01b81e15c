package tape

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"
)

// The numbers of the format; doc.go draws them.
const (
	magic = "VLTAPE\r\n"

	plainVersion  = 1 // every block is stored as it was written
	formatVersion = 2 // blocks may be stored compressed or encrypted, and there may be two partitions
	versionOffset = len(magic)

	superBytes       = 16
	chunkHeaderBytes = 16
	headerBodyBytes  = 224
	logStart         = superBytes + chunkHeaderBytes + headerBodyBytes // 256: the first chunk after the header
	stateBytes       = 56
	markBytes        = 24
	entryBytes       = markBytes + 16
	recordsFixed     = markBytes + 24
	cutBytes         = markBytes + 8
	directoryFixed   = stateBytes + markBytes + 8 + entryBytes + 8
	footerBodyBytes  = 16 + stateBytes + markBytes + 16
	footerBytes      = chunkHeaderBytes + footerBodyBytes

	maxChunkBody     = 4 << 20  // of all chunks but the directory
	maxDirectoryBody = 64 << 20 // a log of 100 GB
)

// chunkType says what a chunk holds.
type chunkType uint8

const (
	headerChunk chunkType = iota + 1
	recordsChunk
	cutChunk
	stateChunk
	attributeChunk
	directoryChunk
	footerChunk
)

// kind is what the objects of a run are: filemarks, or blocks with bits that say
// how they are stored.
type kind uint8

const (
	blockKind     kind = 1
	filemarkKind  kind = 2
	compressedBit kind = 4
	encryptedBit  kind = 8
)

// block says whether the objects are blocks, however they are stored.
func (k kind) block() bool { return k&^(compressedBit|encryptedBit) == blockKind }

// plain says whether the objects are stored as they were written.
func (k kind) plain() bool { return k <= filemarkKind }

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

func checksum(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }

// logID ties chunks to their log: it and the chunk's position are part of
// every checksum, so that no byte of another file or place passes for a chunk.
type logID [16]byte

// seed is where the checksum of the chunk at pos begins. Equal bytes at two
// seeds never have equal checksums, as CRC is a bijection of its seed.
func (id logID) seed(pos int64) uint32 {
	return le.Uint32(id[:]) ^ uint32(uint64(pos)*0x9e3779b97f4a7c15>>32)
}

// appendChunk appends a chunk that will stand at pos; body appends its body.
func appendChunk(b []byte, id logID, pos int64, t chunkType, body func([]byte) []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, byte(t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = body(b)
	le.PutUint32(b[start+8:], uint32(len(b)-start-chunkHeaderBytes))
	le.PutUint32(b[start:], crc32.Update(id.seed(pos), castagnoli, b[start+4:]))
	return b
}

// errTorn: no valid chunk stands here.
var errTorn = errors.New("no valid chunk")

// chunkLength returns the length of the chunk that begins with header, or
// errTorn when it cannot be one.
func chunkLength(header []byte) (int64, error) {
	if len(header) < chunkHeaderBytes {
		return 0, errTorn
	}
	n := int64(le.Uint32(header[8:]))
	if t := chunkType(header[4]); n > maxDirectoryBody || (n > maxChunkBody && t != directoryChunk) {
		return 0, errTorn
	}
	return chunkHeaderBytes + n, nil
}

// parseChunk takes the chunk at the start of b, which stands at pos in its log.
func parseChunk(b []byte, id logID, pos int64) (t chunkType, body []byte, n int64, err error) {
	if n, err = chunkLength(b); err != nil {
		return 0, nil, 0, err
	}
	if n > int64(len(b)) || crc32.Update(id.seed(pos), castagnoli, b[4:n]) != le.Uint32(b) {
		return 0, nil, 0, errTorn
	}
	return chunkType(b[4]), b[chunkHeaderBytes:n], n, nil
}

// header is what never changes in an index file.
type header struct {
	version uint32
	id      logID
	serial  [16]byte
	barcode string
	medium  MediumType
	created time.Time
	state   state // as it was when the file was begun
}

func (h *header) append(b []byte) []byte {
	start := len(b)
	b = append(b, magic...)
	b = le.AppendUint32(b, h.version)
	b = le.AppendUint32(b, 0)
	b = appendChunk(b, logID{}, superBytes, headerChunk, func(b []byte) []byte {
		body := len(b)
		b = append(b, h.id[:]...)
		b = append(b, h.serial[:]...)
		b = append(b, h.barcode...)
		b = append(b, make([]byte, maxBarcode-len(h.barcode))...)
		b = append(b, byte(h.medium), 0, 0, 0, 0, 0, 0, 0)
		b = le.AppendUint64(b, uint64(unixNano(h.created)))
		b = h.state.append(b)
		return append(b, make([]byte, headerBodyBytes-(len(b)-body))...)
	})
	if len(b)-start != logStart {
		panic("tape: header length")
	}
	return b
}

// second says whether the cartridge has a partition 1. A change of that begins a
// new index file, so that the header always knows.
func (h *header) second() bool { return h.state.second > 0 }

// parseHeader reads the first logStart bytes of an index file.
func parseHeader(b []byte) (h header, err error) {
	if len(b) < logStart || string(b[:8]) != magic {
		return h, fmt.Errorf("the index has no header: %w (%w)", ErrDamaged, ErrIndexLost)
	}
	h.version = le.Uint32(b[versionOffset:])
	switch {
	case h.version > formatVersion && h.version < 1<<16:
		return h, fmt.Errorf("format version %d: %w", h.version, ErrFormat)
	case h.version < plainVersion || h.version > formatVersion:
		return h, fmt.Errorf("format version %d: %w (%w)", h.version, ErrDamaged, ErrIndexLost)
	}
	t, body, _, err := parseChunk(b[superBytes:logStart], logID{}, superBytes)
	if err != nil || t != headerChunk || len(body) != headerBodyBytes {
		return h, fmt.Errorf("the index header fails its checksum: %w (%w)", ErrDamaged, ErrIndexLost)
	}
	copy(h.id[:], body)
	copy(h.serial[:], body[16:])
	h.barcode = strings.TrimRight(string(body[32:32+maxBarcode]), "\x00")
	h.medium = MediumType(body[64])
	h.created = fromUnixNano(int64(le.Uint64(body[72:])))
	h.state = parseState(body[80:])
	return h, nil
}

// state is what changes during a cartridge's life beside its objects.
type state struct {
	capacity     int64
	earlyWarning int64
	generation   uint64
	writeCount   uint64
	loadCount    uint64
	lastWritten  time.Time
	protected    bool
	retired      bool   // files of retired generations may be there
	second       uint32 // capacity of partition 1 in MiB, 0: there is none
}

const (
	protectedFlag = 1 << iota
	retiredFlag
)

func (s *state) append(b []byte) []byte {
	b = le.AppendUint64(b, uint64(s.capacity))
	b = le.AppendUint64(b, uint64(s.earlyWarning))
	b = le.AppendUint64(b, s.generation)
	b = le.AppendUint64(b, s.writeCount)
	b = le.AppendUint64(b, s.loadCount)
	b = le.AppendUint64(b, uint64(unixNano(s.lastWritten)))
	flags := uint32(0)
	if s.protected {
		flags |= protectedFlag
	}
	if s.retired {
		flags |= retiredFlag
	}
	b = le.AppendUint32(b, flags)
	return le.AppendUint32(b, s.second)
}

// parseState reads stateBytes bytes.
func parseState(b []byte) state {
	return state{
		capacity:     int64(le.Uint64(b)),
		earlyWarning: int64(le.Uint64(b[8:])),
		generation:   le.Uint64(b[16:]),
		writeCount:   le.Uint64(b[24:]),
		loadCount:    le.Uint64(b[32:]),
		lastWritten:  fromUnixNano(int64(le.Uint64(b[40:]))),
		protected:    le.Uint32(b[48:])&protectedFlag != 0,
		retired:      le.Uint32(b[48:])&retiredFlag != 0,
		second:       le.Uint32(b[52:]),
	}
}

// mark is a place on the tape: what lies before it.
type mark struct {
	object    uint64 // objects
	offset    int64  // payload bytes
	filemarks uint64
}

func (m mark) used() int64 { return m.offset + int64(m.object)*ObjectBytes }

func (m mark) append(b []byte) []byte {
	b = le.AppendUint64(b, m.object)
	b = le.AppendUint64(b, uint64(m.offset))
	return le.AppendUint64(b, m.filemarks)
}

func parseMark(b []byte) mark {
	return mark{le.Uint64(b), int64(le.Uint64(b[8:])), le.Uint64(b[16:])}
}

// entry is one line of the sparse directory: a stretch of log and the place
// on the tape where its objects begin. They end where the next entry's begin.
type entry struct {
	mark
	log, size int64 // bytes of the log
}

func (e entry) append(b []byte) []byte {
	b = e.mark.append(b)
	b = le.AppendUint64(b, uint64(e.log))
	return le.AppendUint64(b, uint64(e.size))
}

func parseEntry(b []byte) entry {
	return entry{parseMark(b), int64(le.Uint64(b[markBytes:])), int64(le.Uint64(b[markBytes+8:]))}
}

func appendAttribute(b []byte, a Attribute, deleted bool) []byte {
	b = le.AppendUint16(b, a.ID)
	d := byte(0)
	if deleted {
		d = 1
	}
	b = append(b, a.Format, d)
	b = le.AppendUint32(b, uint32(len(a.Value)))
	return append(b, a.Value...)
}

func parseAttribute(b []byte) (a Attribute, deleted bool, rest []byte, err error) {
	if len(b) < 8 || int64(le.Uint32(b[4:])) > int64(len(b)-8) {
		return a, false, nil, errTorn
	}
	n := 8 + int(le.Uint32(b[4:]))
	a = Attribute{ID: le.Uint16(b), Format: b[2], Value: append([]byte(nil), b[8:n]...)}
	return a, b[3] != 0, b[n:], nil
}

// footer says where the directory is and repeats what Open wants to know.
type footer struct {
	directory    int64
	directoryCRC uint32
	state        state
	end          mark
}

func (f *footer) append(b []byte) []byte {
	b = le.AppendUint64(b, uint64(f.directory))
	b = le.AppendUint32(b, f.directoryCRC)
	b = le.AppendUint32(b, 0)
	b = f.state.append(b)
	b = f.end.append(b)
	return append(b, make([]byte, 16)...)
}

func parseFooter(b []byte) footer {
	return footer{int64(le.Uint64(b)), le.Uint32(b[8:]), parseState(b[16:]), parseMark(b[16+stateBytes:])}
}

func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromUnixNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
