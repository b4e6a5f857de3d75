package loki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/fairlead/fairlead/observability"
)

const (
	tailOverlap  = 10 * time.Second // how late a line may come and still not be missed at a reconnect
	tailSettle   = 8 * time.Second  // after which a connection is sure to give every line
	tailIdle     = 40 * time.Second // without a word, not even a ping's answer, the connection is taken for dead
	tailPing     = 15 * time.Second
	maxTailFrame = 64 << 20
)

// Tail gives the lines that pass the filters of q as the server takes them, in batches, until ctx ends or yield returns
// an error, which it returns. Its range begins at q.From, default now; end, limit, direction and cursor play no part.
// It connects again whenever the connection breaks; lines that came in between are read by Query, and no line is given
// twice. Only a query that no store would take is an error; a server that is away is waited for.
func (l *Logs) Tail(ctx context.Context, q observability.LogQuery, yield func([]observability.Line) error) error {
	from := q.From
	if from.IsZero() {
		from = time.Now()
	}
	q.Cursor, q.Limit, q.From, q.To, q.Backward = "", 0, time.Time{}, time.Time{}, false
	search, err := q.Prepare(time.Time{})
	if err != nil {
		return err
	}
	t := &tail{logs: l, search: &search, seen: newSeen(), since: from, begin: from, yield: yield}
	for wait := firstWait; ; {
		heard, err := t.connect(ctx) // nothing of it runs on when it returns
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if t.stopped != nil {
			return t.stopped
		}
		if heard {
			wait = firstWait
		}
		l.options.Log.DebugContext(ctx, "the tail of Loki ended and begins again", "error", err)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, longWait)
	}
}

type tail struct {
	logs   *Logs
	search *observability.Search
	begin  time.Time // lines before it were not asked for
	yield  func([]observability.Line) error

	mu      sync.Mutex // guards the fields below, and is held while yield is called
	seen    *seen
	since   time.Time // lines before it have been given
	stopped error     // what yield returned
}

// connect follows one connection to its end. heard is whether anything came.
func (t *tail) connect(ctx context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := t.dial(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	go func() {
		defer close(ended)
		t.attend(ctx, conn)
	}()
	conn.SetReadLimit(maxTailFrame)
	conn.SetPongHandler(func(string) error { return conn.SetReadDeadline(time.Now().Add(tailIdle)) })
	for {
		if err := conn.SetReadDeadline(time.Now().Add(tailIdle)); err != nil {
			return heard, err
		}
		_, raw, err := conn.ReadMessage()
		if err != nil {
			return heard, fmt.Errorf("read from the tail: %w", err)
		}
		heard = true
		if err := t.frame(ctx, raw); err != nil {
			return heard, err
		}
	}
}

// attend pings until ctx ends, and then ends the reading. It reads what came before the connection stood, and does so again
// until it has settled: the server follows for a connection only some time after it stands, and says not when.
func (t *tail) attend(ctx context.Context, conn *websocket.Conn) {
	defer conn.Close()
	ping := time.NewTicker(tailPing)
	defer ping.Stop()
	wait := tailSettle / 16
	sweep := time.NewTimer(0)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ping.C:
			if conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(dialTimeout)) != nil {
				return
			}
		case <-sweep.C:
			if t.catchUp(ctx) != nil {
				return
			}
			if wait *= 2; wait <= tailSettle {
				sweep.Reset(wait)
			}
		}
	}
}

func (t *tail) dial(ctx context.Context) (*websocket.Conn, error) {
	l := t.logs
	header := http.Header{"X-Loki-Response-Encoding-Flags": {"categorize-labels"}}
	if err := l.identify(header); err != nil {
		return nil, err
	}
	address := l.address(apiPath+"tail", url.Values{
		"query": {linesQuery(t.search)}, "limit": {strconv.Itoa(t.logs.options.MaxEntries)}, "start": {strconv.FormatInt(time.Now().UnixNano(), 10)},
	})
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: dialTimeout, TLSClientConfig: l.tls.Clone()}
	conn, resp, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(address, "http"), header)
	if err == nil {
		return conn, nil
	}
	if resp != nil {
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return nil, l.refused(answer{status: resp.StatusCode, header: resp.Header, body: body})
	}
	return nil, l.away(ctx, err)
}

// catchUp gives what is stored since the last line that was given.
func (t *tail) catchUp(ctx context.Context) error {
	q := t.search.LogQuery
	t.mu.Lock()
	q.From, q.To, q.Limit = t.since.Add(-tailOverlap), time.Now().Add(ahead), observability.MaxLogLimit
	t.mu.Unlock()
	if q.From.Before(t.begin) {
		q.From = t.begin
	}
	for {
		page, err := t.logs.Query(ctx, q)
		if err != nil {
			return err
		}
		if err := t.give(page.Lines); err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}

func (t *tail) frame(ctx context.Context, raw []byte) error {
	var got struct {
		Streams json.RawMessage   `json:"streams"`
		Dropped []json.RawMessage `json:"dropped_entries"`
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		return fmt.Errorf("read a frame of the tail: %w", err)
	}
	var data streamsData
	if len(got.Streams) > 0 {
		if err := json.Unmarshal(got.Streams, &data.Result); err != nil {
			return fmt.Errorf("read the lines of the tail: %w", err)
		}
	}
	if err := t.give(data.lines()); err != nil {
		return err
	}
	if len(got.Dropped) > 0 { // the server could not keep up with its own tail
		return t.catchUp(ctx)
	}
	return nil
}

var errStopped = errors.New("the reader of the tail stopped")

// give hands on the lines that were not given before.
func (t *tail) give(lines []observability.Line) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped != nil {
		return errStopped
	}
	fresh, now := lines[:0], time.Now()
	for i := range lines {
		line := &lines[i]
		if !line.At.Before(t.begin) && t.search.MatchLive(line) && t.seen.add(line) {
			fresh = append(fresh, *line)
			// A line from the future must not hide those that come after it.
			if at := line.At; at.After(t.since) && !at.After(now) {
				t.since = at
			}
		}
	}
	t.seen.forget(t.since.Add(-2 * tailOverlap))
	if len(fresh) == 0 {
		return nil
	}
	if err := t.yield(fresh); err != nil {
		t.stopped = err
		return errStopped
	}
	return nil
}

// seen remembers the lines that were given lately.
type seen struct {
	lines map[key]struct{}
	swept int // lines that were left by the last sweep
}

// key tells lines apart.
type key struct {
	at                                       int64
	seq                                      uint64
	project, environment, service, deploy    string
	instance, source, stream, level, message string
}

func newSeen() *seen { return &seen{lines: make(map[key]struct{})} }

// add notes a line, and reports whether it is new.
func (s *seen) add(l *observability.Line) bool {
	k := key{
		l.At.UnixNano(), l.Seq, l.Project, l.Environment, l.Service, l.Deploy,
		l.Instance, l.Source, l.Stream, string(l.Level), l.Message,
	}
	if _, known := s.lines[k]; known {
		return false
	}
	s.lines[k] = struct{}{}
	return true
}

// forget drops the lines before a time, when there are enough to be worth it.
func (s *seen) forget(before time.Time) {
	if len(s.lines) < 2*s.swept+1024 {
		return
	}
	for k := range s.lines {
		if k.at < before.UnixNano() {
			delete(s.lines, k)
		}
	}
	s.swept = len(s.lines)
}
