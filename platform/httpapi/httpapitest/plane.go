// Package httpapitest is a plane of plain values, and the real API in front of it, for tests of the faces.
//
// It owns one small sample installation with fixed ids and times. It must not be imported by production code, and it
// decides nothing but who may write, so that faces can be tested without Postgres.
package httpapitest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
)

// Secrets of the tokens that the sample knows.
const (
	AdminToken  = platform.TokenPrefix + "admin"
	AgentToken  = platform.TokenPrefix + "agent"
	ViewerToken = platform.TokenPrefix + "viewer"
	SenderToken = platform.TokenPrefix + "sender" // of the sample project
	OtherToken  = platform.TokenPrefix + "other"  // a sender of another project
)

// Plane answers from the exported values, which a test may change before it serves them.
type Plane struct {
	Project    platform.ProjectDetail
	Slots      []platform.SlotDetail
	Releases   []platform.Release
	Deploys    []platform.Deploy
	Instances  []platform.Instance
	Config     platform.Config
	Events     []platform.Event
	Lines      []observability.Line
	Incomplete string // what every answer of lines says is missing
	Histogram  observability.LogHistogram
	Patterns   observability.LogPatterns
	Series     []observability.Series
	Samples    []observability.Sample
	Incident   platform.IncidentDetail
	Plan       platform.Plan
	Tokens     []platform.Token
	Alerts     []platform.Alert
	Silences   []platform.Silence
	Inbox      []platform.InboundAlert
	Channels   []platform.Channel
	Deliveries []platform.Delivery
	WhyAnswer  platform.Why
	Usage      platform.UsageReport
	Policy     platform.ProjectPolicy
	Decision   platform.PolicyDecision
	Stopped    platform.AgentStatus
	Traces     []observability.Trace
	Trace      observability.TraceDetail
	Map        platform.ServiceMap
	// Fail, where set, is asked before every call but Authenticate.
	Fail func(call string) error
	// OnStatus, where set, is called by Status with the operation's context.
	OnStatus func(ctx context.Context) error
	// OnExport, where set, yields what ExportLogs yields.
	OnExport func(yield func(observability.Line) error) error
	// LiveEvents and LiveLines feed WatchEvents and FollowLogs after what is there already.
	LiveEvents chan platform.Event
	LiveLines  chan observability.Line

	mu        sync.Mutex // guards the fields below
	revoked   map[string]bool
	calls     []Call
	responses map[string]answer
	following int
	changed   chan struct{}
}

// Call is one call that reached the plane.
type Call struct {
	Name  string
	Actor platform.Actor
	Arg   any
}

type answer struct {
	asked    control.Keyed
	response control.Response
}

// Calls returns what was called so far, in order.
func (p *Plane) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Following returns how many streams are open now, and a channel that is closed when that changes.
func (p *Plane) Following() (int, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.following, p.changed
}

func (p *Plane) follow(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.following += n
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Plane) read(name string, actor platform.Actor, arg any) error {
	p.mu.Lock()
	p.calls = append(p.calls, Call{Name: name, Actor: actor, Arg: arg})
	p.mu.Unlock()
	if p.Fail != nil {
		return p.Fail(name)
	}
	return nil
}

func (p *Plane) write(name string, actor platform.Actor, arg any) error {
	if actor.Kind == platform.ActorAgent || !actor.Role.Includes(platform.RoleOperator) {
		return platform.Errorf(platform.CodeDenied, "%s may not do this.", actor.Principal()).
			WithHint("Propose it as a plan; a human approves it.")
	}
	return p.read(name, actor, arg)
}

func missing(noun, id string) error {
	return platform.Errorf(platform.CodeNotFound, "There is no %s %q.", noun, id)
}

// Revoke makes a token one that Authenticate does not know.
func (p *Plane) Revoke(secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.revoked == nil {
		p.revoked = map[string]bool{}
	}
	p.revoked[secret] = true
}

func (p *Plane) isRevoked(secret string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.revoked[secret]
}

