package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/fairlead/fairlead/platform"
)

// planDoc is a plan with its approvals, which are rows of their own, in it.
const planDoc = `doc || jsonb_build_object('approvals',
	(SELECT coalesce(jsonb_agg(a.doc ORDER BY a.n), '[]') FROM approvals a WHERE a.plan_id = plans.id))`

func storedPlan(p platform.Plan) platform.Plan {
	p.Approvals = nil // kept as rows of their own
	return p
}

// InsertPlan adds a plan.
func (t *Tx) InsertPlan(ctx context.Context, p platform.Plan) error {
	return t.put(ctx, "plans", storedPlan(p))
}

// UpdatePlan writes a plan over the one with its id if that one is still in state from; it reports whether it was.
func (t *Tx) UpdatePlan(ctx context.Context, from platform.PlanState, p platform.Plan) (bool, error) {
	doc, err := encode(storedPlan(p))
	if err != nil {
		return false, err
	}
	n, err := t.exec(ctx, "UPDATE plans SET doc = $3 WHERE id = $1 AND state = $2", p.ID, from, doc)
	return n == 1, err
}

// PlanByID returns one plan.
func (t *Tx) PlanByID(ctx context.Context, id platform.PlanID) (platform.Plan, error) {
	return one[platform.Plan](ctx, t, notFound("plan", string(id)), "SELECT "+planDoc+" FROM plans WHERE id = $1", id)
}

// LockPlan returns one plan and keeps others from changing it.
func (t *Tx) LockPlan(ctx context.Context, id platform.PlanID) (platform.Plan, error) {
	// Two statements: the second sees approvals that were committed while the first waited for the lock.
	if _, err := t.exec(ctx, "SELECT FROM plans WHERE id = $1 FOR UPDATE", id); err != nil {
		return platform.Plan{}, err
	}
	return t.PlanByID(ctx, id)
}

// PendingTwin returns the plan for the same incident, slot and action that still waits or runs, nil when there is none.
func (t *Tx) PendingTwin(ctx context.Context, b platform.PlanBody) (*platform.Plan, error) {
	action, err := encode(b.Action)
	if err != nil {
		return nil, err
	}
	return first[platform.Plan](ctx, t, "SELECT "+planDoc+` FROM plans
		WHERE slot_id = $1 AND incident_id = $2 AND action = $3::jsonb AND state IN ('pending', 'approved', 'executing') ORDER BY n DESC LIMIT 1`,
		b.SlotID, b.IncidentID, action)
}

// ListPlans returns one page, newest first; an empty incident or state does not restrict.
func (t *Tx) ListPlans(ctx context.Context, s Scope, incident platform.IncidentID, state platform.PlanState, page platform.Page) (platform.List[platform.Plan], error) {
	l := s.listing("plans", page)
	l.column = planDoc
	if incident != "" {
		l.where.and("incident_id = ?", incident)
	}
	if state != "" {
		l.where.and("state = ?", state)
	}
	return list[platform.Plan](ctx, t, l)
}

// PlansIn returns every plan in the given states, oldest first.
func (t *Tx) PlansIn(ctx context.Context, states ...platform.PlanState) ([]platform.Plan, error) {
	return many[platform.Plan](ctx, t, "SELECT "+planDoc+" FROM plans WHERE state = ANY($1) ORDER BY n", states)
}

// InsertApproval records a decision; conflict when the same principal decided this plan before.
func (t *Tx) InsertApproval(ctx context.Context, a platform.Approval) error {
	again := platform.Errorf(platform.CodeConflict, "%s has decided this plan already.", a.Actor.Name).
		WithHint("Another person must give the next approval.")
	return clash(t.put(ctx, "approvals", a), "approvals_once", again)
}

// PutPlanValue keeps the sealed value that a human gave with an approval.
func (t *Tx) PutPlanValue(ctx context.Context, id platform.PlanID, sealed string) error {
	_, err := t.exec(ctx, "INSERT INTO plan_values VALUES ($1, $2) ON CONFLICT (plan_id) DO UPDATE SET sealed = excluded.sealed", id, sealed)
	return err
}

// PlanValue returns the sealed value of a plan, "" when there is none.
func (t *Tx) PlanValue(ctx context.Context, id platform.PlanID) (string, error) {
	var sealed string
	err := t.tx.QueryRow(ctx, "SELECT sealed FROM plan_values WHERE plan_id = $1", id).Scan(&sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return sealed, err
}
