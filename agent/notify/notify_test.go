package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

var (
	at       = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	loopback = Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
	key      = "a-key-of-at-least-sixteen-characters"
)

// vector is made by another implementation (Python's hmac) and stands in docs/notifications.md.
const vector = "v1=74a2a988468f863cfa3e5d29bc9f88468a241ba4f6fc9e3ac77eb5e39c1fda57"

// hostile is text as a program or a commit may hold it.
const hostile = "<!channel> <https://evil.example|click> & \u202ebad\r\nBcc: x@y.example\x1b[31m *bold* ```code"

func notice(kind platform.EventKind) platform.Notice {
	return platform.Notice{
		Channel:  platform.Channel{ID: "chn_1", Name: "ops", Project: "shop", Kind: platform.ChannelWebhook, Enabled: true},
		Secret:   key,
		Delivery: platform.Delivery{ID: "dlv_1", ChannelID: "chn_1", Why: platform.DeliverEvent, Events: []int64{7}},
		Events: []platform.Event{{
			Seq: 7, ID: "evt_1", At: at, Kind: kind, Actor: platform.SystemActor("detector"), Project: "shop", Environment: "production", Service: "api",
			Subject: "inc_1", Summary: "An incident opened: the api dies", Payload: json.RawMessage(`{"signal":"oom"}`),
		}},
		Incident: &platform.Incident{
			ID: "inc_1", Project: "shop", Environment: "production", Service: "api", Signal: platform.SignalOOM, Title: "the api dies",
			State: platform.IncidentOpen, Count: 3, OpenedAt: at,
		},
		Diagnosis: &platform.Diagnosis{Category: platform.CategoryOOMKilled, Summary: "It eats 48 MiB.", Confidence: 0.9},
		Plans:     []platform.Plan{{ID: "plan_1", State: platform.PlanPending, Body: platform.PlanBody{Title: "Bring back release 1", Risk: platform.RiskR1}}},
		Severity:  platform.SeverityCritical, APIURL: "http://127.0.0.1:7700",
	}
}

// receiver is a webhook's other end.
type receiver struct {
	url    string
	mu     sync.Mutex
	got    []*http.Request
	bodies [][]byte
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		raw, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got, r.bodies = append(r.got, req), append(r.bodies, raw)
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func TestSign_IsTheVectorOfTheDocs(t *testing.T) {
	t.Parallel()
	body := []byte(`{"version":"1","delivery":"dlv_example","kind":"test"}`)
	got := Sign("correct-horse-battery-staple", "1767225600", body)
	require.Equal(t, vector, got)
	header := http.Header{HeaderTimestamp: {"1767225600"}, HeaderSignature: {got}}
	now := time.Unix(1767225600, 0)
	require.NoError(t, Verify("correct-horse-battery-staple", header, body, now.Add(Tolerance)))
	require.ErrorContains(t, Verify("correct-horse-battery-staple", header, body, now.Add(Tolerance+time.Second)), "timestamp")
	require.ErrorContains(t, Verify("another-key", header, body, now), "signature")
	require.ErrorContains(t, Verify("correct-horse-battery-staple", header, append(body, ' '), now), "signature")
}

func TestWebhook_IsSignedAndTellsTheIncident(t *testing.T) {
	t.Parallel()
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "thanks") })
	n := notice(platform.EventIncidentOpened)
	n.Channel.URL = r.url + "/in"
	receipt := New(Options{Guard: loopback}).Send(t.Context(), n)
	require.True(t, receipt.OK)
	require.Equal(t, "200 OK thanks", receipt.Words)
	require.Positive(t, receipt.Took)
	h := r.got[0].Header
	require.NoError(t, Verify(key, h, r.bodies[0], time.Now()))
	require.Equal(t, "dlv_1", h.Get(HeaderDelivery))
	require.Equal(t, "incident.opened", h.Get(HeaderEvent))
	var b body
	require.NoError(t, json.Unmarshal(r.bodies[0], &b))
	require.Equal(t, platform.DeliveryID("dlv_1"), b.Delivery)
	require.Equal(t, int64(7), b.Event.Seq)
	require.Equal(t, "It eats 48 MiB.", b.Incident.Diagnosis)
	require.Equal(t, "fairlead approve plan_1", b.Plans[0].Approve)
	require.Equal(t, "http://127.0.0.1:7700/v1/incidents/inc_1", b.Links["incident"])
	require.NotContains(t, string(r.bodies[0]), key)
}

