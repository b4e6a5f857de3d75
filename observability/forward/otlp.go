package forward

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/spool"
	"github.com/fairlead/fairlead/platform"
)

// otlpSender posts lines as OTLP logs in protobuf over HTTP, by the rules of the OTLP specification 1.x: 429, 502, 503 and
// 504 are tried again; anything else that is no success is not, and its lines are counted as refused.
type otlpSender struct {
	receiver Receiver
	url      string
	http     *http.Client
}

const (
	otlpTimeout = 30 * time.Second
	otlpPath    = "/v1/logs" // where the URL has no path
	maxAnswer   = 1 << 20
)

func newOTLP(r Receiver) (*otlpSender, error) {
	config, err := r.TLS.config()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	target := *r.URL
	if target.Path == "" || target.Path == "/" {
		target.Path = otlpPath
	}
	return &otlpSender{receiver: r, url: target.String(), http: &http.Client{
		Transport: transport, Timeout: otlpTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// busyError says that a receiver takes nothing now, and when to ask again.
type busyError struct {
	status string
	after  time.Duration
}

// Error says what the receiver answered.
func (e *busyError) Error() string { return "the OTLP receiver answers " + e.status }

// RetryAfter is how long the receiver asked to be left alone; 0 when it did not say.
func (e *busyError) RetryAfter() time.Duration { return e.after }

// Append posts lines.
func (s *otlpSender) Append(ctx context.Context, lines []observability.Line) error {
	body, err := proto.Marshal(otlpRequest(lines))
	if err != nil {
		return platform.Errorf(platform.CodeInvalid, "Lines cannot be written as OTLP: %v.", err).WithHint("Look at their text: it must be UTF-8.")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "fairlead")
	if s.receiver.TokenFile != "" {
		token, err := os.ReadFile(s.receiver.TokenFile)
		if err != nil {
			return fmt.Errorf("read the token of the OTLP receiver: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("reach the OTLP receiver: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the OTLP receiver's answer: %w", err)
	}
	return judge(resp, answer, len(lines))
}

// judge turns an answer into what the spool does with the lines.
func judge(resp *http.Response, answer []byte, lines int) error {
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return &busyError{status: resp.Status, after: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		// Some of the lines are at fault, or they are too many: sent apart, the others may go.
		return platform.Errorf(platform.CodeInvalid, "The OTLP receiver answers %s.", resp.Status).WithHint("Its own log says what it does not take.")
	}
	if resp.StatusCode/100 != 2 {
		return &spool.RefusedError{Lines: lines, Why: "the OTLP receiver answers " + resp.Status}
	}
	var took collector.ExportLogsServiceResponse
	decoded := proto.Unmarshal(answer, &took) == nil // a success in another encoding is a success
	if n := took.GetPartialSuccess().GetRejectedLogRecords(); decoded && n > 0 {
		return &spool.RefusedError{Lines: int(min(n, int64(lines))), Why: platform.Truncate(took.GetPartialSuccess().GetErrorMessage(), 300)}
	}
	return nil
}

// longestRetry bounds how long a receiver may ask to be left alone.
const longestRetry = 5 * time.Minute

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return min(time.Duration(min(seconds, 3600))*time.Second, longestRetry)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), longestRetry)
	}
	return 0
}

// slot is what lines of one resource share.
type slot struct {
	project, environment, service, instance, source string
	release                                         int
}

// otlpRequest groups lines by what they come from, in the order in which each is first seen.
func otlpRequest(lines []observability.Line) *collector.ExportLogsServiceRequest {
	out := &collector.ExportLogsServiceRequest{}
	at := map[slot]*logs.ScopeLogs{}
	for i := range lines {
		l := &lines[i]
		from := slot{l.Project, l.Environment, l.Service, l.Instance, l.Source, l.Release}
		scope := at[from]
		if scope == nil {
			scope = &logs.ScopeLogs{Scope: &common.InstrumentationScope{Name: "fairlead", Attributes: attributes("source", l.Source)}}
			at[from] = scope
			out.ResourceLogs = append(out.ResourceLogs, &logs.ResourceLogs{Resource: resourceOf(l), ScopeLogs: []*logs.ScopeLogs{scope}})
		}
		scope.LogRecords = append(scope.LogRecords, recordOf(l))
	}
	return out
}

// resourceOf names where a line comes from by the semantic conventions; deployment.environment is their older name for
// deployment.environment.name, and most receivers still look for it.
func resourceOf(l *observability.Line) *resource.Resource {
	service, release := l.Service, ""
	if service == "" {
		service = "fairlead"
	}
	if l.Release != 0 {
		release = strconv.Itoa(l.Release)
	}
	return &resource.Resource{Attributes: attributes(
		"service.name", service, "service.namespace", l.Project, "service.version", release, "service.instance.id", l.Instance,
		"deployment.environment", l.Environment, "deployment.environment.name", l.Environment,
	)}
}

// attributes makes attributes of names and values in turn, less those whose value is empty.
func attributes(pairs ...string) []*common.KeyValue {
	var out []*common.KeyValue
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, &common.KeyValue{Key: pairs[i], Value: text(pairs[i+1])})
		}
	}
	return out
}

func text(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

var severityNumbers = map[observability.Level]logs.SeverityNumber{
	observability.LevelDebug: logs.SeverityNumber_SEVERITY_NUMBER_DEBUG, observability.LevelInfo: logs.SeverityNumber_SEVERITY_NUMBER_INFO,
	observability.LevelWarn: logs.SeverityNumber_SEVERITY_NUMBER_WARN, observability.LevelError: logs.SeverityNumber_SEVERITY_NUMBER_ERROR,
	observability.LevelFatal: logs.SeverityNumber_SEVERITY_NUMBER_FATAL,
}

func recordOf(l *observability.Line) *logs.LogRecord {
	r := &logs.LogRecord{
		TimeUnixNano: uint64(l.At.UnixNano()), ObservedTimeUnixNano: uint64(l.At.UnixNano()),
		SeverityNumber: severityNumbers[l.Level], SeverityText: string(l.Level), Body: text(l.Message),
		Attributes: attributes("log.iostream", l.Stream, "fairlead.deploy", l.Deploy, "fairlead.seq", strconv.FormatUint(l.Seq, 10)),
		TraceId:    identifier(l.Fields["trace_id"], 16), SpanId: identifier(l.Fields["span_id"], 8),
	}
	for _, name := range slices.Sorted(maps.Keys(l.Fields)) {
		if name == "trace_id" && r.TraceId != nil || name == "span_id" && r.SpanId != nil {
			continue
		}
		r.Attributes = append(r.Attributes, attributes(name, l.Fields[name])...)
	}
	return r
}

// identifier reads a trace or span id in hex; nil where it is none, or all zeros, which the protocol takes for none.
func identifier(hexText string, size int) []byte {
	raw, err := hex.DecodeString(hexText)
	if err != nil || len(raw) != size || bytes.Count(raw, []byte{0}) == size {
		return nil
	}
	return raw
}
