package client

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

// GetPolicy returns the policy of a project: the one that holds, or with a version above 0 that one.
func (c *Client) GetPolicy(ctx context.Context, project string, version int64) (platform.ProjectPolicy, error) {
	return get[platform.ProjectPolicy](ctx, c, values{}.addInt("version", version), "projects", "project="+project, "policy")
}

// SetPolicy sets the policy of a project, or with DryRun checks it.
func (c *Client) SetPolicy(ctx context.Context, req platform.SetPolicyRequest) (platform.ProjectPolicy, error) {
	body := map[string]any{"text": req.Text, "dry_run": req.DryRun}
	if req.IfVersion != nil {
		body["if_version"] = *req.IfVersion
	}
	return send[platform.ProjectPolicy](ctx, c, request{method: http.MethodPut, body: body}, "projects", "project="+req.Project, "policy")
}

// ExplainPolicy says what would become of an action, with every check.
func (c *Client) ExplainPolicy(ctx context.Context, q platform.PolicyQuestion) (platform.PolicyDecision, error) {
	query := values{}.add("service", q.Service).add("environment", q.Environment).add("action", string(q.Action)).add("actor", q.Name).
		add("kind", string(q.Kind)).add("role", string(q.Role)).addInt("replicas", int64(q.Replicas)).addInt("memory_bytes", q.MemoryBytes).addBool("plan", q.Plan)
	return get[platform.PolicyDecision](ctx, c, query, "projects", "project="+q.Project, "policy", "explain")
}

// AgentStatus returns where agents are stopped, and which plans wait for their start; project "" means all.
func (c *Client) AgentStatus(ctx context.Context, project string) (platform.AgentStatus, error) {
	return get[platform.AgentStatus](ctx, c, values{}.add("project", project), "agent")
}

// StopAgents stops what agents propose from being carried out.
func (c *Client) StopAgents(ctx context.Context, req platform.AgentSwitchRequest) (platform.AgentStatus, error) {
	return send[platform.AgentStatus](ctx, c, request{method: http.MethodPost, body: req}, "agent", "stop")
}

// StartAgents ends a stop.
func (c *Client) StartAgents(ctx context.Context, req platform.AgentSwitchRequest) (platform.AgentStatus, error) {
	return send[platform.AgentStatus](ctx, c, request{method: http.MethodPost, body: req}, "agent", "start")
}
