package platform

import "time"

// EnvironmentKind says how an environment lives and ends.
type EnvironmentKind string

// The kinds of environment.
const (
	EnvironmentProduction  EnvironmentKind = "production"  // always there, cannot be deleted
	EnvironmentCustom      EnvironmentKind = "custom"      // made and removed by people
	EnvironmentPreview     EnvironmentKind = "preview"     // one per branch or pull request, expires
	EnvironmentDevelopment EnvironmentKind = "development" // at most one replica, scales to zero
)

// Valid reports whether k is one of the kinds above.
func (k EnvironmentKind) Valid() bool {
	switch k {
	case EnvironmentProduction, EnvironmentCustom, EnvironmentPreview, EnvironmentDevelopment:
		return true
	}
	return false
}

// ProductionName is the name of the environment that every project has.
const ProductionName = "production"

// Environment is a named place the stack runs in.
type Environment struct {
	ID        EnvironmentID   `json:"id"`
	ProjectID ProjectID       `json:"project_id"`
	Name      string          `json:"name"`
	Kind      EnvironmentKind `json:"kind"`
	CreatedAt time.Time       `json:"created_at"`
}
