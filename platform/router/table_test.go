package router

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/platform/routing"
)

// TestFind_AgreesWithANaiveModel compares the index with a scan over all routes.
func TestFind_AgreesWithANaiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		hosts := rapid.SampledFrom([]string{"a.test", "b.test", "a.b.test"})
		segment := rapid.SampledFrom([]string{"a", "ab", "b", "", "a%2fb"})
		path := rapid.Custom(func(t *rapid.T) string {
			return "/" + strings.Join(rapid.SliceOfN(segment, 0, 4).Draw(t, "segments"), "/")
		})
		var table routing.Table
		table.Version = 1
		for i, n := 0, rapid.IntRange(0, 8).Draw(t, "routes"); i < n; i++ {
			next := append(slices.Clone(table.Routes), routing.Route{
				Slot: fmt.Sprint(i), Hosts: []string{hosts.Draw(t, "host")}, PathPrefix: path.Draw(t, "prefix"),
			})
			if (routing.Table{Version: 1, Routes: next}).Validate() == nil {
				table.Routes = next
			}
		}
		r := New(Config{})
		r.swap(table)
		h, p := hosts.Draw(t, "asked host"), path.Draw(t, "asked path")
		want := naive(table, h, p)
		written := rapid.SampledFrom([]string{h, strings.ToUpper(h), h + ":7780", h + "."}).Draw(t, "written")
		got, err := r.table.Load().find(normalHost(written), p)
		if want == "" {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, got.slot)
	})
}

func naive(table routing.Table, host, path string) string {
	best, slot := -1, ""
	for _, route := range table.Routes {
		prefix := strings.TrimRight(route.PathPrefix, "/")
		if slices.Contains(route.Hosts, host) && (path == prefix || strings.HasPrefix(path, prefix+"/")) && len(prefix) > best {
			best, slot = len(prefix), route.Slot
		}
	}
	return slot
}

func TestPick_TakesEveryTargetAndNeverATriedOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := &route{}
		n := rapid.IntRange(0, 6).Draw(t, "targets")
		var tried []string
		for i := range n {
			r.targets = append(r.targets, &target{instance: fmt.Sprint(i), state: &targetState{}})
		}
		for range n {
			next := r.pick(tried)
			require.NotNil(t, next)
			require.NotContains(t, tried, next.instance)
			tried = append(tried, next.instance)
		}
		require.Nil(t, r.pick(tried))
	})
}

func FuzzNormalHost(f *testing.F) {
	for _, s := range []string{"a.b", "A.B:80", "[::1]:80", "a.", "", ":", "[", "]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := normalHost(s)
		require.Equal(t, strings.ToLower(got), got)
		require.LessOrEqual(t, len(got), 3*len(s))
	})
}

func TestSwap_TenThousandRoutesAreTakenOverAndKeepTheirCounters(t *testing.T) { // not parallel: it needs the machine
	g := newRig(t)
	a := backend(t, says("a"))
	table := routing.Table{Version: 1}
	for i := range 10_000 {
		table.Routes = append(table.Routes, routing.Route{
			Slot: fmt.Sprint("s", i), Hosts: []string{fmt.Sprintf("h%d.localhost", i)}, PathPrefix: "/",
			Targets: []routing.Target{{Instance: fmt.Sprint("i", i), Release: 1, Address: a.Listener.Addr().String()}},
		})
	}
	for version := uint64(1); version <= 3; version++ {
		table.Version = version
		_, err := g.client.Put(t.Context(), table)
		require.NoError(t, err)
		req := g.request(t.Context(), http.MethodGet, "/", nil)
		req.Host = "h9999.localhost"
		_, text := g.do(req)
		require.Equal(t, "a", text)
	}
	s := g.snapshot()
	require.Len(t, s.Targets, 10_000)
	require.Len(t, s.Routes, 1)
	require.Equal(t, uint64(3), s.Routes[0].Status[2])
	require.Equal(t, uint64(3), s.Routes[0].Latency.Count)
}
