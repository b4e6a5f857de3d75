package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// The live half of the log bench: real containers print lines that carry the time they were printed at, through the
// engine, the collector and the store of a real server, to a client of its API.
const (
	writers     = 4      // containers, as many as the service has replicas
	calmRate    = 100    // lines a second of all of them while latency is measured
	floodRate   = 50_000 // while memory is
	calmFor     = 20 * time.Second
	floodFor    = 15 * time.Second
	writerBlue  = "project: shop\nservices:\n  - name: api\n    type: worker\n    command: [/app, lines]\n    replicas: 4\n"
	floodPause  = 2 * time.Millisecond
	searchEvery = 5 * time.Millisecond
)

// printLines is the application of the log bench: it prints RATE lines a second until it is stopped.
func printLines() int {
	rate, err := strconv.Atoi(os.Getenv("RATE"))
	if err != nil || rate <= 0 {
		rate = calmRate / writers
	}
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	began, n := time.Now(), 0
	pace := time.NewTicker(max(floodPause, time.Second/time.Duration(rate)))
	for range pace.C {
		for due := int(time.Since(began).Seconds() * float64(rate)); n < due; n++ {
			fmt.Fprintf(out, `{"level":"info","msg":"request served","printed":"%d","n":%d,"path":"/v1/predict","status":200,"took_ms":%d}`+"\n", time.Now().UnixNano(), n, n%90)
		}
		if out.Flush() != nil {
			return 1
		}
	}
	return 0
}

// live measures the latencies of single lines, then the server's memory under a flood.
func (w *world) live(ctx context.Context) ([]figure, error) {
	if err := w.deployWriter(ctx); err != nil {
		return nil, err
	}
	searched, followed, err := w.latencies(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "one line at a time: %d lines searched for, %d followed\n", len(searched), len(followed))
	peak, lines, err := w.flood(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "under the flood: %.0f lines/s stored, %.0f MB resident\n", lines, peak)
	memory := atMost("memory of the server at 50k lines/s", peak, "MB", 400, 250, map[string]float64{"lines/s stored": lines})
	if least := 0.9 * floodRate; lines < least {
		fmt.Fprintf(os.Stderr, "only %.0f lines/s came through while memory was measured; the figure is of %.0f\n", lines, least)
		memory.Met = false
	}
	return []figure{
		atMost("container stdout to searchable, p99", milliseconds(quantile(searched, 0.99)), "ms", 1500, 300, map[string]float64{"p50": milliseconds(quantile(searched, 0.5))}),
		atMost("follow latency, p99", milliseconds(quantile(followed, 0.99)), "ms", 200, 50, map[string]float64{"p50": milliseconds(quantile(followed, 0.5))}),
		memory,
	}, nil
}

func (w *world) deployWriter(ctx context.Context) error {
	if out, code := w.fairlead(ctx, "project", "create", "-f", "fairlead.yaml"); code != 0 {
		return fmt.Errorf("create the project: %s", out)
	}
	if _, err := w.git(ctx, "init", "-q", "-b", "main"); err != nil {
		return err
	}
	if _, err := w.git(ctx, "remote", "add", "fairlead", fmt.Sprintf("http://bench:%s@%s/git/%s.git", w.token, w.api, benchProject)); err != nil {
		return err
	}
	sha, _, err := w.push(ctx, "Print lines")
	if err != nil {
		return err
	}
	d, err := w.settled(ctx, serviceAPI, sha, 2*time.Minute)
	if err == nil && d.Phase != platform.PhaseLive {
		err = fmt.Errorf("the deploy is %s%s", d.Phase, failureWords(d))
	}
	return err
}

