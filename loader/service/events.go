package service

import (
	"context"
	"fmt"

	"virtualloader/loader"
	"virtualloader/loader/control"
	"virtualloader/loader/space"
)

// loaderEvents gives each event of a loader its kind and severity for a person.
var loaderEvents = map[loader.EventKind]struct {
	kind     control.Kind
	severity control.Severity
}{
	loader.EventTapeCreated:       {control.TapeCreated, control.Info},
	loader.EventBlankAdded:        {control.TapeCreated, control.Info},
	loader.EventBlankRefused:      {control.BlankMissing, control.Alert},
	loader.EventTapeDeleted:       {control.TapeDeleted, control.Info},
	loader.EventTapeErased:        {control.TapeErased, control.Info},
	loader.EventTapeMoved:         {control.TapeMoved, control.Info},
	loader.EventTapesChanged:      {control.TapeMoved, control.Info},
	loader.EventTapeImported:      {control.TapeImported, control.Info},
	loader.EventTapeExported:      {control.TapeExported, control.Info},
	loader.EventTapeFound:         {control.InventoryChanged, control.Info},
	loader.EventTapeMissing:       {control.InventoryChanged, control.Warning},
	loader.EventTapeUnplaced:      {control.InventoryChanged, control.Warning},
	loader.EventTapeDamaged:       {control.TapeDamaged, control.Alert},
	loader.EventTapeRemounted:     {control.TapeMoved, control.Info},
	loader.EventStation:           {control.InventoryChanged, control.Info},
	loader.EventSlotMapRecovered:  {control.Recovered, control.Warning},
	loader.EventInventoryFinished: {control.InventoryChanged, control.Info},
}

// loaderEvent publishes what happened in a loader.
func (s *Service) loaderEvent(name string, e loader.Event) {
	as := loaderEvents[e.Kind]
	if as.kind == "" {
		as.kind = control.Kind(e.Kind)
	}
	s.journal.publish(control.Event{Time: e.Time, Kind: as.kind, Severity: as.severity, Loader: name, Barcode: e.Barcode, Message: e.Text})
}

// spaceSeverity is how much each level of disk space matters.
var spaceSeverity = map[space.Level]control.Severity{
	space.Fine: control.Info, space.Warned: control.Warning, space.Floor: control.Alert, space.Emergency: control.Alert,
}

// spaceWords says what each level means for backups.
var spaceWords = map[space.Level]string{
	space.Fine:      "there is room again; backups go on",
	space.Warned:    "free some soon; no blank tapes are made by themselves",
	space.Floor:     "new writes are refused; a backup program can still close its file",
	space.Emergency: "everything that needs room is refused",
}

// spaceChanged publishes a change of level for every loader on the volume, and
// has them make the blank tapes that were due when there is room again.
func (s *Service) spaceChanged(r space.Report) {
	for _, folder := range r.Folders {
		name, watched := s.folders.Load(folder)
		if !watched {
			continue
		}
		s.journal.publish(control.Event{
			Kind: control.SpaceChanged, Severity: spaceSeverity[r.Level], Loader: name.(string), Level: r.Level.String(),
			Message: fmt.Sprintf("%s: %s", r, spaceWords[r.Level]),
		})
		if l, err := s.use(name.(string)); err == nil && r.Level == space.Fine {
			l.library.Replenish()
		}
	}
}

// Events implements control.Watcher.
func (s *Service) Events(_ context.Context, r control.EventsRequest) (control.EventPage, error) {
	events, _ := s.journal.feed.After(r.Since, r.Limit)
	if events == nil {
		events = []control.Event{}
	}
	return control.EventPage{Events: events, Last: s.journal.feed.Last()}, nil
}

// Follow implements control.Watcher.
func (s *Service) Follow(ctx context.Context, since uint64, f func(control.Event) error) error {
	return s.journal.feed.Follow(ctx, since, f)
}
