package control

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

func TestCreateProject_MakesEverythingOrNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) {
		o.Host = func(context.Context) (Host, error) { return Host{MemoryBytes: 8 << 30, CPUs: 2}, nil }
	})
	ctx := t.Context()
	create := func(text string, dry bool) (platform.ProjectDetail, error) {
		return b.CreateProject(ctx, ada, platform.CreateProjectRequest{Blueprint: text, DryRun: dry})
	}
	for text, want := range map[string]string{
		"project: shop\nservices: [":                                     "line",
		strings.Replace(shopBlueprint, "port: 8080", "port: http", 1):    "line 6",
		strings.Replace(shopBlueprint, "name: api", "name: API_1", 1):    "line 3",
		shopBlueprint + "    resources: {memory: 64Gi}\n":                "64 GiB of memory, and this host has 8 GiB",
		strings.Replace(shopBlueprint, "project: shop", "project: ", 1):  "line 1",
		shopBlueprint + "    resources: {memory: 1Gi, cpus: 64}\n":       "64 CPUs",
		strings.Replace(shopBlueprint, "port: 9000", "colour: green", 1): "colour",
	} {
		_, err := create(text, false)
		code(t, platform.CodeInvalid, err, want)
	}
	require.Empty(t, b.kinds())
	detail, err := create(shopBlueprint, true)
	require.NoError(t, err)
	require.Len(t, detail.Slots, 2)
	require.Empty(t, b.kinds(), "a dry run makes nothing")
	detail, err = create(shopBlueprint, false)
	require.NoError(t, err)
	require.Equal(t, []string{"api.shop.localhost"}, detail.Slots[0].Hosts)
	require.Empty(t, detail.Slots[1].Hosts, "a private service has no route")
	require.Equal(t, "http://127.0.0.1:7700/git/shop.git", detail.GitURL)
	require.Equal(t, []platform.EventKind{platform.EventProjectCreated, platform.EventBlueprintApplied}, b.kinds())
	require.Equal(t, "http://api.shop.localhost:7780", b.slot().URL)
	require.Equal(t, statusWaiting, b.slot().Status)
	_, err = create(shopBlueprint, false)
	code(t, platform.CodeConflict, err, `"shop" already`)
}

func TestCreateProject_HostOfAnotherIsRefusedNamingBoth(t *testing.T) {
	t.Parallel()
	b := shop(t)
	_, err := b.CreateProject(t.Context(), ada, platform.CreateProjectRequest{
		Blueprint: "project: bank\nservices:\n  - {name: web, type: web, image: nginx, port: 80, hosts: [api.shop.localhost]}\n",
	})
	code(t, platform.CodeConflict, err, "bank/production/web", "shop/production/api")
	_, err = b.GetProject(t.Context(), ada, "bank")
	code(t, platform.CodeNotFound, err)
}

func TestDeleteProject_LeavesItsEventsAndFreesItsName(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	slot := b.slot().ID
	require.NoError(t, b.DeleteProject(ctx, ada, platform.DeleteProjectRequest{Project: "shop"}))
	_, err := b.SlotWork(ctx, slot)
	code(t, platform.CodeNotFound, err)
	events, err := b.ListEvents(ctx, ada, platform.EventFilter{Project: "shop", Backward: true, Page: platform.Page{Limit: 1}})
	require.NoError(t, err)
	require.Equal(t, platform.EventProjectDeleted, events.Items[0].Kind)
	_, err = b.CreateProject(ctx, ada, platform.CreateProjectRequest{Blueprint: shopBlueprint})
	code(t, platform.CodeConflict, err, "still being removed")
	_, err = b.store.Pool().Exec(ctx, "UPDATE river_job SET state = 'completed', finalized_at = now() WHERE kind = 'remove_project'")
	require.NoError(t, err)
	_, err = b.CreateProject(ctx, ada, platform.CreateProjectRequest{Blueprint: shopBlueprint})
	require.NoError(t, err)
}

