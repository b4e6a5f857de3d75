// Package host measures the machine that Fairlead runs on: processors, load, memory, network, pressure, and the file
// systems that its state and the engine's data lie on.
//
// It owns which of the kernel's numbers are kept. It must not know what runs on the machine. Where the kernel has no
// /proc, only file systems are measured.
package host

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"github.com/fairlead/fairlead/observability"
)

// Options say what to measure.
type Options struct {
	Proc string // where the kernel's numbers are; default /proc
	// Folders returns the folders whose file systems are measured, by what they are for: "state", "engine". It is asked
	// each time, since the engine may not have answered yet.
	Folders func(ctx context.Context) map[string]string
}

// Host is the machine.
type Host struct{ options Options }

// New returns the machine's measures.
func New(options Options) *Host {
	if options.Proc == "" {
		options.Proc = procfs.DefaultMountPoint
	}
	return &Host{options: options}
}

// Sample takes one sample of every measure that this kernel has.
func (h *Host) Sample(ctx context.Context, now time.Time) ([]observability.Sample, error) {
	t := &taker{now: now}
	if h.options.Folders != nil {
		for name, folder := range h.options.Folders(ctx) {
			t.fileSystem(name, folder)
		}
	}
	proc, err := procfs.NewFS(h.options.Proc)
	if err != nil {
		return t.out, nil // another kernel
	}
	for _, take := range []func(procfs.FS) error{t.processors, t.load, t.memory, t.network} {
		if err := take(proc); err != nil {
			return t.out, fmt.Errorf("measure the host: %w", err)
		}
	}
	t.pressure(proc)
	return t.out, nil
}

// taker collects the samples of one look.
type taker struct {
	now time.Time
	out []observability.Sample
}

func (t *taker) add(name string, value float64, labels ...string) {
	s := observability.Sample{Name: name, At: t.now, Value: value}
	for i := 0; i < len(labels); i += 2 {
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		s.Labels[labels[i]] = labels[i+1]
	}
	t.out = append(t.out, s)
}

func (t *taker) processors(proc procfs.FS) error {
	stat, err := proc.Stat()
	if err != nil {
		return err
	}
	all := stat.CPUTotal
	for mode, seconds := range map[string]float64{
		"user": all.User, "nice": all.Nice, "system": all.System, "idle": all.Idle, "iowait": all.Iowait, "irq": all.IRQ,
		"softirq": all.SoftIRQ, "steal": all.Steal,
	} {
		t.add(observability.MetricHostCPU, seconds, "mode", mode)
	}
	t.add(observability.MetricHostCPUs, float64(len(stat.CPU)))
	return nil
}

func (t *taker) load(proc procfs.FS) error {
	load, err := proc.LoadAvg()
	if err != nil {
		return err
	}
	t.add(observability.MetricHostLoad, load.Load1, "window", "1m")
	t.add(observability.MetricHostLoad, load.Load5, "window", "5m")
	t.add(observability.MetricHostLoad, load.Load15, "window", "15m")
	return nil
}

func (t *taker) memory(proc procfs.FS) error {
	m, err := proc.Meminfo()
	if err != nil {
		return err
	}
	for kind, bytes := range map[string]*uint64{
		"total": m.MemTotalBytes, "available": m.MemAvailableBytes, "swap_total": m.SwapTotalBytes, "swap_free": m.SwapFreeBytes,
	} {
		if bytes != nil {
			t.add(observability.MetricHostMemory, float64(*bytes), "kind", kind)
		}
	}
	return nil
}

func (t *taker) network(proc procfs.FS) error {
	devices, err := proc.NetDev()
	if err != nil {
		return err
	}
	for name, d := range devices {
		if ofContainers(name) {
			continue
		}
		t.add(observability.MetricHostNetRx, float64(d.RxBytes), "device", name)
		t.add(observability.MetricHostNetTx, float64(d.TxBytes), "device", name)
	}
	return nil
}

// ofContainers reports whether a device carries the traffic of containers or of the host with itself, which would be
// counted twice.
func ofContainers(device string) bool {
	for _, prefix := range []string{"lo", "veth", "br-", "docker", "cni", "flannel", "virbr"} {
		if strings.HasPrefix(device, prefix) {
			return true
		}
	}
	return false
}

// pressure is there from Linux 4.20 on, unless it was turned off.
func (t *taker) pressure(proc procfs.FS) {
	for _, resource := range []string{"cpu", "memory", "io"} {
		stats, err := proc.PSIStatsForResource(resource)
		if err != nil {
			continue
		}
		for kind, line := range map[string]*procfs.PSILine{"some": stats.Some, "full": stats.Full} {
			if line != nil {
				t.add(observability.MetricHostPressure, (time.Duration(line.Total) * time.Microsecond).Seconds(), "resource", resource, "kind", kind)
			}
		}
	}
}

// fileSystem measures the one below a folder; a folder that is not there has none.
func (t *taker) fileSystem(name, folder string) {
	var stat syscall.Statfs_t
	if folder == "" || syscall.Statfs(folder, &stat) != nil {
		return
	}
	block := float64(stat.Bsize)
	t.add(observability.MetricFSSize, float64(stat.Blocks)*block, "folder", name)
	// What an ordinary process may still write, not root's reserve.
	t.add(observability.MetricFSFree, float64(stat.Bavail)*block, "folder", name)
	if stat.Files > 0 { // btrfs makes inodes as it needs them
		t.add(observability.MetricFSInodes, float64(stat.Files), "folder", name)
		t.add(observability.MetricFSInodesFree, float64(stat.Ffree), "folder", name)
	}
}
