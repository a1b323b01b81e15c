package slotmap

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
)

func testIdentity(slots int) Identity {
	i := NewIdentity()
	i.Name, i.Family, i.Mode = "test", "ABC", "library"
	i.Slots, i.ImportExport, i.CapacityBytes = slots, 4, 100e9
	return i
}

// newStore makes a store with n tapes in its first slots.
func newStore(t testing.TB, dir string, n int) *Store {
	t.Helper()
	s, err := CreateStore(dir, testIdentity(1000))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(func(tx *Tx) error { return fill(tx, n) }); err != nil {
		t.Fatal(err)
	}
	return s
}

func fill(tx *Tx, n int) error {
	m := tx.Map()
	for i := range n {
		barcode := fmt.Sprintf("ABC%03dL8", i)
		var err error
		if m, err = m.Place(Slot(i+1), barcode, DataMedium, false); err != nil {
			return err
		}
		tx.PutTape(barcode, Tape{Serial: barcode, Medium: DataMedium, CapacityBytes: 100e9, Created: time.Unix(1e9, 0).UTC()})
	}
	tx.SetMap(m)
	return nil
}

func move(s *Store, src, dst Address) error {
	return s.Update(func(tx *Tx) error {
		m, err := tx.Map().Move(src, dst)
		tx.SetMap(m)
		return err
	})
}

