package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// SearchLogs returns one page of lines.
func (c *Client) SearchLogs(ctx context.Context, q observability.LogQuery) (observability.LogPage, error) {
	return get[observability.LogPage](ctx, c, logRange(q).addInt("limit", int64(q.Limit)).addBool("backward", q.Backward).add("cursor", q.Cursor), "logs")
}

// LogsAround returns the line at a place with up to n lines on each side in its own stream.
func (c *Client) LogsAround(ctx context.Context, q observability.LogQuery, place observability.Place, n int) (observability.LogContext, error) {
	query := logRange(q).add("around", place.String()).add("context", strconv.Itoa(n))
	return get[observability.LogContext](ctx, c, query, "logs", "around")
}

// CountLogs counts lines by step and level; a step of 0 lets the server choose.
func (c *Client) CountLogs(ctx context.Context, q observability.LogQuery, step time.Duration) (observability.LogHistogram, error) {
	query := logRange(q)
	if step != 0 {
		query.add("step", step.String())
	}
	return get[observability.LogHistogram](ctx, c, query, "logs", "histogram")
}

// LogPatterns groups lines by template, or compares templates.
func (c *Client) LogPatterns(ctx context.Context, q observability.PatternQuery) (observability.LogPatterns, error) {
	query := logRange(q.LogQuery).add("compare", q.Compare.String()).addInt("sample", int64(q.Sample)).addInt("limit", int64(q.Top))
	return get[observability.LogPatterns](ctx, c, query, "logs", "patterns")
}

// ExportLogs copies every line of a range to w, one JSON object a line, and returns how many there were. When the server
// ends the export before its time, or the connection breaks, the error says so and w holds what came until then. A write
// that fails ends it with the writer's error.
func (c *Client) ExportLogs(ctx context.Context, q observability.LogQuery, w io.Writer) (lines int64, err error) {
	req, err := c.newRequest(ctx, request{method: http.MethodGet, path: "/v1/logs/export", query: url.Values(logRange(q).addBool("backward", q.Backward))}, nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, problem(resp)
	}
	scan := bufio.NewScanner(resp.Body)
	scan.Buffer(make([]byte, 64<<10), maxMessageBytes)
	for scan.Scan() {
		line := scan.Bytes()
		if bytes.HasPrefix(line, []byte(`{"error":`)) { // a line begins with its time
			return lines, exportProblem(line)
		}
		if _, err := w.Write(line); err != nil {
			return lines, err
		}
		if _, err := w.Write(lineEnd); err != nil {
			return lines, err
		}
		lines++
	}
	if err := scan.Err(); err != nil {
		return lines, c.unreachable(ctx, err)
	}
	return lines, nil
}

var lineEnd = []byte{'\n'}

func exportProblem(line []byte) error {
	var last struct {
		Error struct {
			platform.Error
			Detail string `json:"detail"`
		} `json:"error"`
	}
	if err := json.Unmarshal(line, &last); err != nil || last.Error.Code == "" {
		return platform.Errorf(platform.CodeInternal, "The export ended with an error that cannot be read.")
	}
	last.Error.Message = last.Error.Detail
	return &last.Error.Error
}

// FollowLogs yields the newest q.Limit lines and then new ones, across broken connections, until ctx ends or yield
// returns an error.
func (c *Client) FollowLogs(ctx context.Context, q observability.LogQuery, yield func(observability.Line) error) error {
	return c.followLines(ctx, request{method: http.MethodGet, path: "/v1/logs/stream", query: url.Values(logValues(q).addInt("limit", int64(q.Limit)))}, yield)
}

// BuildLog returns one page of a deploy's build log, oldest first.
func (c *Client) BuildLog(ctx context.Context, id platform.DeployID, page platform.Page) (observability.LogPage, error) {
	return get[observability.LogPage](ctx, c, values{}.addPage(page), "deploys", "deploy="+string(id), "build-log")
}

// FollowBuildLog yields a deploy's build log from its beginning and then new lines, until ctx ends or yield returns an error.
func (c *Client) FollowBuildLog(ctx context.Context, id platform.DeployID, yield func(observability.Line) error) error {
	p, err := path("deploys", "deploy="+string(id), "build-log", "stream")
	if err != nil {
		return err
	}
	return c.followLines(ctx, request{method: http.MethodGet, path: p}, yield)
}

// followLines drops lines that come again after a reconnect: the server goes on from the time of the last one.
func (c *Client) followLines(ctx context.Context, r request, yield func(observability.Line) error) error {
	seen := newRecent(observability.MaxLogLimit)
	s := stream{client: c, request: r}
	return s.run(ctx, func(m message) error {
		var l observability.Line
		if err := m.decode(&l); err != nil {
			return err
		}
		if !seen.add(fmt.Sprint(l.Source, l.Instance, l.Deploy, l.At.UnixNano(), l.Seq)) {
			return nil
		}
		return yield(l)
	})
}

func logRange(q observability.LogQuery) values { return logValues(q).addTime("to", q.To) }

func logValues(q observability.LogQuery) values {
	levels := make([]string, len(q.Levels))
	for i, l := range q.Levels {
		levels[i] = string(l)
	}
	v := values{}.add("project", q.Project).add("environment", q.Environment).add("service", q.Service).addInt("release", int64(q.Release)).
		add("deploy", q.Deploy).add("instance", q.Instance).add("source", q.Source).add("level", strings.Join(levels, ",")).
		add("text", q.Text).add("regex", q.Regex).addBool("ignore_case", q.IgnoreCase).addTime("from", q.From)
	names := make([]string, 0, len(q.Fields))
	for name := range q.Fields {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		v.add("field", name+"="+q.Fields[name])
	}
	return v
}

// recent remembers the newest n keys.
type recent struct {
	keys map[string]bool
	ring []string
	next int
}

func newRecent(n int) *recent {
	return &recent{keys: make(map[string]bool, n), ring: make([]string, n)}
}

// add reports whether the key is new, and remembers it.
func (r *recent) add(key string) bool {
	if r.keys[key] {
		return false
	}
	delete(r.keys, r.ring[r.next])
	r.keys[key], r.ring[r.next] = true, key
	r.next = (r.next + 1) % len(r.ring)
	return true
}
