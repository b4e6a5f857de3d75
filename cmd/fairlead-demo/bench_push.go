package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/observability/loki/lokitest"
	"github.com/fairlead/fairlead/observability/parse"
)

// The push ratio: our store pushes lines to a Loki, and a bare client pushes to the same server the very bytes that our
// store made of them, recorded beforehand. What differs is what our store does besides: batches, encoding, waiting for
// answers. Both push in as many requests at once, each round to a tenant of its own.
const (
	pushedLines  = 200_000
	pushRounds   = 5
	pushBatch    = 4096 // as the spool hands them over
	pushParallel = 4
)

// request is one recorded push.
type request struct {
	header http.Header
	body   []byte
}

func pushing(ctx context.Context, dir string) (figure, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return figure{}, err
	}
	server, err := lokitest.Launch(ctx, dir)
	if err != nil {
		return figure{}, err
	}
	defer server.Kill()
	lines := newCorpus(pushedLines).parsed(pushedLines)
	recorded, err := record(ctx, lines)
	if err != nil {
		return figure{}, err
	}
	var ours, bare, ratio []float64
	for round := range pushRounds {
		tenant := func(who string) string { return who + "-" + strconv.Itoa(round) }
		began := time.Now()
		if err := replay(ctx, server.URL(), tenant("bare"), recorded); err != nil {
			return figure{}, err
		}
		alone := time.Since(began).Seconds()
		began = time.Now()
		if err := push(ctx, server.URL(), tenant("ours"), lines); err != nil {
			return figure{}, err
		}
		mine := time.Since(began).Seconds()
		fmt.Fprintf(os.Stderr, "push to Loki, round %d: ours %.0f lines/s, bare client %.0f lines/s\n", round+1, pushedLines/mine, pushedLines/alone)
		ours, bare, ratio = append(ours, pushedLines/mine), append(bare, pushedLines/alone), append(ratio, alone/mine)
	}
	return atLeast("push to Loki, of what a bare client does", middle(ratio), "", 0.8, 0.95, map[string]float64{
		"ours, k lines/s": middle(ours) / 1000, "bare client, k lines/s": middle(bare) / 1000,
	}), nil
}

// parsed returns the first lines of the corpus as the parser makes them.
func (c *corpus) parsed(n int) []observability.Line {
	bases := c.bases()
	out := make([]observability.Line, n)
	for i := range out {
		base := bases[i%services]
		base.At = c.at(i)
		out[i] = parse.Text(base, string(c.text(i, nil)), nil)
	}
	return out
}

// push appends lines to a Loki through our store, as the spool does.
func push(ctx context.Context, url, tenant string, lines []observability.Line) error {
	logs, err := loki.Open(loki.Options{URL: url, Tenant: tenant, Parallel: pushParallel})
	if err != nil {
		return err
	}
	defer logs.Close()
	for from := 0; from < len(lines); from += pushBatch {
		if err := logs.Append(ctx, lines[from:min(from+pushBatch, len(lines))]); err != nil {
			return err
		}
	}
	if pushed := logs.Stats().Pushed; pushed != int64(len(lines)) {
		return fmt.Errorf("%d of %d lines were pushed", pushed, len(lines))
	}
	return nil
}

// record returns the requests that our store makes of lines, as a server that takes everything got them.
func record(ctx context.Context, lines []observability.Line) ([]request, error) {
	var mu sync.Mutex
	var out []request
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		out = append(out, request{http.Header{"Content-Type": r.Header["Content-Type"]}, body})
		mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	err = push(ctx, "http://"+listener.Addr().String(), "", lines)
	return out, err
}

// replay is the bare client: it sends recorded requests, several at once.
func replay(ctx context.Context, url, tenant string, requests []request) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: pushParallel}}
	defer client.CloseIdleConnections()
	work := make(chan request)
	failed := make([]error, pushParallel)
	var all sync.WaitGroup
	for i := range failed {
		all.Go(func() {
			for r := range work {
				if failed[i] == nil {
					failed[i] = send(ctx, client, url, tenant, r)
				}
			}
		})
	}
	for _, r := range requests {
		work <- r
	}
	close(work)
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

func send(ctx context.Context, client *http.Client, url, tenant string, r request) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/loki/api/v1/push", bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	req.Header = r.header.Clone()
	req.Header.Set("X-Scope-OrgID", tenant)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if words, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the bare client's push was answered %d: %s", resp.StatusCode, words)
	}
	return nil
}
