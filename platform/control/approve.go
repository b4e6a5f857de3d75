package control

import (
	"context"
	"fmt"
	"slices"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/policy"
	"github.com/fairlead/fairlead/platform/store"
)

// Decide approves or rejects a plan: the one decision function of every channel. A refusal is recorded with its reason
// and changes nothing else. When the last approval is there the plan is approved and its execution is queued in the
// same transaction; of two decisions at once one counts.
func (p *Plane) Decide(ctx context.Context, actor platform.Actor, id platform.PlanID, req platform.DecideRequest) (platform.Plan, error) {
	if err := authorize(actor, verbRead, ""); err != nil {
		return platform.Plan{}, err
	}
	spent, err := p.spendingOn(ctx, id)
	if err != nil {
		return platform.Plan{}, err
	}
	var plan platform.Plan
	visible := false
	err = p.store.InTx(ctx, func(tx *store.Tx) error {
		found, err := tx.LockPlan(ctx, id)
		if err != nil {
			return err
		}
		if err := hidden(actor, verbRead, found.Project, "plan", string(id)); err != nil {
			return err
		}
		plan, visible = found, true
		v, err := p.refuse(ctx, tx, actor, decision{DecideRequest: req, plan: found, spent: spent})
		if err != nil {
			return err
		}
		plan, err = p.decide(ctx, tx, actor, found, req, v)
		return err
	})
	if err == nil {
		return plan, nil
	}
	if visible && isRefusal(err) {
		if recordErr := p.recordRefusal(ctx, actor, plan, req, err); recordErr != nil {
			return platform.Plan{}, recordErr
		}
	}
	return platform.Plan{}, err
}

// isRefusal reports whether err is an answer, rather than something that did not work.
func isRefusal(err error) bool {
	switch platform.CodeOf(err) {
	case platform.CodeInvalid, platform.CodeDenied, platform.CodeConflict, platform.CodeApprovalRequired, platform.CodeNotFound:
		return true
	default:
		return false
	}
}

func (p *Plane) recordRefusal(ctx context.Context, actor platform.Actor, plan platform.Plan, req platform.DecideRequest, why error) error {
	word := "approve"
	if !req.Approve {
		word = "reject"
	}
	return p.store.InTx(ctx, func(tx *store.Tx) error {
		if plan.State == platform.PlanPending && !p.now().Before(plan.Body.ExpiresAt) {
			if _, err := p.expire(ctx, tx, plan); err != nil {
				return err
			}
		}
		p.record(tx, fact{
			kind: platform.EventPlanRefused, actor: actor, at: ofPlan(plan), subject: string(plan.ID), cause: string(plan.Body.IncidentID),
			summary: fmt.Sprintf("%s tried to %s %q and was refused: %s", actor.Name, word, plan.Body.Title, why.Error()),
			payload: map[string]any{"code": platform.CodeOf(why), "approve": req.Approve},
		})
		return nil
	})
}

// spendingOn is what the project of a plan spent, where its policy wants to know. A plan that is not there is told later.
func (p *Plane) spendingOn(ctx context.Context, id platform.PlanID) (*policy.Spent, error) {
	var plan platform.Plan
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		plan, err = tx.PlanByID(ctx, id)
		return err
	})
	if err != nil {
		if platform.CodeOf(err) == platform.CodeNotFound {
			return nil, nil //nolint:nilnil // told later
		}
		return nil, err
	}
	return p.spending(ctx, plan.Project, plan.Body.Action.Kind), nil
}

// decision is what somebody decides about a plan.
type decision struct {
	platform.DecideRequest
	plan  platform.Plan // locked
	spent *policy.Spent
}

// refuse returns why this decision is not taken, nil when it may be, with what policy says of the plan.
func (p *Plane) refuse(ctx context.Context, tx *store.Tx, actor platform.Actor, req decision) (verdict, error) {
	if err := authorize(actor, verbDecide, req.plan.Project); err != nil {
		return verdict{}, err
	}
	if err := p.refuseState(req.plan); err != nil {
		return verdict{}, err
	}
	if err := refuseAgain(actor, req.plan, req.Hash); err != nil || !req.Approve {
		return verdict{}, err
	}
	slot, err := tx.SlotByID(ctx, req.plan.Body.SlotID)
	if err != nil {
		return verdict{}, err
	}
	v, err := p.askPolicy(ctx, tx, planRequest(slot, req.plan.Body, req.plan.Approvals, req.spent, actor))
	if err != nil {
		return v, err
	}
	if err := policy.MayApprove(v.policy, v.PolicyDecision, actor, req.plan.Body); err != nil {
		return v, err
	}
	if err := refuseValue(req.plan, req.DecideRequest, v.enough(approving(req.plan, actor))); err != nil {
		return v, err
	}
	return v, v.refusal()
}

// refuseAgain refuses a decision on another plan than the one that was read, and a second one by the same person.
func refuseAgain(actor platform.Actor, plan platform.Plan, hash string) error {
	if hash != "" && hash != plan.Hash {
		return platform.Errorf(platform.CodeConflict, "The hash %s is not that of the plan, %s.", platform.Truncate(hash, 16), platform.Truncate(plan.Hash, 16)).
			WithHint("Read the plan again; what was read is what is approved.").WithField("hash")
	}
	for _, a := range plan.Approvals {
		if a.Actor.Principal() == actor.Principal() {
			return platform.Errorf(platform.CodeConflict, "%s approved this plan already, at %s.", actor.Name, clock(a.At)).
				WithHint("Another person must give the next approval.")
		}
	}
	return nil
}