func mustClose(t testing.TB, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestIdentityIsFitForSCSI(t *testing.T) {
	serial := regexp.MustCompile(`^[A-Z0-9]{10}$`)
	seen := map[string]bool{}
	for range 200 {
		i := NewIdentity()
		for _, s := range []string{i.ChangerSerial, i.DriveSerial, i.UUID, fmt.Sprint(i.ChangerNAA), fmt.Sprint(i.DriveNAA)} {
			if seen[s] {
				t.Fatalf("%s twice", s)
			}
			seen[s] = true
		}
		if !serial.MatchString(i.ChangerSerial) || !serial.MatchString(i.DriveSerial) {
			t.Fatalf("serial numbers %q %q", i.ChangerSerial, i.DriveSerial)
		}
		if i.ChangerNAA>>60 != 3 || i.DriveNAA>>60 != 3 {
			t.Fatalf("designators %x %x are not locally assigned", i.ChangerNAA, i.DriveNAA)
		}
	}
}

func TestASlotMapComesBackAsItWas(t *testing.T) { // contract 3.19, 3.28
	dir := t.TempDir()
	s := newStore(t, dir, 3)
	if err := move(s, Slot(2), DriveAddress); err != nil {
		t.Fatal(err)
	}
	err := s.Update(func(tx *Tx) error {
		i := tx.Identity()
		i.NextNumber = 42
		tx.SetIdentity(i)
		tx.DeleteTape("ABC002L8")
		m, err := tx.Map().Remove(Slot(3))
		tx.SetMap(m)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want, identity := s.Map(), s.Identity()
	mustClose(t, s)
	if err := move(s, DriveAddress, Slot(2)); !errors.Is(err, ErrClosed) {
		t.Errorf("update after close: %v", err)
	}

	s, recovery, err := OpenStore(dir)
	if err != nil || recovery.Happened() {
		t.Fatalf("%v, recovery %q", err, recovery)
	}
	defer s.Close()
	if !bytes.Equal(fmt.Append(nil, want.All()), fmt.Append(nil, s.Map().All())) || s.Identity() != identity {
		t.Errorf("came back as %v %v", s.Map().Drive(), s.Identity())
	}
	if d := s.Map().Drive(); d.Barcode != "ABC001L8" || d.Source != Slot(2) || d.Medium != DataMedium {
		t.Errorf("drive %+v", d)
	}
	if _, known := s.Tape("ABC002L8"); known || len(s.Tapes()) != 2 {
		t.Errorf("tapes %v", s.Tapes())
	}
}

func TestAnUpdateThatChangesNothingOrFailsWritesNothing(t *testing.T) { // contract 3.23 do_nothing
	s := newStore(t, t.TempDir(), 1)
	defer s.Close()
	before, err := os.ReadFile(s.db.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(func(*Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := move(s, Slot(5), DriveAddress); !errors.Is(err, ErrSourceEmpty) {
		t.Fatal(err)
	}
	after, err := os.ReadFile(s.db.path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed (%v)", err)
	}
}

func TestASecondOpenerIsToldThatItIsInUse(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir, 1)
	defer s.Close()
	start := time.Now()
	_, _, err := OpenStore(dir)
	if !errors.Is(err, ErrInUse) || time.Since(start) > 2*time.Second {
		t.Errorf("second open: %v after %v", err, time.Since(start))
	}
	if _, err := CreateStore(dir, testIdentity(1)); !errors.Is(err, ErrInUse) {
		t.Errorf("create over it: %v", err)
	}
	if _, err := SetAside(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("set aside: %v", err)
	}
}

func TestCreateLeavesAnExistingSlotMapAlone(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, newStore(t, dir, 3))
	if _, err := CreateStore(dir, testIdentity(1)); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("create over it: %v", err)
	}
	s, _, err := OpenStore(dir)
	if err != nil || s.Map().Barcodes() != 3 {
		t.Fatalf("%v, %d cartridges", err, s.Map().Barcodes())
	}
	mustClose(t, s)
	if _, _, err := OpenStore(t.TempDir()); !errors.Is(err, ErrNotExist) {
		t.Errorf("open of nothing: %v", err)
	}
}

func TestTheBackupCopyFollowsSoonAfterAChange(t *testing.T) { // contract 3.23
	synctest.Test(t, func(t *testing.T) {
		dir, copied := t.TempDir(), t.TempDir()
		s := newStore(t, dir, 2)
		if err := move(s, Slot(1), DriveAddress); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * backupDelay)
		synctest.Wait()
		// As after a kill: only what is in the backup copy now.
		if err := copyFile(filepath.Join(copied, FileName+backupSuffix), filepath.Join(dir, FileName+backupSuffix), 0o644); err != nil {
			t.Fatal(err)
		}
		mustClose(t, s)
		again, recovery, err := OpenStore(copied)
		if err != nil || !recovery.Happened() {
			t.Fatalf("%v, recovery %q", err, recovery)
		}
		if again.Map().Drive().Barcode != "ABC000L8" {
			t.Errorf("the backup copy does not show the move")
		}
		mustClose(t, again)
	})
}

func TestSaveBringsTheBackupCopyUpToDateAtOnce(t *testing.T) { // contract 3.23 save_only
	dir := t.TempDir()
	s := newStore(t, dir, 2)
	defer s.Close()
	if err := move(s, Slot(2), DriveAddress); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	bolt, err := bbolt.Open(filepath.Join(dir, FileName+backupSuffix), 0o644, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer bolt.Close()
	err = bolt.View(func(tx *bbolt.Tx) error {
		saved, err := readState(tx)
		if err == nil && saved.slots.Drive().Barcode != "ABC001L8" {
			err = errors.New("the move is not in it")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// damages are ways in which a file cannot be read any more.
var damages = map[string]func(path string) error{
	"missing":  os.Remove,
	"empty":    func(p string) error { return os.Truncate(p, 0) },
	"cut":      func(p string) error { return os.Truncate(p, 3*4096) },
	"cut late": func(p string) error { return cutTail(p) },
	"zeros":    func(p string) error { return os.WriteFile(p, make([]byte, 65536), 0o644) },
	"words":    func(p string) error { return os.WriteFile(p, []byte("this is not a slot map"), 0o644) },
	"foreign database": func(p string) error {
		return rewrite(p, func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(kindKey, []byte("other")) })
	},
	"no identity": func(p string) error {
		return rewrite(p, func(tx *bbolt.Tx) error { return tx.Bucket(contentBucket).Delete(identityKey) })
	},
	"same barcode twice": func(p string) error {
		return rewrite(p, func(tx *bbolt.Tx) error {
			return putJSON(tx.Bucket(elementsBucket), []byte{0x10, 0x50}, occupied{Barcode: "ABC000L8"})
		})
	},
	"element beyond the slots": func(p string) error {
		return rewrite(p, func(tx *bbolt.Tx) error {
			return putJSON(tx.Bucket(elementsBucket), []byte{0x20, 0}, occupied{Barcode: "X"})
		})
	},
	"a folder in its place": func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) },
}

// cutTail drops the last page that is in use.
func cutTail(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for size := len(data) - 4096; size > 0; size -= 4096 {
		if checkPages(data[:size]) != nil {
			return os.Truncate(path, int64(size))
		}
	}
	return errors.New("cannot be cut")
}

func rewrite(path string, f func(*bbolt.Tx) error) error {
	bolt, err := bbolt.Open(path, 0o644, nil)
	if err != nil {
		return err
	}
	return errors.Join(bolt.Update(f), bolt.Close())
}

func TestADamagedSlotMapIsReplacedByItsBackupCopyAndSaidSo(t *testing.T) { // contract 3.17, 3.23
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := newStore(t, dir, 200)
			want := s.Identity()
			mustClose(t, s)
			if err := damage(filepath.Join(dir, FileName)); err != nil {
				t.Fatal(err)
			}
			s, recovery, err := OpenStore(dir)
			if err != nil {
				t.Fatal(err)
			}
			if !recovery.Happened() || !strings.Contains(recovery.String(), "backup copy") {
				t.Errorf("recovery says %q", recovery)
			}
			if name != "missing" {
				if _, err := os.Stat(recovery.Kept); err != nil {
					t.Errorf("the damaged file is not kept: %v", err)
				}
			}
			if s.Map().Barcodes() != 200 || s.Identity() != want {
				t.Errorf("%d cartridges, %v", s.Map().Barcodes(), s.Identity())
			}
			if err := move(s, Slot(1), DriveAddress); err != nil {
				t.Error(err)
			}
			mustClose(t, s)
			s, recovery, err = OpenStore(dir)
			if err != nil || recovery.Happened() || s.Map().Drive().Barcode != "ABC000L8" {
				t.Fatalf("afterwards: %v %v %v", err, recovery, s.Map().Drive())
			}
			mustClose(t, s)
		})
	}
}

func TestWhenBothAreDamagedNothingIsTouched(t *testing.T) { // contract 3.17
	dir := t.TempDir()
	mustClose(t, newStore(t, dir, 5))
	files := map[string]string{FileName: "torn", FileName + backupSuffix: "torn too"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := OpenStore(dir)
	if !errors.Is(err, ErrDamaged) {
		t.Fatalf("%v", err)
	}
	if n := strings.Count(err.Error(), errNoMeta.Error()); n != 2 {
		t.Errorf("the error gives %d reasons: %v", n, err)
	}
	for name, text := range files {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != text {
			t.Errorf("%s was touched: %q %v", name, data, err)
		}
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 3 { // with the lock file
		t.Errorf("%d files", len(entries))
	}
	kept, err := SetAside(dir)
	if err != nil || len(kept) != 2 || Exists(dir) {
		t.Errorf("set aside: %v %v", kept, err)
	}
}

func TestANewerFormatIsNotTakenForDamage(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, newStore(t, dir, 1))
	path := filepath.Join(dir, FileName)
	err := rewrite(path, func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(formatKey, []byte("2")) })
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenStore(dir); !errors.Is(err, ErrVersion) {
		t.Fatalf("%v", err)
	}
	if entries, _ := filepath.Glob(path + damagedSuffix + "*"); len(entries) > 0 {
		t.Errorf("put aside: %v", entries)
	}
}

// sample returns the bytes of a slot map with branch pages.
func sample(t testing.TB) []byte {
	dir := t.TempDir()
	s, err := CreateStore(dir, testIdentity(1000))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(func(tx *Tx) error { return fill(tx, 300) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, FileName+backupSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// openBytes opens a slot map file of those bytes that has no backup copy.
func openBytes(t testing.TB, dir string, data []byte) error {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, FileName), data, 0o644); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, FileName+backupSuffix))
	s, _, err := OpenStore(dir)
	if err == nil {
		err = s.Close()
	}
	if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
		t.Fatalf("%v is neither nil nor ErrDamaged", err)
	}
	return err
}

