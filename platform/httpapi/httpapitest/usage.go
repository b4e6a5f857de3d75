package httpapitest

import (
	"context"
	"time"

	"github.com/fairlead/fairlead/platform"
)

func (p *Plane) fillUsage() {
	cost := func(f float64) *platform.Micro { return ptr(platform.MicroOf(f)) }
	api := platform.Usage{
		CPUSeconds: platform.MicroOf(41_230.5), MemoryGBHours: platform.MicroOf(88.25), EgressBytes: 12_400_000_000, BuildMinutes: platform.MicroOf(14.5),
		Requests: 1_250_000, MeasuredSeconds: platform.MicroOf(604_000), UnmeasuredSeconds: platform.MicroOf(720),
	}
	features := platform.Usage{DiskGBHours: platform.MicroOf(500), UnmeasuredSeconds: platform.MicroOf(86_400)}
	month := time.Date(Now.Year(), Now.Month(), 1, 0, 0, 0, 0, time.UTC)
	p.Usage = platform.UsageReport{
		From: month, To: Now, LiveFrom: Now.Truncate(time.Hour), By: platform.UsageByService, Currency: "EUR",
		Rows: []platform.UsageRow{
			{Project: "shop", Environment: "production", Service: "api", Usage: api, Cost: cost(12.345678)},
			{Project: "shop", Environment: "production", Service: "features", Usage: features, Cost: cost(0.05)},
		},
		Total: platform.UsageRow{Usage: api.Plus(features), Cost: cost(12.395678)},
		Budgets: []platform.BudgetStatus{{
			Budget: platform.Budget{
				Project: "shop", Monthly: platform.MicroOf(20), Actor: platform.Actor{Kind: platform.ActorHuman, Name: "ada", Role: platform.RoleAdmin},
				UpdatedAt: month, Month: month.Format("2006-01"), Told: []string{"50", platform.BudgetForecast},
			},
			Spent: platform.MicroOf(12.395678), Forecast: cost(28.1),
		}},
		Notes: []string{"Nothing measured the instances for 87120 s of the 691120 s that they ran: what they used then is in no sum."},
	}
	p.Project.Logs = &platform.LogsKept{LogRetention: platform.LogRetention{Age: platform.Duration(720 * time.Hour), Bytes: 5_000_000_000}, Stored: 1_234_567}
}

// GetUsage answers the sample report, by day when that is asked for.
func (p *Plane) GetUsage(_ context.Context, actor platform.Actor, req platform.UsageRequest) (platform.UsageReport, error) {
	r := p.Usage
	if req.By == platform.UsageByDay {
		r.By = req.By
		r.Rows = []platform.UsageRow{{Project: "shop", Day: Now.Format(time.DateOnly), Usage: r.Total.Usage, Cost: r.Total.Cost}}
	}
	return r, p.read("GetUsage", actor, req)
}

// SetBudget answers the budget that was asked for.
func (p *Plane) SetBudget(_ context.Context, actor platform.Actor, req platform.SetBudgetRequest) (platform.Budget, error) {
	return platform.Budget{Project: req.Project, Monthly: req.Monthly, Actor: actor, UpdatedAt: Now}, p.write("SetBudget", actor, req)
}

// SetRetention answers the project with what was asked for.
func (p *Plane) SetRetention(_ context.Context, actor platform.Actor, req platform.SetRetentionRequest) (platform.Project, error) {
	project := p.Project.Project
	project.LogRetention = req.LogRetention
	return project, p.write("SetRetention", actor, req)
}
