package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/parse"
	"github.com/fairlead/fairlead/observability/spool"
	"github.com/fairlead/fairlead/platform/heap"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/secret"
)

// The throughput of the collector on one core: a container that has said much already is read to its end through the
// collector, its parser and redactor, the spool and the store, in a process of its own that has one core. What counts is
// the processor time of that process, so that nothing else on the machine changes the figure.
const (
	collectedLines  = 400_000
	collectedRounds = 3
	collectedID     = "bench"
)

// throughput is what that process says, in lines for each second of its core.
type throughput struct {
	Stored  float64 `json:"stored"`  // to the store, as the server does
	Direct  float64 `json:"direct"`  // without the spool between
	Nothing float64 `json:"nothing"` // parsed and redacted, and thrown away
}

// collecting runs the process and returns the median of its rounds.
func collecting(ctx context.Context, dir string) (throughput, error) {
	self, err := os.Executable()
	if err != nil {
		return throughput{}, err
	}
	var stored, direct, nothing []float64
	for range collectedRounds {
		cmd := exec.CommandContext(ctx, self, "collect", dir)
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return throughput{}, fmt.Errorf("measure the collector: %w", err)
		}
		var t throughput
		if err := json.Unmarshal(out, &t); err != nil {
			return throughput{}, fmt.Errorf("read what the collector's process measured: %w", err)
		}
		fmt.Fprintf(os.Stderr, "collector on one core: %.0f lines/s to the store, %.0f without the spool, %.0f parsed only\n", t.Stored, t.Direct, t.Nothing)
		stored, direct, nothing = append(stored, t.Stored), append(direct, t.Direct), append(nothing, t.Nothing)
	}
	return throughput{middle(stored), middle(direct), middle(nothing)}, nil
}

