package platform

import (
	"strings"
	"time"
)

// Verdict is the kind of answer a diagnosis gives.
type Verdict string

// The verdicts.
const (
	VerdictCause   Verdict = "cause"
	VerdictNone    Verdict = "none"    // nothing in the evidence names a cause
	VerdictHealthy Verdict = "healthy" // nothing is wrong
)

// Category is the closed set of causes. The catalogue with its rules is in agent/causes.
type Category string

// The categories.
const (
	CategoryBuildFailed       Category = "build_failed"
	CategoryMissingEnv        Category = "missing_env"
	CategoryImportError       Category = "import_error"
	CategoryBadCommand        Category = "bad_command"
	CategoryPortMismatch      Category = "port_mismatch"
	CategoryBadHealthPath     Category = "bad_health_path"
	CategorySlowStart         Category = "slow_start"
	CategoryOOMKilled         Category = "oom_killed"
	CategoryCUDAOOM           Category = "cuda_oom"
	CategoryDependency        Category = "dependency_down"
	CategoryCodeError         Category = "code_error"
	CategoryBadConfig         Category = "bad_config"
	CategoryMigrationFailed   Category = "migration_failed"
	CategorySchemaMismatch    Category = "schema_mismatch"
	CategoryDiskFull          Category = "disk_full"
	CategoryImagePull         Category = "image_pull"
	CategoryArchMismatch      Category = "arch_mismatch"
	CategoryDNSFailure        Category = "dns_failure"
	CategoryBadCredentials    Category = "bad_credentials"
	CategoryQueueBacklog      Category = "queue_backlog"
	CategoryPoisonMessage     Category = "poison_message"
	CategoryMemoryLeak        Category = "memory_leak"
	CategoryUpstream5xx       Category = "upstream_5xx"
	CategoryRateLimited       Category = "rate_limited"
	CategoryGPUUnavailable    Category = "gpu_unavailable"
	CategorySharedMemory      Category = "shm_exhausted"
	CategoryVolumePermission  Category = "volume_permission"
	CategoryReadOnlyFS        Category = "read_only_fs"
	CategoryDescriptors       Category = "fd_exhausted"
	CategoryPoolExhausted     Category = "pool_exhausted"
	CategoryPortInUse         Category = "port_in_use"
	CategoryNoisyNeighbour    Category = "noisy_neighbour"
	CategoryCertExpired       Category = "cert_expired"
	CategoryClockSkew         Category = "clock_skew"
	CategoryTrafficSurge      Category = "traffic_surge"
	CategoryRetryStorm        Category = "retry_storm"
	CategoryHang              Category = "hang"
	CategoryUngracefulStop    Category = "ungraceful_stop"
	CategoryMissingMount      Category = "missing_mount_or_network"
	CategoryBadModelArtifact  Category = "bad_model_artifact"
	CategoryRequestTooLarge   Category = "request_too_large"
	CategoryLogFlood          Category = "log_flood"
	CategoryLatencyRegression Category = "latency_regression"
	CategoryCacheStampede     Category = "cache_stampede"
	CategoryFlagChange        Category = "flag_change"
	CategoryHealthy           Category = "healthy"
	CategoryNone              Category = "none"
)

// titles are the categories whose names alone do not say it.
var titles = map[Category]string{
	CategoryBuildFailed: "The build failed", CategoryMissingEnv: "An environment variable is missing",
	CategoryImportError: "A module cannot be loaded", CategoryBadCommand: "The command cannot be run",
	CategoryPortMismatch: "It listens elsewhere", CategoryBadHealthPath: "The health check asks for a wrong path",
	CategorySlowStart: "It starts too slowly", CategoryOOMKilled: "Out of memory",
	CategoryDependency: "Another service is down", CategoryCodeError: "An error in the code",
	CategoryBadConfig: "A bad setting",
}

// Title says the category to people: "Out of memory", "Disk full".
func (c Category) Title() string {
	if title, ok := titles[c]; ok || c == "" {
		return title
	}
	text := strings.ReplaceAll(string(c), "_", " ")
	return strings.ToUpper(text[:1]) + text[1:]
}

// Claim is one sentence that cites evidence. Quote, where given, is a substring of the first cited excerpt.
type Claim struct {
	Text     string       `json:"text"`
	Quote    string       `json:"quote,omitempty"`
	Evidence []EvidenceID `json:"evidence"`
}

// Location is a place in the project's source.
type Location struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Hunk string `json:"hunk,omitempty"` // the hunk of the diff that touches it
}

// Cause is one ranked explanation.
type Cause struct {
	Rank     int       `json:"rank"` // 1 is the best
	Category Category  `json:"category"`
	Service  string    `json:"service"`
	Change   *Change   `json:"change,omitempty"` // nil when no change is to blame
	Location *Location `json:"location,omitempty"`
	Variable string    `json:"variable,omitempty"` // the environment variable, for missing_env
	Score    float64   `json:"score"`              // 0 to 1, from evidence
	Summary  string    `json:"summary"`            // one or two sentences for people
	Claims   []Claim   `json:"claims"`
}

// Hop is one step of how a fault spread: from the service that failed to the one that waited for it.
type Hop struct {
	From     string       `json:"from"`
	To       string       `json:"to"`
	Evidence []EvidenceID `json:"evidence,omitempty"`
}

// RuledOut is a hypothesis that the evidence speaks against.
type RuledOut struct {
	Hypothesis string       `json:"hypothesis"`
	Why        string       `json:"why"`
	Evidence   []EvidenceID `json:"evidence,omitempty"`
}

// Diagnosis is the answer to "what failed, why, and what should be done".
type Diagnosis struct {
	ID          DiagnosisID  `json:"id"`
	IncidentID  IncidentID   `json:"incident_id"`
	Verdict     Verdict      `json:"verdict"`
	Category    Category     `json:"category"`
	Summary     string       `json:"summary"`
	Confidence  float64      `json:"confidence"` // 0 to 1, computed from evidence coverage
	Causes      []Cause      `json:"causes"`
	RuledOut    []RuledOut   `json:"ruled_out"`
	BlastRadius []string     `json:"blast_radius,omitempty"` // services that suffered from it, the first failing one not among them
	Propagation []Hop        `json:"propagation,omitempty"`
	Gaps        []string     `json:"gaps"` // what could not be read; missing data is never evidence
	Suggestions []Suggestion `json:"suggestions"`
	Evidence    []EvidenceID `json:"evidence"` // everything that was frozen for it
	Engine      string       `json:"engine"`
	Took        Duration     `json:"took"`
	At          time.Time    `json:"at"`
}

// Title says the verdict to people, without how sure it is.
func (d *Diagnosis) Title() string {
	switch d.Verdict {
	case VerdictHealthy:
		return "Nothing is wrong now"
	case VerdictNone:
		return "The evidence names no cause"
	case VerdictCause:
	}
	return d.Category.Title()
}

// Suggestion is an action that the diagnosis proposes, before control freezes it into a plan.
type Suggestion struct {
	Action   Action       `json:"action"`
	Reason   string       `json:"reason"`
	Evidence []EvidenceID `json:"evidence"`
}
