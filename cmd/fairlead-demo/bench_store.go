package main

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/parse"
	"github.com/fairlead/fairlead/platform/secret"
)

// The other half of the log bench: a day of lines of twenty services, as their processes wrote them, in the store.
const (
	storedLines  = 10_000_000
	storedOver   = 24 * time.Hour
	storedBatch  = 2048
	services     = 20
	rareWord     = "quetzalcoatl"
	rareCount    = 10
	searchRounds = 30
	parsedLines  = 400_000
)

// corpus writes the lines of the bench. Number and seed give the same line each time.
type corpus struct {
	from time.Time
	step time.Duration
	rare map[int]bool
}

func newCorpus(lines int) *corpus {
	c := &corpus{from: time.Now().Add(-storedOver).Truncate(time.Second), step: storedOver / time.Duration(lines), rare: map[int]bool{}}
	for i := range rareCount {
		c.rare[(2*i+1)*lines/(2*rareCount)] = true
	}
	return c
}

// A # stands for a number.
var (
	corpusPaths = []string{"/v1/predict", "/v1/embed", "/v1/users/#/items", "/healthz", "/v1/models/#"}
	corpusWords = []string{"request served", "cache miss, asking the feature store", "batch of # scored", "token refreshed for user #", "queue depth #"}
)

// text is line n as a process wrote it: one in a hundred is an error, one in twenty a warning.
func (c *corpus) text(n int, buf []byte) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	number := func(text string, below int) string { return strings.Replace(text, "#", strconv.Itoa(r.IntN(below)), 1) }
	level, message := "info", number(corpusWords[r.IntN(len(corpusWords))], 10_000)
	switch kind := r.IntN(100); {
	case c.rare[n]:
		message += " for customer " + rareWord
	case kind == 0:
		level, message = "error", number("upstream connect error: connection refused by 10.0.7.#", 255)
	case kind < 6:
		level, message = "warn", number("slow request took #ms", 5000)
	}
	return fmt.Appendf(buf[:0], `{"ts":%q,"level":%q,"msg":%q,"path":%q,"status":%d,"took_ms":%d,"trace_id":"%016x%016x"}`,
		c.at(n).Format(time.RFC3339Nano), level, message, number(corpusPaths[r.IntN(len(corpusPaths))], 100_000), 200+n%3, r.IntN(300), r.Uint64(), r.Uint64())
}

func (c *corpus) at(n int) time.Time { return c.from.Add(time.Duration(n) * c.step) }

func (c *corpus) service(n int) string { return "service-" + strconv.Itoa(n%services) }

