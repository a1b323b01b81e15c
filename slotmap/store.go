package slotmap

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// FileName is the slot map file in a backup folder.
const FileName = "slotmap.db"

var (
	identityKey    = []byte("identity")
	elementsBucket = []byte("elements")
	tapesBucket    = []byte("tapes")
)

// Store is the slot map of one backup folder, kept on disk. Reads return the
// last published snapshot and never wait; any number of goroutines may use it.
type Store struct {
	db    *database
	mutex sync.Mutex // one Update at a time
	state atomic.Pointer[state]
}

// state is one published snapshot; nothing in it is written again.
type state struct {
	slots    Map
	identity Identity
	tapes    map[string]Tape
}

// occupied is an element's value in the file.
type occupied struct {
	Barcode  string  `json:"barcode"`
	Source   Address `json:"source,omitempty"`
	Imported bool    `json:"imported,omitempty"`
}

func storeLayout(dir string) layout {
	return layout{
		path: filepath.Join(dir, FileName), kind: "virtualloader slot map", words: "slot map", format: 1, perm: 0o644,
		check: func(tx *bbolt.Tx) error {
			_, err := readState(tx)
			return err
		},
	}
}

// Exists says whether dir has a slot map, or the backup copy of one. It does not
// say whether they can be read.
func Exists(dir string) bool { return exists(filepath.Join(dir, FileName)) }

// CreateStore makes the slot map of a folder that has none: all elements empty.
// It is durable when CreateStore returns. Errors: fs.ErrExist, ErrInUse, those of
// the file system.
func CreateStore(dir string, identity Identity) (*Store, error) {
	s := &Store{}
	fresh := &state{slots: NewMap(identity.Slots, identity.ImportExport), identity: identity, tapes: map[string]Tape{}}
	db, err := createDatabase(storeLayout(dir), func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{elementsBucket, tapesBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return putJSON(tx.Bucket(contentBucket), identityKey, identity)
	})
	if err != nil {
		return nil, err
	}
	s.db = db
	s.state.Store(fresh)
	return s, nil
}

// OpenStore opens the slot map of a folder, with the help of its backup copy if
// it must, which the Recovery then says. Errors: ErrNotExist, ErrInUse,
// ErrVersion, ErrDamaged (nothing has been changed).
func OpenStore(dir string) (*Store, Recovery, error) {
	db, recovery, err := openDatabase(storeLayout(dir))
	if err != nil {
		return nil, recovery, err
	}
	s := &Store{db: db}
	err = db.bolt.View(func(tx *bbolt.Tx) error {
		read, err := readState(tx)
		s.state.Store(read)
		return err
	})
	if err != nil {
		db.close()
		return nil, Recovery{}, fmt.Errorf("slot map %s: %w", db.path, err)
	}
	return s, recovery, nil
}

// Map returns the elements as of now.
func (s *Store) Map() Map { return s.state.Load().slots }

// Identity returns who the loader is.
func (s *Store) Identity() Identity { return s.state.Load().identity }

// Tapes returns the record of every cartridge by barcode. The map is shared:
// read only.
func (s *Store) Tapes() map[string]Tape { return s.state.Load().tapes }

// Tape returns the record of one cartridge.
func (s *Store) Tape(barcode string) (Tape, bool) {
	t, ok := s.state.Load().tapes[barcode]
	return t, ok
}

// Update lets f change the slot map. What f has put into the Tx is durable and
// published when Update returns nil, all of it or nothing. When f changes
// nothing, nothing is written.
func (s *Store) Update(f func(*Tx) error) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	was := s.state.Load()
	tx := &Tx{next: *was, tapes: map[string]*Tape{}}
	if err := f(tx); err != nil {
		return err
	}
	if !tx.changed {
		return nil
	}
	if err := s.db.update(func(bolt *bbolt.Tx) error { return tx.write(bolt, was) }); err != nil {
		return err
	}
	s.state.Store(tx.result())
	return nil
}

// Save writes the backup copy now (contract 3.23, save_only).
func (s *Store) Save() error { return s.db.backup() }

// Close brings the backup copy up to date and closes the file. Reads still
// answer afterwards; Update returns ErrClosed.
func (s *Store) Close() error { return s.db.close() }

// Tx is one change of a Store, valid inside Update's function.
type Tx struct {
	next    state
	tapes   map[string]*Tape // nil: deleted
	changed bool
}

// Map returns the elements with the changes of this Tx.
func (tx *Tx) Map() Map { return tx.next.slots }

