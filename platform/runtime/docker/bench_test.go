package docker_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/docker"
)

// BenchmarkStart is a whole life of an instance; most of it is the engine's own work.
func BenchmarkStart(b *testing.B) {
	name := "bench-" + token()
	r, err := docker.Open(b.Context(), docker.Options{Installation: name})
	require.NoError(b, err)
	defer r.Close()
	var start, stop, remove time.Duration
	n := 0
	for b.Loop() {
		n++
		began := time.Now()
		c, err := r.Start(b.Context(), spec(name, strconv.Itoa(n), "wait"))
		require.NoError(b, err)
		started := time.Now()
		require.NoError(b, r.Stop(b.Context(), c.ID, 10*time.Second))
		stopped := time.Now()
		require.NoError(b, r.Remove(b.Context(), c.ID))
		start, stop, remove = start+started.Sub(began), stop+stopped.Sub(started), remove+time.Since(stopped)
	}
	for unit, total := range map[string]time.Duration{"start-ms": start, "stop-ms": stop, "remove-ms": remove} {
		b.ReportMetric(float64(total.Milliseconds())/float64(n), unit)
	}
}

// BenchmarkLogs reads a log of many lines.
func BenchmarkLogs(b *testing.B) {
	const lines = 100_000
	name := "bench-" + token()
	r, err := docker.Open(b.Context(), docker.Options{Installation: name})
	require.NoError(b, err)
	defer r.Close()
	c, err := r.Start(b.Context(), spec(name, "one", "count:1-"+strconv.Itoa(lines)))
	require.NoError(b, err)
	defer func() { require.NoError(b, r.Remove(b.Context(), c.ID)) }()
	read := func() (n int) {
		require.NoError(b, r.Logs(b.Context(), c.ID, runtime.LogOptions{Follow: true}, func(runtime.LogFrame) error {
			n++
			return nil
		}))
		return n
	}
	require.Equal(b, lines, read())
	for b.Loop() {
		read()
	}
	b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
