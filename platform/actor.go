package platform

import "time"

// ActorKind says what sort of principal acts. It decides what may be approved: only humans approve.
type ActorKind string

// The kinds of actor.
const (
	ActorHuman      ActorKind = "human"
	ActorAutomation ActorKind = "automation" // CI and scripts
	ActorAgent      ActorKind = "agent"      // a model or a coding agent: it may read and propose, never approve
	ActorSystem     ActorKind = "system"     // Fairlead itself
)

// Valid reports whether k is one of the kinds above.
func (k ActorKind) Valid() bool {
	switch k {
	case ActorHuman, ActorAutomation, ActorAgent, ActorSystem:
		return true
	}
	return false
}

// Role is what an actor may do, each of viewer, operator and admin including the one before.
type Role string

// The roles.
const (
	RoleSender   Role = "sender"   // send telemetry and nothing else, which an operator may too: what an application can hold
	RoleViewer   Role = "viewer"   // read
	RoleOperator Role = "operator" // deploy, roll back, scale, set configuration, approve
	RoleAdmin    Role = "admin"    // projects and tokens
)

// Valid reports whether r is one of the roles above.
func (r Role) Valid() bool { return r == RoleSender || r.rank() > 0 }

// Includes reports whether r may do what other may.
func (r Role) Includes(other Role) bool {
	if other == RoleSender {
		return r == RoleSender || r.Includes(RoleOperator)
	}
	return r.rank() >= other.rank() && other.rank() > 0
}

func (r Role) rank() int {
	switch r {
	case RoleViewer:
		return 1
	case RoleOperator:
		return 2
	case RoleAdmin:
		return 3
	case RoleSender:
	}
	return 0
}

// Actor is who does something. It is recorded with every event.
type Actor struct {
	Kind ActorKind `json:"kind"`
	// Name is the principal: a person, a CI job, an agent. Two tokens of one person are one principal.
	Name    string  `json:"name"`
	TokenID TokenID `json:"token_id,omitempty"`
	Role    Role    `json:"role"`
	// Owner is the human answerable for an agent or automation, empty for humans.
	Owner string `json:"owner,omitempty"`
	// Projects limits the actor to these project names; empty means all.
	Projects []string `json:"projects,omitempty"`
	// Channel is how it came: cli, api, mcp, git, dashboard, slack, worker.
	Channel string `json:"channel,omitempty"`
}

// SystemActor is Fairlead acting by itself, for example "worker" or "detector".
func SystemActor(name string) Actor {
	return Actor{Kind: ActorSystem, Name: name, Role: RoleAdmin, Channel: "worker"}
}

// Principal identifies who stands behind the actor: "human:ada", "agent:fixer".
func (a Actor) Principal() string { return string(a.Kind) + ":" + a.Name }

// MaySee reports whether the actor's scope includes the project of that name.
func (a Actor) MaySee(project string) bool {
	if len(a.Projects) == 0 {
		return true
	}
	for _, p := range a.Projects {
		if p == project {
			return true
		}
	}
	return false
}

// Token is a credential of an actor. The secret itself is shown once and stored as a hash.
type Token struct {
	ID         TokenID    `json:"id"`
	Name       string     `json:"name"` // the principal's name
	Kind       ActorKind  `json:"kind"`
	Role       Role       `json:"role"`
	Owner      string     `json:"owner,omitempty"`
	Projects   []string   `json:"projects,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
}

// TokenPrefix begins every token secret, so that secret scanners can find leaked ones.
const TokenPrefix = "flt_"
