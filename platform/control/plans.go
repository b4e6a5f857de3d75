package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/policy"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
)

// Expectations of a plan.
const (
	maxErrorRate  = 0.05
	verifyWindow  = platform.Duration(15 * time.Second)
	verifyWithin  = platform.Duration(10 * time.Minute)
	maxReasonSize = 2000
)

// Propose freezes an action into a plan: pending, or approved at once where policy lets it be.
func (p *Plane) Propose(ctx context.Context, actor platform.Actor, req platform.ProposeRequest) (platform.Plan, error) {
	if err := authorize(actor, verbPropose, ""); err != nil {
		return platform.Plan{}, err
	}
	ref, err := parseRef(req.Action.Slot)
	if err != nil {
		return platform.Plan{}, err
	}
	spent := p.spending(ctx, ref.Project, req.Action.Kind)
	var plan platform.Plan
	err = p.store.InTx(ctx, func(tx *store.Tx) error {
		var err error
		if plan, err = p.propose(ctx, tx, actor, proposal{ProposeRequest: req, spent: spent}); err != nil {
			return err
		}
		if req.DryRun {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return plan, err
}

// proposal is what was asked for, with what stands behind it and what policy wants to know.
type proposal struct {
	platform.ProposeRequest
	evidence []platform.EvidenceID
	spent    *policy.Spent
}

func (p *Plane) propose(ctx context.Context, tx *store.Tx, actor platform.Actor, req proposal) (platform.Plan, error) {
	ref, err := parseRef(req.Action.Slot)
	if err != nil {
		return platform.Plan{}, err
	}
	slot, err := lockSlot(ctx, tx, actor, verbPropose, ref)
	if err != nil {
		return platform.Plan{}, err
	}
	if slot.Autonomy == platform.AutonomyOff && actor.Kind == platform.ActorAgent {
		return platform.Plan{}, platform.Errorf(platform.CodeDenied, "Proposals by agents are off for %s.", slot.Ref()).
			WithHint("Set its autonomy to suggest or approve.")
	}
	req.Action.Slot = slot.Ref()
	if err := p.checkIncident(ctx, tx, slot, req.IncidentID); err != nil {
		return platform.Plan{}, err
	}
	b := builder{plane: p, tx: tx, slot: slot, body: platform.PlanBody{
		Action: req.Action, SlotID: slot.ID, IncidentID: req.IncidentID, Evidence: req.evidence, RequestedBy: actor,
		Reason:        platform.Truncate(secret.Redact(store.Clean(req.Reason)), maxReasonSize),
		Preconditions: platform.Preconditions{LiveReleaseID: slot.LiveReleaseID, SlotGeneration: slot.Generation},
		CreatedAt:     p.now(), ExpiresAt: p.now().Add(p.o.PlanTTL),
	}}
	if err := b.build(ctx); err != nil {
		return platform.Plan{}, err
	}
	v, err := p.askPolicy(ctx, tx, planRequest(slot, b.body, nil, req.spent))
	if err != nil {
		return platform.Plan{}, err
	}
	if v.Outcome == platform.PolicyDenied {
		return platform.Plan{}, v.refusal()
	}
	return p.freeze(ctx, tx, slot, b.body, v)
}

func (p *Plane) checkIncident(ctx context.Context, tx *store.Tx, slot platform.Slot, id platform.IncidentID) error {
	if id == "" {
		return nil
	}
	incident, err := tx.IncidentByID(ctx, id)
	if err != nil {
		return err
	}
	if incident.ProjectID != slot.ProjectID {
		return platform.Errorf(platform.CodeNotFound, "%s has no incident %q.", slot.Project, id).WithField("incident_id")
	}
	return nil
}

// freeze hashes the body and records the plan; one that asks for the same thing and still waits is returned instead.
func (p *Plane) freeze(ctx context.Context, tx *store.Tx, slot platform.Slot, body platform.PlanBody, v verdict) (platform.Plan, error) {
	twin, err := tx.PendingTwin(ctx, body)
	if err != nil {
		return platform.Plan{}, err
	}
	if twin != nil && twin.Body.Preconditions == body.Preconditions && (twin.State != platform.PlanPending || p.now().Before(twin.Body.ExpiresAt)) {
		return *twin, nil
	}
	body.Approvals, body.PolicyVersion = v.Approvals, v.Version
	if v.policy.PlanExpiry != 0 {
		body.ExpiresAt = body.CreatedAt.Add(v.policy.PlanExpiry.D())
	}
	plan := platform.Plan{
		ID: platform.NewID[platform.PlanID](platform.PrefixPlan), ProjectID: slot.ProjectID, Project: slot.Project,
		Environment: slot.Environment, Service: slot.Service, Body: body, Hash: body.Hash(), State: platform.PlanPending, Approvals: []platform.Approval{},
	}
	if v.Outcome == platform.PolicyAllowed {
		now := p.now()
		plan.State, plan.DecidedAt = platform.PlanApproved, &now
		tx.Enqueue(jobs.ExecutePlan{PlanID: plan.ID, Hash: plan.Hash})
	}
	p.record(tx, fact{
		kind: platform.EventPlanProposed, actor: body.RequestedBy, at: inSlot(slot), subject: string(plan.ID), cause: string(body.IncidentID),
		summary: proposedWords(body, v),
		payload: map[string]any{
			"action": body.Action.Kind, "risk": body.Risk, "hash": plan.Hash, "expires_at": body.ExpiresAt, "policy": v.Version, "outcome": v.Outcome,
		},
	})
	return plan, tx.InsertPlan(ctx, plan)
}

func proposedWords(body platform.PlanBody, v verdict) string {
	words := fmt.Sprintf("%s proposes: %s (%s, %s needed).", body.RequestedBy.Name, body.Title, body.Risk, plural(body.Approvals, "approval"))
	if v.Outcome == platform.PolicyNotNow {
		words += " Not now: " + v.Reason
	}
	return words
}

// parseRef reads project/environment/service, or project/service in production.
func parseRef(text string) (platform.SlotRef, error) {
	parts := strings.Split(text, "/")
	for _, part := range parts {
		if part == "" {
			parts = nil
			break
		}
	}
	switch len(parts) {
	case 2:
		return platform.SlotRef{Project: parts[0], Service: parts[1]}, nil
	case 3:
		return platform.SlotRef{Project: parts[0], Environment: parts[1], Service: parts[2]}, nil
	}
	return platform.SlotRef{}, platform.Errorf(platform.CodeInvalid, "%q does not name a slot.", platform.Truncate(text, 100)).
		WithHint("Write it as project/environment/service.").WithField("action.slot")
}

// GetPlan returns one plan.
func (p *Plane) GetPlan(ctx context.Context, actor platform.Actor, id platform.PlanID) (platform.Plan, error) {
	var plan platform.Plan
	err := p.store.View(ctx, func(tx *store.Tx) error {
		if err := authorize(actor, verbRead, ""); err != nil {
			return err
		}
		found, err := tx.PlanByID(ctx, id)
		if err != nil {
			return err
		}
		if err := hidden(actor, verbRead, found.Project, "plan", string(id)); err != nil {
			return err
		}
		plan = found
		return nil
	})
	return plan, err
}

// ListPlans returns plans, newest first.
func (p *Plane) ListPlans(ctx context.Context, actor platform.Actor, f platform.PlanFilter) (platform.List[platform.Plan], error) {
	var list platform.List[platform.Plan]
	err := p.store.View(ctx, func(tx *store.Tx) error {
		scope, err := scopeOf(ctx, tx, actor, f.SlotRef)
		if err != nil {
			return err
		}
		list, err = tx.ListPlans(ctx, scope, f.IncidentID, f.State, f.Page)
		return err
	})
	return list, err
}

// ExpirePlans marks pending plans past their expiry, and sets going those that wait for nothing any more; called every few
// seconds.
func (p *Plane) ExpirePlans(ctx context.Context) (int, error) {
	if err := p.releaseWaiting(ctx); err != nil {
		return 0, err
	}
	expired := 0
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		expired = 0
		pending, err := tx.PlansIn(ctx, platform.PlanPending)
		if err != nil {
			return err
		}
		for _, plan := range pending {
			if p.now().Before(plan.Body.ExpiresAt) {
				continue
			}
			done, err := p.expire(ctx, tx, plan)
			if err != nil {
				return err
			}
			if done {
				expired++
			}
		}
		return nil
	})
	return expired, err
}

func (p *Plane) expire(ctx context.Context, tx *store.Tx, plan platform.Plan) (bool, error) {
	now := p.now()
	plan.State, plan.FinishedAt = platform.PlanExpired, &now
	plan.Outcome = "Nobody decided before " + clock(plan.Body.ExpiresAt) + "."
	done, err := tx.UpdatePlan(ctx, platform.PlanPending, plan)
	if done {
		p.record(tx, fact{
			kind: platform.EventPlanExpired, actor: worker, at: ofPlan(plan), subject: string(plan.ID), cause: string(plan.Body.IncidentID),
			summary: fmt.Sprintf("The plan %q expired.", plan.Body.Title),
		})
	}
	return done, err
}

// clock writes a time of day for sentences.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }
