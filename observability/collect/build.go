package collect

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/parse"
	"github.com/fairlead/fairlead/platform"
)

// Output is where lines that no engine keeps, such as those of a build, go into the hub and the store.
type Output struct {
	Logs     observability.Logs
	Hub      *observability.Hub
	Redactor func(project string) func(string) string

	mu   sync.Mutex // guards the fields below
	last time.Time
	seq  uint64
}

// AppendBuild stores lines of a deploy's image build, in order, and shows them to live readers. The lines are redacted.
// Lines given with an error returned were shown but not stored; the caller may give them again.
func (o *Output) AppendBuild(ctx context.Context, deploy platform.Deploy, lines []string) error {
	return o.append(ctx, observability.Line{
		Project: deploy.Project, Environment: deploy.Environment, Service: deploy.Service, Release: deploy.ReleaseNumber,
		Deploy: string(deploy.ID), Source: observability.SourceBuild, Stream: "stdout",
	}, lines)
}

// AppendSystem stores lines that Fairlead itself says about a slot.
func (o *Output) AppendSystem(ctx context.Context, slot platform.SlotRef, lines []string) error {
	return o.append(ctx, observability.Line{
		Project: slot.Project, Environment: slot.Environment, Service: slot.Service, Source: observability.SourceSystem, Stream: "stdout",
	}, lines)
}

func (o *Output) append(ctx context.Context, base observability.Line, texts []string) error {
	var redact parse.Redact
	if o.Redactor != nil {
		if redact = o.Redactor(base.Project); redact == nil {
			return errNoRedactor
		}
	}
	lines := make([]observability.Line, 0, len(texts))
	for _, text := range texts {
		base.At, base.Seq = o.next(time.Now())
		lines = append(lines, parse.Text(base, text, redact))
	}
	o.Hub.Publish(lines)
	if err := o.Logs.Append(ctx, lines); err != nil {
		return fmt.Errorf("store lines of %s: %w", base.Source, err)
	}
	return nil
}

// next returns a time that never goes back, and a number that orders lines of the same time.
func (o *Output) next(now time.Time) (time.Time, uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.After(o.last) {
		o.last, o.seq = now, 0
	} else {
		o.seq++
	}
	return o.last, o.seq
}

// labelsOf returns the labels that every sample of a slot carries.
func labelsOf(project, environment, service string, release int) map[string]string {
	return map[string]string{"project": project, "environment": environment, "service": service, "release": fmt.Sprint(release)}
}

// Append stores lines that are parsed and redacted already, and shows them to live readers.
func (o *Output) Append(ctx context.Context, lines []observability.Line) error {
	o.Hub.Publish(lines)
	if err := o.Logs.Append(ctx, lines); err != nil {
		return fmt.Errorf("store lines: %w", err)
	}
	return nil
}
