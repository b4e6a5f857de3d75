package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/observability/usage"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// Settings of the roll-up.
const (
	// usageMark is the setting that says which hour is rolled up next.
	usageMark = "usage-next-hour"
	// usageReach is how far back the first roll-up goes: as long as samples last by default.
	usageReach = 15 * 24 * time.Hour
	// usageSettle is how long after its end an hour is finished: its last stretch may end in the next one, and samples take
	// a moment to arrive.
	usageSettle = usage.MaxGap + time.Minute
	// maxLiveHours bounds what one report computes from samples when the roll-up is behind.
	maxLiveHours = 48
)

// RollUpUsage writes every hour that is finished and not written yet, oldest first. Writing one again gives the same.
func (p *Plane) RollUpUsage(ctx context.Context) error {
	for {
		hour, err := p.nextUsageHour(ctx)
		if err != nil || p.now().Before(hour.Add(time.Hour+usageSettle)) {
			return err
		}
		cells, err := p.measure(ctx, usage.Window{From: hour, To: hour.Add(time.Hour)})
		if err != nil {
			return err
		}
		err = p.store.InTx(ctx, func(tx *store.Tx) error {
			if err := tx.PutUsage(ctx, hour, cells); err != nil {
				return err
			}
			return tx.PutSetting(ctx, usageMark, hour.Add(time.Hour).Format(time.RFC3339))
		})
		if err != nil {
			return err
		}
	}
}

// nextUsageHour is the first hour that is not rolled up.
func (p *Plane) nextUsageHour(ctx context.Context) (time.Time, error) {
	first := p.now().Add(-usageReach)
	err := p.store.View(ctx, func(tx *store.Tx) error {
		text, err := tx.Setting(ctx, usageMark)
		if err != nil {
			return err
		}
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			first = at.UTC()
			return nil
		}
		projects, err := tx.AllProjects(ctx)
		oldest := p.now()
		for _, project := range projects {
			if project.CreatedAt.Before(oldest) {
				oldest = project.CreatedAt
			}
		}
		if oldest.After(first) {
			first = oldest
		}
		return err
	})
	return first.UTC().Truncate(time.Hour), err
}

// usageCells are what was used in a range, by day: finished hours as they were written, the others from samples. It says
// from when on they are, and up to when it computed them.
func (p *Plane) usageCells(ctx context.Context, projects []string, from, to time.Time) (cells []store.UsageCell, live, until time.Time, err error) {
	if live, err = p.nextUsageHour(ctx); err != nil {
		return nil, live, to, err
	}
	err = p.store.View(ctx, func(tx *store.Tx) error {
		cells, err = tx.UsageByDay(ctx, projects, from, earlier(to, live))
		return err
	})
	if err != nil {
		return nil, live, to, err
	}
	hour := live
	if from.After(hour) {
		hour = from
	}
	for n := 0; hour.Before(to); n++ {
		if n == maxLiveHours {
			return cells, live, hour, nil
		}
		found, err := p.measure(ctx, usage.Window{From: hour, To: earlier(to, hour.Add(time.Hour))})
		if err != nil {
			return nil, live, to, err
		}
		for _, c := range found {
			if projects == nil || slices.Contains(projects, c.Project) {
				c.At = c.At.Truncate(24 * time.Hour)
				cells = append(cells, c)
			}
		}
		hour = hour.Add(time.Hour)
	}
	return cells, live, to, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// GetUsage reports what the services that the actor may see used, and what that costs. What a deleted project used is
// in the reports that name no project.
func (p *Plane) GetUsage(ctx context.Context, actor platform.Actor, req platform.UsageRequest) (platform.UsageReport, error) {
	if err := authorize(actor, verbRead, ""); err != nil {
		return platform.UsageReport{}, err
	}
	now := p.now()
	report, err := usageRange(req, now)
	if err != nil {
		return report, err
	}
	var scope store.Scope
	err = p.store.View(ctx, func(tx *store.Tx) error {
		scope, err = scopeOf(ctx, tx, actor, platform.SlotRef{Project: req.Project})
		return err
	})
	if err != nil {
		return report, err
	}
	cells, live, until, err := p.usageCells(ctx, scope.Projects, report.From, report.To)
	if err != nil {
		return report, err
	}
	report.LiveFrom, report.To = live, until
	prices := p.usagePrices(&report)
	fillUsage(&report, cells, prices)
	report.Budgets, err = p.budgetsOf(ctx, scope.Projects, prices, now)
	return report, err
}

// usageRange checks what is asked for and fills in its defaults.
func usageRange(req platform.UsageRequest, now time.Time) (platform.UsageReport, error) {
	r := platform.UsageReport{From: req.From.UTC().Truncate(time.Hour), To: req.To.UTC().Truncate(time.Hour), By: cmp.Or(req.By, platform.UsageByService), Notes: []string{}}
	if req.To.IsZero() || req.To.After(now) {
		r.To = now
	}
	if req.From.IsZero() {
		r.From = usage.Month(r.To.Add(-1)).From
	}
	switch {
	case !r.By.Valid():
		return r, platform.Errorf(platform.CodeInvalid, "Usage is not reported by %q.", platform.Truncate(string(r.By), 40)).WithHint("Use service or day.").WithField("by")
	case !r.From.Before(r.To):
		return r, platform.Errorf(platform.CodeInvalid, "The range begins at %s and ends at %s.", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339)).
			WithHint("Give a beginning that is at least an hour before the end, and not in the future.").WithField("from")
	case r.To.Sub(r.From) > platform.MaxUsageRange:
		return r, platform.Errorf(platform.CodeInvalid, "The range is longer than a year.").WithHint("Ask for it in parts.").WithField("from")
	}
	return r, nil
}

