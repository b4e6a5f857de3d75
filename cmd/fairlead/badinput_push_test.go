package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestBadInput_PushToAnUnknownProjectSaysSoInTheTerminal(t *testing.T) {
	t.Parallel()
	r := setup(t)
	g := newRepo(t, r)
	g.commit("first", files{"README": "hello\n"})
	out, err := g.try("push", g.remote("no-such-project", r.admin), "main:main")
	require.Error(t, err)
	require.Contains(t, out, `remote: There is no project "no-such-project", or your token may not see it.`)
	require.Contains(t, out, "Create it from its blueprint: fairlead project create -f fairlead.yaml")
	r.absent(t, "no-such-project")
}

func TestBadInput_PushWithABadTokenIsRefused(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, goodServices)
	g.commit("first", nil)
	for _, token := range []string{"flt_wrong", "nonsense"} {
		out, err := g.try("push", g.remote(project, token), "main:main")
		require.Error(t, err)
		require.Contains(t, out, "remote: The token ")
		require.Contains(t, out, "Authentication failed")
	}
	code, _, errOut := r.fairlead(t, g.dir, "flt_wrong", "deploy", "api")
	require.Equal(t, 3, code, errOut)
	require.Contains(t, errOut, "Error: The token ")
	r.untouched(t, project, "api")
}

func TestBadInput_PushByAViewerIsRefused(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, goodServices)
	g.commit("first", nil)
	viewer, err := r.client.CreateToken(t.Context(), platform.CreateTokenRequest{Name: "reader-" + project, Kind: platform.ActorHuman, Role: platform.RoleViewer})
	require.NoError(t, err)
	out, err := g.try("push", g.remote(project, viewer.Secret), "main:main")
	require.Error(t, err)
	require.Contains(t, out, "remote: ")
	require.Contains(t, out, "viewer")
	r.untouched(t, project, "api")
}

func TestBadInput_PushWithoutItsBlueprintAppliesNothing(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, goodServices)
	g.commit("of another project", files{"fairlead.yaml": "project: other\nservices:\n" + goodServices})
	require.Contains(t, g.push(project), `remote: nothing was applied: fairlead.yaml describes the project "other", and this is "`+project+`".`)
	r.absent(t, "other")
	g.git("rm", "-q", "fairlead.yaml")
	sha := g.commit("no blueprint", files{"README": "hello\n"})
	require.Contains(t, g.push(project), "remote: nothing was applied: There is no fairlead.yaml in "+platform.ShortSHA(sha)+". Add one at the root of the repository.")
	r.untouched(t, project, "api")
}

func TestBadInput_UnknownBranchIsRefusedWithTheNearest(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, goodServices)
	said := r.refused(t, 5, g.dir, "deploy", "api")
	require.Contains(t, said, "Error: Nothing was pushed to "+project+" yet.")
	require.Contains(t, said, "Fix:   Push a commit first: git push fairlead main.")

	g.commit("first", nil)
	g.push(project)
	said = g.git("push", g.remote(project, r.admin), "main:feature/login")
	require.Contains(t, said, "remote: feature/login is not the default branch (main), so nothing was deployed; to deploy it: fairlead deploy <service> --commit feature/login")
	said = r.refused(t, 4, g.dir, "deploy", "api", "--commit", "mian")
	require.Contains(t, said, "Error: "+project+` has no branch and no pushed commit "mian".`)
	require.Contains(t, said, `Fix:   Did you mean "main"?`)
	require.Contains(t, r.refused(t, 4, g.dir, "deploy", "api", "--commit", "feature/logn"), `Did you mean "feature/login"?`)
	require.Contains(t, r.refused(t, 4, g.dir, "deploy", "api", "--commit", "nosuch"), "There are feature/login and main.", "far from every name: all are listed")
	require.Contains(t, r.refused(t, 4, g.dir, "deploy", "api", "--commit", "deadbeef"), `no pushed commit "deadbeef"`)
	r.untouched(t, project, "api")
}

func TestBadInput_DockerfileThatIsNotThereFailsTheDeployByItsPath(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, "  - {name: api, type: worker, dockerfile: docker/api.Dockerfile}\n")
	g.commit("no Dockerfile where it should be", files{"Dockerfile": "FROM scratch\n"})
	require.Contains(t, g.push(project), "remote: api: deploy dep_")

	d := r.settled(t, project, "api")
	require.Equal(t, platform.PhaseFailed, d.Phase)
	require.Equal(t, platform.FailureBuild, d.Failure.Reason)
	require.Contains(t, d.Failure.Message, "There is no Dockerfile at docker/api.Dockerfile in this commit.")
	require.Contains(t, d.Failure.Hint, "The commit has Dockerfile: set dockerfile in fairlead.yaml")

	incident := r.incident(t, project)
	require.Equal(t, platform.SignalBuildFailed, incident.Signal)
	require.Equal(t, platform.IncidentOpen, incident.State)

	code, out, _ := r.fairlead(t, g.dir, r.admin, "deploy", "show", string(d.ID))
	require.Zero(t, code)
	require.Contains(t, out, "There is no Dockerfile at docker/api.Dockerfile in this commit.")
}

func TestBadInput_PortThatNothingListensOnNamesThoseThatAreListenedOn(t *testing.T) {
	t.Parallel()
	r := setup(t)
	project, g := r.project(t, "  - {name: api, type: private, port: 8000, command: [/app, elsewhere], healthCheck: {grace: 6s, interval: 1s}}\n")
	g.addApp()
	g.commit("listens elsewhere", files{"Dockerfile": dockerfile})
	g.push(project)

	d := r.settled(t, project, "api")
	require.Equal(t, platform.PhaseFailed, d.Phase)
	require.Equal(t, platform.FailureUnhealthy, d.Failure.Reason)
	require.Contains(t, d.Failure.Message, "nothing listens on port 8000; the process listens on 0.0.0.0:9000 and 127.0.0.1:9001")
	require.Contains(t, d.Failure.Hint, "raise healthCheck.grace")

	slot, err := r.client.GetSlot(t.Context(), platform.SlotRef{Project: project, Service: "api"})
	require.NoError(t, err)
	require.Empty(t, slot.LiveReleaseID, "nothing went live")
	code, out, _ := r.fairlead(t, g.dir, r.admin, "deploy", "show", string(d.ID))
	require.Zero(t, code)
	require.Contains(t, out, "the process listens on 0.0.0.0:9000 and 127.0.0.1:9001")
}
