package platform

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// Typed identifiers. Each begins with the prefix of its noun, so that an id says what it names wherever it is read.
type (
	// ProjectID names a Project: prj_...
	ProjectID string
	// EnvironmentID names an Environment: env_...
	EnvironmentID string
	// ServiceID names a Service: srv_...
	ServiceID string
	// SlotID names a Slot: slot_...
	SlotID string
	// ReleaseID names a Release: rel_...
	ReleaseID string
	// DeployID names a Deploy: dep_...
	DeployID string
	// InstanceID names an Instance: ins_...
	InstanceID string
	// DiskID names a Disk: dsk_...
	DiskID string
	// EventID names an Event: evt_...
	EventID string
	// IncidentID names an Incident: inc_...
	IncidentID string
	// EvidenceID names one frozen observation: ev_...
	EvidenceID string
	// DiagnosisID names a Diagnosis: diag_...
	DiagnosisID string
	// PlanID names a Plan: plan_...
	PlanID string
	// ApprovalID names an Approval: apr_...
	ApprovalID string
	// TokenID names a Token: tok_...
	TokenID string
	// SilenceID names a Silence: sil_...
	SilenceID string
	// InboundID names an InboundAlert: alr_...
	InboundID string
	// ChannelID names a Channel: chn_...
	ChannelID string
	// DeliveryID names a Delivery: dlv_...
	DeliveryID string
)

// Prefixes of identifiers, without the underscore.
const (
	PrefixProject     = "prj"
	PrefixEnvironment = "env"
	PrefixService     = "srv"
	PrefixSlot        = "slot"
	PrefixRelease     = "rel"
	PrefixDeploy      = "dep"
	PrefixInstance    = "ins"
	PrefixDisk        = "dsk"
	PrefixEvent       = "evt"
	PrefixIncident    = "inc"
	PrefixEvidence    = "ev"
	PrefixDiagnosis   = "diag"
	PrefixPlan        = "plan"
	PrefixApproval    = "apr"
	PrefixToken       = "tok"
	PrefixSilence     = "sil"
	PrefixInbound     = "alr"
	PrefixChannel     = "chn"
	PrefixDelivery    = "dlv"
)

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns a fresh identifier of type T with the given prefix: 48 bits of milliseconds, then 56 random bits,
// in lower-case base32, so that ids of one noun sort by the time they were made.
func NewID[T ~string](prefix string) T {
	var raw [13]byte
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().UnixMilli()))
	copy(raw[:6], ms[2:])
	if _, err := rand.Read(raw[6:]); err != nil {
		panic("platform: the system has no random source: " + err.Error())
	}
	return T(prefix + "_" + idEncoding.EncodeToString(raw[:]))
}

// HasPrefix reports whether id looks like an identifier of the noun with the given prefix.
func HasPrefix(id, prefix string) bool {
	return strings.HasPrefix(id, prefix+"_") && len(id) > len(prefix)+1
}