func TestGetSlot_WrongNamesGetTheNearest(t *testing.T) {
	t.Parallel()
	b := shop(t)
	_, err := b.GetSlot(t.Context(), ada, platform.SlotRef{Project: "shoop", Service: "api"})
	code(t, platform.CodeNotFound, err, `Did you mean "shop"?`)
	_, err = b.GetSlot(t.Context(), ada, platform.SlotRef{Project: "shop", Service: "feature"})
	code(t, platform.CodeNotFound, err, `Did you mean "features"?`)
	_, err = b.GetSlot(t.Context(), ada, platform.SlotRef{Project: "shop", Environment: "productio", Service: "api"})
	code(t, platform.CodeNotFound, err, `Did you mean "production"?`)
	slot, err := b.GetSlot(t.Context(), ada, platform.SlotRef{Project: string(b.slot().ProjectID), Service: string(b.slot().ServiceID)})
	require.NoError(t, err)
	require.Equal(t, "api", slot.Service)
}

func TestRecordPush_DeploysWhatChangedAndSaysWhatDidNot(t *testing.T) {
	t.Parallel()
	b := shop(t)
	first := b.push(1)
	require.Len(t, first.Deploys, 2)
	b.live(first.Deploys[0])
	b.live(first.Deploys[1])
	second := b.push(2, func(p *platform.Push) { p.Trees["features"] = "features-1" })
	require.Len(t, second.Deploys, 1)
	require.Equal(t, "api", second.Deploys[0].Service)
	require.Equal(t, sha(2), second.Deploys[0].Commit)
	require.Contains(t, second.Notes, "features: unchanged, not deployed")
	third := b.push(3, func(p *platform.Push) { p.Trees["api"], p.Trees["features"] = "api-2", "features-1" })
	require.Empty(t, third.Deploys, "the same files are queued already")
	b.live(second.Deploys[0])
	moreEnv := strings.Replace(shopBlueprint, "LOG_LEVEL: info", "LOG_LEVEL: debug", 1)
	fourth := b.push(4, func(p *platform.Push) {
		p.Blueprint = moreEnv
		p.Trees["api"], p.Trees["features"] = "api-2", "features-1"
	})
	require.Len(t, fourth.Deploys, 1, "the spec changed")
	require.Equal(t, "debug", fourth.Deploys[0].Spec.Env["LOG_LEVEL"])
}

func TestRecordPush_ReplicasAndHostsNeedNoDeploy(t *testing.T) {
	t.Parallel()
	b := shop(t)
	b.pushLive(1)
	_, err := b.Scale(t.Context(), bob, platform.ScaleRequest{SlotRef: api, Replicas: 4})
	require.NoError(t, err)
	same := func(p *platform.Push) { p.Trees["api"], p.Trees["features"] = "api-1", "features-1" }
	b.push(2, same)
	require.Equal(t, 4, b.slot().Replicas, "a push that does not speak of replicas leaves them")
	result := b.push(3, same, func(p *platform.Push) {
		p.Blueprint = strings.Replace(shopBlueprint, "port: 8080", "port: 8080\n    replicas: 2\n    hosts: [shop.example.com]", 1)
	})
	require.Empty(t, result.Deploys)
	require.Equal(t, 2, b.slot().Replicas)
	require.Equal(t, []string{"api.shop.localhost", "shop.example.com"}, b.slot().Hosts)
}

func TestRecordPush_MalformedBlueprintIsRecordedAndNothingApplied(t *testing.T) {
	t.Parallel()
	b := shop(t)
	for n, text := range []string{"", "project: shop\nservices:\n  - name: api\n    type: wed\n", strings.Replace(shopBlueprint, "shop", "bank", 1)} {
		result := b.push(n+1, func(p *platform.Push) { p.Blueprint = text })
		require.Empty(t, result.Deploys)
		require.Contains(t, result.Notes[0], "nothing was applied: ")
	}
	result := b.push(9, func(p *platform.Push) { p.Blueprint = "project: shop\nservices:\n  - name: api\n    type: wed\n" })
	require.Contains(t, result.Notes[0], "line 4, column 11")
	kinds := b.kinds()
	require.Equal(t, []platform.EventKind{platform.EventCommitPushed, platform.EventPushRefused}, kinds[len(kinds)-2:])
}

