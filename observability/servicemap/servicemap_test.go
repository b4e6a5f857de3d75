package servicemap_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/servicemap"
	"github.com/fairlead/fairlead/platform"
)

var services = []servicemap.Service{
	{Name: "web", Kind: platform.KindWeb, Hosts: []string{"web.shop.localhost"}},
	{Name: "api", Kind: platform.KindWeb, Hosts: []string{"api.shop.localhost", "api.example.com"}},
	{Name: "features", Kind: platform.KindPrivate, Addresses: []string{"172.18.0.4:9000", "127.0.0.1:41234"}},
	{Name: "jobs", Kind: platform.KindWorker},
	{Name: "db", Kind: platform.KindPostgres},
}

// told is one span in short: "id<parent service kind took [!] [key=value ...]".
func told(t *testing.T, lines ...string) *servicemap.Calls {
	t.Helper()
	calls := &servicemap.Calls{}
	for _, line := range lines {
		words := strings.Fields(line)
		require.GreaterOrEqual(t, len(words), 4, line)
		s := observability.Span{Kind: observability.SpanKind(words[2])}
		s.TraceID, s.Service = "t", words[1]
		s.SpanID, s.ParentID, _ = strings.Cut(words[0], "<")
		took, err := time.ParseDuration(words[3])
		require.NoError(t, err)
		s.Took = platform.Duration(took)
		for _, word := range words[4:] {
			if word == "!" {
				s.Failed = true
				continue
			}
			key, value, _ := strings.Cut(word, "=")
			if s.Attributes == nil {
				s.Attributes = map[string]string{}
			}
			s.Attributes[key] = value
		}
		calls.Add(&s)
	}
	return calls
}

// edges are the edges of a map in short.
func edges(m platform.ServiceMap) []string {
	out := []string{}
	for _, e := range m.Edges {
		text := fmt.Sprintf("%s %s %s %v", e.From, e.Kind, e.To, e.Sources)
		if e.Requests > 0 {
			text += fmt.Sprintf(" %d/%d %s", e.Failed, e.Requests, e.P95)
		}
		if e.Via != "" {
			text += " " + e.Via
		}
		out = append(out, text)
	}
	return out
}

func TestBuild_SpansOfTwoServicesAreACall(t *testing.T) {
	t.Parallel()
	m := servicemap.Build(servicemap.Input{Services: services, Calls: told(
		t, "1 web server 50ms", "2<1 web client 40ms", "3<2 api server 30ms", "4<3 api internal 20ms", "5<4 features server 10ms !",
		"6<3 api client 5ms ! server.address=features",
	)})
	require.Equal(t, []string{"api calls features [traces] 2/2 10ms", "web calls api [traces] 0/1 40ms"}, edges(m))
	require.Empty(t, m.Notes)
}

func TestBuild_CallThatNobodyAnsweredGoesToWhatItNames(t *testing.T) {
	t.Parallel()
	for attributes, want := range map[string]string{
		"server.address=features server.port=9000":                 "api calls features [traces] 0/1 5ms",
		"net.peer.name=features":                                   "api calls features [traces] 0/1 5ms",
		"server.address=172.18.0.4 server.port=9000":               "api calls features [traces] 0/1 5ms",
		"server.address=127.0.0.1 server.port=41234":               "api calls features [traces] 0/1 5ms",
		"server.address=127.0.0.1 server.port=5432":                "api calls 127.0.0.1:5432 [traces] 0/1 5ms",
		"url.full=http://web.shop.localhost:7780/cart?x=1":         "api calls web [traces] 0/1 5ms",
		"peer.service=features server.address=10.1.1.1":            "api calls features [traces] 0/1 5ms",
		"server.address=api.openai.com":                            "api calls api.openai.com [traces] 0/1 5ms",
		"server.address=2001:db8::1 server.port=80":                "api calls [2001:db8::1]:80 [traces] 0/1 5ms",
		"db.system=postgresql server.address=db":                   "api uses db [traces] 0/1 5ms",
		"db.system.name=redis db.namespace=0":                      "api uses redis 0 [traces] 0/1 5ms",
		"messaging.system=kafka messaging.destination.name=orders": "api uses kafka orders [traces] 0/1 5ms",
		"server.address=api":                                       "",
		"http.request.method=GET":                                  "",
	} {
		m := servicemap.Build(servicemap.Input{Services: services, Calls: told(t, "1 api client 5ms "+attributes)})
		require.Equal(t, want, strings.Join(edges(m), "; "), attributes)
	}
}

func TestBuild_OneCallIsCountedOnce(t *testing.T) {
	t.Parallel()
	m := servicemap.Build(servicemap.Input{Services: services, Calls: told(
		t, "1 api server 50ms", "2<1 api client 40ms server.address=features", "3<2 api client 30ms server.address=features", "4<3 features server 20ms",
	)})
	require.Equal(t, []string{"api calls features [traces] 0/1 30ms"}, edges(m))
}

func TestBuild_MessageIsAUseFromSenderToTaker(t *testing.T) {
	t.Parallel()
	m := servicemap.Build(servicemap.Input{Services: services, Calls: told(
		t, "1 api producer 2ms messaging.system=kafka messaging.destination.name=orders", "2<1 jobs consumer 900ms !",
	)})
	require.Equal(t, []string{"api uses jobs [traces] 1/1 900ms"}, edges(m))
}

