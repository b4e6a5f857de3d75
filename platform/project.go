package platform

import "time"

// Project is one stack of services, described by one blueprint and tied to one Git repository.
type Project struct {
	ID            ProjectID `json:"id"`
	Name          string    `json:"name"`
	DefaultBranch string    `json:"default_branch"`
	CreatedAt     time.Time `json:"created_at"`
	// LogRetention is the project's own; its zero fields mean the installation's.
	LogRetention LogRetention `json:"log_retention,omitzero"`
}

// DefaultBranch is the branch whose pushes go to production unless a project says otherwise.
const DefaultBranch = "main"

// SystemProject stands in the place of a project for what Fairlead says about itself. No project can have this name,
// which is no DNS label; only admins of the whole installation may read its lines.
const SystemProject = "_fairlead"
