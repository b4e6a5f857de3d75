package series

import (
	"strings"
	"unicode"
)

// Meaning is what a metric measures.
type Meaning string

// The meanings.
const (
	Memory        Meaning = "memory"
	MemoryLimit   Meaning = "memory limit"
	MemoryShare   Meaning = "share of memory"
	CPU           Meaning = "cpu"
	HostCPU       Meaning = "cpu of the host"
	Throttling    Meaning = "cpu throttling"
	Requests      Meaning = "requests"
	Errors        Meaning = "errors"
	ErrorShare    Meaning = "share of errors"
	Success       Meaning = "share of successes"
	Latency       Meaning = "latency"
	QueueDepth    Meaning = "queue depth"
	QueueAge      Meaning = "queue age"
	Processed     Meaning = "messages processed"
	DeadLetters   Meaning = "dead letters"
	Connections   Meaning = "connections in use"
	ConnectionMax Meaning = "most connections"
	PoolWait      Meaning = "waiting for a connection"
	Descriptors   Meaning = "open files"
	DiskUsed      Meaning = "disk in use"
	DiskFree      Meaning = "free disk"
	GPUMemory     Meaning = "gpu memory"
	GPUUse        Meaning = "gpu use"
	CertDays      Meaning = "time until a certificate ends"
	ClockOffset   Meaning = "clock offset"
	CacheHits     Meaning = "share of cache hits"
	CacheMisses   Meaning = "cache misses"
	Evictions     Meaning = "cache evictions"
	Retries       Meaning = "retries"
	Timeouts      Meaning = "timeouts"
	RateLimited   Meaning = "refusals by a limit"
	LogVolume     Meaning = "log volume"
	Restarts      Meaning = "restarts"
	Threads       Meaning = "threads"
	GCPause       Meaning = "garbage collection"
	Replicas      Meaning = "replicas"
	Up            Meaning = "being up"
	Network       Meaning = "network traffic"
	DiskIO        Meaning = "disk traffic"
	DNSErrors     Meaning = "failed name lookups"
	DBQueries     Meaning = "database queries"
	DBCPU         Meaning = "cpu of the database"
	SharedMemory  Meaning = "shared memory"
	BodySize      Meaning = "size of requests"
	Unknown       Meaning = ""
)

// entry says which words a name must hold to mean something: every word of all, one of any, and none of not.
type entry struct {
	meaning       Meaning
	all, any, not []string
}

