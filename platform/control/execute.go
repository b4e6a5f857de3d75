package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/policy"
	"github.com/fairlead/fairlead/platform/store"
)

// executor is who carries out approved plans.
var executor = platform.SystemActor("executor")

// startWithin is how long after the decision an approved plan may still begin: an approval is about now.
const startWithin = 30 * time.Minute

// reverter undoes a commit on the default branch, whose head must be the one given, and pushes the result.
type reverter = func(ctx context.Context, project, commit, head string) error

// ExecutePlan loads an approved plan by id and hash, re-checks its preconditions (else stale), makes the change through the
// same methods as everybody else, and marks it executing. revert is called for revert_commit, since only the worker reaches Git.
//
// It makes the change once: called again for a plan that is executing or has ended, it returns the plan as it is. A
// plan that is stale is returned as such, without an error.
func (p *Plane) ExecutePlan(ctx context.Context, id platform.PlanID, hash string, revert func(ctx context.Context, project, commit, head string) error) (platform.Plan, error) {
	spent, err := p.spendingOn(ctx, id)
	if err != nil {
		return platform.Plan{}, err
	}
	var plan platform.Plan
	awaitsGit := false
	err = p.store.InTx(ctx, func(tx *store.Tx) error {
		var slot platform.Slot
		var err error
		if slot, plan, err = p.lockApproved(ctx, tx, id, hash); err != nil || plan.State != platform.PlanApproved {
			return err
		}
		look, err := p.look(ctx, tx, slot, plan, spent)
		if err != nil {
			return err
		}
		if awaitsGit = look.revert; awaitsGit {
			return nil
		}
		plan, err = p.begin(ctx, tx, slot, plan, look)
		return err
	})
	if err == nil && awaitsGit {
		plan, err = p.revertCommit(ctx, plan, revert)
	}
	var impossible *impossibleError
	if errors.As(err, &impossible) {
		return p.failPlan(ctx, id, hash, impossible)
	}
	return plan, err
}

// impossibleError says why the change of an approved plan cannot be made: trying again would not help.
type impossibleError struct{ cause error }

func (e *impossibleError) Error() string { return e.cause.Error() }
func (e *impossibleError) Unwrap() error { return e.cause }

// failPlan ends an approved plan whose change was refused and rolled back.
func (p *Plane) failPlan(ctx context.Context, id platform.PlanID, hash string, why error) (platform.Plan, error) {
	var plan platform.Plan
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		var err error
		if _, plan, err = p.lockApproved(ctx, tx, id, hash); err != nil || plan.State != platform.PlanApproved {
			return err
		}
		plan, err = p.endPlan(ctx, tx, plan, platform.PlanFailed, platform.EventPlanFailed, "It could not be carried out: "+why.Error())
		return err
	})
	return plan, err
}

// lockApproved returns a plan that may run, or did, with its slot; the slot is locked first, as everywhere.
func (p *Plane) lockApproved(ctx context.Context, tx *store.Tx, id platform.PlanID, hash string) (platform.Slot, platform.Plan, error) {
	found, err := tx.PlanByID(ctx, id)
	if err != nil {
		return platform.Slot{}, found, err
	}
	slot, err := tx.LockSlot(ctx, found.Body.SlotID)
	if err != nil {
		return slot, found, err
	}
	plan, err := tx.LockPlan(ctx, id)
	switch {
	case err != nil:
		return slot, plan, err
	case plan.Hash != hash || plan.Body.Hash() != hash:
		return slot, plan, platform.Errorf(platform.CodeConflict, "The plan %s does not have the hash that was approved.", id)
	case plan.State == platform.PlanPending:
		return slot, plan, platform.Errorf(platform.CodeApprovalRequired, "The plan %s is not approved.", id)
	case plan.State == platform.PlanApproved && !enoughApproved(plan):
		return slot, plan, platform.Errorf(platform.CodeApprovalRequired, "The plan %s says that it is approved, and its approvals do not.", id)
	}
	return slot, plan, nil
}

// enoughApproved reports whether as many different people as the plan asks for approved this very hash: the decision is
// read again from its own rows, which are never changed, and not from what the plan says of itself. What policy asks for
// now is looked at later.
func enoughApproved(plan platform.Plan) bool {
	who := map[string]bool{}
	for _, a := range plan.Approvals {
		if a.Approved && a.PlanHash == plan.Hash && a.Actor.Kind == platform.ActorHuman {
			who[a.Actor.Principal()] = true
		}
	}
	return len(who) >= plan.Body.Approvals
}

