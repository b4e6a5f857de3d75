package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// LogFilter chooses lines of a project.
type LogFilter struct {
	Project     string   `query:"project" required:"true" minLength:"1" maxLength:"80" doc:"Name or id of the project."`
	Environment string   `query:"environment" maxLength:"80" doc:"Only of this environment."`
	Service     string   `query:"service" maxLength:"80" doc:"Only of this service."`
	Release     int      `query:"release" minimum:"0" doc:"Only of this release number."`
	Deploy      string   `query:"deploy" maxLength:"80" doc:"Only of this deploy, its build included."`
	Instance    string   `query:"instance" maxLength:"80" doc:"Only of this instance."`
	Source      string   `query:"source" enum:"runtime,build,pre-deploy,router,fairlead" doc:"Where the line came from."`
	Level       []string `query:"level" enum:"debug,info,warn,error,fatal" doc:"Only of these levels, separated by commas."`
	MinLevel    string   `query:"min_level" enum:"debug,info,warn,error,fatal" doc:"Only of this level and graver ones."`
	Text        string   `query:"text" maxLength:"1000" doc:"Lines that contain this."`
	Regex       string   `query:"regex" maxLength:"1000" doc:"Lines that match this RE2 expression."`
	IgnoreCase  bool     `query:"ignore_case" doc:"Whether text, or regex, matches in any case."`
	Field       []string `query:"field,explode" maxItems:"20" doc:"Lines whose field has this value: name=value. May be given several times."`
	From        string   `query:"from" doc:"From this time on: RFC 3339, or how long ago, for example 15m."`
}

// LogRange is a filter with both ends of a range.
type LogRange struct {
	LogFilter
	To string `query:"to" doc:"Before this time: RFC 3339, or how long ago; now when left out."`
}

// LineLimit bounds a page of lines.
type LineLimit struct {
	Limit int `query:"limit" minimum:"1" maximum:"10000" doc:"How many lines at most; 100 when left out."`
}

func (f LogFilter) query(now time.Time) (observability.LogQuery, error) {
	out := observability.LogQuery{
		Project: f.Project, Environment: f.Environment, Service: f.Service, Release: f.Release, Deploy: f.Deploy, Instance: f.Instance,
		Source: f.Source, Text: f.Text, Regex: f.Regex, IgnoreCase: f.IgnoreCase,
	}
	for _, l := range f.Level {
		out.Levels = append(out.Levels, observability.Level(l))
	}
	if f.MinLevel != "" {
		if len(out.Levels) > 0 {
			return out, platform.Errorf(platform.CodeInvalid, "level and min_level cannot be given together.").
				WithHint("Give one of them: level=error,fatal and min_level=error mean the same.").WithField("min_level")
		}
		out.Levels = observability.AtLeast(observability.Level(f.MinLevel))
	}
	for _, f := range f.Field {
		key, value, found := strings.Cut(f, "=")
		if !found || key == "" {
			return out, platform.Errorf(platform.CodeInvalid, "field %q is not name=value.", platform.Truncate(f, 80)).WithHint("Write for example field=request_id=42.").WithField("field")
		}
		if out.Fields == nil {
			out.Fields = map[string]string{}
		}
		out.Fields[key] = value
	}
	var err error
	out.From, err = moment("from", f.From, now)
	return out, err
}

func (r LogRange) query(now time.Time) (observability.LogQuery, error) {
	q, err := r.LogFilter.query(now)
	if err != nil {
		return q, err
	}
	if q.To, err = moment("to", r.To, now); err != nil || q.From.IsZero() {
		return q, err
	}
	end := q.To
	if end.IsZero() {
		end = now
	}
	if length := end.Sub(q.From); length > observability.MaxLogRange+time.Minute { // clocks differ a little
		return q, platform.Errorf(platform.CodeInvalid, "The range of %d days is over the limit of %d.", int(length.Hours()/24), int(observability.MaxLogRange.Hours()/24)).
			WithHint("Ask for a shorter range: move from closer to to, or walk the time in several queries.").WithField("from")
	}
	return q, nil
}

type searchLogsInput struct {
	LogRange
	LineLimit
	Backward bool   `query:"backward" doc:"Newest first."`
	Cursor   string `query:"cursor" doc:"The next cursor of the page before."`
}

type followLogsInput struct {
	LogFilter
	LineLimit
	LastEventID string `header:"Last-Event-ID" maxLength:"64" doc:"Go on from this line; it may come once more."`
}

type deployLogInput struct {
	DeployPath
	LineLimit
	Cursor string `query:"cursor" doc:"The next cursor of the page before."`
}