// Authenticate knows the tokens above, unless they are revoked.
func (p *Plane) Authenticate(_ context.Context, secret, channel string) (platform.Actor, error) {
	if p.isRevoked(secret) {
		return platform.Actor{}, platform.Errorf(platform.CodeUnauthenticated, "The token was revoked.")
	}
	switch secret {
	case AdminToken:
		return platform.Actor{Kind: platform.ActorHuman, Name: "ada", TokenID: "tok_ada", Role: platform.RoleAdmin, Channel: channel}, nil
	case AgentToken:
		return platform.Actor{Kind: platform.ActorAgent, Name: "fixer", TokenID: "tok_01", Role: platform.RoleOperator, Owner: "ada", Channel: channel}, nil
	case ViewerToken:
		return platform.Actor{Kind: platform.ActorHuman, Name: "eve", TokenID: "tok_eve", Role: platform.RoleViewer, Channel: channel}, nil
	case SenderToken:
		return sender("api", "shop", channel), nil
	case OtherToken:
		return sender("other-api", "other", channel), nil
	}
	return platform.Actor{}, platform.Errorf(platform.CodeUnauthenticated, "This token is unknown, expired or revoked.").WithHint("Ask an admin for a new one.")
}

// CreateProject answers the sample project.
func (p *Plane) CreateProject(_ context.Context, actor platform.Actor, req platform.CreateProjectRequest) (platform.ProjectDetail, error) {
	return p.Project, p.write("CreateProject", actor, req)
}

// GetProject knows the sample project only.
func (p *Plane) GetProject(_ context.Context, actor platform.Actor, project string) (platform.ProjectDetail, error) {
	if project != p.Project.Name {
		return platform.ProjectDetail{}, missing("project", project)
	}
	return p.Project, p.read("GetProject", actor, project)
}

// ListProjects lists the sample project.
func (p *Plane) ListProjects(_ context.Context, actor platform.Actor, page platform.Page) (platform.List[platform.Project], error) {
	if page.Cursor != "" {
		return platform.List[platform.Project]{}, platform.Errorf(platform.CodeInvalid, "The cursor does not belong to this list.").WithField("cursor")
	}
	return platform.List[platform.Project]{Items: []platform.Project{p.Project.Project}}, p.read("ListProjects", actor, page)
}

// DeleteProject records the call.
func (p *Plane) DeleteProject(_ context.Context, actor platform.Actor, req platform.DeleteProjectRequest) error {
	return p.write("DeleteProject", actor, req)
}

// GetSlot knows the sample's services.
func (p *Plane) GetSlot(_ context.Context, actor platform.Actor, ref platform.SlotRef) (platform.SlotDetail, error) {
	s, err := p.slot(ref)
	if err != nil {
		return platform.SlotDetail{}, err
	}
	return s, p.read("GetSlot", actor, ref)
}

func (p *Plane) slot(ref platform.SlotRef) (platform.SlotDetail, error) {
	for _, s := range p.Slots {
		if s.Project == ref.Project && s.Service == ref.Service && (ref.Environment == "" || s.Environment == ref.Environment) {
			return s, nil
		}
	}
	return platform.SlotDetail{}, missing("service", ref.Service)
}

// ListSlots lists the sample's services.
func (p *Plane) ListSlots(_ context.Context, actor platform.Actor, project string) ([]platform.SlotDetail, error) {
	return p.Slots, p.read("ListSlots", actor, project)
}

// Scale answers the slot with the wanted number.
func (p *Plane) Scale(_ context.Context, actor platform.Actor, req platform.ScaleRequest) (platform.Slot, error) {
	if err := p.write("Scale", actor, req); err != nil {
		return platform.Slot{}, err
	}
	s, err := p.slot(req.SlotRef)
	s.Replicas = req.Replicas
	return s.Slot, err
}

// Restart answers the slot.
func (p *Plane) Restart(_ context.Context, actor platform.Actor, ref platform.SlotRef, reason string) (platform.Slot, error) {
	if err := p.write("Restart", actor, reason); err != nil {
		return platform.Slot{}, err
	}
	s, err := p.slot(ref)
	return s.Slot, err
}

// SetEnv answers the configuration it was given, values of secrets included, so that a face's own masking is tested.
func (p *Plane) SetEnv(_ context.Context, actor platform.Actor, req platform.SetEnvRequest) (platform.SetEnvResult, error) {
	c := p.Config
	c.Version++
	c.Vars = append(slices.Clone(c.Vars), req.Set...)
	r := platform.SetEnvResult{Config: c}
	if !req.NoDeploy {
		r.Deploy = &p.Deploys[0]
	}
	return r, p.write("SetEnv", actor, req)
}

// GetEnv answers the sample configuration.
func (p *Plane) GetEnv(_ context.Context, actor platform.Actor, ref platform.SlotRef) (platform.Config, error) {
	return p.Config, p.read("GetEnv", actor, ref)
}

// ListReleases lists the sample releases.
func (p *Plane) ListReleases(_ context.Context, actor platform.Actor, ref platform.SlotRef, _ platform.Page) (platform.List[platform.Release], error) {
	return platform.List[platform.Release]{Items: p.Releases}, p.read("ListReleases", actor, ref)
}

