package worker

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// swapEvery is the pause between two probes of a swap.
const swapEvery = 25 * time.Millisecond

// swaps sends real requests through the router while deploys move traffic, and counts those that failed.
type swaps struct {
	url  string
	http *http.Client

	mu      sync.Mutex
	running map[platform.DeployID]*swap
}

// swap is the probing of one deploy.
type swap struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	count platform.ProbeCount
}

func newSwaps(url string) *swaps {
	return &swaps{
		url: strings.TrimSuffix(url, "/"), running: map[platform.DeployID]*swap{},
		http: &http.Client{
			Timeout:       5 * time.Second,
			Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true, Proxy: nil},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// begin starts to probe the slot of a deploy, once; what was counted before a crash counts on. spawn owns the goroutine.
func (s *swaps) begin(ctx context.Context, d platform.Deploy, hosts []string, spawn func(func())) {
	if s.url == "" || len(hosts) == 0 || d.Spec.Health.Kind != platform.HealthHTTP {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.running[d.ID]; ok {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &swap{cancel: cancel, done: make(chan struct{}), count: d.Probes}
	s.running[d.ID] = w
	path := d.Spec.Health.Path
	if path == "" {
		path = platform.DefaultHealthPath
	}
	spawn(func() {
		defer close(w.done)
		s.follow(ctx, w, hosts[0], path)
	})
}

// count is what was sent so far, nil when nothing is being probed.
func (s *swaps) count(id platform.DeployID) *platform.ProbeCount {
	s.mu.Lock()
	w, ok := s.running[id]
	s.mu.Unlock()
	if !ok {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	count := w.count
	return &count
}

// end stops the probing of a deploy and returns the count, nil when nothing was probed.
func (s *swaps) end(id platform.DeployID) *platform.ProbeCount {
	s.mu.Lock()
	w, ok := s.running[id]
	s.mu.Unlock()
	if !ok {
		return nil
	}
	w.cancel()
	return s.count(id)
}

func (s *swaps) forget(id platform.DeployID) {
	s.end(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, id)
}

func (s *swaps) follow(ctx context.Context, w *swap, host, path string) {
	ticker := time.NewTicker(swapEvery)
	defer ticker.Stop()
	for {
		ok, sent := s.ask(ctx, host, path)
		if sent {
			w.mu.Lock()
			w.count.Sent++
			if !ok {
				w.count.Failed++
			}
			w.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// ask sends one request; sent is false when the probing was ended meanwhile, so that its own end is not a failure.
func (s *swaps) ask(ctx context.Context, host, path string) (ok, sent bool) {
	if ctx.Err() != nil {
		return false, false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return false, false
	}
	req.Host = host
	req.Header.Set("User-Agent", "fairlead-swap-probe")
	res, err := s.http.Do(req)
	if err != nil {
		return false, ctx.Err() == nil
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	if ctx.Err() != nil {
		return false, false
	}
	return err == nil && res.StatusCode < 500, true
}