func TestRecordPush_OtherBranchIsRecordedAndDeployableByName(t *testing.T) {
	t.Parallel()
	b := shop(t)
	b.push(1)
	result := b.push(2, func(p *platform.Push) { p.Branch, p.Commits[0].Branch = "feature", "feature" })
	require.Empty(t, result.Deploys)
	require.Contains(t, result.Notes[0], "fairlead deploy <service> --commit feature")
	d, err := b.Deploy(t.Context(), bob, platform.DeployRequest{SlotRef: api, Commit: "feature"})
	require.NoError(t, err)
	require.Equal(t, sha(2), d.Commit)
	require.Equal(t, "change 2", d.Message)
}

func TestDeploy_CommitByShaBeginningAndBranch(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	_, err := b.Deploy(ctx, bob, platform.DeployRequest{SlotRef: api})
	code(t, platform.CodeConflict, err, "Nothing was pushed")
	b.push(1)
	b.push(2)
	ask := func(commit, image string) (platform.Deploy, error) {
		return b.Deploy(ctx, bob, platform.DeployRequest{SlotRef: api, Commit: commit, Image: image})
	}
	d, err := ask(sha(1), "")
	require.NoError(t, err)
	require.Equal(t, sha(1), d.Commit)
	d, err = ask(sha(1)[:39], "")
	code(t, platform.CodeInvalid, err, "More than one commit")
	d, err = ask("", "")
	require.NoError(t, err)
	require.Equal(t, sha(2), d.Commit)
	_, err = ask("mian", "")
	code(t, platform.CodeNotFound, err, `Did you mean "main"?`)
	_, err = ask("beef", "")
	code(t, platform.CodeNotFound, err, `"beef"`)
	_, err = ask("bee", "")
	code(t, platform.CodeNotFound, err)
	_, err = ask("main", "nginx")
	code(t, platform.CodeInvalid, err, "Both")
	_, err = ask("", "not an image")
	code(t, platform.CodeInvalid, err, "not the name of an image")
	d, err = ask("", "registry.example.com/api:1")
	require.NoError(t, err)
	require.Empty(t, d.Commit)
	require.Equal(t, platform.TriggerImage, d.Trigger)
	require.Nil(t, d.Spec.Build)
	require.Equal(t, "registry.example.com/api:1", d.Image)
}

func TestAdvanceDeploy_OfManyAtOnceOneMoves(t *testing.T) {
	t.Parallel()
	b := shop(t)
	d := b.push(1).Deploys[0]
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = b.AdvanceDeploy(t.Context(), d.ID, platform.PhaseQueued, DeployUpdate{Phase: platform.PhaseBuilding})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		code(t, platform.CodeConflict, err, "no longer queued")
	}
	require.Equal(t, 1, won)
	require.Equal(t, 1, count(b.kinds(), platform.EventDeployPhase))
}

func count(kinds []platform.EventKind, kind platform.EventKind) int {
	n := 0
	for _, k := range kinds {
		if k == kind {
			n++
		}
	}
	return n
}

func TestAdvanceDeploy_LiveSetsTheSlotAndNumbersReleasesPerService(t *testing.T) {
	t.Parallel()
	b := shop(t)
	before := b.slot()
	first := b.pushLive(1)
	require.Equal(t, 1, first.ReleaseNumber)
	one := b.slot()
	require.Equal(t, first.ReleaseID, one.LiveReleaseID)
	require.Equal(t, before.Generation+1, one.Generation)
	require.Empty(t, one.PreviousRelease)
	second := b.pushLive(2)
	two := b.slot()
	require.Equal(t, 2, two.LiveRelease)
	require.Equal(t, first.ReleaseID, two.PreviousRelease)
	require.NotNil(t, second.FinishedAt)
	_, err := b.AdvanceDeploy(t.Context(), second.ID, platform.PhaseLive, DeployUpdate{Phase: platform.PhaseFailed})
	code(t, platform.CodeConflict, err)
	_, err = b.AdvanceDeploy(t.Context(), second.ID, platform.PhaseQueued, DeployUpdate{Phase: "nonsense"})
	code(t, platform.CodeInvalid, err)
}

