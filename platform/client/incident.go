package client

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

// ListIncidents returns one page of incidents, newest first.
func (c *Client) ListIncidents(ctx context.Context, f platform.IncidentFilter) (platform.List[platform.Incident], error) {
	query := values{}.addSlot(f.SlotRef).add("state", string(f.State)).addPage(f.Page)
	return get[platform.List[platform.Incident]](ctx, c, query, "incidents")
}

// GetIncident returns an incident with diagnosis, evidence, plans and events.
func (c *Client) GetIncident(ctx context.Context, id platform.IncidentID) (platform.IncidentDetail, error) {
	return get[platform.IncidentDetail](ctx, c, nil, "incidents", "incident="+string(id))
}

// ListIncidentEvidence returns all that was frozen for the newest diagnosis of an incident, the facts as data among it.
func (c *Client) ListIncidentEvidence(ctx context.Context, id platform.IncidentID) (platform.List[platform.Evidence], error) {
	return get[platform.List[platform.Evidence]](ctx, c, nil, "incidents", "incident="+string(id), "evidence")
}

// Diagnose asks for a fresh diagnosis, made in the background.
func (c *Client) Diagnose(ctx context.Context, id platform.IncidentID) (platform.Incident, error) {
	return send[platform.Incident](ctx, c, request{method: http.MethodPost}, "incidents", "incident="+string(id), "diagnoses")
}

// Propose freezes an action into a plan.
func (c *Client) Propose(ctx context.Context, req platform.ProposeRequest) (platform.Plan, error) {
	return send[platform.Plan](ctx, c, request{method: http.MethodPost, body: req}, "plans")
}

// Decide approves or rejects a plan.
func (c *Client) Decide(ctx context.Context, id platform.PlanID, req platform.DecideRequest) (platform.Plan, error) {
	return send[platform.Plan](ctx, c, request{method: http.MethodPost, body: req}, "plans", "plan="+string(id), "decision")
}

// GetPlan returns a plan.
func (c *Client) GetPlan(ctx context.Context, id platform.PlanID) (platform.Plan, error) {
	return get[platform.Plan](ctx, c, nil, "plans", "plan="+string(id))
}

// ListPlans returns one page of plans, newest first.
func (c *Client) ListPlans(ctx context.Context, f platform.PlanFilter) (platform.List[platform.Plan], error) {
	query := values{}.addSlot(f.SlotRef).add("incident", string(f.IncidentID)).add("state", string(f.State)).addPage(f.Page)
	return get[platform.List[platform.Plan]](ctx, c, query, "plans")
}
