package service

import (
	"context"
	"time"

	"virtualloader/loader"
	"virtualloader/loader/control"
)

// Status implements control.Watcher. Everything in it is a published snapshot.
func (s *Service) Status(context.Context) (control.Status, error) {
	status := control.Status{
		Version: control.Version, Started: s.started.Round(time.Millisecond), Time: time.Now().Round(time.Millisecond),
		Sequence:    s.journal.feed.Last(), // first: what happens meanwhile is told again
		StateFolder: s.options.StateFolder, ISCSI: s.portal.Addr().String(), Control: s.options.Control,
		Settings: s.settings(), Loaders: []control.LoaderStatus{},
	}
	sessions := s.sessions()
	for _, l := range s.list() {
		status.Loaders = append(status.Loaders, l.status(sessions))
	}
	return status, nil
}

// sessions returns the iSCSI sessions by target.
func (s *Service) sessions() map[string][]control.SessionStatus {
	sessions := map[string][]control.SessionStatus{}
	for _, i := range s.iscsi.Sessions() {
		sessions[i.Target] = append(sessions[i.Target], control.SessionStatus{Initiator: i.Initiator, Address: i.Address, Since: i.Since})
	}
	return sessions
}

func (l *served) status(sessions map[string][]control.SessionStatus) control.LoaderStatus {
	status := control.LoaderStatus{
		Name: l.entry.Name, Folder: l.entry.Folder, DeviceKind: control.DeviceKindVirtual,
		State: control.StateOnline, Drive: control.DriveStatus{Activity: "empty"}, Disk: control.DiskStatus{Level: control.SpaceFine},
		Sessions: sessions[l.entry.IQN],
	}
	if status.Sessions == nil {
		status.Sessions = []control.SessionStatus{}
	}
	if !l.online() {
		status.State, status.Reason = control.StateOffline, l.reason
		return status
	}
	identity, drive, usage := l.library.Identity(), l.drive.Status(), l.volume.Usage()
	status.Mode, status.Slots = identity.Mode, identity.Slots
	status.Drive = control.DriveStatus{
		Activity: drive.Activity, Barcode: drive.Barcode, Object: drive.Object, File: drive.File, Locked: drive.Locked,
		ReadBytes: drive.BytesRead, WrittenBytes: drive.BytesWritten, Problem: drive.Problem,
	}
	status.Disk = control.DiskStatus{TotalBytes: usage.TotalBytes, FreeBytes: usage.FreeBytes, FreePercent: usage.FreePercent(), Level: l.volume.Level().String()}
	for _, t := range l.library.Tapes() {
		count(&status.Tapes, t)
	}
	return status
}

func count(c *control.TapeCount, t loader.TapeInfo) {
	c.Total++
	c.UsedBytes += t.UsedBytes
	switch {
	case t.Objects == 0 && !t.Damaged:
		c.Blank++
	case t.UsedBytes >= t.CapacityBytes-t.EarlyWarningBytes:
		c.Full++
	default:
		c.Partly++
	}
}

// describe is all that is known of a loader.
func (s *Service) describe(l *served) control.Loader {
	d := control.Loader{LoaderStatus: l.status(s.sessions()), IQN: l.entry.IQN, Auth: l.entry.Auth}
	if !l.online() {
		return d
	}
	i := l.library.Information()
	d.UUID, d.Family, d.CapacityBytes = i.UUID, i.Family, i.CapacityBytes
	d.Compression, d.Profile = i.Compression, i.Profile
	d.ChangerSerial, d.DriveSerial = i.ChangerSerial, i.DriveSerial
	d.LastSlotUsed, d.FreeSlots, d.NextBarcode = i.LastSlotUsed, i.FreeSlots, i.NextBarcode
	return d
}