// lookout is what an approved plan meets when it is about to begin.
type lookout struct {
	stale  string // why it is not carried out any more
	waits  string // why it waits: agents are stopped, and nobody's approval would be lost
	revert bool   // its commit is still to be reverted, by the worker
}

// look compares the world and the policy of now with what the plan was made for. Agents cannot be stopped between the look
// and the end of the transaction.
func (p *Plane) look(ctx context.Context, tx *store.Tx, slot platform.Slot, plan platform.Plan, spent *policy.Spent) (lookout, error) {
	moved, err := p.moved(ctx, tx, slot, plan)
	if err != nil || moved != "" {
		return lookout{stale: moved}, err
	}
	revert := plan.Body.Action.Kind == platform.ActionRevertCommit
	if revert {
		made, err := revertMade(ctx, tx, plan)
		if err != nil || made {
			return lookout{}, err // it has begun, so it is finished
		}
	}
	if err := tx.PassAgentSwitch(ctx); err != nil {
		return lookout{}, err
	}
	v, err := p.askPolicy(ctx, tx, planRequest(slot, plan.Body, plan.Approvals, spent))
	if err != nil {
		return lookout{}, err
	}
	out := lookout{revert: revert}
	switch {
	case v.Stopped && plan.Body.Approvals == 0:
		out = lookout{waits: v.Reason}
	case v.refusal() != nil:
		out = lookout{stale: underWords(plan, v) + v.Reason}
	case !v.enough(plan):
		out = lookout{stale: underWords(plan, v) + v.Reason + " The plan has " + plural(len(plan.Approvals), "approval") + "."}
	}
	return out, nil
}

// underWords says that another policy holds than the one that a plan was made under.
func underWords(plan platform.Plan, v verdict) string {
	if plan.Body.PolicyVersion == v.Version {
		return ""
	}
	return fmt.Sprintf("The plan was made under policy %s, and %s holds now. ", plan.Body.PolicyVersion, v.Version)
}

// wait puts an approved plan that needs nobody's approval back among those that wait for agents to be started.
func (p *Plane) wait(ctx context.Context, tx *store.Tx, plan platform.Plan, why string) (platform.Plan, error) {
	plan.State, plan.DecidedAt = platform.PlanPending, nil
	p.record(tx, fact{
		kind: platform.EventPlanRefused, actor: executor, at: ofPlan(plan), subject: string(plan.ID), cause: string(plan.Body.IncidentID),
		summary: fmt.Sprintf("%q waits: %s", plan.Body.Title, why), payload: map[string]any{"code": platform.CodeConflict},
	})
	return plan, claimed(tx.UpdatePlan(ctx, platform.PlanApproved, plan))
}

// begin claims an approved plan and makes its change, or marks it stale.
func (p *Plane) begin(ctx context.Context, tx *store.Tx, slot platform.Slot, plan platform.Plan, look lookout) (platform.Plan, error) {
	switch {
	case look.stale != "":
		return p.endPlan(ctx, tx, plan, platform.PlanStale, platform.EventPlanStale, look.stale)
	case look.waits != "":
		return p.wait(ctx, tx, plan, look.waits)
	}
	now := p.now()
	plan.State, plan.ExecutedAt = platform.PlanExecuting, &now
	if err := p.change(ctx, tx, slot, &plan); isRefusal(err) {
		return plan, &impossibleError{err}
	} else if err != nil {
		return plan, err
	}
	if err := claimed(tx.UpdatePlan(ctx, platform.PlanApproved, plan)); err != nil {
		return plan, err
	}
	p.record(tx, fact{
		kind: platform.EventPlanExecuting, actor: executor, at: ofPlan(plan), subject: string(plan.ID), cause: string(plan.ID),
		summary: "Carrying out: " + plan.Body.Title + ".", payload: map[string]any{"deploy": plan.DeployID, "hash": plan.Hash},
	})
	return plan, nil
}

