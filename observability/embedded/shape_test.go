package embedded

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/observability"
)

// shaped is the shape of a line that comes first.
func shaped(l *observability.Line) (string, bool) {
	var r row
	r.sort(l.Fields)
	return r.shaper.shapeOf(l, r.order, r.values)
}

func TestShape_TextIsWhatItWasByteForByte(t *testing.T) {
	t.Parallel()
	for _, l := range []observability.Line{
		{Raw: `{"level":"info","msg":"hello","n":7}`, Message: "hello", Fields: map[string]string{"n": "7"}},
		{Raw: `{"msg":"a \"b\"", "n": 7, "m":7}`, Message: `a "b"`, Fields: map[string]string{"n": "7", "m": "7"}},
		{Raw: `time=x level=info msg="hello there" took=12ms`, Message: "hello there", Fields: map[string]string{"took": "12ms"}},
		{Raw: `{"http":{"path":"/a","status":200},"msg":"m"}`, Message: "m", Fields: map[string]string{"http.path": "/a", "http.status": "200"}},
		{Raw: "\x1b[31mred\x1b[0m", Message: "red"},
		{Raw: "\x01\x02msg", Message: "msg"},
		{Raw: `{"a":"xyzxyz","b":"xyz"}`, Message: "", Fields: map[string]string{"a": "xyzxyz", "b": "xyz"}},
	} {
		if shape, ok := shaped(&l); ok {
			require.Equal(t, l.Raw, textOf(shape, &l), "%q", shape)
		}
	}
}

func TestShape_IsTheSameForLinesOfOneStatement(t *testing.T) {
	t.Parallel()
	line := func(message, path, took, trace string) observability.Line {
		return observability.Line{
			Raw:     `{"level":"info","msg":"` + message + `","path":"` + path + `","took_ms":` + took + `,"trace_id":"` + trace + `"}`,
			Message: message, Fields: map[string]string{"path": path, "took_ms": took, "trace_id": trace},
		}
	}
	one := line("batch of 7 scored", "/v1/predict", "12", "5f2d9c0a11223344")
	two := line("batch of 1200 scored", "/v1/embed", "7", "00aa55ff99887766")
	first, _ := shaped(&one)
	second, _ := shaped(&two)
	require.Equal(t, first, second)
	require.Equal(t, "{\"level\":\"info\",\"msg\":\"\x01\x02\",\"path\":\"\x01path\x02\",\"took_ms\":\x01took_ms\x02,\"trace_id\":\"\x01trace_id\x02\"}", first)
}

func TestShape_AnyLineComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching("[a-c\"=:. \x01\x02]{0,12}")
		l := observability.Line{
			Raw: word.Draw(t, "raw") + word.Draw(t, "more") + word.Draw(t, "rest"), Message: word.Draw(t, "message"),
			Fields: rapid.MapOf(rapid.StringMatching("[a-c.\x02]{1,3}"), rapid.StringMatching("[a-c:=\"]{1,11}")).Draw(t, "fields"),
		}
		if shape, ok := shaped(&l); ok {
			require.Equal(t, l.Raw, textOf(shape, &l))
		}
	})
}
