package tape

// Previous returns what stands before the position, without moving.
// ErrBeginningOfTape.
func (r *reader) Previous() (Object, error) {
	here := r.p
	o, err := r.back()
	r.p = here
	return o, err
}

// back moves before the object that stands before the position and says what
// it is. With an error the position is as it was.
func (r *reader) back() (Object, error) {
	if err := r.closed(); err != nil {
		return Object{}, err
	}
	if r.p.object == 0 {
		return Object{}, ErrBeginningOfTape
	}
	at, err := r.log.place(r.p.object - 1)
	if err != nil {
		return Object{}, err
	}
	here := r.p
	r.p = at
	o, err := r.Next()
	if err != nil {
		r.p = here
	}
	return o, err
}

// ReadBlockReverse reads the block before the position and moves before it; its
// bytes are in the order in which they were written. Otherwise as ReadBlock.
//
// ErrFilemark: the position is before the filemark, n is 0. ErrBeginningOfTape
// and ErrCorrupt: the position stays.
func (r *reader) ReadBlockReverse(p []byte) (n int, err error) {
	here := r.p
	o, err := r.back()
	if err != nil {
		return 0, err
	}
	if o.Filemark {
		return 0, ErrFilemark
	}
	at := r.p
	if n, err = r.ReadBlock(p); err != nil {
		r.p = here
		return n, err
	}
	r.p = at
	return n, nil
}
