package platform

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// EvidenceKind says what sort of observation a piece of evidence is.
type EvidenceKind string

// The kinds of evidence.
const (
	EvidenceLogs     EvidenceKind = "logs"     // runtime log lines
	EvidenceBuildLog EvidenceKind = "buildlog" // lines of an image build
	EvidencePattern  EvidenceKind = "pattern"  // a log template with counts before and after
	EvidenceInstance EvidenceKind = "instance" // exit code, signal, OOM, who stopped it
	EvidenceProbes   EvidenceKind = "probes"   // health check transcript
	EvidenceMetric   EvidenceKind = "metric"   // a segment of a series
	EvidenceRoute    EvidenceKind = "route"    // request counts by status, per release
	EvidenceCommit   EvidenceKind = "commit"   // a commit with its diff
	EvidenceRelease  EvidenceKind = "release"  // difference of two releases: image, env keys, spec
	EvidenceEvents   EvidenceKind = "events"   // events around the onset
	EvidenceHost     EvidenceKind = "host"
	EvidenceTrace    EvidenceKind = "trace" // spans of one service
	EvidenceMap      EvidenceKind = "map"   // who depends on whom
	EvidenceFacts    EvidenceKind = "facts" // all of the above as data, as the rules read it; shown to nobody, exported
)

// Evidence is an immutable record of one observation. Claims cite it by ID; a quote in a claim must be a substring of Excerpt.
type Evidence struct {
	ID         EvidenceID   `json:"id"`
	IncidentID IncidentID   `json:"incident_id"`
	Number     int          `json:"number"` // 1, 2 ... within the incident; shown as E1, E2
	Kind       EvidenceKind `json:"kind"`
	Title      string       `json:"title"`
	Source     string       `json:"source"` // where it was read: "logs:api/ins_...", "git", "engine"
	Query      string       `json:"query,omitempty"`
	From       time.Time    `json:"from,omitzero"`
	To         time.Time    `json:"to,omitzero"`
	Excerpt    string       `json:"excerpt"` // redacted of secrets, otherwise as read
	SHA256     string       `json:"sha256"`  // of Excerpt
	Truncated  bool         `json:"truncated,omitempty"`
	// Flagged is true when the text holds phrases that try to instruct a reader; nothing is deleted for it.
	Flagged bool      `json:"flagged,omitempty"`
	At      time.Time `json:"at"`
}

// Seal returns e with its hash filled in.
func (e Evidence) Seal() Evidence {
	sum := sha256.Sum256([]byte(e.Excerpt))
	e.SHA256 = hex.EncodeToString(sum[:])
	return e
}
