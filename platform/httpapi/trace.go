package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

type searchTracesInput struct {
	Project     string `query:"project" required:"true" minLength:"1" maxLength:"80" doc:"Name or id of the project."`
	Environment string `query:"environment" maxLength:"80" doc:"Only of this environment."`
	Service     string `query:"service" maxLength:"300" doc:"Only traces that have a span of this service; it may be one that the project does not have."`
	Failed      bool   `query:"failed" doc:"Only traces that have a failed span."`
	MinTook     string `query:"min_took" doc:"Only traces that took at least this long, for example 250ms."`
	From        string `query:"from" doc:"That began from this time on: RFC 3339, or how long ago, for example 15m."`
	To          string `query:"to" doc:"That began before this time; now when left out."`
	Limit       int    `query:"limit" minimum:"1" maximum:"500" doc:"How many traces at most; 50 when left out."`
	Cursor      string `query:"cursor" doc:"The next cursor of the page before."`
}

func (in *searchTracesInput) query(now time.Time) (observability.TraceQuery, error) {
	q := observability.TraceQuery{
		Project: in.Project, Environment: in.Environment, Service: in.Service, Failed: in.Failed, Limit: in.Limit, Cursor: in.Cursor,
	}
	var err error
	if in.MinTook != "" {
		if q.MinTook, err = time.ParseDuration(in.MinTook); err != nil || q.MinTook < 0 {
			return q, platform.Errorf(platform.CodeInvalid, "min_took %q is not a duration.", platform.Truncate(in.MinTook, 40)).
				WithHint("Write for example 250ms or 2s.").WithField("min_took")
		}
	}
	if q.From, err = moment("from", in.From, now); err != nil {
		return q, err
	}
	q.To, err = moment("to", in.To, now)
	return q, err
}

type getTraceInput struct {
	Trace   string `path:"trace" maxLength:"80" doc:"Id of the trace: 32 hexadecimal digits."`
	Project string `query:"project" required:"true" minLength:"1" maxLength:"80" doc:"Name or id of the project."`
}

type serviceMapInput struct {
	ProjectPath
	Environment string `query:"environment" maxLength:"80" doc:"Name or id of the environment; production when left out."`
	From        string `query:"from" doc:"Counts requests from this time on: RFC 3339, or how long ago; the last hour when left out."`
	To          string `query:"to" doc:"Until this time; now when left out."`
}

func (a *API) registerTraces() {
	handle(a, operation{
		ID: "search-traces", Method: http.MethodGet, Path: "/v1/traces", Tag: "traces", Summary: "Search a project's traces",
		Description: "The newest first. Traces are kept for about an hour; those that failed or were slow stay longest when room is short.",
		Errors:      []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *searchTracesInput) (observability.TracePage, error) {
		q, err := in.query(time.Now())
		if err != nil {
			return observability.TracePage{}, err
		}
		page, err := a.plane.SearchTraces(ctx, actor, q)
		if page.Traces == nil {
			page.Traces = []observability.Trace{}
		}
		return page, err
	})
	handle(a, operation{
		ID: "get-trace", Method: http.MethodGet, Path: "/v1/traces/{trace}", Tag: "traces", Summary: "Get a trace with its spans",
		Description: "The earliest span first.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *getTraceInput) (observability.TraceDetail, error) {
		return a.plane.GetTrace(ctx, actor, in.Project, in.Trace)
	})
	handle(a, operation{
		ID: "get-service-map", Method: http.MethodGet, Path: "/v1/projects/{project}/map", Tag: "traces", Summary: "Get the service map of an environment",
		Description: "Who depends on whom: from the router's counts, from spans, from variables that name another service, and from shared disks. Its notes say what it cannot know.",
		Errors:      []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *serviceMapInput) (platform.ServiceMap, error) {
		now := time.Now()
		req := platform.MapRequest{Project: in.Project, Environment: in.Environment}
		var err error
		if req.From, err = moment("from", in.From, now); err != nil {
			return platform.ServiceMap{}, err
		}
		if req.To, err = moment("to", in.To, now); err != nil {
			return platform.ServiceMap{}, err
		}
		return a.plane.ServiceMap(ctx, actor, req)
	})
}
