package loadtest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	tick = 2 * time.Millisecond
	// idleConns kept, and how long: shorter than any server's own limit, so that the generator never meets a
	// connection that is just being closed.
	idleConns   = 512
	idleTimeout = 20 * time.Second
	dialTimeout = 5 * time.Second
	// lastAnswers is how long the end of the load waits for answers to what was sent.
	lastAnswers = 30 * time.Second
)

// Load is a running load.
type Load struct {
	plan   Plan
	run    string // makes ids of this load its own
	client *http.Client
	tally  *tally
	bodies map[int]string
	deck   []int // indexes of plan.Mix in proportion to their weights, shuffled

	schedule context.Context // ends when nothing new is to be sent
	halt     context.CancelFunc
	requests context.Context // ends when what is in flight is to be cut
	cut      context.CancelFunc
	tasks    sync.WaitGroup
	done     chan struct{} // closed when all tasks have ended
}

// Run sends the plan's load until its duration is over or ctx ends, waits for the last answers, and reports.
func Run(ctx context.Context, plan Plan) (*Report, error) {
	load, err := Start(ctx, plan)
	if err != nil {
		return nil, err
	}
	<-load.schedule.Done()
	report := load.Stop()
	return &report, nil
}

// Start begins the load and returns at once. It runs until the plan's duration is over, ctx ends, or Stop.
func Start(ctx context.Context, plan Plan) (*Load, error) {
	if err := plan.Check(); err != nil {
		return nil, err
	}
	plan = plan.withDefaults()
	l := &Load{plan: plan, run: fmt.Sprintf("%08x", rand.Uint32()), tally: newTally(), bodies: map[int]string{}, done: make(chan struct{})}
	for i, r := range plan.Mix {
		l.bodies[r.BodyBytes] = strings.Repeat("x", r.BodyBytes)
		for range r.Weight {
			l.deck = append(l.deck, i)
		}
	}
	rand.Shuffle(len(l.deck), func(i, j int) { l.deck[i], l.deck[j] = l.deck[j], l.deck[i] })
	l.client = &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			MaxIdleConnsPerHost: idleConns,
			IdleConnTimeout:     idleTimeout,
			DisableCompression:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	l.schedule, l.halt = context.WithTimeout(ctx, plan.Duration)
	l.requests, l.cut = context.WithCancel(context.WithoutCancel(ctx))
	l.begin()
	return l, nil
}

// Snapshot says what became of the load so far.
func (l *Load) Snapshot() Report { return l.tally.read() }

// Stop sends nothing more, waits for the answers to what was sent, closes streams and sockets, and reports. It may be
// called more than once.
func (l *Load) Stop() Report {
	l.halt()
	timer := time.NewTimer(lastAnswers)
	defer timer.Stop()
	select {
	case <-l.done:
	case <-timer.C:
	}
	l.cut()
	<-l.done
	l.client.CloseIdleConnections()
	return l.tally.read()
}

func (l *Load) begin() {
	if l.plan.Rate > 0 {
		l.tasks.Go(l.sendOnSchedule)
	}
	for range l.plan.Streams {
		l.tasks.Go(l.keepStream)
	}
	for range l.plan.Sockets {
		l.tasks.Go(l.keepSocket)
	}
	go func() {
		l.tasks.Wait()
		close(l.done)
	}()
}

// sendOnSchedule sends request n at start + n/rate. A late tick sends all that is due, each with its own due time.
func (l *Load) sendOnSchedule() {
	interval := time.Duration(float64(time.Second) / float64(l.plan.Rate))
	start := time.Now()
	ticker := time.NewTicker(max(tick, min(interval, 100*time.Millisecond)))
	defer ticker.Stop()
	slots := make(chan struct{}, MaxInFlight)
	for n := 0; ; {
		for due := start.Add(time.Duration(n) * interval); !due.After(time.Now()) && l.schedule.Err() == nil; due = start.Add(time.Duration(n) * interval) {
			l.dispatch(n, due, slots)
			n++
		}
		select {
		case <-l.schedule.Done():
			return
		case <-ticker.C:
		}
	}
}

func (l *Load) dispatch(n int, due time.Time, slots chan struct{}) {
	kind := l.plan.Mix[l.deck[n%len(l.deck)]]
	id := fmt.Sprintf("%s-%d", l.run, n)
	l.tally.change(func(r *Report) { r.InFlight++ })
	select {
	case slots <- struct{}{}:
	default:
		l.tally.ended(0, time.Since(due), &Failure{At: due, Method: kind.Method, Path: kind.Path, ID: id, Words: "not sent: too many requests wait for an answer"})
		return
	}
	l.tasks.Go(func() {
		defer func() { <-slots }()
		l.send(kind, id, due)
	})
}

func (l *Load) send(kind Request, id string, due time.Time) {
	ctx, cancel := context.WithTimeout(l.requests, l.plan.Timeout)
	defer cancel()
	status, words := l.exchange(ctx, kind, id)
	if l.requests.Err() != nil && status == 0 {
		l.tally.change(func(r *Report) { r.InFlight-- })
		return
	}
	var failure *Failure
	if words != "" {
		failure = &Failure{At: time.Now(), Method: kind.Method, Path: kind.Path, ID: id, Status: status, Words: words}
	}
	l.tally.ended(status, time.Since(due), failure)
}

// exchange returns the status, and words about what went wrong, "" for nothing.
func (l *Load) exchange(ctx context.Context, kind Request, id string) (int, string) {
	req, err := l.request(ctx, kind.Method, kind.Path, id)
	if err != nil {
		return 0, err.Error()
	}
	if kind.BodyBytes > 0 {
		// Without GetBody, so that the client itself never sends a body twice.
		req.Body = io.NopCloser(strings.NewReader(l.bodies[kind.BodyBytes]))
		req.ContentLength = int64(kind.BodyBytes)
	}
	res, err := l.client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 200))
		return res.StatusCode, strings.TrimSpace(string(text))
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return res.StatusCode, "answer broke off: " + err.Error()
	}
	return res.StatusCode, ""
}

func (l *Load) request(ctx context.Context, method, path, id string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(l.plan.URL, "/")+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Host = l.plan.Host
	req.Header.Set(HeaderID, id)
	return req, nil
}