// moved says what is no longer as it was when the plan was made, "" when everything is.
func (p *Plane) moved(ctx context.Context, tx *store.Tx, slot platform.Slot, plan platform.Plan) (string, error) {
	pre := plan.Body.Preconditions
	if plan.DecidedAt != nil && p.now().After(plan.DecidedAt.Add(startWithin)) {
		return fmt.Sprintf("The plan was approved at %s and could not begin for %s; the approval no longer holds.", clock(*plan.DecidedAt), startWithin), nil
	}
	if slot.Autonomy == platform.AutonomyOff || slot.Autonomy == platform.AutonomySuggest {
		return fmt.Sprintf("The autonomy of %s was set to %s after the plan was made.", slot.Ref(), slot.Autonomy), nil
	}
	if pre.TargetReleaseID != "" {
		if target, err := tx.ReleaseByID(ctx, pre.TargetReleaseID); platform.CodeOf(err) == platform.CodeNotFound || err == nil && target.ImageID == "" {
			return "The release to go back to is no longer there.", nil
		} else if err != nil {
			return "", err
		}
	}
	if plan.Body.Action.Kind == platform.ActionRevertCommit {
		return p.movedBranch(ctx, tx, slot, plan)
	}
	if slot.LiveReleaseID != pre.LiveReleaseID || slot.Generation != pre.SlotGeneration {
		return p.whatMoved(ctx, tx, slot, plan)
	}
	return overtaken(ctx, tx, slot)
}

// overtaken says which deploy has moved traffic already and only is not live yet: the plan was not made for that.
func overtaken(ctx context.Context, tx *store.Tx, slot platform.Slot) (string, error) {
	open, err := tx.OpenDeploysOf(ctx, slot.ID)
	if err != nil {
		return "", err
	}
	for _, d := range open {
		if d.Phase.Committed() {
			return fmt.Sprintf("%s v%d is going live: it has taken over the traffic from v%d.", slot.Service, d.ReleaseNumber, slot.LiveRelease), nil
		}
	}
	return "", nil
}

func (p *Plane) movedBranch(ctx context.Context, tx *store.Tx, slot platform.Slot, plan platform.Plan) (string, error) {
	project, err := tx.ProjectByRef(ctx, string(slot.ProjectID))
	if err != nil {
		return "", err
	}
	was := plan.Body.Preconditions.BranchHead
	head, err := branchHead(ctx, tx, project)
	if err != nil || head == was {
		return "", err
	}
	if made, err := revertMade(ctx, tx, plan); made || err != nil {
		return "", err
	}
	return fmt.Sprintf("%s moved from %s to %s after the plan was made.", project.DefaultBranch, platform.ShortSHA(was), platform.ShortSHA(head)), nil
}

// revertMade reports whether the commit after the head that the plan froze undoes the plan's commit: then the revert
// was made, and what followed does not matter.
func revertMade(ctx context.Context, tx *store.Tx, plan platform.Plan) (bool, error) {
	project, err := tx.ProjectByRef(ctx, string(plan.ProjectID))
	if err != nil {
		return false, err
	}
	head, err := branchHead(ctx, tx, project)
	if err != nil {
		return false, err
	}
	after, err := tx.CommitsBetween(ctx, project.ID, plan.Body.Preconditions.BranchHead, head)
	if err != nil || len(after) == 0 {
		return false, err
	}
	first := after[0]
	return first.Parent == plan.Body.Preconditions.BranchHead && strings.Contains(first.Message, plan.Body.Action.Commit), nil
}

// whatMoved finds the newest event that changed what runs in the slot.
func (p *Plane) whatMoved(ctx context.Context, tx *store.Tx, slot platform.Slot, plan platform.Plan) (string, error) {
	list, err := tx.ListEvents(ctx, store.EventQuery{
		Projects: []string{slot.Project},
		EventFilter: platform.EventFilter{
			Environment: slot.Environment, Service: slot.Service, Since: plan.Body.CreatedAt, Backward: true, Page: platform.Page{Limit: 1},
			Kinds: []platform.EventKind{platform.EventDeployLive, platform.EventConfigChanged, platform.EventSlotScaled, platform.EventSlotRestarted},
		},
	})
	if err != nil {
		return "", err
	}
	if len(list.Items) == 0 {
		return fmt.Sprintf("%s changed after the plan was made: v%d is live now.", slot.Ref(), slot.LiveRelease), nil
	}
	e := list.Items[0]
	if e.Kind == platform.EventDeployLive {
		return fmt.Sprintf("%s v%d went live at %s, after the plan was made.", slot.Service, slot.LiveRelease, clock(e.At)), nil
	}
	return fmt.Sprintf("After the plan was made, at %s: %s", clock(e.At), e.Summary), nil
}

