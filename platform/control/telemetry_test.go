package control

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestTelemetryScope_NamesTheEnvironmentAndItsServices(t *testing.T) {
	t.Parallel()
	b := shop(t)
	sender := platform.Actor{Kind: platform.ActorAutomation, Name: "api", Owner: "ada", Role: platform.RoleSender, Projects: []string{"shop"}}
	scope, err := b.TelemetryScope(t.Context(), sender, "shop", "")
	require.NoError(t, err)
	require.Equal(t, platform.TelemetryScope{
		Project: "shop", Environment: "production", Services: []string{"api", "features"}, Environments: []string{"production"},
	}, scope)
	_, err = b.TelemetryScope(t.Context(), sender, "shop", "prodution")
	code(t, platform.CodeNotFound, err, `Did you mean "production"?`)
	_, err = b.TelemetryScope(t.Context(), sender, "", "")
	require.NoError(t, err, "it may send some")

	for name, c := range map[string]struct {
		actor platform.Actor
		want  platform.ErrorCode
	}{
		"a viewer": {vic, platform.CodeDenied}, "an agent": {fixer, platform.CodeDenied},
		"another's sender": {platform.Actor{Kind: platform.ActorAutomation, Name: "x", Role: platform.RoleSender, Projects: []string{"other"}}, platform.CodeNotFound},
	} {
		_, err := b.TelemetryScope(t.Context(), c.actor, "shop", "")
		require.Equal(t, c.want, platform.CodeOf(err), name)
	}
}

func TestToken_OfASenderSendsTelemetryAndNothingElse(t *testing.T) {
	t.Parallel()
	b := shop(t)
	_, err := b.CreateToken(t.Context(), ada, platform.CreateTokenRequest{Name: "x", Kind: platform.ActorAgent, Role: platform.RoleSender})
	code(t, platform.CodeInvalid, err, "for programs that send telemetry")
	made, err := b.CreateToken(t.Context(), ada, platform.CreateTokenRequest{Name: "api", Kind: platform.ActorAutomation, Role: platform.RoleSender, Projects: []string{"shop"}})
	require.NoError(t, err)
	actor, err := b.Authenticate(t.Context(), made.Secret, "telemetry")
	require.NoError(t, err)
	_, err = b.TelemetryScope(t.Context(), actor, "shop", "")
	require.NoError(t, err)
	_, err = b.GetProject(t.Context(), actor, "shop")
	code(t, platform.CodeDenied, err, "has the role sender and may not read")
	_, err = b.Deploy(t.Context(), actor, platform.DeployRequest{SlotRef: api})
	code(t, platform.CodeDenied, err)
}
