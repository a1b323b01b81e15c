package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"virtualloader/loader/control"

	"github.com/spf13/cobra"
)

// setting is one value of the service's settings.
type setting struct {
	name, help string
	value      func(*control.Settings) *float64
}

var settings = []setting{
	{"warn-percent", "free space of a volume below which a person is warned", func(s *control.Settings) *float64 { return &s.WarnPercent }},
	{"floor-percent", "free space of a volume below which new writes are refused", func(s *control.Settings) *float64 { return &s.FloorPercent }},
}

func (a *app) configCommands() *cobra.Command {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.name
	}
	get := &cobra.Command{
		Use: "get [KEY]", Short: "Show the settings", Args: cobra.MaximumNArgs(1), ValidArgs: names,
		RunE: func(c *cobra.Command, args []string) error {
			now, err := a.service().Settings(c.Context())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				s, err := settingOf(args[0], names)
				if err != nil {
					return err
				}
				return a.print(*s.value(&now), func(w io.Writer) { fmt.Fprintf(w, "%g\n", *s.value(&now)) })
			}
			return a.printSettings(now)
		},
	}
	set := &cobra.Command{
		Use: "set KEY VALUE", Short: "Change a setting", Args: cobra.ExactArgs(2), ValidArgs: names,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := settingOf(args[0], names)
			if err != nil {
				return err
			}
			value, err := strconv.ParseFloat(strings.TrimSuffix(args[1], "%"), 64)
			if err != nil {
				return usage("write it like 6 or 7.5", "%q is not a number", args[1])
			}
			now, err := a.service().Settings(c.Context())
			if err != nil {
				return err
			}
			*s.value(&now) = value
			if now, err = a.service().ChangeSettings(c.Context(), now); err != nil {
				return err
			}
			return a.printSettings(now)
		},
	}
	return groupCommand("config", "The service's settings", get, set)
}

func settingOf(name string, names []string) (setting, error) {
	i := slices.Index(names, name)
	if i < 0 {
		return setting{}, usage("there are: "+strings.Join(names, ", "), "no setting is called %q", name)
	}
	return settings[i], nil
}

func (a *app) printSettings(now control.Settings) error {
	return a.print(now, func(w io.Writer) {
		for _, s := range settings {
			fmt.Fprintf(w, "%s\t%g\t%s\n", s.name, *s.value(&now), s.help)
		}
	})
}
