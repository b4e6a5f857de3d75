package httpapi

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/platform"
)

type getPolicyInput struct {
	ProjectPath
	Version int64 `query:"version" minimum:"0" doc:"One version; the one that holds when left out."`
}

type setPolicyInput struct {
	ProjectPath
	WriteHeader
	Body struct {
		Text      string `json:"text" minLength:"1" maxLength:"65536" doc:"The policy as YAML, as in docs/agent.md; {} says nothing."`
		IfVersion *int64 `json:"if_version,omitempty" minimum:"0" doc:"The version that was read; another one that holds is a conflict."`
		DryRun    bool   `json:"dry_run,omitempty" doc:"Check it and answer what would be set; set nothing. Whoever may read may ask."`
	}
}

type explainPolicyInput struct {
	ProjectPath
	Service     string              `query:"service" required:"true" maxLength:"80" doc:"Name or id of the service."`
	Environment string              `query:"environment" maxLength:"80" doc:"Name or id of the environment; production when left out."`
	Action      platform.ActionKind `query:"action" required:"true" enum:"rollback,restart,scale,set_env,revert_commit,deploy" doc:"What would be done."`
	Actor       string              `query:"actor" maxLength:"100" doc:"Who would do it: the name of a token; whoever asks when neither it, kind nor role is given."`
	Kind        platform.ActorKind  `query:"kind" enum:"human,automation,agent" doc:"Kind of the actor."`
	Role        platform.Role       `query:"role" enum:"sender,viewer,operator,admin" doc:"Role of the actor."`
	Replicas    int                 `query:"replicas" minimum:"0" maximum:"100" doc:"How many instances a scale asks for."`
	MemoryBytes int64               `query:"memory_bytes" minimum:"0" doc:"How much memory of each a scale asks for."`
	Plan        bool                `query:"plan" doc:"Ask about a plan rather than a change that the actor makes; an agent's is one always."`
}

func (in *explainPolicyInput) question() platform.PolicyQuestion {
	return platform.PolicyQuestion{
		SlotRef: platform.SlotRef{Project: in.Project, Environment: in.Environment, Service: in.Service}, Kind: in.Kind, Role: in.Role, Name: in.Actor,
		Action: in.Action, Replicas: in.Replicas, MemoryBytes: in.MemoryBytes, Plan: in.Plan,
	}
}

type agentStatusInput struct {
	Project string `query:"project" maxLength:"80" doc:"Only of this project and of everywhere."`
}

type agentSwitchInput struct {
	WriteHeader
	Body struct {
		Project string `json:"project,omitempty" maxLength:"80" doc:"Name or id of the project; everywhere when left out."`
		Reason  string `json:"reason,omitempty" maxLength:"2000" doc:"Why, for those who are refused."`
	}
}

func (in *agentSwitchInput) request() platform.AgentSwitchRequest {
	return platform.AgentSwitchRequest{Project: in.Body.Project, Reason: in.Body.Reason}
}

func (a *API) registerPolicies() {
	handle(a, operation{
		ID: "get-policy", Method: http.MethodGet, Path: "/v1/projects/{project}/policy", Tag: "policies", Summary: "Show what a project lets whom do",
		Description: "Version 0 is that of a project which never set one: the platform's own rules hold.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *getPolicyInput) (platform.ProjectPolicy, error) {
		return a.plane.GetPolicy(ctx, actor, in.Project, in.Version)
	})
	handle(a, operation{
		ID: "set-policy", Method: http.MethodPut, Path: "/v1/projects/{project}/policy", Tag: "policies", Summary: "Set what a project lets whom do",
		Description: "People with the role admin only. It holds at once: plans are judged by it when they are decided and when they begin. " +
			"No policy goes below the platform's floor.", Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, actor platform.Actor, in *setPolicyInput) (platform.ProjectPolicy, error) {
		return a.plane.SetPolicy(ctx, actor, platform.SetPolicyRequest{
			Project: in.Project, Text: in.Body.Text, IfVersion: in.Body.IfVersion, DryRun: in.Body.DryRun,
		})
	})
	handle(a, operation{
		ID: "explain-policy", Method: http.MethodGet, Path: "/v1/projects/{project}/policy/explain", Tag: "policies", Summary: "Explain what would become of an action",
		Description: "The outcome with every check in its order, and why each said what it did. Nothing is recorded.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *explainPolicyInput) (platform.PolicyDecision, error) {
		return a.plane.ExplainPolicy(ctx, actor, in.question())
	})
	handle(a, operation{
		ID: "get-agent-status", Method: http.MethodGet, Path: "/v1/agent", Tag: "policies", Summary: "Show where agents are stopped, and what waits for their start",
		Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *agentStatusInput) (platform.AgentStatus, error) {
		return a.plane.AgentStatus(ctx, actor, in.Project)
	})
	handle(a, operation{
		ID: "stop-agents", Method: http.MethodPost, Path: "/v1/agent/stop", Tag: "policies", Summary: "Stop carrying out what agents propose",
		Description: "Operators and admins. Once it has answered nothing that an agent or the investigation proposed begins. Diagnosis goes on.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *agentSwitchInput) (platform.AgentStatus, error) {
		return a.plane.StopAgents(ctx, actor, in.request())
	})
	handle(a, operation{
		ID: "start-agents", Method: http.MethodPost, Path: "/v1/agent/start", Tag: "policies", Summary: "Start agents again",
		Description: "People with the role admin only. Plans that need no approval and have not expired begin.", Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, actor platform.Actor, in *agentSwitchInput) (platform.AgentStatus, error) {
		return a.plane.StartAgents(ctx, actor, in.request())
	})
}