// change makes the plan's change inside the transaction that claims it. A revert was made before, by the worker.
func (p *Plane) change(ctx context.Context, tx *store.Tx, slot platform.Slot, plan *platform.Plan) error {
	a, cause := plan.Body.Action, string(plan.ID)
	switch a.Kind {
	case platform.ActionRollback:
		release, err := tx.ReleaseByID(ctx, plan.Body.Preconditions.TargetReleaseID)
		if err != nil {
			return err
		}
		d, err := p.queueDeploy(ctx, tx, executor, deployOrder{
			slot: slot, trigger: platform.TriggerRollback, release: &release, plan: plan.ID, cause: cause, why: plan.Body.Reason,
		})
		plan.DeployID = d.ID
		return err
	case platform.ActionRestart:
		_, err := p.restart(ctx, tx, executor, slot, plan.Body.Reason, cause)
		return err
	case platform.ActionScale:
		return p.changeScale(ctx, tx, slot, plan)
	case platform.ActionSetEnv:
		return p.changeEnv(ctx, tx, slot, plan)
	case platform.ActionRevertCommit:
		return p.followRevert(ctx, tx, slot, plan)
	}
	return fmt.Errorf("execute plan %s: unknown action %q", plan.ID, a.Kind)
}

func (p *Plane) changeScale(ctx context.Context, tx *store.Tx, slot platform.Slot, plan *platform.Plan) error {
	a := plan.Body.Action
	var err error
	if a.Replicas != 0 {
		if slot, err = p.scale(ctx, tx, executor, slot, a.Replicas, string(plan.ID)); err != nil {
			return err
		}
	}
	if a.MemoryBytes == 0 {
		return nil
	}
	live, err := tx.ReleaseByID(ctx, slot.LiveReleaseID)
	if err != nil {
		return err
	}
	bigger := live
	bigger.Spec.Resources.MemoryBytes = a.MemoryBytes
	d, err := p.queueDeploy(ctx, tx, executor, deployOrder{
		slot: slot, trigger: platform.TriggerConfig, spec: bigger.Spec, image: live.ImageRef, commit: platform.Commit{SHA: live.Commit},
		plan: plan.ID, cause: string(plan.ID), why: plan.Body.Title, config: live.ConfigVersion,
	})
	if err != nil {
		return err
	}
	release, err := p.createRelease(ctx, tx, slot, d, live.ImageID)
	if err != nil {
		return err
	}
	d.ReleaseID, d.ReleaseNumber, plan.DeployID = release.ID, release.Number, d.ID
	return tx.UpdateDeploy(ctx, d)
}

func (p *Plane) changeEnv(ctx context.Context, tx *store.Tx, slot platform.Slot, plan *platform.Plan) error {
	v, err := p.planVariable(ctx, tx, slot, *plan)
	if err != nil {
		return err
	}
	c := envChange{slot: slot, set: []platform.Variable{v}, deploy: true, plan: plan.ID}
	if c.retry, err = failedDeploy(ctx, tx, plan.Body.IncidentID, slot); err != nil {
		return err
	}
	result, err := p.setEnv(ctx, tx, executor, c)
	if err == nil && result.Deploy != nil {
		plan.DeployID = result.Deploy.ID
	}
	return err
}

// failedDeploy is the deploy that an incident is about, when that is why the incident opened: with the variable set it
// is tried again.
func failedDeploy(ctx context.Context, tx *store.Tx, id platform.IncidentID, slot platform.Slot) (*platform.Deploy, error) {
	if id == "" {
		return nil, nil //nolint:nilnil // nothing failed
	}
	incident, err := tx.IncidentByID(ctx, id)
	if err != nil || incident.DeployID == "" || incident.SlotID != slot.ID {
		return nil, err
	}
	if incident.Signal != platform.SignalDeployFailed && incident.Signal != platform.SignalBuildFailed {
		return nil, nil //nolint:nilnil // what failed is live
	}
	d, err := tx.DeployByID(ctx, incident.DeployID)
	if err != nil || d.Phase != platform.PhaseFailed {
		return nil, err
	}
	return &d, nil
}