// store measures ingestion, disk and searches of the embedded store.
func store(ctx context.Context, lines int) ([]figure, error) {
	dir, err := os.MkdirTemp("", "fairlead-bench-store-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	throughput, discarded, err := collecting(ctx, filepath.Join(dir, "throughput"))
	if err != nil {
		return nil, err
	}
	logs, err := embedded.OpenLogs(filepath.Join(dir, "logs"), embedded.LogOptions{})
	if err != nil {
		return nil, err
	}
	c := newCorpus(lines)
	raw, took, err := c.fill(ctx, logs, lines)
	if err == nil {
		fmt.Fprintf(os.Stderr, "stored %d lines, %d MB as written, in %s: %.0f lines/s\n", lines, raw/1e6, took.Round(time.Second), float64(lines)/took.Seconds())
	}
	var rare, errors []time.Duration
	if err == nil {
		rare, errors, err = c.search(ctx, logs, lines)
	}
	if err := logs.Close(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	disk, err := folderBytes(filepath.Join(dir, "logs"))
	if err != nil {
		return nil, err
	}
	return []figure{
		atLeast("collector, parse to store, one core", throughput/1000, "k lines/s", 100, 250, map[string]float64{"parse and redact alone": discarded / 1000}),
		atMost("rare word over 10 M lines, p95", milliseconds(quantile(rare, 0.95)), "ms", 250, 60, map[string]float64{"p50": milliseconds(quantile(rare, 0.5))}),
		atMost("last 100 errors of a service, 24 h, p95", milliseconds(quantile(errors, 0.95)), "ms", 50, 15, map[string]float64{"p50": milliseconds(quantile(errors, 0.5))}),
		atMost("bytes on disk per raw byte", float64(disk)/float64(raw), "", 0.25, 0.12, nil),
	}, nil
}

// collecting parses, redacts and stores lines on one core and returns lines a second of that core's time, with the
// store and without.
func collecting(ctx context.Context, dir string) (stored, discarded float64, err error) {
	logs, err := embedded.OpenLogs(dir, embedded.LogOptions{})
	if err != nil {
		return 0, 0, err
	}
	defer logs.Close()
	c := newCorpus(parsedLines)
	texts := make([][]byte, parsedLines)
	for n := range texts {
		texts[n] = append([]byte(nil), c.text(n, nil)...)
	}
	values := make([]string, 20)
	for i := range values {
		values[i] = fmt.Sprintf("a-secret-value-%02d-of-the-project", i)
	}
	redact := secret.NewValueRedactor(values).Redact
	base := c.base(0)
	run := func(keep func([]observability.Line) error) (float64, error) {
		var batch []observability.Line
		joiner := parse.NewJoiner(base, redact, func(l observability.Line) { batch = append(batch, l) })
		before := processorTime()
		for n, text := range texts {
			joiner.Add(parse.Part{At: c.at(n), Seq: uint64(n), Text: text})
			if len(batch) >= storedBatch {
				if err := keep(batch); err != nil {
					return 0, err
				}
				batch = batch[:0]
			}
		}
		joiner.Flush()
		err := keep(batch)
		return parsedLines / (processorTime() - before).Seconds(), err
	}
	if discarded, err = run(func([]observability.Line) error { return nil }); err != nil {
		return 0, 0, err
	}
	stored, err = run(func(batch []observability.Line) error { return logs.Append(ctx, batch) })
	return stored, discarded, err
}

// fill stores the corpus, and returns how many bytes its processes wrote.
func (c *corpus) fill(ctx context.Context, logs observability.Logs, lines int) (raw int64, took time.Duration, err error) {
	batches := make(chan []observability.Line, 2)
	ended := make(chan error, 1)
	began := time.Now()
	go func() {
		var err error
		for batch := range batches {
			if err == nil {
				err = logs.Append(ctx, batch)
			}
		}
		ended <- err
	}()
	var buf []byte
	batch := make([]observability.Line, 0, storedBatch)
	for n := range lines {
		buf = c.text(n, buf)
		raw += int64(len(buf)) + 1
		if batch = append(batch, parse.Text(c.base(n), string(buf), nil)); len(batch) == storedBatch || n == lines-1 {
			batches <- batch
			batch = make([]observability.Line, 0, storedBatch)
		}
	}
	close(batches)
	err = <-ended
	return raw, time.Since(began), err
}

// search asks for the rare word and for the last errors of each service in turn.
func (c *corpus) search(ctx context.Context, logs observability.Logs, lines int) (rare, errors []time.Duration, err error) {
	to := c.from.Add(storedOver)
	for round := range searchRounds {
		began := time.Now()
		page, err := logs.Query(ctx, observability.LogQuery{Project: "bench", Text: rareWord, From: c.from, To: to, Limit: 100})
		if err != nil {
			return nil, nil, err
		}
		if len(page.Lines) != rareCount {
			return nil, nil, fmt.Errorf("the rare word is in %d lines, and %d were found", rareCount, len(page.Lines))
		}
		rare = append(rare, time.Since(began))
		began = time.Now()
		page, err = logs.Query(ctx, observability.LogQuery{
			Project: "bench", Service: c.service(round), Levels: []observability.Level{observability.LevelError}, From: c.from, To: to, Backward: true, Limit: 100,
		})
		if err != nil {
			return nil, nil, err
		}
		if want := min(100, lines/100/services/2); len(page.Lines) < want {
			return nil, nil, fmt.Errorf("at least %d errors were expected, and %d were found", want, len(page.Lines))
		}
		errors = append(errors, time.Since(began))
	}
	return rare, errors, nil
}

// base is where line n comes from.
func (c *corpus) base(n int) observability.Line {
	return observability.Line{
		At: c.at(n), Seq: uint64(n), Project: "bench", Environment: "production", Service: c.service(n), Instance: "ins_" + c.service(n),
		Release: 1, Source: observability.SourceRuntime, Stream: "stdout",
	}
}

func folderBytes(dir string) (int64, error) {
	total := int64(0)
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// processorTime is what this process has used of its processors, in its own code and in the kernel.
func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// measureLogs is both halves.
func measureLogs(ctx context.Context, w *world) ([]figure, error) {
	figures, err := w.live(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := store(ctx, storedLines)
	return append(figures, stored...), err
}
