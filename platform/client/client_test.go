package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

var errEnough = errors.New("enough")

func setup(t *testing.T) (*httpapitest.Plane, *client.Client) {
	t.Helper()
	p := httpapitest.New()
	_, url := httpapitest.Serve(t, p, httpapi.Options{})
	return p, client.New(client.Options{BaseURL: url + "/", Token: httpapitest.AdminToken, Channel: "cli"})
}

var slot = platform.SlotRef{Project: "shop", Service: "api"}

func TestClient_ReachesEveryOperation(t *testing.T) {
	t.Parallel()
	p, c := setup(t)
	ctx := t.Context()
	check := func(err error) { t.Helper(); require.NoError(t, err) }

	actor, err := c.Actor(ctx)
	check(err)
	require.Equal(t, "ada", actor.Name)
	require.Equal(t, "cli", actor.Channel)
	status, err := c.Status(ctx)
	check(err)
	require.Len(t, status.Parts, 3)
	project, err := c.CreateProject(ctx, platform.CreateProjectRequest{Blueprint: "name: shop"})
	check(err)
	require.Equal(t, p.Project, project)
	project, err = c.GetProject(ctx, "shop")
	check(err)
	require.Equal(t, p.Project, project)
	projects, err := c.ListProjects(ctx, platform.Page{Limit: 3})
	check(err)
	require.Len(t, projects.Items, 1)
	environments, err := c.ListEnvironments(ctx, "shop")
	check(err)
	require.Len(t, environments, 1)
	inbox, err := c.ListInboundAlerts(ctx, platform.InboundFilter{SlotRef: slot, Decision: platform.InboundSuppress})
	check(err)
	require.Equal(t, p.Inbox, inbox.Items)
	value := 0.4
	sent, err := c.SendAlerts(ctx, platform.ReceiveAlertsRequest{Project: "shop", Service: "api", Source: platform.InboundGeneric, Alerts: []platform.ReceivedAlert{
		{Name: "HighErrorRate", Fingerprint: "f1", Value: &value, StartsAt: httpapitest.Now, Labels: map[string]string{"team": "shop"}},
	}})
	check(err)
	require.Equal(t, p.Inbox[:1], sent.Items)
	check(c.DeleteProject(ctx, platform.DeleteProjectRequest{Project: "shop", Volumes: true}))

	detail, err := c.GetSlot(ctx, slot)
	check(err)
	require.Equal(t, 2, detail.LiveRelease)
	all, err := c.ListSlots(ctx, "shop")
	check(err)
	require.Len(t, all, 2)
	scaled, err := c.Scale(ctx, platform.ScaleRequest{SlotRef: slot, Replicas: 4})
	check(err)
	require.Equal(t, 4, scaled.Replicas)
	_, err = c.Restart(ctx, slot, "why not")
	check(err)
	config, err := c.GetEnv(ctx, slot)
	check(err)
	require.Equal(t, p.Config, config)
	_, err = c.SetEnv(ctx, platform.SetEnvRequest{SlotRef: slot, Set: []platform.Variable{{Key: "A", Value: "b", Secret: true}}, Unset: []string{"C"}})
	check(err)
	releases, err := c.ListReleases(ctx, slot, platform.Page{})
	check(err)
	require.Equal(t, p.Releases, releases.Items)
	instances, err := c.ListInstances(ctx, slot, true)
	check(err)
	require.Len(t, instances, 2)
	why, err := c.Why(ctx, httpapitest.InstanceID)
	check(err)
	require.Equal(t, p.WhyAnswer, why)

	deploy, err := c.Deploy(ctx, platform.DeployRequest{SlotRef: slot, Commit: "main"})
	check(err)
	require.Equal(t, p.Deploys[0], deploy)
	_, err = c.Rollback(ctx, platform.RollbackRequest{SlotRef: slot, ToRelease: 1, Reason: "errors"})
	check(err)
	_, err = c.CancelDeploy(ctx, httpapitest.DeployID)
	check(err)
	deploy, err = c.GetDeploy(ctx, httpapitest.FailedID)
	check(err)
	require.Equal(t, p.Deploys[1], deploy)
	deploys, err := c.ListDeploys(ctx, platform.DeployFilter{SlotRef: slot, Commit: "b7e0"})
	check(err)
	require.Len(t, deploys.Items, 2)

	events, err := c.ListEvents(ctx, platform.EventFilter{Project: "shop", Kinds: []platform.EventKind{"deploy.live", "deploy.failed"}, Since: httpapitest.Now, AfterSeq: 2})
	check(err)
	require.Len(t, events.Items, 2)
	require.Zero(t, platform.VerifyChain(p.Events[1].Hash, events.Items), "events cross the wire unchanged")
	chain, err := c.VerifyEvents(ctx)
	check(err)
	require.True(t, chain.OK)
	lines, err := c.SearchLogs(ctx, observability.LogQuery{Project: "shop", Levels: []observability.Level{"error", "warn"}, Fields: map[string]string{"a": "b=c"}, Regex: "a b+"})
	check(err)
	require.Equal(t, p.Lines, lines.Lines)
	logs := observability.LogQuery{Project: "shop", From: httpapitest.Now.Add(-time.Hour), To: httpapitest.Now, Text: "a+b", IgnoreCase: true}
	histogram, err := c.CountLogs(ctx, logs, 90*time.Second)
	check(err)
	require.Equal(t, p.Histogram, histogram)
	place := observability.PlaceOf(p.Lines[3])
	around, err := c.LogsAround(ctx, logs, place, 0)
	check(err)
	require.Equal(t, p.Lines[3], around.Line)
	asked := observability.PatternQuery{LogQuery: logs, Sample: 9, Top: 8, Compare: observability.Comparing{Before: 24 * time.Hour, After: time.Hour}}
	patterns, err := c.LogPatterns(ctx, asked)
	check(err)
	require.Equal(t, p.Patterns, patterns)
	var exported bytes.Buffer
	n, err := c.ExportLogs(ctx, logs, &exported)
	check(err)
	require.EqualValues(t, len(p.Lines), n)
	require.Equal(t, len(p.Lines), strings.Count(exported.String(), "\n"))
	build, err := c.BuildLog(ctx, httpapitest.DeployID, platform.Page{})
	check(err)
	require.Len(t, build.Lines, 2)
	series, err := c.QueryMetrics(ctx, "shop", observability.MetricQuery{Expr: `rate(x{a="b"}[1m])`, From: httpapitest.Now, To: httpapitest.Now, Step: 1500 * time.Millisecond})
	check(err)
	require.Equal(t, p.Series, series)

	wanted := observability.TraceQuery{
		Project: "shop", Environment: "staging", Service: "api", Failed: true, MinTook: 250 * time.Millisecond,
		From: httpapitest.Now.Add(-time.Hour), To: httpapitest.Now, Limit: 7, Cursor: "t1.1.x",
	}
	traces, err := c.SearchTraces(ctx, wanted)
	check(err)
	require.Equal(t, p.Traces, traces.Traces)
	trace, err := c.GetTrace(ctx, "shop", httpapitest.TraceID)
	check(err)
	require.Equal(t, p.Trace, trace)
	mapped := platform.MapRequest{Project: "shop", Environment: "staging", From: httpapitest.Now.Add(-time.Hour), To: httpapitest.Now}
	serviceMap, err := c.ServiceMap(ctx, mapped)
	check(err)
	require.Equal(t, p.Map, serviceMap)

	incidents, err := c.ListIncidents(ctx, platform.IncidentFilter{SlotRef: slot, State: platform.IncidentOpen})
	check(err)
	require.Len(t, incidents.Items, 1)
	incident, err := c.GetIncident(ctx, httpapitest.IncidentID)
	check(err)
	require.Equal(t, p.Incident, incident)
	frozen, err := c.ListIncidentEvidence(ctx, httpapitest.IncidentID)
	check(err)
	require.Equal(t, platform.EvidenceFacts, frozen.Items[len(frozen.Items)-1].Kind)
	_, err = c.Diagnose(ctx, httpapitest.IncidentID)
	check(err)
	_, err = c.Propose(ctx, platform.ProposeRequest{Action: p.Plan.Body.Action, IncidentID: httpapitest.IncidentID, Reason: "errors"})
	check(err)
	plan, err := c.Decide(ctx, httpapitest.PlanID, platform.DecideRequest{Approve: true, Hash: p.Plan.Hash})
	check(err)
	require.Equal(t, platform.PlanApproved, plan.State)
	plan, err = c.GetPlan(ctx, httpapitest.PlanID)
	check(err)
	require.Equal(t, p.Plan.Hash, plan.Body.Hash(), "a plan crosses the wire with its hash unchanged")
	plans, err := c.ListPlans(ctx, platform.PlanFilter{State: platform.PlanPending, IncidentID: httpapitest.IncidentID})
	check(err)
	require.Len(t, plans.Items, 1)

	created, err := c.CreateToken(ctx, platform.CreateTokenRequest{Name: "ci", Kind: platform.ActorAutomation, Role: platform.RoleOperator, TTL: platform.Duration(time.Hour)})
	check(err)
	require.NotEmpty(t, created.Secret)
	check(c.RevokeToken(ctx, "tok_01"))
	tokens, err := c.ListTokens(ctx)
	check(err)
	require.Len(t, tokens, 1)

	channels, err := c.ListChannels(ctx, "shop")
	check(err)
	require.Equal(t, p.Channels, channels.Items)
	channel, err := c.GetChannel(ctx, "chn_02")
	check(err)
	require.Equal(t, p.Channels[1], channel)
	hook := platform.CreateChannelRequest{Name: "hook", Kind: platform.ChannelWebhook, URL: "https://hooks.example.org/x", Secret: "0123456789abcdef"}
	channel, err = c.CreateChannel(ctx, hook)
	check(err)
	require.True(t, channel.HasSecret)
	off := false
	channel, err = c.UpdateChannel(ctx, platform.UpdateChannelRequest{Channel: "chn_01", Enabled: &off})
	check(err)
	require.False(t, channel.Enabled)
	test, err := c.TestChannel(ctx, "chn_01")
	check(err)
	require.True(t, test.Attempts[0].OK)
	deliveries, err := c.ListDeliveries(ctx, "chn_01", platform.Page{Limit: 5})
	check(err)
	require.Equal(t, p.Deliveries, deliveries.Items)
	check(c.DeleteChannel(ctx, "chn_01"))

	args := map[string]any{}
	for _, call := range p.Calls() {
		args[call.Name] = call.Arg
	}
	require.Equal(t, platform.CreateTokenRequest{Name: "ci", Kind: platform.ActorAutomation, Role: platform.RoleOperator, TTL: platform.Duration(time.Hour)}, args["CreateToken"])
	require.Equal(t, hook, args["CreateChannel"])
	require.Equal(t, platform.UpdateChannelRequest{Channel: "chn_01", Enabled: &off}, args["UpdateChannel"])
	require.Equal(t, platform.SetEnvRequest{SlotRef: slot, Set: []platform.Variable{{Key: "A", Value: "b", Secret: true}}, Unset: []string{"C"}}, args["SetEnv"])
	require.Equal(t, platform.DecideRequest{Approve: true, Hash: p.Plan.Hash}, args["Decide"])
	require.Equal(t, platform.RollbackRequest{SlotRef: slot, ToRelease: 1, Reason: "errors"}, args["Rollback"])
	require.Equal(t, httpapitest.CountLogs{Query: logs, Step: 90 * time.Second}, args["CountLogs"])
	require.Equal(t, httpapitest.LogsAround{Query: logs, Place: place}, args["LogsAround"])
	require.Equal(t, asked, args["LogPatterns"])
	require.Equal(t, logs, args["ExportLogs"])
	require.Equal(t, wanted, args["SearchTraces"])
	require.Equal(t, "shop", args["GetTrace"])
	require.Equal(t, mapped, args["ServiceMap"])
	metric := args["QueryMetrics"].(observability.MetricQuery)
	require.Equal(t, 1500*time.Millisecond, metric.Step)
	require.True(t, metric.From.Equal(metric.To))
}

