package router

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/routing"
)

func TestRouter_SendsRequestsByHostAndLongestPrefix(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	web, api := backend(t, says("web")), backend(t, says("api"))
	g.putRoute(1,
		routing.Route{Slot: "s1", Hosts: []string{host, "other.localhost"}, PathPrefix: "/", Targets: []routing.Target{at("web", 1, web)}},
		routing.Route{Slot: "s2", Hosts: []string{host}, PathPrefix: "/api", Targets: []routing.Target{at("api", 1, api)}})
	for path, want := range map[string]string{"/": "web", "/api": "api", "/api/x": "api", "/apix": "web", "/x/api": "web"} {
		status, text := g.get(path)
		require.Equal(t, http.StatusOK, status, path)
		require.Equal(t, want, text, path)
	}
	for _, name := range []string{"OTHER.localhost", "other.localhost:80", "other.localhost."} {
		req := g.request(t.Context(), http.MethodGet, "/api", nil)
		req.Host = name
		_, text := g.do(req)
		require.Equal(t, "web", text, name)
	}
}

func TestRouter_UnknownHostGetsAClear404(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	status, text := g.get("/")
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, "No service has this host.\n", text)

	req := g.request(t.Context(), http.MethodGet, "/", nil)
	req.Header.Set("Accept", "application/json")
	res, text := g.do(req)
	require.Equal(t, "application/json", res.Header.Get("Content-Type"))
	require.JSONEq(t, `{"status":404,"error":"No service has this host.","host":"`+host+`"}`, text)
}

func TestRouter_NoTargetGets503WithRetryAfter(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(1)
	res, _ := g.do(g.request(t.Context(), http.MethodGet, "/", nil))
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "1", res.Header.Get("Retry-After"))
	require.Equal(t, uint64(1), g.snapshot().Routes[0].Status[0], "the router's own 503 counts as no answer")
	require.Contains(t, g.log.String(), `"status":503`)
}

func TestInstall_LowerOrEqualVersionIsAcknowledgedWithoutEffect(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(7, at("a", 1, backend(t, says("a"))))
	for _, version := range []uint64{6, 7} {
		ack, err := g.client.Put(t.Context(), routing.Table{Version: version})
		require.NoError(t, err)
		require.Equal(t, uint64(7), ack.Version)
	}
	_, text := g.get("/")
	require.Equal(t, "a", text)
}

func TestInstall_MalformedTableIsRefusedWholeAndTheOldOneServes(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := backend(t, says("a"))
	g.put(1, at("a", 1, a))
	transport := socketTransport(filepath.Join(g.folder, "s"))
	defer transport.CloseIdleConnections()
	for _, body := range []string{
		"", "{", `[]`, `{"version":0}`, `{"version":2,"routes":[{"slot":"s","hosts":["A.B"],"path_prefix":"/"}]}`,
		`{"version":2,"routes":[{"slot":"s","hosts":["a.b"],"targets":[{"instance":"i","address":"nowhere"}]}]}`, `{"version":2}{"version":3}`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://router/table", strings.NewReader(body))
		require.NoError(t, err)
		res, err := transport.RoundTrip(req)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, http.StatusUnprocessableEntity, res.StatusCode, body)
	}
	_, text := g.get("/")
	require.Equal(t, "a", text)
	require.Equal(t, uint64(1), g.snapshot().Version)
}

func TestRun_SavedTableIsServedAfterARestartWithNothingElseRunning(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(3, at("a", 1, backend(t, says("a"))))
	boot := g.snapshot().Boot
	g.stop()
	again := startRig(t, g.folder, Config{})
	_, text := again.get("/")
	require.Equal(t, "a", text)
	s := again.snapshot()
	require.Equal(t, uint64(3), s.Version)
	require.NotEqual(t, boot, s.Boot)
}

func TestRun_CorruptSavedTableIsSetAsideAndSaidLoudly(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.stop()
	file := filepath.Join(g.folder, "table.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"version":9,"routes":[{`), 0o600))
	again := startRig(t, g.folder, Config{})
	require.Equal(t, uint64(0), again.snapshot().Version)
	require.Contains(t, again.log.String(), `"level":"ERROR"`)
	kept, err := filepath.Glob(file + ".corrupt-*")
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.NoFileExists(t, file)
	again.put(1, at("a", 1, backend(t, says("a"))))
	require.FileExists(t, file)
}

func TestRun_SocketIsPrivateTakenAwayAndNeverStolen(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	path := filepath.Join(g.folder, "s")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	second := New(Config{Listen: "127.0.0.1:0", Socket: path, TableFile: filepath.Join(g.folder, "other.json")})
	require.ErrorContains(t, second.Run(t.Context()), "another router answers")
	require.NoError(t, g.client.Ping(t.Context()))

	g.stop()
	require.NoFileExists(t, path)
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(g.client.Ping(t.Context())))
	left, err := os.ReadDir(g.folder)
	require.NoError(t, err)
	require.Empty(t, left, "nothing temporary is left behind")
}
