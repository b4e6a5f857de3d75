package control

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/observability/usage"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
)

// SetBudget sets what a project may cost in a calendar month; 0 takes the budget away. Its marks are told anew.
//
// A budget reached is an event and no incident: an incident belongs to a slot, is diagnosed and may lead to a plan, and
// money spent by a whole project has no cause to find in one slot and no action that Fairlead should take.
func (p *Plane) SetBudget(ctx context.Context, actor platform.Actor, req platform.SetBudgetRequest) (platform.Budget, error) {
	if err := authorize(actor, verbSetBudget, ""); err != nil {
		return platform.Budget{}, err
	}
	if err := req.Check(); err != nil {
		return platform.Budget{}, err
	}
	var budget platform.Budget
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		project, err := findProject(ctx, tx, actor, verbSetBudget, req.Project)
		if err != nil {
			return err
		}
		budget = platform.Budget{Project: project.Name, Monthly: req.Monthly, Actor: actor, UpdatedAt: p.now()}
		f := fact{
			kind: platform.EventBudgetSet, actor: actor, at: inProject(project), subject: string(project.ID),
			summary: fmt.Sprintf("%s set the budget of %s to %s a month.", actor.Name, project.Name, req.Monthly), payload: map[string]any{"monthly": req.Monthly},
		}
		if req.Monthly == 0 {
			f.summary = fmt.Sprintf("%s took the budget of %s away.", actor.Name, project.Name)
			p.record(tx, f)
			return tx.DeleteBudget(ctx, project.Name)
		}
		p.record(tx, f)
		return tx.PutBudget(ctx, project.ID, budget)
	})
	return budget, err
}

// budgetsOf returns how the budgets of some projects stand this month; without prices nothing is spent.
func (p *Plane) budgetsOf(ctx context.Context, projects []string, prices *usage.Prices, now time.Time) ([]platform.BudgetStatus, error) {
	var budgets []platform.Budget
	err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		budgets, err = tx.Budgets(ctx, projects)
		return err
	})
	out := make([]platform.BudgetStatus, 0, len(budgets))
	if err != nil || len(budgets) == 0 {
		return out, err
	}
	spent := map[string]platform.Micro{}
	if month := usage.Month(now); prices != nil && month.From.Before(now) {
		cells, _, _, err := p.usageCells(ctx, projects, month.From, now)
		if err != nil {
			return out, err
		}
		for _, c := range merged(cells) {
			spent[c.Project] += prices.Cost(c.Project, c.Usage)
		}
	}
	for _, b := range budgets {
		out = append(out, platform.BudgetStatus{Budget: b, Spent: spent[b.Project], Forecast: usage.Forecast(spent[b.Project], now)})
	}
	return out, nil
}

// CheckBudgets records each mark of each budget that this month has reached, once.
func (p *Plane) CheckBudgets(ctx context.Context) error {
	if p.o.Prices == nil {
		return nil
	}
	prices, err := p.o.Prices()
	if prices == nil {
		return err
	}
	now := p.now()
	budgets, err := p.budgetsOf(ctx, nil, prices, now)
	if err != nil {
		return err
	}
	for _, b := range budgets {
		if len(usage.Reached(b, now)) == 0 {
			continue
		}
		if err := p.tellBudget(ctx, b, prices.Currency, now); err != nil {
			return err
		}
	}
	return nil
}

// tellBudget looks again with the budget locked, so that of several servers one tells.
func (p *Plane) tellBudget(ctx context.Context, s platform.BudgetStatus, currency string, now time.Time) error {
	return p.store.InTx(ctx, func(tx *store.Tx) error {
		locked, err := tx.LockBudget(ctx, s.Project)
		if err != nil || locked == nil || !locked.UpdatedAt.Equal(s.UpdatedAt) {
			return err
		}
		s.Budget = *locked
		month := usage.Month(now).From.Format("2006-01")
		marks := usage.Reached(s, now)
		if s.Month != month {
			s.Month, s.Told = month, nil
		}
		for _, mark := range marks {
			s.Told = append(s.Told, mark)
			p.record(tx, fact{
				kind: platform.EventBudgetReached, actor: platform.SystemActor("usage"), at: place{project: s.Project}, subject: s.Project,
				summary: budgetSentence(s, mark, month, currency),
				payload: map[string]any{"mark": mark, "month": month, "monthly": s.Monthly, "spent": s.Spent, "currency": currency},
			})
		}
		return tx.UpdateBudget(ctx, s.Budget)
	})
}

func budgetSentence(s platform.BudgetStatus, mark, month, currency string) string {
	budget := fmt.Sprintf("its budget of %s %s for %s", s.Monthly.Fixed(2), currency, month)
	if mark == platform.BudgetForecast && s.Forecast != nil {
		return fmt.Sprintf("%s is on its way to %s %s, above %s.", s.Project, s.Forecast.Fixed(2), currency, budget)
	}
	return fmt.Sprintf("%s has spent %s%% of %s: %s %s so far.", s.Project, mark, budget, s.Spent.Fixed(2), currency)
}