func TestBuild_RouterTrafficIsAnEdgeFromTheRouter(t *testing.T) {
	t.Parallel()
	m := servicemap.Build(servicemap.Input{Services: services, Routes: []servicemap.Route{
		{Service: "web", Requests: 1000.4, Failed: 12.6, P50: platform.Duration(time.Millisecond), P95: platform.Duration(9 * time.Millisecond)},
		{Service: "api", Requests: 0.2},
	}})
	require.Equal(t, []string{"(router) calls web [router] 13/1000 9ms"}, edges(m))
	require.Equal(t, platform.MapNode{Name: platform.RouterNode, Kind: platform.NodeRouter}, m.Nodes[0])
	require.InDelta(t, 0.013, m.Edges[0].FailedShare(), 1e-9)
	require.Contains(t, m.Notes[0], "No spans came")
}

func TestBuild_VariableThatNamesAServiceIsADeclaredEdge(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"FEATURES_URL=http://features:9000":                     "jobs calls features [declared] FEATURES_URL",
		"DATABASE_URL=postgres://u:p@ss@db:5432/x?sslmode=none": "jobs uses db [declared] DATABASE_URL",
		"DSN=host=db port=5432 user=x":                          "jobs uses db [declared] DSN",
		"UPSTREAM=features:9000":                                "jobs calls features [declared] UPSTREAM",
		"FEATURES_HOST=features":                                "jobs calls features [declared] FEATURES_HOST",
		"PUBLIC_URL=https://API.example.com/v1":                 "jobs calls api [declared] PUBLIC_URL",
		"KAFKA_BROKERS=api:9092, features:9092":                 "jobs calls api [declared] KAFKA_BROKERS; jobs calls features [declared] KAFKA_BROKERS",
		"MONGO=mongodb://u:x@api:27017,features:27017/db":       "jobs calls api [declared] MONGO; jobs calls features [declared] MONGO",
		"OWN_URL=http://jobs:1":                                 "",
		"LOG_LEVEL=web":                                         "",
		"TEXT=the api is at api":                                "",
		"OTHER_URL=http://features.elsewhere.com":               "",
		"TIMES=12:30":                                           "",
	} {
		key, value, _ := strings.Cut(variable, "=")
		with := append([]servicemap.Service{}, services...)
		with[3].Variables = map[string]string{key: value}
		require.Equal(t, want, strings.Join(edges(servicemap.Build(servicemap.Input{Services: with})), "; "), variable)
	}
}

func TestBuild_SeenAndDeclaredIsOneEdge(t *testing.T) {
	t.Parallel()
	with := append([]servicemap.Service{}, services...)
	with[1].Variables = map[string]string{"FEATURES_URL": "http://features:9000"}
	m := servicemap.Build(servicemap.Input{Services: with, Calls: told(t, "1 api client 5ms server.address=features")})
	require.Equal(t, []string{"api calls features [declared traces] 0/1 5ms FEATURES_URL"}, edges(m))
}

func TestBuild_SharedDiskIsAnEdgeBesideTheCalls(t *testing.T) {
	t.Parallel()
	with := append([]servicemap.Service{}, services...)
	with[1].Disk, with[2].Disk = "models", "models"
	m := servicemap.Build(servicemap.Input{Services: with, Calls: told(t, "1 api client 5ms server.address=features")})
	require.Equal(t, []string{"api calls features [traces] 0/1 5ms", "api shares_disk features [disk] models"}, edges(m))
}

func TestBuild_SpansOfAnUnknownServiceAreOutside(t *testing.T) {
	t.Parallel()
	m := servicemap.Build(servicemap.Input{Services: services, Calls: told(t, "1 mobile-app client 5ms server.address=api.example.com")})
	require.Equal(t, []string{"mobile-app calls api [traces] 0/1 5ms"}, edges(m))
	require.Equal(t, platform.MapNode{Name: "mobile-app", Kind: platform.NodeOutside}, m.Nodes[len(m.Nodes)-1])
}

func TestBuild_IsTheSameWhateverTheOrder(t *testing.T) {
	t.Parallel()
	lines := []string{"1 web server 50ms", "2<1 web client 40ms", "3<2 api server 30ms", "5<3 features server 10ms !", "6<3 api client 5ms db.system=redis"}
	want := servicemap.Build(servicemap.Input{Services: services, Calls: told(t, lines...)})
	for i := range lines {
		turned := append(append([]string{}, lines[i:]...), lines[:i]...)
		require.Equal(t, want, servicemap.Build(servicemap.Input{Services: services, Calls: told(t, turned...)}))
	}
}

func BenchmarkBuild_HundredThousandSpans(b *testing.B) {
	for b.Loop() {
		calls := &servicemap.Calls{}
		for n := range 100_000 {
			s := observability.Span{Kind: observability.SpanServer}
			s.TraceID, s.SpanID, s.Service = fmt.Sprintf("%032x", n/3), fmt.Sprintf("%016x", n), services[n%3].Name
			if n%3 > 0 {
				s.ParentID = fmt.Sprintf("%016x", n-1)
			}
			calls.Add(&s)
		}
		servicemap.Build(servicemap.Input{Services: services, Calls: calls})
	}
}
