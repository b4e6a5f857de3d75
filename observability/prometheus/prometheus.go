// Package prometheus is a store of samples behind any Prometheus-compatible HTTP API: Prometheus, VictoriaMetrics, Mimir,
// Thanos. It asks by PromQL and stores by remote write.
//
// It owns the two protocols: the query API and remote write 1.0 (snappy, protobuf), with retries and what a server
// refuses for good. It must not know what is measured. An expression is parsed here before it is sent, so that the view
// of one project never depends on the server; the dialects of other servers are therefore refused.
package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/platform"
)

// Options say where the server is. At least one of the URLs is required.
type Options struct {
	// QueryURL is where the API lies, for example http://prometheus:9090 or https://mimir.example.com/prometheus. Empty:
	// Query answers unavailable.
	QueryURL string
	// WriteURL is the whole address of remote write, for example http://prometheus:9090/api/v1/write. Empty: Append
	// answers unavailable.
	WriteURL string
	// Auth is for the server asked, WriteAuth for the one written to.
	Auth, WriteAuth Auth
	// Labels are added to every sample written and asked of every series read, so that installations that share a server
	// do not see each other. A sample's own label of that name wins.
	Labels map[string]string

	Timeout    time.Duration // of one request; default 20 s
	RetryFor   time.Duration // how long Append tries again; default 10 s
	BatchSize  int           // samples of one request; default 2000
	QueueSize  int           // samples that wait in a Forwarder; default 200,000
	QueueDelay time.Duration // how long a Forwarder waits for a batch to fill; default 1 s
	Log        *slog.Logger  // nil: silent
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.RetryFor == 0 {
		o.RetryFor = 10 * time.Second
	}
	if o.BatchSize == 0 {
		o.BatchSize = 2000
	}
	if o.QueueSize == 0 {
		o.QueueSize = 200_000
	}
	if o.QueueDelay == 0 {
		o.QueueDelay = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Metrics is a store behind an HTTP API. Its methods may be called by many goroutines.
type Metrics struct {
	options Options
	query   *caller // nil without a QueryURL
	write   *caller // nil without a WriteURL
}

var _ observability.Metrics = (*Metrics)(nil)

// New returns a store and asks it nothing. A URL or a credential file that cannot be used is a platform invalid error.
func New(options Options) (*Metrics, error) {
	m := &Metrics{options: options.withDefaults()}
	var err error
	if options.QueryURL != "" {
		if m.query, err = newCaller("query_url", options.QueryURL, options.Auth, m.options.Timeout); err != nil {
			return nil, err
		}
	}
	if options.WriteURL != "" {
		if m.write, err = newCaller("write_url", options.WriteURL, options.WriteAuth, m.options.Timeout); err != nil {
			return nil, err
		}
	}
	for name := range options.Labels {
		if !promql.ValidName(name) || name == promql.NameLabel || name == "project" {
			return nil, platform.Errorf(platform.CodeInvalid, "%q cannot be an external label.", platform.Truncate(name, 80)).
				WithHint("Use letters, digits and underscores, for example installation=eu1; project is taken.").WithField("labels")
		}
	}
	return m, nil
}

// maxAnswer bounds what one query may return.
const maxAnswer = 64 << 20

// Query evaluates PromQL over the range, or at one instant when From equals To or is zero. A zero To means now. A server
// that does not answer is an unavailable error.
func (m *Metrics) Query(ctx context.Context, q observability.MetricQuery) ([]observability.Series, error) {
	if m.query == nil {
		return nil, platform.Errorf(platform.CodeUnavailable, "No server is named that answers metric queries.").WithHint("Set FAIRLEAD_PROMETHEUS_URL.")
	}
	q, err := m.prepare(q)
	if err != nil {
		return nil, err
	}
	form := url.Values{"query": {q.Expr}, "timeout": {m.options.Timeout.String()}}
	path := "/api/v1/query"
	if q.From.Equal(q.To) {
		form.Set("time", moment(q.To))
	} else {
		path = "/api/v1/query_range"
		form.Set("start", moment(q.From))
		form.Set("end", moment(q.To))
		form.Set("step", strconv.FormatFloat(q.Step.Seconds(), 'f', -1, 64))
	}
	status, body, err := m.query.post(ctx, path, "application/x-www-form-urlencoded", []byte(form.Encode()), maxAnswer)
	if err != nil {
		return nil, err
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || a.Status == "" {
		return nil, m.query.notTheAPI(status, body)
	}
	if a.Status != "success" {
		return nil, m.query.refusal(status, a)
	}
	return a.series()
}

// prepare checks q, keeps it inside its project, environment and service, and inside the labels of this installation.
func (m *Metrics) prepare(q observability.MetricQuery) (observability.MetricQuery, error) {
	only := q.Only()
	maps.Copy(only, m.options.Labels)
	var err error
	if q.Expr, err = promql.Restrict(q.Expr, only); err != nil {
		return q, err
	}
	return promql.Range(q, time.Now())
}

func moment(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// answer is the envelope of the query API.
type answer struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
	Data      struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
}

// point is [seconds, "value"].
type point struct {
	at    float64
	value float64
}

// UnmarshalJSON reads the pair.
func (p *point) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &[2]any{&p.at, &text}); err != nil {
		return err
	}
	value, err := strconv.ParseFloat(text, 64)
	p.value = value
	return err
}

func (p point) appendTo(points []observability.Point) []observability.Point {
	if math.IsNaN(p.value) || math.IsInf(p.value, 0) {
		return points // JSON has no word for them
	}
	return append(points, observability.Point{At: time.UnixMilli(int64(math.Round(p.at * 1000))).UTC(), Value: p.value})
}

// series reads the result of a query.
func (a answer) series() ([]observability.Series, error) {
	bad := func(err error) error { return fmt.Errorf("read the answer of the metric server: %w", err) }
	switch a.Data.Type {
	case "matrix", "vector":
		var list []struct {
			Metric map[string]string `json:"metric"`
			Value  *point            `json:"value"`
			Values []point           `json:"values"`
		}
		if err := json.Unmarshal(a.Data.Result, &list); err != nil {
			return nil, bad(err)
		}
		out := make([]observability.Series, 0, len(list))
		for _, one := range list {
			if one.Metric == nil {
				one.Metric = map[string]string{}
			}
			points := make([]observability.Point, 0, len(one.Values))
			for _, p := range one.Values {
				points = p.appendTo(points)
			}
			if one.Value != nil {
				points = one.Value.appendTo(points)
			}
			out = append(out, observability.Series{Labels: one.Metric, Points: points})
		}
		return out, nil
	case "scalar":
		var p point
		if err := json.Unmarshal(a.Data.Result, &p); err != nil {
			return nil, bad(err)
		}
		return []observability.Series{{Labels: map[string]string{}, Points: p.appendTo(nil)}}, nil
	}
	return nil, promql.NotNumbers(platform.Truncate(a.Data.Type, 40))
}

// Ping reports whether the servers answer, for readiness.
func (m *Metrics) Ping(ctx context.Context) error {
	if m.query == nil {
		return nil
	}
	_, err := m.Query(ctx, observability.MetricQuery{Expr: "vector(1)"})
	return err
}

// statusWords is how a status is told to people.
func statusWords(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }
