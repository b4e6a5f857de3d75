// Package control is the one door: every change of state, from whichever face it comes, is a method of Plane.
//
// It owns authorisation, validation and the composition of row + event + job into one transaction. It must not touch
// a container, an image or the router: it records what should be, and worker does it.
package control

import (
	"context"
	"log/slog"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/usage"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
)

// Defaults of Options.
const (
	DefaultPlanTTL    = 30 * time.Minute
	DefaultBaseDomain = "localhost"
)

// logs reads and counts stored lines.
type logs interface {
	Query(ctx context.Context, q observability.LogQuery) (observability.LogPage, error)
	Count(ctx context.Context, q observability.LogQuery, step time.Duration) ([]observability.LogCount, error)
}

// metrics evaluates PromQL.
type metrics interface {
	Query(ctx context.Context, q observability.MetricQuery) ([]observability.Series, error)
}

// live hands out lines as they arrive; *observability.Hub satisfies it.
type live interface {
	Subscribe(q observability.LogQuery, buffer int) (*observability.Subscription, error)
}

// Host is the size of the machine that runs instances; blueprints that ask for more are refused.
type Host struct {
	CPUs        int
	MemoryBytes int64
	GPUs        int
}

// Options are what a Plane works with. Store and Sealer are needed.
type Options struct {
	Store   *store.Store
	Sealer  *secret.Sealer
	Logs    logs    // nil: log methods answer unavailable
	Live    live    // nil: following logs asks the store again and again
	Metrics metrics // nil: QueryMetrics answers unavailable
	Current current // nil: CurrentSamples answers unavailable
	Spans   spans   // nil: methods about traces answer unavailable
	// HostName is the host that instances run on, as a service map names it.
	HostName string
	// Prices are what usage costs now, nil when nothing has a price. With an error they are the last good ones.
	Prices func() (*usage.Prices, error)
	// LogsKept says what the log store keeps of a project whose own retention is given; nil: projects do not say.
	LogsKept func(project string, own platform.LogRetention) platform.LogsKept
	// BaseDomain is what default hosts end in; RouterURL and APIURL are shown to people, for example http://127.0.0.1:7780.
	BaseDomain string
	RouterURL  string
	APIURL     string
	// Host describes the machine; nil, or an error, means that limits are not compared with it.
	Host func(ctx context.Context) (Host, error)
	// Parts says how the other parts do, for Status; nil means none.
	Parts   func(ctx context.Context) []platform.PartStatus
	Version string
	// Reach refuses hosts to which notifications must not go; nil refuses none. It asks the network.
	Reach func(ctx context.Context, host string) error
	// PlanTTL is how long a plan waits for its decision; 0 means DefaultPlanTTL.
	PlanTTL time.Duration
	Now     func() time.Time // nil means the clock
	Log     *slog.Logger     // nil means no log
}

// Plane is the control plane. Its methods may be called by many goroutines.
type Plane struct {
	o       Options
	store   *store.Store
	started time.Time
}

// New returns a plane. It starts nothing.
func New(o Options) *Plane {
	if o.BaseDomain == "" {
		o.BaseDomain = DefaultBaseDomain
	}
	if o.PlanTTL == 0 {
		o.PlanTTL = DefaultPlanTTL
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Plane{o: o, store: o.Store}
	p.started = p.now()
	return p
}

// now is the present time as Postgres keeps it.
func (p *Plane) now() time.Time { return p.o.Now().UTC().Truncate(time.Microsecond) }

// NextTableVersion returns a number higher than any before, from the database.
func (p *Plane) NextTableVersion(ctx context.Context) (uint64, error) {
	return p.store.NextTableVersion(ctx)
}
