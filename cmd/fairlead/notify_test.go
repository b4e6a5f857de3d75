package main

import (
	"encoding/json"
	"fmt"
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

	"github.com/fairlead/fairlead/agent/notify"
	"github.com/fairlead/fairlead/platform"
)

// hook is a receiver of webhooks on the loopback, which is down for its first requests.
type hook struct {
	url    string
	key    string
	mu     sync.Mutex
	refuse int
	turned int               // requests that met a receiver that was down
	got    map[int64]int     // event number: messages that arrived
	kinds  map[string]int    // about the incident
	bodies map[string]string // by delivery
	bad    []error
}

func newHook(t *testing.T, key string) *hook {
	t.Helper()
	h := &hook{key: key, got: map[int64]int{}, kinds: map[string]int{}, bodies: map[string]string{}}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL + "/in"
	return h
}

// ServeHTTP implements http.Handler.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.turned < h.refuse {
		h.turned++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var message struct {
		Kind  string          `json:"kind"`
		Event *platform.Event `json:"event"`
	}
	if err == nil {
		err = notify.Verify(h.key, r.Header, raw, time.Now())
	}
	if err == nil {
		err = json.Unmarshal(raw, &message)
	}
	if err == nil && message.Kind != r.Header.Get(notify.HeaderEvent) {
		err = fmt.Errorf("the header says %s", r.Header.Get(notify.HeaderEvent))
	}
	if err != nil {
		h.bad = append(h.bad, err)
	}
	h.bodies[r.Header.Get(notify.HeaderDelivery)] = string(raw)
	h.kinds[message.Kind]++
	if message.Event != nil {
		h.got[message.Event.Seq]++
	}
}

func (h *hook) count(kind string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.kinds[kind]
}

// TestNotify_WebhookHearsOfARealFaultOnceThoughItWasDown lets a service die on a setting, with a receiver that answers 503
// at first, brings the release before back, and compares what arrived with the event log.
func TestNotify_WebhookHearsOfARealFaultOnceThoughItWasDown(t *testing.T) {
	t.Parallel()
	b := newBroken(t, "128Mi")
	key := "a-signing-key-of-this-test-" + b.name
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(key+"\n"), 0o600))
	h := newHook(t, key)
	run := func(args ...string) string {
		t.Helper()
		code, out, errOut := b.rig.fairlead(t, b.repo.dir, b.rig.admin, append(args, "--project", b.name)...)
		require.Zero(t, code, errOut)
		return out
	}
	out := run("notify", "add", "webhook", "ops", "--to-url", h.url, "--secret-file", file, "--events", "incident.*", "--dedup", "0s")
	require.NotContains(t, out, key)
	list, err := b.rig.client.ListChannels(t.Context(), b.name)
	require.NoError(t, err)
	channel := string(list.Items[0].ID)
	require.Contains(t, run("notify", "test", channel), "It arrived after")
	h.mu.Lock()
	h.refuse = 2
	h.mu.Unlock()

	secret := "batch-" + strings.Repeat("s3cr3t", 3)
	_, err = b.rig.client.SetEnv(t.Context(), platform.SetEnvRequest{SlotRef: b.ref(), Set: []platform.Variable{{Key: "BATCH_SIZE", Value: secret, Secret: true}}})
	require.NoError(t, err)
	require.Equal(t, platform.PhaseLive, b.rig.settled(t, b.name, "api").Phase)
	stop := b.ask()
	defer stop()
	b.incident(platform.SignalCrashLoop, explained)
	stop()
	_, err = b.rig.client.Rollback(t.Context(), platform.RollbackRequest{SlotRef: b.ref(), ToRelease: 1, Reason: "the setting is wrong"})
	require.NoError(t, err)
	require.Equal(t, platform.PhaseLive, b.rig.settled(t, b.name, "api").Phase)
	for _, kind := range []platform.EventKind{platform.EventIncidentOpened, platform.EventIncidentDiagnosed, platform.EventIncidentResolved} {
		require.Eventually(t, func() bool { return h.count(string(kind)) > 0 }, 2*patience, patience/300, "%s arrives", kind)
	}
	b.heardOnce(h, key, secret)
	require.Contains(t, run("notify", "log", channel), "sent")
	require.Contains(t, b.rig.refused(t, 2, b.repo.dir, "notify", "add", "webhook", "inside", "--project", b.name, "--to-url", "https://10.0.0.1/x", "--secret-file", file), "10.0.0.1 is a private address")
	run("notify", "remove", channel)
}

// heardOnce waits until everything that the log holds has arrived, and compares.
func (b *broken) heardOnce(h *hook, secrets ...string) {
	b.t.Helper()
	var want []platform.Event
	require.Eventually(b.t, func() bool {
		list, err := b.rig.client.ListEvents(b.t.Context(), platform.EventFilter{
			Project: b.name, Page: platform.Page{Limit: platform.MaxPageLimit},
			Kinds: []platform.EventKind{platform.EventIncidentOpened, platform.EventIncidentMerged, platform.EventIncidentDiagnosed, platform.EventIncidentResolved},
		})
		want = list.Items
		h.mu.Lock()
		defer h.mu.Unlock()
		return err == nil && len(h.got) == len(want)
	}, patience, patience/300)
	h.mu.Lock()
	defer h.mu.Unlock()
	require.Empty(b.t, h.bad)
	require.Equal(b.t, 2, h.turned, "the receiver was down")
	for _, e := range want {
		require.Equal(b.t, 1, h.got[e.Seq], "%s %s", e.Kind, e.Summary)
	}
	require.Equal(b.t, 1, h.kinds["test"])
	for _, body := range h.bodies {
		for _, secret := range append(secrets, b.rig.admin) {
			require.NotContains(b.t, body, secret)
		}
	}
}