// ListInstances lists the sample instances.
func (p *Plane) ListInstances(_ context.Context, actor platform.Actor, ref platform.SlotRef, ended bool) ([]platform.Instance, error) {
	var kept []platform.Instance
	for _, in := range p.Instances {
		if ended || !in.State.Ended() {
			kept = append(kept, in)
		}
	}
	return kept, p.read("ListInstances", actor, ref)
}

// Why knows the sample's instance.
func (p *Plane) Why(_ context.Context, actor platform.Actor, id platform.InstanceID) (platform.Why, error) {
	if id != p.WhyAnswer.Instance.ID {
		return platform.Why{}, missing("instance", string(id))
	}
	return p.WhyAnswer, p.read("Why", actor, id)
}

// Deploy answers the newest sample deploy.
func (p *Plane) Deploy(_ context.Context, actor platform.Actor, req platform.DeployRequest) (platform.Deploy, error) {
	return p.Deploys[0], p.write("Deploy", actor, req)
}

// Rollback answers the newest sample deploy.
func (p *Plane) Rollback(_ context.Context, actor platform.Actor, req platform.RollbackRequest) (platform.Deploy, error) {
	return p.Deploys[0], p.write("Rollback", actor, req)
}

// CancelDeploy answers the deploy.
func (p *Plane) CancelDeploy(ctx context.Context, actor platform.Actor, id platform.DeployID) (platform.Deploy, error) {
	if err := p.write("CancelDeploy", actor, id); err != nil {
		return platform.Deploy{}, err
	}
	return p.GetDeploy(ctx, actor, id)
}

// GetDeploy knows the sample deploys.
func (p *Plane) GetDeploy(_ context.Context, actor platform.Actor, id platform.DeployID) (platform.Deploy, error) {
	for _, d := range p.Deploys {
		if d.ID == id {
			return d, p.read("GetDeploy", actor, id)
		}
	}
	return platform.Deploy{}, missing("deploy", string(id))
}

// ListDeploys lists the sample deploys.
func (p *Plane) ListDeploys(_ context.Context, actor platform.Actor, f platform.DeployFilter) (platform.List[platform.Deploy], error) {
	return platform.List[platform.Deploy]{Items: p.Deploys}, p.read("ListDeploys", actor, f)
}

// ListEvents lists the sample events after f.AfterSeq.
func (p *Plane) ListEvents(_ context.Context, actor platform.Actor, f platform.EventFilter) (platform.List[platform.Event], error) {
	var kept []platform.Event
	for _, e := range p.Events {
		if e.Seq > f.AfterSeq {
			kept = append(kept, e)
		}
	}
	return platform.List[platform.Event]{Items: kept}, p.read("ListEvents", actor, f)
}

// WatchEvents yields the sample events and then LiveEvents.
func (p *Plane) WatchEvents(ctx context.Context, actor platform.Actor, f platform.EventFilter, yield func(platform.Event) error) error {
	old, err := p.ListEvents(ctx, actor, f)
	if err != nil {
		return err
	}
	return watch(ctx, p, old.Items, p.LiveEvents, yield)
}

