package collect_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/collect"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/routing"
)

// routerRig is a router's log with its follower.
type routerRig struct {
	t     *testing.T
	dir   string
	log   *routing.LogFile
	logs  *observabilitytest.MemoryLogs
	slots slotList
}

// slotList knows one slot, or fails.
type slotList struct{ away atomic.Bool }

func (s *slotList) ListWorkSlots(context.Context) ([]platform.Slot, error) {
	if s.away.Load() {
		return nil, errors.New("the database is away")
	}
	return []platform.Slot{{ID: "slot_1", Project: "shop", Environment: "production", Service: "api"}}, nil
}

func newRouterRig(t *testing.T, options routing.LogOptions) *routerRig {
	t.Helper()
	g := &routerRig{t: t, dir: t.TempDir(), logs: &observabilitytest.MemoryLogs{}}
	g.open(options)
	t.Cleanup(func() { require.NoError(t, g.log.Close()) })
	return g
}

func (g *routerRig) files() string { return filepath.Join(g.dir, "files") }

func (g *routerRig) open(options routing.LogOptions) {
	log, err := routing.OpenLog(g.files(), options)
	require.NoError(g.t, err)
	g.log = log
}

// follow runs a follower until what it returns is called.
func (g *routerRig) follow(durable time.Duration) (stop func()) {
	g.t.Helper()
	r := &collect.RouterLog{
		Dir: g.files(), StateDir: filepath.Join(g.dir, "state"), Logs: g.logs, Slots: &g.slots, Every: time.Millisecond, DurableAfter: durable,
		Redactor: func(project string) func(string) string {
			return func(text string) string { return strings.ReplaceAll(text, "hunter2", "["+project+"]") }
		},
	}
	ctx, cancel := context.WithCancel(g.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(g.t, <-done)
	}
}

func (g *routerRig) say(text string, args ...any) {
	_, err := fmt.Fprintf(g.log, text+"\n", args...)
	require.NoError(g.t, err)
}

func TestRouterLog_AccessLinesBelongToTheirServiceAndTheRestToFairlead(t *testing.T) {
	t.Parallel()
	g := newRouterRig(t, routing.LogOptions{})
	log := slog.New(slog.NewJSONHandler(g.log, nil))
	log.Info("router is serving", "address", "127.0.0.1:7780")
	log.Warn("request", "status", 502, "method", "GET", "path", "/hunter2", "took", 1500*time.Microsecond, "slot", "slot_1", "service", "shop/production/api",
		"instance", "ins_1", "release", 7, "error", "the instance did not answer in time")
	log.Info("request", "status", 200, "method", "GET", "path", "/", "took", time.Millisecond, "slot", "slot_1")
	log.Info("request", "status", 404, "method", "GET", "path", "/", "took", time.Millisecond, "host", "nobody.localhost")
	log.Info("request", "status", 200, "method", "GET", "path", "/", "took", time.Millisecond, "slot", "slot_gone")
	g.say("panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:3 +0x1")
	defer g.follow(0)()
	stored(t, g.logs, 6)
	lines := g.logs.All()

	bad := lines[1]
	require.Equal(t, "GET /[shop] 502 the instance did not answer in time", bad.Message)
	require.Equal(t, observability.LevelError, bad.Level)
	require.Equal(t, []any{"shop", "production", "api", "ins_1", 7, observability.SourceRouter}, []any{bad.Project, bad.Environment, bad.Service, bad.Instance, bad.Release, bad.Source})
	require.Equal(t, "1.5", bad.Fields["took_ms"])
	require.Equal(t, "502", bad.Fields["status"])
	require.NotContains(t, bad.Raw, "hunter2")
	require.Equal(t, []any{"shop", observability.LevelInfo, "GET / 200"}, []any{lines[2].Project, lines[2].Level, lines[2].Message})
	for i, message := range map[int]string{0: "router is serving", 3: "GET / 404", 4: "GET / 200"} {
		require.Equal(t, []any{platform.SystemProject, "router", message}, []any{lines[i].Project, lines[i].Service, lines[i].Message})
	}
	require.Equal(t, observability.LevelWarn, lines[3].Level)
	crash := lines[5]
	require.True(t, strings.HasPrefix(crash.Message, "panic: boom\n\ngoroutine 1"), crash.Message)
	require.Equal(t, []any{observability.LevelFatal, platform.SystemProject}, []any{crash.Level, crash.Project})
}