func TestClient_ErrorsComeBackAsPlatformErrors(t *testing.T) {
	t.Parallel()
	p, c := setup(t)
	want := platform.Errorf(platform.CodeApprovalRequired, "Another person must approve.").WithHint("Ask ada.").WithField("plan")
	p.Fail = func(string) error { return want }
	_, err := c.Status(t.Context())
	var got *platform.Error
	require.ErrorAs(t, err, &got)
	require.Equal(t, want, got)

	_, err = c.GetSlot(t.Context(), platform.SlotRef{Project: "shop"})
	require.ErrorContains(t, err, "The service is missing.")
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))

	_, err = client.New(client.Options{BaseURL: "http://127.0.0.1:1"}).Status(t.Context())
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.ErrorContains(t, err, "Nothing answers at http://127.0.0.1:1.")
	_, err = client.New(client.Options{BaseURL: "://"}).Status(t.Context())
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Status(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestClient_ExportThatEndsBeforeItsTimeSaysWhy(t *testing.T) {
	t.Parallel()
	p, c := setup(t)
	want := platform.Errorf(platform.CodeUnavailable, "The log store does not answer.").WithHint("Try again.")
	p.Fail = func(call string) error {
		if call == "ExportLogs" {
			return want
		}
		return nil
	}
	var out bytes.Buffer
	n, err := c.ExportLogs(t.Context(), observability.LogQuery{Project: "shop"}, &out)
	var got *platform.Error
	require.ErrorAs(t, err, &got)
	require.Equal(t, want, got)
	require.EqualValues(t, 1, n)
	require.NotContains(t, out.String(), "error\":{")
	p.Fail = func(string) error { return want }
	_, err = c.ExportLogs(t.Context(), observability.LogQuery{Project: "shop"}, &out)
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err), "what can be refused at once is refused by status")

	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{\"at\":\"2026-01-31T12:00:00Z\"}\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(cut.Close)
	_, err = client.New(client.Options{BaseURL: cut.URL}).ExportLogs(t.Context(), observability.LogQuery{Project: "shop"}, &out)
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err), "a connection that breaks is no end")
}

