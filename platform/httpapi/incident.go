package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

type listIncidentsInput struct {
	SlotQuery
	PageQuery
	State platform.IncidentState `query:"state" enum:"open,resolved" doc:"Only in this state."`
}

// IncidentPath names an incident.
type IncidentPath struct {
	Incident platform.IncidentID `path:"incident" maxLength:"80" doc:"Id of the incident: inc_..."`
}

func (a *API) registerIncidents() {
	handle(a, operation{
		ID: "list-incidents", Method: http.MethodGet, Path: "/v1/incidents", Tag: "incidents", Summary: "List incidents, newest first",
	}, func(ctx context.Context, actor platform.Actor, in *listIncidentsInput) (platform.List[platform.Incident], error) {
		return full(a.plane.ListIncidents(ctx, actor, platform.IncidentFilter{SlotRef: in.ref(), State: in.State, Page: in.page()}))
	})
	handle(a, operation{
		ID: "get-incident", Method: http.MethodGet, Path: "/v1/incidents/{incident}", Tag: "incidents", Summary: "Show an incident with diagnosis, evidence and plans",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *IncidentPath) (platform.IncidentDetail, error) {
		return a.plane.GetIncident(ctx, actor, in.Incident)
	})
	handle(a, operation{
		ID: "list-incident-evidence", Method: http.MethodGet, Path: "/v1/incidents/{incident}/evidence", Tag: "incidents", Summary: "List all that was frozen for the newest diagnosis",
		Description: "An incident shows the items that tell people; here is the one of kind facts too, which holds what the rules read as data.",
		Errors:      []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *IncidentPath) (platform.List[platform.Evidence], error) {
		return full(a.plane.ListIncidentEvidence(ctx, actor, in.Incident))
	})
	handle(a, operation{
		ID: "diagnose-incident", Method: http.MethodPost, Path: "/v1/incidents/{incident}/diagnoses", Tag: "incidents", Summary: "Ask for a fresh diagnosis",
		Description: "It is made in the background; the incident's diagnosis_id changes when it is there.",
		Status:      http.StatusAccepted, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *struct {
		IncidentPath
		WriteHeader
	},
	) (platform.Incident, error) {
		return a.plane.Diagnose(ctx, actor, in.Incident)
	})
}
