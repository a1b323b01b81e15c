package pdu

import (
	"encoding/binary"
	"hash/crc32"
)

// DigestLength is the length in bytes of a header or data digest.
const DigestLength = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Digest continues a CRC32C (RFC 7143 13.1) over p; the first call gets 0.
func Digest(crc uint32, p []byte) uint32 { return crc32.Update(crc, castagnoli, p) }

// PutDigest writes a digest as it goes onto the wire, least significant byte
// first.
func PutDigest(b []byte, crc uint32) { binary.LittleEndian.PutUint32(b, crc) }

func digestMatches(b []byte, crc uint32) bool { return binary.LittleEndian.Uint32(b) == crc }
