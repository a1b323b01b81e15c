package service_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"virtualloader/loader/control"
	"virtualloader/loader/service/servicetest"
)

// Compression and identity profile are what the loader was made with, for the
// host that looks and after a restart; without a choice the payload is plain.
func TestCompressionAndProfileAreTheLoadersChoice(t *testing.T) {
	block := bytes.Repeat([]byte("tape"), 10000)
	for name, c := range map[string]struct {
		loader     control.NewLoader
		vendor     string
		compressed bool
	}{
		"chosen":  {control.NewLoader{Name: "photos", Compression: true, Profile: "ibm"}, "IBM     ULT3580-TD8     ", true},
		"default": {control.NewLoader{Name: "photos"}, "VLOADER LTO8-VTAPE      ", false},
	} {
		t.Run(name, func(t *testing.T) {
			e := servicetest.Start(t)
			made := e.Create(c.loader)
			barcode := made.Tapes[0]
			if _, err := e.Load(ctx, control.LoadRequest{Loader: "photos", Barcode: barcode}); err != nil {
				t.Fatal(err)
			}
			look := func() host {
				h := login(t, e, "photos")
				in := make([]byte, 36)
				h.mustDo(0, []byte{0x12, 0, 0, 0, 36, 0}, nil, in)
				if string(in[8:32]) != c.vendor {
					t.Errorf("the drive says it is %q", in[8:32])
				}
				return h
			}
			h := look()
			h.mustDo(0, write(block), block, nil)
			h.mustDo(0, writeFilemark, nil, nil)
			stored, err := os.ReadFile(filepath.Join(made.Loader.Folder, barcode+".tape"))
			if err != nil || len(stored) < len(block)/10 != c.compressed || bytes.Equal(stored, block) == c.compressed {
				t.Errorf("%d bytes are stored for %d, %v", len(stored), len(block), err)
			}
			e.Restart()
			h = look()
			h.mustDo(0, rewind, nil, nil)
			in := make([]byte, len(block))
			h.mustDo(0, []byte{0x08, 0, 0, byte(len(block) >> 8), byte(len(block) & 0xFF), 0}, nil, in)
			if !bytes.Equal(in, block) {
				t.Error("what is read is not what was written")
			}
			l, err := e.Loader(ctx, ref("photos"))
			if err != nil || l.Compression != c.loader.Compression || l.Profile != c.loader.Profile {
				t.Errorf("%+v, %v", l, err)
			}
		})
	}
}
