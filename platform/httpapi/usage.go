package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/platform"
)

type usageInput struct {
	Project string `query:"project" maxLength:"80" doc:"Only of this project."`
	From    string `query:"from" doc:"Beginning, cut to the hour: RFC 3339, a UTC day such as 2026-11-01, or how long ago; the beginning of the month when left out."`
	To      string `query:"to" doc:"End; now when left out."`
	By      string `query:"by" enum:"service,day" doc:"A row for each service, or for each UTC day; service when left out."`
}

func (in *usageInput) request(now time.Time) (platform.UsageRequest, error) {
	req := platform.UsageRequest{Project: in.Project, By: platform.UsageBy(in.By)}
	var err error
	if req.From, err = dayOrMoment("from", in.From, now); err != nil {
		return req, err
	}
	req.To, err = dayOrMoment("to", in.To, now)
	return req, err
}

// dayOrMoment is moment that reads the beginning of a UTC day too.
func dayOrMoment(field, s string, now time.Time) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day, nil
	}
	return moment(field, s, now)
}

type setBudgetInput struct {
	ProjectPath
	WriteHeader
	Body struct {
		Monthly platform.Micro `json:"monthly" doc:"Amount for a calendar month, as decimal text such as 200; 0 takes the budget away."`
	}
}

type setRetentionInput struct {
	ProjectPath
	WriteHeader
	Body struct {
		Age   platform.Duration `json:"age,omitempty" doc:"How long lines are kept, for example 168h; the installation's when left out."`
		Bytes int64             `json:"bytes,omitempty" minimum:"0" doc:"How much they may take on disk; the installation's when left out."`
	}
}

func (a *API) registerUsage() {
	handle(a, operation{
		ID: "get-usage", Method: http.MethodGet, Path: "/v1/usage", Tag: "usage", Summary: "Report what was used and what it costs",
		Description: "Finished hours are read as they were written, younger ones are computed from samples. Costs are by the prices of now.",
		Errors:      []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *usageInput) (platform.UsageReport, error) {
		req, err := in.request(time.Now())
		if err != nil {
			return platform.UsageReport{}, err
		}
		return a.plane.GetUsage(ctx, actor, req)
	})
	handle(a, operation{
		ID: "set-budget", Method: http.MethodPut, Path: "/v1/projects/{project}/budget", Tag: "usage", Summary: "Set what a project may cost in a month",
		Description: "Admins only. Events tell when 50, 80 and 100 percent are spent and when more is foreseen. Nothing is stopped.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *setBudgetInput) (platform.Budget, error) {
		return a.plane.SetBudget(ctx, actor, platform.SetBudgetRequest{Project: in.Project, Monthly: in.Body.Monthly})
	})
	handle(a, operation{
		ID: "set-log-retention", Method: http.MethodPut, Path: "/v1/projects/{project}/log-retention", Tag: "projects", Summary: "Set how long and how many log lines of a project are kept",
		Description: "Admins only. It takes effect within a minute; what is dropped then is gone. Whole UTC days are dropped, the newest day never.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *setRetentionInput) (platform.Project, error) {
		return a.plane.SetRetention(ctx, actor, platform.SetRetentionRequest{Project: in.Project, LogRetention: platform.LogRetention{Age: in.Body.Age, Bytes: in.Body.Bytes}})
	})
}
