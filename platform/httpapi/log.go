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

// LogQuery chooses lines.
type LogQuery struct {
	Environment string   `query:"environment" maxLength:"80" doc:"Only of this environment."`
	Service     string   `query:"service" maxLength:"80" doc:"Only of this service."`
	Release     int      `query:"release" minimum:"0" doc:"Only of this release number."`
	Deploy      string   `query:"deploy" maxLength:"80" doc:"Only of this deploy, its build included."`
	Instance    string   `query:"instance" maxLength:"80" doc:"Only of this instance."`
	Source      string   `query:"source" enum:"runtime,build,pre-deploy,router,fairlead" doc:"Where the line came from."`
	Level       []string `query:"level" enum:"debug,info,warn,error,fatal" doc:"Only of these levels, separated by commas."`
	Text        string   `query:"text" maxLength:"1000" doc:"Lines that contain this, case-sensitive."`
	Regex       string   `query:"regex" maxLength:"1000" doc:"Lines that match this RE2 expression."`
	Field       []string `query:"field,explode" maxItems:"20" doc:"Lines whose field has this value: name=value. May be given several times."`
	From        string   `query:"from" doc:"From this time on: RFC 3339, or how long ago, for example 15m."`
	Limit       int      `query:"limit" minimum:"1" maximum:"10000" doc:"How many lines at most; 100 when left out."`
}

func (q LogQuery) query(project string, now time.Time) (observability.LogQuery, error) {
	out := observability.LogQuery{
		Project: project, Environment: q.Environment, Service: q.Service, Release: q.Release, Deploy: q.Deploy, Instance: q.Instance,
		Source: q.Source, Text: q.Text, Regex: q.Regex, Limit: q.Limit,
	}
	for _, l := range q.Level {
		out.Levels = append(out.Levels, observability.Level(l))
	}
	for _, f := range q.Field {
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
	out.From, err = moment("from", q.From, now)
	return out, err
}

type searchLogsInput struct {
	ProjectPath
	LogQuery
	To       string `query:"to" doc:"Before this time; now when left out."`
	Backward bool   `query:"backward" doc:"Newest first."`
	Cursor   string `query:"cursor" doc:"The next cursor of the page before."`
}

type followLogsInput struct {
	ProjectPath
	LogQuery
	LastEventID string `header:"Last-Event-ID" maxLength:"64" doc:"Go on from this line; it may come once more."`
}

type deployLogInput struct {
	DeployPath
	Limit  int    `query:"limit" minimum:"1" maximum:"10000" doc:"How many lines at most; 100 when left out."`
	Cursor string `query:"cursor" doc:"The next cursor of the page before."`
}

type followDeployLogInput struct {
	DeployPath
	LastEventID string `header:"Last-Event-ID" maxLength:"64" doc:"Go on from this line; it may come once more."`
}

func (a *API) registerLogs() {
	handle(a, operation{
		ID: "search-logs", Method: http.MethodGet, Path: "/v1/projects/{project}/logs", Tag: "logs", Summary: "Search a project's log lines",
		Description: "Oldest first unless backward is set.", Errors: []int{http.StatusNotFound},
	}, a.searchLogs)
	handleStream(a, operation{
		ID: "follow-logs", Method: http.MethodGet, Path: "/v1/projects/{project}/logs/stream", Tag: "logs", Summary: "Stream a project's log lines",
		Description: "The newest lines up to limit, then new ones live, as server-sent events named line.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *followLogsInput) (source, error) {
		q, err := in.query(in.Project, time.Now())
		if err != nil {
			return nil, err
		}
		return a.followLogs(ctx, actor, q, in.LastEventID)
	})
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
	now := time.Now()
	q, err := in.query(in.Project, now)
	if err != nil {
		return observability.LogPage{}, err
	}
	if q.To, err = moment("to", in.To, now); err != nil {
		return observability.LogPage{}, err
	}
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
	if _, err := a.plane.SearchLogs(ctx, actor, probe); err != nil {
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
