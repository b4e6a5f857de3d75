// Package jobs names the durable jobs and their arguments.
//
// It owns the names and shapes that store enqueues and worker works; it imports no queue, so that control can ask
// for work without knowing what carries it.
package jobs

import "github.com/fairlead/fairlead/platform"

// AdvanceDeploy takes one step of a deploy. One per deploy waits at a time.
type AdvanceDeploy struct {
	DeployID platform.DeployID `json:"deploy_id" river:"unique"`
}

// Kind names the job.
func (AdvanceDeploy) Kind() string { return "advance_deploy" }

// ReconcileSlot makes the instances of a slot what they should be: replicas, restarts after a crash, removal of strays.
type ReconcileSlot struct {
	SlotID platform.SlotID `json:"slot_id" river:"unique"`
}

// Kind names the job.
func (ReconcileSlot) Kind() string { return "reconcile_slot" }

// RemoveProject removes what a deleted project left on the engine, and its repository. While it waits or runs no project
// of that name can be made.
type RemoveProject struct {
	Project string `json:"project" river:"unique"` // name
	Volumes bool   `json:"volumes"`
}

// Kind names the job.
func (RemoveProject) Kind() string { return "remove_project" }

// DiagnoseIncident freezes evidence, ranks causes and records a diagnosis with its proposals.
type DiagnoseIncident struct {
	IncidentID platform.IncidentID `json:"incident_id" river:"unique"`
}

// Kind names the job.
func (DiagnoseIncident) Kind() string { return "diagnose_incident" }

// ExecutePlan carries out an approved plan, named by its hash, exactly once, then verifies it.
type ExecutePlan struct {
	PlanID platform.PlanID `json:"plan_id" river:"unique"`
	Hash   string          `json:"hash"`
}

// Kind names the job.
func (ExecutePlan) Kind() string { return "execute_plan" }

// Kinds are the names of all jobs, so that a queue without any is still told of.
func Kinds() []string {
	return []string{AdvanceDeploy{}.Kind(), ReconcileSlot{}.Kind(), RemoveProject{}.Kind(), DiagnoseIncident{}.Kind(), ExecutePlan{}.Kind()}
}
