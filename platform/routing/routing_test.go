package routing

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func valid() Table {
	return Table{Version: 3, Routes: []Route{
		{
			Slot: "slot_1", Name: "shop/production/api", Hosts: []string{"api.shop.localhost", "api_2.example.com"}, PathPrefix: "/",
			Targets:  []Target{{Instance: "i1", Release: 4, Address: "172.18.0.2:8080"}, {Instance: "i2", Release: 5, Address: "[fd00::1]:80"}},
			DrainFor: 30 * time.Second, Timeout: time.Minute, MaxBodySize: 1 << 20,
		},
		{Slot: "slot_2", Name: "shop/production/web", Hosts: []string{"api.shop.localhost"}, PathPrefix: "/web"},
	}}
}

func TestValidate_GoodTablePassesAndSurvivesTheWire(t *testing.T) {
	t.Parallel()
	data, err := Encode(valid())
	require.NoError(t, err)
	got, err := Decode(strings.NewReader(string(data)))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(valid(), got))
}

func TestValidate_DuplicateHostAndPrefixNamesBothOwners(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"/web", "/web/"} {
		table := valid()
		table.Routes = append(table.Routes, Route{Slot: "slot_3", Name: "blog/production/web", Hosts: []string{"api.shop.localhost"}, PathPrefix: prefix})
		err := table.Validate()
		require.ErrorContains(t, err, "shop/production/web")
		require.ErrorContains(t, err, "blog/production/web")
		require.ErrorContains(t, err, `"api.shop.localhost"`)
		require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	}
}

func TestValidate_RefusesWhatIsWrongAndNamesTheField(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		field string
		spoil func(t *Table)
	}{
		"no version":         {"version", func(t *Table) { t.Version = 0 }},
		"no slot":            {"routes[0].slot", func(t *Table) { t.Routes[0].Slot = "" }},
		"no host":            {"routes[0].hosts", func(t *Table) { t.Routes[0].Hosts = nil }},
		"upper case host":    {"routes[0].hosts[1]", func(t *Table) { t.Routes[0].Hosts[1] = "Api.localhost" }},
		"host with port":     {"routes[0].hosts[1]", func(t *Table) { t.Routes[0].Hosts[1] = "a.localhost:80" }},
		"host with a slash":  {"routes[0].hosts[1]", func(t *Table) { t.Routes[0].Hosts[1] = "a/b" }},
		"empty label":        {"routes[0].hosts[1]", func(t *Table) { t.Routes[0].Hosts[1] = "a..b" }},
		"long host":          {"routes[0].hosts[1]", func(t *Table) { t.Routes[0].Hosts[1] = strings.Repeat("a.", 127) }},
		"hyphen":             {"routes[0].hosts[1]", func(t *Table) { t.Routes[0].Hosts[1] = "-a.b" }},
		"wildcard":           {"routes[0].hosts[1]", func(t *Table) { t.Routes[0].Hosts[1] = "*.b" }},
		"relative prefix":    {"routes[1].path_prefix", func(t *Table) { t.Routes[1].PathPrefix = "web" }},
		"prefix with query":  {"routes[1].path_prefix", func(t *Table) { t.Routes[1].PathPrefix = "/web?x" }},
		"address, no port":   {"routes[0].targets[0].address", func(t *Table) { t.Routes[0].Targets[0].Address = "10.0.0.1" }},
		"address, port 0":    {"routes[0].targets[0].address", func(t *Table) { t.Routes[0].Targets[0].Address = "10.0.0.1:0" }},
		"address, big port":  {"routes[0].targets[0].address", func(t *Table) { t.Routes[0].Targets[0].Address = "10.0.0.1:65536" }},
		"address with path":  {"routes[0].targets[0].address", func(t *Table) { t.Routes[0].Targets[0].Address = "a/b:80" }},
		"no instance":        {"routes[0].targets[0].instance", func(t *Table) { t.Routes[0].Targets[0].Instance = "" }},
		"instance twice":     {"routes[0].targets[1]", func(t *Table) { t.Routes[0].Targets[1].Instance = "i1" }},
		"instance elsewhere": {"routes[1].targets[0]", func(t *Table) { t.Routes[1].Targets = []Target{{"i1", 4, "10.0.0.9:1"}} }},
		"negative drain":     {"routes[0].drain_ns", func(t *Table) { t.Routes[0].DrainFor = -1 }},
		"endless timeout":    {"routes[0].timeout_ns", func(t *Table) { t.Routes[0].Timeout = 25 * time.Hour }},
		"negative body":      {"routes[0].max_body_bytes", func(t *Table) { t.Routes[0].MaxBodySize = -1 }},
		"too many routes":    {"routes", func(t *Table) { t.Routes = make([]Route, MaxRoutes+1) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := valid()
			c.spoil(&table)
			var e *platform.Error
			require.ErrorAs(t, table.Validate(), &e)
			require.Equal(t, platform.CodeInvalid, e.Code)
			require.Equal(t, c.field, e.Field)
			require.NotEmpty(t, e.Hint)
		})
	}
}

func FuzzDecode(f *testing.F) {
	good, err := Encode(valid())
	require.NoError(f, err)
	for _, s := range []string{string(good), "", "{", "[]", "null", `{"version":1}`, `{"version":-1}`, `{"version":1,"routes":[null]}`, `{"version":1}{}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		table, err := Decode(strings.NewReader(s))
		if err != nil {
			require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
			require.Empty(t, cmp.Diff(Table{}, table))
			return
		}
		data, err := Encode(table)
		require.NoError(t, err)
		again, err := Decode(strings.NewReader(string(data)))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(table, again))
	})
}

func TestClient_NobodyAnswersIsUnavailable(t *testing.T) {
	t.Parallel()
	client := NewClient(filepath.Join(t.TempDir(), "none"))
	_, putErr := client.Put(t.Context(), valid())
	_, snapshotErr := client.Snapshot(t.Context())
	for _, err := range []error{client.Ping(t.Context()), putErr, snapshotErr} {
		require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
		require.ErrorIs(t, err, os.ErrNotExist, "what the system said is kept")
	}
}

func TestClient_InvalidTableIsRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	_, err := NewClient("/nowhere").Put(t.Context(), Table{})
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
}

func TestClient_PassesOnWhatTheRouterSays(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "rt")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	socket := filepath.Join(folder, "s")
	listener, err := new(net.ListenConfig).Listen(context.Background(), "unix", socket)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /table", func(w http.ResponseWriter, req *http.Request) {
		table, err := Decode(req.Body)
		if err != nil || table.Version == 4 {
			WriteError(w, invalid("routes", "No.", "Yes."))
			return
		}
		_ = json.NewEncoder(w).Encode(Ack{Version: table.Version})
	})
	mux.HandleFunc("GET /snapshot", func(w http.ResponseWriter, _ *http.Request) { WriteError(w, os.ErrPermission) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "what?", http.StatusTeapot) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })

	client := NewClient(socket)
	table := valid()
	ack, err := client.Put(t.Context(), table)
	require.NoError(t, err)
	require.Equal(t, Ack{Version: 3}, ack)
	table.Version = 4
	_, err = client.Put(t.Context(), table)
	require.Empty(t, cmp.Diff(invalid("routes", "No.", "Yes."), err))
	_, err = client.Snapshot(t.Context())
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(client.Ping(t.Context())))
}
