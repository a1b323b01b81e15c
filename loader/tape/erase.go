package tape

import "fmt"

// Erase makes the position end of data and the result durable. long: the data
// is gone from the disk too when it returns, which ErrPinned refuses while a
// View reads it.
func (im *partition) Erase(long bool) error {
	if err := im.writable(); err != nil {
		return err
	}
	if im.p.object == im.log.eod().object {
		return im.Sync()
	}
	if long && im.p.offset < im.c.pinned.Load() {
		return fmt.Errorf("erase tape %s: %w", im.c.barcode, ErrPinned)
	}
	if err := im.begin(0); err != nil {
		return im.fail("erase", err)
	}
	return im.Sync()
}

// reformat empties the partition from the beginning, wherever it stands, and
// gives it the sizes that next has.
func (im *partition) reformat(next state) error {
	if err := im.writable(); err != nil {
		return err
	}
	im.Rewind()
	im.touch()
	err := im.newGeneration(mark{}, func(s *state) {
		s.setCapacity(next.capacity)
		s.second = next.second
	})
	if err != nil {
		return im.fail("format", err)
	}
	return nil
}

// Attribute returns a host attribute.
func (im *partition) Attribute(id uint16) (Attribute, bool) {
	a, ok := im.log.attrs[id]
	a.Value = append([]byte(nil), a.Value...)
	return a, ok
}

// Attributes returns all host attributes, by ascending id.
func (im *partition) Attributes() []Attribute {
	list := im.log.attributes()
	for i := range list {
		list[i].Value = append([]byte(nil), list[i].Value...)
	}
	return list
}

// SetAttribute keeps a host attribute, durable after the next Sync.
// ErrAttribute, ErrReadOnly when the files cannot be written (write protection
// is the drive's to judge here).
func (im *partition) SetAttribute(a Attribute) error {
	if len(a.Value) > 1<<16-1 {
		return fmt.Errorf("attribute %04Xh of %d bytes: %w", a.ID, len(a.Value), ErrAttribute)
	}
	a.Value = append([]byte(nil), a.Value...)
	if err := im.logAttribute(a, false); err != nil {
		return err
	}
	im.log.attrs[a.ID] = a
	return nil
}

// DeleteAttribute removes a host attribute; one that is not there is no error.
func (im *partition) DeleteAttribute(id uint16) error {
	if _, ok := im.log.attrs[id]; !ok {
		return im.closed()
	}
	if err := im.logAttribute(Attribute{ID: id}, true); err != nil {
		return err
	}
	delete(im.log.attrs, id)
	return nil
}

func (im *partition) logAttribute(a Attribute, deleted bool) error {
	switch {
	case im.payload == nil:
		return ErrClosed
	case im.broken != nil:
		return im.broken
	case im.readOnly:
		return ErrReadOnly
	}
	err := im.appendLog(attributeChunk, func(b []byte) []byte { return appendAttribute(b, a, deleted) })
	if err != nil {
		return im.fail("write an attribute on", err)
	}
	return nil
}