func TestAnyFlippedBytesAreSurvived(t *testing.T) {
	good := sample(t)
	if err := checkPages(good); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := openBytes(t, dir, good); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(7, 7))
	refused := 0
	for range 300 {
		data := bytes.Clone(good)
		for range 1 + random.IntN(3) {
			// Page headers and element tables are where a wrong byte leads astray.
			at := random.IntN(len(data)/4096)*4096 + random.IntN(64)
			data[at] = byte(random.IntN(256))
		}
		if openBytes(t, dir, data) != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed")
	}
}

func FuzzDamagedSlotMap(f *testing.F) {
	good := sample(f)
	f.Add(uint32(8), []byte{1}, uint32(0))
	f.Add(uint32(4096*3+8), []byte{2, 0, 0xFF, 0xFF}, uint32(0))
	f.Add(uint32(4096*5), []byte{3, 0, 0, 0, 0, 0, 0, 0}, uint32(4096*2))
	f.Fuzz(func(t *testing.T, at uint32, with []byte, cut uint32) {
		data := bytes.Clone(good)
		copy(data[int(at)%len(data):], with)
		openBytes(t, t.TempDir(), data[:len(data)-int(cut)%len(data)])
	})
}

func BenchmarkDurableMove(b *testing.B) {
	s := newStore(b, b.TempDir(), 1000)
	defer s.Close()
	at, other := Slot(1), DriveAddress
	for b.Loop() {
		if err := move(s, at, other); err != nil {
			b.Fatal(err)
		}
		at, other = other, at
	}
}

func BenchmarkOpen1000(b *testing.B) {
	dir := b.TempDir()
	mustClose(b, newStore(b, dir, 1000))
	for b.Loop() {
		s, _, err := OpenStore(dir)
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}