func TestAdvanceDeploy_SecondOfASlotWaitsAndIsWoken(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	one, two := b.push(1).Deploys[0], b.push(2).Deploys[0]
	one, err := b.AdvanceDeploy(ctx, one.ID, platform.PhaseQueued, DeployUpdate{Phase: platform.PhaseBuilding})
	require.NoError(t, err)
	_, err = b.AdvanceDeploy(ctx, two.ID, platform.PhaseQueued, DeployUpdate{Phase: platform.PhaseBuilding})
	code(t, platform.CodeConflict, err, "under way")
	work, err := b.DeployWork(ctx, one.ID)
	require.NoError(t, err)
	require.True(t, work.Newer)
	require.False(t, work.Busy)
	work, err = b.DeployWork(ctx, two.ID)
	require.NoError(t, err)
	require.False(t, work.Newer)
	require.True(t, work.Busy)
	_, err = b.store.Pool().Exec(ctx, "DELETE FROM river_job")
	require.NoError(t, err)
	_, err = b.AdvanceDeploy(ctx, one.ID, platform.PhaseBuilding, DeployUpdate{Phase: platform.PhaseSuperseded})
	require.NoError(t, err)
	require.Equal(t, []string{string(two.ID)}, b.waiting(t))
	b.live(two)
}

// waiting are the deploys that a job waits for.
func (b *bench) waiting(t *testing.T) []string {
	t.Helper()
	rows, err := b.store.Pool().Query(t.Context(), "SELECT args->>'deploy_id' FROM river_job WHERE kind = 'advance_deploy' AND state = 'available' ORDER BY id")
	require.NoError(t, err)
	out := []string{}
	for rows.Next() {
		var id string
		require.NoError(t, rows.Scan(&id))
		out = append(out, id)
	}
	return out
}

func TestAdvanceDeploy_SamePhaseLeavesTheQueueAlone(t *testing.T) {
	t.Parallel()
	b := shop(t)
	d := b.push(1).Deploys[0]
	d, err := b.AdvanceDeploy(t.Context(), d.ID, platform.PhaseQueued, DeployUpdate{Phase: platform.PhaseBuilding})
	require.NoError(t, err)
	_, err = b.store.Pool().Exec(t.Context(), "DELETE FROM river_job")
	require.NoError(t, err)
	before := len(b.kinds())
	d, err = b.AdvanceDeploy(t.Context(), d.ID, platform.PhaseBuilding, DeployUpdate{Phase: platform.PhaseBuilding, TableVersion: 7})
	require.NoError(t, err)
	require.EqualValues(t, 7, d.TableVersion)
	require.Empty(t, b.waiting(t))
	require.Len(t, b.kinds(), before)
}

