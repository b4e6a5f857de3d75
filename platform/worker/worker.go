// Package worker carries out what control recorded: it advances deploys, keeps the instances of every slot as they
// should be, publishes routes, executes plans and asks for diagnoses.
//
// It owns every effect on containers and on the router's table, the health probes, and the queue's working side. It
// decides nothing about deploys (rollout does) and writes no row itself (control does): it observes, asks for the
// next step, does it, and has it recorded. Every effect can be done again, so a crash at any point loses nothing.
package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/meter"
	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/routing"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/store"
)

// deploys is what the worker asks of control about deploys.
type deploys interface {
	DeployWork(ctx context.Context, id platform.DeployID) (control.Work, error)
	AdvanceDeploy(ctx context.Context, id platform.DeployID, from platform.Phase, u control.DeployUpdate) (platform.Deploy, error)
	OpenDeploys(ctx context.Context) ([]platform.Deploy, error)
	GetDeploy(ctx context.Context, actor platform.Actor, id platform.DeployID) (platform.Deploy, error)
	EnqueueOpenWork(ctx context.Context) (int, error)
}

// slots is what it asks about slots and their instances.
type slots interface {
	SlotWork(ctx context.Context, id platform.SlotID) (control.Work, error)
	ListWorkSlots(ctx context.Context) ([]platform.Slot, error)
	RecordInstance(ctx context.Context, in platform.Instance, cause string) error
	NextTableVersion(ctx context.Context) (uint64, error)
	ListReleases(ctx context.Context, actor platform.Actor, ref platform.SlotRef, page platform.Page) (platform.List[platform.Release], error)
}

// plans is what it asks about incidents and plans.
type plans interface {
	Report(ctx context.Context, f platform.Finding) (platform.Incident, error)
	GetIncident(ctx context.Context, actor platform.Actor, id platform.IncidentID) (platform.IncidentDetail, error)
	RecordDiagnosis(ctx context.Context, evidence []platform.Evidence, d platform.Diagnosis) ([]platform.Plan, error)
	GetPlan(ctx context.Context, actor platform.Actor, id platform.PlanID) (platform.Plan, error)
	ExecutePlan(ctx context.Context, id platform.PlanID, hash string, revert func(ctx context.Context, project, commit, head string) error) (platform.Plan, error)
	FinishPlan(ctx context.Context, id platform.PlanID, verified bool, outcome string) (platform.Plan, error)
	ExpirePlans(ctx context.Context) (int, error)
	ReviewAlerts(ctx context.Context) error
}

// plane is the one door, as the worker uses it; *control.Plane satisfies it.
type plane interface {
	deploys
	slots
	plans
	notices
}

// router takes whole tables and says what it serves; *routing.Client satisfies it.
type router interface {
	Put(ctx context.Context, t routing.Table) (routing.Ack, error)
	Snapshot(ctx context.Context) (routing.Snapshot, error)
}

// source gives the files of a commit. release removes them.
type source interface {
	Checkout(ctx context.Context, project, commit string) (dir string, release func(), err error)
}

// builder makes images; see BuildRequest.
type builder interface {
	Build(ctx context.Context, req BuildRequest) (imageID string, err error)
}

// BuildRequest asks for the image of one commit. Building the same request again gives the same tag.
type BuildRequest struct {
	Dir     string // the checked-out commit
	Spec    platform.BuildSpec
	Tag     string            // reference that the image gets
	Labels  map[string]string // of the image
	Secrets map[string]string // values of Spec.Secrets, never in a layer
	// Output gets each line of the build as it comes. It may be called by several goroutines.
	Output func(stream, line string)
}

// logs keeps build and pre-deploy output.
type logs interface {
	Append(ctx context.Context, lines []observability.Line) error
}

// metrics answers PromQL, for the verification of plans.
type metrics interface {
	Query(ctx context.Context, q observability.MetricQuery) ([]observability.Series, error)
}

// findings are the rules that say when what was seen of a slot's live instances is an incident. seen holds those that
// run and those that ended in the last quarter of an hour, oldest first.
type findings interface {
	Instances(slot platform.Slot, seen []platform.Instance, now time.Time) []platform.Finding
}

