package control

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// allowed is the whole policy written out: for each verb, who may.
func allowed(v verb, kind platform.ActorKind, role platform.Role) bool {
	if kind == platform.ActorSystem {
		return v != verbDecide
	}
	if kind != platform.ActorAgent && role == platform.RoleSender {
		return v == verbSendTelemetry
	}
	switch v {
	case verbRead, verbAudit, verbDiagnose:
		return true
	case verbPropose:
		return kind == platform.ActorAgent || role != platform.RoleViewer
	case verbPush, verbDeploy, verbCancel, verbRollback, verbScale, verbRestart, verbSetEnv, verbSilence, verbAlert, verbSendTelemetry:
		return kind != platform.ActorAgent && role != platform.RoleViewer
	case verbDecide:
		return kind == platform.ActorHuman && role != platform.RoleViewer
	case verbStopAgents:
		return kind != platform.ActorAgent && role != platform.RoleViewer
	case verbStartAgents, verbSetPolicy:
		return kind == platform.ActorHuman && role == platform.RoleAdmin
	case verbCreateProject, verbDeleteProject, verbManageTokens, verbProfile, verbReadSystem, verbNotify, verbSetBudget, verbSetRetention:
		return kind != platform.ActorAgent && role == platform.RoleAdmin
	}
	return false
}

func TestAuthorize_EveryVerbKindAndRole(t *testing.T) {
	t.Parallel()
	kinds := []platform.ActorKind{platform.ActorHuman, platform.ActorAutomation, platform.ActorAgent, platform.ActorSystem}
	roles := []platform.Role{platform.RoleSender, platform.RoleViewer, platform.RoleOperator, platform.RoleAdmin}
	for v := range rules {
		for _, kind := range kinds {
			for _, role := range roles {
				actor := platform.Actor{Kind: kind, Name: "x", Role: role}
				err := authorize(actor, v, "shop")
				require.Equal(t, allowed(v, kind, role), err == nil, "%s %s: %s: %v", kind, role, v, err)
				actor.Projects = []string{"other"}
				require.Equal(t, platform.CodeNotFound, platform.CodeOf(authorize(actor, v, "shop")), "%s out of scope", v)
				if err == nil {
					continue
				}
				want := platform.CodeDenied
				notForAgents := []verb{
					verbDecide, verbSilence, verbAlert, verbCreateProject, verbDeleteProject, verbManageTokens, verbProfile, verbReadSystem, verbNotify, verbSetBudget, verbSetRetention, verbSendTelemetry,
					verbSetPolicy, verbStopAgents, verbStartAgents,
				}
				if kind == platform.ActorAgent && !slices.Contains(notForAgents, v) {
					want = platform.CodeApprovalRequired
				}
				code(t, want, err)
				var e *platform.Error
				require.ErrorAs(t, err, &e)
				if kind == platform.ActorAgent {
					require.NotEmpty(t, e.Hint)
				}
			}
		}
	}
}

// Every exported method that takes an actor refuses nobody at all, with every other argument zero: it asks authorize
// before it does anything else.
func TestPlane_EveryMethodWithAnActorAsksWhoItIs(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { o.Logs = noLogs{} })
	value := reflect.ValueOf(b.Plane)
	actorType := reflect.TypeFor[platform.Actor]()
	checked := 0
	for i := range value.NumMethod() {
		method := value.Type().Method(i)
		if method.Type.NumIn() < 3 || method.Type.In(2) != actorType {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(platform.Actor{})}
		for n := 3; n < method.Type.NumIn(); n++ {
			args = append(args, argument(method.Type.In(n)))
		}
		out := value.Method(i).Call(args)
		err, _ := out[len(out)-1].Interface().(error)
		require.Equal(t, platform.CodeUnauthenticated, platform.CodeOf(err), "%s: %v", method.Name, err)
		checked++
	}
	require.Greater(t, checked, 35)
}

// argument is a zero value, with names where their absence would be noticed before the actor.
func argument(of reflect.Type) reflect.Value {
	v := reflect.New(of).Elem()
	switch of.Kind() {
	case reflect.String:
		v.SetString("shop")
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); of.Field(i).Name == "Project" && f.Kind() == reflect.String {
				f.SetString("shop")
			}
			if of.Field(i).Name == "LogQuery" {
				v.Field(i).Set(argument(of.Field(i).Type))
			}
			if f := v.Field(i); of.Field(i).Name == "SlotRef" {
				f.Set(reflect.ValueOf(platform.SlotRef{Project: "shop", Service: "api"}))
			}
		}
	case reflect.Func:
		v.Set(reflect.MakeFunc(of, func([]reflect.Value) []reflect.Value { return []reflect.Value{reflect.Zero(reflect.TypeFor[error]())} }))
	default:
	}
	return v
}

