package forward

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/spool"
)

// otlpServer is a receiver that decodes with the protocol's own types, and answers as told.
type otlpServer struct {
	*httptest.Server

	mu      sync.Mutex // guards the fields below
	answer  func(w http.ResponseWriter, got *collector.ExportLogsServiceRequest) bool
	got     []*collector.ExportLogsServiceRequest
	asked   int
	headers http.Header
	path    string
}

func serveOTLP(t *testing.T) *otlpServer {
	t.Helper()
	s := &otlpServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		var req collector.ExportLogsServiceRequest
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(raw, &req) != nil {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		s.headers, s.path = r.Header, r.URL.Path
		if s.answer == nil || s.answer(w, &req) {
			s.got = append(s.got, &req)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *otlpServer) set(answer func(http.ResponseWriter, *collector.ExportLogsServiceRequest) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func bodies(reqs ...*collector.ExportLogsServiceRequest) (out []string) {
	for _, req := range reqs {
		for _, r := range req.ResourceLogs {
			for _, scope := range r.ScopeLogs {
				for _, record := range scope.LogRecords {
					out = append(out, record.Body.GetStringValue())
				}
			}
		}
	}
	return out
}

func (s *otlpServer) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bodies(s.got...)
}

func otlpStream(t *testing.T, server *otlpServer) *Stream {
	t.Helper()
	s, _ := openStream(t, Options{Receivers: []Receiver{{Name: "otel", Kind: KindOTLP, URL: address(t, server.URL)}}})
	return s
}

func attributesOf(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		out[kv.Key] = kv.Value.GetStringValue()
	}
	return out
}

func TestOTLP_ALineIsALogRecordOfItsResource(t *testing.T) {
	t.Parallel()
	server := serveOTLP(t)
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("s3cret\n"), 0o600))
	s, _ := openStream(t, Options{Receivers: []Receiver{{Name: "otel", Kind: KindOTLP, URL: address(t, server.URL), TokenFile: token}}})
	lines := numbered(0, 2)
	lines[0].Level = observability.LevelError
	lines[0].Fields = map[string]string{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7", "user": "ada"}
	lines[1].Service, lines[1].Fields = "web", map[string]string{"trace_id": "not a trace id"}
	require.NoError(t, s.Append(t.Context(), lines))
	require.Eventually(t, func() bool { return len(server.bodies()) == 2 }, 10*time.Second, time.Millisecond)
	server.mu.Lock()
	defer server.mu.Unlock()
	require.Equal(t, "/v1/logs", server.path)
	require.Equal(t, "Bearer s3cret", server.headers.Get("Authorization"))
	require.Len(t, server.got[0].ResourceLogs, 2)
	api, web := server.got[0].ResourceLogs[0], server.got[0].ResourceLogs[1]
	require.Equal(t, map[string]string{
		"service.name": "api", "service.namespace": "shop", "service.version": "3", "service.instance.id": "ins_1",
		"deployment.environment": "production", "deployment.environment.name": "production",
	}, attributesOf(api.Resource.Attributes))
	record := api.ScopeLogs[0].LogRecords[0]
	require.Equal(t, uint64(lines[0].At.UnixNano()), record.TimeUnixNano)
	require.EqualValues(t, 17, record.SeverityNumber)
	require.Equal(t, "error", record.SeverityText)
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", hex.EncodeToString(record.TraceId))
	require.Equal(t, "00f067aa0ba902b7", hex.EncodeToString(record.SpanId))
	require.Equal(t, map[string]string{"user": "ada", "log.iostream": "stdout", "fairlead.deploy": "dep_1", "fairlead.seq": "0"}, attributesOf(record.Attributes))
	require.Equal(t, "web", attributesOf(web.Resource.Attributes)["service.name"])
	require.Empty(t, web.ScopeLogs[0].LogRecords[0].TraceId)
	require.Equal(t, "not a trace id", attributesOf(web.ScopeLogs[0].LogRecords[0].Attributes)["trace_id"])
}