// usagePrices reads the prices of now, nil when there are none, and notes what is wrong with them.
func (p *Plane) usagePrices(r *platform.UsageReport) *usage.Prices {
	if p.o.Prices == nil {
		return nil
	}
	prices, err := p.o.Prices()
	if err != nil {
		r.Notes = append(r.Notes, err.Error())
	}
	if prices != nil {
		r.Currency = prices.Currency
	}
	return prices
}

// fillUsage makes rows of cells. Each cell, a service's day, is priced by itself, so that every way to cut a report
// costs the same.
func fillUsage(r *platform.UsageReport, cells []store.UsageCell, prices *usage.Prices) {
	type key struct{ project, environment, service, day string }
	rows := map[key]*platform.UsageRow{}
	if prices != nil {
		r.Total.Cost = new(platform.Micro)
	}
	for _, c := range merged(cells) {
		k := key{project: c.Project, environment: c.Environment, service: c.Service}
		if r.By == platform.UsageByDay {
			k = key{project: c.Project, day: c.At.Format(time.DateOnly)}
		}
		if rows[k] == nil {
			rows[k] = &platform.UsageRow{Project: k.project, Environment: k.environment, Service: k.service, Day: k.day}
			if prices != nil {
				rows[k].Cost = new(platform.Micro)
			}
		}
		rows[k].Usage, r.Total.Usage = rows[k].Plus(c.Usage), r.Total.Plus(c.Usage)
		if prices != nil {
			cost := prices.Cost(c.Project, c.Usage)
			*rows[k].Cost += cost
			*r.Total.Cost += cost
		}
	}
	r.Rows = make([]platform.UsageRow, 0, len(rows))
	for _, row := range rows {
		r.Rows = append(r.Rows, *row)
	}
	slices.SortFunc(r.Rows, func(a, b platform.UsageRow) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Project, b.Project), cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Service, b.Service))
	})
	if t := r.Total.UnmeasuredSeconds; t > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("Nothing measured the instances for %s s of the %s s that they ran: what they used then is in no sum.",
			t.Fixed(0), (t+r.Total.MeasuredSeconds).Fixed(0)))
	}
}

// merged adds the cells of the same day and service: the day in which hours written and hours computed meet has two.
func merged(cells []store.UsageCell) []store.UsageCell {
	type key struct {
		at    time.Time
		where place
	}
	at := map[key]int{}
	var out []store.UsageCell
	for _, c := range cells {
		k := key{c.At, place{c.Project, c.Environment, c.Service}}
		if i, ok := at[k]; ok {
			out[i].Usage = out[i].Plus(c.Usage)
			continue
		}
		at[k] = len(out)
		out = append(out, c)
	}
	return out
}