type noLogs struct{}

func (noLogs) Query(context.Context, observability.LogQuery) (observability.LogPage, error) {
	return observability.LogPage{}, nil
}

func (noLogs) Count(context.Context, observability.LogQuery, time.Duration) ([]observability.LogCount, error) {
	return nil, nil
}

func TestAgent_DirectChangeIsToldToPropose(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	before := b.kinds()
	for name, do := range map[string]func() error{
		"roll back": func() error {
			_, err := b.Rollback(ctx, fixer, platform.RollbackRequest{SlotRef: api})
			return err
		},
		"scale": func() error {
			_, err := b.Scale(ctx, fixer, platform.ScaleRequest{SlotRef: api, Replicas: 2})
			return err
		},
		"restart":       func() error { _, err := b.Restart(ctx, fixer, api, ""); return err },
		"set variables": func() error { _, err := b.SetEnv(ctx, fixer, platform.SetEnvRequest{SlotRef: api}); return err },
		"deploy":        func() error { _, err := b.Deploy(ctx, fixer, platform.DeployRequest{SlotRef: api}); return err },
		"push":          func() error { return b.AuthorizePush(ctx, fixer, "shop") },
	} {
		err := do()
		code(t, platform.CodeApprovalRequired, err, "may not "+name, "ropose")
	}
	require.Equal(t, before, b.kinds())
}

