package httpapitest

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/httpapi"
)

// Now is the moment the sample stands at.
var Now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

const (
	goodCommit = "4f2c9a1be0d34c7fb6a86b1d2f0c55aa9e7d1c02"
	badCommit  = "b7e01d5523fa4d6c8a90b1c2d3e4f5061728394a"
)

// Ids of the sample.
const (
	DeployID   platform.DeployID   = "dep_02"
	FailedID   platform.DeployID   = "dep_03"
	InstanceID platform.InstanceID = "ins_dead"
	IncidentID platform.IncidentID = "inc_01"
	PlanID     platform.PlanID     = "plan_01"
)

// New returns the sample: project shop with services api and features in production, whose newest release answers 500.
func New() *Plane {
	p := &Plane{
		LiveEvents: make(chan platform.Event), LiveLines: make(chan observability.Line),
		responses: map[string]answer{}, changed: make(chan struct{}),
	}
	p.fillRuntime()
	p.fillSlots()
	p.fillIncident()
	p.fillAlerts()
	p.fillChannels()
	p.fillTraces()
	p.fillUsage()
	p.fillPolicy()
	p.fillSignals()
	return p
}

func at(minutesAgo int) time.Time { return Now.Add(-time.Duration(minutesAgo) * time.Minute) }

func ptr[T any](v T) *T { return &v }

func (p *Plane) fillRuntime() {
	ada := platform.Actor{Kind: platform.ActorHuman, Name: "ada", Role: platform.RoleAdmin, Channel: "git"}
	spec := platform.ServiceSpec{Name: "api", Kind: platform.KindWeb, Port: 8000, Replicas: 2}
	for i, commit := range []string{goodCommit, badCommit} {
		n := i + 1
		p.Releases = append([]platform.Release{{
			ID: platform.ReleaseID("rel_0" + string(rune('0'+n))), ProjectID: "prj_shop", ServiceID: "srv_api", SlotID: "slot_api", Service: "api", Number: n,
			ImageID: "sha256:" + commit, ImageRef: "fairlead/shop/api:dep_0" + string(rune('0'+n)), Spec: spec, Commit: commit, ConfigVersion: 1,
			DeployID: platform.DeployID("dep_0" + string(rune('0'+n))), CreatedAt: at(120 - 60*i),
		}}, p.Releases...)
	}
	live := platform.Deploy{
		ID: DeployID, ProjectID: "prj_shop", SlotID: "slot_api", ServiceID: "srv_api", Project: "shop", Environment: "production", Service: "api",
		Trigger: platform.TriggerPush, Phase: platform.PhaseLive, Commit: badCommit, Branch: "main", Message: "Round scores to two places", Author: "Ada <ada@example.org>",
		Spec: spec, ConfigVersion: 1, ReleaseID: "rel_02", ReleaseNumber: 2, PreviousRelease: "rel_01", Probes: platform.ProbeCount{Sent: 412}, Actor: ada,
		CreatedAt: at(61), PhaseAt: at(60), FinishedAt: ptr(at(60)),
	}
	failed := live
	failed.ID, failed.Phase, failed.Commit, failed.Message = FailedID, platform.PhaseFailed, goodCommit, "Read the key from the environment"
	failed.ReleaseID, failed.ReleaseNumber, failed.Probes = "", 0, platform.ProbeCount{}
	failed.CreatedAt, failed.PhaseAt, failed.FinishedAt = at(30), at(29), ptr(at(29))
	failed.Failure = &platform.DeployFailure{
		Phase: platform.PhaseStarting, Reason: platform.FailureExited, Message: "The process ended with exit code 1 before it was well.",
		Hint: "Set API_KEY, or read the diagnosis.", InstanceID: InstanceID, ExitCode: ptr(1),
	}
	p.Deploys = []platform.Deploy{live, failed}
	run := platform.Instance{
		ID: "ins_01", ProjectID: "prj_shop", SlotID: "slot_api", ReleaseID: "rel_02", ReleaseNumber: 2, DeployID: DeployID, Project: "shop", Environment: "production",
		Service: "api", RuntimeID: "c0ffee", Address: "172.20.0.5:8000", State: platform.InstanceReady, StartedAt: at(61), ReadyAt: ptr(at(60)), Reason: "deploy dep_02",
	}
	dead := run
	dead.ID, dead.State, dead.ExitCode, dead.EndedAt, dead.ReadyAt = InstanceID, platform.InstanceDead, ptr(1), ptr(at(29)), nil
	dead.StartedAt, dead.DeployID, dead.Reason = at(30), FailedID, "exited with code 1"
	p.Instances = []platform.Instance{run, dead}
	p.WhyAnswer = platform.Why{Instance: dead, Release: p.Releases[0], Summary: "It ended by itself with exit code 1, 12 s after it started: KeyError 'API_KEY'."}
	p.Config = platform.Config{SlotID: "slot_api", Version: 1, Actor: ada, CreatedAt: at(130), Vars: []platform.Variable{{Key: "API_KEY", Secret: true}, {Key: "MODE", Value: "fast"}}}
	p.Tokens = []platform.Token{{ID: "tok_01", Name: "fixer", Kind: platform.ActorAgent, Role: platform.RoleOperator, Owner: "ada", Projects: []string{"shop"}, CreatedAt: at(200), LastUsedAt: ptr(at(5))}}
}

