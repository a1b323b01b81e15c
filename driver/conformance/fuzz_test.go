package conformance_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"virtualloader/driver/conformance"
	"virtualloader/driver/scsi"
	"virtualloader/slotmap"
)

// commandBytes is how much of a fuzz input makes one command: nexus and logical
// unit, data lengths, CDB.
const commandBytes = 20

// play executes the commands that data spell, each by both ways a byte can mean
// something. Every one must end exactly once (the wire panics on a second time).
func play(t *testing.T, s *stage, data []byte) {
	for ; len(data) >= commandBytes; data = data[commandBytes:] {
		name := string(rune('A' + data[0]&1))
		lun := int(data[0] >> 1 & 1)
		out := make([]byte, int(data[1])<<(data[2]&7))
		for i := range out {
			out[i] = data[3+i%16]
		}
		inLen := int(data[1]) << (data[2] >> 4 & 7)
		cdb := data[4:commandBytes]
		r, err := s.Exec(name, lun, cdb, out, inLen)
		if err != nil {
			t.Fatalf("LUN %d, CDB % X: %v", lun, cdb, err)
		}
		if (r.Status == scsi.CheckCondition) != (r.Sense != nil) {
			t.Fatalf("LUN %d, CDB % X: status %v, sense % X", lun, cdb, r.Status, r.Sense)
		}
		if sense, _ := scsi.ParseSense(r.Sense); sense.Key == scsi.HardwareError {
			t.Fatalf("LUN %d, CDB % X, %d bytes out: hardware error %v", lun, cdb, len(out), sense.Code)
		}
		if len(r.Data) > inLen {
			t.Fatalf("LUN %d, CDB % X: %d bytes for %d", lun, cdb, len(r.Data), inLen)
		}
	}
}

// spell makes a command likely to be understood: a supported operation code, and
// mostly zeros.
func spell(s *stage, random *rand.Rand) []byte {
	b := make([]byte, commandBytes)
	b[0], b[1], b[2] = byte(random.IntN(4)), byte(random.IntN(256)), byte(random.IntN(256))
	rows := s.drive.Commands().Rows()
	if b[0]>>1&1 == 1 {
		rows = s.changer.Commands().Rows()
	}
	row := rows[random.IntN(len(rows))]
	b[3] = byte(random.IntN(256))
	cdb := b[4:]
	for i := 1; i < len(row.Usage); i++ {
		if random.IntN(3) == 0 {
			cdb[i] = byte(random.IntN(256)) & row.Usage[i]
		}
	}
	cdb[0] = byte(row.Opcode)
	if row.HasAction {
		cdb[1] |= row.Action
	}
	if random.IntN(2) == 0 { // short counts find more
		cdb[2], cdb[3] = 0, 0
	}
	if random.IntN(10) == 0 {
		cdb[random.IntN(16)] = byte(random.IntN(256))
	}
	return b
}

// mend brings a ready tape back, whatever the commands before have done.
func mend(t *testing.T, s *stage) {
	s.router.Logout(nexus("A"))
	s.router.Logout(nexus("B"))
	s.router.Manage(nexus("A"), scsi.LogicalUnitReset, scsi.UnitNumber(0), 0)
	if err := s.SetStation(false); err != nil {
		t.Fatal(err)
	}
	b := &conformance.Bench{Stage: s}
	if err := b.Play("drain\n5F 06 00 00 00 00000018 > 0000000000000000 0000000000000001 0000000000000000 = G\n" +
		"5F 03 00 00 00 00000018 > 0000000000000001 0000000000000000 0000000000000000 = G\ndrain"); err != nil {
		t.Fatal(err)
	}
	at, found := s.Map().Find("ABC100L8")
	if !found {
		t.Fatal("the cartridge is nowhere")
	}
	if err := s.Move(context.Background(), at.Address, slotmap.DriveAddress); errors.Is(err, slotmap.ErrDestinationFull) {
		free, _ := s.Map().FirstFree(slotmap.Storage)
		err = errors.Join(s.Move(context.Background(), slotmap.DriveAddress, free), s.Move(context.Background(), at.Address, slotmap.DriveAddress))
		if err != nil {
			t.Fatal(err)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	if err := b.Play("drain\n1B 00 00 00 01 = G\n0B 00 00 FFFF = G"); err != nil {
		t.Fatal(err)
	}
}

func TestRandomCommandsAlwaysEndOnce(t *testing.T) {
	s := newStage(t)
	if err := s.Event([]string{"cartridge", "data"}); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(7, 11))
	for i := range 6000 {
		if i%100 == 0 {
			mend(t, s)
		}
		play(t, s, spell(s, random))
	}
}

func FuzzCommands(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 1))
	s := newStage(f)
	if err := s.Event([]string{"cartridge", "data"}); err != nil {
		f.Fatal(err)
	}
	for range 20 {
		var seed []byte
		for range 8 {
			seed = append(seed, spell(s, random)...)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 32*commandBytes {
			t.Skip("long inputs find nothing more")
		}
		mend(t, s)
		play(t, s, data)
	})
}
