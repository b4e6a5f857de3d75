package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

func TestTraces_FlagsReachTheServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ok("traces", "shop/staging/api", "--failed", "--min-took", "250ms", "--since", "10m", "-n", "7", "--cursor", "t1.x")
	calls := b.plane.Calls()
	require.Equal(t, observability.TraceQuery{
		Project: "shop", Environment: "staging", Service: "api", Failed: true, MinTook: 250 * time.Millisecond, From: httpapitest.Now.Add(-10 * time.Minute), Limit: 7, Cursor: "t1.x",
	}, calls[len(calls)-1].Arg)
	b.ok("traces", strings.ToUpper(httpapitest.TraceID), "-p", "shop")
	calls = b.plane.Calls()
	require.Equal(t, "GetTrace", calls[len(calls)-1].Name)
	r := b.run("traces", strings.Repeat("ab", 16), "-p", "shop")
	require.Equal(t, 4, r.code)
	require.Contains(t, r.err, "There is no trace")
}

func TestTraces_EmptyListSaysHowTheyComeOrThatNoneMatches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plane.Traces = nil
	out := b.ok("traces")
	require.Contains(t, out, "OTEL_EXPORTER_OTLP_ENDPOINT")
	require.Contains(t, out, "authorization=Bearer%20<token>")
	require.Equal(t, "No trace matches. Traces are kept for about an hour; `fairlead traces` lists them all.\n", b.ok("traces", "--failed"))
}

func TestTrace_SpansWithoutParentsAndInCirclesAreShownOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tree := b.plane.Trace.Tree[:4:4]
	tree[0].ParentID = "00000000000000ff"
	tree[2].ParentID, tree[3].ParentID = tree[3].SpanID, tree[2].SpanID
	tree[1].Name = "\x1b[2J\u202eevil\nname"
	tree[1].Took, tree[1].At = 0, tree[1].At.Add(-time.Hour)
	out := b.ok("traces", httpapitest.TraceID)
	for _, name := range []string{"POST /recommend", "evil name", "GET /features", "SELECT users"} {
		require.Equal(t, 1, strings.Count(strings.Split(out, "\nfailed")[0], name), name)
	}
	require.Contains(t, out, "Spans whose parent did not come: 1.")
	require.NotContains(t, out, "\x1b")
	require.NotContains(t, out, "\u202e")
}

func TestMap_CirclesEndAndHostileNamesAreQuoted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	evil := "ev\"il\\\x1b[2J\nx"
	edge := func(from, to string) platform.MapEdge {
		return platform.MapEdge{Edge: platform.Edge{From: from, To: to, Kind: platform.EdgeCalls}, Sources: []platform.EdgeSource{platform.SourceTraces}}
	}
	b.plane.Map.Nodes = []platform.MapNode{{Name: "a", Kind: platform.NodeService}, {Name: "b", Kind: platform.NodeService}, {Name: evil, Kind: platform.NodeOutside}}
	b.plane.Map.Edges = []platform.MapEdge{edge("a", "b"), edge("b", "a"), edge("b", evil)}
	b.plane.Map.Notes = []string{"No spans came."}
	out := b.ok("map")
	require.Contains(t, out, "a ↺")
	require.Contains(t, out, "No spans came.")
	require.Equal(t, 1, strings.Count(out, "il\\"))
	require.NotContains(t, out, "\x1b")
	require.Contains(t, b.ok("map", "--output", "dot"), `"ev\"il\\[2J x" [style=dashed];`)
	require.Contains(t, b.ok("map", "--output", "mermaid"), `n2["ev#quot;il\[2J x"]`)
	b.plane.Map.Nodes, b.plane.Map.Edges = nil, nil
	require.Equal(t, "There is no service in shop/production.\n", b.ok("map"))
}