func TestAdvanceDeploy_FailureOpensAnIncidentAndTheNextLiveOneResolvesIt(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	b.pushLive(1)
	failed := b.fail(b.push(2).Deploys[0], platform.FailureBuild)
	require.Equal(t, 1, b.slot().LiveRelease, "the old release serves on")
	open, err := b.ListIncidents(ctx, ada, platform.IncidentFilter{State: platform.IncidentOpen})
	require.NoError(t, err)
	require.Len(t, open.Items, 1)
	i := open.Items[0]
	require.Equal(t, platform.SignalBuildFailed, i.Signal)
	require.Equal(t, failed.ID, i.DeployID)
	require.Contains(t, i.Title, platform.ShortSHA(sha(2)))
	var jobs int
	require.NoError(t, b.store.Pool().QueryRow(ctx, "SELECT count(*) FROM river_job WHERE kind = 'diagnose_incident'").Scan(&jobs))
	require.Equal(t, 1, jobs)
	again := b.fail(b.push(3).Deploys[0], platform.FailureBuild)
	detail, err := b.GetIncident(ctx, ada, i.ID)
	require.NoError(t, err)
	require.Equal(t, 2, detail.Count)
	require.Equal(t, again.ID, detail.DeployID, "the newest deploy is what is diagnosed")
	b.pushLive(4)
	detail, err = b.GetIncident(ctx, ada, i.ID)
	require.NoError(t, err)
	require.Equal(t, platform.IncidentResolved, detail.State)
	require.Equal(t, "api v2 went live.", detail.Resolution)
}

func TestRollback_DefaultIsTheLastWellReleaseAndRefusalsAreClear(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	back := func(n int) (platform.Deploy, error) {
		return b.Rollback(ctx, bob, platform.RollbackRequest{SlotRef: api, ToRelease: n, Reason: "v2 errs"})
	}
	_, err := back(0)
	code(t, platform.CodeConflict, err, "Nothing is live")
	b.pushLive(1)
	_, err = back(0)
	code(t, platform.CodeConflict, err, "No release of shop/production/api was live and well before v1")
	one := b.slot().Live
	b.pushLive(2)
	_, err = back(2)
	code(t, platform.CodeConflict, err, "live already")
	_, err = back(7)
	code(t, platform.CodeNotFound, err, "no release v7")
	_, err = back(-1)
	code(t, platform.CodeInvalid, err)
	b.failAfterImage(b.push(3).Deploys[0])
	_, err = back(3)
	code(t, platform.CodeConflict, err, "never live")
	d, err := back(0)
	require.NoError(t, err)
	require.Equal(t, platform.TriggerRollback, d.Trigger)
	require.Equal(t, one.ID, d.ReleaseID)
	require.Equal(t, one.Spec, d.Spec)
	d = b.live(d)
	require.Equal(t, 1, d.ReleaseNumber, "no new release is made")
	require.Equal(t, 1, b.slot().LiveRelease)
	require.Empty(t, b.slot().PreviousRelease, "what was rolled back from is not gone back to by itself")
}

// failAfterImage fails a queued deploy once it has its release.
func (b *bench) failAfterImage(d platform.Deploy) {
	b.t.Helper()
	for _, u := range []DeployUpdate{
		{Phase: platform.PhaseBuilding},
		{Phase: platform.PhaseStarting, Image: "x", ImageID: "sha256:x"},
		{Phase: platform.PhaseFailed, Failure: &platform.DeployFailure{Phase: platform.PhaseStarting, Reason: platform.FailureExited, Message: "exit code 1"}},
	} {
		var err error
		d, err = b.AdvanceDeploy(b.t.Context(), d.ID, d.Phase, u)
		require.NoError(b.t, err)
	}
}

func TestPreviousRelease_IsNotOneWithAnOpenIncident(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	v1 := b.slot().PreviousRelease
	_, err := b.Report(t.Context(), platform.Finding{SlotID: b.slot().ID, Signal: platform.SignalErrorRate, ReleaseID: b.slot().LiveReleaseID, Title: "errors"})
	require.NoError(t, err)
	require.Equal(t, statusDown, b.slot().Status)
	b.pushLive(3)
	require.Equal(t, v1, b.slot().PreviousRelease)
}

