package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

type listPlansInput struct {
	SlotQuery
	PageQuery
	Incident platform.IncidentID `query:"incident" maxLength:"80" doc:"Only of this incident."`
	State    platform.PlanState  `query:"state" enum:"pending,approved,executing,verified,failed,rejected,expired,stale" doc:"Only in this state."`
}

// PlanPath names a plan.
type PlanPath struct {
	Plan platform.PlanID `path:"plan" maxLength:"80" doc:"Id of the plan: plan_..."`
}

type proposeInput struct {
	WriteHeader
	Body struct {
		Action     platform.Action     `json:"action" doc:"What to do: one of the closed set of actions."`
		IncidentID platform.IncidentID `json:"incident_id,omitempty" doc:"The incident it should end."`
		Reason     string              `json:"reason" minLength:"1" maxLength:"2000" doc:"Why, for the human who decides."`
		DryRun     bool                `json:"dry_run,omitempty" doc:"Answer the plan as it would be frozen; record nothing."`
	}
}

type decideInput struct {
	PlanPath
	WriteHeader
	Body struct {
		Approve  bool   `json:"approve" doc:"true approves, false rejects."`
		Hash     string `json:"hash,omitempty" maxLength:"64" doc:"The hash of the plan that was read; another hash is refused."`
		Comment  string `json:"comment,omitempty" maxLength:"2000"`
		EnvValue string `json:"env_value,omitempty" doc:"The value of a set_env plan that was frozen without one. Sealed, never shown." writeOnly:"true"`
	}
}

func (a *API) registerPlans() {
	handle(a, operation{
		ID: "list-plans", Method: http.MethodGet, Path: "/v1/plans", Tag: "plans", Summary: "List plans, newest first",
	}, func(ctx context.Context, actor platform.Actor, in *listPlansInput) (platform.List[platform.Plan], error) {
		return full(a.plane.ListPlans(ctx, actor, platform.PlanFilter{SlotRef: in.ref(), IncidentID: in.Incident, State: in.State, Page: in.page()}))
	})
	handle(a, operation{
		ID: "propose-plan", Method: http.MethodPost, Path: "/v1/plans", Tag: "plans", Summary: "Propose an action",
		Description: "The action is frozen into a plan with a hash. It waits for a human unless policy lets this actor act at once.",
		Status:      http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *proposeInput) (platform.Plan, error) {
		return a.plane.Propose(ctx, actor, platform.ProposeRequest{
			Action: in.Body.Action, IncidentID: in.Body.IncidentID, Reason: in.Body.Reason, DryRun: in.Body.DryRun,
		})
	})
	handle(a, operation{
		ID: "get-plan", Method: http.MethodGet, Path: "/v1/plans/{plan}", Tag: "plans", Summary: "Show a plan",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *PlanPath) (platform.Plan, error) {
		return a.plane.GetPlan(ctx, actor, in.Plan)
	})
	handle(a, operation{
		ID: "decide-plan", Method: http.MethodPost, Path: "/v1/plans/{plan}/decision", Tag: "plans", Summary: "Approve or reject a plan",
		Description: "Only a human other than the requester may approve. A plan is decided once; an expired or decided one is a conflict.",
		Errors:      []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *decideInput) (platform.Plan, error) {
		return a.plane.Decide(ctx, actor, in.Plan, platform.DecideRequest{
			Approve: in.Body.Approve, Hash: in.Body.Hash, Comment: in.Body.Comment, EnvValue: in.Body.EnvValue,
		})
	})
}
