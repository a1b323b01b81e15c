package slotmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// Levels of free space that a new configuration starts with (contract 3.14).
const (
	DefaultWarnPercent  = 6
	DefaultFloorPercent = 5
)

// Configuration is what the service remembers: which loaders it serves, and its
// settings. Everything about a loader itself is in the loader's folder.
type Configuration struct {
	Loaders []LoaderEntry `json:"loaders"`
	// Free space, in percent of the volume, below which to warn, and below which
	// to refuse writes.
	WarnPercent  float64 `json:"warnPercent"`
	FloorPercent float64 `json:"floorPercent"`
}

// LoaderEntry is one loader of the service.
type LoaderEntry struct {
	Name       string `json:"name"`
	Folder     string `json:"folder"` // absolute
	IQN        string `json:"iqn"`
	Auth       string `json:"auth"` // "chap" or "none"
	CHAPName   string `json:"chapName,omitempty"`
	CHAPSecret string `json:"chapSecret,omitempty"`
}

var configurationKey = []byte("configuration")

// ConfigStore keeps the service's Configuration on disk, with a backup copy
// beside it. Any number of goroutines may use it.
type ConfigStore struct {
	db      *database
	mutex   sync.Mutex // one Update at a time
	current atomic.Pointer[Configuration]
}

func configLayout(path string) layout {
	return layout{
		path: path, kind: "virtualloader configuration", words: "configuration", format: 1, perm: 0o600,
		check: func(tx *bbolt.Tx) error {
			_, err := readConfiguration(tx)
			return err
		},
	}
}

// OpenConfig opens the configuration at path, with the help of its backup copy if
// it must, which the Recovery then says. When there is neither it is created,
// with no loader in it; its folder must exist. The file is readable by its owner
// only, as it holds CHAP secrets. Errors: ErrInUse, ErrVersion, ErrDamaged
// (nothing has been changed).
func OpenConfig(path string) (*ConfigStore, Recovery, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, Recovery{}, err
	}
	db, recovery, err := openDatabase(configLayout(path))
	if errors.Is(err, ErrNotExist) {
		fresh := Configuration{WarnPercent: DefaultWarnPercent, FloorPercent: DefaultFloorPercent}
		db, err = createDatabase(configLayout(path), func(tx *bbolt.Tx) error {
			return putJSON(tx.Bucket(contentBucket), configurationKey, fresh)
		})
	}
	if err != nil {
		return nil, Recovery{}, err
	}
	s := &ConfigStore{db: db}
	err = db.bolt.View(func(tx *bbolt.Tx) error {
		read, err := readConfiguration(tx)
		s.current.Store(&read)
		return err
	})
	if err != nil {
		db.close()
		return nil, Recovery{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return s, recovery, nil
}

// Configuration returns a copy of it as of now.
func (s *ConfigStore) Configuration() Configuration { return s.current.Load().clone() }

// Update lets f change a copy of the configuration; when f returns nil it is
// durable and published, unless nothing changed. When f returns an error nothing
// happens.
func (s *ConfigStore) Update(f func(*Configuration) error) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	next := s.Configuration()
	if err := f(&next); err != nil {
		return err
	}
	if reflect.DeepEqual(next, *s.current.Load()) {
		return nil
	}
	next = next.clone()
	err := s.db.update(func(tx *bbolt.Tx) error {
		return putJSON(tx.Bucket(contentBucket), configurationKey, next)
	})
	if err != nil {
		return err
	}
	s.current.Store(&next)
	return nil
}

// Close brings the backup copy up to date and closes the file.
func (s *ConfigStore) Close() error { return s.db.close() }

func (c Configuration) clone() Configuration {
	c.Loaders = slices.Clone(c.Loaders)
	return c
}

func readConfiguration(tx *bbolt.Tx) (Configuration, error) {
	var c Configuration
	if err := json.Unmarshal(tx.Bucket(contentBucket).Get(configurationKey), &c); err != nil {
		return c, fmt.Errorf("content: %w", err)
	}
	return c, nil
}