// vocabulary is read from the top: the first entry that fits wins, so the special ones stand before the general ones.
var vocabulary = []entry{
	{CertDays, nil, []string{"cert", "certificate", "tls", "ssl", "x509"}, []string{"error", "errors", "handshake", "handshakes"}},
	{ClockOffset, nil, []string{"skew", "ntp", "chrony", "timex"}, nil},
	{ClockOffset, []string{"clock"}, []string{"offset", "drift", "skew", "delta", "diff"}, nil},
	{ClockOffset, []string{"time"}, []string{"offset", "drift"}, nil},
	{SharedMemory, nil, []string{"shm", "devshm"}, nil},
	{GPUMemory, []string{"gpu"}, []string{"mem", "memory", "vram", "fb", "framebuffer"}, nil},
	{GPUMemory, nil, []string{"vram"}, nil},
	{GPUMemory, []string{"cuda"}, []string{"mem", "memory", "allocated", "reserved"}, nil},
	{GPUMemory, []string{"kv", "cache"}, []string{"usage", "used", "utilization"}, nil},
	{GPUUse, []string{"gpu"}, []string{"util", "utilization", "usage", "percent", "busy", "sm"}, nil},
	{Throttling, nil, []string{"throttled", "throttling", "throttle", "nr_throttled", "steal", "psi", "pressure"}, []string{"request", "requests", "http", "api", "429"}},
	{DNSErrors, []string{"dns"}, nil, []string{"latency", "duration", "ms", "seconds"}},
	{DeadLetters, nil, []string{"dlq", "deadletter", "poison"}, nil},
	{DeadLetters, []string{"dead", "letter"}, nil, nil},
	{DeadLetters, nil, []string{"redeliveries", "redelivery", "redelivered", "requeued", "nacked"}, nil},
	{RateLimited, nil, []string{"429", "ratelimited", "throttles", "quota"}, nil},
	{RateLimited, []string{"rate", "limit"}, nil, []string{"memory"}},
	{RateLimited, []string{"rate", "limited"}, nil, nil},
	{Retries, nil, []string{"retry", "retries", "retried", "attempts"}, nil},
	{Evictions, nil, []string{"evictions", "evicted", "eviction"}, nil},
	{CacheHits, []string{"hit"}, []string{"ratio", "rate", "pct", "percent", "share"}, nil},
	{CacheHits, []string{"cache", "hits"}, nil, nil},
	{CacheMisses, []string{"cache"}, []string{"miss", "misses"}, nil},
	{CacheMisses, nil, []string{"misses"}, []string{"deadline"}},
	{QueueAge, nil, []string{"oldest"}, nil},
	{QueueAge, nil, []string{"age"}, []string{"cert", "cache"}},
	{QueueAge, []string{"queue"}, []string{"latency", "wait", "delay", "seconds", "ms"}, []string{"pool", "db", "connection"}},
	{QueueAge, []string{"schedule"}, []string{"latency", "delay"}, nil},
	{PoolWait, nil, []string{"pool", "connection", "connections", "hikaricp", "conn", "pgbouncer"}, nil}, // narrowed by poolMeaning
	{LogVolume, []string{"log"}, []string{"lines", "bytes", "volume", "rate", "records", "messages", "events", "mb"}, nil},
	{LogVolume, []string{"logs"}, nil, nil},
	{QueueDepth, nil, []string{"lag", "backlog", "depth", "enqueued", "unacked", "ready", "pending", "queued", "waiting"}, []string{"replication", "replica", "lock", "eventloop", "loop", "replicas", "pods", "instances"}},
	{QueueDepth, nil, []string{"queue", "queues"}, []string{"processed", "consumed", "rate", "published", "throughput"}},
	{Processed, nil, []string{"processed", "consumed", "completed", "acked", "throughput", "dequeued"}, nil},
	{Descriptors, nil, []string{"fd", "fds", "nofile", "descriptors", "filedescriptors", "sockets"}, nil},
	{Descriptors, []string{"open", "files"}, nil, nil},
	{DiskIO, []string{"disk"}, []string{"io", "iops", "read", "reads", "write", "writes", "await", "iowait", "busy"}, nil},
	{DiskIO, nil, []string{"iops", "iowait"}, nil},
	{DiskFree, nil, []string{"disk", "filesystem", "fs", "volume", "storage", "inodes", "inode", "partition"}, []string{"used", "usage", "utilization", "full", "percent", "pct", "size"}}, // needs a word of freedom, see below
	{DiskUsed, nil, []string{"disk", "filesystem", "fs", "volume", "storage", "inodes", "inode", "partition"}, []string{"size"}},
	{GCPause, nil, []string{"gc"}, nil},
	{MemoryShare, []string{"memory"}, []string{"percent", "pct", "ratio", "utilization", "util", "utilisation", "saturation"}, nil},
	{MemoryShare, []string{"mem"}, []string{"percent", "pct", "ratio", "utilization", "util", "utilisation"}, nil},
	{MemoryLimit, []string{"limit"}, []string{"memory", "mem"}, nil},
	{MemoryLimit, []string{"max"}, []string{"memory", "mem", "heap"}, nil},
	{Memory, nil, []string{"memory", "mem", "rss", "heap", "wss", "workingset", "maxrss"}, []string{"swap"}},
	{DBCPU, []string{"db", "cpu"}, nil, nil},
	{DBCPU, nil, []string{"qps", "tps"}, []string{"http", "request"}},
	{HostCPU, []string{"cpu"}, []string{"host", "node", "machine"}, nil},
	{HostCPU, []string{"load"}, []string{"average", "avg", "1m", "5m", "host", "node"}, nil},
	{HostCPU, nil, []string{"load1", "load5", "load15", "loadavg"}, nil},
	{CPU, nil, []string{"cpu"}, nil},
	{Threads, nil, []string{"threads", "goroutines", "thread"}, nil},
	{Restarts, nil, []string{"restarts", "restart", "crashes", "crash"}, nil},
	{Replicas, nil, []string{"replicas", "pods", "instances", "workers"}, nil},
	{Timeouts, nil, []string{"timeout", "timeouts"}, nil},
	{Success, nil, []string{"availability", "success", "sli"}, []string{"count", "total"}},
	{ErrorShare, nil, []string{"error", "errors", "5xx", "failure", "failures", "failed", "4xx", "fail", "exceptions"}, nil}, // narrowed by errorMeaning
	{ErrorShare, nil, []string{"500", "502", "503", "504"}, nil},
	{Latency, nil, []string{"latency", "duration", "p50", "p90", "p95", "p99", "p999", "ttft", "rt", "rtt", "lat", "elapsed"}, nil},
	{Latency, []string{"time"}, []string{"response", "request", "query", "ms", "processing", "ttfb"}, []string{"uptime"}},
	{DBQueries, nil, []string{"queries", "query", "statements", "qps", "transactions"}, nil},
	{BodySize, nil, []string{"body", "payload"}, []string{"count"}},
	{Requests, nil, []string{"requests", "request", "rps", "rpm", "req", "hits", "calls", "throughput", "traffic", "invocations", "reqs", "rate"}, nil},
	{Network, nil, []string{"network", "net", "rx", "tx", "bandwidth"}, nil},
	{Up, nil, []string{"up", "healthy", "health", "alive", "ready"}, nil},
}

