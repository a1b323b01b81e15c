package tape

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxStored is the longest a block becomes in the payload file, in bytes.
const maxStored = MaxBlock + maxEnvelope

// Traffic counts, in bytes since the image was loaded, what was read and
// written, and what that was in the payload file: less when blocks are stored
// compressed, a little more when encrypted.
type Traffic struct {
	Read, ReadStored       int64
	Written, WrittenStored int64
}

// UsedBytes is Info().UsedBytes alone: what is used up to end of data.
func (im *partition) UsedBytes() int64 { return im.log.eod().used() }

// storing says whether blocks are stored otherwise than they are written.
func (im *partition) storing() bool { return im.compress || im.sealer != nil }

// store returns what of block p goes to the payload file, and of what kind that
// is. The bytes are good until the next call.
func (im *partition) store(p []byte) ([]byte, kind, error) {
	b, k := p, blockKind
	if im.compress {
		if cap(im.packed) < len(p) {
			im.packed = make([]byte, 0, len(p)+len(p)/64)
		}
		if z := encoder().EncodeAll(p, im.packed[:0]); len(z) < len(p) {
			b, k = z, k|compressedBit
		}
	}
	if im.sealer == nil {
		return b, k, nil
	}
	k |= encryptedBit
	sealed, err := im.sealer.seal(im.sealed[:0], b, k, len(p))
	im.sealed = sealed[:0]
	return sealed, k, err
}

// writeStored is WriteBlock for a block that may not be stored as it is.
func (im *partition) writeStored(p []byte) error {
	b, k, err := im.store(p)
	if err != nil {
		return im.fail("write", err)
	}
	if im.p.used()+int64(len(b))+ObjectBytes > im.log.state.capacity {
		return ErrEndOfMedium
	}
	if err := im.begin(int64(len(b))); err != nil {
		return im.fail("write", err)
	}
	if !k.plain() {
		if err := im.raiseVersion(); err != nil {
			return im.fail("write", err)
		}
	}
	_, err = im.payload.WriteAt(b, im.p.offset)
	im.fileEnd = max(im.fileEnd, im.p.offset+int64(len(b)))
	if err != nil {
		return im.fail("write", err)
	}
	tail := im.log.tail
	tail.addStored(k, uint32(len(p)), uint32(len(b)), 1)
	tail.crcs = append(tail.crcs, checksum(b))
	im.traffic.Written += int64(len(p))
	im.traffic.WrittenStored += int64(len(b))
	return im.wrote()
}

// writeEachStored is WriteBlocks for blocks that may not be stored as they are.
func (im *partition) writeEachStored(p []byte, blockLength int) (n int, err error) {
	for n < len(p)/blockLength {
		err = im.writeStored(p[n*blockLength : (n+1)*blockLength])
		if err != nil && !errors.Is(err, ErrEarlyWarning) {
			return n, err
		}
		n++
	}
	return n, err
}

// raiseVersion makes the index one of the newest format version, so that older
// software refuses it instead of misreading it.
func (im *partition) raiseVersion() error {
	h := &im.log.head
	if h.version >= formatVersion {
		return nil
	}
	if _, err := im.index.WriteAt(le.AppendUint32(nil, formatVersion), int64(versionOffset)); err != nil {
		return err
	}
	h.version = formatVersion
	return nil
}

// load turns what the payload file has of the block at the position into b,
// which is as long as the block. u is its run.
func (r *reader) load(u *run, b []byte) error {
	if u.kind.plain() {
		if r.opener.mode == DecryptOnly {
			return fmt.Errorf("object %d: %w", r.p.object, ErrNotEncrypted)
		}
		return r.fetch(b)
	}
	stored, err := r.fetchStored(u)
	if err != nil {
		return err
	}
	if u.kind&encryptedBit != 0 {
		if stored, err = r.opener.open(stored, u.kind, len(b)); err != nil {
			return fmt.Errorf("object %d: %w", r.p.object, err)
		}
	} else if r.opener.mode == DecryptOnly {
		return fmt.Errorf("object %d: %w", r.p.object, ErrNotEncrypted)
	}
	if u.kind&compressedBit == 0 {
		copy(b, stored)
		return nil
	}
	out, err := decoder().DecodeAll(stored, b[:0:len(b)])
	if err != nil || len(out) != len(b) {
		return fmt.Errorf("object %d does not decompress to its %d bytes: %w (%w)", r.p.object, len(b), ErrCorrupt, orLength(err))
	}
	copy(b, out) // itself, unless it came out elsewhere
	return nil
}

func orLength(err error) error {
	if err == nil {
		return ErrBlockLength
	}
	return err
}

// fetchStored reads what the payload file has of the block at the position.
func (r *reader) fetchStored(u *run) ([]byte, error) {
	if cap(r.stored) < int(u.stored) {
		r.stored = make([]byte, u.stored)
	}
	b := r.stored[:u.stored]
	return b, r.fetch(b)
}

// encoder and decoder are shared by all tapes; they hold no block between calls.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
		if err != nil {
			panic(err) // the options are constants
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(MaxBlock), zstd.WithDecoderLowmem(true))
		if err != nil {
			panic(err)
		}
		return d
	})
)
