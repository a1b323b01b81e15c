package slotmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
)

// bbolt follows page numbers in mapped memory without asking whether they lead
// anywhere: a short file is a fault, a page that leads back to itself an endless
// recursion, and neither can be caught. checkPages therefore walks a file's bytes
// first. It knows bbolt's file format 2, in the machine's byte order:
//
//	page    0 id u64 · 8 flags u16 · 10 count u16 · 12 overflow u32 · 16 elements
//	meta    16 magic · 20 version · 24 page size · 32 root · 48 freelist
//	        56 high water · 64 transaction · 72 FNV-64a of bytes 16..72
//	branch  0 position u32 · 4 key size u32 · 8 page u64
//	leaf    0 flags u32 · 4 position u32 · 8 key size u32 · 12 value size u32
//	bucket  0 root page u64 · 8 sequence u64 · an inline leaf page when root is 0
const (
	pageHeader  = 16
	elementSize = 16
	metaEnd     = 80

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	noFreelist  = ^uint64(0)

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketFlag   = 0x01
)

var native = binary.NativeEndian

var errNoMeta = errors.New("not a database file, or cut off at its beginning")

// pageFile is the bytes of a database file on their way to be trusted.
type pageFile struct {
	data      []byte
	size      uint64 // of a page
	highWater uint64
	seen      map[uint64]bool
}

// checkPages walks every page that the newest sound meta page leads to.
func checkPages(data []byte) error {
	meta, err := newestMeta(data)
	if err != nil {
		return err
	}
	f := &pageFile{
		data: data,
		size: uint64(native.Uint32(meta[24:])), highWater: native.Uint64(meta[56:]),
		seen: map[uint64]bool{},
	}
	if list := native.Uint64(meta[48:]); list != noFreelist {
		if err := f.checkFreelist(list); err != nil {
			return err
		}
	}
	pending := []uint64{native.Uint64(meta[32:])}
	for len(pending) > 0 {
		last := len(pending) - 1
		id := pending[last]
		page, err := f.page(id)
		if err != nil {
			return err
		}
		children, err := children(page)
		if err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		pending = append(pending[:last], children...)
	}
	return nil
}

// newestMeta returns the meta page that bbolt will use: sound, with the highest
// transaction number. The second lies one page size into the file.
func newestMeta(data []byte) ([]byte, error) {
	var newest []byte
	for _, at := range []int{0, 1024, 2048, 4096, 8192, 16384, 32768, 65536} {
		if at+metaEnd > len(data) {
			break
		}
		meta := data[at : at+metaEnd]
		sum := fnv.New64a()
		sum.Write(meta[16:72])
		sound := native.Uint32(meta[16:]) == metaMagic && native.Uint32(meta[20:]) == metaVersion && sum.Sum64() == native.Uint64(meta[72:])
		size := int(native.Uint32(meta[24:]))
		if !sound || size < 1024 || at != 0 && at != size {
			continue
		}
		if newest == nil || native.Uint64(meta[64:]) > native.Uint64(newest[64:]) {
			newest = meta
		}
	}
	if newest == nil {
		return nil, errNoMeta
	}
	return newest, nil
}

// page returns a whole page with its overflow. Each may be reached only once.
func (f *pageFile) page(id uint64) ([]byte, error) {
	if id < 2 || id >= f.highWater || f.seen[id] {
		return nil, fmt.Errorf("page %d: out of place", id)
	}
	f.seen[id] = true
	length := uint64(len(f.data))
	start := id * f.size
	if id > length/f.size || start+pageHeader > length {
		return nil, fmt.Errorf("page %d: file is cut off", id)
	}
	if native.Uint64(f.data[start:]) != id {
		return nil, fmt.Errorf("page %d: carries another number", id)
	}
	pages := uint64(native.Uint32(f.data[start+12:])) + 1
	if start+pages*f.size > length {
		return nil, fmt.Errorf("page %d: file is cut off", id)
	}
	return f.data[start : start+pages*f.size], nil
}

func (f *pageFile) checkFreelist(id uint64) error {
	page, err := f.page(id)
	if err != nil {
		return err
	}
	first, count := uint64(0), uint64(native.Uint16(page[10:]))
	if count == 0xFFFF {
		first, count = 1, native.Uint64(page[pageHeader:])
	}
	if native.Uint16(page[8:]) != freelistPage || count > uint64(len(page))/8 || pageHeader+8*(first+count) > uint64(len(page)) {
		return fmt.Errorf("page %d: not a list of free pages", id)
	}
	for i := first; i < first+count; i++ {
		if free := native.Uint64(page[pageHeader+8*i:]); free < 2 || free >= f.highWater {
			return fmt.Errorf("page %d: free page %d is out of place", id, free)
		}
	}
	return nil
}

var errElement = errors.New("element beyond its page")

// children returns the pages that a branch or leaf page leads to, after checking
// that its elements lie inside it.
func children(page []byte) ([]uint64, error) {
	flags, count := native.Uint16(page[8:]), int(native.Uint16(page[10:]))
	if pageHeader+count*elementSize > len(page) {
		return nil, errElement
	}
	var lead []uint64
	for i := range count {
		element := page[pageHeader+i*elementSize:]
		switch flags {
		case branchPage:
			if uint64(native.Uint32(element))+uint64(native.Uint32(element[4:])) > uint64(len(element)) {
				return nil, errElement
			}
			lead = append(lead, native.Uint64(element[8:]))
		case leafPage:
			root, err := leafChild(element)
			if err != nil {
				return nil, err
			}
			if root != 0 {
				lead = append(lead, root)
			}
		default:
			return nil, fmt.Errorf("unknown kind of page %#x", flags)
		}
	}
	return lead, nil
}

// leafChild returns the root page of the bucket a leaf element holds, 0 when it
// holds none or an inline one.
func leafChild(element []byte) (uint64, error) {
	position, key, value := uint64(native.Uint32(element[4:])), uint64(native.Uint32(element[8:])), uint64(native.Uint32(element[12:]))
	if position+key+value > uint64(len(element)) {
		return 0, errElement
	}
	if native.Uint32(element)&bucketFlag == 0 {
		return 0, nil
	}
	bucket := element[position+key : position+key+value]
	if len(bucket) < 16 {
		return 0, errElement
	}
	if root := native.Uint64(bucket); root != 0 {
		return root, nil
	}
	if len(bucket) < 16+pageHeader || native.Uint16(bucket[16+8:]) != leafPage {
		return 0, errors.New("inline bucket without a leaf page")
	}
	nested, err := children(bucket[16:])
	if err == nil && len(nested) > 0 {
		err = errors.New("bucket inside an inline bucket")
	}
	return 0, err
}
