package worker

import (
	"sync"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// remembered is how long an ended instance counts for findings.
const remembered = 15 * time.Minute

// memory is what the worker knows between steps and may forget in a crash: it then learns it again from the engine.
type memory struct {
	mu       sync.Mutex
	slotOf   map[platform.DeployID]platform.SlotID // deploys that are not terminal
	refused  map[platform.DeployID]*platform.DeployFailure
	errors   map[platform.DeployID]int // steps in a row that could not be carried out
	since    map[platform.DeployID]time.Time
	leaving  map[platform.InstanceID]time.Time // out of the table since
	ended    map[platform.SlotID][]platform.Instance
	backoff  map[platform.SlotID]map[int]restart // by ordinal
	images   map[string]bool                     // removed
	traces   map[platform.DeployID]string        // traceparent of the job of an open deploy
	findings map[findingKey]string               // what the last reported finding was made from
}

// findingKey tells findings that merge into one incident.
type findingKey struct {
	slot    platform.SlotID
	signal  platform.Signal
	release platform.ReleaseID
}

// restart says how often an ordinal of the live release died in a row, and when it may start again.
type restart struct {
	release platform.ReleaseID
	deaths  int
	due     time.Time
}

func newMemory() *memory {
	return &memory{
		slotOf: map[platform.DeployID]platform.SlotID{}, refused: map[platform.DeployID]*platform.DeployFailure{},
		errors: map[platform.DeployID]int{}, since: map[platform.DeployID]time.Time{},
		leaving: map[platform.InstanceID]time.Time{}, ended: map[platform.SlotID][]platform.Instance{},
		backoff: map[platform.SlotID]map[int]restart{}, images: map[string]bool{}, traces: map[platform.DeployID]string{}, findings: map[findingKey]string{},
	}
}

func (m *memory) slot(id platform.DeployID) (platform.SlotID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.slotOf[id]
	return s, ok
}

func (m *memory) open(id platform.DeployID, slot platform.SlotID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slotOf[id] = slot
}

// close forgets a deploy that ended.
func (m *memory) close(id platform.DeployID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.slotOf, id)
	delete(m.traces, id)
	delete(m.refused, id)
	delete(m.errors, id)
	delete(m.since, id)
}

// setTrace notes the trace that an open deploy's work belongs to.
func (m *memory) setTrace(id platform.DeployID, traceparent string) {
	if traceparent == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.traces[id] = traceparent
}

func (m *memory) traceOf(id platform.DeployID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.traces[id]
}

// others returns the open deploys of the slot but id.
func (m *memory) others(slot platform.SlotID, id platform.DeployID) []platform.DeployID {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []platform.DeployID
	for d, s := range m.slotOf {
		if s == slot && d != id {
			found = append(found, d)
		}
	}
	return found
}

func (m *memory) refuse(id platform.DeployID, f *platform.DeployFailure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[id] = f
}

func (m *memory) refusal(id platform.DeployID) *platform.DeployFailure {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused[id]
}

// stumbled counts an error of a step and returns how many came in a row and for how long.
func (m *memory) stumbled(id platform.DeployID, now time.Time) (int, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.errors[id] == 0 {
		m.since[id] = now
	}
	m.errors[id]++
	return m.errors[id], now.Sub(m.since[id])
}

func (m *memory) walked(id platform.DeployID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.errors, id)
	delete(m.since, id)
}

// leave marks an instance as out of the table and returns since when.
func (m *memory) leave(id platform.InstanceID, now time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.leaving[id]; ok {
		return at
	}
	m.leaving[id] = now
	return now
}

func (m *memory) left(id platform.InstanceID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.leaving, id)
}

// buried remembers an ended instance, once, for the findings.
func (m *memory) buried(in platform.Instance, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.ended[in.SlotID][:0:0]
	for _, e := range m.ended[in.SlotID] {
		if e.ID != in.ID && e.EndedAt != nil && now.Sub(*e.EndedAt) < remembered {
			kept = append(kept, e)
		}
	}
	m.ended[in.SlotID] = append(kept, in)
}

func (m *memory) dead(slot platform.SlotID) []platform.Instance {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]platform.Instance(nil), m.ended[slot]...)
}

// restartState returns what is known about an ordinal of the release.
func (m *memory) restartState(slot platform.SlotID, release platform.ReleaseID, ordinal int) restart {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.backoff[slot][ordinal]
	if r.release != release {
		return restart{release: release}
	}
	return r
}

func (m *memory) setRestart(slot platform.SlotID, ordinal int, r restart) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.backoff[slot] == nil {
		m.backoff[slot] = map[int]restart{}
	}
	m.backoff[slot][ordinal] = r
}

func (m *memory) isLeaving(id platform.InstanceID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.leaving[id]
	return ok
}

// imageGone reports whether the image was removed before.
func (m *memory) imageGone(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.images[id]
}

// setImageGone remembers whether an image was removed: one that is in use again may have to go again.
func (m *memory) setImageGone(id string, gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if gone {
		m.images[id] = true
	} else {
		delete(m.images, id)
	}
}

// reported reports whether the same finding was reported last, made from the same.
func (m *memory) reported(f platform.Finding, from string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.findings[findingKey{f.SlotID, f.Signal, f.ReleaseID}] == from
}

func (m *memory) setReported(f platform.Finding, from string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.findings[findingKey{f.SlotID, f.Signal, f.ReleaseID}] = from
}