// approving is the plan with one more approval, as policy looks at it.
func approving(plan platform.Plan, actor platform.Actor) platform.Plan {
	plan.Approvals = append(slices.Clone(plan.Approvals), platform.Approval{PlanHash: plan.Hash, Actor: actor, Approved: true})
	return plan
}

// enough reports whether as many different people as policy asks for, and the plan when it was made, approved this very
// hash, counting only those whom policy lets approve it.
func (v verdict) enough(plan platform.Plan) bool {
	who := map[string]bool{}
	for _, a := range plan.Approvals {
		if a.Approved && a.PlanHash == plan.Hash && policy.MayApprove(v.policy, v.PolicyDecision, a.Actor, plan.Body) == nil {
			who[a.Actor.Principal()] = true
		}
	}
	return len(who) >= max(plan.Body.Approvals, v.Approvals)
}

func (p *Plane) refuseState(plan platform.Plan) error {
	if plan.State == platform.PlanPending {
		if p.now().Before(plan.Body.ExpiresAt) {
			return nil
		}
		return platform.Errorf(platform.CodeConflict, "The plan expired at %s.", clock(plan.Body.ExpiresAt)).WithHint("Propose it again.")
	}
	if plan.State == platform.PlanExpired {
		return platform.Errorf(platform.CodeConflict, "The plan expired at %s.", clock(plan.Body.ExpiresAt)).WithHint("Propose it again.")
	}
	if n := len(plan.Approvals); n > 0 {
		last := plan.Approvals[n-1]
		word := "approved"
		if !last.Approved {
			word = "rejected"
		}
		return platform.Errorf(platform.CodeConflict, "The plan was already %s by %s at %s; it is %s.", word, last.Actor.Name, clock(last.At), plan.State).
			WithHint("A decision is taken once; propose again for another.")
	}
	return platform.Errorf(platform.CodeConflict, "The plan is %s already.", plan.State)
}

// refuseValue sees to it that exactly one of proposer and approver gives the value of a variable.
func refuseValue(plan platform.Plan, req platform.DecideRequest, last bool) error {
	a := plan.Body.Action
	open := a.Kind == platform.ActionSetEnv && a.EnvValue == "" && a.FromRelease == 0
	switch {
	case open && req.EnvValue == "" && last:
		return platform.Errorf(platform.CodeInvalid, "The plan needs the value of %s.", a.EnvKey).
			WithHint("Give it with the approval: fairlead approve %s --value ....", plan.ID).WithField("env_value")
	case !open && req.EnvValue != "":
		return platform.Errorf(platform.CodeInvalid, "The plan does not ask for a value.").
			WithHint("What was frozen is what runs; propose again for another value.").WithField("env_value")
	}
	return checkValue(platform.Variable{Key: a.EnvKey, Value: req.EnvValue})
}

func (p *Plane) decide(ctx context.Context, tx *store.Tx, actor platform.Actor, plan platform.Plan, req platform.DecideRequest, v verdict) (platform.Plan, error) {
	now := p.now()
	approval := platform.Approval{
		ID: platform.NewID[platform.ApprovalID](platform.PrefixApproval), PlanID: plan.ID, PlanHash: plan.Hash, Actor: actor,
		Approved: req.Approve, Comment: platform.Truncate(store.Clean(req.Comment), maxReasonSize), At: now,
	}
	if err := tx.InsertApproval(ctx, approval); err != nil {
		return plan, err
	}
	if req.EnvValue != "" && req.Approve {
		sealed, err := p.o.Sealer.Seal(req.EnvValue, string(plan.ID))
		if err != nil {
			return plan, err
		}
		if err := tx.PutPlanValue(ctx, plan.ID, sealed); err != nil {
			return plan, err
		}
	}
	plan.Approvals = append(plan.Approvals, approval)
	enough := v.enough(plan)
	p.recordDecision(tx, actor, plan, approval, max(1, plan.Body.Approvals, v.Approvals))
	switch {
	case !req.Approve:
		plan.State, plan.DecidedAt, plan.FinishedAt, plan.Outcome = platform.PlanRejected, &now, &now, "Rejected by "+actor.Name+"."
	case enough:
		plan.State, plan.DecidedAt = platform.PlanApproved, &now
		tx.Enqueue(jobs.ExecutePlan{PlanID: plan.ID, Hash: plan.Hash})
	default:
		return plan, nil
	}
	return plan, claimed(tx.UpdatePlan(ctx, platform.PlanPending, plan))
}

// claimed turns a compare-and-set that lost into a conflict.
func claimed(won bool, err error) error {
	if err == nil && !won {
		return platform.Errorf(platform.CodeConflict, "Somebody else decided the plan at the same moment.").WithHint("Read it again.")
	}
	return err
}

func (p *Plane) recordDecision(tx *store.Tx, actor platform.Actor, plan platform.Plan, a platform.Approval, needed int) {
	kind, word := platform.EventPlanApproved, "approved"
	if !a.Approved {
		kind, word = platform.EventPlanRejected, "rejected"
	}
	summary := fmt.Sprintf("%s %s: %s (%d of %d).", actor.Name, word, plan.Body.Title, len(plan.Approvals), needed)
	if a.Comment != "" {
		summary += " " + platform.Truncate(a.Comment, 300)
	}
	p.record(tx, fact{
		kind: kind, actor: actor, at: ofPlan(plan), subject: string(plan.ID), cause: string(plan.Body.IncidentID), summary: summary,
		payload: map[string]any{"approval": a.ID, "hash": plan.Hash, "channel": actor.Channel},
	})
}
