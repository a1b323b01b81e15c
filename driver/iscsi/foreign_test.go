package iscsi

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"virtualloader/driver/iscsi/initiator"
	"virtualloader/driver/scsi"
)

// tool finds a foreign program or skips the test; on CI, which installs them all,
// a missing one is a failure.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if path := filepath.Join(dir, name); dir != "" {
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				return path
			}
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed: packaging/deps.sh should have seen to that", name)
	}
	t.Skipf("%s is not installed: a foreign client or target cannot be tried", name)
	return ""
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(name), args, err, out)
	}
	return string(out)
}

func TestLibiscsiDiscoversAndAsks(t *testing.T) {
	list, inquire := tool(t, "iscsi-ls"), tool(t, "iscsi-inq")
	s := startServer(t, Config{}, Auth{})
	if out := output(t, list, "iscsi://"+s.address); !strings.Contains(out, "Target:"+testTarget+" Portal:"+s.address+",1") {
		t.Fatal(out)
	}
	for lun, kind := range []string{"SEQUENTIAL_ACCESS", "MEDIA_CHANGER"} {
		out := output(t, inquire, fmt.Sprintf("iscsi://%s/%s/%d", s.address, testTarget, lun))
		if !strings.Contains(out, "Peripheral Device Type:"+kind) || !strings.Contains(out, "VLTEST") {
			t.Fatal(out)
		}
	}
}

func TestLibiscsiProvesItself(t *testing.T) {
	inquire := tool(t, "iscsi-inq")
	s := startServer(t, Config{}, Auth{Name: "user", Secret: "forwardsecret", MutualName: "loader", MutualSecret: "backwardsecret"})
	url := fmt.Sprintf("iscsi://user%%%s@%s/%s/0", "forwardsecret", s.address, testTarget)
	if out := output(t, inquire, url); !strings.Contains(out, "SEQUENTIAL_ACCESS") {
		t.Fatal(out)
	}
	mutual := url + "?target_user=loader&target_password=backwardsecret"
	if out := output(t, inquire, mutual); !strings.Contains(out, "SEQUENTIAL_ACCESS") {
		t.Fatal(out)
	}
	digests := url + "?header_digest=crc32c"
	if out := output(t, inquire, digests); !strings.Contains(out, "SEQUENTIAL_ACCESS") {
		t.Fatal(out)
	}
	wrong := strings.Replace(url, "forwardsecret", "wrongsecret", 1)
	if out, err := exec.Command(inquire, wrong).CombinedOutput(); err == nil {
		t.Fatalf("a wrong secret was let in:\n%s", out)
	}
}

// startTgtd runs Debian's tgtd with one blank tape as LUN 1 and returns its portal.
func startTgtd(t *testing.T, target string) string {
	t.Helper()
	image, daemon, admin := tool(t, "tgtimg"), tool(t, "tgtd"), tool(t, "tgtadm")
	if os.Getuid() != 0 {
		t.Skip("tgtd wants to be root")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	portal := l.Addr().String()
	l.Close()
	medium := filepath.Join(t.TempDir(), "VL0001L6")
	output(t, image, "--op", "new", "--device-type", "tape", "--barcode", "VL0001L6", "--size", "256", "--type", "data", "--file", medium)
	control := strconv.Itoa(20000 + os.Getpid()%10000)
	cmd := exec.Command(daemon, "-f", "-C", control, "--iscsi", "portal="+portal)
	if err := cmd.Start(); err != nil {
		t.Skipf("tgtd does not start: %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	run := func(args ...string) error {
		return exec.Command(admin, append([]string{"-C", control, "--lld", "iscsi"}, args...)...).Run()
	}
	for end := time.Now().Add(10 * time.Second); run("--op", "show", "--mode", "target") != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Skip("tgtd does not answer on this machine")
		}
	}
	for _, args := range []string{
		"--op new --mode target --tid 1 -T " + target,
		"--op new --mode logicalunit --tid 1 --lun 1 --device-type tape -b " + medium,
		"--op update --mode logicalunit --tid 1 --lun 1 --params online=1,removable=1",
		"--op bind --mode target --tid 1 -I ALL",
	} {
		if err := run(strings.Fields(args)...); err != nil {
			t.Fatalf("tgtadm %s: %v", args, err)
		}
	}
	return portal
}

func TestOurInitiatorWritesToTgtd(t *testing.T) {
	const target = "iqn.2026-11.io.virtualloader.test:tgtd"
	portal := startTgtd(t, target)
	portals, err := initiator.Discover(t.Context(), initiator.Config{Address: portal})
	if err != nil || len(portals) != 1 || portals[0].Target != target {
		t.Fatal(portals, err)
	}
	session, err := initiator.Dial(t.Context(), initiator.Config{Address: portal, TargetName: target})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	drive := scsi.UnitNumber(1)
	in := make([]byte, 36)
	if r := execute(t, session, initiator.Command{LUN: drive, CDB: []byte{byte(scsi.Inquiry), 0, 0, 0, 36, 0}, In: in}); r.DataIn != 36 || in[0] != 1 {
		t.Fatalf("%+v % x", r, in)
	}
	for range 3 { // unit attentions
		execute(t, session, initiator.Command{LUN: drive, CDB: testUnitReady})
	}
	lengths := []int{512, 8192, 65536, 100000, 262144, 1 << 20}
	for i, n := range lengths {
		if r := execute(t, session, initiator.Command{LUN: drive, CDB: cdb6(scsi.Write6, 0, n), Out: pattern(uint64(i), n)}); r.Status != scsi.Good {
			t.Fatalf("write %d: %+v % x", n, r, r.Sense)
		}
	}
	execute(t, session, initiator.Command{LUN: drive, CDB: cdb6(scsi.WriteFilemarks6, 0, 1)})
	execute(t, session, initiator.Command{LUN: drive, CDB: cdb6(scsi.Rewind, 0, 0)})
	for i, n := range lengths {
		in := make([]byte, n)
		r := execute(t, session, initiator.Command{LUN: drive, CDB: cdb6(scsi.Read6, 0, n), In: in})
		if r.Status != scsi.Good || !bytes.Equal(in, pattern(uint64(i), n)) {
			t.Fatalf("read %d: %+v % x", n, r, r.Sense)
		}
	}
	if echo, err := session.Ping(t.Context(), []byte("ping")); err != nil || string(echo) != "ping" {
		t.Fatal(string(echo), err)
	}
	if err := session.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
}
