package platform

import "time"

// Figures are counts of what is recorded, for metrics.
type Figures struct {
	Queue []QueueFigure
	Slots []SlotFigure
}

// QueueFigure counts the jobs of one kind and state.
type QueueFigure struct {
	Kind  string
	State string // available, running, scheduled, retryable
	Jobs  int
	// Oldest is how long the one that has been due for longest waits; 0 for jobs that run or are not due.
	Oldest time.Duration
}

// SlotFigure counts what happened in one slot.
type SlotFigure struct {
	Project, Environment, Service string

	Replicas                 int
	Instances                map[InstanceState]int // not ended
	Running                  []InstanceFigure      // these, one by one
	Deaths                   int                   // instances that ended by themselves
	OOMKills                 int                   // of these, for want of memory
	Deploys                  map[Phase]int         // by their last phase, or the present one
	DeployTook, BuildTook    DurationFigure
	Incidents, OpenIncidents map[Signal]int
	Disk                     *DiskSpec // of the live release
}

// InstanceFigure is one instance that has not ended.
type InstanceFigure struct {
	ID      InstanceID
	Release int
	Ready   bool // its last health check passed
}

// FigureBounds are the upper bounds of the buckets of a DurationFigure; one more bucket has none.
var FigureBounds = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute,
	2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, time.Hour,
}

// DurationFigure is a histogram of durations.
type DurationFigure struct {
	Buckets []int // by index of FigureBounds, the last without a bound; not cumulative; nil when empty
	Sum     time.Duration
}
