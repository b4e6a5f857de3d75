package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/parse"
)

// The other half of the log bench: ten million lines through the spool into the store, and what searches of them take.
// The peers get the first million: what they say stands beside what our store says of the same million.
const (
	benchLogs    = "bench" // the project
	storedLines  = 10_000_000
	peerLines    = 1_000_000
	storedBatch  = 2048
	mostWaiting  = 50_000 // lines in the spool, which drops some when it is full
	searchRounds = 30
	peerRounds   = 10
)

// held is what one store was found to do with some lines.
type held struct {
	raw, disk    int64 // bytes as written, and on disk
	rare, errors []time.Duration
}

func (h held) ratio() float64 { return float64(h.disk) / float64(h.raw) }

// store measures everything that needs no container.
func store(ctx context.Context) ([]figure, error) {
	dir, err := os.MkdirTemp("", "fairlead-bench-store-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	rate, err := collecting(ctx, dir)
	if err != nil {
		return nil, err
	}
	ratio, err := pushing(ctx, filepath.Join(dir, "push"))
	if err != nil {
		return nil, err
	}
	small, err := hold(ctx, filepath.Join(dir, "small"), newCorpus(peerLines), peerRounds)
	if err != nil {
		return nil, err
	}
	loki, tools, err := peers(ctx, filepath.Join(dir, "peers"))
	if err != nil {
		return nil, err
	}
	large, err := hold(ctx, filepath.Join(dir, "large"), newCorpus(storedLines), searchRounds)
	if err != nil {
		return nil, err
	}
	p95 := func(took []time.Duration) float64 { return milliseconds(quantile(took, 0.95)) }
	return []figure{
		atLeast("collector, parse to store, one core", rate.Stored/1000, "k lines/s", 100, 250, map[string]float64{
			"without the spool": rate.Direct / 1000, "parse and redact alone": rate.Nothing / 1000,
		}),
		ratio,
		atMost("rare word over 10 M lines, p95", p95(large.rare), "ms", 250, 60, map[string]float64{
			"p50": milliseconds(median(large.rare)), "1 M lines": p95(small.rare), "Loki, 1 M lines": p95(loki.rare), "grep, 1 M lines": p95(tools.rare),
		}),
		atMost("last 100 errors of a service, 24 h, p95", p95(large.errors), "ms", 50, 15, map[string]float64{
			"p50": milliseconds(median(large.errors)), "1 M lines": p95(small.errors), "Loki, 1 M lines": p95(loki.errors),
		}),
		atMost("bytes on disk per raw byte", large.ratio(), "", 0.25, 0.12, map[string]float64{
			"1 M lines": small.ratio(), "Loki, 1 M lines": loki.ratio(), tools.name + ", 1 M lines": tools.ratio(),
		}),
	}, nil
}

// hold stores a corpus as the server does, searches it, and weighs it.
func hold(ctx context.Context, dir string, c *corpus, rounds int) (held, error) {
	s, err := openStored(dir, true)
	if err != nil {
		return held{}, err
	}
	h := held{}
	began := time.Now()
	h.raw, err = c.fill(ctx, s)
	if err == nil {
		err = s.settle(ctx, c.lines, c.from)
	}
	if err == nil {
		took := time.Since(began)
		fmt.Fprintf(os.Stderr, "stored %d lines, %d MB as written, in %s: %.0f lines/s\n", c.lines, h.raw/1e6, took.Round(time.Second), float64(c.lines)/took.Seconds())
		h.rare, h.errors, err = c.search(ctx, s.logs, rounds)
	}
	if closed := s.close(); err == nil {
		err = closed
	}
	if err != nil {
		return held{}, err
	}
	h.disk, err = folderBytes(filepath.Join(dir, "logs"))
	return h, err
}

// fill stores the corpus, and returns how many bytes its processes wrote.
func (c *corpus) fill(ctx context.Context, s *stored) (raw int64, err error) {
	var buf []byte
	bases := c.bases()
	batch := make([]observability.Line, 0, storedBatch)
	for n := range c.lines {
		buf = c.text(n, buf)
		raw += int64(len(buf)) + 1
		base := bases[n%services]
		base.At = c.at(n)
		batch = append(batch, parse.Text(base, string(buf), nil))
		if len(batch) < storedBatch && n < c.lines-1 {
			continue
		}
		if err := s.logs.Append(ctx, batch); err != nil {
			return 0, err
		}
		clear(batch)
		batch = batch[:0]
		if err := s.below(ctx, mostWaiting); err != nil {
			return 0, err
		}
	}
	return raw, nil
}

// search asks for the rare word and for the last errors of each service in turn.
func (c *corpus) search(ctx context.Context, logs observability.Logs, rounds int) (rare, errors []time.Duration, err error) {
	for round := range rounds {
		began := time.Now()
		page, err := logs.Query(ctx, c.rareQuery())
		rare = append(rare, time.Since(began))
		if err != nil {
			return nil, nil, err
		}
		if len(page.Lines) != rareCount {
			return nil, nil, fmt.Errorf("the rare word is in %d lines, and %d were found", rareCount, len(page.Lines))
		}
		began = time.Now()
		page, err = logs.Query(ctx, c.errorsQuery(round))
		errors = append(errors, time.Since(began))
		if err != nil {
			return nil, nil, err
		}
		if len(page.Lines) != 100 {
			return nil, nil, fmt.Errorf("the last 100 errors were asked for, and %d were found", len(page.Lines))
		}
	}
	return rare, errors, nil
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

// measureLogs is both halves.
func measureLogs(ctx context.Context, w *world) ([]figure, error) {
	figures, err := w.live(ctx)
	if err != nil {
		return nil, err
	}
	w.close(false) // what comes next has the machine for itself
	*w = world{report: w.report}
	stored, err := store(ctx)
	return append(figures, stored...), err
}