func TestCancelDeploy_OnlyWhileTrafficHasNotMoved(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	d := b.push(1).Deploys[0]
	d, err := b.CancelDeploy(ctx, bob, d.ID)
	require.NoError(t, err)
	require.True(t, d.CancelRequested)
	toChecking := func() {
		for _, phase := range []platform.Phase{platform.PhaseBuilding, platform.PhaseStarting, platform.PhaseChecking} {
			d, err = b.AdvanceDeploy(ctx, d.ID, d.Phase, DeployUpdate{Phase: phase, Image: "x", ImageID: "sha256:x"})
			require.NoError(t, err)
		}
	}
	toChecking()
	require.True(t, d.CancelRequested)
	_, err = b.AdvanceDeploy(ctx, d.ID, d.Phase, DeployUpdate{Phase: platform.PhaseShifting})
	code(t, platform.CodeConflict, err, "was canceled")
	_, err = b.AdvanceDeploy(ctx, d.ID, d.Phase, DeployUpdate{Phase: platform.PhaseCanceled})
	require.NoError(t, err)

	d = b.push(2).Deploys[0]
	toChecking()
	d, err = b.AdvanceDeploy(ctx, d.ID, d.Phase, DeployUpdate{Phase: platform.PhaseShifting})
	require.NoError(t, err)
	_, err = b.CancelDeploy(ctx, bob, d.ID)
	code(t, platform.CodeConflict, err, "traffic may have moved")
	_, err = b.CancelDeploy(ctx, bob, "dep_none")
	code(t, platform.CodeNotFound, err)
}

func TestAutonomy_SuggestAndOff(t *testing.T) {
	t.Parallel()
	b := twoReleases(t)
	ctx := t.Context()
	autonomy := func(a platform.Autonomy) {
		require.NoError(t, b.store.InTx(ctx, func(tx *store.Tx) error {
			slot, err := tx.LockSlot(ctx, b.slot().ID)
			if err != nil {
				return err
			}
			slot.Autonomy = a
			return tx.UpdateSlot(ctx, slot)
		}))
	}
	autonomy(platform.AutonomySuggest)
	plan := b.propose(fixer, platform.Action{Kind: platform.ActionRollback})
	_, err := b.Decide(ctx, ada, plan.ID, yes())
	code(t, platform.CodeConflict, err, "plans are advice")
	autonomy(platform.AutonomyOff)
	_, err = b.Propose(ctx, fixer, platform.ProposeRequest{Action: platform.Action{Kind: platform.ActionRestart, Slot: "shop/api"}})
	code(t, platform.CodeDenied, err, "are off")
}

func TestDeployWork_NewerDeployThatIsCanceledTakesNobodysPlace(t *testing.T) {
	t.Parallel()
	b := shop(t)
	first := b.push(1).Deploys[0]
	second := b.push(2).Deploys[0]
	require.Equal(t, first.SlotID, second.SlotID)
	work, err := b.DeployWork(t.Context(), first.ID)
	require.NoError(t, err)
	require.True(t, work.Newer)
	_, err = b.CancelDeploy(t.Context(), bob, second.ID)
	require.NoError(t, err)
	work, err = b.DeployWork(t.Context(), first.ID)
	require.NoError(t, err)
	require.False(t, work.Newer)
}

func TestCancelDeploy_WhatWasCanceledDoesNotComeBackWithTheNextChange(t *testing.T) {
	t.Parallel()
	b := shop(t)
	ctx := t.Context()
	b.pushLive(1)
	bad := b.push(2).Deploys[0]
	_, err := b.CancelDeploy(ctx, bob, bad.ID)
	require.NoError(t, err)
	result, err := b.SetEnv(ctx, bob, platform.SetEnvRequest{SlotRef: api, Set: []platform.Variable{{Key: "MODE", Value: "safe"}}})
	require.NoError(t, err)
	require.Equal(t, sha(1), result.Deploy.Commit, "the live commit with the new variable")
	_, err = b.CancelDeploy(ctx, bob, result.Deploy.ID)
	require.NoError(t, err)
	again := b.push(3, func(p *platform.Push) { p.Trees = map[string]string{"api": "api-2", "features": "features-2"} })
	services := []string{}
	for _, d := range again.Deploys {
		services = append(services, d.Service)
	}
	require.Contains(t, services, "api", "pushed again, it is wanted again")
}