func TestClient_ForeignAnswersAreExplained(t *testing.T) {
	t.Parallel()
	foreign := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(foreign.Close)
	_, err := client.New(client.Options{BaseURL: foreign.URL}).Status(t.Context())
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
	require.ErrorContains(t, err, "Check that the address is that of a Fairlead API.")
}

func TestClient_RetriesWhileTheServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	p := httpapitest.New()
	_, url := httpapitest.Serve(t, p, httpapi.Options{})
	failures := 2
	p.Fail = func(string) error {
		if failures--; failures >= 0 {
			return platform.Errorf(platform.CodeUnavailable, "Postgres does not answer.")
		}
		return nil
	}
	once := client.New(client.Options{BaseURL: url, Token: httpapitest.AdminToken})
	_, err := once.Scale(t.Context(), platform.ScaleRequest{SlotRef: slot, Replicas: 3})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	again := client.New(client.Options{BaseURL: url, Token: httpapitest.AdminToken, Retry: true})
	_, err = again.Scale(t.Context(), platform.ScaleRequest{SlotRef: slot, Replicas: 3})
	require.NoError(t, err)
	require.Len(t, p.Calls(), 3)
}

func TestClient_LosesNoAnswerToAWrite(t *testing.T) {
	t.Parallel()
	p := httpapitest.New()
	_, url := httpapitest.Serve(t, p, httpapi.Options{})
	var sent atomic.Int32
	// The first answer is lost after the server gave it; the client's second try must not do the write again.
	lossy := roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if sent.Add(1) == 1 && err == nil {
			resp.Body.Close()
			return nil, errors.New("connection lost")
		}
		return resp, err
	})
	c := client.New(client.Options{BaseURL: url, Token: httpapitest.AdminToken, Retry: true, HTTP: &http.Client{Transport: lossy}})
	slot, err := c.Scale(t.Context(), platform.ScaleRequest{SlotRef: slot, Replicas: 3})
	require.NoError(t, err)
	require.Equal(t, 3, slot.Replicas)
	require.EqualValues(t, 2, sent.Load())
	require.Len(t, p.Calls(), 1)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWatchEvents_ResumesAfterABrokenConnectionWithoutLossOrDouble(t *testing.T) {
	t.Parallel()
	p := httpapitest.New()
	_, url := httpapitest.Serve(t, p, httpapi.Options{})
	// Every connection is cut after its second message.
	var opened atomic.Int32
	transport := cutting(2, &opened)
	c := client.New(client.Options{BaseURL: url, Token: httpapitest.AdminToken, HTTP: &http.Client{Transport: transport}})
	var got []int64
	err := c.WatchEvents(t.Context(), platform.EventFilter{}, func(e platform.Event) error {
		if got = append(got, e.Seq); e.Seq == 4 {
			return errEnough
		}
		return nil
	})
	require.ErrorIs(t, err, errEnough)
	require.Equal(t, []int64{1, 2, 3, 4}, got)
	require.Greater(t, opened.Load(), int32(1))
}

