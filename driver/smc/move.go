package smc

import (
	"context"
	"time"

	"virtualloader/driver/scsi"
	"virtualloader/driver/spc"
	"virtualloader/slotmap"
)

// address reads an element address from the CDB.
func address(r *spc.Request, at int) slotmap.Address { return slotmap.Address(scsi.Uint16(r.CDB[at:])) }

// checkRobot judges a transport address: ours, or 0 for the default.
func checkRobot(r *spc.Request) error {
	if robot := address(r, 2); robot != 0 && robot != slotmap.RobotAddress {
		return scsi.Illegal(scsi.InvalidElementAddress)
	}
	return nil
}

// checkElements judges addresses of elements that hold cartridges.
func checkElements(m slotmap.Map, addresses ...slotmap.Address) error {
	for _, a := range addresses {
		if e, ok := m.At(a); !ok || e.Kind == slotmap.Robot {
			return scsi.Illegal(scsi.InvalidElementAddress)
		}
	}
	return nil
}

// plan makes the checks that MOVE MEDIUM, EXCHANGE MEDIUM and POSITION TO ELEMENT
// share: transport, elements, no turning over (INV bits).
func (c *Changer) plan(r *spc.Request, inversion int, addresses ...slotmap.Address) (slotmap.Map, error) {
	m := c.library.Map()
	if err := checkRobot(r); err != nil {
		return m, err
	}
	if err := checkElements(m, addresses...); err != nil {
		return m, err
	}
	if r.Flag(inversion, 0x03) {
		return m, scsi.InvalidFieldInCDB(inversion, 0)
	}
	return m, nil
}

func (c *Changer) moveMedium(r *spc.Request) error {
	src, dst := address(r, 4), address(r, 6)
	m, err := c.plan(r, 10, src, dst)
	if err != nil {
		return err
	}
	if _, err := m.Move(src, dst); err != nil || src == dst {
		return senseOf(err)
	}
	return c.within(moveLimit, func(ctx context.Context) error { return c.library.Move(ctx, src, dst) })
}

func (c *Changer) exchangeMedium(r *spc.Request) error {
	src, first, second := address(r, 4), address(r, 6), address(r, 8)
	m, err := c.plan(r, 10, src, first, second)
	if err != nil {
		return err
	}
	if _, err := m.Exchange(src, first, second); err != nil {
		return senseOf(err)
	}
	return c.within(moveLimit, func(ctx context.Context) error { return c.library.Exchange(ctx, src, first, second) })
}

// positionToElement is judged and has no effect: the robot is everywhere.
func (c *Changer) positionToElement(r *spc.Request) error {
	_, err := c.plan(r, 8, address(r, 4))
	return err
}

func (c *Changer) initialize(*spc.Request) error {
	return c.within(inventoryLimit, c.library.Inventory)
}

func (c *Changer) initializeRange(r *spc.Request) error {
	if r.Flag(1, 0x01) { // RANGE
		if _, ok := c.library.Map().At(address(r, 2)); !ok {
			return scsi.Illegal(scsi.InvalidElementAddress)
		}
	}
	return c.initialize(r)
}

// openClose is OPEN/CLOSE IMPORT/EXPORT ELEMENT; all of them are one station.
func (c *Changer) openClose(r *spc.Request) error {
	const open, closed = 0, 1
	if e, ok := c.library.Map().At(address(r, 2)); !ok || e.Kind != slotmap.ImportExport {
		return scsi.Illegal(scsi.InvalidElementAddress)
	}
	switch r.CDB[4] & 0x1f {
	case open:
		if r.Prevented() {
			return scsi.Illegal(scsi.MediumRemovalPrevented)
		}
		return senseOf(c.library.SetStation(true))
	case closed:
		if err := c.library.SetStation(false); err != nil {
			return senseOf(err)
		}
		c.PostAll(scsi.ImportExportElementAccessed)
		return nil
	}
	return scsi.InvalidFieldInCDB(4, 4)
}

// within calls f with a context that ends with the command, or after limit.
func (c *Changer) within(limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(c.Context(), limit)
	defer cancel()
	return senseOf(f(ctx))
}
