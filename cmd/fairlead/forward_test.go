package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/loki"
	"github.com/fairlead/fairlead/platform"
)

// heard are the numbers that a receiver outside was sent.
type heard struct {
	// gate is held while the receiver takes its time over everything it is sent.
	gate    sync.RWMutex
	pushed  sync.Map
	mu      sync.Mutex // guards the field below
	numbers []string
}

var aNumber = regexp.MustCompile(`number \d+`)

func (h *heard) take(text string) {
	h.gate.RLock()
	defer h.gate.RUnlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.numbers = append(h.numbers, aNumber.FindAllString(text, -1)...)
}

func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.numbers...)
}

// Append is for the receiver of Loki's protocol. Like Loki it keeps one line of one time and text once.
func (h *heard) Append(_ context.Context, lines []observability.Line) error {
	for i := range lines {
		key := lines[i].At.String() + lines[i].Message
		if _, again := h.pushed.LoadOrStore(key, true); !again {
			h.take(lines[i].Message)
		}
	}
	return nil
}

// Scope is where the receiver of Loki's protocol puts lines.
func (h *heard) Scope(context.Context, string, string) (platform.TelemetryScope, error) {
	return platform.TelemetryScope{Project: "elsewhere", Environment: platform.ProductionName}, nil
}

// syslogTo reads messages counted in octets, RFC 6587 3.4.1, from whoever connects.
func (h *heard) syslogTo(t *testing.T, at string) string {
	t.Helper()
	listener, err := net.Listen("tcp", at)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for r := bufio.NewReader(conn); ; {
					count, err := r.ReadString(' ')
					if err != nil {
						return
					}
					size, err := strconv.Atoi(strings.TrimSuffix(count, " "))
					if err != nil {
						return
					}
					raw := make([]byte, size)
					if _, err := io.ReadFull(r, raw); err != nil {
						return
					}
					h.take(string(raw))
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func (h *heard) otlp(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		var req collector.ExportLogsServiceRequest
		if err != nil || proto.Unmarshal(raw, &req) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for _, resource := range req.ResourceLogs {
			for _, scope := range resource.ScopeLogs {
				for _, record := range scope.LogRecords {
					h.take(record.Body.GetStringValue())
				}
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (h *heard) loki(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(loki.NewReceiver(loki.ReceiveOptions{
		Sender: func(*http.Request) (loki.Sender, error) { return h, nil }, Sink: h,
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestForward_EveryLineReachesEveryReceiverThoughTheServerStopsRightAfterIt stops the server at the moment when it has taken
// the last lines: what it took must be at each receiver when the process is gone, or, where a receiver is down, when both are
// back.
func TestForward_EveryLineReachesEveryReceiverThoughTheServerStopsRightAfterIt(t *testing.T) {
	t.Parallel()
	var syslog, otlp, pushed, late heard
	away, err := freeAddress()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "forward.yaml")
	require.NoError(t, os.WriteFile(file, []byte(fmt.Sprintf(`forward:
  - {name: siem, kind: syslog, url: "tcp://%s"}
  - {name: otel, kind: otlp, url: "%s"}
  - {name: elsewhere, kind: loki, url: "%s"}
  - {name: away, kind: syslog, url: "tcp://%s"}
`, syslog.syslogTo(t, "127.0.0.1:0"), otlp.otlp(t), pushed.loki(t), away)), 0o600))
	r := setupWith(t, func(c *serverConfig) error {
		c.forward = file
		return nil
	})
	project, _ := r.project(t, pushedServices)
	w := r.numberWriter(t, project)
	var want []string
	for round := range 3 {
		if round > 0 {
			require.NoError(t, r.start())
		}
		for _, h := range []*heard{&otlp, &pushed} { // these two say when they have a line, and say so once the server is stopping
			h.gate.Lock()
		}
		w.write(2000)
		r.stop()
		for _, h := range []*heard{&otlp, &pushed} {
			h.gate.Unlock()
		}
		require.NoError(t, r.halt())
		for n := len(want); n < w.written; n++ {
			want = append(want, fmt.Sprintf("number %d", n))
		}
		for name, h := range map[string]*heard{"syslog": &syslog, "otlp": &otlp, "loki": &pushed} {
			if name == "syslog" { // its bytes are with this host when the server ends, and perhaps not read yet
				require.Eventually(t, func() bool { return len(h.all()) >= len(want) }, patience, time.Millisecond)
			}
			require.ElementsMatch(t, want, h.all(), "%s has each line once when the server has stopped", name)
		}
	}
	require.Empty(t, late.all())
	late.syslogTo(t, away)
	require.NoError(t, r.start())
	require.Eventually(t, func() bool { return len(late.all()) >= len(want) }, patience, 10*time.Millisecond)
	require.Equal(t, want, late.all(), "what waited comes in order")
	r.requireNumbers(t, project, len(want))
}