func TestFollowLogs_DropsLinesThatComeAgain(t *testing.T) {
	t.Parallel()
	p := httpapitest.New()
	_, url := httpapitest.Serve(t, p, httpapi.Options{})
	var opened atomic.Int32
	transport := cutting(3, &opened)
	c := client.New(client.Options{BaseURL: url, Token: httpapitest.AdminToken, HTTP: &http.Client{Transport: transport}})
	var got []string
	err := c.FollowLogs(t.Context(), observability.LogQuery{Project: "shop"}, func(l observability.Line) error {
		if got = append(got, l.Message); len(got) == len(p.Lines) {
			return errEnough
		}
		return nil
	})
	require.ErrorIs(t, err, errEnough)
	var want []string
	for _, l := range p.Lines {
		want = append(want, l.Message)
	}
	require.Equal(t, want, got)
}

func TestStream_RefusalIsNotRepeated(t *testing.T) {
	t.Parallel()
	_, c := setup(t)
	err := c.FollowBuildLog(t.Context(), "dep_none", func(observability.Line) error { return nil })
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
}

func TestStream_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	p, c := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := c.WatchEvents(ctx, platform.EventFilter{}, func(e platform.Event) error {
		if e.Seq == int64(len(p.Events)) {
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
}

// cutting breaks every connection after its first messages, the opening one included, and counts the connections.
func cutting(messages int, opened *atomic.Int32) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		opened.Add(1)
		ctx, cut := context.WithCancel(r.Context())
		resp, err := http.DefaultTransport.RoundTrip(r.WithContext(ctx))
		if err != nil {
			cut()
			return nil, err
		}
		resp.Body = &cutBody{ReadCloser: resp.Body, cut: cut, left: messages}
		return resp, nil
	}
}

// cutBody breaks the connection after `left` messages.
type cutBody struct {
	io.ReadCloser
	cut  context.CancelFunc
	left int
	// newline is true after the end of a line.
	newline bool
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.cut()
		return 0, io.ErrUnexpectedEOF
	}
	// One byte at a time, so that messages are counted exactly.
	n, err := b.ReadCloser.Read(p[:1])
	if n == 1 && p[0] == '\n' && b.newline {
		b.left--
	}
	b.newline = n == 1 && p[0] == '\n'
	return n, err
}

func (b *cutBody) Close() error {
	b.cut()
	return b.ReadCloser.Close()
}
