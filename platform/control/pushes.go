package control

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/blueprint"
	"github.com/fairlead/fairlead/platform/store"
)

// AuthorizePush says whether the actor may push to the project, before Git receives anything.
func (p *Plane) AuthorizePush(ctx context.Context, actor platform.Actor, project string) error {
	return p.store.View(ctx, func(tx *store.Tx) error {
		_, err := findProject(ctx, tx, actor, verbPush, project)
		return err
	})
}

// RecordPush records what Git accepted: commits, blueprint, and a deploy for each service that must be built again.
// A fairlead.yaml that is missing or wrong is told in the notes: the push is recorded and nothing is applied.
func (p *Plane) RecordPush(ctx context.Context, actor platform.Actor, push platform.Push) (platform.PushResult, error) {
	// Parsed outside the transaction: it asks the engine about the host.
	bp, err := p.pushedBlueprint(ctx, push)
	wrong := ""
	if err != nil {
		wrong = err.Error()
	}
	var result platform.PushResult
	err = p.store.InTx(ctx, func(tx *store.Tx) error {
		result = platform.PushResult{Deploys: []platform.Deploy{}, Notes: []string{}}
		project, err := findProject(ctx, tx, actor, verbPush, push.Project)
		if err != nil {
			return err
		}
		event, err := p.recordCommits(ctx, tx, actor, project, push)
		if err != nil {
			return err
		}
		return p.applyPush(ctx, tx, actor, project, pushed{Push: push, blueprint: bp, wrong: wrong, event: string(event)}, &result)
	})
	if err != nil {
		return platform.PushResult{}, err
	}
	return result, nil
}

// pushed is a push with what its blueprint says.
type pushed struct {
	platform.Push
	blueprint *blueprint.Blueprint // nil when wrong says what is the matter
	wrong     string               // "" when the blueprint is well
	event     string
}

func (p *Plane) pushedBlueprint(ctx context.Context, push platform.Push) (*blueprint.Blueprint, error) {
	if push.Blueprint == "" {
		return nil, platform.Errorf(platform.CodeInvalid, "There is no fairlead.yaml in %s.", platform.ShortSHA(push.New)).
			WithHint("Add one at the root of the repository.")
	}
	bp, err := p.readBlueprint(ctx, push.Blueprint)
	if err == nil && bp.Project != push.Project {
		return nil, platform.Errorf(platform.CodeInvalid, "fairlead.yaml describes the project %q, and this is %q.", bp.Project, push.Project).
			WithHint("Change the line project: to %s, or push to the other project.", push.Project)
	}
	return bp, err
}

func (p *Plane) recordCommits(ctx context.Context, tx *store.Tx, actor platform.Actor, project platform.Project, push platform.Push) (platform.EventID, error) {
	for i := range push.Commits {
		push.Commits[i].ProjectID = project.ID
		push.Commits[i].At = push.Commits[i].At.UTC()
	}
	if err := tx.PutCommits(ctx, push.Commits); err != nil {
		return "", err
	}
	if err := tx.PutBranch(ctx, project.ID, push.Branch, push.New); err != nil {
		return "", err
	}
	if err := tx.PutTrees(ctx, project.ID, push.New, push.Trees); err != nil {
		return "", err
	}
	subject := ""
	if head, err := tx.CommitBySHA(ctx, project.ID, push.New); err == nil {
		subject = ": " + platform.Truncate(head.Subject(), 120)
	} else if platform.CodeOf(err) != platform.CodeNotFound {
		return "", err
	}
	return p.record(tx, fact{
		kind: platform.EventCommitPushed, actor: actor, at: inProject(project), subject: push.New,
		summary: fmt.Sprintf("%s pushed %s to %s, up to %s%s", actor.Name, plural(len(push.Commits), "commit"), push.Branch, platform.ShortSHA(push.New), subject),
		payload: map[string]any{"branch": push.Branch, "old": push.Old, "new": push.New, "commits": len(push.Commits)},
	}), nil
}

