package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

const blueprint = `project: shop
services:
  - name: api
    type: web
    context: api
    port: 8080
  - name: features
    type: private
    context: features
    port: 9000
`

// installation is the API in front of the real control plane on a real database.
type installation struct {
	t     *testing.T
	plane *control.Plane
	url   string
	admin *client.Client
	token string
}

func install(t *testing.T, s *store.Store) *installation {
	t.Helper()
	return installAt(t, s, t.TempDir())
}

// installAt is install with the state folder of another one, as after a restart.
func installAt(t *testing.T, s *store.Store, state string, change ...func(*control.Options, *httpapi.Options)) *installation {
	t.Helper()
	sealer, err := secret.New([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	o := control.Options{Store: s, Sealer: sealer, RouterURL: "http://127.0.0.1:7780", APIURL: "http://127.0.0.1:7700"}
	served := httpapi.Options{Logger: slog.New(slog.DiscardHandler), RequestTimeout: 5 * time.Second}
	for _, c := range change {
		c(&o, &served)
	}
	plane := control.New(o)
	file := filepath.Join(state, "admin-token")
	require.NoError(t, plane.EnsureAdminToken(t.Context(), file))
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served.Plane, served.Responses = plane, plane
	api := httpapi.New(served)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	i := &installation{t: t, plane: plane, url: "http://" + ln.Addr().String(), token: strings.TrimSpace(string(raw))}
	i.admin = i.as(i.token)
	return i
}

func (i *installation) as(token string) *client.Client {
	return client.New(client.Options{BaseURL: i.url, Token: token})
}

// person makes a token and returns the client of who holds it.
func (i *installation) person(name string, kind platform.ActorKind, role platform.Role) (*client.Client, string) {
	i.t.Helper()
	created, err := i.admin.CreateToken(i.t.Context(), platform.CreateTokenRequest{Name: name, Kind: kind, Role: role})
	require.NoError(i.t, err)
	return i.as(created.Secret), created.Secret
}

// live brings one release of api live as the worker would.
func (i *installation) live(n int) platform.Deploy {
	i.t.Helper()
	ctx := i.t.Context()
	sha := fmt.Sprintf("%040x", n)
	push := platform.Push{
		Project: "shop", Branch: "main", New: sha, Blueprint: blueprint,
		Commits: []platform.Commit{{SHA: sha, Branch: "main", Author: "Ada <ada@example.com>", Message: "change", At: time.Now()}},
		Trees:   map[string]string{"api": "a" + sha, "features": "features"},
	}
	if n > 1 {
		push.Old = fmt.Sprintf("%040x", n-1)
		push.Commits[0].Parent = push.Old
	}
	admin, err := i.plane.Authenticate(ctx, i.token, "git")
	require.NoError(i.t, err)
	pushed, err := i.plane.RecordPush(ctx, admin, push)
	require.NoError(i.t, err)
	var d platform.Deploy
	for _, queued := range pushed.Deploys {
		if queued.Service == "api" {
			d = queued
		}
	}
	require.NotEmpty(i.t, d.ID)
	for p, next := range platform.Phases[1:] {
		u := control.DeployUpdate{Phase: next}
		if next == platform.PhaseReleasing {
			u.Image, u.ImageID = "fairlead/shop/api:"+string(d.ID), "sha256:"+sha
		}
		d, err = i.plane.AdvanceDeploy(ctx, d.ID, platform.Phases[p], u)
		require.NoError(i.t, err)
	}
	return d
}

func (i *installation) shop() {
	i.t.Helper()
	_, err := i.admin.CreateProject(i.t.Context(), platform.CreateProjectRequest{Blueprint: blueprint})
	require.NoError(i.t, err)
}

func TestPlane_OneStoryOverTheAPI(t *testing.T) {
	t.Parallel()
	i := install(t, storetest.Open(t))
	ctx := t.Context()
	i.shop()
	_, err := i.admin.CreateProject(ctx, platform.CreateProjectRequest{Blueprint: blueprint})
	require.Equal(t, platform.CodeConflict, platform.CodeOf(err))
	i.live(1)
	i.live(2)
	slot := platform.SlotRef{Project: "shop", Service: "api"}
	detail, err := i.admin.GetSlot(ctx, slot)
	require.NoError(t, err)
	require.Equal(t, 2, detail.LiveRelease)

	fixer, _ := i.person("fixer", platform.ActorAgent, platform.RoleOperator)
	_, err = fixer.Rollback(ctx, platform.RollbackRequest{SlotRef: slot})
	require.Error(t, err)
	plan, err := fixer.Propose(ctx, platform.ProposeRequest{Action: platform.Action{Kind: platform.ActionRollback, Slot: "shop/production/api", ToRelease: 1}, Reason: "errors"})
	require.NoError(t, err)
	require.Equal(t, platform.PlanPending, plan.State)
	require.Equal(t, plan.Hash, plan.Body.Hash(), "the hash holds over the wire")
	_, err = fixer.Decide(ctx, plan.ID, platform.DecideRequest{Approve: true})
	require.Equal(t, platform.CodeDenied, platform.CodeOf(err))
	_, err = i.admin.Decide(ctx, plan.ID, platform.DecideRequest{Approve: true, Hash: strings.Repeat("0", 64)})
	require.Error(t, err)
	plan, err = i.admin.Decide(ctx, plan.ID, platform.DecideRequest{Approve: true, Hash: plan.Hash})
	require.NoError(t, err)
	require.Equal(t, platform.PlanApproved, plan.State)
	_, err = i.admin.Decide(ctx, plan.ID, platform.DecideRequest{Approve: true})
	require.Equal(t, platform.CodeConflict, platform.CodeOf(err))

	set, err := i.admin.SetEnv(ctx, platform.SetEnvRequest{SlotRef: slot, Set: []platform.Variable{{Key: "API_KEY", Value: "hunter2", Secret: true}}, NoDeploy: true})
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(set), "hunter2")
	chain, err := i.admin.VerifyEvents(ctx)
	require.NoError(t, err)
	require.True(t, chain.OK)
	events, err := i.admin.ListEvents(ctx, platform.EventFilter{Page: platform.Page{Limit: 500}})
	require.NoError(t, err)
	require.Zero(t, platform.VerifyChain("", events.Items), "the chain verifies at the client too")
	require.NotContains(t, fmt.Sprint(events), "hunter2")
}

func TestPlane_BadInputIsExplainedOverTheAPI(t *testing.T) {
	t.Parallel()
	i := install(t, storetest.Open(t))
	ctx := t.Context()
	_, err := i.admin.CreateProject(ctx, platform.CreateProjectRequest{Blueprint: "project: shop\nservices:\n  - nome: api\n"})
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	require.ErrorContains(t, err, "3")
	projects, err := i.admin.ListProjects(ctx, platform.Page{})
	require.NoError(t, err)
	require.Empty(t, projects.Items, "nothing was applied")
	i.shop()
	_, err = i.admin.ListEvents(ctx, platform.EventFilter{Page: platform.Page{Cursor: "bogus"}})
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	_, err = i.admin.GetDeploy(ctx, "dep_none")
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
	_, err = i.as("flt_wrong").Status(ctx)
	require.Equal(t, platform.CodeUnauthenticated, platform.CodeOf(err))
	viewer, _ := i.person("eve", platform.ActorHuman, platform.RoleViewer)
	_, err = viewer.Scale(ctx, platform.ScaleRequest{SlotRef: platform.SlotRef{Project: "shop", Service: "api"}, Replicas: 2})
	require.Equal(t, platform.CodeDenied, platform.CodeOf(err))
}

// TestPlane_RefusesAnAgentsChanges walks every operation that changes something with an agent's token, on the real plane.
func TestPlane_RefusesAnAgentsChanges(t *testing.T) {
	t.Parallel()
	i := install(t, storetest.Open(t))
	i.shop()
	d := i.live(1)
	fixer, token := i.person("fixer", platform.ActorAgent, platform.RoleOperator)
	plan, err := fixer.Propose(t.Context(), platform.ProposeRequest{Action: platform.Action{Kind: platform.ActionRestart, Slot: "shop/production/api"}, Reason: "slow"})
	require.NoError(t, err)
	before, err := i.admin.GetSlot(t.Context(), platform.SlotRef{Project: "shop", Service: "api"})
	require.NoError(t, err)

	b := bundle{t: t, url: i.url}
	fill := strings.NewReplacer("dep_02", string(d.ID), "plan_01", string(plan.ID))
	for _, r := range routes(t, httpapi.New(httpapi.Options{})) {
		method, path := r[0], fill.Replace(r[1])
		if method == http.MethodGet || path == "/v1/plans" || strings.Contains(path, "/incidents/") {
			continue
		}
		p := b.problem(method, path, token, bodies[method+" "+r[1]])
		require.Contains(t, []platform.ErrorCode{platform.CodeDenied, platform.CodeApprovalRequired}, p.Code, "%s %s: %s", method, path, p.Detail)
		require.Equal(t, http.StatusForbidden, p.Status)
	}
	after, err := i.admin.GetSlot(t.Context(), platform.SlotRef{Project: "shop", Service: "api"})
	require.NoError(t, err)
	require.Equal(t, before.Generation, after.Generation)
}

func TestPlane_RemembersAnswersAcrossServers(t *testing.T) {
	t.Parallel()
	s, state := storetest.Open(t), t.TempDir()
	i := installAt(t, s, state)
	i.shop()
	const path = "/v1/tokens"
	body := `{"name":"ci","kind":"automation","role":"operator"}`
	b := bundle{t: t, url: i.url}
	status, _, first := b.do(http.MethodPost, path, i.token, body, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusCreated, status, string(first))

	// Another server on the same database knows the answer too, secret included, which the database holds sealed.
	other := installAt(t, s, state)
	b2 := bundle{t: t, url: other.url}
	status, h, second := b2.do(http.MethodPost, path, i.token, body, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusCreated, status, string(second))
	require.Equal(t, "true", h.Get("Idempotency-Replayed"))
	require.JSONEq(t, string(first), string(second))
	p := b2.problem(http.MethodPost, path, i.token, strings.Replace(body, "ci", "cd", 1), "Idempotency-Key", "k1")
	require.Equal(t, http.StatusConflict, p.Status)
	tokens, err := other.admin.ListTokens(t.Context())
	require.NoError(t, err)
	named := 0
	for _, token := range tokens {
		if token.Name == "ci" {
			named++
		}
	}
	require.Equal(t, 1, named)
}

func TestPlane_StreamsEventsAsTheyAreCommitted(t *testing.T) {
	t.Parallel()
	i := install(t, storetest.Open(t))
	i.shop()
	i.live(1)
	enough := errors.New("enough")
	slot := platform.SlotRef{Project: "shop", Service: "api"}
	asked := false
	err := i.admin.WatchEvents(t.Context(), platform.EventFilter{Project: "shop"}, func(e platform.Event) error {
		if e.Kind == platform.EventDeployLive && !asked {
			asked = true
			_, err := i.admin.Scale(t.Context(), platform.ScaleRequest{SlotRef: slot, Replicas: 2})
			return err
		}
		if e.Kind == platform.EventSlotScaled {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
}

func TestPlane_PostgresDownIs503AndComesBack(t *testing.T) {
	t.Parallel()
	pg := storetest.StartServer(t)
	i := install(t, storetest.OpenURL(t, pg.URL()))
	i.shop()
	pg.Stop()
	b := bundle{t: t, url: i.url}
	for _, path := range []string{"/v1/projects", "/v1/status", "/v1/events/stream"} {
		p := b.problem(http.MethodGet, path, i.token, "")
		require.Equal(t, http.StatusServiceUnavailable, p.Status, "%s: %s", path, p.Detail)
		require.Equal(t, platform.CodeUnavailable, p.Code)
		require.NotEmpty(t, p.Hint)
	}
	_, h, _ := b.do(http.MethodGet, "/v1/projects", i.token, "")
	require.NotEmpty(t, h.Get("Retry-After"))
	status, _, _ := b.do(http.MethodGet, "/healthz", "", "")
	require.Equal(t, http.StatusOK, status)
	pg.Start()
	patient := client.New(client.Options{BaseURL: i.url, Token: i.token, Retry: true})
	projects, err := patient.ListProjects(t.Context(), platform.Page{})
	require.NoError(t, err)
	require.Len(t, projects.Items, 1)
}
