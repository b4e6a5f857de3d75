package platform

import "time"

// Commit is one commit of a project's repository that was pushed.
type Commit struct {
	SHA       string    `json:"sha"`
	ProjectID ProjectID `json:"project_id"`
	Parent    string    `json:"parent,omitempty"` // first parent; empty for a root commit
	Branch    string    `json:"branch"`
	Author    string    `json:"author"` // "Name <mail>"
	Message   string    `json:"message"`
	Files     []string  `json:"files,omitempty"` // paths changed against the first parent
	At        time.Time `json:"at"`              // commit time
}

// Subject is the first line of the message.
func (c Commit) Subject() string {
	for i, r := range c.Message {
		if r == '\n' {
			return c.Message[:i]
		}
	}
	return c.Message
}

// ShortSHA is the first eight characters of a commit's SHA.
func ShortSHA(sha string) string {
	if len(sha) > 8 {
		return sha[:8]
	}
	return sha
}

// ChangeKind says what kind of thing changed.
type ChangeKind string

// The kinds of change that a diagnosis may name.
const (
	ChangeCommit    ChangeKind = "commit"
	ChangeConfig    ChangeKind = "config"
	ChangeSecret    ChangeKind = "secret"
	ChangeScale     ChangeKind = "scale"
	ChangeFlag      ChangeKind = "flag"
	ChangeMigration ChangeKind = "migration"
	ChangeInfra     ChangeKind = "infra"
	ChangeDeploy    ChangeKind = "deploy"
)

// Change is one thing that changed, as a candidate cause.
type Change struct {
	Kind     ChangeKind `json:"kind"`
	ID       string     `json:"id"` // commit SHA, event id or deploy id
	Service  string     `json:"service,omitempty"`
	Release  int        `json:"release,omitempty"` // the release it went live with, where it did
	DeployID DeployID   `json:"deploy_id,omitempty"`
	Author   string     `json:"author,omitempty"`
	Message  string     `json:"message,omitempty"`
	Files    []string   `json:"files,omitempty"`
	Diff     string     `json:"diff,omitempty"` // unified diff
	Keys     []string   `json:"keys,omitempty"` // configuration keys touched, never values
	At       time.Time  `json:"at"`
}
