package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

type logHistogramInput struct {
	LogRange
	Step string `query:"step" doc:"Length of a step, for example 1m, at least 1s; left out: one that makes about sixty."`
}

type logsAroundInput struct {
	LogRange
	Around  string `query:"around" required:"true" minLength:"1" maxLength:"120" doc:"The line: its at and seq with a plus sign between them (2026-01-31T12:00:00.123Z+7), the id of a line of a stream, or a cursor, which names the line after its page."`
	Context int    `query:"context" minimum:"0" maximum:"1000" default:"10" doc:"How many lines on each side at most."`
}

type logPatternsInput struct {
	LogRange
	Compare string `query:"compare" maxLength:"80" doc:"Compare two releases (release:11..12), or the end of the range with what came before it (window:24h..1h)."`
	Sample  int    `query:"sample" minimum:"1" maximum:"200000" doc:"How many lines are read at most, the newest; 20000 when left out."`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" doc:"How many templates at most; 50 when left out."`
}

type exportLogsInput struct {
	LogRange
	Backward bool `query:"backward" doc:"Newest first."`
}

// registerLogReads registers what is asked of logs beside a page.
func (a *API) registerLogReads() {
	handle(a, operation{
		ID: "get-log-histogram", Method: http.MethodGet, Path: "/v1/logs/histogram", Tag: "logs", Summary: "Count log lines by step and level",
		Description: "Steps are whole multiples of their length since the Unix epoch; those without a line are left out. The range is the last hour when from is left out.",
		Errors:      []int{http.StatusNotFound},
	}, a.logHistogram)
	handle(a, operation{
		ID: "get-logs-around", Method: http.MethodGet, Path: "/v1/logs/around", Tag: "logs", Summary: "Read the lines before and after a line",
		Description: "The lines are those of the same instance's stream, or of the same build; the filters only help to name the line.",
		Errors:      []int{http.StatusNotFound},
	}, a.logsAround)
	handle(a, operation{
		ID: "get-log-patterns", Method: http.MethodGet, Path: "/v1/logs/patterns", Tag: "logs", Summary: "Group log lines by template, or compare templates",
		Description: "The range is the last hour when from is left out, and the last seven days for a comparison of releases. A comparison weighs counts by exposure: requests, else minutes of running instances; it is of the environment production when a service is named and no environment.",
		Errors:      []int{http.StatusNotFound},
	}, a.logPatterns)
	a.registerExport()
}

func (a *API) logHistogram(ctx context.Context, actor platform.Actor, in *logHistogramInput) (observability.LogHistogram, error) {
	q, err := in.query(time.Now())
	if err != nil {
		return observability.LogHistogram{}, err
	}
	var step time.Duration
	if in.Step != "" {
		if step, err = time.ParseDuration(in.Step); err != nil || step <= 0 {
			return observability.LogHistogram{}, platform.Errorf(platform.CodeInvalid, "step %q is not a positive duration.", platform.Truncate(in.Step, 40)).
				WithHint("Write for example 30s or 5m.").WithField("step")
		}
	}
	h, err := a.plane.CountLogs(ctx, actor, q, step)
	if h.Counts == nil {
		h.Counts = []observability.LogCount{}
	}
	return h, err
}

func (a *API) logsAround(ctx context.Context, actor platform.Actor, in *logsAroundInput) (observability.LogContext, error) {
	q, err := in.query(time.Now())
	if err != nil {
		return observability.LogContext{}, err
	}
	place, err := observability.ParsePlace(in.Around)
	if err != nil {
		return observability.LogContext{}, err
	}
	found, err := a.plane.LogsAround(ctx, actor, q, place, in.Context)
	if found.Before == nil {
		found.Before = []observability.Line{}
	}
	if found.After == nil {
		found.After = []observability.Line{}
	}
	return found, err
}

func (a *API) logPatterns(ctx context.Context, actor platform.Actor, in *logPatternsInput) (observability.LogPatterns, error) {
	q, err := in.query(time.Now())
	if err != nil {
		return observability.LogPatterns{}, err
	}
	compare, err := observability.ParseComparing(in.Compare)
	if err != nil {
		return observability.LogPatterns{}, err
	}
	return a.plane.LogPatterns(ctx, actor, observability.PatternQuery{LogQuery: q, Sample: in.Sample, Top: in.Limit, Compare: compare})
}

// exportType is the media type of one JSON object a line.
const exportType = "application/x-ndjson"

// registerExport registers the one answer that is a stream of lines and has an end. It begins once a first query has
// shown that there is nothing to refuse.
func (a *API) registerExport() {
	op := operation{
		ID: "export-logs", Method: http.MethodGet, Path: "/v1/logs/export", Tag: "logs", Summary: "Export every line of a range",
		Description: "One JSON object a line, all pages. When the export ends before its time, its last line is {\"error\": ...} with the problem.",
		Errors:      []int{http.StatusNotFound},
	}.describe()
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The lines.", Content: map[string]*huma.MediaType{exportType: {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	huma.Register(a.huma, op, func(ctx context.Context, in *exportLogsInput) (*huma.StreamResponse, error) {
		q, err := in.query(time.Now())
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		if q.To.IsZero() {
			q.To = time.Now()
		}
		q.Backward = in.Backward
		probe := q
		probe.Limit = 1
		bounded, cancel := context.WithTimeout(ctx, a.opts.RequestTimeout)
		defer cancel()
		if _, err := a.plane.SearchLogs(bounded, actorOf(ctx), probe); err != nil {
			return nil, a.problemOf(ctx, err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) { a.export(ctx, hc, q) }}, nil
	})
}

// export writes the lines from the goroutine that fasthttp waits for, so that a slow reader slows the reading of the store
// and nothing piles up.
func (a *API) export(ctx context.Context, hc huma.Context, q observability.LogQuery) {
	actor := actorOf(ctx)
	c := humafiber.Unwrap(hc)
	c.Status(http.StatusOK)
	c.Set("Content-Type", exportType)
	c.Set("Cache-Control", "no-store")
	c.Set("X-Accel-Buffering", "no")
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		ctx, release := a.link.stream(ctx)
		defer release()
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		looked := time.Now()
		err := a.plane.ExportLogs(ctx, actor, q, func(l observability.Line) error {
			// A token that was revoked or has expired reads on for one heartbeat at most.
			if time.Since(looked) > a.opts.Heartbeat {
				looked = time.Now()
				if err := a.stillValid(ctx); err != nil {
					return err
				}
			}
			return encoder.Encode(l)
		})
		if err != nil && ctx.Err() == nil {
			_ = encoder.Encode(map[string]*Problem{"error": a.problemOf(ctx, err)})
		}
		_ = w.Flush()
	})
}