func (p *Plane) fillSlots() {
	api := platform.Slot{
		ID: "slot_api", ProjectID: "prj_shop", EnvironmentID: "env_prod", ServiceID: "srv_api", Project: "shop", Environment: "production", Service: "api",
		Kind: platform.KindWeb, LiveReleaseID: "rel_02", LiveRelease: 2, Replicas: 2, ConfigVersion: 1, Generation: 3, AutoDeploy: true,
		Autonomy: platform.AutonomyApprove, Hosts: []string{"api.shop.localhost"}, PreviousRelease: "rel_01", CreatedAt: at(130),
	}
	features := api
	features.ID, features.ServiceID, features.Service, features.Kind, features.Hosts = "slot_features", "srv_features", "features", platform.KindPrivate, nil
	features.LiveRelease, features.LiveReleaseID, features.Replicas = 1, "rel_f1", 1
	p.Slots = []platform.SlotDetail{
		{Slot: api, URL: "http://api.shop.localhost:7780", Status: "degraded", Live: &p.Releases[0], Deploy: &p.Deploys[0], Instances: p.Instances[:1]},
		{Slot: features, Status: "live"},
	}
	p.Project = platform.ProjectDetail{
		Project:      platform.Project{ID: "prj_shop", Name: "shop", DefaultBranch: "main", CreatedAt: at(130)},
		Environments: []platform.Environment{{ID: "env_prod", ProjectID: "prj_shop", Name: "production", Kind: platform.EnvironmentProduction, CreatedAt: at(130)}},
		Services: []platform.Service{
			{ID: "srv_api", ProjectID: "prj_shop", Name: "api", Kind: platform.KindWeb, CreatedAt: at(130)},
			{ID: "srv_features", ProjectID: "prj_shop", Name: "features", Kind: platform.KindPrivate, CreatedAt: at(130)},
		},
		Slots: []platform.Slot{api, features}, GitURL: "http://127.0.0.1:7700/git/shop.git",
	}
}

