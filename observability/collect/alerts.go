package collect

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/detect"
	"github.com/fairlead/fairlead/platform"
)

// ruled says which rules hold for which slots; control.Plane has it.
type ruled interface {
	ListRuledSlots(ctx context.Context) ([]platform.RuledSlot, error)
}

// counts counts lines; every store of logs has it.
type counts interface {
	Count(ctx context.Context, q observability.LogQuery, step time.Duration) ([]observability.LogCount, error)
}

// series evaluates PromQL; every store of metrics has it.
type series interface {
	Query(ctx context.Context, q observability.MetricQuery) ([]observability.Series, error)
}

// Alerts looks at the alert rules of every slot from time to time and reports the ones that fire and the ones that are
// over. What it remembers is lost with the process: a rule that fired then fires again once it has held for its time,
// and merges into the incident that is open.
type Alerts struct {
	Slots    ruled
	Logs     counts
	Metrics  series
	Reporter reporter
	Log      *slog.Logger
	Every    time.Duration // between looks; default 15 s

	memory map[alertKey]detect.AlertMemory
	told   map[alertKey]told
}

type alertKey struct {
	slot platform.SlotID
	rule string
}

// usualWindows is how many windows before the present one say what is usual.
const usualWindows = 12

// Run looks until ctx ends and returns nil. It is called once.
func (a *Alerts) Run(ctx context.Context) error {
	if a.Every == 0 {
		a.Every = 15 * time.Second
	}
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	ticker := time.NewTicker(a.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			if err := a.Look(ctx, now); err != nil && ctx.Err() == nil {
				a.Log.WarnContext(ctx, "the alert rules cannot be read", "error", err)
			}
		}
	}
}

// Look judges every rule once. Run calls it; tests may. A condition that cannot be measured leaves its rule as it was.
func (a *Alerts) Look(ctx context.Context, now time.Time) error {
	slots, err := a.Slots.ListRuledSlots(ctx)
	if err != nil {
		return err
	}
	if a.memory == nil {
		a.memory, a.told = map[alertKey]detect.AlertMemory{}, map[alertKey]told{}
	}
	present := map[alertKey]bool{}
	for _, s := range slots {
		for _, rule := range s.Rules {
			key := alertKey{s.Slot.ID, rule.Name}
			present[key] = true
			if err := a.judge(ctx, key, s.Slot, rule, now); err != nil && ctx.Err() == nil {
				a.Log.WarnContext(ctx, "an alert rule cannot be judged", "slot", s.Slot.Ref(), "rule", rule.Name, "error", err)
			}
		}
	}
	for key := range a.memory {
		if !present[key] {
			delete(a.memory, key)
			delete(a.told, key)
		}
	}
	return nil
}

func (a *Alerts) judge(ctx context.Context, key alertKey, slot platform.Slot, rule platform.AlertRule, now time.Time) error {
	reading, err := a.measure(ctx, slot, rule, now)
	if err != nil {
		return err
	}
	memory := a.memory[key].Look(rule, reading, now)
	a.memory[key] = memory
	last, known := a.told[key]
	switch {
	case memory.Firing && reading.Holds && (!known || last.resolved || now.Sub(last.at) >= again):
		if _, err := a.Reporter.Report(ctx, detect.AlertFinding(slot, rule, memory, reading, now)); err != nil {
			return err
		}
		a.told[key] = told{at: now}
	case !memory.Firing && memory.Settled(rule, now) && (!known || !last.resolved):
		// Told once after a start as well: the run before may have left an incident open.
		if _, err := a.Reporter.Report(ctx, detect.AlertOver(slot, rule, now)); err != nil {
			return err
		}
		a.told[key] = told{resolved: true, at: now}
	}
	return nil
}

func (a *Alerts) measure(ctx context.Context, slot platform.Slot, rule platform.AlertRule, now time.Time) (detect.Reading, error) {
	if rule.Logs != nil {
		return a.lines(ctx, slot, *rule.Logs, now)
	}
	result, err := a.Metrics.Query(ctx, observability.MetricQuery{
		Project: slot.Project, Environment: slot.Environment, Service: slot.Service, Expr: rule.Expr, From: now, To: now,
	})
	if err != nil {
		return detect.Reading{}, err
	}
	var reading detect.Reading
	for _, s := range result {
		for _, p := range s.Points {
			if holds := p.Value != 0 && !math.IsNaN(p.Value); holds && (!reading.Holds || math.Abs(p.Value) > math.Abs(reading.Value)) {
				reading = detect.Reading{Holds: true, Value: p.Value}
			}
		}
	}
	return reading, nil
}

func (a *Alerts) lines(ctx context.Context, slot platform.Slot, alert platform.LogAlert, now time.Time) (detect.Reading, error) {
	q := observability.LogQuery{
		Project: slot.Project, Environment: slot.Environment, Service: slot.Service, Source: observability.SourceRuntime,
		Levels: atLeast(alert.Level), Text: alert.Text, Regex: alert.Regex, From: now.Add(-alert.Window.D()), To: now,
	}
	count, err := a.count(ctx, q)
	if err != nil || alert.Factor == 0 || count < float64(alert.Count) {
		return detect.Lines(alert, count, count), err // too few, however few are usual
	}
	q.To = q.From
	q.From = q.To.Add(-usualWindows * alert.Window.D())
	before, err := a.count(ctx, q)
	return detect.Lines(alert, count, before/usualWindows), err
}

func (a *Alerts) count(ctx context.Context, q observability.LogQuery) (float64, error) {
	found, err := a.Logs.Count(ctx, q, max(q.To.Sub(q.From).Truncate(time.Millisecond), observability.MinLogStep))
	total := int64(0)
	for _, c := range found {
		total += c.Lines
	}
	return float64(total), err
}

// atLeast returns the levels from that one on; nil, which is every line, for "".
func atLeast(level string) []observability.Level {
	if level == "" {
		return nil
	}
	return observability.Levels[max(slices.Index(observability.Levels, observability.Level(level)), 0):]
}
