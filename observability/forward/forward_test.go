package forward

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/observabilitytest"
	"github.com/fairlead/fairlead/observability/spool"
	"github.com/fairlead/fairlead/platform"
)

func lokiAt(sinks map[string]*sink) map[Kind]func(Receiver) (spool.Sender, error) {
	return map[Kind]func(Receiver) (spool.Sender, error){KindLoki: func(r Receiver) (spool.Sender, error) { return sinks[r.Name], nil }}
}

func TestStream_KeepsTheContractOfItsStore(t *testing.T) {
	t.Parallel()
	observabilitytest.ExerciseLogs(t, func(t *testing.T) observability.Logs {
		s, _ := openStream(t, Options{Receivers: []Receiver{{Name: "out", Kind: KindLoki}}, Senders: lokiAt(map[string]*sink{"out": {}})})
		return s
	})
}

func TestStream_EachReceiverGetsWhatItsFilterChooses(t *testing.T) {
	t.Parallel()
	sinks := map[string]*sink{"all": {}, "warn": {}, "web": {}, "other": {}, "debug": {}}
	s, store := openStream(t, Options{Senders: lokiAt(sinks), Receivers: []Receiver{
		{Name: "all", Kind: KindLoki},
		{Name: "warn", Kind: KindLoki, Filter: Filter{Level: observability.LevelWarn}},
		{Name: "web", Kind: KindLoki, Filter: Filter{Project: "shop", Service: "web"}},
		{Name: "other", Kind: KindLoki, Filter: Filter{Project: "other"}},
		{Name: "debug", Kind: KindLoki, Filter: Filter{Level: observability.LevelDebug}},
	}})
	lines := numbered(0, 6)
	for i, level := range []observability.Level{"", "debug", "info", "warn", "error", "fatal"} {
		lines[i].Level, lines[i].Message = level, "level "+string(level)
	}
	lines[2].Service = "web"
	require.NoError(t, s.Append(t.Context(), lines))
	require.Eventually(t, func() bool {
		for _, stats := range s.Stats() {
			if stats.State != spool.StateIdle {
				return false
			}
		}
		return true
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, messages(lines), messages(store.All()))
	require.Equal(t, messages(lines), messages(sinks["all"].all()))
	require.Equal(t, messages(lines), messages(sinks["debug"].all()))
	require.Equal(t, []string{"level warn", "level error", "level fatal"}, messages(sinks["warn"].all()))
	require.Equal(t, []string{"level info"}, messages(sinks["web"].all()))
	require.Empty(t, sinks["other"].all())
}

func TestStream_AStuckReceiverHoldsUpNobody(t *testing.T) {
	t.Parallel()
	sinks := map[string]*sink{"stuck": {hold: make(chan struct{})}, "quick": {}}
	s, store := openStream(t, Options{Senders: lokiAt(sinks), Receivers: []Receiver{{Name: "stuck", Kind: KindLoki}, {Name: "quick", Kind: KindLoki}}})
	for i := range 20 {
		require.NoError(t, s.Append(t.Context(), numbered(i*50, i*50+50)))
	}
	require.Len(t, store.All(), 1000)
	require.Eventually(t, func() bool { return len(sinks["quick"].all()) == 1000 }, 10*time.Second, time.Millisecond)
	require.Empty(t, sinks["stuck"].all())
	require.Equal(t, uint64(1000), s.Stats()["stuck"].Lines)
	close(sinks["stuck"].hold)
	require.Eventually(t, func() bool { return len(sinks["stuck"].all()) == 1000 }, 10*time.Second, time.Millisecond)
	require.Equal(t, messages(store.All()), messages(sinks["stuck"].all()))
}

func TestStream_ARestartGoesOnWhereEachReceiverWas(t *testing.T) {
	t.Parallel()
	dir, store := t.TempDir(), &observabilitytest.MemoryLogs{}
	out := &sink{}
	options := Options{Store: store, Dir: dir, MinFreeBytes: 1, Senders: lokiAt(map[string]*sink{"out": out}), Receivers: []Receiver{{Name: "out", Kind: KindLoki}}}
	s, err := Open(options)
	require.NoError(t, err)
	require.NoError(t, s.Append(t.Context(), numbered(0, 10))) // it never runs
	require.NoError(t, s.Close())
	s, _ = openStream(t, options)
	require.NoError(t, s.Append(t.Context(), numbered(10, 20)))
	require.Eventually(t, func() bool { return len(out.all()) == 20 }, 10*time.Second, time.Millisecond)
	require.Equal(t, messages(numbered(0, 20)), messages(out.all()))
}

func TestOpen_KindThatNothingSpeaksIsRefused(t *testing.T) {
	t.Parallel()
	_, err := Open(Options{Store: &observabilitytest.MemoryLogs{}, Dir: t.TempDir(), Receivers: []Receiver{{Name: "l", Kind: KindLoki, URL: address(t, "http://127.0.0.1:1")}}})
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	require.ErrorContains(t, err, `kind "loki"`)
}
