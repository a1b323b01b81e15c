package slotmap

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
)

func TestAConfigurationIsCreatedKeptAndRecovered(t *testing.T) { // contract 3.17, 3.28
	path := filepath.Join(t.TempDir(), "config.db")
	s, recovery, err := OpenConfig(path)
	if err != nil || recovery.Happened() {
		t.Fatalf("%v %v", err, recovery)
	}
	if c := s.Configuration(); c.WarnPercent != 6 || c.FloorPercent != 5 || len(c.Loaders) != 0 {
		t.Errorf("fresh configuration %+v", c)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("secrets lie open: %v %v", info.Mode(), err)
	}
	entry := LoaderEntry{Name: "daily", Folder: "/b/daily", IQN: "iqn.2026-11.io.virtualloader:daily", Auth: "chap", CHAPName: "n", CHAPSecret: "s"}
	if err := s.Update(func(c *Configuration) error { c.Loaders = append(c.Loaders, entry); return nil }); err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("no")
	if err := s.Update(func(c *Configuration) error { c.Loaders[0].Name = "changed"; return refusal }); !errors.Is(err, refusal) {
		t.Fatal(err)
	}
	want := s.Configuration()
	want.Loaders[0].Folder = "a copy is a copy"
	if c := s.Configuration(); len(c.Loaders) != 1 || c.Loaders[0] != entry {
		t.Errorf("configuration %+v", c)
	}
	want = s.Configuration()
	mustClose(t, s)
	if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, recovery, err = OpenConfig(path)
	if err != nil || !recovery.Happened() {
		t.Fatalf("%v %v", err, recovery)
	}
	if !reflect.DeepEqual(s.Configuration(), want) {
		t.Errorf("recovered %+v", s.Configuration())
	}
	if _, _, err := OpenConfig(path); !errors.Is(err, ErrInUse) {
		t.Errorf("second open: %v", err)
	}
	mustClose(t, s)
	for _, p := range []string{path, path + backupSuffix} {
		if err := os.WriteFile(p, []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := OpenConfig(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("both torn: %v", err)
	}
}
