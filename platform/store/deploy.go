package store

import (
	"context"
	"slices"

	"github.com/fairlead/fairlead/platform"
)

const (
	terminalPhases = "('live', 'failed', 'canceled', 'superseded')"
	movingPhases   = "('building', 'releasing', 'starting', 'checking', 'shifting', 'draining')"
)

// InsertDeploy adds a deploy. Deploys of one slot are ordered by insertion; the caller holds the slot by LockSlot.
func (t *Tx) InsertDeploy(ctx context.Context, d platform.Deploy) error {
	return t.put(ctx, "deploys", d)
}

// UpdateDeploy writes a deploy over the one with its id; conflict when another deploy of the slot is moving already.
func (t *Tx) UpdateDeploy(ctx context.Context, d platform.Deploy) error {
	busy := platform.Errorf(platform.CodeConflict, "Another deploy of %s is under way.", d.Ref()).
		WithHint("This one starts when it has ended.")
	return clash(t.replace(ctx, "deploys", string(d.ID), d, notFound("deploy", string(d.ID))), "deploys_one_moving", busy)
}

// DeployByID returns one deploy.
func (t *Tx) DeployByID(ctx context.Context, id platform.DeployID) (platform.Deploy, error) {
	return one[platform.Deploy](ctx, t, notFound("deploy", string(id)), "SELECT doc FROM deploys WHERE id = $1", id)
}

// LockDeploy returns one deploy and keeps others from changing it.
func (t *Tx) LockDeploy(ctx context.Context, id platform.DeployID) (platform.Deploy, error) {
	return one[platform.Deploy](ctx, t, notFound("deploy", string(id)), "SELECT doc FROM deploys WHERE id = $1 FOR UPDATE", id)
}

// Scope bounds a list. Projects nil means all; empty names do not restrict.
type Scope struct {
	Projects             []string
	Environment, Service string
}

// Holds reports whether a slot is within the scope.
func (s Scope) Holds(slot platform.Slot) bool {
	return (s.Projects == nil || slices.Contains(s.Projects, slot.Project)) &&
		(s.Environment == "" || s.Environment == slot.Environment) && (s.Service == "" || s.Service == slot.Service)
}

func (s Scope) listing(table string, page platform.Page) listing {
	l := listing{name: table, scope: scopeName(s.Projects), from: table, page: page}
	if s.Projects != nil {
		l.where.and("project = ANY(?)", s.Projects)
	}
	if s.Environment != "" {
		l.where.and("environment = ?", s.Environment)
	}
	if s.Service != "" {
		l.where.and("service = ?", s.Service)
	}
	return l
}

// ListDeploys returns one page, newest first; commit may be the beginning of a SHA.
func (t *Tx) ListDeploys(ctx context.Context, s Scope, commit string, page platform.Page) (platform.List[platform.Deploy], error) {
	l := s.listing("deploys", page)
	if commit != "" {
		l.where.and("starts_with(commit_sha, ?)", commit)
	}
	return list[platform.Deploy](ctx, t, l)
}

// NewestDeploy returns the newest deploy of a slot, nil when there is none.
func (t *Tx) NewestDeploy(ctx context.Context, slot platform.SlotID) (*platform.Deploy, error) {
	return first[platform.Deploy](ctx, t, "SELECT doc FROM deploys WHERE slot_id = $1 ORDER BY n DESC LIMIT 1", slot)
}

// OpenDeploys returns every deploy that is not terminal, oldest first.
func (t *Tx) OpenDeploys(ctx context.Context) ([]platform.Deploy, error) {
	return many[platform.Deploy](ctx, t, "SELECT doc FROM deploys WHERE phase NOT IN "+terminalPhases+" ORDER BY n")
}

// OpenDeploysOf returns the deploys of a slot that are not terminal, oldest first.
func (t *Tx) OpenDeploysOf(ctx context.Context, slot platform.SlotID) ([]platform.Deploy, error) {
	return many[platform.Deploy](ctx, t, "SELECT doc FROM deploys WHERE slot_id = $1 AND phase NOT IN "+terminalPhases+" ORDER BY n", slot)
}

// HasNewerQueued reports whether a deploy of the same slot was asked for after this one and still waits; one that is
// being canceled takes nobody's place.
func (t *Tx) HasNewerQueued(ctx context.Context, d platform.Deploy) (bool, error) {
	var yes bool
	err := t.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM deploys WHERE slot_id = $1 AND phase = 'queued'
		AND n > (SELECT n FROM deploys WHERE id = $2) AND doc->>'cancel_requested' IS DISTINCT FROM 'true')`, d.SlotID, d.ID).Scan(&yes)
	return yes, err
}

// HasOtherMoving reports whether another deploy of the same slot is past queued and not terminal.
func (t *Tx) HasOtherMoving(ctx context.Context, d platform.Deploy) (bool, error) {
	var yes bool
	err := t.tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM deploys WHERE slot_id = $1 AND id <> $2 AND phase IN "+movingPhases+")",
		d.SlotID, d.ID).Scan(&yes)
	return yes, err
}
