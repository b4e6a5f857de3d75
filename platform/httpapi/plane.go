package httpapi

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// plane is what the API needs of control, grouped by noun. *control.Plane satisfies it.
type plane interface {
	projects
	slots
	deploys
	signals
	incidents
	alerts
	channels
	accounts
	plans
	policies
	tokens
}

type projects interface {
	CreateProject(ctx context.Context, actor platform.Actor, req platform.CreateProjectRequest) (platform.ProjectDetail, error)
	GetProject(ctx context.Context, actor platform.Actor, project string) (platform.ProjectDetail, error)
	ListProjects(ctx context.Context, actor platform.Actor, page platform.Page) (platform.List[platform.Project], error)
	DeleteProject(ctx context.Context, actor platform.Actor, req platform.DeleteProjectRequest) error
}

type slots interface {
	slotConfig
	GetSlot(ctx context.Context, actor platform.Actor, ref platform.SlotRef) (platform.SlotDetail, error)
	ListSlots(ctx context.Context, actor platform.Actor, project string) ([]platform.SlotDetail, error)
	Scale(ctx context.Context, actor platform.Actor, req platform.ScaleRequest) (platform.Slot, error)
	Restart(ctx context.Context, actor platform.Actor, ref platform.SlotRef, reason string) (platform.Slot, error)
	ListInstances(ctx context.Context, actor platform.Actor, ref platform.SlotRef, ended bool) ([]platform.Instance, error)
}

type slotConfig interface {
	SetEnv(ctx context.Context, actor platform.Actor, req platform.SetEnvRequest) (platform.SetEnvResult, error)
	GetEnv(ctx context.Context, actor platform.Actor, ref platform.SlotRef) (platform.Config, error)
	ListReleases(ctx context.Context, actor platform.Actor, ref platform.SlotRef, page platform.Page) (platform.List[platform.Release], error)
}

type deploys interface {
	Deploy(ctx context.Context, actor platform.Actor, req platform.DeployRequest) (platform.Deploy, error)
	Rollback(ctx context.Context, actor platform.Actor, req platform.RollbackRequest) (platform.Deploy, error)
	CancelDeploy(ctx context.Context, actor platform.Actor, id platform.DeployID) (platform.Deploy, error)
	GetDeploy(ctx context.Context, actor platform.Actor, id platform.DeployID) (platform.Deploy, error)
	ListDeploys(ctx context.Context, actor platform.Actor, f platform.DeployFilter) (platform.List[platform.Deploy], error)
}

type signals interface {
	events
	logs
	traces
	QueryMetrics(ctx context.Context, actor platform.Actor, project string, q observability.MetricQuery) ([]observability.Series, error)
	CurrentSamples(ctx context.Context, actor platform.Actor, project string, filter observability.SampleFilter) ([]observability.Sample, error)
	AuthorizeProfiling(ctx context.Context, actor platform.Actor) error
	Status(ctx context.Context, actor platform.Actor) (platform.Status, error)
	Why(ctx context.Context, actor platform.Actor, instance platform.InstanceID) (platform.Why, error)
}

type logs interface {
	SearchLogs(ctx context.Context, actor platform.Actor, q observability.LogQuery) (observability.LogPage, error)
	FollowLogs(ctx context.Context, actor platform.Actor, q observability.LogQuery, yield func(observability.Line) error) error
	LogsAround(ctx context.Context, actor platform.Actor, q observability.LogQuery, place observability.Place, n int) (observability.LogContext, error)
	CountLogs(ctx context.Context, actor platform.Actor, q observability.LogQuery, step time.Duration) (observability.LogHistogram, error)
	LogPatterns(ctx context.Context, actor platform.Actor, q observability.PatternQuery) (observability.LogPatterns, error)
	ExportLogs(ctx context.Context, actor platform.Actor, q observability.LogQuery, yield func(observability.Line) error) error
}

type traces interface {
	SearchTraces(ctx context.Context, actor platform.Actor, q observability.TraceQuery) (observability.TracePage, error)
	GetTrace(ctx context.Context, actor platform.Actor, project, id string) (observability.TraceDetail, error)
	ServiceMap(ctx context.Context, actor platform.Actor, req platform.MapRequest) (platform.ServiceMap, error)
}

type events interface {
	ListEvents(ctx context.Context, actor platform.Actor, f platform.EventFilter) (platform.List[platform.Event], error)
	WatchEvents(ctx context.Context, actor platform.Actor, f platform.EventFilter, yield func(platform.Event) error) error
	VerifyEvents(ctx context.Context, actor platform.Actor) (platform.ChainReport, error)
}