// SetMap replaces the elements. m must stem from Map.
func (tx *Tx) SetMap(m Map) { tx.next.slots, tx.changed = m, true }

// Identity returns who the loader is, with the changes of this Tx.
func (tx *Tx) Identity() Identity { return tx.next.identity }

// SetIdentity replaces it. The numbers of elements must stay as they are.
func (tx *Tx) SetIdentity(i Identity) { tx.next.identity, tx.changed = i, true }

// PutTape records what is known of a cartridge.
func (tx *Tx) PutTape(barcode string, t Tape) { tx.tapes[barcode], tx.changed = &t, true }

// DeleteTape forgets a cartridge.
func (tx *Tx) DeleteTape(barcode string) { tx.tapes[barcode], tx.changed = nil, true }

// write puts what differs from was into the file.
func (tx *Tx) write(bolt *bbolt.Tx, was *state) error {
	if tx.next.identity != was.identity {
		if err := putJSON(bolt.Bucket(contentBucket), identityKey, tx.next.identity); err != nil {
			return err
		}
	}
	elements := bolt.Bucket(elementsBucket)
	for i, e := range tx.next.slots.elements {
		if e == was.slots.elements[i] {
			continue
		}
		key := binary.BigEndian.AppendUint16(nil, uint16(e.Address))
		if !e.Full() {
			if err := elements.Delete(key); err != nil {
				return err
			}
			continue
		}
		if err := putJSON(elements, key, occupied{e.Barcode, e.Source, e.Imported}); err != nil {
			return err
		}
	}
	tapes := bolt.Bucket(tapesBucket)
	for barcode, t := range tx.tapes {
		if t == nil {
			if err := tapes.Delete([]byte(barcode)); err != nil {
				return err
			}
			continue
		}
		if err := putJSON(tapes, []byte(barcode), t); err != nil {
			return err
		}
	}
	return nil
}

// result returns the snapshot to publish.
func (tx *Tx) result() *state {
	if len(tx.tapes) > 0 {
		tx.next.tapes = maps.Clone(tx.next.tapes)
	}
	for barcode, t := range tx.tapes {
		if t == nil {
			delete(tx.next.tapes, barcode)
		} else {
			tx.next.tapes[barcode] = *t
		}
	}
	return &tx.next
}

// readState decodes the whole file and holds it to the rules of a Map.
func readState(tx *bbolt.Tx) (*state, error) {
	s := &state{tapes: map[string]Tape{}}
	content, elements, tapes := tx.Bucket(contentBucket), tx.Bucket(elementsBucket), tx.Bucket(tapesBucket)
	if content == nil || elements == nil || tapes == nil {
		return nil, fmt.Errorf("a part is missing")
	}
	if err := json.Unmarshal(content.Get(identityKey), &s.identity); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if n := s.identity.Slots; n < 1 || n > MaxSlots {
		return nil, fmt.Errorf("identity: %d slots", n)
	}
	if n := s.identity.ImportExport; n < 0 || n > MaxImportExport {
		return nil, fmt.Errorf("identity: %d import/export elements", n)
	}
	err := tapes.ForEach(func(barcode, value []byte) error {
		var t Tape
		if err := json.Unmarshal(value, &t); err != nil {
			return fmt.Errorf("tape %s: %w", barcode, err)
		}
		s.tapes[string(barcode)] = t
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.slots = NewMap(s.identity.Slots, s.identity.ImportExport)
	where := map[string]Address{}
	return s, elements.ForEach(func(key, value []byte) error {
		return s.occupy(key, value, where)
	})
}

// occupy puts one element of the file into the map that is being read.
func (s *state) occupy(key, value []byte, where map[string]Address) error {
	var o occupied
	if err := json.Unmarshal(value, &o); err != nil || len(key) != 2 || o.Barcode == "" {
		return fmt.Errorf("element %x cannot be read", key)
	}
	a := Address(binary.BigEndian.Uint16(key))
	at, err := s.slots.holder(a)
	if err != nil {
		return err
	}
	if other, twice := where[o.Barcode]; twice {
		return fmt.Errorf("%s is in %s and in %s", o.Barcode, other, a)
	}
	where[o.Barcode] = a
	e := &s.slots.elements[at]
	e.Barcode, e.Source, e.Imported, e.Medium = o.Barcode, o.Source, o.Imported, s.tapes[o.Barcode].Medium
	return nil
}

func putJSON(b *bbolt.Bucket, key []byte, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return b.Put(key, data)
}
