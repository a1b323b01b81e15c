package iscsi

import (
	"virtualloader/driver/iscsi/pdu"
	"virtualloader/driver/scsi"
)

// refusedFunctions are answered without asking the device.
var refusedFunctions = map[scsi.ManagementFunction]scsi.ManagementResponse{
	scsi.ClearACA:     scsi.FunctionNotSupported,
	scsi.TaskReassign: scsi.ReassignNotSupported,
}

// taskManagement starts a task management function. It may take as long as the
// tasks it ends; the socket is read meanwhile.
func (c *conn) taskManagement(h *pdu.Header) (func(), error) {
	function := scsi.ManagementFunction(h.Flags() & 0x7f)
	tag := h.ITT()
	response, decided := refusedFunctions[function]
	switch {
	case function == 0 || function > scsi.TaskReassign:
		response, decided = scsi.FunctionNotSupported, true
	case function == scsi.AbortTask:
		response, decided = c.abortUnsubmitted(h)
	}
	if decided {
		c.sendManaged(tag, response)
		return nil, nil
	}
	c.mu.Lock()
	full := c.managing >= maxImmediate
	if !full {
		c.managing++
	}
	c.mu.Unlock()
	if full {
		return nil, c.reject(h, pdu.RejectTooManyImmediate)
	}
	lun, referenced := scsi.LUN(h.LUN()), h.ReferencedTag()
	c.server.spawn(func() {
		response := c.session.device.Manage(c.session.nexus, function, lun, referenced)
		c.sendManaged(tag, response)
		c.mu.Lock()
		c.managing--
		c.mu.Unlock()
		if function == scsi.TargetColdReset && response == scsi.FunctionComplete {
			c.server.dropSessions(c.session.target, errReset)
		}
	})
	return nil, nil
}

// abortUnsubmitted handles ABORT TASK for a command that the device has not
// seen: one that waits for its turn, or one that is still to come and is then
// taken as received (RFC 7143 11.5.1).
func (c *conn) abortUnsubmitted(h *pdu.Header) (response scsi.ManagementResponse, decided bool) {
	c.mu.Lock()
	if x := c.find(h.ReferencedTag()); x != nil {
		defer c.mu.Unlock()
		if !x.submitted {
			x.aborted = true
		}
		return scsi.FunctionComplete, !x.submitted
	}
	c.mu.Unlock()
	sn := h.RefCmdSN()
	if c.admit(sn) == admitNever || !pdu.Before(sn, h.CmdSN()) {
		return scsi.TaskDoesNotExist, true
	}
	c.wait(sn, func() { c.maximum.Add(1) })
	c.release()
	return scsi.FunctionComplete, true
}

func (c *conn) sendManaged(tag uint32, response scsi.ManagementResponse) {
	var r pdu.Header
	r.Reset(pdu.TaskResponse, pdu.FlagFinal)
	r[2] = byte(response)
	r.SetITT(tag)
	c.sendStatus(&r, nil)
}
