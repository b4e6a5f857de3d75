package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/blueprint"
	"github.com/fairlead/fairlead/platform/policy"
	"github.com/fairlead/fairlead/platform/store"
)

// GetPolicy returns the policy of a project: the one that holds, or with a version above 0 that one.
func (p *Plane) GetPolicy(ctx context.Context, actor platform.Actor, project string, version int64) (platform.ProjectPolicy, error) {
	var out platform.ProjectPolicy
	err := p.store.View(ctx, func(tx *store.Tx) error {
		found, err := findProject(ctx, tx, actor, verbRead, project)
		if err != nil {
			return err
		}
		if version == 0 {
			out, err = tx.PolicyOf(ctx, found)
			return err
		}
		out, err = tx.PolicyAt(ctx, found, version)
		return err
	})
	return out, err
}

// SetPolicy makes the policy of a project what the text says, as its next version. It holds at once: plans that wait or are
// approved are judged by it when they are decided and when they begin. People with the role admin only; a dry run is for all
// who may read.
func (p *Plane) SetPolicy(ctx context.Context, actor platform.Actor, req platform.SetPolicyRequest) (platform.ProjectPolicy, error) {
	v := verbSetPolicy
	if req.DryRun {
		v = verbRead
	}
	if err := authorize(actor, v, ""); err != nil {
		return platform.ProjectPolicy{}, err
	}
	text := store.Clean(req.Text)
	parsed, err := blueprint.ParsePolicy([]byte(text))
	if err != nil {
		return platform.ProjectPolicy{}, err
	}
	var next platform.ProjectPolicy
	err = p.store.InTx(ctx, func(tx *store.Tx) error {
		project, err := findProject(ctx, tx, actor, v, req.Project)
		if err != nil {
			return err
		}
		next, err = p.setPolicy(ctx, tx, actor, project, req, platform.ProjectPolicy{Project: project.Name, Text: text, Policy: *parsed, Actor: &actor, UpdatedAt: p.now()})
		return err
	})
	return next, err
}

func (p *Plane) setPolicy(ctx context.Context, tx *store.Tx, actor platform.Actor, project platform.Project, req platform.SetPolicyRequest, next platform.ProjectPolicy) (platform.ProjectPolicy, error) {
	// The slots first, as everywhere; listed again once they are locked, since one may have been added meanwhile.
	if !req.DryRun {
		if _, err := tx.LockSlots(ctx, project.ID); err != nil {
			return next, err
		}
	}
	slots, err := tx.ListSlots(ctx, project.ID)
	if err != nil {
		return next, err
	}
	environments, err := tx.ListEnvironments(ctx, project.ID)
	if err != nil {
		return next, err
	}
	if err := checkPlaces(next.Policy, project, slots, environments); err != nil {
		return next, err
	}
	held, err := tx.PolicyOf(ctx, project)
	if err != nil {
		return next, err
	}
	if req.IfVersion != nil && *req.IfVersion != held.Version {
		return next, platform.Errorf(platform.CodeConflict, "The policy of %s is at version %d, not %d.", project.Name, held.Version, *req.IfVersion).
			WithHint("Read it again; what was read is what is changed.").WithField("if_version")
	}
	next.Version = held.Version + 1
	if req.DryRun {
		return next, nil
	}
	levels, err := applyAutonomy(ctx, tx, next.Policy, slots)
	if err != nil {
		return next, err
	}
	p.record(tx, fact{
		kind: platform.EventPolicySet, actor: actor, at: inProject(project), subject: string(project.ID),
		summary: fmt.Sprintf("%s set the policy of %s to version %d: %s.", actor.Name, project.Name, next.Version, policyWords(next.Policy)),
		payload: map[string]any{"version": next.Version, "before": held.Version, "autonomy": levels},
	})
	return next, tx.InsertPolicy(ctx, project.ID, next)
}

