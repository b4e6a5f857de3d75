package causes_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/platform"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// told has one service that was calm for half an hour and then said the text again and again.
func told(texts ...string) *causes.Facts {
	f := &causes.Facts{Incident: platform.Incident{Service: "api", Signal: platform.SignalAlert, OpenedAt: noon.Add(5 * time.Minute)}, Now: noon.Add(10 * time.Minute)}
	say := func(level, text string, from time.Time, n int, every time.Duration) {
		t := causes.Talk{Service: "api", Level: level, Text: text, Count: n, First: from, Last: from.Add(time.Duration(n-1) * every), Buckets: map[int64]int{}, Cite: platform.EvidenceID(fmt.Sprintf("E%d", len(f.Talk)+1))}
		for i := range n {
			t.Buckets[from.Add(time.Duration(i)*every).Unix()/10]++
		}
		f.Talk = append(f.Talk, t)
	}
	say("info", "GET /items 200 in 12 ms", noon.Add(-30*time.Minute), 240, 10*time.Second)
	for _, text := range texts {
		say("error", text, noon, 24, 20*time.Second)
	}
	return f
}

func TestDiagnose_TheWordsOfRealSoftware(t *testing.T) {
	t.Parallel()
	var wrong []string
	for want, lines := range map[platform.Category][]string{
		platform.CategoryOOMKilled:        {"Memory cgroup out of memory: Killed process 4242 (node) total-vm:900000kB", "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "java.lang.OutOfMemoryError: Java heap space"},
		platform.CategoryCUDAOOM:          {"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`", "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"},
		platform.CategoryMissingEnv:       {"panic: required environment variable STRIPE_KEY is not set", "KeyError: 'REDIS_URL'", "Could not resolve placeholder 'payments.url' in value \"${payments.url}\""},
		platform.CategoryPortMismatch:     {"==> No open ports detected, continuing to scan..."},
		platform.CategoryBadHealthPath:    {"Readiness probe failed: HTTP probe failed with statuscode: 404", "Health checks failed with these codes: [404]"},
		platform.CategorySlowStart:        {"instance killed: did not become ready within 60s (startup grace)"},
		platform.CategoryMigrationFailed:  {"FAILED: Can't locate revision identified by '9f1c2ab'", "error: Dirty database version 42. Fix and force version.", "Error: P3009 migrate found failed migrations in the target database"},
		platform.CategorySchemaMismatch:   {"psycopg2.errors.UndefinedColumn: column \"tier\" does not exist", "(1054, \"Unknown column 'tier' in 'field list'\")", "sqlite3.OperationalError: no such table: carts"},
		platform.CategoryDiskFull:         {"OSError: [Errno 28] No space left on device", "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist on disk", "PANIC:  could not write to file \"pg_wal/xlogtemp.1\": No space left on device"},
		platform.CategoryImagePull:        {"Error response from daemon: pull access denied for acme/api, repository does not exist or may require 'docker login'", "failed to pull image: manifest unknown"},
		platform.CategoryArchMismatch:     {"exec /usr/bin/app: exec format error", "no matching manifest for linux/amd64 in the manifest list entries"},
		platform.CategoryBadCommand:       {"exec: \"gunicorn\": executable file not found in $PATH", "sh: 1: uvicorn: not found", "Error: Could not find or load main class com.acme.Main"},
		platform.CategoryDependency:       {"redis.exceptions.ConnectionError: Error 111 connecting to cache.internal:6379. Connection refused.", "FATAL:  the database system is starting up", "kafka.errors.NoBrokersAvailable: NoBrokersAvailable"},
		platform.CategoryDNSFailure:       {"Error: getaddrinfo EAI_AGAIN db.internal", "dial tcp: lookup db on 127.0.0.11:53: server misbehaving", "java.net.UnknownHostException: db.internal"},
		platform.CategoryBadCredentials:   {"FATAL:  password authentication failed for user \"app\"", "openai.AuthenticationError: Error code: 401 - Incorrect API key provided", "WRONGPASS invalid username-password pair or user is disabled."},
		platform.CategoryPoisonMessage:    {"message 8842 exceeded max receive count, moved to dead letter queue", "org.apache.kafka.common.errors.RecordDeserializationException: Error deserializing key/value for partition orders-3 at offset 48213"},
		platform.CategoryBadConfig:        {"nginx: [emerg] unknown directive \"proxy_passs\" in /etc/nginx/nginx.conf:12", "failed to load config: yaml: line 14: did not find expected key", "time: missing unit in duration \"30\": invalid configuration"},
		platform.CategoryUpstream5xx:      {"anthropic.InternalServerError: Error code: 529 - {'type': 'error', 'error': {'type': 'overloaded_error'}}", "stripe: POST https://api.stripe.com/v1/charges responded with 503 Service Unavailable"},
		platform.CategoryRateLimited:      {"openai.RateLimitError: Error code: 429 - Rate limit reached for gpt-4o", "ProvisionedThroughputExceededException: The level of configured provisioned throughput was exceeded", "botocore: ThrottlingException: Rate exceeded"},
		platform.CategoryBuildFailed:      {"src/app.ts(3,1): error TS2345: Argument of type 'string' is not assignable", "failed to solve: process \"/bin/sh -c npm ci\" did not complete successfully: exit code: 1", "npm ERR! code ERESOLVE"},
		platform.CategoryImportError:      {"ModuleNotFoundError: No module named 'pandas'", "error while loading shared libraries: libssl.so.1.1: cannot open shared object file", "java.lang.NoClassDefFoundError: com/acme/Tax"},
		platform.CategoryGPUUnavailable:   {"could not select device driver \"\" with capabilities: [[gpu]]", "Failed to initialize NVML: Driver/library version mismatch", "RuntimeError: No CUDA GPUs are available"},
		platform.CategorySharedMemory:     {"RuntimeError: DataLoader worker (pid 88) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory.", "could not resize shared memory segment \"/PostgreSQL.12\" to 8388608 bytes: No space left on device"},
		platform.CategoryVolumePermission: {"PermissionError: [Errno 13] Permission denied: '/data/index'", "Error: EACCES: permission denied, mkdir '/var/lib/app'"},
		platform.CategoryReadOnlyFS:       {"OSError: [Errno 30] Read-only file system: '/srv/cache'", "ERROR:  cannot execute INSERT in a read-only transaction", "READONLY You can't write against a read only replica."},
		platform.CategoryDescriptors:      {"accept4: too many open files; retrying in 1s", "Error: EMFILE: too many open files, open '/app/views/a.html'"},
		platform.CategoryPoolExhausted:    {"sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out", "FATAL:  sorry, too many clients already", "HikariPool-1 - Connection is not available, request timed out after 30000ms.", "Timed out fetching a new connection from the connection pool. (P2024)"},
		platform.CategoryPortInUse:        {"listen tcp :8080: bind: address already in use", "Error: listen EADDRINUSE: address already in use :::3000", "Bind for 0.0.0.0:5432 failed: port is already allocated"},
		platform.CategoryCertExpired:      {"x509: certificate has expired or is not yet valid: current time 2026-03-01T12:00:00Z is after 2026-03-01T00:00:00Z: certificate has expired", "ssl.SSLCertVerificationError: certificate verify failed: certificate has expired (_ssl.c:1007)", "javax.net.ssl: CertificateExpiredException: NotAfter: Sun Mar 01"},
		platform.CategoryClockSkew:        {"RequestTimeTooSkewed: The difference between the request time and the current time is too large.", "jwt.exceptions.ImmatureSignatureError: The token is not yet valid (iat)"},
		platform.CategoryHang:             {"[CRITICAL] WORKER TIMEOUT (pid:17)", "fatal error: all goroutines are asleep - deadlock!", "ERROR 1205 (HY000): Lock wait timeout exceeded; try restarting transaction"},
		platform.CategoryUngracefulStop:   {"container did not exit within 10s of SIGTERM, sending SIGKILL", "graceful shutdown timed out with 14 requests in flight"},
		platform.CategoryMissingMount:     {"Error response from daemon: invalid mount config for type \"bind\": bind source path does not exist: /srv/models", "network backend_default not found"},
		platform.CategoryBadModelArtifact: {"safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge", "gguf_init_from_file: invalid magic characters", "OSError: acme/llm is not a local folder and is not a valid model identifier"},
		platform.CategoryRequestTooLarge:  {"openai.BadRequestError: This model's maximum context length is 8192 tokens (context_length_exceeded)", "client intended to send too large body: 12000000 bytes", "org.apache.kafka.common.errors.RecordTooLargeException: The message is 1200000 bytes"},
		platform.CategoryCodeError:        {"panic: runtime error: invalid memory address or nil pointer dereference", "TypeError: Cannot read properties of undefined (reading 'id')", "NoMethodError: undefined method `total' for nil:NilClass", "System.NullReferenceException: Object reference not set to an instance of an object."},
		platform.CategoryRetryStorm:       {"retries exhausted for inventory after 5 attempts, circuit breaker open"},
	} {
		for _, line := range lines {
			d := causes.Diagnose(told(line))
			if d.Category != want {
				wrong = append(wrong, fmt.Sprintf("%s, not %s: %s", d.Category, want, line))
				continue
			}
			require.Nil(t, d.Causes[0].Change, "with no change in sight none is convicted")
		}
	}
	require.Empty(t, wrong)
}

func TestDiagnose_WordsThatOnlySoundLikeIt(t *testing.T) {
	t.Parallel()
	var wrong []string
	for line, not := range map[string]platform.Category{
		"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB":                                                            platform.CategoryOOMKilled,
		"toomanyrequests: You have reached your pull rate limit":                                                                         platform.CategoryRateLimited,
		"x509: certificate has expired or is not yet valid: certificate is not yet valid":                                                platform.CategoryCertExpired,
		"exec /app/start.sh: exec format error":                                                                                          platform.CategoryBadCommand,
		"sorry, too many clients already":                                                                                                platform.CategoryDependency,
		"could not resize shared memory segment: No space left on device":                                                                platform.CategoryDiskFull,
		"System limit for number of file watchers reached: ENOSPC file watchers":                                                         platform.CategoryDiskFull,
		"permission denied for relation orders":                                                                                          platform.CategoryVolumePermission,
		"exec: \"/start.sh\": permission denied":                                                                                         platform.CategoryVolumePermission,
		"Readiness probe failed: HTTP probe failed with statuscode: 404":                                                                 platform.CategoryCodeError,
		"sqlalchemy.exc.OperationalError: connection to server at \"db\" failed: FATAL: password authentication failed for user \"app\"": platform.CategoryDependency,
		"10.0.0.1 - - \"GET /items/5031 HTTP/1.1\" 200 4290":                                                                             platform.CategoryRateLimited,
	} {
		if causes.Diagnose(told(line)).Category == not {
			wrong = append(wrong, fmt.Sprintf("%s: %s", not, line))
		}
	}
	require.Empty(t, wrong)
}

func TestDiagnose_WordsThatWereAlwaysThereExplainNothing(t *testing.T) {
	t.Parallel()
	f := told()
	noise := causes.Talk{Service: "api", Level: "error", Text: "OSError: [Errno 28] No space left on device", Count: 240, First: noon.Add(-30 * time.Minute), Last: noon.Add(10 * time.Minute), Buckets: map[int64]int{}, Cite: "E9"}
	for i := range 240 {
		noise.Buckets[noon.Add(-30*time.Minute).Add(time.Duration(i)*10*time.Second).Unix()/10]++
	}
	f.Talk = append(f.Talk, noise)
	require.Equal(t, platform.CategoryNone, causes.Diagnose(f).Category)
}