// planVariable is the variable with its value from the plan, from a past release, or from the approver.
func (p *Plane) planVariable(ctx context.Context, tx *store.Tx, slot platform.Slot, plan platform.Plan) (platform.Variable, error) {
	a := plan.Body.Action
	v := platform.Variable{Key: a.EnvKey, Value: a.EnvValue}
	switch {
	case a.FromRelease != 0:
		release, err := tx.ReleaseByNumber(ctx, slot, a.FromRelease)
		if err != nil {
			return v, err
		}
		config, err := tx.ConfigAt(ctx, slot.ID, release.ConfigVersion)
		if err != nil {
			return v, err
		}
		v, _ = config.Find(a.EnvKey)
		if v.Secret {
			v.Value, err = p.o.Sealer.Open(v.Value, sealPlace(slot.ID, v.Key))
		}
		return v, err
	case a.EnvValue == "":
		sealed, err := tx.PlanValue(ctx, plan.ID)
		if err != nil {
			return v, err
		}
		v.Secret = true
		v.Value, err = p.o.Sealer.Open(sealed, string(plan.ID))
		return v, err
	}
	return v, nil
}

// revertCommit has the commit reverted and then claims the plan. Git takes the revert on the frozen head and on no
// other, so that after a crash at any point it is either still to be made or is found to be made.
func (p *Plane) revertCommit(ctx context.Context, plan platform.Plan, revert reverter) (platform.Plan, error) {
	words := "This server cannot write to Git, so nothing was reverted."
	if revert != nil {
		err := revert(ctx, plan.Project, plan.Body.Action.Commit, plan.Body.Preconditions.BranchHead)
		if err != nil && !isRefusal(err) {
			return plan, fmt.Errorf("revert %s: %w", platform.ShortSHA(plan.Body.Action.Commit), err)
		}
		words = ""
		if err != nil {
			words = "The commit could not be reverted: " + err.Error()
		}
	}
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		var slot platform.Slot
		var err error
		if slot, plan, err = p.lockApproved(ctx, tx, plan.ID, plan.Hash); err != nil || plan.State != platform.PlanApproved {
			return err
		}
		if words != "" {
			plan, err = p.endPlan(ctx, tx, plan, platform.PlanFailed, platform.EventPlanFailed, words)
			return err
		}
		moved, err := p.moved(ctx, tx, slot, plan)
		if err != nil {
			return err
		}
		plan, err = p.begin(ctx, tx, slot, plan, lookout{stale: moved}) // policy was asked before Git was
		return err
	})
	return plan, err
}

// followRevert ties the plan to the deploy that the pushed revert led to, where there is one.
func (p *Plane) followRevert(ctx context.Context, tx *store.Tx, slot platform.Slot, plan *platform.Plan) error {
	newest, err := tx.NewestDeploy(ctx, slot.ID)
	if err != nil || newest == nil || newest.Trigger != platform.TriggerPush || newest.CreatedAt.Before(*plan.DecidedAt) {
		return err
	}
	plan.DeployID = newest.ID
	return nil
}

// FinishPlan records that the expectation held, or why it did not; a verified plan resolves its incident. Finishing a
// plan that has ended returns it as it is.
func (p *Plane) FinishPlan(ctx context.Context, id platform.PlanID, verified bool, outcome string) (platform.Plan, error) {
	var plan platform.Plan
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		var err error
		if plan, err = tx.LockPlan(ctx, id); err != nil || plan.State.Terminal() {
			return err
		}
		if plan.State != platform.PlanExecuting {
			return platform.Errorf(platform.CodeConflict, "The plan %s is %s, so it cannot be finished.", id, plan.State)
		}
		state, kind := platform.PlanVerified, platform.EventPlanVerified
		if !verified {
			state, kind = platform.PlanFailed, platform.EventPlanFailed
		}
		if plan, err = p.endPlan(ctx, tx, plan, state, kind, outcome); err != nil || !verified || plan.Body.IncidentID == "" {
			return err
		}
		incident, err := tx.LockIncident(ctx, plan.Body.IncidentID)
		if err != nil {
			return err
		}
		return p.resolve(ctx, tx, executor, incident, plan.Body.Title+". "+outcome, string(plan.ID))
	})
	return plan, err
}

func (p *Plane) endPlan(ctx context.Context, tx *store.Tx, plan platform.Plan, state platform.PlanState, kind platform.EventKind, outcome string) (platform.Plan, error) {
	from, now := plan.State, p.now()
	plan.State, plan.FinishedAt, plan.Outcome = state, &now, store.Clean(outcome)
	p.record(tx, fact{
		kind: kind, actor: executor, at: ofPlan(plan), subject: string(plan.ID), cause: string(plan.Body.IncidentID),
		summary: fmt.Sprintf("%s: %s. %s", plan.Body.Title, state, outcome),
	})
	return plan, claimed(tx.UpdatePlan(ctx, from, plan))
}