// latencies follows the lines and, beside that, searches for the newest one again and again.
func (w *world) latencies(ctx context.Context) (searched, followed []time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, calmFor)
	defer cancel()
	var following sync.WaitGroup
	var followErr error
	began := time.Now()
	following.Go(func() {
		followErr = w.client.FollowLogs(ctx, observability.LogQuery{Project: benchProject, Service: serviceAPI, Limit: 1}, func(l observability.Line) error {
			if at, ok := printedAt(l); ok && at.After(began.Add(time.Second)) {
				followed = append(followed, time.Since(at))
			}
			return nil
		})
	})
	var newest time.Time
	pace := time.NewTicker(searchEvery)
	defer pace.Stop()
	for ctx.Err() == nil {
		page, err := w.client.SearchLogs(ctx, observability.LogQuery{Project: benchProject, Service: serviceAPI, From: time.Now().Add(-10 * time.Second), Backward: true, Limit: calmRate})
		if err != nil && ctx.Err() == nil {
			return nil, nil, err
		}
		now, before := time.Now(), newest
		for _, l := range page.Lines {
			at, ok := printedAt(l)
			if !ok || !at.After(before) {
				continue
			}
			if !before.IsZero() {
				searched = append(searched, now.Sub(at)) // it was not there one search ago
			}
			if at.After(newest) {
				newest = at
			}
		}
		select {
		case <-ctx.Done():
		case <-pace.C:
		}
	}
	following.Wait()
	if followErr != nil && !errors.Is(followErr, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, nil, followErr
	}
	if len(searched) < calmRate || len(followed) < calmRate {
		return nil, nil, fmt.Errorf("only %d lines were found and %d followed in %s", len(searched), len(followed), calmFor)
	}
	return searched, followed, nil
}

func printedAt(l observability.Line) (time.Time, bool) {
	nanos, err := strconv.ParseInt(l.Fields["printed"], 10, 64)
	return time.Unix(0, nanos), err == nil
}

// flood raises the rate by a deploy, and returns the peak of the server's resident memory in MB and the lines stored a second.
func (w *world) flood(ctx context.Context) (peak, rate float64, err error) {
	set, err := w.client.SetEnv(ctx, platform.SetEnvRequest{SlotRef: slot(serviceAPI), Set: []platform.Variable{{Key: "RATE", Value: strconv.Itoa(floodRate / writers)}}})
	if err != nil {
		return 0, 0, err
	}
	d, err := w.reaches(ctx, set.Deploy.ID, platform.PhaseLive)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for time.Since(began) < floodFor {
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-pace.C:
		}
		resident, err := residentMB(w.server.Process.Pid)
		if err != nil {
			return 0, 0, err
		}
		peak = max(peak, resident)
	}
	rate, err = w.storedRate(ctx, d.ReleaseNumber)
	return peak, rate, err
}

// storedRate returns how many lines a second of a release could be found by now, of all its instances.
func (w *world) storedRate(ctx context.Context, release int) (float64, error) {
	containers, err := w.engine.List(ctx, map[string]string{runtime.LabelReleaseNo: strconv.Itoa(release), runtime.LabelRole: runtime.RoleInstance})
	if err != nil {
		return 0, err
	}
	if len(containers) != writers {
		return 0, fmt.Errorf("release %d has %d instances, not %d", release, len(containers), writers)
	}
	total := 0.0
	for _, c := range containers {
		rate, err := w.instanceRate(ctx, c.Labels[runtime.LabelInstance])
		if err != nil {
			return 0, err
		}
		total += rate
	}
	return total, nil
}

// instanceRate returns how many lines a second of an instance could be found by now: the newest line's number, over the time
// since the first was printed.
func (w *world) instanceRate(ctx context.Context, instance string) (float64, error) {
	var ends [2]observability.Line
	for i := range ends {
		page, err := w.client.SearchLogs(ctx, observability.LogQuery{Project: benchProject, Service: serviceAPI, Instance: instance, Text: "request served", Backward: i == 1, Limit: 1})
		if err != nil {
			return 0, err
		}
		if len(page.Lines) == 0 {
			return 0, fmt.Errorf("no line of %s can be found after %s of %d lines a second", instance, floodFor, floodRate)
		}
		ends[i] = page.Lines[0]
	}
	n, err := strconv.Atoi(ends[1].Fields["n"])
	if err != nil {
		return 0, fmt.Errorf("read the number of a line: %w", err)
	}
	return float64(n) / time.Since(ends[0].At).Seconds(), nil
}

// residentMB reads VmRSS of a process, in units of 10^6 bytes.
func residentMB(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the server's memory: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kib * 1024 / 1e6, err
		}
	}
	return 0, errors.New("the server's memory is not told")
}