// investigator freezes evidence about an incident and ranks causes.
type investigator interface {
	Investigate(ctx context.Context, incident platform.Incident) ([]platform.Evidence, platform.Diagnosis, error)
}

// Options are what a worker works with. Plane, Store, Installation, Runtime and Router are needed; without the others
// the work that needs them fails with a clear message, or is left out where that is harmless.
type Options struct {
	Plane        plane
	Store        *store.Store // the queue's connections; rows are read and written through Plane alone
	Installation string       // label of everything that this installation made
	Runtime      runtime.Runtime
	Router       router
	RouterURL    string // base URL of the router's HTTP side, for the probes of a swap; "" sends none
	Source       source
	Builder      builder
	Logs         logs
	Metrics      metrics
	Findings     findings
	Investigator investigator
	Sender       sender
	// Revert reverts a commit on the default branch, for plans of that kind.
	Revert func(ctx context.Context, project, commit, head string) error
	// Drained returns when everything that the instance's container wrote has been collected; nil returns at once.
	Drained func(ctx context.Context, instance platform.InstanceID) error
	// Forget removes the repository of a deleted project; nil when there are none.
	Forget func(ctx context.Context, project string) error
	// Tracer makes spans of jobs and their steps, and Meter counts looks at jobs; both may be nil.
	Tracer *tracing.Tracer
	Meter  *meter.Meter
	Log    *slog.Logger
	// Crash is called at named points after an effect and before its record, and after the record; an error stops the
	// step there, as a crash would. Only tests set it.
	Crash func(point string) error
}

// Worker does the work of one server. Run starts it.
type Worker struct {
	o      Options
	log    *slog.Logger
	prober *prober
	routes *routes
	builds *builds
	swaps  *swaps
	turns  *turns // one goroutine per deploy or slot at a time
	locks  *locks // instances of a slot are touched by one goroutine at a time
	timers *timers
	memory *memory
	// preparing is held while networks and volumes are made.
	preparing chan struct{}

	run context.Context // of Run; set before any goroutine starts

	goes    sync.WaitGroup
	goesMu  sync.Mutex
	closing bool // guarded by goesMu: no goroutine starts any more
}

// errStopping ends a step because the worker is stopping.
var errStopping = errors.New("the worker is stopping")

// New builds a worker. It starts nothing.
func New(o Options) *Worker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &Worker{o: o, log: o.Log, turns: newTurns(), locks: newLocks(), memory: newMemory(), preparing: make(chan struct{}, 1)}
	w.prober = newProber(o.Runtime, w.log, w.healthChanged)
	w.routes = newRoutes(o, w.prober, w.memory)
	w.builds = newBuilds(o)
	w.swaps = newSwaps(o.RouterURL)
	w.timers = newTimers()
	return w
}

// Probes returns the last health checks of an instance, oldest first, also for a while after its death.
func (w *Worker) Probes(id platform.InstanceID) []platform.Probe { return w.prober.Probes(id) }

// RefreshRoutes publishes the route table again when it differs from what the router serves.
func (w *Worker) RefreshRoutes(ctx context.Context) error { return w.routes.refresh(ctx) }

// Run works until ctx ends, then waits for everything it started. It returns nil when ctx ended it.
func (w *Worker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	w.run = ctx
	defer func() {
		cancel()
		w.timers.stop()
		w.goesMu.Lock()
		w.closing = true
		w.goesMu.Unlock()
		w.goes.Wait()
		w.prober.wait()
	}()
	w.prober.start(ctx)
	w.spawn(func() { w.watch(ctx) })
	w.spawn(func() { w.adopt(ctx); w.sweep(ctx) })
	w.spawn(func() { w.janitor(ctx) })
	w.spawn(func() { w.notify(ctx) })
	return w.workJobs(ctx)
}

// spawn runs fn in a goroutine that Run waits for; once Run is ending it does nothing.
func (w *Worker) spawn(fn func()) {
	w.goesMu.Lock()
	defer w.goesMu.Unlock()
	if w.closing {
		return
	}
	w.goes.Add(1)
	go func() {
		defer w.goes.Done()
		fn()
	}()
}

// fault is the point where a test stops the worker as a crash would.
func (w *Worker) fault(point string) error {
	if w.o.Crash == nil {
		return nil
	}
	return w.o.Crash(point)
}
