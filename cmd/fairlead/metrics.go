package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/collect/gpu"
	"github.com/fairlead/fairlead/observability/collect/host"
	"github.com/fairlead/fairlead/observability/detect"
	"github.com/fairlead/fairlead/observability/embedded"
	"github.com/fairlead/fairlead/observability/exposition"
	"github.com/fairlead/fairlead/observability/prometheus"
	"github.com/fairlead/fairlead/observability/spool"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// meters is where samples go and are read: the store inside the process, unless another server answers queries; that
// server, where remote write is set; and always the newest values, which /metrics shows.
type meters struct {
	latest    *exposition.Latest
	embedded  *embedded.Metrics     // nil when another server answers queries
	remote    *prometheus.Metrics   // nil when neither URL is set
	forwarder *prometheus.Forwarder // nil without remote write
	reads     bool                  // queries go to remote
}

// openMeters opens the stores that the settings name.
func openMeters(dir string, settings prometheus.Options, log *slog.Logger) (*meters, error) {
	m := &meters{latest: exposition.NewLatest(), reads: settings.QueryURL != ""}
	settings.Log = log
	if m.reads || settings.WriteURL != "" {
		remote, err := prometheus.New(settings)
		if err != nil {
			return nil, err
		}
		m.remote = remote
	}
	if settings.WriteURL != "" {
		m.forwarder = prometheus.NewForwarder(m.remote)
	}
	if m.reads {
		return m, nil
	}
	store, err := embedded.OpenMetrics(dir, embedded.MetricOptions{Log: log})
	m.embedded = store
	return m, err
}

// Append gives samples to every place that takes them; one that fails keeps them from no other.
func (m *meters) Append(ctx context.Context, samples []observability.Sample) error {
	err := m.latest.Append(ctx, samples)
	if m.embedded != nil {
		err = errors.Join(err, m.embedded.Append(ctx, samples))
	}
	if m.forwarder != nil {
		err = errors.Join(err, m.forwarder.Append(ctx, samples))
	}
	return err
}

// Query asks the one store that answers.
func (m *meters) Query(ctx context.Context, q observability.MetricQuery) ([]observability.Series, error) {
	if m.reads {
		return m.remote.Query(ctx, q)
	}
	return m.embedded.Query(ctx, q)
}

// run forwards samples, where they are forwarded, until ctx ends.
func (m *meters) run(ctx context.Context) error {
	if m.forwarder == nil {
		<-ctx.Done()
		return nil
	}
	return m.forwarder.Run(ctx)
}

func (m *meters) close() error {
	if m.embedded == nil {
		return nil
	}
	return m.embedded.Close()
}

// ping says whether queries are answered, and by whom.
func (m *meters) ping(ctx context.Context) (string, error) {
	_, err := m.Query(ctx, observability.MetricQuery{Expr: "vector(1)"})
	if m.reads {
		return "another server answers", err
	}
	return "inside the process", err
}

// metricSettings reads the environment. Secrets are files, never values.
func metricSettings(get func(string) string) (prometheus.Options, error) {
	auth := func(prefix string) prometheus.Auth {
		return prometheus.Auth{
			Username: get(prefix + "_USER"), PasswordFile: get(prefix + "_PASSWORD_FILE"), BearerFile: get(prefix + "_BEARER_FILE"),
			CAFile: get(prefix + "_CA_FILE"), CertFile: get(prefix + "_CERT_FILE"), KeyFile: get(prefix + "_KEY_FILE"), Tenant: get(prefix + "_TENANT"),
		}
	}
	o := prometheus.Options{
		QueryURL: get("FAIRLEAD_PROMETHEUS_URL"), Auth: auth("FAIRLEAD_PROMETHEUS"),
		WriteURL: get("FAIRLEAD_REMOTE_WRITE_URL"), WriteAuth: auth("FAIRLEAD_REMOTE_WRITE"),
	}
	text := get("FAIRLEAD_METRIC_LABELS")
	if text == "" {
		return o, nil
	}
	o.Labels = map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(pair), "=")
		if !found || value == "" {
			return o, platform.Errorf(platform.CodeInvalid, "FAIRLEAD_METRIC_LABELS %q is not a list of labels.", platform.Truncate(text, 80)).
				WithHint("Write name=value, separated by commas, for example installation=eu1.")
		}
		o.Labels[name] = value
	}
	return o, nil
}

