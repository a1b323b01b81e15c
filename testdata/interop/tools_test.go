//go:build linux

package interop

import (
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"virtualloader/loader/control"
	"virtualloader/loader/service/servicetest"
)

// TestLibiscsiTools looks at two loaders, one of them with CHAP, with libiscsi's own
// tools (F.3, F.11).
func TestLibiscsiTools(t *testing.T) {
	for _, tool := range []string{"iscsi-ls", "iscsi-inq"} {
		if _, err := exec.LookPath(tool); err != nil {
			demand(t, []string{"libiscsi-bin"})
		}
	}
	env := servicetest.Start(t)
	host := map[string]string{} // with name and secret, by loader
	for _, auth := range []string{"none", "chap"} {
		env.Create(control.NewLoader{Name: auth, Auth: auth})
		c, err := env.Connection(t.Context(), control.LoaderRef{Loader: auth})
		if err != nil {
			t.Fatal(err)
		}
		host[auth] = env.Ready.ISCSI
		if c.CHAPName != "" {
			host[auth] = url.PathEscape(c.CHAPName) + "%" + url.PathEscape(c.CHAPSecret) + "@" + host[auth]
		}
		host[auth+" target"] = c.IQN
	}
	say := func(t *testing.T, name string, arg ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, arg...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(arg, " "), err, out)
		}
		return string(out)
	}
	t.Run("iscsi-ls finds both targets", func(t *testing.T) {
		out := say(t, "iscsi-ls", "iscsi://"+env.Ready.ISCSI)
		for _, auth := range []string{"none", "chap"} {
			if want := "Target:" + host[auth+" target"] + " "; !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	})
	for _, auth := range []string{"none", "chap"} {
		for unit, kind := range []string{"SEQUENTIAL_ACCESS", "MEDIA_CHANGER"} {
			t.Run("iscsi-inq "+auth+" "+kind, func(t *testing.T) {
				lun := "iscsi://" + host[auth] + "/" + host[auth+" target"] + "/" + string(rune('0'+unit))
				if out := say(t, "iscsi-inq", lun); !strings.Contains(out, kind) || !strings.Contains(out, "Removable:1") {
					t.Errorf("not removable, or no %s:\n%s", kind, out)
				}
				say(t, "iscsi-inq", "-e", "1", "-c", "0x83", lun)
			})
		}
	}
	t.Run("iscsi-inq with a wrong secret", func(t *testing.T) {
		lun := "iscsi://nobody%wrong-secret-123@" + env.Ready.ISCSI + "/" + host["chap target"] + "/0"
		out, err := exec.CommandContext(t.Context(), "iscsi-inq", lun).CombinedOutput()
		if err == nil {
			t.Errorf("was let in:\n%s", out)
		}
	})
}