type followDeployLogInput struct {
	DeployPath
	LastEventID string `header:"Last-Event-ID" maxLength:"64" doc:"Go on from this line; it may come once more."`
}

func (a *API) registerLogs() {
	handle(a, operation{
		ID: "search-logs", Method: http.MethodGet, Path: "/v1/logs", Tag: "logs", Summary: "Search a project's log lines",
		Description: "Oldest first unless backward is set. While the log store is away the answer is what waits for it, and incomplete says so; it is 503 when none of that matches.", Errors: []int{http.StatusNotFound},
	}, a.searchLogs)
	handleStream(a, operation{
		ID: "follow-logs", Method: http.MethodGet, Path: "/v1/logs/stream", Tag: "logs", Summary: "Stream a project's log lines",
		Description: "The newest lines up to limit, then new ones live, as server-sent events named line.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *followLogsInput) (source, error) {
		q, err := in.query(time.Now())
		if err != nil {
			return nil, err
		}
		q.Limit = in.Limit
		return a.followLogs(ctx, actor, q, in.LastEventID)
	})
	a.registerLogReads()
	a.registerBuildLogs()
}

func (a *API) registerBuildLogs() {
	handle(a, operation{
		ID: "get-build-log", Method: http.MethodGet, Path: "/v1/deploys/{deploy}/build-log", Tag: "logs", Summary: "Read a deploy's build log",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *deployLogInput) (observability.LogPage, error) {
		q, err := a.buildQuery(ctx, actor, in.Deploy)
		if err != nil {
			return observability.LogPage{}, err
		}
		q.Limit, q.Cursor = in.Limit, in.Cursor
		return a.logPage(ctx, actor, q)
	})
	handleStream(a, operation{
		ID: "follow-build-log", Method: http.MethodGet, Path: "/v1/deploys/{deploy}/build-log/stream", Tag: "logs", Summary: "Stream a deploy's build log",
		Description: "From its beginning, as server-sent events named line.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *followDeployLogInput) (source, error) {
		q, err := a.buildQuery(ctx, actor, in.Deploy)
		if err != nil {
			return nil, err
		}
		q.Limit = observability.MaxLogLimit
		return a.followLogs(ctx, actor, q, in.LastEventID)
	})
}

func (a *API) searchLogs(ctx context.Context, actor platform.Actor, in *searchLogsInput) (observability.LogPage, error) {
	q, err := in.query(time.Now())
	if err != nil {
		return observability.LogPage{}, err
	}
	q.Limit = in.Limit
	q.Backward, q.Cursor = in.Backward, in.Cursor
	return a.logPage(ctx, actor, q)
}

func (a *API) logPage(ctx context.Context, actor platform.Actor, q observability.LogQuery) (observability.LogPage, error) {
	page, err := a.plane.SearchLogs(ctx, actor, q)
	if page.Lines == nil {
		page.Lines = []observability.Line{}
	}
	return page, err
}

// buildQuery chooses the build log of a deploy, whose record says which project may see it.
func (a *API) buildQuery(ctx context.Context, actor platform.Actor, id platform.DeployID) (observability.LogQuery, error) {
	d, err := a.plane.GetDeploy(ctx, actor, id)
	if err != nil {
		return observability.LogQuery{}, err
	}
	return observability.LogQuery{Project: d.Project, Deploy: string(id), Source: observability.SourceBuild, From: d.CreatedAt.Add(-time.Minute)}, nil
}

func (a *API) followLogs(ctx context.Context, actor platform.Actor, q observability.LogQuery, last string) (source, error) {
	if last != "" {
		nanos, _, _ := strings.Cut(last, ".")
		at, err := strconv.ParseInt(nanos, 10, 64)
		if err != nil {
			return nil, platform.Errorf(platform.CodeInvalid, "Last-Event-ID %q is not the id of a line.", last).
				WithHint("Send the id of the last line that was received.").WithField("Last-Event-ID")
		}
		q.From, q.Limit = time.Unix(0, at), observability.MaxLogLimit
	}
	probe := q
	probe.Limit = 1
	_, err := a.plane.SearchLogs(ctx, actor, probe)
	if _, partly := observability.Incomplete(err); err != nil && !partly { // live lines do not need the store
		return nil, err
	}
	return func(ctx context.Context, send func(message) error) error {
		return a.plane.FollowLogs(ctx, actor, q, func(l observability.Line) error {
			return send(message{id: lineID(l), name: "line", data: l})
		})
	}, nil
}

// lineID is the time in nanoseconds and the sequence number: enough to go on from.
func lineID(l observability.Line) string {
	return strconv.FormatInt(l.At.UnixNano(), 10) + "." + strconv.FormatUint(l.Seq, 10)
}