func (p *Plane) applyPush(ctx context.Context, tx *store.Tx, actor platform.Actor, project platform.Project, push pushed, result *platform.PushResult) error {
	if push.Branch != project.DefaultBranch {
		result.Notes = append(result.Notes, fmt.Sprintf("%s is not the default branch (%s), so nothing was deployed; to deploy it: fairlead deploy <service> --commit %s",
			push.Branch, project.DefaultBranch, push.Branch))
		return nil
	}
	if push.wrong != "" {
		result.Notes = append(result.Notes, "nothing was applied: "+push.wrong)
		p.record(tx, fact{
			kind: platform.EventPushRefused, actor: actor, at: inProject(project), subject: push.New, cause: push.event,
			summary: "Nothing of the push was applied. " + push.wrong,
		})
		return nil
	}
	a, err := p.applyBlueprint(ctx, tx, actor, project, push.blueprint, push.event)
	if err != nil {
		return err
	}
	head, err := tx.CommitBySHA(ctx, project.ID, push.New)
	if err != nil {
		return err
	}
	for _, spec := range push.blueprint.Services {
		note, err := p.deployPushed(ctx, tx, actor, push, head, a.slots[spec.Name], spec, result)
		if err != nil {
			return err
		}
		result.Notes = append(result.Notes, spec.Name+": "+note)
	}
	result.Notes = append(result.Notes, a.notes...)
	return nil
}

// deployPushed queues the deploy of one service, or says why it does not.
func (p *Plane) deployPushed(ctx context.Context, tx *store.Tx, actor platform.Actor, push pushed, head platform.Commit, slot platform.Slot, spec platform.ServiceSpec, result *platform.PushResult) (string, error) {
	if !spec.AutoDeploy {
		return "automatic deploys are off; to deploy: fairlead deploy " + spec.Name, nil
	}
	same, err := p.unchanged(ctx, tx, push, slot, spec)
	if err != nil {
		return "", err
	}
	if same {
		return "unchanged, not deployed", nil
	}
	switch err := p.permit(ctx, tx, actor, slot, platform.Action{Kind: platform.ActionDeploy}, nil); {
	case isRefusal(err):
		return "not deployed: " + err.Error() + " To deploy it then: fairlead deploy " + spec.Name, nil
	case err != nil:
		return "", err
	}
	d, err := p.queueDeploy(ctx, tx, actor, deployOrder{
		slot: slot, trigger: platform.TriggerPush, spec: spec, commit: head, branch: push.Branch, image: spec.Image, cause: push.event,
	})
	if err != nil {
		return "", err
	}
	result.Deploys = append(result.Deploys, d)
	return "deploy " + string(d.ID) + " queued", nil
}

// unchanged reports whether what is under way, or else what is live, was made from the same files and the same spec.
func (p *Plane) unchanged(ctx context.Context, tx *store.Tx, push pushed, slot platform.Slot, spec platform.ServiceSpec) (bool, error) {
	commit, was, ok, err := newestWanted(ctx, tx, slot)
	if err != nil || !ok || !sameWork(was, spec) {
		return false, err
	}
	if spec.Build == nil {
		return true, nil
	}
	if commit == push.New {
		return true, nil
	}
	folder := path.Clean(spec.Build.Context)
	if folder != "." && !strings.HasPrefix(path.Clean(spec.Build.Dockerfile), folder+"/") {
		return false, nil // the Dockerfile is outside of the tree that is compared
	}
	tree := push.Trees[spec.Build.Context]
	if tree == "" {
		tree = push.Trees[folder]
	}
	if tree == "" || commit == "" {
		return false, nil
	}
	for _, name := range []string{spec.Build.Context, folder} {
		old, err := tx.TreeAt(ctx, slot.ProjectID, commit, name)
		if err != nil || old == tree {
			return err == nil, err
		}
	}
	return false, nil
}

// newestWanted is the commit and the spec of the newest deploy under way, or else of the live release.
func newestWanted(ctx context.Context, tx *store.Tx, slot platform.Slot) (commit string, spec platform.ServiceSpec, ok bool, err error) {
	open, err := tx.OpenDeploysOf(ctx, slot.ID)
	if err != nil {
		return "", spec, false, err
	}
	if newest := newestOpen(open); newest != nil {
		return newest.Commit, newest.Spec, true, nil
	}
	if slot.LiveReleaseID == "" {
		return "", spec, false, nil
	}
	live, err := tx.ReleaseByID(ctx, slot.LiveReleaseID)
	return live.Commit, live.Spec, err == nil, err
}

// sameWork reports whether two specs need the same instances. The number of instances, the hosts, what a push does and
// the alert rules are settings, which take effect without a deploy.
func sameWork(a, b platform.ServiceSpec) bool {
	for _, s := range []*platform.ServiceSpec{&a, &b} {
		s.Replicas, s.Hosts, s.AutoDeploy, s.Alerts = 0, nil, false, nil
	}
	return sameJSON(a, b)
}

// newestOpen is the last of the open deploys, oldest first, that nobody asked to cancel; nil when there is none.
func newestOpen(open []platform.Deploy) *platform.Deploy {
	for i := len(open) - 1; i >= 0; i-- {
		if !open[i].CancelRequested {
			return &open[i]
		}
	}
	return nil
}