func (p *Plane) fillIncident() {
	agent := platform.Actor{Kind: platform.ActorAgent, Name: "diagnosis", Role: platform.RoleOperator}
	inc := platform.Incident{
		ID: IncidentID, ProjectID: "prj_shop", SlotID: "slot_api", Project: "shop", Environment: "production", Service: "api", Signal: platform.SignalErrorRate,
		Title: "api answers 38% of requests with 5xx since release 2", State: platform.IncidentOpen, ReleaseID: "rel_02", ReleaseNumber: 2, DeployID: DeployID,
		Count: 3, OnsetAt: at(58), OpenedAt: at(57), LastSeenAt: at(2), DiagnosisID: "diag_01",
	}
	evidence := []platform.Evidence{
		platform.Evidence{ID: "ev_01", IncidentID: IncidentID, Number: 1, Kind: platform.EvidencePattern, Title: "New error pattern", Source: "logs:api", Excerpt: "TypeError: unsupported operand type(s) for round: 'str'\n  app.py:41 in predict", At: at(57)}.Seal(),
		platform.Evidence{ID: "ev_02", IncidentID: IncidentID, Number: 2, Kind: platform.EvidenceCommit, Title: "Commit b7e01d55", Source: "git", Excerpt: "-    return score\n+    return round(score, 2)", At: at(57)}.Seal(),
	}
	body := platform.PlanBody{
		Action: platform.Action{Kind: platform.ActionRollback, Slot: "shop/production/api", ToRelease: 1}, SlotID: "slot_api", IncidentID: IncidentID, Risk: platform.RiskR1,
		Title: "Roll api back to release 1", Reason: "Release 1 did not show the error.", Before: []string{"live release: 2 (b7e01d55)"}, After: []string{"live release: 1 (4f2c9a1b)"},
		BlastRadius: "one service in one environment", Reversible: "Deploy release 2 again.", Preconditions: platform.Preconditions{LiveReleaseID: "rel_02", SlotGeneration: 3, TargetReleaseID: "rel_01"},
		Expectation: platform.Expectation{Summary: "5xx below 1% for 30 s", LiveRelease: 1, MaxErrorRate: 0.01, Healthy: true, Window: platform.Duration(30 * time.Second), Within: platform.Duration(5 * time.Minute)},
		Evidence:    []platform.EvidenceID{"ev_01", "ev_02"}, RequestedBy: agent, PolicyVersion: "1", Approvals: 1, CreatedAt: at(56), ExpiresAt: Now.Add(64 * time.Minute),
	}
	p.Plan = platform.Plan{ID: PlanID, ProjectID: "prj_shop", Project: "shop", Environment: "production", Service: "api", Body: body, Hash: body.Hash(), State: platform.PlanPending}
	p.Incident = platform.IncidentDetail{Incident: inc, Evidence: evidence, Plans: []platform.Plan{p.Plan}, Diagnosis: &platform.Diagnosis{
		ID: "diag_01", IncidentID: IncidentID, Verdict: platform.VerdictCause, Category: platform.CategoryCodeError, Confidence: 0.92,
		Summary: "Commit b7e01d55 rounds a score that is text for some inputs.",
		Causes: []platform.Cause{{
			Rank: 1, Category: platform.CategoryCodeError, Service: "api", Score: 0.92, Summary: "predict calls round on text since commit b7e01d55.",
			Change:   &platform.Change{Kind: platform.ChangeCommit, ID: badCommit, Service: "api", Release: 2, Author: "Ada <ada@example.org>", Message: "Round scores to two places", At: at(62)},
			Location: &platform.Location{File: "app.py", Line: 41, Hunk: "-    return score\n+    return round(score, 2)"},
			Claims: []platform.Claim{
				{Text: "A new error appears with release 2 only.", Quote: "TypeError: unsupported operand type(s) for round: 'str'", Evidence: []platform.EvidenceID{"ev_01"}},
				{Text: "The commit adds the call that raises it.", Quote: "return round(score, 2)", Evidence: []platform.EvidenceID{"ev_02"}},
			},
		}},
		RuledOut: []platform.RuledOut{{Hypothesis: "A dependency is down", Why: "features answers.", Evidence: []platform.EvidenceID{"ev_01"}}},
		Gaps:     []string{"Metrics before 14:00 were not kept."}, Evidence: []platform.EvidenceID{"ev_01", "ev_02"}, Engine: "rules/1", Took: platform.Duration(84 * time.Millisecond), At: at(56),
	}}
	p.Slots[0].Incidents = []platform.Incident{inc}
}