func TestOTLP_BusyReceiverIsAskedAgainWhenItSays(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 502, 503, 504} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			server := serveOTLP(t)
			var first, second time.Time
			server.set(func(w http.ResponseWriter, _ *collector.ExportLogsServiceRequest) bool {
				if first.IsZero() {
					first = time.Now()
					w.Header().Set("Retry-After", "1")
					w.WriteHeader(status)
					return false
				}
				second = time.Now()
				return true
			})
			s := otlpStream(t, server)
			require.NoError(t, s.Append(t.Context(), numbered(0, 3)))
			require.Eventually(t, func() bool { return len(server.bodies()) == 3 }, 20*time.Second, time.Millisecond)
			server.mu.Lock()
			defer server.mu.Unlock()
			require.GreaterOrEqual(t, second.Sub(first), time.Second)
			require.Equal(t, 2, server.asked)
		})
	}
}

func TestOTLP_OtherAnswersAreCountedAndNotAskedAgain(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 401, 404, 500} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			server := serveOTLP(t)
			server.set(func(w http.ResponseWriter, _ *collector.ExportLogsServiceRequest) bool {
				w.WriteHeader(status)
				return false
			})
			s := otlpStream(t, server)
			require.NoError(t, s.Append(t.Context(), numbered(0, 3)))
			require.Eventually(t, func() bool { return s.Stats()["otel"].Rejected == 3 }, 10*time.Second, time.Millisecond)
			server.set(nil)
			require.NoError(t, s.Append(t.Context(), numbered(3, 4)))
			require.Eventually(t, func() bool { return len(server.bodies()) == 1 }, 10*time.Second, time.Millisecond)
			require.Eventually(t, func() bool { return s.Stats()["otel"].State == spool.StateIdle }, 10*time.Second, time.Millisecond)
		})
	}
}

func TestOTLP_PartialSuccessIsCounted(t *testing.T) {
	t.Parallel()
	server := serveOTLP(t)
	server.set(func(w http.ResponseWriter, _ *collector.ExportLogsServiceRequest) bool {
		raw, err := proto.Marshal(&collector.ExportLogsServiceResponse{PartialSuccess: &collector.ExportLogsPartialSuccess{RejectedLogRecords: 2, ErrorMessage: "too old"}})
		if err == nil {
			_, _ = w.Write(raw)
		}
		return true
	})
	s := otlpStream(t, server)
	require.NoError(t, s.Append(t.Context(), numbered(0, 5)))
	require.Eventually(t, func() bool { return s.Stats()["otel"].Rejected == 2 }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return s.Stats()["otel"].State == spool.StateIdle }, 10*time.Second, time.Millisecond)
}

func TestOTLP_OneLineThatCannotBeTakenDoesNotHoldTheOthers(t *testing.T) {
	t.Parallel()
	server := serveOTLP(t)
	server.set(func(w http.ResponseWriter, got *collector.ExportLogsServiceRequest) bool {
		for _, body := range bodies(got) {
			if body == "line 7" {
				w.WriteHeader(http.StatusBadRequest)
				return false
			}
		}
		return true
	})
	s := otlpStream(t, server)
	require.NoError(t, s.Append(t.Context(), numbered(0, 20)))
	require.Eventually(t, func() bool { return len(server.bodies()) == 19 }, 10*time.Second, time.Millisecond)
	require.NotContains(t, server.bodies(), "line 7")
	require.Eventually(t, func() bool { return s.Stats()["otel"].Rejected == 1 }, 10*time.Second, time.Millisecond)
}

func TestRetryAfter_IsSecondsOrADateAndBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-3": 0, "soon": 0, "86400": longestRetry, now.Add(9 * time.Second).Format(http.TimeFormat): 9 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat): 0, strings.Repeat("9", 30): 0,
	} {
		require.Equal(t, want, retryAfter(value, now), "%q", value)
	}
}

// sink is a sender of another kind.
type sink struct {
	mu    sync.Mutex
	lines []observability.Line
	hold  chan struct{}
}

func (s *sink) Append(ctx context.Context, lines []observability.Line) error {
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, lines...)
	return nil
}

func (s *sink) all() []observability.Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]observability.Line(nil), s.lines...)
}
