package platform

import "time"

// InstanceState is where one container stands.
type InstanceState string

// The states of an instance.
const (
	InstanceStarting  InstanceState = "starting"  // created or running, not yet well for the first time
	InstanceReady     InstanceState = "ready"     // passed its health check
	InstanceUnhealthy InstanceState = "unhealthy" // was ready, fails its check now
	InstanceDraining  InstanceState = "draining"  // gets no new requests
	InstanceStopped   InstanceState = "stopped"   // ended because Fairlead stopped it
	InstanceDead      InstanceState = "dead"      // ended by itself, by the kernel or by somebody else
)

// Valid reports whether s is one of the states above.
func (s InstanceState) Valid() bool {
	switch s {
	case InstanceStarting, InstanceReady, InstanceUnhealthy, InstanceDraining, InstanceStopped, InstanceDead:
		return true
	}
	return false
}

// Ended reports whether the process is gone.
func (s InstanceState) Ended() bool { return s == InstanceStopped || s == InstanceDead }

// Instance is one container of one release in one slot, kept as a record after it is gone.
type Instance struct {
	ID            InstanceID    `json:"id"`
	ProjectID     ProjectID     `json:"project_id"`
	SlotID        SlotID        `json:"slot_id"`
	ReleaseID     ReleaseID     `json:"release_id"`
	ReleaseNumber int           `json:"release_number"`
	DeployID      DeployID      `json:"deploy_id"`
	Project       string        `json:"project"`
	Environment   string        `json:"environment"`
	Service       string        `json:"service"`
	Ordinal       int           `json:"ordinal"`    // 0 to replicas-1
	RuntimeID     string        `json:"runtime_id"` // the engine's container id
	Address       string        `json:"address"`    // host:port the router and the probes use
	State         InstanceState `json:"state"`
	Restarts      int           `json:"restarts"` // how many times the reconciler replaced this ordinal of this release
	ExitCode      *int          `json:"exit_code,omitempty"`
	OOMKilled     bool          `json:"oom_killed,omitempty"`
	Reason        string        `json:"reason,omitempty"` // why it started or ended, for `why`
	StartedAt     time.Time     `json:"started_at"`
	ReadyAt       *time.Time    `json:"ready_at,omitempty"`
	EndedAt       *time.Time    `json:"ended_at,omitempty"`
}

// Probe is one health check of one instance, as it went.
type Probe struct {
	InstanceID InstanceID    `json:"instance_id"`
	At         time.Time     `json:"at"`
	OK         bool          `json:"ok"`
	Took       time.Duration `json:"took_ns"`
	Status     int           `json:"status,omitempty"` // HTTP status, or exit code of a command
	Error      string        `json:"error,omitempty"`  // for example "connection refused"
}