// freedom are words of what is left rather than used.
var freedom = []string{"free", "avail", "available", "left", "remaining"}

// MeaningOf reads a metric's name by the words in it: container_memory_rss_mb means memory. An unknown name means
// nothing, and its shape still counts.
func MeaningOf(metric string) Meaning {
	words := Words(metric)
	for _, e := range vocabulary {
		if !e.fits(words) {
			continue
		}
		switch e.meaning {
		case PoolWait:
			return poolMeaning(words)
		case ErrorShare:
			return errorMeaning(words)
		case DiskFree:
			if !hasAny(words, freedom) {
				continue
			}
		case CertDays:
			if !hasAny(words, []string{"days", "day", "expiry", "expires", "expire", "expiration", "left", "remaining", "hours", "seconds", "notafter", "after", "valid", "validity", "ttl"}) {
				continue
			}
		case Throttling:
			if words["limit"] && !words["cpu"] {
				continue
			}
		}
		return e.meaning
	}
	return Unknown
}

func (e entry) fits(words map[string]bool) bool {
	for _, w := range e.all {
		if !words[w] {
			return false
		}
	}
	return (len(e.any) == 0 || hasAny(words, e.any)) && !hasAny(words, e.not)
}

// poolMeaning tells what about a pool or its connections is counted.
func poolMeaning(words map[string]bool) Meaning {
	switch {
	case hasAny(words, []string{"error", "errors", "refused", "failed", "failures", "reset", "resets"}):
		return Errors
	case hasAny(words, []string{"wait", "waiting", "waiters", "pending", "acquire", "acquisition", "timeout", "timeouts", "queue", "queued"}):
		return PoolWait
	case hasAny(words, []string{"max", "limit", "size", "total", "capacity"}) && !hasAny(words, []string{"used", "active", "inuse", "use", "usage", "open"}):
		return ConnectionMax
	case hasAny(words, []string{"idle", "free", "available"}):
		return Unknown
	}
	return Connections
}

func errorMeaning(words map[string]bool) Meaning {
	if hasAny(words, []string{"rate", "ratio", "pct", "percent", "percentage", "share", "fraction"}) {
		return ErrorShare
	}
	return Errors
}

func hasAny(words map[string]bool, any []string) bool {
	for _, w := range any {
		if words[w] {
			return true
		}
	}
	return false
}

// Words parts a name at everything that is no letter or digit, and at the humps of camelCase.
func Words(metric string) map[string]bool {
	out := map[string]bool{}
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			out[word.String()] = true
		}
		word.Reset()
	}
	var last rune
	for _, r := range metric {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			if unicode.IsUpper(r) && unicode.IsLower(last) {
				end()
			}
			word.WriteRune(unicode.ToLower(r))
		default:
			end()
		}
		last = r
	}
	end()
	return out
}

// IsCounter reports whether a name is that of a running total.
func IsCounter(metric string) bool {
	words := Words(metric)
	return words["total"] || words["count"] || words["sum"] || words["counter"]
}