// applyAutonomy writes the level of each slot where it is read, and returns those that changed.
func applyAutonomy(ctx context.Context, tx *store.Tx, next platform.Policy, slots []platform.Slot) (map[string]platform.Autonomy, error) {
	changed := map[string]platform.Autonomy{}
	for _, s := range slots {
		level := policy.Autonomy(next, s.Environment, s.Service)
		if s.Autonomy == level {
			continue
		}
		slot, err := tx.LockSlot(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		slot.Autonomy = level
		changed[slot.Environment+"/"+slot.Service] = level
		if err := tx.UpdateSlot(ctx, slot); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

// checkPlaces refuses environments and services that are not there: a rule about a name that is written wrong protects nothing.
func checkPlaces(pol platform.Policy, project platform.Project, slots []platform.Slot, environments []platform.Environment) error {
	services, places := map[string]bool{}, map[string]bool{}
	for _, s := range slots {
		services[s.Service] = true
	}
	for _, e := range environments {
		places[e.Name] = true
	}
	known := func(at, noun, name string, names map[string]bool) error {
		if names[name] {
			return nil
		}
		e := platform.Errorf(platform.CodeInvalid, "%s names the %s %q, which %s does not have.", at, noun, platform.Truncate(name, 80), project.Name).WithField(blueprint.PolicyFile)
		return didYouMean(e, name, slices.Sorted(maps.Keys(names)))
	}
	for _, w := range policyPlaces(pol) {
		for _, name := range w.where.Environments {
			if err := known(w.at, "environment", name, places); err != nil {
				return err
			}
		}
		for _, name := range w.where.Services {
			if err := known(w.at, "service", name, services); err != nil {
				return err
			}
		}
	}
	return nil
}

type policyPlace struct {
	at    string
	where platform.Where
}

func policyPlaces(pol platform.Policy) []policyPlace {
	var all []policyPlace
	for _, r := range pol.Rules {
		all = append(all, policyPlace{"The rule " + r.Name, r.Where})
	}
	for i, a := range pol.Autonomy {
		all = append(all, policyPlace{fmt.Sprintf("autonomy[%d]", i), a.Where})
	}
	for _, f := range pol.Freezes {
		all = append(all, policyPlace{"The freeze " + f.Name, f.Where})
	}
	for i, l := range pol.Limits {
		all = append(all, policyPlace{fmt.Sprintf("limits[%d]", i), l.Where})
	}
	return all
}

func policyWords(pol platform.Policy) string {
	words := []string{plural(len(pol.Rules), "rule"), plural(len(pol.Freezes), "freeze"), plural(len(pol.Limits), "limit")}
	for _, a := range pol.Autonomy {
		if a.Level == platform.AutonomyAuto {
			words = append(words, "automatic actions")
			break
		}
	}
	return strings.Join(words, ", ")
}

// ExplainPolicy says what would become of an action, with every check that is made and why it says what it does.
func (p *Plane) ExplainPolicy(ctx context.Context, actor platform.Actor, q platform.PolicyQuestion) (platform.PolicyDecision, error) {
	if err := authorize(actor, verbRead, ""); err != nil {
		return platform.PolicyDecision{}, err
	}
	if !slices.Contains(platform.PolicyActions(), q.Action) {
		return platform.PolicyDecision{}, unknownAction(q.Action)
	}
	spent := p.spending(ctx, q.Project, q.Action)
	var v verdict
	err := p.store.View(ctx, func(tx *store.Tx) error {
		slot, err := findSlot(ctx, tx, actor, verbRead, q.SlotRef)
		if err != nil {
			return err
		}
		who, err := asker(ctx, tx, actor, q)
		if err != nil {
			return err
		}
		r := request{
			actor: who, slot: slot, risk: riskOf(slot, q.Action), spent: spent, plan: q.Plan || who.Kind == platform.ActorAgent,
			action: platform.Action{Kind: q.Action, Replicas: q.Replicas, MemoryBytes: q.MemoryBytes},
		}
		if q.Action == platform.ActionDeploy {
			r.plan = false // nobody proposes one
		}
		if v, err = p.askPolicy(ctx, tx, r); err != nil {
			return err
		}
		v.PolicyDecision = withRole(v.PolicyDecision, r)
		return nil
	})
	return v.PolicyDecision, err
}

func unknownAction(kind platform.ActionKind) error {
	var words []string
	for _, known := range platform.PolicyActions() {
		words = append(words, string(known))
	}
	return didYouMean(platform.Errorf(platform.CodeInvalid, "%q is not an action.", platform.Truncate(string(kind), 40)).WithField("action"), string(kind), words)
}

// verbsByHand is what each action takes who makes it themselves.
var verbsByHand = map[platform.ActionKind]verb{
	platform.ActionRollback: verbRollback, platform.ActionRestart: verbRestart, platform.ActionScale: verbScale, platform.ActionSetEnv: verbSetEnv,
	platform.ActionRevertCommit: verbPush, platform.ActionDeploy: verbDeploy,
}

// withRole puts what the actor's role says before what policy says.
func withRole(d platform.PolicyDecision, r request) platform.PolicyDecision {
	v := verbPropose
	if !r.plan {
		v = verbsByHand[r.action.Kind]
	}
	step := platform.PolicyStep{Check: "role", Result: platform.StepPassed, Why: fmt.Sprintf("%s is %s with the role %s and may %s.", r.actor.Name, r.actor.Kind, r.actor.Role, v)}
	if err := authorize(r.actor, v, r.slot.Project); err != nil {
		step.Result, step.Why = platform.StepDenies, err.Error()
		d.Outcome, d.Reason, d.Until = platform.PolicyDenied, step.Why, nil
	}
	d.Steps = append([]platform.PolicyStep{step}, d.Steps...)
	return d
}

// asker is the actor that a question describes: whoever asks, the owner of a token of that name, or a stranger of a kind and a role.
func asker(ctx context.Context, tx *store.Tx, actor platform.Actor, q platform.PolicyQuestion) (platform.Actor, error) {
	bad := func(field, format string, args ...any) error {
		return platform.Errorf(platform.CodeInvalid, format, args...).WithField(field)
	}
	switch {
	case q.Kind == "" && q.Role == "" && q.Name == "":
		return actor, nil
	case q.Kind != "" && !q.Kind.Valid():
		return actor, bad("kind", "%q is not a kind of actor; choose human, automation or agent.", platform.Truncate(string(q.Kind), 40))
	case q.Role != "" && !q.Role.Valid():
		return actor, bad("role", "%q is not a role; choose viewer, operator or admin.", platform.Truncate(string(q.Role), 40))
	}
	if q.Name == "" {
		return platform.Actor{Kind: orDefault(q.Kind, platform.ActorHuman), Role: orDefault(q.Role, platform.RoleOperator), Name: "somebody"}, nil
	}
	if q.Kind == diagnosis.Kind && q.Name == diagnosis.Name {
		return diagnosis, nil
	}
	tokens, err := tx.ListTokens(ctx)
	if err != nil {
		return actor, err
	}
	var names []string
	for _, t := range tokens {
		if t.RevokedAt != nil || !ownsToken(actor, t) && t.Name != actor.Name {
			continue
		}
		if t.Name == q.Name && (q.Kind == "" || q.Kind == t.Kind) && (q.Role == "" || q.Role == t.Role) {
			return platform.Actor{Kind: t.Kind, Name: t.Name, Role: t.Role, Owner: t.Owner, Projects: t.Projects}, nil
		}
		names = append(names, t.Name)
	}
	if q.Kind != "" && q.Role != "" {
		return platform.Actor{Kind: q.Kind, Name: q.Name, Role: q.Role}, nil
	}
	e := platform.Errorf(platform.CodeNotFound, "No token is held by %q.", platform.Truncate(q.Name, 80)).WithField("actor")
	if near := platform.Nearest(q.Name, names); near != "" {
		return actor, e.WithHint("Did you mean %q? Of somebody who has none yet, give kind and role.", near)
	}
	return actor, e.WithHint("Give kind and role as well to ask about somebody who has none.")
}

func orDefault[T ~string](given, instead T) T {
	if given == "" {
		return instead
	}
	return given
}
