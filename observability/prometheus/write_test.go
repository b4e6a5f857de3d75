package prometheus_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/prometheus"
	"github.com/fairlead/fairlead/platform"
)

// listen answers requests one after another; calls says how many there were.
func listen(t *testing.T, answer http.HandlerFunc) (url string, calls func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n++
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func one() []observability.Sample {
	return []observability.Sample{{Name: "m", At: time.Now(), Value: 1}}
}

func received(t *testing.T, r *http.Request) prompb.WriteRequest {
	t.Helper()
	raw, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	plain, err := snappy.Decode(nil, raw)
	require.NoError(t, err)
	var request prompb.WriteRequest
	require.NoError(t, request.Unmarshal(plain))
	return request
}

func TestAppend_ABusyServerIsAskedAgainWhenItSays(t *testing.T) {
	t.Parallel()
	var times []time.Time
	url, calls := listen(t, func(w http.ResponseWriter, _ *http.Request) {
		times = append(times, time.Now())
		switch len(times) {
		case 1:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	require.NoError(t, open(t, url, nil).Append(t.Context(), one()))
	require.Equal(t, 3, calls())
	require.GreaterOrEqual(t, times[1].Sub(times[0]), time.Second)
}

func TestAppend_GivesUpOnAServerThatStaysAwayAndDoesNotRepeatARefusal(t *testing.T) {
	t.Parallel()
	url, calls := listen(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	metrics := open(t, url, func(o *prometheus.Options) { o.RetryFor = 300 * time.Millisecond })
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(metrics.Append(t.Context(), one())))
	require.Greater(t, calls(), 1)

	url, calls = listen(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "remote write receiver is off", http.StatusNotFound)
	})
	err := open(t, url, nil).Append(t.Context(), one())
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.ErrorContains(t, err, "remote write receiver is off")
	require.Equal(t, 1, calls())
}

func TestAppend_OneBadSampleOfABatchCostsNoOther(t *testing.T) {
	t.Parallel()
	url, calls := listen(t, func(w http.ResponseWriter, r *http.Request) {
		for _, series := range received(t, r).Timeseries {
			for _, s := range series.Samples {
				if s.Value == 42 {
					http.Error(w, "out of order sample", http.StatusBadRequest) // nothing of the request is stored
					return
				}
			}
		}
	})
	var samples []observability.Sample
	at := time.Now().Truncate(time.Millisecond)
	for i := range 100 {
		samples = append(samples, observability.Sample{Name: "m", At: at.Add(time.Duration(i) * time.Second), Value: float64(i)})
	}
	err := open(t, url, nil).Append(t.Context(), samples)
	require.ErrorContains(t, err, "1 of 100 samples")
	require.Less(t, calls(), 20)
}

func TestForwarder_AnOutageLosesNothingAndAFullQueueLosesTheOldestCounted(t *testing.T) {
	t.Parallel()
	var (
		mu   sync.Mutex
		away = true
		got  []float64
	)
	url, calls := listen(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if away {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		for _, series := range received(t, r).Timeseries {
			for _, s := range series.Samples {
				got = append(got, s.Value)
			}
		}
	})
	f := prometheus.NewForwarder(open(t, url, func(o *prometheus.Options) {
		o.BatchSize, o.QueueSize, o.QueueDelay = 10, 50, 10*time.Millisecond
	}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	at := time.Now()
	give := func(from, to int) {
		for i := from; i < to; i++ {
			require.NoError(t, f.Append(t.Context(), []observability.Sample{{Name: "m", At: at.Add(time.Duration(i) * time.Millisecond), Value: float64(i)}}))
		}
	}
	give(0, 10)
	require.Eventually(t, func() bool { return calls() > 0 }, 5*time.Second, time.Millisecond, "the first batch is under way and held")
	give(10, 70)
	require.Equal(t, int64(10), f.Count().Dropped)
	mu.Lock()
	away = false
	mu.Unlock()
	require.Eventually(t, func() bool { return f.Count().Written == 60 }, 10*time.Second, time.Millisecond)
	require.Zero(t, f.Count().Waiting)
	mu.Lock()
	require.Len(t, got, 60)
	require.NotContains(t, got, 15.0)
	require.Contains(t, got, 69.0)
	mu.Unlock()
	give(70, 71)
	cancel()
	require.NoError(t, <-ended)
	require.Equal(t, int64(61), f.Count().Written, "what waits at the end is written")
}

func TestAppend_OwnLabelsWinOverThoseOfTheInstallation(t *testing.T) {
	t.Parallel()
	var request prompb.WriteRequest
	url, _ := listen(t, func(_ http.ResponseWriter, r *http.Request) { request = received(t, r) })
	metrics := open(t, url, func(o *prometheus.Options) { o.Labels = map[string]string{"site": "eu", "a": "b"} })
	require.NoError(t, metrics.Append(t.Context(), []observability.Sample{{Name: "m", Labels: map[string]string{"site": "own"}, At: time.Now()}}))
	var names []string
	for _, l := range request.Timeseries[0].Labels {
		names = append(names, l.Name+"="+l.Value)
	}
	require.Equal(t, []string{"__name__=m", "a=b", "site=own"}, names)
}

func TestQuery_WhatIsNotTheAPIIsNamed(t *testing.T) {
	t.Parallel()
	url, _ := listen(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>sign in</html>") })
	_, err := open(t, url, nil).Query(t.Context(), observability.MetricQuery{Expr: "m"})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.ErrorContains(t, err, "instead of a result")
	_, err = open(t, "http://127.0.0.1:1", nil).Query(t.Context(), observability.MetricQuery{Expr: "m"})
	require.ErrorContains(t, err, "The metric server at 127.0.0.1:1 does not answer")
}
