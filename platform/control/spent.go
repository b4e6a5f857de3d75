package control

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/observability/usage"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/policy"
	"github.com/fairlead/fairlead/platform/store"
)

// spending is what a project spent so far, asked before the transaction that needs it, since it reads samples: nil when
// its policy sets no limit, when the action adds nothing, or when it is not known.
func (p *Plane) spending(ctx context.Context, project string, kind platform.ActionKind) *policy.Spent {
	if kind != platform.ActionScale || p.o.Prices == nil {
		return nil
	}
	limited := false
	err := p.store.View(ctx, func(tx *store.Tx) error {
		found, err := tx.ProjectByRef(ctx, project)
		if err != nil {
			return err
		}
		held, err := tx.PolicyOf(ctx, found)
		project, limited = found.Name, held.Policy.Spend != platform.SpendLimits{}
		return err
	})
	if err != nil || !limited {
		return nil // an error shows again where the action is looked at
	}
	spent, err := p.spent(ctx, project)
	if err != nil {
		p.o.Log.Warn("what a project spent is not known", "project", project, "error", err)
	}
	return spent
}

// spent is what a project cost this UTC day and this month, nil without prices.
func (p *Plane) spent(ctx context.Context, project string) (*policy.Spent, error) {
	prices, err := p.o.Prices()
	if prices == nil {
		return nil, err
	}
	now := p.now()
	out := &policy.Spent{Currency: prices.Currency}
	day := now.Truncate(24 * time.Hour)
	cells, _, _, err := p.usageCells(ctx, []string{project}, usage.Month(now).From, now)
	if err != nil {
		return nil, err
	}
	for _, c := range merged(cells) {
		cost := prices.Cost(c.Project, c.Usage)
		out.Month += cost
		if !c.At.Before(day) {
			out.Day += cost
		}
	}
	return out, nil
}