func watch[T any](ctx context.Context, p *Plane, old []T, live <-chan T, yield func(T) error) error {
	p.follow(1)
	defer p.follow(-1)
	for _, v := range old {
		if err := yield(v); err != nil {
			return err
		}
	}
	for {
		select {
		case v, open := <-live:
			if !open {
				return nil
			}
			if err := yield(v); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// VerifyEvents verifies the sample's chain.
func (p *Plane) VerifyEvents(_ context.Context, actor platform.Actor) (platform.ChainReport, error) {
	r := platform.ChainReport{Events: int64(len(p.Events)), BrokenAt: platform.VerifyChain("", p.Events)}
	r.OK = r.BrokenAt == 0
	if len(p.Events) > 0 {
		r.Head = p.Events[len(p.Events)-1].Hash
	}
	return r, p.read("VerifyEvents", actor, nil)
}

// SearchLogs returns the lines of the query's source, or all.
func (p *Plane) SearchLogs(_ context.Context, actor platform.Actor, q observability.LogQuery) (observability.LogPage, error) {
	var kept []observability.Line
	for _, l := range p.Lines {
		if (q.Source == "" || l.Source == q.Source) && (q.From.IsZero() || !l.At.Before(q.From)) {
			kept = append(kept, l)
		}
	}
	if q.Backward {
		slices.Reverse(kept)
	}
	return observability.LogPage{Lines: kept, Incomplete: p.Incomplete}, p.read("SearchLogs", actor, q)
}

// FollowLogs yields the same lines and then LiveLines.
func (p *Plane) FollowLogs(ctx context.Context, actor platform.Actor, q observability.LogQuery, yield func(observability.Line) error) error {
	old, err := p.SearchLogs(ctx, actor, q)
	if err != nil {
		return err
	}
	return watch(ctx, p, old.Lines, p.LiveLines, yield)
}

// LogsAround answers the newest sample line with those before it.
func (p *Plane) LogsAround(_ context.Context, actor platform.Actor, q observability.LogQuery, place observability.Place, _ int) (observability.LogContext, error) {
	last := len(p.Lines) - 1
	return observability.LogContext{Before: p.Lines[last-1 : last], Line: p.Lines[last], Incomplete: p.Incomplete}, p.read("LogsAround", actor, LogsAround{q, place})
}

// LogsAround is what was asked of LogsAround.
type LogsAround struct {
	Query observability.LogQuery
	Place observability.Place
}

// CountLogs answers the sample counts.
func (p *Plane) CountLogs(_ context.Context, actor platform.Actor, q observability.LogQuery, step time.Duration) (observability.LogHistogram, error) {
	h := p.Histogram
	h.Incomplete = p.Incomplete
	return h, p.read("CountLogs", actor, CountLogs{q, step})
}

// CountLogs is what was asked of CountLogs.
type CountLogs struct {
	Query observability.LogQuery
	Step  time.Duration
}

// LogPatterns answers the sample patterns, with their comparison where one is asked for.
func (p *Plane) LogPatterns(_ context.Context, actor platform.Actor, q observability.PatternQuery) (observability.LogPatterns, error) {
	out := p.Patterns
	if q.Compare.IsZero() {
		out.Comparison = nil
	}
	return out, p.read("LogPatterns", actor, q)
}

// ExportLogs yields the sample lines. Where Fail refuses the call it does so after the first line.
func (p *Plane) ExportLogs(_ context.Context, actor platform.Actor, q observability.LogQuery, yield func(observability.Line) error) error {
	refused := p.read("ExportLogs", actor, q)
	if p.OnExport != nil {
		return p.OnExport(yield)
	}
	for i, l := range p.Lines {
		if i > 0 && refused != nil {
			return refused
		}
		if err := yield(l); err != nil {
			return err
		}
	}
	return nil
}

// QueryMetrics answers the sample series.
func (p *Plane) QueryMetrics(_ context.Context, actor platform.Actor, _ string, q observability.MetricQuery) ([]observability.Series, error) {
	return p.Series, p.read("QueryMetrics", actor, q)
}

// CurrentSamples answers the sample's.
func (p *Plane) CurrentSamples(_ context.Context, actor platform.Actor, _ string, filter observability.SampleFilter) ([]observability.Sample, error) {
	return p.Samples, p.read("CurrentSamples", actor, filter)
}

// AuthorizeProfiling lets admins who are no agents.
func (p *Plane) AuthorizeProfiling(_ context.Context, actor platform.Actor) error {
	if actor.Role != platform.RoleAdmin {
		return platform.Errorf(platform.CodeDenied, "%s may not do this.", actor.Principal())
	}
	return p.write("AuthorizeProfiling", actor, nil)
}

// Status puts the sample together.
func (p *Plane) Status(ctx context.Context, actor platform.Actor) (platform.Status, error) {
	if p.OnStatus != nil {
		if err := p.OnStatus(ctx); err != nil {
			return platform.Status{}, err
		}
	}
	return platform.Status{
		Version: "0.1.0", Slots: p.Slots, Incidents: []platform.Incident{p.Incident.Incident}, Plans: []platform.Plan{p.Plan}, Stops: p.Stopped.Stops,
		Parts:  []platform.PartStatus{{Name: "postgres", OK: true, Detail: "14.13"}, {Name: "engine", OK: true, Detail: "docker 20.10.24"}, {Name: "router", OK: false, Detail: "no answer on its socket"}},
		Uptime: 26 * time.Hour,
	}, p.read("Status", actor, nil)
}

// ListIncidents lists the sample incident.
func (p *Plane) ListIncidents(_ context.Context, actor platform.Actor, f platform.IncidentFilter) (platform.List[platform.Incident], error) {
	return platform.List[platform.Incident]{Items: []platform.Incident{p.Incident.Incident}}, p.read("ListIncidents", actor, f)
}

// GetIncident knows the sample incident.
func (p *Plane) GetIncident(_ context.Context, actor platform.Actor, id platform.IncidentID) (platform.IncidentDetail, error) {
	if id != p.Incident.ID {
		return platform.IncidentDetail{}, missing("incident", string(id))
	}
	return p.Incident, p.read("GetIncident", actor, id)
}

// ListIncidentEvidence has the items of the sample incident, and facts that hold its lines.
func (p *Plane) ListIncidentEvidence(_ context.Context, actor platform.Actor, id platform.IncidentID) (platform.List[platform.Evidence], error) {
	if id != p.Incident.ID {
		return platform.List[platform.Evidence]{}, missing("incident", string(id))
	}
	const facts = `{"Incident":{"id":"inc_01","service":"api","opened_at":"2026-03-01T14:00:00Z"},"Lines":[{"At":"2026-03-01T14:00:00Z","Service":"api","Level":"error","Text":"TypeError: unsupported operand type(s) for round: 'str'","Cite":"ev_01"}]}`
	record := platform.Evidence{ID: "ev_03", IncidentID: id, Number: 3, Kind: platform.EvidenceFacts, Title: "What the rules read, as data", Source: "evidence", Excerpt: facts}.Seal()
	return platform.List[platform.Evidence]{Items: append(slices.Clone(p.Incident.Evidence), record)}, p.read("ListIncidentEvidence", actor, id)
}

// Diagnose answers the sample incident.
func (p *Plane) Diagnose(_ context.Context, actor platform.Actor, id platform.IncidentID) (platform.Incident, error) {
	return p.Incident.Incident, p.write("Diagnose", actor, id)
}

// Propose is open to agents.
func (p *Plane) Propose(_ context.Context, actor platform.Actor, req platform.ProposeRequest) (platform.Plan, error) {
	return p.Plan, p.read("Propose", actor, req)
}

// Decide refuses agents and answers the plan decided.
func (p *Plane) Decide(_ context.Context, actor platform.Actor, id platform.PlanID, req platform.DecideRequest) (platform.Plan, error) {
	if err := p.write("Decide", actor, req); err != nil {
		return platform.Plan{}, err
	}
	plan := p.Plan
	if id != plan.ID {
		return platform.Plan{}, missing("plan", string(id))
	}
	plan.State = platform.PlanRejected
	if req.Approve {
		plan.State = platform.PlanApproved
	}
	return plan, nil
}

// GetPlan knows the sample plan.
func (p *Plane) GetPlan(_ context.Context, actor platform.Actor, id platform.PlanID) (platform.Plan, error) {
	if id != p.Plan.ID {
		return platform.Plan{}, missing("plan", string(id))
	}
	return p.Plan, p.read("GetPlan", actor, id)
}

// ListPlans lists the sample plan.
func (p *Plane) ListPlans(_ context.Context, actor platform.Actor, f platform.PlanFilter) (platform.List[platform.Plan], error) {
	return platform.List[platform.Plan]{Items: []platform.Plan{p.Plan}}, p.read("ListPlans", actor, f)
}

// CreateToken answers a token with a fixed secret.
func (p *Plane) CreateToken(_ context.Context, actor platform.Actor, req platform.CreateTokenRequest) (platform.CreatedToken, error) {
	t := p.Tokens[0]
	t.Name, t.Kind, t.Role, t.Projects = req.Name, req.Kind, req.Role, req.Projects
	return platform.CreatedToken{Token: t, Secret: platform.TokenPrefix + "shown-once"}, p.write("CreateToken", actor, req)
}

// RevokeToken records the call.
func (p *Plane) RevokeToken(_ context.Context, actor platform.Actor, id platform.TokenID) error {
	return p.write("RevokeToken", actor, id)
}

// ListTokens lists the sample tokens.
func (p *Plane) ListTokens(_ context.Context, actor platform.Actor) ([]platform.Token, error) {
	return p.Tokens, p.read("ListTokens", actor, nil)
}

// RecallResponse answers from memory.
func (p *Plane) RecallResponse(_ context.Context, k control.Keyed) (*control.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept, found := p.responses[string(k.TokenID)+" "+k.Key]
	if !found {
		return nil, nil
	}
	if kept.asked != k {
		return nil, platform.Errorf(platform.CodeConflict, "The idempotency key was used for another request.").
			WithHint("Use a fresh key for each request.").WithField("Idempotency-Key")
	}
	return &kept.response, nil
}

// RememberResponse keeps the answer.
func (p *Plane) RememberResponse(_ context.Context, k control.Keyed, r control.Response) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.Body = slices.Clone(r.Body)
	p.responses[string(k.TokenID)+" "+k.Key] = answer{asked: k, response: r}
	return nil
}