func (p *Plane) fillSignals() {
	ada := platform.Actor{Kind: platform.ActorHuman, Name: "ada", Role: platform.RoleAdmin, Channel: "git"}
	add := func(minutesAgo int, kind platform.EventKind, actor platform.Actor, subject, summary, cause string) {
		e := platform.Event{
			Seq: int64(len(p.Events) + 1), ID: platform.EventID("evt_0" + string(rune('1'+len(p.Events)))), At: at(minutesAgo), Kind: kind, Actor: actor,
			Project: "shop", Environment: "production", Service: "api", Subject: subject, Summary: summary, Cause: cause, Payload: json.RawMessage(`{}`),
		}
		if n := len(p.Events); n > 0 {
			e.PrevHash = p.Events[n-1].Hash
		}
		e.Hash = e.ComputeHash()
		p.Events = append(p.Events, e)
	}
	add(62, platform.EventCommitPushed, ada, badCommit, "ada pushed b7e01d55 to main: Round scores to two places", "")
	add(61, platform.EventDeployQueued, ada, string(DeployID), "deploy of b7e01d55 queued", badCommit)
	add(60, platform.EventDeployLive, platform.SystemActor("worker"), string(DeployID), "release 2 is live; 0 of 412 probe requests failed", string(DeployID))
	add(57, platform.EventIncidentOpened, platform.SystemActor("detector"), string(IncidentID), "api answers 38% of requests with 5xx since release 2", "")
	p.WhyAnswer.Events = p.Events[1:3]
	p.Incident.Events = p.Events[3:]
	line := func(secondsAgo int, seq uint64, source string, level observability.Level, text string) {
		l := observability.Line{
			At: Now.Add(-time.Duration(secondsAgo) * time.Second), Project: "shop", Environment: "production", Service: "api", Release: 2, Deploy: string(DeployID),
			Source: source, Stream: "stdout", Level: level, Message: text, Seq: seq,
		}
		if source == observability.SourceRuntime {
			l.Instance = "ins_01"
		}
		p.Lines = append(p.Lines, l)
	}
	line(3700, 1, observability.SourceBuild, "", "Step 1/4 : FROM python:3.12-slim")
	line(3690, 2, observability.SourceBuild, "", "Successfully built c0ffee")
	line(60, 1, observability.SourceRuntime, observability.LevelInfo, "model loaded in 1.2 s")
	line(30, 2, observability.SourceRuntime, observability.LevelError, "TypeError: unsupported operand type(s) for round: 'str'\n  app.py:41 in predict")
	p.fillLogReads()
	p.Series = []observability.Series{{Labels: map[string]string{"service": "api"}, Points: []observability.Point{{At: Now, Value: 0.38}}}}
}

func (p *Plane) fillLogReads() {
	p.Histogram = observability.LogHistogram{From: at(5), To: Now, Step: platform.Duration(time.Minute), Lines: 46, Counts: []observability.LogCount{
		{At: at(5).Truncate(time.Minute), Level: observability.LevelInfo, Lines: 12},
		{At: at(2).Truncate(time.Minute), Level: observability.LevelInfo, Lines: 9},
		{At: at(2).Truncate(time.Minute), Level: observability.LevelError, Lines: 24},
		{At: at(0).Truncate(time.Minute), Level: observability.LevelWarn, Lines: 1},
	}}
	const failure = "TypeError: unsupported operand type(s) for round: 'str'"
	window := func(name string, from, lines int) observability.LogWindow {
		return observability.LogWindow{Name: name, From: at(from), To: Now, Lines: int64(lines), Read: int64(lines), Exposure: float64(lines) * 10, Unit: "requests"}
	}
	errors, infos := map[observability.Level]int{observability.LevelError: 24}, map[observability.Level]int{observability.LevelInfo: 21}
	p.Patterns = observability.LogPatterns{
		LogWindow: observability.LogWindow{
			From: at(60), To: Now, Lines: 4600, Read: 45, Truncated: true, Note: "The newest 45 of 4600 lines were read. Raise sample to read all of them.",
		},
		Templates: 2,
		Patterns: []observability.LogPattern{
			{Template: failure, Lines: 24, Share: 24.0 / 45, Levels: errors, First: at(57), Last: at(1), Example: failure + "\n  app.py:41 in predict"},
			{Template: "model loaded in <*>", Lines: 21, Share: 21.0 / 45, Levels: infos, First: at(60), Last: at(2), Example: "model loaded in 1.2 s"},
		},
		Comparison: &observability.LogComparison{
			Before: window("release 1", 120, 400), After: window("release 2", 60, 45), Arithmetic: "rate = lines / exposure.",
			Shifts: []observability.LogShift{
				{Template: failure, Class: "new", After: 24, RateAfter: 24.0 / 450, Ratio: 435.6, Likelihood: 109.8, Significant: true, Levels: errors, Example: failure},
				{Template: "model loaded in <*>", Class: "same", Before: 190, After: 21, RateBefore: 190.0 / 4000, RateAfter: 21.0 / 450, Ratio: 1, Levels: infos, Example: "model loaded in 1.2 s"},
			},
		},
	}
}

// Serve serves the real API in front of the plane until the test ends, and returns it with its address. Options other
// than Plane, Logger and Responses are taken as given.
func Serve(t testing.TB, p *Plane, opts httpapi.Options) (*httpapi.API, string) {
	t.Helper()
	opts.Plane, opts.Responses = p, p
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	api := httpapi.New(opts)
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return api, "http://" + ln.Addr().String()
}
