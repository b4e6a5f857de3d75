package control

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func set(vars ...platform.Variable) platform.SetEnvRequest {
	return platform.SetEnvRequest{SlotRef: api, Set: vars}
}

func TestSetEnv_SecretIsSealedHiddenAndOpenedForTheWorkerOnly(t *testing.T) {
	t.Parallel()
	b := shop(t)
	b.pushLive(1)
	ctx := t.Context()
	result, err := b.SetEnv(ctx, bob, set(
		platform.Variable{Key: "API_KEY", Value: "s3cret-value", Secret: true}, platform.Variable{Key: "LOG_LEVEL", Value: "debug"}))
	require.NoError(t, err)
	want := []platform.Variable{{Key: "API_KEY", Secret: true}, {Key: "LOG_LEVEL", Value: "debug"}}
	require.Empty(t, cmp.Diff(want, result.Config.Vars))
	got, err := b.GetEnv(ctx, vic, api)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got.Vars))
	requireNowhere(t, b, "s3cret-value")

	require.NotNil(t, result.Deploy)
	require.Equal(t, 2, result.Deploy.ReleaseNumber, "the image is there: nothing is built")
	work, err := b.DeployWork(ctx, result.Deploy.ID)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"API_KEY": "s3cret-value"}, work.Secrets)
	require.Empty(t, cmp.Diff([]string{
		"API_KEY=s3cret-value", "FAIRLEAD_COMMIT=" + sha(1), "FAIRLEAD_ENVIRONMENT=production", "FAIRLEAD_PROJECT=shop",
		"FAIRLEAD_RELEASE=2", "FAIRLEAD_SERVICE=api", "LOG_LEVEL=debug", "PORT=8080",
	}, work.Env))
	live, err := b.SlotWork(ctx, b.slot().ID)
	require.NoError(t, err)
	require.Contains(t, live.Env, "LOG_LEVEL=info", "what is live keeps its own configuration")
	require.Empty(t, live.Secrets)
	b.live(*result.Deploy)
	live, err = b.SlotWork(ctx, b.slot().ID)
	require.NoError(t, err)
	require.Contains(t, live.Env, "LOG_LEVEL=debug")
}

func TestSetEnv_OldSecretValuesAreRedactedToo(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	for _, value := range []string{"first-value", "second-value", "second-value"} {
		_, err := b.SetEnv(ctx, bob, set(platform.Variable{Key: "API_KEY", Value: value, Secret: true}))
		require.NoError(t, err)
	}
	_, err := b.SetEnv(ctx, bob, platform.SetEnvRequest{SlotRef: api, Unset: []string{"API_KEY"}})
	require.NoError(t, err)
	values, err := b.Redactions(ctx, "shop")
	require.NoError(t, err)
	require.Equal(t, []string{"first-value", "second-value"}, values)
}

func TestSetEnv_WhatWasSecretStaysSecret(t *testing.T) {
	t.Parallel()
	b := shop(t)
	_, err := b.SetEnv(t.Context(), bob, set(platform.Variable{Key: "API_KEY", Value: "first-value", Secret: true}))
	require.NoError(t, err)
	result, err := b.SetEnv(t.Context(), bob, set(platform.Variable{Key: "API_KEY", Value: "second-value"}))
	require.NoError(t, err)
	require.Equal(t, []platform.Variable{{Key: "API_KEY", Secret: true}}, result.Config.Vars)
	require.Nil(t, result.Deploy, "nothing is live")
	requireNowhere(t, b, "second-value")
}

func TestSetEnv_BadInputNamesTheFieldAndChangesNothing(t *testing.T) {
	t.Parallel()
	b := shop(t)
	before := b.kinds()
	for words, req := range map[string]platform.SetEnvRequest{
		"No variable":       {SlotRef: api},
		"not the name":      set(platform.Variable{Key: "1BAD"}),
		"set by Fairlead":   set(platform.Variable{Key: "PORT", Value: "1"}),
		"named twice":       {SlotRef: api, Set: []platform.Variable{{Key: "A"}}, Unset: []string{"A"}},
		"is longer":         set(platform.Variable{Key: "A", Value: strings.Repeat("x", maxVariableBytes+1)}),
		"no variable \"X\"": {SlotRef: api, Unset: []string{"X"}},
	} {
		_, err := b.SetEnv(t.Context(), bob, req)
		require.ErrorContains(t, err, words)
		var e *platform.Error
		require.ErrorAs(t, err, &e)
		require.NotEmpty(t, e.Field)
	}
	require.Equal(t, before, b.kinds())
}

// A new configuration while a push is under way must not bring the old commit back after it.
func TestSetEnv_DuringADeployTakesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	b := shop(t)
	b.pushLive(1)
	underWay := b.push(2).Deploys[0]
	result, err := b.SetEnv(t.Context(), bob, set(platform.Variable{Key: "A", Value: "1"}))
	require.NoError(t, err)
	require.Equal(t, underWay.Commit, result.Deploy.Commit)
	require.Empty(t, result.Deploy.ReleaseID, "its image is still to be built")
	require.Empty(t, result.Deploy.Image)
}

func TestSetEnv_NoDeployOnlyRecords(t *testing.T) {
	t.Parallel()
	b := shop(t)
	b.pushLive(1)
	req := set(platform.Variable{Key: "A", Value: "1"})
	req.NoDeploy = true
	result, err := b.SetEnv(t.Context(), bob, req)
	require.NoError(t, err)
	require.Nil(t, result.Deploy)
	require.EqualValues(t, 1, b.slot().ConfigVersion)
}

func TestRollback_RunsWithTheConfigurationOfItsRelease(t *testing.T) {
	t.Parallel()
	b := shop(t)
	b.pushLive(1)
	ctx := t.Context()
	result, err := b.SetEnv(ctx, bob, set(platform.Variable{Key: "MODE", Value: "new"}))
	require.NoError(t, err)
	b.live(*result.Deploy)
	d, err := b.Rollback(ctx, bob, platform.RollbackRequest{SlotRef: api})
	require.NoError(t, err)
	require.Zero(t, d.ConfigVersion)
	work, err := b.DeployWork(ctx, d.ID)
	require.NoError(t, err)
	require.NotContains(t, strings.Join(work.Env, "\n"), "MODE=")
	b.live(d)
	live, err := b.SlotWork(ctx, b.slot().ID)
	require.NoError(t, err)
	require.NotContains(t, strings.Join(live.Env, "\n"), "MODE=")
}
