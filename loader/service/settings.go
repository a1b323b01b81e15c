package service

import (
	"context"
	"fmt"

	"virtualloader/loader/control"
	"virtualloader/loader/space"
	"virtualloader/slotmap"
)

func (s *Service) settings() control.Settings {
	c := s.config.Configuration()
	return control.Settings{WarnPercent: c.WarnPercent, FloorPercent: c.FloorPercent}
}

// Settings implements control.Preferences.
func (s *Service) Settings(context.Context) (control.Settings, error) { return s.settings(), nil }

// ChangeSettings implements control.Preferences: the new levels are on disk and
// in effect when it returns.
func (s *Service) ChangeSettings(_ context.Context, r control.Settings) (control.Settings, error) {
	levels := space.Thresholds{WarnPercent: r.WarnPercent, FloorPercent: r.FloorPercent}
	if err := levels.Check(); err != nil {
		return s.settings(), explain(err)
	}
	s.change.Lock()
	defer s.change.Unlock()
	err := s.config.Update(func(c *slotmap.Configuration) error {
		c.WarnPercent, c.FloorPercent = r.WarnPercent, r.FloorPercent
		return nil
	})
	if err == nil {
		err = s.space.SetThresholds(levels)
	}
	if err != nil {
		return s.settings(), explain(err)
	}
	s.journal.publish(control.Event{Kind: control.SettingsChanged, Message: fmt.Sprintf("warn below %g %% free space, refuse writes below %g %%", r.WarnPercent, r.FloorPercent)})
	return s.settings(), nil
}
