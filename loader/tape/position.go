package tape

// Position returns where the tape stands.
func (r *reader) Position() Position {
	return Position{
		Object:               r.p.object,
		File:                 r.p.filemarks,
		BeginningOfPartition: r.p.object == 0,
		EarlyWarning:         r.p.used() > r.log.state.capacity-r.log.state.earlyWarning,
	}
}

// Rewind moves to object 0.
func (r *reader) Rewind() { r.p = mark{} }

// SpaceEndOfData moves to end of data.
func (r *reader) SpaceEndOfData() { r.p = r.log.eod() }

// Locate moves to an object number. Beyond end of data: ErrEndOfData, and the
// position is end of data.
func (r *reader) Locate(object uint64) error {
	if err := r.closed(); err != nil {
		return err
	}
	if object > r.log.eod().object {
		r.SpaceEndOfData()
		return ErrEndOfData
	}
	at, err := r.log.place(object)
	if err == nil {
		r.p = at
	}
	return err
}

// LocateFile moves behind filemark number file (0: the beginning of the
// tape). Beyond the last filemark: ErrEndOfData, and the position is end of data.
func (r *reader) LocateFile(file uint64) error {
	if err := r.closed(); err != nil {
		return err
	}
	if file == 0 {
		r.Rewind()
		return nil
	}
	if file > r.log.eod().filemarks {
		r.SpaceEndOfData()
		return ErrEndOfData
	}
	return r.filemark(file-1, 1)
}

// filemark moves to filemark k, before (0) or behind it (1).
func (r *reader) filemark(k, behind uint64) error {
	n, err := r.log.filemarkObject(k)
	if err != nil {
		return err
	}
	at, err := r.log.place(n + behind)
	if err == nil {
		r.p = at
	}
	return err
}

// SpaceBlocks moves over n blocks, backward when n is negative, and returns
// how many it moved over, always positive. A filemark on the way ends it with
// ErrFilemark, the position behind it in the direction of movement; so do the
// ends of the tape with ErrEndOfData and ErrBeginningOfTape.
func (r *reader) SpaceBlocks(n int64) (moved int64, err error) {
	if err := r.closed(); err != nil {
		return 0, err
	}
	if n >= 0 {
		return r.blocksForward(uint64(n))
	}
	return r.blocksBackward(-uint64(n))
}

func (r *reader) blocksForward(n uint64) (int64, error) {
	end, stop := r.log.eod().object, ErrEndOfData
	filemark := r.p.filemarks < r.log.eod().filemarks
	if filemark {
		fm, err := r.log.filemarkObject(r.p.filemarks)
		if err != nil {
			return 0, err
		}
		end, stop = fm, ErrFilemark
	}
	left := end - r.p.object
	if n <= left {
		return int64(n), r.Locate(r.p.object + n)
	}
	if filemark {
		end++
	}
	if err := r.Locate(end); err != nil {
		return 0, err
	}
	return int64(left), stop
}

func (r *reader) blocksBackward(n uint64) (int64, error) {
	start, stop, target := uint64(0), ErrBeginningOfTape, uint64(0)
	if r.p.filemarks > 0 {
		fm, err := r.log.filemarkObject(r.p.filemarks - 1)
		if err != nil {
			return 0, err
		}
		start, stop, target = fm+1, ErrFilemark, fm
	}
	left := r.p.object - start
	if n <= left {
		return int64(n), r.Locate(r.p.object - n)
	}
	if err := r.Locate(target); err != nil {
		return 0, err
	}
	return int64(left), stop
}

// SpaceFilemarks moves behind the n-th filemark from here or, when n is
// negative, before the |n|-th one backward. moved is how many there were.
// ErrEndOfData and ErrBeginningOfTape when there are fewer.
func (r *reader) SpaceFilemarks(n int64) (moved int64, err error) {
	if err := r.closed(); err != nil {
		return 0, err
	}
	here, all := r.p.filemarks, r.log.eod().filemarks
	switch {
	case n == 0:
		return 0, nil
	case n > 0 && uint64(n) <= all-here:
		return n, r.filemark(here+uint64(n)-1, 1)
	case n > 0:
		r.SpaceEndOfData()
		return int64(all - here), ErrEndOfData
	case -uint64(n) <= here:
		return -n, r.filemark(here-(-uint64(n)), 0)
	}
	r.Rewind()
	return int64(here), ErrBeginningOfTape
}

// SpaceSequentialFilemarks moves behind the first row of n filemarks or, when
// n is negative, before the first row of |n| filemarks backward. It returns n
// without its sign, or 0 with ErrEndOfData or ErrBeginningOfTape.
func (r *reader) SpaceSequentialFilemarks(n int64) (int64, error) {
	if err := r.closed(); err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, nil
	}
	row := uint64(n)
	if n < 0 {
		row = -row
	}
	here, all := r.p.filemarks, r.log.eod().filemarks
	if n > 0 {
		for k := here; k < all && row <= all-k; k++ {
			if ok, err := r.isRow(k, row); err != nil || ok {
				return int64(row), r.filemarkOr(err, k+row-1, 1)
			}
		}
		r.SpaceEndOfData()
		return 0, ErrEndOfData
	}
	for k := here; k >= row; k-- {
		if ok, err := r.isRow(k-row, row); err != nil || ok {
			return int64(row), r.filemarkOr(err, k-row, 0)
		}
	}
	r.Rewind()
	return 0, ErrBeginningOfTape
}

// isRow says whether row filemarks stand side by side from filemark k on.
func (r *reader) isRow(k, row uint64) (bool, error) {
	first, err := r.log.filemarkObject(k)
	if err != nil {
		return false, err
	}
	last, err := r.log.filemarkObject(k + row - 1)
	return last-first == row-1, err
}

func (r *reader) filemarkOr(err error, k, behind uint64) error {
	if err != nil {
		return err
	}
	return r.filemark(k, behind)
}
