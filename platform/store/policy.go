package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fairlead/fairlead/platform"
)

// PolicyOf returns the policy that holds in a project; version 0 when none was set.
func (t *Tx) PolicyOf(ctx context.Context, project platform.Project) (platform.ProjectPolicy, error) {
	found, err := first[platform.ProjectPolicy](ctx, t, "SELECT doc FROM policies WHERE project_id = $1 ORDER BY version DESC LIMIT 1", project.ID)
	if err != nil || found == nil {
		return platform.ProjectPolicy{Project: project.Name}, err
	}
	return *found, nil
}

// PolicyAt returns one version of a project's policy.
func (t *Tx) PolicyAt(ctx context.Context, project platform.Project, version int64) (platform.ProjectPolicy, error) {
	missing := platform.Errorf(platform.CodeNotFound, "The policy of %s has no version %d.", project.Name, version).WithField("version")
	return one[platform.ProjectPolicy](ctx, t, missing, "SELECT doc FROM policies WHERE project_id = $1 AND version = $2", project.ID, version)
}

// InsertPolicy adds a version; conflict when it is there.
func (t *Tx) InsertPolicy(ctx context.Context, project platform.ProjectID, p platform.ProjectPolicy) error {
	doc, err := encode(p)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO policies (doc, project_id) VALUES ($1, $2)", doc, project)
	return clash(err, "policies_once", platform.Errorf(platform.CodeConflict, "Somebody else set the policy of %s at the same moment.", p.Project).WithHint("Read it again."))
}

// agentSwitch is the lock between those who carry out what agents proposed and those who stop it.
const agentSwitch = "hashtextextended('agent_stops', 0)"

// PassAgentSwitch keeps agents from being stopped until the transaction ends, so that what it does was begun before a stop
// or sees it. It is taken after the locks of slots and plans.
func (t *Tx) PassAgentSwitch(ctx context.Context) error {
	_, err := t.exec(ctx, "SELECT pg_advisory_xact_lock_shared("+agentSwitch+")")
	return err
}

// TurnAgentSwitch waits for those that passed the switch and keeps others from passing it until the transaction ends.
func (t *Tx) TurnAgentSwitch(ctx context.Context) error {
	_, err := t.exec(ctx, "SELECT pg_advisory_xact_lock("+agentSwitch+")")
	return err
}

// AgentStops returns what is stopped in some projects and everywhere, or all when projects is nil; everywhere first.
func (t *Tx) AgentStops(ctx context.Context, projects []string) ([]platform.AgentStop, error) {
	return many[platform.AgentStop](ctx, t, "SELECT doc FROM agent_stops WHERE project = '' OR $1::text[] IS NULL OR project = ANY($1) ORDER BY project", projects)
}

// PutAgentStop stops agents; whoever stopped them first stays the one who did. project is "" for everywhere.
func (t *Tx) PutAgentStop(ctx context.Context, project platform.ProjectID, s platform.AgentStop) (bool, error) {
	doc, err := encode(s)
	if err != nil {
		return false, err
	}
	n, err := t.exec(ctx, "INSERT INTO agent_stops (doc, project_id) VALUES ($1, nullif($2, '')) ON CONFLICT (project) DO NOTHING", doc, project)
	return n == 1, err
}

// DeleteAgentStop starts agents again; it reports whether they were stopped.
func (t *Tx) DeleteAgentStop(ctx context.Context, project string) (bool, error) {
	n, err := t.exec(ctx, "DELETE FROM agent_stops WHERE project = $1", project)
	return n == 1, err
}

// newestPlans bounds how many of a slot's plans are looked at: no plan waits longer than a day.
const newestPlans = "(SELECT doc, state FROM plans WHERE slot_id = $1 ORDER BY n DESC LIMIT 1000) p"

// CarriedOut returns when plans of a slot were carried out after a moment, oldest first.
func (t *Tx) CarriedOut(ctx context.Context, slot platform.SlotID, after time.Time) ([]time.Time, error) {
	rows, err := t.tx.Query(ctx, "SELECT (doc->>'executed_at')::timestamptz AS at FROM "+newestPlans+" WHERE doc->>'executed_at' IS NOT NULL AND (doc->>'executed_at')::timestamptz > $2 ORDER BY at", slot, after)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[time.Time])
}

// LastFailedPlan returns when the newest plan of a slot that failed ended, nil when none did.
func (t *Tx) LastFailedPlan(ctx context.Context, slot platform.SlotID) (*time.Time, error) {
	var at *time.Time
	err := t.tx.QueryRow(ctx, "SELECT max((doc->>'finished_at')::timestamptz) FROM "+newestPlans+" WHERE state = 'failed'", slot).Scan(&at)
	return at, err
}