type incidents interface {
	ListIncidents(ctx context.Context, actor platform.Actor, f platform.IncidentFilter) (platform.List[platform.Incident], error)
	GetIncident(ctx context.Context, actor platform.Actor, id platform.IncidentID) (platform.IncidentDetail, error)
	ListIncidentEvidence(ctx context.Context, actor platform.Actor, id platform.IncidentID) (platform.List[platform.Evidence], error)
	Diagnose(ctx context.Context, actor platform.Actor, id platform.IncidentID) (platform.Incident, error)
}

type alerts interface {
	ListAlerts(ctx context.Context, actor platform.Actor, ref platform.SlotRef) ([]platform.Alert, error)
	ListSilences(ctx context.Context, actor platform.Actor, project string) ([]platform.Silence, error)
	CreateSilence(ctx context.Context, actor platform.Actor, req platform.CreateSilenceRequest) (platform.Silence, error)
	EndSilence(ctx context.Context, actor platform.Actor, id platform.SilenceID) error
	inbound
}

type inbound interface {
	ListInboundAlerts(ctx context.Context, actor platform.Actor, f platform.InboundFilter) (platform.List[platform.InboundAlert], error)
	ReceiveAlerts(ctx context.Context, actor platform.Actor, req platform.ReceiveAlertsRequest) ([]platform.InboundAlert, error)
}

type channels interface {
	ListChannels(ctx context.Context, actor platform.Actor, project string) ([]platform.Channel, error)
	GetChannel(ctx context.Context, actor platform.Actor, id platform.ChannelID) (platform.Channel, error)
	CreateChannel(ctx context.Context, actor platform.Actor, req platform.CreateChannelRequest) (platform.Channel, error)
	UpdateChannel(ctx context.Context, actor platform.Actor, req platform.UpdateChannelRequest) (platform.Channel, error)
	DeleteChannel(ctx context.Context, actor platform.Actor, id platform.ChannelID) error
	TestChannel(ctx context.Context, actor platform.Actor, id platform.ChannelID) (platform.Delivery, error)
	ListDeliveries(ctx context.Context, actor platform.Actor, id platform.ChannelID, page platform.Page) (platform.List[platform.Delivery], error)
}

type accounts interface {
	GetUsage(ctx context.Context, actor platform.Actor, req platform.UsageRequest) (platform.UsageReport, error)
	SetBudget(ctx context.Context, actor platform.Actor, req platform.SetBudgetRequest) (platform.Budget, error)
	SetRetention(ctx context.Context, actor platform.Actor, req platform.SetRetentionRequest) (platform.Project, error)
}

type plans interface {
	Propose(ctx context.Context, actor platform.Actor, req platform.ProposeRequest) (platform.Plan, error)
	Decide(ctx context.Context, actor platform.Actor, id platform.PlanID, req platform.DecideRequest) (platform.Plan, error)
	GetPlan(ctx context.Context, actor platform.Actor, id platform.PlanID) (platform.Plan, error)
	ListPlans(ctx context.Context, actor platform.Actor, f platform.PlanFilter) (platform.List[platform.Plan], error)
}

type policies interface {
	GetPolicy(ctx context.Context, actor platform.Actor, project string, version int64) (platform.ProjectPolicy, error)
	SetPolicy(ctx context.Context, actor platform.Actor, req platform.SetPolicyRequest) (platform.ProjectPolicy, error)
	ExplainPolicy(ctx context.Context, actor platform.Actor, q platform.PolicyQuestion) (platform.PolicyDecision, error)
	AgentStatus(ctx context.Context, actor platform.Actor, project string) (platform.AgentStatus, error)
	StopAgents(ctx context.Context, actor platform.Actor, req platform.AgentSwitchRequest) (platform.AgentStatus, error)
	StartAgents(ctx context.Context, actor platform.Actor, req platform.AgentSwitchRequest) (platform.AgentStatus, error)
}

type tokens interface {
	Authenticate(ctx context.Context, secret, channel string) (platform.Actor, error)
	CreateToken(ctx context.Context, actor platform.Actor, req platform.CreateTokenRequest) (platform.CreatedToken, error)
	RevokeToken(ctx context.Context, actor platform.Actor, id platform.TokenID) error
	ListTokens(ctx context.Context, actor platform.Actor) ([]platform.Token, error)
}
