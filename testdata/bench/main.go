// Command bench measures a tape drive of ours beside tgtd's in the same run and
// prints the ratios that the README quotes: A B A B, medians, libiscsi as the
// client of both (libiscsi/tapeperf.c), tape files on the same file system.
//
// Run it with `make bench`; -dir names the folder for the tape files (default:
// memory, so that the data path is measured and not the disk).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

var (
	dirFlag    = flag.String("dir", "/dev/shm", "folder for the tape files of both targets")
	roundsFlag = flag.Int("rounds", 3, "runs of each measurement; the median counts")
	bytesFlag  = flag.Int64("bytes", 512<<20, "bytes in one run")
	binFlag    = flag.String("bin", "bin", "folder with vloader and vloaderd")
	blocksFlag = flag.String("blocks", "10240,65536,262144,1048576", "block lengths in bytes")
	depthsFlag = flag.String("depths", "1,8", "commands in flight")
)

// endpoint is where a target's tape drive answers.
type endpoint struct {
	portal, iqn  string
	lun          int
	user, secret string
	pid          int
	media        string // the tape's file, if it is written over in place
}

// sample is one run of tapeperf; cpuSeconds counts client and server.
type sample struct{ seconds, cpuSeconds, bytes float64 }

func (s sample) rate() float64     { return s.bytes / s.seconds / 1e6 }
func (s sample) cpuPerGB() float64 { return s.cpuSeconds / (s.bytes / 1e9) }

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	work, err := os.MkdirTemp(*dirFlag, "vloader-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	client := filepath.Join(work, "tapeperf")
	if out, err := exec.CommandContext(ctx, "gcc", "-O2", "-o", client, "testdata/bench/libiscsi/tapeperf.c", "-liscsi").CombinedOutput(); err != nil {
		return fmt.Errorf("build tapeperf: %w\n%s", err, out)
	}

	var servers []server
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.stop())
		}
	}()
	for _, start := range []func(context.Context, string) (server, error){startOurs, startTgtdTuned, startTgtdInstalled} {
		s, err := start(ctx, work)
		if err != nil {
			return err
		}
		servers = append(servers, s)
	}

	blocks, err := numbers(*blocksFlag)
	if err != nil {
		return err
	}
	depths, err := numbers(*depthsFlag)
	if err != nil {
		return err
	}

	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "block\tin flight\tdirection\tours MB/s\ttgtd tuned MB/s\tratio\ttgtd as installed MB/s\tratio\tCPU s/GB ours\ttgtd tuned\tratio\t")
	for _, block := range blocks {
		for _, depth := range depths {
			for _, direction := range []string{"write", "read"} {
				medians, err := measure(ctx, client, servers, direction, block, depth)
				if err != nil {
					return err
				}
				ours, tuned, installed := medians[0], medians[1], medians[2]
				fmt.Fprintf(table, "%s\t%d\t%s\t%.0f\t%.0f\t%.2f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t\n",
					blockName(block), depth, direction,
					ours.rate(), tuned.rate(), ours.rate()/tuned.rate(), installed.rate(), ours.rate()/installed.rate(),
					ours.cpuPerGB(), tuned.cpuPerGB(), ours.cpuPerGB()/tuned.cpuPerGB())
			}
		}
	}
	return table.Flush()
}

// measure runs one direction, block length and depth on every server in turn,
// as many rounds as asked for, and returns each server's median by rate.
func measure(ctx context.Context, client string, servers []server, direction string, block, depth int) ([]sample, error) {
	samples := make([][]sample, len(servers))
	for range *roundsFlag {
		for i, s := range servers {
			if direction == "read" {
				// The read must find what this block length wrote.
				if _, err := perf(ctx, client, s.endpoint, "write", block, depth); err != nil {
					return nil, fmt.Errorf("%s: %w", s.name, err)
				}
			}
			one, err := perf(ctx, client, s.endpoint, direction, block, depth)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			samples[i] = append(samples[i], one)
		}
	}
	medians := make([]sample, len(servers))
	for i, of := range samples {
		sort.Slice(of, func(a, b int) bool { return of[a].seconds < of[b].seconds })
		medians[i] = of[len(of)/2]
	}
	return medians, nil
}

// blank makes the tape empty, outside of what is measured: a write then finds
// new pages under its file on every target, whether the target frees what is
// written over (ours) or writes in place (tgtd).
func blank(ctx context.Context, client string, e endpoint) error {
	args := []string{e.portal, e.iqn, strconv.Itoa(e.lun), "blank", "1", "1", "1"}
	if e.user != "" {
		args = append(args, e.user, e.secret)
	}
	if out, err := exec.CommandContext(ctx, client, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("tapeperf blank: %w\n%s", err, out)
	}
	if e.media == "" {
		return nil
	}
	const head = 64 << 10 // more than the label and the filemark
	f, err := os.OpenFile(e.media, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, head, tapeBytes)
	return errors.Join(err, f.Close())
}

func perf(ctx context.Context, client string, e endpoint, direction string, block, depth int) (s sample, err error) {
	if direction == "write" {
		if err := blank(ctx, client, e); err != nil {
			return s, err
		}
	}
	count := *bytesFlag / int64(block)
	if limit := int64(40000); count > limit {
		count = limit
	}
	args := []string{e.portal, e.iqn, strconv.Itoa(e.lun), direction, strconv.Itoa(block), strconv.FormatInt(count, 10), strconv.Itoa(depth)}
	if e.user != "" {
		args = append(args, e.user, e.secret)
	}
	before, err := cpuSeconds(e.pid)
	if err != nil {
		return s, err
	}
	cmd := exec.CommandContext(ctx, client, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("tapeperf %s: %w", strings.Join(args[:7], " "), err)
	}
	after, err := cpuSeconds(e.pid)
	if err != nil {
		return s, err
	}
	if _, err := fmt.Sscan(string(out), &s.seconds, &s.cpuSeconds, &s.bytes); err != nil {
		return s, fmt.Errorf("tapeperf said %q: %w", out, err)
	}
	s.cpuSeconds += after - before
	return s, nil
}

// cpuSeconds is the user and system time a process has used, from
// /proc/PID/stat in ticks of 1/100 s.
func cpuSeconds(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100, errors.Join(err1, err2)
}

func numbers(list string) (ns []int, err error) {
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a list of positive numbers", list)
		}
		ns = append(ns, n)
	}
	return ns, nil
}

func blockName(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