// Files are rotated, the router is started anew and the follower is stopped at any moment, with a cursor that lags
// behind: each line is stored once.
func TestRouterLog_EachLineIsStoredOnceAcrossRotationAndRestartsOfBoth(t *testing.T) {
	t.Parallel()
	const total = 4000
	options := routing.LogOptions{MaxBytes: 4000, Keep: 1000}
	g := newRouterRig(t, options)
	stop := g.follow(20 * time.Millisecond)
	for i := range total {
		g.say(`{"time":%q,"level":"INFO","msg":"number %d"}`, time.Now().Format(time.RFC3339Nano), i)
		if i%500 == 250 {
			require.NoError(t, g.log.Close())
			g.open(options)
		}
		if i%700 == 350 {
			stored(t, g.logs, i/2)
			stop()
			stop = g.follow(20 * time.Millisecond)
		}
	}
	g.say("panic: last\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:3 +0x1")
	stored(t, g.logs, total+1)
	stop()
	defer g.follow(0)()
	g.say(`{"time":%q,"level":"INFO","msg":"the end"}`, time.Now().Format(time.RFC3339Nano))
	messages := stored(t, g.logs, total+2)
	require.Equal(t, total+2, len(messages))
	seen := map[string]int{}
	for _, m := range messages {
		seen[m]++
	}
	for i := range total {
		require.Equal(t, 1, seen[fmt.Sprintf("number %d", i)], "number %d", i)
	}
	numbers, err := routing.LogNumbers(g.files())
	require.NoError(t, err)
	require.Greater(t, len(numbers), 20, "it was rotated")
}

func TestRouterLog_LinesWaitWhileTheirServicesOrTheStoreAreAway(t *testing.T) {
	t.Parallel()
	g := newRouterRig(t, routing.LogOptions{})
	g.slots.away.Store(true)
	g.logs.Fail(errors.New("away"))
	g.say(`{"time":%q,"level":"INFO","msg":"request","method":"GET","path":"/","status":200,"slot":"slot_1"}`, time.Now().Format(time.RFC3339Nano))
	defer g.follow(0)()
	g.slots.away.Store(false)
	require.Empty(t, g.logs.All())
	g.logs.Fail(nil)
	require.Equal(t, []string{"GET / 200"}, stored(t, g.logs, 1))
	require.Equal(t, "shop", g.logs.All()[0].Project)
}

func TestRouterLog_FilesThatWentUnreadAreToldOf(t *testing.T) {
	t.Parallel()
	g := newRouterRig(t, routing.LogOptions{MaxBytes: 100, Keep: 2})
	say := func(i int) {
		g.say(`{"time":%q,"level":"INFO","msg":"number %02d of some"}`, time.Now().Format(time.RFC3339Nano), i)
	}
	say(0)
	stop := g.follow(0)
	stored(t, g.logs, 1)
	stop()
	for i := range 10 {
		say(i + 1)
	}
	defer g.follow(0)()
	messages := stored(t, g.logs, 4)
	require.Contains(t, strings.Join(messages, "\n"), "files of the router's log were rotated away before they could be read")
	require.Contains(t, strings.Join(messages, "\n"), "number 10")
}

func TestRouterLog_BrokenCursorCostsNoLineAndDoublesNone(t *testing.T) {
	t.Parallel()
	g := newRouterRig(t, routing.LogOptions{})
	for i := range 50 {
		g.say(`{"time":%q,"level":"INFO","msg":"number %d"}`, time.Now().Format(time.RFC3339Nano), i)
	}
	stop := g.follow(0)
	stored(t, g.logs, 50)
	stop()
	require.NoError(t, os.WriteFile(filepath.Join(g.dir, "state", "router-log.json"), []byte("{"), 0o600))
	defer g.follow(0)()
	g.say(`{"time":%q,"level":"INFO","msg":"the end"}`, time.Now().Format(time.RFC3339Nano))
	require.Len(t, stored(t, g.logs, 51), 51)
}
