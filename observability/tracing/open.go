package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/fairlead/fairlead/platform"
)

// Options configure a Tracer.
type Options struct {
	Version string
	// Endpoint is where spans go, a whole URL; "" means where the standard variables say, and off without any.
	Endpoint string
	Log      *slog.Logger // nil: silent
}

// serviceName is what the collector calls us unless OTEL_SERVICE_NAME says otherwise.
const serviceName = "fairlead"

// The variables that turn tracing on. Headers, certificates, compression, batching and the sampler are read by the library
// from theirs: OTEL_EXPORTER_OTLP_HEADERS, OTEL_BSP_SCHEDULE_DELAY, OTEL_TRACES_SAMPLER and so on.
const (
	envEndpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envTracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
)

// samplers are those that the library knows.
var samplers = []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}

// Open returns a Tracer that sends to the collector that options or the environment name, and nil when none is named. It
// connects to nothing: a collector that is away costs its spans and nothing else. A variable with a value that would be
// passed over in silence is a platform invalid error that names it.
func Open(ctx context.Context, o Options) (*Tracer, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var settings []otlptracehttp.Option
	if o.Endpoint != "" {
		settings = append(settings, otlptracehttp.WithEndpointURL(o.Endpoint))
	} else if named, err := Configured(os.Getenv); !named || err != nil {
		return nil, err
	}
	client, err := otlptracehttp.New(ctx, settings...)
	if err != nil {
		return nil, fmt.Errorf("set up the sending of traces: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", serviceName), attribute.String("service.version", o.Version)), resource.WithFromEnv())
	if err != nil {
		return nil, platform.Errorf(platform.CodeInvalid, "OTEL_RESOURCE_ATTRIBUTES cannot be read: %v.", err).WithHint("Write name=value, separated by commas.")
	}
	t := &Tracer{export: &exporter{SpanExporter: client, log: o.Log}}
	t.provider = sdktrace.NewTracerProvider(sdktrace.WithBatcher(t.export), sdktrace.WithResource(about))
	t.tracer = t.provider.Tracer(scope)
	return t, nil
}

// Configured reports whether the environment names a collector, and refuses what Open would refuse of it.
func Configured(get func(string) string) (bool, error) {
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") || get("OTEL_TRACES_EXPORTER") == "none" {
		return false, nil
	}
	name := envTracesEndpoint
	if get(name) == "" {
		name = envEndpoint
	}
	address := get(name)
	if address == "" {
		return false, nil
	}
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return false, platform.Errorf(platform.CodeInvalid, "%s is not an http or https URL.", name).WithHint("Write for example http://localhost:4318.").WithField(name)
	}
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := get(variable); protocol != "" {
			if protocol != "http/protobuf" {
				return false, platform.Errorf(platform.CodeInvalid, "%s is %q, which Fairlead does not speak.", variable, platform.Truncate(protocol, 40)).
					WithHint("Set it to http/protobuf, and the endpoint to the collector's HTTP port, 4318 by default.").WithField(variable)
			}
			break
		}
	}
	if sampler := get("OTEL_TRACES_SAMPLER"); sampler != "" && !slices.Contains(samplers, strings.ToLower(sampler)) {
		return false, platform.Errorf(platform.CodeInvalid, "OTEL_TRACES_SAMPLER %q is not known.", platform.Truncate(sampler, 40)).
			WithHint("Use one of %s.", strings.Join(samplers, ", ")).WithField("OTEL_TRACES_SAMPLER")
	}
	return true, nil
}

// Close sends what has ended and not been sent, for as long as ctx allows.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// Stats returns how many spans the collector took, and how many were lost because it did not.
func (t *Tracer) Stats() (sent, lost uint64) {
	if t == nil {
		return 0, 0
	}
	return t.export.sent.Load(), t.export.lost.Load()
}

// exporter counts what became of spans, and says once that they cannot be sent rather than with each batch.
type exporter struct {
	sdktrace.SpanExporter
	log        *slog.Logger
	failing    atomic.Bool
	sent, lost atomic.Uint64
}

// ExportSpans sends a batch. It never fails: the library would print the error.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		e.lost.Add(uint64(len(spans)))
		if !e.failing.Swap(true) {
			e.log.WarnContext(ctx, "traces cannot be sent and are lost", "error", err)
		}
		return nil
	}
	e.sent.Add(uint64(len(spans)))
	if e.failing.Swap(false) {
		e.log.InfoContext(ctx, "traces are sent again")
	}
	return nil
}
