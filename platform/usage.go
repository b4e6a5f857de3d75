package platform

import "time"

// Usage is what was used. GB are thousands of millions of bytes.
type Usage struct {
	CPUSeconds    Micro `json:"cpu_seconds"`
	MemoryGBHours Micro `json:"memory_gb_hours"` // of the working set
	GPUHours      Micro `json:"gpu_hours"`       // allocated, busy or not
	EgressBytes   int64 `json:"egress_bytes"`    // sent by the instances, to each other included
	BuildMinutes  Micro `json:"build_minutes"`
	DiskGBHours   Micro `json:"disk_gb_hours"` // as declared, full or not, from the first instance on
	Requests      int64 `json:"requests"`      // that the router answered
	// MeasuredSeconds and UnmeasuredSeconds are times of instances with samples and without: CPU, memory and egress of
	// the latter are not known and not in the sums above.
	MeasuredSeconds   Micro `json:"measured_seconds"`
	UnmeasuredSeconds Micro `json:"unmeasured_seconds"`
}

// Plus returns the sum of both.
func (u Usage) Plus(o Usage) Usage {
	return Usage{
		CPUSeconds: u.CPUSeconds + o.CPUSeconds, MemoryGBHours: u.MemoryGBHours + o.MemoryGBHours, GPUHours: u.GPUHours + o.GPUHours,
		EgressBytes: u.EgressBytes + o.EgressBytes, BuildMinutes: u.BuildMinutes + o.BuildMinutes, DiskGBHours: u.DiskGBHours + o.DiskGBHours,
		Requests: u.Requests + o.Requests, MeasuredSeconds: u.MeasuredSeconds + o.MeasuredSeconds, UnmeasuredSeconds: u.UnmeasuredSeconds + o.UnmeasuredSeconds,
	}
}

// Unknown reports whether instances ran and none of that time was measured.
func (u Usage) Unknown() bool { return u.MeasuredSeconds == 0 && u.UnmeasuredSeconds > 0 }

// UsageBy says what the rows of a report are.
type UsageBy string

// The kinds of row.
const (
	UsageByService UsageBy = "service" // one of each service and environment
	UsageByDay     UsageBy = "day"     // one of each project and UTC day
)

// Valid reports whether b is one of the kinds above.
func (b UsageBy) Valid() bool { return b == UsageByService || b == UsageByDay }

// UsageRequest asks for a report. Project "" means all that the actor may see. From and To fall on whole hours: what is
// asked for is cut to them. A zero From means the beginning of the month of To, a zero To now.
type UsageRequest struct {
	Project  string
	From, To time.Time
	By       UsageBy // "" means by service
}

// MaxUsageRange is the longest range of a report.
const MaxUsageRange = 366 * 24 * time.Hour

// UsageRow is one line of a report.
type UsageRow struct {
	Project     string `json:"project"`
	Environment string `json:"environment,omitempty"`
	Service     string `json:"service,omitempty"`
	Day         string `json:"day,omitempty"` // 2026-11-25, UTC
	Usage
	Cost *Micro `json:"cost,omitempty"` // absent without prices
}

// UsageReport is what was used in a range, and what it costs by the prices of now.
type UsageReport struct {
	From     time.Time      `json:"from"`
	To       time.Time      `json:"to"`
	LiveFrom time.Time      `json:"live_from"` // hours from here on are computed from samples and may still rise
	By       UsageBy        `json:"by"`
	Currency string         `json:"currency,omitempty"`
	Rows     []UsageRow     `json:"rows"`
	Total    UsageRow       `json:"total"`
	Budgets  []BudgetStatus `json:"budgets"` // of this month, whatever the range
	Notes    []string       `json:"notes"`
}

// Budget is what a project may cost in a calendar month, UTC. Nothing stops when it is spent: it is told.
type Budget struct {
	Project   string    `json:"project"`
	Monthly   Micro     `json:"monthly"`
	Actor     Actor     `json:"actor"`
	UpdatedAt time.Time `json:"updated_at"`
	// Month and Told are what was told of this budget: each mark once a month.
	Month string   `json:"month,omitempty"` // 2026-11
	Told  []string `json:"told,omitempty"`  // 50, 80, 100, forecast
}

// BudgetStatus is a budget and where the month stands.
type BudgetStatus struct {
	Budget
	Spent Micro `json:"spent"`
	// Forecast is what the month will cost if it goes on as so far; absent on its first day, which says too little.
	Forecast *Micro `json:"forecast,omitempty"`
}

// BudgetForecast is the mark of a month that is expected to cost more than its budget.
const BudgetForecast = "forecast"

// SetBudgetRequest sets the budget of a project; 0 takes it away.
type SetBudgetRequest struct {
	Project string `json:"project"`
	Monthly Micro  `json:"monthly"`
}

// Check returns an invalid error that names the field at fault.
func (r SetBudgetRequest) Check() error {
	if r.Monthly < 0 {
		return Errorf(CodeInvalid, "The budget %s is below zero.", r.Monthly).WithHint("Give an amount for a month, or 0 for no budget.").WithField("monthly")
	}
	return nil
}
