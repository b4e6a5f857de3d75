package platform

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
)

// EventKind names what happened, as noun.verb.
type EventKind string

// The kinds of event.
const (
	EventProjectCreated     EventKind = "project.created"
	EventProjectDeleted     EventKind = "project.deleted"
	EventBlueprintApplied   EventKind = "blueprint.applied"
	EventCommitPushed       EventKind = "commit.pushed"
	EventPushRefused        EventKind = "push.refused"
	EventDeployQueued       EventKind = "deploy.queued"
	EventDeployPhase        EventKind = "deploy.phase"
	EventDeployLive         EventKind = "deploy.live"
	EventDeployFailed       EventKind = "deploy.failed"
	EventDeployCanceled     EventKind = "deploy.canceled"
	EventDeploySuperseded   EventKind = "deploy.superseded"
	EventReleaseCreated     EventKind = "release.created"
	EventInstanceStarted    EventKind = "instance.started"
	EventInstanceReady      EventKind = "instance.ready"
	EventInstanceUnhealthy  EventKind = "instance.unhealthy"
	EventInstanceStopped    EventKind = "instance.stopped"
	EventInstanceDied       EventKind = "instance.died"
	EventConfigChanged      EventKind = "config.changed"
	EventSlotScaled         EventKind = "slot.scaled"
	EventSlotRestarted      EventKind = "slot.restarted"
	EventIncidentOpened     EventKind = "incident.opened"
	EventIncidentMerged     EventKind = "incident.merged"
	EventIncidentResolved   EventKind = "incident.resolved"
	EventIncidentDiagnosed  EventKind = "incident.diagnosed"
	EventPlanProposed       EventKind = "plan.proposed"
	EventPlanApproved       EventKind = "plan.approved"
	EventPlanRejected       EventKind = "plan.rejected"
	EventPlanRefused        EventKind = "plan.refused" // a decision or execution that was refused, with the reason
	EventPlanExecuting      EventKind = "plan.executing"
	EventPlanVerified       EventKind = "plan.verified"
	EventPlanFailed         EventKind = "plan.failed"
	EventPlanExpired        EventKind = "plan.expired"
	EventPlanStale          EventKind = "plan.stale"
	EventTokenCreated       EventKind = "token.created"
	EventTokenRevoked       EventKind = "token.revoked"
	EventSilenceCreated     EventKind = "silence.created"
	EventSilenceEnded       EventKind = "silence.ended"
	EventAlertPaged         EventKind = "alert.paged"      // an alert from outside
	EventAlertSuppressed    EventKind = "alert.suppressed" // the same, with the reason
	EventAlertResolved      EventKind = "alert.resolved"
	EventChannelCreated     EventKind = "channel.created"
	EventChannelChanged     EventKind = "channel.changed"
	EventChannelRemoved     EventKind = "channel.removed"
	EventChannelTested      EventKind = "channel.tested"
	EventChannelDisabled    EventKind = "channel.disabled"    // by Fairlead, since nothing arrives
	EventNotificationFailed EventKind = "notification.failed" // given up; the delivery log keeps it
	EventBudgetSet          EventKind = "budget.set"
	EventBudgetReached      EventKind = "budget.reached" // once for each mark and month
	EventRetentionSet       EventKind = "retention.set"
	EventPolicySet          EventKind = "policy.set"
	EventAgentStopped       EventKind = "agent.stopped" // nothing that agents proposed is carried out
	EventAgentStarted       EventKind = "agent.started"
	EventServerStarted      EventKind = "server.started"
	EventRouterStarted      EventKind = "router.started"
)

// EventKinds returns every kind of event.
func EventKinds() []EventKind {
	return []EventKind{
		EventProjectCreated, EventProjectDeleted, EventBlueprintApplied, EventCommitPushed, EventPushRefused,
		EventDeployQueued, EventDeployPhase, EventDeployLive, EventDeployFailed, EventDeployCanceled,
		EventDeploySuperseded, EventReleaseCreated, EventInstanceStarted, EventInstanceReady, EventInstanceUnhealthy,
		EventInstanceStopped, EventInstanceDied, EventConfigChanged, EventSlotScaled, EventSlotRestarted,
		EventIncidentOpened, EventIncidentMerged, EventIncidentResolved, EventIncidentDiagnosed, EventPlanProposed,
		EventPlanApproved, EventPlanRejected, EventPlanRefused, EventPlanExecuting, EventPlanVerified, EventPlanFailed,
		EventPlanExpired, EventPlanStale, EventTokenCreated, EventTokenRevoked, EventSilenceCreated, EventSilenceEnded,
		EventAlertPaged, EventAlertSuppressed, EventAlertResolved,
		EventChannelCreated, EventChannelChanged, EventChannelRemoved, EventChannelTested, EventChannelDisabled, EventNotificationFailed,
		EventBudgetSet, EventBudgetReached, EventRetentionSet, EventPolicySet, EventAgentStopped, EventAgentStarted, EventServerStarted, EventRouterStarted,
	}
}

// Event is an append-only fact. Events of one installation form one chain: each holds the hash of the one before.
type Event struct {
	Seq         int64           `json:"seq"` // 1, 2, 3 ... without gaps
	ID          EventID         `json:"id"`
	At          time.Time       `json:"at"` // microseconds, UTC
	Kind        EventKind       `json:"kind"`
	Actor       Actor           `json:"actor"`
	Project     string          `json:"project,omitempty"`
	Environment string          `json:"environment,omitempty"`
	Service     string          `json:"service,omitempty"`
	Subject     string          `json:"subject,omitempty"` // id of what it happened to
	Summary     string          `json:"summary"`           // one sentence for people
	Payload     json.RawMessage `json:"payload,omitempty"` // canonical JSON object, no secret values
	Cause       string          `json:"cause,omitempty"`   // id of the plan, incident, deploy or event that led to it
	PrevHash    string          `json:"prev_hash"`
	Hash        string          `json:"hash"`
}

// ComputeHash returns the hash of e over the previous hash and every other field: sha256 in hex.
// A chain verifies when each event's Hash equals ComputeHash and its PrevHash equals the Hash before it.
func (e Event) ComputeHash() string {
	actor, _ := json.Marshal(e.Actor)
	h := sha256.New()
	for _, part := range []string{
		e.PrevHash, strconv.FormatInt(e.Seq, 10), string(e.ID), e.At.UTC().Format("2006-01-02T15:04:05.000000Z"),
		string(e.Kind), string(actor), e.Project, e.Environment, e.Service, e.Subject, e.Summary, string(e.Payload), e.Cause,
	} {
		h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// VerifyChain returns the sequence number of the first event whose link is broken, or 0 when the chain holds.
// prev is the hash before the first event: "" at the very beginning. Events must be in order of Seq.
func VerifyChain(prev string, events []Event) int64 {
	for _, e := range events {
		if e.PrevHash != prev || e.ComputeHash() != e.Hash {
			return e.Seq
		}
		prev = e.Hash
	}
	return 0
}
