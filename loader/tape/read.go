package tape

import "fmt"

// reader is the reading and positioning half that Image and View share.
type reader struct {
	log     *tapeLog
	payload File
	p       mark    // position
	cur     *region // holds object p when run says so
	run     int
	scratch []byte // a block longer than the caller's buffer, to check it
	stored  []byte // a block as the payload file has it
	opener  opener
	traffic Traffic
}

func (r *reader) closed() error {
	if r.payload == nil {
		return ErrClosed
	}
	return nil
}

// here finds the run that holds the object at the position, which is before
// end of data.
func (r *reader) here() (*run, error) {
	if r.cur != nil && r.run < len(r.cur.runs) {
		u := &r.cur.runs[r.run]
		if r.p.object >= u.object && r.p.object < u.end() {
			return u, nil
		}
		if r.run++; r.p.object == u.end() && r.run < len(r.cur.runs) {
			return &r.cur.runs[r.run], nil
		}
	}
	g, err := r.log.regionOf(r.p.object)
	if err != nil {
		return nil, err
	}
	r.cur, r.run = g, g.find(r.p.object)
	return &g.runs[r.run], nil
}

// forget drops what is remembered of the place, after objects were cut.
func (r *reader) forget() { r.cur = nil }

// Next returns what stands at the position, without moving. ErrEndOfData.
func (r *reader) Next() (Object, error) {
	if err := r.closed(); err != nil {
		return Object{}, err
	}
	if r.p.object >= r.log.eod().object {
		return Object{}, ErrEndOfData
	}
	u, err := r.here()
	if err != nil {
		return Object{}, err
	}
	return Object{Filemark: u.kind == filemarkKind, Length: int(u.length)}, nil
}

// ReadBlock reads the block at the position and moves over it. n is the
// block's length, which may exceed len(p): then p holds its first len(p)
// bytes. The whole block's checksum is verified in either case.
//
// ErrFilemark: the position is after the filemark, n is 0. ErrEndOfData and
// ErrCorrupt: the position stays.
func (r *reader) ReadBlock(p []byte) (n int, err error) {
	o, err := r.Next()
	if err != nil {
		return 0, err
	}
	if o.Filemark {
		r.p.object++
		r.p.filemarks++
		return 0, ErrFilemark
	}
	b := p
	if len(b) < o.Length {
		if cap(r.scratch) < o.Length {
			r.scratch = make([]byte, o.Length)
		}
		b = r.scratch[:o.Length]
	}
	b = b[:o.Length]
	u := &r.cur.runs[r.run]
	if err := r.load(u, b); err != nil {
		return 0, err
	}
	if len(p) < o.Length {
		copy(p, b)
	}
	r.p.object++
	r.p.offset += int64(u.stored)
	r.traffic.Read += int64(o.Length)
	r.traffic.ReadStored += int64(u.stored)
	return o.Length, nil
}

// fetch reads what the payload file has of the block at the position into b,
// which is as long as that.
func (r *reader) fetch(b []byte) error {
	n, err := r.payload.ReadAt(b, r.p.offset)
	if n < len(b) {
		return corrupt(r.p, false, err)
	}
	if checksum(b) != r.cur.checksumOf(r.run, r.p.object) {
		return corrupt(r.p, true, nil)
	}
	return nil
}

// ReadBlocks reads up to len(p)/blockLength consecutive blocks of exactly
// blockLength bytes, in as few file reads as possible, and moves over them. It
// stops before anything else; after n == 0 with no error, Next says before
// what. Errors come only with n == 0.
func (r *reader) ReadBlocks(p []byte, blockLength int) (n int, err error) {
	if blockLength < 1 || blockLength > MaxBlock {
		return 0, fmt.Errorf("block length %d: %w", blockLength, ErrBlockLength)
	}
	want := len(p) / blockLength
	for n < want {
		o, err := r.Next()
		if err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		if o.Filemark || o.Length != blockLength {
			return n, nil
		}
		u := &r.cur.runs[r.run]
		if !u.kind.plain() || r.opener.mode == DecryptOnly {
			if _, err := r.ReadBlock(p[n*blockLength : (n+1)*blockLength]); err != nil {
				if n > 0 {
					return n, nil
				}
				return 0, err
			}
			n++
			continue
		}
		count := int(min(uint64(want-n), u.end()-r.p.object))
		b := p[n*blockLength : (n+count)*blockLength]
		have, readErr := r.payload.ReadAt(b, r.p.offset)
		whole := min(have/blockLength, count)
		ok := matching(r.cur, r.run, r.p.object, b[:whole*blockLength], blockLength)
		r.p = u.place(r.p.object + uint64(ok))
		n += ok
		r.traffic.Read += int64(ok * blockLength)
		r.traffic.ReadStored += int64(ok * blockLength)
		if ok < count {
			if n > 0 {
				return n, nil
			}
			return 0, corrupt(r.p, ok < whole, readErr)
		}
	}
	return n, nil
}
