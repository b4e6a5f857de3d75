package platform

import "time"

// SlotRef names a slot. Names and ids are both accepted; an empty Environment means production.
type SlotRef struct {
	Project     string `json:"project"`
	Environment string `json:"environment,omitempty"`
	Service     string `json:"service"`
}

// CreateProjectRequest makes a project from a blueprint. Creating the same project again with the same name is a conflict.
type CreateProjectRequest struct {
	Blueprint string `json:"blueprint"` // text of fairlead.yaml
	// DryRun validates and returns what would be made, and makes nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// DeleteProjectRequest deletes a project with what it made: containers, networks, images and its Git repository. Its
// volumes hold data and are kept unless Volumes says otherwise. Its events stay.
type DeleteProjectRequest struct {
	Project string `json:"project"`
	Volumes bool   `json:"volumes,omitempty"` // delete the volumes too; this cannot be undone
}

// ProjectDetail is a project with what it holds.
type ProjectDetail struct {
	Project
	Environments []Environment `json:"environments"`
	Services     []Service     `json:"services"`
	Slots        []Slot        `json:"slots"`
	GitURL       string        `json:"git_url"`
	// Logs is what the log store keeps of the project; absent where the store does not say.
	Logs *LogsKept `json:"logs,omitempty"`
}

// SlotDetail is a slot with what runs there now.
type SlotDetail struct {
	Slot
	URL       string     `json:"url,omitempty"` // through the router
	Status    string     `json:"status"`        // live, deploying, degraded, down, waiting for a first deploy
	Live      *Release   `json:"live,omitempty"`
	Deploy    *Deploy    `json:"deploy,omitempty"` // newest
	Instances []Instance `json:"instances"`        // not ended
	Incidents []Incident `json:"incidents"`        // open
	Disk      *DiskUse   `json:"disk,omitempty"`   // of one slot that is asked for, once it was measured
}

// DiskUse is what is on a slot's disk.
type DiskUse struct {
	Name          string `json:"name"`
	UsedBytes     int64  `json:"used_bytes"`
	CapacityBytes int64  `json:"capacity_bytes"` // that it was asked to hold
	// FullIn is when it is full if it goes on as in the last hours; nil when that cannot be told.
	FullIn *Duration `json:"full_in,omitempty"`
}

// Status is the whole installation at one look.
type Status struct {
	Version   string        `json:"version"`
	Slots     []SlotDetail  `json:"slots"`
	Incidents []Incident    `json:"incidents"` // open
	Plans     []Plan        `json:"plans"`     // pending
	Stops     []AgentStop   `json:"stops"`     // of agents
	Parts     []PartStatus  `json:"parts"`
	Uptime    time.Duration `json:"uptime_ns"`
}

// PartStatus says whether one thing that Fairlead needs answers.
type PartStatus struct {
	Name   string `json:"name"` // postgres, engine, router, logs, metrics, git
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// DeployRequest asks for a deploy of a pushed commit (a SHA, its beginning, or a branch) or of a ready image.
// With neither, the head of the default branch is deployed.
type DeployRequest struct {
	SlotRef
	Commit string `json:"commit,omitempty"`
	Image  string `json:"image,omitempty"`
}

// RollbackRequest asks for an older release; ToRelease 0 means the one that was live before the live one.
type RollbackRequest struct {
	SlotRef
	ToRelease int    `json:"to_release,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// ScaleRequest sets the wanted number of instances.
type ScaleRequest struct {
	SlotRef
	Replicas int `json:"replicas"`
}

// SetEnvRequest changes a slot's own variables. Unless NoDeploy is set, a deploy of the live image with them follows.
type SetEnvRequest struct {
	SlotRef
	Set      []Variable `json:"set,omitempty"`
	Unset    []string   `json:"unset,omitempty"`
	NoDeploy bool       `json:"no_deploy,omitempty"`
}

// SetEnvResult is the new configuration, and the deploy that brings it live where there is one.
type SetEnvResult struct {
	Config Config  `json:"config"`
	Deploy *Deploy `json:"deploy,omitempty"`
}

// ProposeRequest asks for an action on a slot. What comes back is a plan: pending, or already approved where policy
// lets this actor act at once.
type ProposeRequest struct {
	Action     Action     `json:"action"`
	IncidentID IncidentID `json:"incident_id,omitempty"`
	Reason     string     `json:"reason"`
	// DryRun returns the plan as it would be frozen, and records nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// DecideRequest approves or rejects a plan. Hash, where given, must be the plan's: what was read is what is approved.
type DecideRequest struct {
	Approve bool   `json:"approve"`
	Hash    string `json:"hash,omitempty"`
	Comment string `json:"comment,omitempty"`
	// EnvValue gives the value of a set_env plan that was frozen without one. It is sealed, never recorded in an event.
	EnvValue string `json:"env_value,omitempty"`
}

// CreateTokenRequest makes a token. TTL 0 means no expiry.
type CreateTokenRequest struct {
	Name     string    `json:"name"`
	Kind     ActorKind `json:"kind"`
	Role     Role      `json:"role"`
	Projects []string  `json:"projects,omitempty"`
	TTL      Duration  `json:"ttl,omitempty"`
}

// CreatedToken is the only answer that holds the secret.
type CreatedToken struct {
	Token
	Secret string `json:"secret"`
}

// Push is one update of a branch that Git has accepted and control records.
type Push struct {
	Project   string
	Branch    string
	Old, New  string   // SHAs; Old is empty for a new branch
	Commits   []Commit // new ones, oldest first; the last one is New
	Blueprint string   // text of fairlead.yaml at New, "" when there is none
	// Trees maps a build context folder ("." for the root) to the id of its Git tree at New, so that services whose
	// files did not change are not built again.
	Trees map[string]string
}

// PushResult says what a push led to, one line for each service, for the pusher's terminal.
type PushResult struct {
	Deploys []Deploy `json:"deploys"`
	Notes   []string `json:"notes"`
}

// EventFilter chooses events. Zero fields do not restrict.
type EventFilter struct {
	Project     string
	Environment string
	Service     string
	Subject     string
	Kinds       []EventKind
	Since       time.Time
	Until       time.Time
	AfterSeq    int64
	// Backward lists the newest first; the default is the order in which they happened.
	Backward bool
	Page
}

// DeployFilter chooses deploys, newest first.
type DeployFilter struct {
	SlotRef
	Commit string
	Page
}

// IncidentFilter chooses incidents, newest first.
type IncidentFilter struct {
	SlotRef
	State IncidentState
	Page
}

// PlanFilter chooses plans, newest first.
type PlanFilter struct {
	SlotRef
	IncidentID IncidentID
	State      PlanState
	Page
}

// List is one page of a list. Next is the cursor of the page after it, "" at the end.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// IncidentDetail is an incident with everything known about it.
type IncidentDetail struct {
	Incident
	Diagnosis *Diagnosis `json:"diagnosis,omitempty"`
	Evidence  []Evidence `json:"evidence"`
	Plans     []Plan     `json:"plans"`
	Events    []Event    `json:"events"`
}

// ChainReport is the result of verifying the event chain.
type ChainReport struct {
	Events   int64  `json:"events"`
	Head     string `json:"head"` // hash of the newest event
	OK       bool   `json:"ok"`
	BrokenAt int64  `json:"broken_at,omitempty"` // sequence number of the first event that does not fit
}

// Why is the answer to "what happened to this instance".
type Why struct {
	Instance Instance `json:"instance"`
	Release  Release  `json:"release"`
	Events   []Event  `json:"events"` // oldest first: started, ready, died, stopped, and what they followed from
	Summary  string   `json:"summary"`
}