// collectHere is that process.
func collectHere(dir string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	go func() { _ = heap.Run(ctx) }() // as in a server
	t, err := measureCollector(ctx, dir)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(t)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func measureCollector(ctx context.Context, dir string) (t throughput, err error) {
	engine, err := newSaid(collectedLines)
	if err != nil {
		return t, err
	}
	t.Nothing = perSecond(engine, func() error {
		joiner := parse.NewJoiner(observability.Line{Project: benchLogs}, benchRedactor(), func(observability.Line) {})
		for n := range engine.at {
			frame := engine.frame(n)
			joiner.Add(parse.Part{At: frame.At, Text: frame.Line})
		}
		joiner.Flush()
		return nil
	}, &err)
	t.Direct = perSecond(engine, func() error { return collectInto(ctx, engine, dir, false) }, &err)
	t.Stored = perSecond(engine, func() error { return collectInto(ctx, engine, dir, true) }, &err)
	return t, err
}

func perSecond(engine *said, do func() error, failed *error) float64 {
	before := processorTime()
	err := do()
	*failed = errors.Join(*failed, err)
	return float64(len(engine.at)) / (processorTime() - before).Seconds()
}

// collectInto collects everything the container said into a new store, and closes it.
func collectInto(ctx context.Context, engine *said, dir string, spooled bool) error {
	dir, err := os.MkdirTemp(dir, "collect-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := openStored(dir, spooled)
	if err != nil {
		return err
	}
	collector, err := collect.New(collect.Options{
		Engine: engine, Logs: undoubted{s.logs}, Hub: observability.NewHub(), CursorDir: filepath.Join(dir, "cursors"),
		Redactor: func(string) func(string) string { return benchRedactor() }, DrainTimeout: time.Minute,
	})
	if err != nil {
		return errors.Join(err, s.close())
	}
	running, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { _ = collector.Run(running) })
	err = collector.DrainedContainer(ctx, collectedID)
	stop()
	work.Wait()
	if err == nil {
		err = s.settle(ctx, len(engine.at), engine.from)
	}
	return errors.Join(err, s.close())
}

// undoubted is a store that says nothing of what it may lose, as the one behind a spool is to the collector: otherwise the
// collector keeps the end of a container's output aside.
type undoubted struct{ observability.Logs }

// AppendNormal is that of the store.
func (u undoubted) AppendNormal(ctx context.Context, lines []observability.Line) error {
	return observability.AppendNormal(ctx, u.Logs, lines)
}

// benchRedactor looks for twenty secrets, as many as a project of some size has.
func benchRedactor() parse.Redact {
	values := make([]string, 20)
	for i := range values {
		values[i] = fmt.Sprintf("a-secret-value-%02d-of-the-project", i)
	}
	return secret.NewValueRedactor(values).Redact
}

// stored is the store that a server has: one for each project, behind a spool unless told otherwise.
type stored struct {
	logs     observability.Logs // what lines are appended to
	projects *embedded.ProjectLogs
	spool    *spool.Spool // nil without one
	stop     context.CancelFunc
	draining sync.WaitGroup
}

func openStored(dir string, spooled bool) (*stored, error) {
	projects, err := embedded.OpenProjectLogs(filepath.Join(dir, "logs"), embedded.LogOptions{})
	if err != nil {
		return nil, err
	}
	s := &stored{logs: projects, projects: projects, stop: func() {}}
	if !spooled {
		return s, nil
	}
	if s.spool, err = spool.Open(spool.Options{Dir: filepath.Join(dir, "spool"), Target: projects}); err != nil {
		return nil, errors.Join(err, projects.Close())
	}
	s.logs = s.spool
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.draining.Go(func() { _ = s.spool.Run(ctx) })
	return s, nil
}

// waiting returns how many lines the store has not taken yet.
func (s *stored) waiting() uint64 {
	if s.spool == nil {
		return 0
	}
	return s.spool.Stats().Lines
}

// settle waits until no more than some lines wait, and none when it also counts that all are there since a time.
func (s *stored) settle(ctx context.Context, lines int, since time.Time) error {
	if err := s.below(ctx, 0); err != nil {
		return err
	}
	counts, err := s.logs.Count(ctx, observability.LogQuery{Project: benchLogs, From: since.Truncate(time.Hour)}, time.Hour)
	if err != nil {
		return err
	}
	found := int64(0)
	for _, c := range counts {
		found += c.Lines
	}
	if found != int64(lines) {
		return fmt.Errorf("%d lines were stored, and %d are counted", lines, found)
	}
	return nil
}

// below waits until no more than most lines wait for the store.
func (s *stored) below(ctx context.Context, most uint64) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for s.waiting() > most {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (s *stored) close() error {
	s.stop()
	s.draining.Wait()
	err := s.projects.Close()
	if s.spool != nil {
		err = errors.Join(err, s.spool.Close())
	}
	return err
}

// said is an engine with one container that ended, and what it said, kept where the garbage collector does not count it: an
// engine's own memory is in another process.
type said struct {
	container runtime.Container
	from      time.Time
	at        []int64 // since from
	text      []byte  // not of the heap
	ends      []int   // of each line in text
}

// saidBytes is more than a line of the corpus has.
const saidBytes = 256

func newSaid(lines int) (*said, error) {
	c := newCorpus(lines)
	memory, err := syscall.Mmap(-1, 0, lines*saidBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("keep what the container said: %w", err)
	}
	s := &said{from: c.from, at: make([]int64, lines), text: memory[:0:len(memory)], ends: make([]int, lines), container: runtime.Container{
		ID: collectedID, StartedAt: c.from, EndedAt: c.from.Add(corpusOver), Labels: map[string]string{
			runtime.LabelProject: benchLogs, runtime.LabelEnvironment: "production", runtime.LabelService: serviceAPI, runtime.LabelReleaseNo: "1",
			runtime.LabelDeploy: "dep_bench", runtime.LabelInstance: "ins_bench", runtime.LabelRole: runtime.RoleInstance,
		},
	}}
	var buf []byte
	for n := range s.at {
		buf = c.text(n, buf)
		s.text = append(s.text, buf...)
		s.at[n], s.ends[n] = int64(c.at(n).Sub(c.from)), len(s.text)
	}
	return s, nil
}

func (s *said) frame(n int) runtime.LogFrame {
	begin := 0
	if n > 0 {
		begin = s.ends[n-1]
	}
	return runtime.LogFrame{At: s.from.Add(time.Duration(s.at[n])).UTC(), Stream: "stdout", Line: s.text[begin:s.ends[n]]}
}

// List returns the container.
func (s *said) List(context.Context, map[string]string) ([]runtime.Container, error) {
	return []runtime.Container{s.container}, nil
}

// Logs yields what the container said.
func (s *said) Logs(_ context.Context, _ string, options runtime.LogOptions, yield func(runtime.LogFrame) error) error {
	for n := range s.at {
		frame := s.frame(n)
		if frame.At.Before(options.Since) {
			continue
		}
		if err := yield(frame); err != nil {
			return err
		}
	}
	return nil
}

// Watch tells nothing.
func (s *said) Watch(ctx context.Context, _ func(runtime.Event)) error {
	<-ctx.Done()
	return ctx.Err()
}

// Stats knows nothing.
func (s *said) Stats(context.Context, string) (runtime.Stats, error) { return runtime.Stats{}, nil }

// processorTime is what this process has used of its processors, in its own code and in the kernel.
func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
