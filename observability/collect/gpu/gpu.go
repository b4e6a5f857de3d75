// Package gpu measures NVIDIA GPUs: use, memory, temperature, power, the errors that the driver reports, and how much
// of their memory each instance holds.
//
// It asks nvidia-smi, the driver's own program, by argv, and reads the kernel's log for Xid errors. It does not load
// libnvidia-ml itself: with CGO off that makes the whole binary need the C library's loader, and Fairlead is one static
// binary. On a host without the driver it is silent. Everything that reads output is pure.
package gpu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// Options say where things are. Zero values mean the usual places.
type Options struct {
	// Run runs nvidia-smi with arguments and returns what it printed; exec.ErrNotFound when it is not installed.
	Run func(ctx context.Context, args ...string) (string, error)
	// Log returns what the kernel logged since the call before; the first call returns nothing.
	Log func() (string, error)
	// Owner returns the labels of the instance that a process of this host belongs to; nil for none.
	Owner func(pid int) map[string]string
	Proc  string // default /proc
}

// GPUs are the devices of this host.
type GPUs struct {
	options Options
	absent  bool               // there is no driver: nothing is asked again
	xids    map[xidKey]float64 // counted since Fairlead started
}

type xidKey struct{ gpu, xid string }

// New returns the measures of this host's devices.
func New(options Options) *GPUs {
	if options.Run == nil {
		options.Run = runSMI
	}
	if options.Log == nil {
		options.Log = newKernelLog("/dev/kmsg").read
	}
	if options.Owner == nil {
		options.Owner = func(int) map[string]string { return nil }
	}
	if options.Proc == "" {
		options.Proc = "/proc"
	}
	return &GPUs{options: options, xids: map[xidKey]float64{}}
}

// runSMI runs the driver's program. Its output is bounded by how many devices and processes there are.
func runSMI(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "nvidia-smi", args...).Output()
	return string(out), err
}

// Sample takes one sample of every device. Without a driver it returns nothing, now and at every later call.
func (g *GPUs) Sample(ctx context.Context, now time.Time) ([]observability.Sample, error) {
	if g.absent {
		return nil, nil
	}
	if _, err := os.Stat(filepath.Join(g.options.Proc, "driver/nvidia")); errors.Is(err, fs.ErrNotExist) {
		g.absent = true // the driver is loaded at boot
		return nil, nil
	}
	text, err := g.options.Run(ctx, "--query-gpu="+deviceFields, "--format=csv,noheader,nounits")
	if errors.Is(err, exec.ErrNotFound) {
		g.absent = true
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask nvidia-smi for devices: %w", err)
	}
	devices := parseDevices(text)
	out := deviceSamples(devices, now)
	text, err = g.options.Run(ctx, "--query-compute-apps=gpu_uuid,pid,used_gpu_memory", "--format=csv,noheader,nounits")
	if err != nil {
		return out, fmt.Errorf("ask nvidia-smi for processes: %w", err)
	}
	out = append(out, g.holdings(parseHoldings(text), devices, now)...)
	text, err = g.options.Log()
	if err != nil {
		return out, fmt.Errorf("read the kernel's log for errors of GPUs: %w", err)
	}
	return append(out, g.errors(parseXids(text), devices, now)...), nil
}

func deviceSamples(devices []device, now time.Time) []observability.Sample {
	var out []observability.Sample
	for _, d := range devices {
		labels := map[string]string{"gpu": d.index, "model": d.model}
		for name, value := range map[string]*float64{
			observability.MetricGPUUse: d.use, observability.MetricGPUMemoryUsed: d.memoryUsed, observability.MetricGPUMemoryTotal: d.memoryTotal,
			observability.MetricGPUTemperature: d.temperature, observability.MetricGPUPower: d.power, observability.MetricGPUPowerLimit: d.powerLimit,
		} {
			if value != nil { // a device that does not measure it says [N/A]
				out = append(out, observability.Sample{Name: name, Labels: labels, At: now, Value: *value})
			}
		}
	}
	return out
}

// holdings sums the memory that the processes of each instance hold on each device.
func (g *GPUs) holdings(found []holding, devices []device, now time.Time) []observability.Sample {
	sums := map[string]*observability.Sample{}
	var out []*observability.Sample
	for _, h := range found {
		owner := g.options.Owner(h.pid)
		if owner == nil {
			continue
		}
		labels := map[string]string{"gpu": indexOf(devices, h.uuid)}
		for name, value := range owner {
			labels[name] = value
		}
		key := labels["gpu"] + " " + labels["instance"]
		if sums[key] == nil {
			sums[key] = &observability.Sample{Name: observability.MetricInstanceGPU, Labels: labels, At: now}
			out = append(out, sums[key])
		}
		sums[key].Value += h.bytes
	}
	samples := make([]observability.Sample, len(out))
	for i, s := range out {
		samples[i] = *s
	}
	return samples
}

// errors counts Xids; a device that had none has no sample.
func (g *GPUs) errors(found []xid, devices []device, now time.Time) []observability.Sample {
	for _, x := range found {
		g.xids[xidKey{deviceAt(devices, x.bus), strconv.Itoa(x.code)}]++
	}
	out := make([]observability.Sample, 0, len(g.xids))
	for key, n := range g.xids {
		out = append(out, observability.Sample{Name: observability.MetricGPUXid, Labels: map[string]string{"gpu": key.gpu, "xid": key.xid}, At: now, Value: n})
	}
	return out
}

func indexOf(devices []device, uuid string) string {
	for _, d := range devices {
		if d.uuid == uuid {
			return d.index
		}
	}
	return uuid
}

// deviceAt finds the device at a place of the bus. The kernel writes 0000:1b:00, nvidia-smi 00000000:1B:00.0.
func deviceAt(devices []device, bus string) string {
	for _, d := range devices {
		if strings.HasPrefix(strings.TrimPrefix(strings.ToLower(d.bus), "0000"), strings.ToLower(bus)) {
			return d.index
		}
	}
	return bus
}
