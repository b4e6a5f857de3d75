package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

// TestPolicy_EachRouteForEachRole asks the real plane as everybody.
func TestPolicy_EachRouteForEachRole(t *testing.T) {
	t.Parallel()
	i := install(t, storetest.Open(t))
	i.shop()
	i.live(1)
	b := bundle{t: t, url: i.url}
	tokens := map[string]string{"admin": i.token}
	for name, who := range map[string]struct {
		kind platform.ActorKind
		role platform.Role
	}{
		"operator":         {platform.ActorHuman, platform.RoleOperator},
		"viewer":           {platform.ActorHuman, platform.RoleViewer},
		"automation":       {platform.ActorAutomation, platform.RoleOperator},
		"admin automation": {platform.ActorAutomation, platform.RoleAdmin},
		"agent":            {platform.ActorAgent, platform.RoleOperator},
		"admin agent":      {platform.ActorAgent, platform.RoleAdmin},
		"sender":           {platform.ActorAutomation, platform.RoleSender},
	} {
		_, tokens[name] = i.person(name, who.kind, who.role)
	}
	readers := []string{"admin", "operator", "viewer", "automation", "admin automation", "agent", "admin agent"}
	for _, r := range []struct {
		method, path, body string
		may                []string
	}{
		{http.MethodGet, "/v1/projects/shop/policy", "", readers},
		{http.MethodGet, "/v1/projects/shop/policy/explain?service=api&action=restart", "", readers},
		{http.MethodPut, "/v1/projects/shop/policy", `{"text":"{}","dry_run":true}`, readers},
		{http.MethodPut, "/v1/projects/shop/policy", `{"text":"limits: [{maxReplicas: 3}]"}`, []string{"admin"}},
		{http.MethodGet, "/v1/agent", "", readers},
		{http.MethodPost, "/v1/agent/stop", `{"project":"shop"}`, []string{"admin", "operator", "automation", "admin automation"}},
		{http.MethodPost, "/v1/agent/start", `{"project":"shop"}`, []string{"admin"}},
		{http.MethodPost, "/v1/agent/stop", `{}`, []string{"admin", "operator", "automation", "admin automation"}},
		{http.MethodPost, "/v1/agent/start", `{}`, []string{"admin"}},
	} {
		may := map[string]bool{}
		for _, name := range r.may {
			may[name] = true
		}
		for name, token := range tokens {
			status, _, raw := b.do(r.method, r.path, token, r.body)
			want := http.StatusForbidden
			if may[name] {
				want = http.StatusOK
			}
			require.Equal(t, want, status, "%s %s as %s: %s", r.method, r.path, name, raw)
		}
	}
}

func TestPolicy_OneStoryOverTheAPI(t *testing.T) {
	t.Parallel()
	i := install(t, storetest.Open(t))
	ctx := t.Context()
	i.shop()
	i.live(1)
	fixer, _ := i.person("fixer", platform.ActorAgent, platform.RoleOperator)
	operator, _ := i.person("bob", platform.ActorHuman, platform.RoleOperator)
	_, err := i.admin.SetPolicy(ctx, platform.SetPolicyRequest{Project: "shop", Text: "limits:\n  - maxReplica: 3\n"})
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	require.ErrorContains(t, err, `policy, line 2, column 5: "maxReplica" is not a key that may stand in limits[0]. Did you mean maxReplicas?`)
	none, err := i.admin.GetPolicy(ctx, "shop", 0)
	require.NoError(t, err)
	require.Zero(t, none.Version)

	set, err := i.admin.SetPolicy(ctx, platform.SetPolicyRequest{Project: "shop", IfVersion: &none.Version, Text: "limits: [{maxReplicas: 3}]\nautonomy: [{level: auto, actions: [scale]}]"})
	require.NoError(t, err)
	require.EqualValues(t, 1, set.Version)
	slot := platform.SlotRef{Project: "shop", Service: "api"}
	d, err := fixer.ExplainPolicy(ctx, platform.PolicyQuestion{SlotRef: slot, Action: platform.ActionScale, Replicas: 9})
	require.NoError(t, err)
	require.Equal(t, platform.PolicyDenied, d.Outcome)
	_, err = operator.Scale(ctx, platform.ScaleRequest{SlotRef: slot, Replicas: 9})
	require.Equal(t, platform.CodeDenied, platform.CodeOf(err))

	status, err := operator.StopAgents(ctx, platform.AgentSwitchRequest{Project: "shop", Reason: "a drill"})
	require.NoError(t, err)
	require.Len(t, status.Stops, 1)
	plan, err := fixer.Propose(ctx, platform.ProposeRequest{Action: platform.Action{Kind: platform.ActionScale, Slot: "shop/production/api", Replicas: 2}, Reason: "load"})
	require.NoError(t, err)
	require.Equal(t, platform.PlanPending, plan.State)
	status, err = fixer.AgentStatus(ctx, "shop")
	require.NoError(t, err)
	require.Equal(t, plan.ID, status.Waiting[0].ID)
	whole, err := fixer.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, "a drill", whole.Stops[0].Reason)
	_, err = operator.StartAgents(ctx, platform.AgentSwitchRequest{Project: "shop"})
	require.Equal(t, platform.CodeDenied, platform.CodeOf(err))
	_, err = i.admin.StartAgents(ctx, platform.AgentSwitchRequest{Project: "shop"})
	require.NoError(t, err)
	plan, err = i.admin.GetPlan(ctx, plan.ID)
	require.NoError(t, err)
	require.Equal(t, platform.PlanApproved, plan.State, "the automatic plan goes on")
}
