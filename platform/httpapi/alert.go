package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

type createSilenceInput struct {
	ProjectPath
	WriteHeader
	Body struct {
		Environment string            `json:"environment,omitempty" maxLength:"80" doc:"Only this environment."`
		Service     string            `json:"service,omitempty" maxLength:"80" doc:"Only this service."`
		Rule        string            `json:"rule,omitempty" maxLength:"63" doc:"Only this alert rule; left out means everything but failed builds and deploys."`
		Reason      string            `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for those who wonder later."`
		For         platform.Duration `json:"for" doc:"How long, for example 2h; at most 720h."`
	}
}

// SilencePath names a silence.
type SilencePath struct {
	Silence platform.SilenceID `path:"silence" maxLength:"80" doc:"Id of the silence: sil_..."`
}

func (a *API) registerAlerts() {
	handle(a, operation{
		ID: "list-alerts", Method: http.MethodGet, Path: "/v1/alerts", Tag: "alerts", Summary: "List alert rules and how they stand",
		Description: "The rules of each service that is live: its blueprint's, and the defaults of its kind. Those that fire come first.",
	}, func(ctx context.Context, actor platform.Actor, in *SlotQuery) (platform.List[platform.Alert], error) {
		return list(a.plane.ListAlerts(ctx, actor, in.ref()))
	})
	handle(a, operation{
		ID: "list-silences", Method: http.MethodGet, Path: "/v1/projects/{project}/silences", Tag: "alerts", Summary: "List silences that have not ended",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *ProjectPath) (platform.List[platform.Silence], error) {
		return list(a.plane.ListSilences(ctx, actor, in.Project))
	})
	handle(a, operation{
		ID: "create-silence", Method: http.MethodPost, Path: "/v1/projects/{project}/silences", Tag: "alerts", Summary: "Silence alerts for a while",
		Description: "What is found meanwhile opens no incident and is counted. What is open already stays open.",
		Status:      http.StatusCreated, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *createSilenceInput) (platform.Silence, error) {
		return a.plane.CreateSilence(ctx, actor, platform.CreateSilenceRequest{
			SlotRef: platform.SlotRef{Project: in.Project, Environment: in.Body.Environment, Service: in.Body.Service},
			Rule:    in.Body.Rule, Reason: in.Body.Reason, For: in.Body.For,
		})
	})
	handleEmpty(a, operation{
		ID: "end-silence", Method: http.MethodDelete, Path: "/v1/silences/{silence}", Tag: "alerts", Summary: "End a silence now",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *struct {
		SilencePath
		WriteHeader
	},
	) error {
		return a.plane.EndSilence(ctx, actor, in.Silence)
	})
}
