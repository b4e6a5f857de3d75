package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestToken_WorksUntilItIsRevokedOrExpires(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	made, err := b.CreateToken(ctx, ada, platform.CreateTokenRequest{
		Name: "fixer", Kind: platform.ActorAgent, Role: platform.RoleViewer, Projects: []string{"shop"}, TTL: platform.Duration(time.Hour),
	})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(made.Secret, "flt_"))
	require.Equal(t, "ada", made.Owner)
	requireNowhere(t, b, made.Secret)
	actor, err := b.Authenticate(ctx, made.Secret, "mcp")
	require.NoError(t, err)
	require.Equal(t, platform.Actor{
		Kind: platform.ActorAgent, Name: "fixer", TokenID: made.ID, Role: platform.RoleViewer, Owner: "ada", Projects: []string{"shop"}, Channel: "mcp",
	}, actor)
	for _, bad := range []string{"", "flt_", "flt_" + strings.Repeat("0", 48), made.Secret + "0", strings.Repeat("flt_", 1000), "nope"} {
		_, err := b.Authenticate(ctx, bad, "api")
		code(t, platform.CodeUnauthenticated, err)
	}
	tokens, err := b.ListTokens(ctx, ada)
	require.NoError(t, err)
	require.NotNil(t, tokens[0].LastUsedAt)
	require.NoError(t, b.RevokeToken(ctx, ada, made.ID))
	require.NoError(t, b.RevokeToken(ctx, ada, made.ID))
	_, err = b.Authenticate(ctx, made.Secret, "mcp")
	code(t, platform.CodeUnauthenticated, err)
	other, err := b.CreateToken(ctx, ada, platform.CreateTokenRequest{Name: "ci", Kind: platform.ActorAutomation, Role: platform.RoleOperator, TTL: platform.Duration(time.Minute)})
	require.NoError(t, err)
	b.clock.Advance(2 * time.Minute)
	_, err = b.Authenticate(ctx, other.Secret, "api")
	code(t, platform.CodeUnauthenticated, err)
	code(t, platform.CodeNotFound, b.RevokeToken(ctx, ada, "tok_none"))
}

func TestCreateToken_NobodyGivesMoreThanTheyHave(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	good := platform.CreateTokenRequest{Name: "x", Kind: platform.ActorHuman, Role: platform.RoleViewer, Projects: []string{"shop"}}
	ask := func(actor platform.Actor, change func(*platform.CreateTokenRequest)) error {
		req := good
		change(&req)
		_, err := b.CreateToken(ctx, actor, req)
		return err
	}
	code(t, platform.CodeDenied, ask(bob, func(*platform.CreateTokenRequest) {}), "role operator")
	code(t, platform.CodeInvalid, ask(ada, func(r *platform.CreateTokenRequest) { r.Name = " " }))
	code(t, platform.CodeInvalid, ask(ada, func(r *platform.CreateTokenRequest) { r.Kind = platform.ActorSystem }))
	code(t, platform.CodeInvalid, ask(ada, func(r *platform.CreateTokenRequest) { r.Role = "root" }))
	code(t, platform.CodeInvalid, ask(ada, func(r *platform.CreateTokenRequest) { r.TTL = -1 }))
	code(t, platform.CodeNotFound, ask(ada, func(r *platform.CreateTokenRequest) { r.Projects = []string{"nope"} }))
	robot := ci
	robot.Role = platform.RoleAdmin
	code(t, platform.CodeDenied, ask(robot, func(*platform.CreateTokenRequest) {}), "may not make tokens of people")
	limited := person("eve", platform.RoleAdmin)
	limited.Projects = []string{"shop"}
	code(t, platform.CodeDenied, ask(limited, func(r *platform.CreateTokenRequest) { r.Projects = nil }), "limited to shop")
	code(t, platform.CodeNotFound, ask(limited, func(r *platform.CreateTokenRequest) { r.Projects = []string{"bank"} }))
	wide, err := b.CreateToken(ctx, ada, platform.CreateTokenRequest{Name: "w", Kind: platform.ActorHuman, Role: platform.RoleViewer})
	require.NoError(t, err)
	code(t, platform.CodeNotFound, b.RevokeToken(ctx, limited, wide.ID))
	require.NoError(t, ask(limited, func(*platform.CreateTokenRequest) {}))
	tokens, err := b.ListTokens(ctx, limited)
	require.NoError(t, err)
	require.Len(t, tokens, 1)
}

func TestEnsureAdminToken_OnceAndAgainWhenTheFileIsLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "admin-token")
	read := func() string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return strings.TrimSpace(string(text))
	}
	require.NoError(t, b.EnsureAdminToken(ctx, path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	first := read()
	actor, err := b.Authenticate(ctx, first, "cli")
	require.NoError(t, err)
	require.Equal(t, "human:admin", actor.Principal())
	require.Equal(t, platform.RoleAdmin, actor.Role)
	require.NoError(t, b.EnsureAdminToken(ctx, path))
	require.Equal(t, first, read())
	require.NoError(t, os.Remove(path))
	require.NoError(t, b.EnsureAdminToken(ctx, path))
	_, err = b.Authenticate(ctx, first, "cli")
	code(t, platform.CodeUnauthenticated, err)
	_, err = b.Authenticate(ctx, read(), "cli")
	require.NoError(t, err)
}

func TestResponses_AreKeptSealedPerTokenKeyAndRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	k := Keyed{TokenID: "tok_a", Key: "key-1", Request: "POST /v1/tokens", BodyHash: "h"}
	kept, err := b.RecallResponse(ctx, k)
	require.NoError(t, err)
	require.Nil(t, kept)
	require.NoError(t, b.RememberResponse(ctx, k, Response{Status: 201, Body: []byte(`{"secret":"flt_visible"}`)}))
	require.NoError(t, b.RememberResponse(ctx, k, Response{Status: 500}))
	kept, err = b.RecallResponse(ctx, k)
	require.NoError(t, err)
	require.Equal(t, 201, kept.Status)
	require.JSONEq(t, `{"secret":"flt_visible"}`, string(kept.Body))
	requireNowhere(t, b, "flt_visible")
	other := k
	other.BodyHash = "other"
	_, err = b.RecallResponse(ctx, other)
	code(t, platform.CodeConflict, err)
	other = k
	other.TokenID = "tok_b"
	kept, err = b.RecallResponse(ctx, other)
	require.NoError(t, err)
	require.Nil(t, kept)
	other.Key = strings.Repeat("x", 300)
	_, err = b.RecallResponse(ctx, other)
	code(t, platform.CodeInvalid, err)
}

func BenchmarkAuthenticate(b *testing.B) {
	p := benchPlane(b)
	made, err := p.CreateToken(b.Context(), ada, platform.CreateTokenRequest{Name: "x", Kind: platform.ActorHuman, Role: platform.RoleViewer})
	require.NoError(b, err)
	for b.Loop() {
		if _, err := p.Authenticate(b.Context(), made.Secret, "api"); err != nil {
			b.Fatal(err)
		}
	}
}
