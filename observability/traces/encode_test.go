package traces

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/observabilitytest"
)

func FuzzDecode(f *testing.F) {
	span := observabilitytest.Span(time.Unix(1, 2).UTC(), 3, func(s *observability.Span) { s.Attributes = map[string]string{"a": "b", "c": ""} })
	good := string(encode(nil, &span))
	for _, text := range []string{good, good[:len(good)-1], good[:20], "", good + "x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decode(text)
		if err != nil {
			return
		}
		again, err := decode(string(encode(nil, &got)))
		require.NoError(t, err, "what is read can be written")
		require.Equal(t, got, again)
	})
}

func TestPace_OnlyTheSlowestHundredthIsSlow(t *testing.T) {
	t.Parallel()
	var p pace
	for n := range 1000 {
		require.False(t, p.add(time.Duration(20+n%10)*time.Millisecond), "about the same as the others")
	}
	require.True(t, p.add(time.Second))
	for range 100 {
		p.add(time.Second)
	}
	require.False(t, p.add(time.Second), "it is usual now")
	require.NotPanics(t, func() { p.add(-time.Second); p.add(1 << 62) })
	for range 2 * paceFull {
		p.add(time.Millisecond)
	}
	require.Less(t, p.total, uint32(paceFull))
}
