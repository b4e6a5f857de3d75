package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/observability/loki/lokitest"
	"github.com/fairlead/fairlead/observability/parse"
)

// tools are what everybody has: grep over a file of lines, and the file packed.
type tools struct {
	held
	name string // of what packed it
}

// peers shows what a real Loki and everyday tools do with the first million lines.
func peers(ctx context.Context, dir string) (held, tools, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return held{}, tools{}, err
	}
	c := newCorpus(peerLines)
	by, err := c.byTools(ctx, dir)
	if err != nil {
		return held{}, tools{}, err
	}
	in, err := c.inLoki(ctx, dir)
	in.raw = by.raw
	return in, by, err
}

// inLoki ships the lines to a Loki as an agent would, as the text that was written with the level as a label, and asks
// what our store is asked.
func (c *corpus) inLoki(ctx context.Context, dir string) (held, error) {
	server, err := lokitest.Launch(ctx, dir)
	if err != nil {
		return held{}, err
	}
	defer server.Kill()
	logs, err := loki.Open(loki.Options{URL: server.URL(), Tenant: benchLogs, Parallel: pushParallel})
	if err != nil {
		return held{}, err
	}
	defer logs.Close()
	began, bases := time.Now(), c.bases()
	batch := make([]observability.Line, 0, 8*pushBatch)
	for n := range c.lines {
		base := bases[n%services]
		base.At = c.at(n)
		line := parse.Text(base, string(c.text(n, nil)), nil)
		line.Message, line.Raw, line.Fields, line.Deploy = line.Raw, "", nil, ""
		if batch = append(batch, line); len(batch) < cap(batch) && n < c.lines-1 {
			continue
		}
		if err := logs.Append(ctx, batch); err != nil {
			return held{}, err
		}
		batch = batch[:0]
	}
	fmt.Fprintf(os.Stderr, "Loki has %d lines after %s\n", c.lines, time.Since(began).Round(time.Second))
	h := held{}
	if h.rare, h.errors, err = c.search(ctx, logs, peerRounds); err != nil {
		return held{}, fmt.Errorf("search in Loki: %w", err)
	}
	h.disk, err = server.Flushed(ctx)
	return h, err
}

// byTools writes the lines to a file, greps for the rare word, and packs the file.
func (c *corpus) byTools(ctx context.Context, dir string) (tools, error) {
	path := filepath.Join(dir, "lines.log")
	defer os.Remove(path)
	file, err := os.Create(path)
	if err != nil {
		return tools{}, err
	}
	t := tools{}
	var buf []byte
	out := bufio.NewWriterSize(file, 1<<20)
	for n := range c.lines {
		buf = append(c.text(n, buf), '\n')
		t.raw += int64(len(buf))
		_, _ = out.Write(buf) // Flush says it
	}
	if err := errors.Join(out.Flush(), file.Close()); err != nil {
		return tools{}, err
	}
	for range peerRounds {
		began := time.Now()
		found, err := exec.CommandContext(ctx, "grep", "-c", "-F", rareWord, path).Output()
		t.rare = append(t.rare, time.Since(began))
		if err != nil || strings.TrimSpace(string(found)) != fmt.Sprint(rareCount) {
			return tools{}, fmt.Errorf("grep found %s lines of %d: %w", strings.TrimSpace(string(found)), rareCount, err)
		}
	}
	t.name, t.disk, err = packed(ctx, path)
	return t, err
}

// packed returns how large a file is once it is packed, by zstd where there is one.
func packed(ctx context.Context, path string) (name string, size int64, err error) {
	if program, err := exec.LookPath("zstd"); err == nil {
		cmd := exec.CommandContext(ctx, program, "-3", "-q", "-c", path)
		out := &counter{}
		cmd.Stdout = out
		err := cmd.Run()
		return "zstd -3", out.n, err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	out := &counter{}
	into := gzip.NewWriter(out)
	if _, err := io.Copy(into, file); err != nil {
		return "", 0, err
	}
	err = into.Close()
	return "gzip", out.n, err
}

// counter counts what is written to it.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
