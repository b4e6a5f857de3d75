package control

import (
	"context"
	"fmt"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/policy"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
)

// StopAgents is the kill switch: from its return on nothing that agents or the investigation proposed begins, in a project or
// everywhere. What has begun is finished, diagnosis goes on, plans wait. Stopping again changes nothing.
func (p *Plane) StopAgents(ctx context.Context, actor platform.Actor, req platform.AgentSwitchRequest) (platform.AgentStatus, error) {
	if err := authorize(actor, verbStopAgents, ""); err != nil {
		return platform.AgentStatus{}, err
	}
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		project, err := switched(ctx, tx, actor, verbStopAgents, req.Project)
		if err != nil {
			return err
		}
		if err := tx.TurnAgentSwitch(ctx); err != nil {
			return err
		}
		stop := platform.AgentStop{
			Project: project.Name, Actor: actor, Reason: platform.Truncate(secret.Redact(store.Clean(req.Reason)), maxReasonSize), At: p.now(),
		}
		fresh, err := tx.PutAgentStop(ctx, project.ID, stop)
		if err != nil || !fresh {
			return err
		}
		p.record(tx, fact{
			kind: platform.EventAgentStopped, actor: actor, at: inProject(project), subject: string(project.ID), summary: policy.StopWords(stop),
			payload: map[string]any{"reason": stop.Reason},
		})
		return nil
	})
	if err != nil {
		return platform.AgentStatus{}, err
	}
	return p.AgentStatus(ctx, actor, req.Project)
}

// StartAgents ends a stop; plans that need no approval and have not expired begin. People with the role admin only.
func (p *Plane) StartAgents(ctx context.Context, actor platform.Actor, req platform.AgentSwitchRequest) (platform.AgentStatus, error) {
	if err := authorize(actor, verbStartAgents, ""); err != nil {
		return platform.AgentStatus{}, err
	}
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		project, err := switched(ctx, tx, actor, verbStartAgents, req.Project)
		if err != nil {
			return err
		}
		was, err := tx.DeleteAgentStop(ctx, project.Name)
		if err != nil || !was {
			return err
		}
		summary := fmt.Sprintf("%s started agents everywhere again.", actor.Name)
		if project.Name != "" {
			summary = fmt.Sprintf("%s started agents in %s again.", actor.Name, project.Name)
		}
		if req.Reason != "" {
			summary += " Reason: " + platform.Truncate(store.Clean(req.Reason), 300)
		}
		p.record(tx, fact{kind: platform.EventAgentStarted, actor: actor, at: inProject(project), subject: string(project.ID), summary: summary})
		return nil
	})
	if err != nil {
		return platform.AgentStatus{}, err
	}
	if err := p.releaseWaiting(ctx); err != nil {
		return platform.AgentStatus{}, err
	}
	return p.AgentStatus(ctx, actor, req.Project)
}

// switched is the project of a switch, the zero one for everywhere: that is for those who are not limited to projects.
func switched(ctx context.Context, tx *store.Tx, actor platform.Actor, v verb, project string) (platform.Project, error) {
	if project != "" {
		return findProject(ctx, tx, actor, v, project)
	}
	if len(actor.Projects) > 0 {
		return platform.Project{}, platform.Errorf(platform.CodeDenied, "%s is limited to %s and may not %s everywhere.", actor.Name, listed(actor.Projects), v).
			WithHint("Name one of them with --project.").WithField("project")
	}
	return platform.Project{}, nil
}

// AgentStatus returns what is stopped, in one project or as far as the actor sees, and which plans wait for that.
func (p *Plane) AgentStatus(ctx context.Context, actor platform.Actor, project string) (platform.AgentStatus, error) {
	status := platform.AgentStatus{Stops: []platform.AgentStop{}, Waiting: []platform.Plan{}}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		scope, err := scopeOf(ctx, tx, actor, platform.SlotRef{Project: project})
		if err != nil {
			return err
		}
		if status.Stops, err = tx.AgentStops(ctx, scope.Projects); err != nil {
			return err
		}
		pending, err := tx.PlansIn(ctx, platform.PlanPending)
		for _, plan := range pending {
			if waitsForStart(plan) && actor.MaySee(plan.Project) && (project == "" || scope.Projects[0] == plan.Project) {
				status.Waiting = append(status.Waiting, plan)
			}
		}
		return err
	})
	return status, err
}

// waitsForStart reports whether a plan needs nobody's approval and waits all the same.
func waitsForStart(plan platform.Plan) bool {
	return plan.State == platform.PlanPending && plan.Body.Approvals == 0
}

// releaseWaiting approves the plans that need nobody and wait for nothing any more. It is called after a start and every few
// seconds, so that a server that died in between leaves none behind.
func (p *Plane) releaseWaiting(ctx context.Context) error {
	var waiting []platform.Plan
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		waiting, err = tx.PlansIn(ctx, platform.PlanPending)
		return err
	})
	if err != nil {
		return err
	}
	for _, plan := range waiting {
		if !waitsForStart(plan) {
			continue
		}
		spent := p.spending(ctx, plan.Project, plan.Body.Action.Kind)
		err := p.store.InTx(ctx, func(tx *store.Tx) error {
			slot, err := tx.LockSlot(ctx, plan.Body.SlotID)
			if err != nil {
				return err
			}
			found, err := tx.LockPlan(ctx, plan.ID)
			if err != nil || !waitsForStart(found) || !p.now().Before(found.Body.ExpiresAt) {
				return err
			}
			v, err := p.askPolicy(ctx, tx, planRequest(slot, found.Body, nil, spent))
			if err != nil || v.Outcome != platform.PolicyAllowed {
				return err
			}
			now := p.now()
			found.State, found.DecidedAt = platform.PlanApproved, &now
			tx.Enqueue(jobs.ExecutePlan{PlanID: found.ID, Hash: found.Hash})
			return claimed(tx.UpdatePlan(ctx, platform.PlanPending, found))
		})
		if err != nil && platform.CodeOf(err) != platform.CodeNotFound {
			return err
		}
	}
	return nil
}
