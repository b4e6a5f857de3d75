package series_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/series"
)

var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// draw makes n points, one a minute, of a level with noise.
func draw(n int, noise float64, level func(i int) float64) []series.Point {
	random := rand.New(rand.NewPCG(7, uint64(n)))
	out := make([]series.Point, n)
	for i := range out {
		out[i] = series.Point{At: start.Add(time.Duration(i) * time.Minute), Value: level(i) * (1 + noise*random.NormFloat64())}
	}
	return out
}

func minute(i int) time.Time { return start.Add(time.Duration(i) * time.Minute) }

func TestRead_NoiseAloneIsFlat(t *testing.T) {
	t.Parallel()
	for _, noise := range []float64{0, 0.01, 0.05, 0.2} {
		got := series.Read(draw(120, noise, func(int) float64 { return 100 }), false)
		require.Equal(t, series.Flat, got.Kind, "noise %g: %+v", noise, got)
	}
}

func TestRead_ALoneSpikeIsNoChange(t *testing.T) {
	t.Parallel()
	got := series.Read(draw(60, 0.02, func(i int) float64 {
		if i == 30 {
			return 900
		}
		return 100
	}), false)
	require.Equal(t, series.Flat, got.Kind)
}

func TestRead_FindsWhereAStepBegan(t *testing.T) {
	t.Parallel()
	got := series.Read(draw(90, 0.05, func(i int) float64 {
		if i >= 60 {
			return 250
		}
		return 100
	}), false)
	require.Equal(t, series.Step, got.Kind)
	require.WithinDuration(t, minute(60), got.Onset, 2*time.Minute)
	require.InDelta(t, 2.5, got.Ratio(), 0.2)
	require.True(t, got.Up())
}

func TestRead_FindsWhereARampBeganNotWhereItWasSeen(t *testing.T) {
	t.Parallel()
	got := series.Read(draw(240, 0.01, func(i int) float64 { return 400 + 3*float64(max(0, i-100)) }), false)
	require.Equal(t, series.Ramp, got.Kind)
	require.WithinDuration(t, minute(100), got.Onset, 12*time.Minute)
	require.InDelta(t, 180, got.Slope, 20)
}

func TestRead_ABumpIsOver(t *testing.T) {
	t.Parallel()
	got := series.Read(draw(120, 0.03, func(i int) float64 {
		if i >= 50 && i < 70 {
			return 400
		}
		return 100
	}), false)
	require.Equal(t, series.Bump, got.Kind)
	require.WithinDuration(t, minute(50), got.Onset, 2*time.Minute)
	require.InDelta(t, 100, got.Last, 10)
}

func TestRead_ACounterIsReadAsItsRate(t *testing.T) {
	t.Parallel()
	total := 0.0
	points := draw(100, 0, func(i int) float64 {
		if i >= 70 {
			total += 600
		} else {
			total += 60
		}
		if i == 30 {
			total = 0 // started again
		}
		return total
	})
	got := series.Read(points, true)
	require.True(t, got.Counter)
	require.Equal(t, series.Step, got.Kind)
	require.InDelta(t, 1, got.Before, 0.01)
	require.InDelta(t, 10, got.After, 0.01)
	require.WithinDuration(t, minute(70), got.Onset, 2*time.Minute)
	gauge := series.Read(draw(100, 0.05, func(int) float64 { return 40 }), true)
	require.False(t, gauge.Counter, "a name does not make a counter of what falls")
}

func TestMeaningOf_NamesInTheWild(t *testing.T) {
	t.Parallel()
	for metric, want := range map[string]series.Meaning{
		"container_memory_rss_mb": series.Memory, "process_resident_memory_bytes": series.Memory, "jvm_heap_used": series.Memory, "memoryUsage": series.Memory,
		"container_spec_memory_limit_bytes": series.MemoryLimit, "mem_pct": series.MemoryShare,
		"http_requests_total": series.Requests, "rps": series.Requests, "nginx_http_requests_per_second": series.Requests,
		"p99_latency_ms": series.Latency, "http_request_duration_seconds": series.Latency, "time_to_first_token_ttft_ms": series.Latency,
		"kafka_consumer_lag": series.QueueDepth, "rabbitmq_queue_messages_ready": series.QueueDepth, "celery_queue_depth": series.QueueDepth,
		"oldest_message_age_seconds": series.QueueAge, "queue_wait_seconds": series.QueueAge,
		"tls_cert_days_left": series.CertDays, "probe_ssl_earliest_cert_expiry_days": series.CertDays,
		"http_5xx_total": series.Errors, "error_rate": series.ErrorShare, "http_error_ratio": series.ErrorShare,
		"db_pool_in_use": series.Connections, "hikaricp_connections_pending": series.PoolWait, "pg_stat_activity_connections": series.Connections,
		"db_pool_max": series.ConnectionMax, "process_open_fds": series.Descriptors, "node_filesystem_avail_bytes": series.DiskFree,
		"disk_used_percent": series.DiskUsed, "gpu_memory_used_mib": series.GPUMemory, "ntp_offset_ms": series.ClockOffset, "clock_skew_seconds": series.ClockOffset,
		"cache_hit_ratio": series.CacheHits, "redis_keyspace_misses": series.CacheMisses, "client_retries_total": series.Retries, "log_lines_per_second": series.LogVolume,
		"container_restarts": series.Restarts, "cpu_throttled_seconds_total": series.Throttling, "node_cpu_steal_percent": series.Throttling,
		"container_cpu_usage": series.CPU, "host_cpu_percent": series.HostCPU, "dlq_messages_total": series.DeadLetters, "gc_pause_ms": series.GCPause,
		"http_429_total": series.RateLimited, "fairlead_instance_memory_bytes": series.Memory, "widgets_frobbed": series.Unknown,
	} {
		require.Equal(t, want, series.MeaningOf(metric), metric)
	}
}
