// Package tools holds the MCP tools of Fairlead, one file per noun: what a model may read of the platform and what it
// may propose.
//
// It owns the names, arguments and answers of the tools. It must not know how the platform is reached: each call uses
// the API as the caller, with the caller's own token. No tool approves anything.
package tools

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/fairlead/fairlead/mcp/toolkit"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// API is what the tools need of the platform, as one caller sees it. platform/client satisfies it.
type API interface {
	services
	deploys
	telemetry
	incidents
	alerts
	plans
}

type services interface {
	Status(ctx context.Context) (platform.Status, error)
	ListSlots(ctx context.Context, project string) ([]platform.SlotDetail, error)
	GetSlot(ctx context.Context, ref platform.SlotRef) (platform.SlotDetail, error)
	GetEnv(ctx context.Context, ref platform.SlotRef) (platform.Config, error)
	Why(ctx context.Context, id platform.InstanceID) (platform.Why, error)
}

type deploys interface {
	ListDeploys(ctx context.Context, f platform.DeployFilter) (platform.List[platform.Deploy], error)
	GetDeploy(ctx context.Context, id platform.DeployID) (platform.Deploy, error)
	ListReleases(ctx context.Context, ref platform.SlotRef, page platform.Page) (platform.List[platform.Release], error)
}

type telemetry interface {
	SearchLogs(ctx context.Context, q observability.LogQuery) (observability.LogPage, error)
	LogPatterns(ctx context.Context, q observability.PatternQuery) (observability.LogPatterns, error)
	QueryMetrics(ctx context.Context, project string, q observability.MetricQuery) ([]observability.Series, error)
	ListEvents(ctx context.Context, f platform.EventFilter) (platform.List[platform.Event], error)
	GetUsage(ctx context.Context, req platform.UsageRequest) (platform.UsageReport, error)
}

type incidents interface {
	ListIncidents(ctx context.Context, f platform.IncidentFilter) (platform.List[platform.Incident], error)
	GetIncident(ctx context.Context, id platform.IncidentID) (platform.IncidentDetail, error)
	Diagnose(ctx context.Context, id platform.IncidentID) (platform.Incident, error)
}

type alerts interface {
	ListInboundAlerts(ctx context.Context, f platform.InboundFilter) (platform.List[platform.InboundAlert], error)
}

type plans interface {
	Propose(ctx context.Context, req platform.ProposeRequest) (platform.Plan, error)
	GetPlan(ctx context.Context, id platform.PlanID) (platform.Plan, error)
	ListPlans(ctx context.Context, f platform.PlanFilter) (platform.List[platform.Plan], error)
}

// Caller returns the API as the caller of this request.
type Caller func(ctx context.Context) (API, error)

// Register offers every tool on the server.
func Register(s *server.MCPServer, caller Caller) {
	registerServices(s, caller)
	registerDeploys(s, caller)
	registerTelemetry(s, caller)
	registerIncidents(s, caller)
	registerAlerts(s, caller)
	registerPlans(s, caller)
	registerWait(s, caller)
}

// with makes the call of a tool out of one that is given the API as its caller.
func with[In any](caller Caller, call func(ctx context.Context, api API, in In) (toolkit.Answer, error)) func(context.Context, In) (toolkit.Answer, error) {
	return func(ctx context.Context, in In) (toolkit.Answer, error) {
		api, err := caller(ctx)
		if err != nil {
			return toolkit.Answer{}, err
		}
		return call(ctx, api, in)
	}
}

// target names a slot in the arguments of a tool. Every call carries it: there is no chosen project.
type target struct {
	Project     string `json:"project" jsonschema:"project name or id"`
	Service     string `json:"service" jsonschema:"service name or id"`
	Environment string `json:"environment,omitempty" jsonschema:"environment; production when left out"`
}

func (t target) ref() platform.SlotRef {
	return platform.SlotRef{Project: t.Project, Environment: t.Environment, Service: t.Service}
}

func (t target) slot() string {
	environment := t.Environment
	if environment == "" {
		environment = platform.ProductionName
	}
	return t.Project + "/" + environment + "/" + t.Service
}

func (t target) arguments(extra map[string]any) map[string]any {
	args := map[string]any{"project": t.Project, "service": t.Service}
	if t.Environment != "" {
		args["environment"] = t.Environment
	}
	for k, v := range extra {
		args[k] = v
	}
	return args
}

// paging is the part of a list's arguments that walks it.
type paging struct {
	Limit  int    `json:"limit,omitempty" jsonschema:"how many to return, 20 when left out, at most 100"`
	Cursor string `json:"cursor,omitempty" jsonschema:"cursor of the next page, from the answer before"`
}

func (p paging) page() (platform.Page, error) {
	const usual, most = 20, 100
	if p.Limit < 0 || p.Limit > most {
		return platform.Page{}, platform.Errorf(platform.CodeInvalid, "The limit %d is not between 1 and %d.", p.Limit, most).WithField("limit")
	}
	limit := p.Limit
	if limit == 0 {
		limit = usual
	}
	return platform.Page{Cursor: p.Cursor, Limit: limit}, nil
}

// cut says that a list goes on, and how to get the rest.
func cut(next string) string {
	if next == "" {
		return ""
	}
	return fmt.Sprintf("There are more: call again with cursor %q.", next)
}

// since reads a point in time: a duration back from now ("15m"), or RFC 3339.
func since(field, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, platform.Errorf(platform.CodeInvalid, "%q is not a time.", platform.Truncate(text, 40)).
			WithHint("Write how long ago (15m, 2h) or RFC 3339 (2026-01-31T15:04:05Z).").WithField(field)
	}
	return at, nil
}

func lines[T any](items []T, line func(T) string) string {
	out := make([]string, 0, len(items))
	for _, item := range items {
		out = append(out, line(item))
	}
	return strings.Join(out, "\n")
}
