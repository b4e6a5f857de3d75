// Package evidence gathers what is known about an incident and freezes it before anything thinks about it.
//
// It owns the bundle: numbered, hashed, redacted, immutable items and the typed view of the same text that package
// causes reads, so that every quote of a rule is a substring of an item. It bounds lines and bytes, flags text that
// tries to instruct its reader, and turns every read that fails into a gap: missing data is never evidence. It must
// not know how the platform keeps its facts: sources.go says what it needs.
package evidence

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// Sources is everything that a Gatherer reads. A nil source is a gap in every bundle. Sources answer with a platform
// error of code not_found for what does not exist; any other error becomes a gap.
type Sources struct {
	Releases Releases
	Runtime  Runtime
	Commits  Commits
	Events   Events
	Logs     Logs
	Metrics  Metrics
	// Spans, Map and Past are nil without a gap: many applications send no spans, and an installation may be new.
	Spans Spans
	Map   Map
	Past  Past
}

// Releases reads deploys, releases and configuration.
type Releases interface {
	Deploy(ctx context.Context, id platform.DeployID) (platform.Deploy, error)
	Release(ctx context.Context, id platform.ReleaseID) (platform.Release, error)
	// PreviousHealthyRelease returns the newest release numbered below before that was live and healthy in the slot. before 0
	// means the live one, for a deploy that never became a release. None is a not_found error.
	PreviousHealthyRelease(ctx context.Context, slot platform.SlotID, before int) (platform.Release, error)
	// Config returns one version of a slot's own variables, with the values of secrets removed. Version 0 is the empty one.
	Config(ctx context.Context, slot platform.SlotID, version int64) (platform.Config, error)
}

// Runtime reads instances and their probes.
type Runtime interface {
	// Instances returns the instances of a slot that have not ended or ended after since, newest first.
	Instances(ctx context.Context, slot platform.SlotID, since time.Time) ([]platform.Instance, error)
	// Probes returns the newest health checks of an instance, oldest first.
	Probes(ctx context.Context, instance platform.InstanceID) ([]platform.Probe, error)
	// Slots returns every slot of the environment with the instances that have not ended, for what the service depends on.
	Slots(ctx context.Context, project, environment string) ([]platform.SlotDetail, error)
}

// Commits reads the project's repository.
type Commits interface {
	// Commits returns the commits after one SHA up to and including the other, oldest first. An empty after means that
	// only upto itself is asked for.
	Commits(ctx context.Context, project, after, upto string) ([]platform.Commit, error)
	// Diff returns the unified diff between two commits, with renames found. An empty from is the empty tree.
	Diff(ctx context.Context, project, from, to string) (string, error)
}

// Events reads the timeline.
type Events interface {
	// Events returns events that pass the filter, oldest first.
	Events(ctx context.Context, f platform.EventFilter) ([]platform.Event, error)
}

// Logs is the part of observability.Logs that is read.
type Logs interface {
	Query(ctx context.Context, q observability.LogQuery) (observability.LogPage, error)
}

// Metrics is the part of observability.Metrics that is read.
type Metrics interface {
	Query(ctx context.Context, q observability.MetricQuery) ([]observability.Series, error)
}

// Options bounds what is gathered. Zero fields take their defaults.
type Options struct {
	// Redactor returns what removes the project's secret values from a text; it is asked once for each incident.
	// It returns nil while they cannot be read; then nothing is gathered. The patterns of well-known tokens are removed
	// in any case.
	Redactor func(project string) func(text string) string
	Lines    int           // log lines in one item; default 400
	Bytes    int           // bytes of one item; default 64 KiB
	Line     int           // bytes of one record; default 8 KiB
	Before   time.Duration // how long before the onset is read; default 5 min
	Now      func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Redactor == nil {
		o.Redactor = func(string) func(string) string { return func(text string) string { return text } }
	}
	if o.Lines <= 0 {
		o.Lines = 400
	}
	if o.Bytes <= 0 {
		o.Bytes = 64 << 10
	}
	if o.Line <= 0 {
		o.Line = 8 << 10
	}
	if o.Before <= 0 {
		o.Before = 5 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