// sampler measures everything besides instances and routes.
func (s *installation) sampler() *collect.Sampler {
	machine := host.New(host.Options{Folders: s.folders})
	process := exposition.NewProcess(version)
	sources := map[string]collect.Timed{
		"host":     {Every: 15 * time.Second, Take: machine.Sample},
		"process":  {Every: 15 * time.Second, Take: process.Sample},
		"gpus":     {Every: 15 * time.Second, Take: gpu.New(gpu.Options{Owner: s.gpuOwner}).Sample},
		"figures":  {Every: 30 * time.Second, Take: collect.Figures(s.store.Figures)},
		"disks":    {Every: 30 * time.Second, Take: collect.Held(collect.Disks(s.engine), 5*time.Minute)},
		"own work": {Every: 15 * time.Second, Take: s.ownWork},
		"spools":   {Every: 15 * time.Second, Take: collect.Spools(s.spools)},
		"forecast": {Every: 30 * time.Second, Take: collect.Held(collect.FillForecast(s.metrics, detect.DefaultFill), 5*time.Minute)},
	}
	if s.metrics.forwarder != nil {
		sources["remote write"] = collect.Timed{Every: 15 * time.Second, Take: s.metrics.forwarder.Sample}
	}
	return &collect.Sampler{Metrics: s.metrics, Sources: sources, Log: s.log}
}

// ownWork is what Fairlead counted of its own work, and what became of the spans of it.
func (s *installation) ownWork(ctx context.Context, now time.Time) ([]observability.Sample, error) {
	samples, err := s.meter.Sample(ctx, now)
	if s.tracer != nil {
		sent, lost := s.tracer.Stats()
		for result, n := range map[string]uint64{"sent": sent, "lost": lost} {
			samples = append(samples, observability.Sample{Name: observability.MetricTraceSpans, Labels: map[string]string{"result": result}, At: now, Value: float64(n)})
		}
	}
	return samples, err
}

// spools are the figures of what waits on disk: for the log store, and for each receiver of forward.yaml.
func (s *installation) spools() map[string]spool.Stats {
	stats := s.logs.Stats()
	stats["_store"] = s.spool.Stats() // no receiver can have this name
	return stats
}

// scraper reads what applications expose themselves.
func (s *installation) scraper() *collect.Scraper {
	return &collect.Scraper{
		Engine: s.engine, Metrics: s.metrics, Match: map[string]string{runtime.LabelInstallation: s.name}, Log: s.log,
	}
}

// folders are those whose file systems are measured: the state folder, and the engine's where it is on this host.
func (s *installation) folders(ctx context.Context) map[string]string {
	found := map[string]string{"state": string(s.config.state)}
	if h, err := s.engine.Host(ctx); err == nil && h.DataRoot != "" {
		if _, err := os.Stat(h.DataRoot); err == nil {
			found["engine"] = h.DataRoot
		}
	}
	return found
}

// gpuOwner says which instance a process that holds GPU memory belongs to.
func (s *installation) gpuOwner(pid int) map[string]string {
	id := gpu.Container("/proc", pid)
	if id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	c, err := s.engine.Inspect(ctx, id)
	if err != nil || c.Labels[runtime.LabelInstance] == "" {
		return nil
	}
	labels := map[string]string{}
	for label, key := range map[string]string{
		"project": runtime.LabelProject, "environment": runtime.LabelEnvironment, "service": runtime.LabelService,
		"release": runtime.LabelReleaseNo, "instance": runtime.LabelInstance,
	} {
		labels[label] = c.Labels[key]
	}
	return labels
}

// freeBelow is how little room in the state folder is a fault: stores and Postgres stop soon after.
const freeBelow = 256 << 20

// room says how much the state folder's file system has left, and when it is full if that can be told.
func (s *installation) room(context.Context) (string, error) {
	var free, full float64 = -1, -1
	for _, sample := range s.metrics.latest.Current(observability.SampleFilter{}) {
		if sample.Labels["folder"] != "state" {
			continue
		}
		switch sample.Name {
		case observability.MetricFSFree:
			free = sample.Value
		case observability.MetricFSFull:
			full = sample.Value
		}
	}
	if free < 0 {
		return "not measured yet", nil
	}
	detail := fmt.Sprintf("%.1f GiB free", free/(1<<30))
	if full >= 0 {
		detail += fmt.Sprintf(", full in %.0f h", full/3600)
	}
	if free < freeBelow {
		return "", fmt.Errorf("%s", detail)
	}
	return detail, nil
}