func TestScope_AnotherProjectIsNotFoundEverywhere(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	eve := person("eve", platform.RoleAdmin)
	eve.Projects = []string{"other"}
	deploys, err := b.ListDeploys(ctx, ada, platform.DeployFilter{})
	require.NoError(t, err)
	instance := b.instance(platform.NewID[platform.InstanceID](platform.PrefixInstance), deploys.Items[0], platform.InstanceReady)
	require.NoError(t, b.RecordInstance(ctx, instance, ""))
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	silence, err := b.CreateSilence(ctx, ada, platform.CreateSilenceRequest{SlotRef: api, Reason: "a test", For: platform.DefaultFor})
	require.NoError(t, err)
	for name, do := range map[string]func() error{
		"project":   func() error { _, err := b.GetProject(ctx, eve, "shop"); return err },
		"slot":      func() error { _, err := b.GetSlot(ctx, eve, api); return err },
		"deploy":    func() error { _, err := b.GetDeploy(ctx, eve, deploys.Items[0].ID); return err },
		"cancel":    func() error { _, err := b.CancelDeploy(ctx, eve, deploys.Items[0].ID); return err },
		"plan":      func() error { _, err := b.GetPlan(ctx, eve, plan.ID); return err },
		"deploys":   func() error { _, err := b.ListDeploys(ctx, eve, platform.DeployFilter{SlotRef: api}); return err },
		"events":    func() error { _, err := b.ListEvents(ctx, eve, platform.EventFilter{Project: "shop"}); return err },
		"push":      func() error { return b.AuthorizePush(ctx, eve, "shop") },
		"incidents": func() error { _, err := b.ListIncidents(ctx, eve, platform.IncidentFilter{SlotRef: api}); return err },
		"why":       func() error { _, err := b.Why(ctx, eve, instance.ID); return err },
		"instances": func() error { _, err := b.ListInstances(ctx, eve, api, true); return err },
		"releases":  func() error { _, err := b.ListReleases(ctx, eve, api, platform.Page{}); return err },
		"env":       func() error { _, err := b.GetEnv(ctx, eve, api); return err },
		"logs":      func() error { _, err := b.SearchLogs(ctx, eve, observability.LogQuery{Project: "shop"}); return err },
		"count": func() error {
			_, err := b.CountLogs(ctx, eve, observability.LogQuery{Project: "shop"}, 0)
			return err
		},
		"export": func() error {
			return b.ExportLogs(ctx, eve, observability.LogQuery{Project: "shop"}, func(observability.Line) error { return nil })
		},
		"around": func() error {
			_, err := b.LogsAround(ctx, eve, observability.LogQuery{Project: "shop"}, observability.Place{}, 10)
			return err
		},
		"patterns": func() error {
			_, err := b.LogPatterns(ctx, eve, observability.PatternQuery{LogQuery: observability.LogQuery{Project: "shop"}})
			return err
		},
		"follow": func() error {
			return b.FollowLogs(ctx, eve, observability.LogQuery{Project: "shop"}, func(observability.Line) error { return nil })
		},
		"metrics": func() error {
			_, err := b.QueryMetrics(ctx, eve, "shop", observability.MetricQuery{Expr: "up"})
			return err
		},
		"traces": func() error {
			_, err := b.SearchTraces(ctx, eve, observability.TraceQuery{Project: "shop"})
			return err
		},
		"trace":     func() error { _, err := b.GetTrace(ctx, eve, "shop", traceOne); return err },
		"map":       func() error { _, err := b.ServiceMap(ctx, eve, platform.MapRequest{Project: "shop"}); return err },
		"telemetry": func() error { _, err := b.TelemetryScope(ctx, eve, "shop", ""); return err },
		"watch": func() error {
			return b.WatchEvents(ctx, eve, platform.EventFilter{Project: "shop"}, func(platform.Event) error { return nil })
		},
		"inbox": func() error {
			_, err := b.ListInboundAlerts(ctx, eve, platform.InboundFilter{SlotRef: api})
			return err
		},
		"receive": func() error {
			_, err := b.ReceiveAlerts(ctx, eve, platform.ReceiveAlertsRequest{
				Project: "shop", Source: platform.InboundGeneric, Alerts: []platform.ReceivedAlert{{Name: "x"}},
			})
			return err
		},
		"alerts":   func() error { _, err := b.ListAlerts(ctx, eve, api); return err },
		"silences": func() error { _, err := b.ListSilences(ctx, eve, "shop"); return err },
		"silence": func() error {
			_, err := b.CreateSilence(ctx, eve, platform.CreateSilenceRequest{SlotRef: api, Reason: "x", For: platform.DefaultFor})
			return err
		},
		"usage": func() error { _, err := b.GetUsage(ctx, eve, platform.UsageRequest{Project: "shop"}); return err },
		"budget": func() error {
			_, err := b.SetBudget(ctx, eve, platform.SetBudgetRequest{Project: "shop", Monthly: platform.MicroOne})
			return err
		},
		"retention": func() error {
			_, err := b.SetRetention(ctx, eve, platform.SetRetentionRequest{Project: "shop"})
			return err
		},
		"policy": func() error { _, err := b.GetPolicy(ctx, eve, "shop", 0); return err },
		"set policy": func() error {
			_, err := b.SetPolicy(ctx, eve, platform.SetPolicyRequest{Project: "shop", Text: "{}"})
			return err
		},
		"check policy": func() error {
			_, err := b.SetPolicy(ctx, eve, platform.SetPolicyRequest{Project: "shop", Text: "{}", DryRun: true})
			return err
		},
		"explain policy": func() error {
			_, err := b.ExplainPolicy(ctx, eve, platform.PolicyQuestion{SlotRef: api, Action: platform.ActionScale})
			return err
		},
		"stop": func() error {
			_, err := b.StopAgents(ctx, eve, platform.AgentSwitchRequest{Project: "shop"})
			return err
		},
		"start": func() error {
			_, err := b.StartAgents(ctx, eve, platform.AgentSwitchRequest{Project: "shop"})
			return err
		},
		"agents":      func() error { _, err := b.AgentStatus(ctx, eve, "shop"); return err },
		"end silence": func() error { return b.EndSilence(ctx, eve, silence.ID) },
		"decide":      func() error { _, err := b.Decide(ctx, eve, plan.ID, yes()); return err },
		"delete":      func() error { return b.DeleteProject(ctx, eve, platform.DeleteProjectRequest{Project: "shop"}) },
	} {
		require.Equal(t, platform.CodeNotFound, platform.CodeOf(do()), name)
	}
	status, err := b.Status(ctx, eve)
	require.NoError(t, err)
	require.Empty(t, status.Slots)
	require.Empty(t, status.Plans)
	all, err := b.ListEvents(ctx, eve, platform.EventFilter{})
	require.NoError(t, err)
	require.Empty(t, all.Items)
}
