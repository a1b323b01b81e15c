package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const tapeBytes = 8 << 30

// server is one running target with a blank tape in its drive.
type server struct {
	name string
	endpoint
	process *exec.Cmd
}

// stop kills the server and waits for it. tgtd does not end on SIGTERM while
// targets are defined.
func (s server) stop() error {
	if err := s.process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	s.process.Wait()
	return nil
}

// freePort asks the kernel for a loopback port nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startOurs runs vloaderd with one loader and loads its first tape.
func startOurs(ctx context.Context, work string) (s server, err error) {
	s.name = "ours"
	if s.portal, err = freePort(); err != nil {
		return s, err
	}
	control := filepath.Join(work, "control.sock")
	s.process = exec.Command(filepath.Join(*binFlag, "vloaderd"), "run", "--state", filepath.Join(work, "state"), "--iscsi", s.portal, "--control", control)
	stdout, err := s.process.StdoutPipe()
	if err != nil {
		return s, err
	}
	if err := s.process.Start(); err != nil {
		return s, fmt.Errorf("start vloaderd (run `make build` first): %w", err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		return s, errors.Join(fmt.Errorf("vloaderd is not ready: %w", err), s.stop())
	}
	s.pid = s.process.Process.Pid

	vloader := func(args ...string) ([]byte, error) {
		out, err := exec.CommandContext(ctx, filepath.Join(*binFlag, "vloader"), append([]string{"--control", control}, args...)...).CombinedOutput()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("vloader %s: %w\n%s", strings.Join(args, " "), err, out), s.stop())
		}
		return out, nil
	}
	for _, args := range [][]string{
		{"loader", "create", "bench", "--folder", filepath.Join(work, "ours"), "--capacity", strconv.Itoa(tapeBytes), "--auth", "none"},
		{"load", "bench"},
	} {
		if _, err := vloader(args...); err != nil {
			return s, err
		}
	}
	out, err := vloader("connection", "bench", "--json")
	if err != nil {
		return s, err
	}
	var connection struct {
		IQN string `json:"iqn"`
	}
	if err := json.Unmarshal(out, &connection); err != nil || connection.IQN == "" {
		return s, errors.Join(fmt.Errorf("vloader connection said %s", out), err, s.stop())
	}
	s.iqn = connection.IQN
	return s, nil
}

func startTgtdTuned(ctx context.Context, work string) (server, error) {
	return startTgtd(ctx, work, "tgtd tuned", 1, []string{
		"MaxRecvDataSegmentLength=262144", "MaxXmitDataSegmentLength=262144", "FirstBurstLength=262144",
		"MaxBurstLength=1048576", "InitialR2T=No", "ImmediateData=Yes",
	}, "MALLOC_TRIM_THRESHOLD_=1073741824", "MALLOC_MMAP_THRESHOLD_=536870912", "MALLOC_TOP_PAD_=67108864")
}

func startTgtdInstalled(ctx context.Context, work string) (server, error) {
	return startTgtd(ctx, work, "tgtd as installed", 2, nil)
}

// startTgtd runs a tgtd of its own (control number base + n) with one tape
// drive as LUN 1.
func startTgtd(ctx context.Context, work, name string, n int, parameters []string, environment ...string) (s server, err error) {
	s.name = name
	if s.portal, err = freePort(); err != nil {
		return s, err
	}
	s.iqn, s.lun = "iqn.2026-11.io.virtualloader.bench:tgtd", 1
	number := strconv.Itoa(os.Getpid()%20000 + n)
	media := filepath.Join(work, "VL0001L"+strconv.Itoa(n))
	if out, err := exec.CommandContext(ctx, "tgtimg", "--op", "new", "--device-type", "tape", "--barcode", filepath.Base(media), "--size", strconv.Itoa(tapeBytes>>20), "--type", "data", "--file", media).CombinedOutput(); err != nil {
		return s, fmt.Errorf("tgtimg: %w\n%s", err, out)
	}
	s.media = media
	s.process = exec.Command("tgtd", "-f", "-C", number, "--iscsi", "portal="+s.portal)
	s.process.Env = append(os.Environ(), environment...)
	if err := s.process.Start(); err != nil {
		return s, err
	}
	s.pid = s.process.Process.Pid

	tgtadm := func(args ...string) error {
		args = append([]string{"-C", number, "--lld", "iscsi"}, args...)
		if out, err := exec.CommandContext(ctx, "tgtadm", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("tgtadm %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err = tgtadm("--op", "show", "--mode", "target"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return s, errors.Join(err, s.stop())
		}
	}
	steps := [][]string{{"--op", "new", "--mode", "target", "--tid", "1", "-T", s.iqn}}
	for _, p := range parameters {
		key, value, _ := strings.Cut(p, "=")
		steps = append(steps, []string{"--op", "update", "--mode", "target", "--tid", "1", "--name", key, "--value", value})
	}
	steps = append(steps,
		[]string{"--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", media, "--device-type", "tape"},
		[]string{"--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--params", "online=1,removable=1"},
		[]string{"--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL"})
	for _, step := range steps {
		if err := tgtadm(step...); err != nil {
			return s, errors.Join(err, s.stop())
		}
	}
	return s, nil
}