func TestWebhook_EachAnswerMeansWhatItSays(t *testing.T) {
	t.Parallel()
	other := receive(t, func(http.ResponseWriter, *http.Request) {})
	status := make(chan int, 1)
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		s := <-status
		w.Header().Set("Location", other.url)
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(s)
	})
	n := notice(platform.EventIncidentOpened)
	n.Channel.URL = r.url
	s := New(Options{Guard: loopback})
	for code, want := range map[int]platform.Receipt{
		204: {OK: true}, 302: {}, 307: {}, 400: {}, 404: {}, 410: {Gone: true}, 429: {RetryAfter: 2 * time.Minute}, 500: {}, 503: {RetryAfter: 2 * time.Minute},
	} {
		status <- code
		got := s.Send(t.Context(), n)
		require.Equal(t, code, got.Status)
		require.Equal(t, want.OK, got.OK, code)
		require.Equal(t, want.Gone, got.Gone, code)
		require.False(t, got.Permanent, code)
		if want.RetryAfter > 0 {
			require.Equal(t, want.RetryAfter, got.RetryAfter)
		}
	}
	require.Empty(t, other.got, "redirects are not followed")
	require.Equal(t, 90*time.Second, retryAfter(at.Add(90*time.Second).Format(http.TimeFormat), at))
	require.Zero(t, retryAfter("-5", at))
}

func TestGuard_RefusesPrivateAddressesAtTheConnectionItself(t *testing.T) {
	t.Parallel()
	r := receive(t, func(http.ResponseWriter, *http.Request) {})
	n := notice(platform.EventIncidentOpened)
	for _, url := range []string{r.url, strings.Replace(r.url, "127.0.0.1", "localhost", 1), strings.Replace(r.url, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		n.Channel.URL = url
		got := New(Options{}).Send(t.Context(), n)
		require.False(t, got.OK)
		require.Contains(t, got.Words, "refused: ", url)
		require.NotContains(t, got.Words, "http://", "the URL may hold a secret")
	}
	require.Empty(t, r.got)
	for _, addr := range []string{
		"127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "fe80::1", "fd00::1", "0.0.0.0", "::", "100.64.0.1", "224.0.0.1",
		"::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "198.18.0.1", "255.255.255.255", "fe80::1%eth0", "::7f00:1", "240.0.0.1",
	} {
		require.Error(t, Guard{}.Permits(netip.MustParseAddr(addr)), addr)
	}
	for _, addr := range []string{"8.8.8.8", "2606:4700::1111", "172.32.0.1"} {
		require.NoError(t, Guard{}.Permits(netip.MustParseAddr(addr)), addr)
	}
	require.NoError(t, loopback.Permits(netip.MustParseAddr("127.9.9.9")))
	require.Error(t, loopback.Permits(netip.MustParseAddr("10.0.0.1")))
	require.ErrorContains(t, Guard{}.Reach(t.Context(), "localhost"), "an address of this host")
	require.NoError(t, loopback.Reach(t.Context(), "localhost"))
}

func TestSend_SecretValuesOfTheProjectAreTakenOut(t *testing.T) {
	t.Parallel()
	r := receive(t, func(http.ResponseWriter, *http.Request) {})
	n := notice(platform.EventIncidentDiagnosed)
	n.Channel.URL = r.url
	n.Events[0].Summary, n.Events[0].Payload = "it printed hunter2", json.RawMessage(`{"words":"hunter2"}`)
	n.Incident.Title, n.Diagnosis.Summary, n.Plans[0].Body.Title = "hunter2", "hunter2", "set hunter2"
	redactor := func(project string) func(string) string {
		require.Equal(t, "shop", project)
		return func(text string) string { return strings.ReplaceAll(text, "hunter2", "[redacted]") }
	}
	require.True(t, New(Options{Guard: loopback, Redactor: redactor}).Send(t.Context(), n).OK)
	require.NotContains(t, string(r.bodies[0]), "hunter2")
	require.Equal(t, 5, strings.Count(string(r.bodies[0]), "[redacted]"))
	away := New(Options{Guard: loopback, Redactor: func(string) func(string) string { return nil }}).Send(t.Context(), n)
	require.False(t, away.OK)
	require.False(t, away.Permanent)
	require.Len(t, r.bodies, 1, "nothing leaves unredacted")
}

func TestRender_HostileTextIsOneLineThatCanDoNothing(t *testing.T) {
	t.Parallel()
	n := notice(platform.EventIncidentOpened)
	n.Incident.Title, n.Events[0].Summary, n.Diagnosis.Summary, n.Plans[0].Body.Title = hostile, hostile, hostile, hostile
	m := render(n)
	for _, text := range append([]string{m.title}, m.lines...) {
		require.NotContains(t, text, "\r")
		require.NotContains(t, text, "\n")
		require.NotContains(t, text, "\x1b")
		require.NotContains(t, text, "\u202e")
	}
	require.Equal(t, []string{"fairlead incidents show inc_1", "fairlead approve plan_1"}, m.commands)
}

func TestRender_DigestCountsWhatItDoesNotList(t *testing.T) {
	t.Parallel()
	n := notice(platform.EventIncidentOpened)
	n.Delivery.Why, n.Incident = platform.DeliverQuiet, nil
	n.Delivery.Events = make([]int64, 300)
	for range 99 {
		n.Events = append(n.Events, n.Events[0])
	}
	m := render(n)
	require.Equal(t, "Fairlead: 300 events while it was quiet", m.title)
	require.Len(t, m.rows, maxDigestRows)
	require.Contains(t, m.lines[1], "280 came before")
	b := bodyOf(n)
	require.Equal(t, 300, b.Count)
	require.Equal(t, 200, b.Omitted)
	require.Equal(t, "digest", b.Kind)
}
