package platform

import "time"

// Slot is one service in one environment: its live release, scale, configuration, disk and stable URL.
// Generation rises with every change of what should run there, so that a plan can tell that the world has moved.
type Slot struct {
	ID              SlotID        `json:"id"`
	ProjectID       ProjectID     `json:"project_id"`
	EnvironmentID   EnvironmentID `json:"environment_id"`
	ServiceID       ServiceID     `json:"service_id"`
	Project         string        `json:"project"`
	Environment     string        `json:"environment"`
	Service         string        `json:"service"`
	Kind            ServiceKind   `json:"kind"`
	LiveReleaseID   ReleaseID     `json:"live_release_id,omitempty"` // empty until the first deploy is live
	LiveRelease     int           `json:"live_release,omitempty"`    // its number, 0 until then
	Replicas        int           `json:"replicas"`
	ConfigVersion   int64         `json:"config_version"` // newest; a release pins the one it runs with
	Generation      int64         `json:"generation"`
	RestartedAt     *time.Time    `json:"restarted_at,omitempty"` // instances started before this are replaced
	AutoDeploy      bool          `json:"auto_deploy"`
	Autonomy        Autonomy      `json:"autonomy"`
	Hosts           []string      `json:"hosts,omitempty"`
	PreviousRelease ReleaseID     `json:"previous_release_id,omitempty"` // last one that was live and healthy before the live one
	CreatedAt       time.Time     `json:"created_at"`
}

// Ref is how people write a slot: project/environment/service.
func (s Slot) Ref() string { return s.Project + "/" + s.Environment + "/" + s.Service }

// Autonomy is how far the agent may go in a slot.
type Autonomy string

// The steps of autonomy.
const (
	AutonomyOff     Autonomy = "off"     // no diagnosis, no proposals
	AutonomySuggest Autonomy = "suggest" // proposals that nobody can approve into execution
	AutonomyApprove Autonomy = "approve" // the default: a human decides
	AutonomyAuto    Autonomy = "auto"    // R1 only, from an allow-list
)

// Valid reports whether a is one of the steps above.
func (a Autonomy) Valid() bool {
	switch a {
	case AutonomyOff, AutonomySuggest, AutonomyApprove, AutonomyAuto:
		return true
	}
	return false
}

// DefaultHost returns the stable host of a slot under the base domain: <service>.<project>.<base> in production and
// <service>.<environment>.<project>.<base> elsewhere.
func DefaultHost(project, environment, service, base string) string {
	if environment == ProductionName {
		return service + "." + project + "." + base
	}
	return service + "." + environment + "." + project + "." + base
}
