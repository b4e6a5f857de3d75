package causes_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/platform"
)

func TestDiagnose_TheWordsOfManyProducts(t *testing.T) {
	t.Parallel()
	var wrong []string
	for want, lines := range map[platform.Category][]string{
		platform.CategoryBadCredentials: {
			"java.sql.SQLException: ORA-01017: invalid username/password; logon denied", "ORA-28001: the password has expired", "ORA-28000: The account is locked.",
			"Login failed for user 'svc_app'. Reason: Password did not match that for the login provided.", "Error: 18456, Severity: 14, State: 8.",
			"pymysql.err.OperationalError: (1045, \"Access denied for user 'app'@'10.0.0.4' (using password: YES)\")", "MongoServerError: Authentication failed.",
			"com.datastax.driver.core.exceptions.AuthenticationException: Provided username app and/or password are incorrect", "org.apache.kafka.common.errors.TopicAuthorizationException: Not authorized to access topics: [orders]",
			"ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.", "nats: authorization violation", "ReplyError: NOAUTH Authentication required.",
			"security_exception: unable to authenticate user [elastic] for REST request [/_bulk]", "InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records.",
			"UnrecognizedClientException: The security token included in the request is invalid.", "google.auth.exceptions.DefaultCredentialsError: Your default credentials were not found.",
			"AADSTS7000222: The provided client secret keys for app are expired.", "smtplib.SMTPAuthenticationError: (535, b'5.7.8 Error: authentication failed')", "rpc error: code = Unauthenticated desc = token rejected",
		},
		platform.CategoryDependency: {
			"ORA-12541: TNS:no listener", "A network-related or instance-specific error occurred while establishing a connection to SQL Server. The server was not found or was not accessible.",
			"PDOException: SQLSTATE[HY000] [2002] Connection refused", "MongoServerSelectionError: connect ECONNREFUSED 10.0.3.7:27017", "com.datastax.oss.driver.api.core.NoNodeAvailableException: No node was available to execute the query",
			"master_not_discovered_exception: null", "org.apache.kafka.common.errors.NotEnoughReplicasException: Messages are rejected since there are fewer in-sync replicas than required.", "nats: no servers available for connection",
			"redis.exceptions.ConnectionError: MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "backend api has no server available!", "reqwest::Error: tcp connect error: Connection refused (os error 111)",
			"rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial tcp 10.0.0.9:50051: connect: connection refused\"",
		},
		platform.CategoryDNSFailure:    {"%Mint.TransportError{reason: :nxdomain}", "failed to lookup address information: Name or service not known", "api.internal could not be resolved (3: Host not found)", "System.Net.Sockets.SocketException: No such host is known."},
		platform.CategoryRateLimited:   {"google.api_core.exceptions.ResourceExhausted: 429 Quota exceeded for aiplatform.googleapis.com", "Request rate is large. More Request Units may be needed, so no changes were made.", "TooManyRequestsException: Too Many Requests", "anthropic.RateLimitError: Error code: 429", "SlowDown: Please reduce your request rate."},
		platform.CategoryOOMKilled:     {"Error: model requires more system memory (5.6 GiB) than is available (3.9 GiB)", "FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory", "eheap_alloc: Cannot allocate 1600 bytes of memory (of type \"heap\").", "PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted (tried to allocate 20480 bytes)"},
		platform.CategoryCUDAOOM:       {"ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4096.00 MiB on device 0: cudaMalloc failed: out of memory", "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 512.00 MiB.", "RuntimeError: Not enough memory to handle 4096 prefill tokens. You need to decrease `--max-batch-prefill-tokens`"},
		platform.CategoryDiskFull:      {"ORA-01653: unable to extend table APP.EVENTS by 128 in tablespace USERS", "The transaction log for database 'shop' is full due to 'LOG_BACKUP'.", "Error: No space left on device (os error 28)", "cluster_block_exception: index [logs] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block]", "The node was low on resource: ephemeral-storage."},
		platform.CategoryPoolExhausted: {"ORA-12516: TNS:listener could not find available handler with matching protocol stack", "System.InvalidOperationException: Timeout expired. The timeout period elapsed prior to obtaining a connection from the pool.", "ERROR 1040 (HY000): Too many connections", "(DBConnection.ConnectionError) connection not available and request was dropped from queue after 1203ms", "redis: connection pool timeout", "ActiveRecord::ConnectionTimeoutError: could not obtain a connection from the pool within 5.000 seconds", "MongoWaitQueueFullException: Too many threads are already waiting for a connection."},
		platform.CategoryDescriptors:   {"** (File.Error) could not open \"a.log\": :emfile", "Error: Too many open files (os error 24)"},
		platform.CategoryCertExpired:   {"{:tls_alert, {:certificate_expired, ~c\"TLS client: In state connection received SERVER ALERT: Fatal - Certificate Expired\"}}", "remote error: tls: expired certificate", "invalid peer certificate: Expired", "The remote certificate is invalid because of errors in the certificate chain: NotTimeValid"},
		platform.CategoryClockSkew:     {"KRB_AP_ERR_SKEW: Clock skew too great", "health: HEALTH_WARN clock skew detected on mon.b"},
		platform.CategoryImagePull:     {"toomanyrequests: You have reached your unauthenticated pull rate limit.", "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://auth.example/token: 401 Unauthorized", "Failed to pull image \"acme/api:9\": rpc error: code = NotFound desc = failed to pull and unpack image"},
		platform.CategoryGPUUnavailable: {
			"Error 803: system has unsupported display driver / cuda driver combination", "NVRM: API mismatch: the client has the version 550.90.07, but this kernel module has the version 550.54.15", "RuntimeError: No HIP GPUs are available",
			"unresolvable CDI devices nvidia.com/gpu=all", "Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error",
		},
		platform.CategoryBadModelArtifact: {"gguf_init_from_file: failed to read tensor data", "error loading model: tensor 'blk.9.ffn_down.weight' data is not within the file bounds, model is corrupted or incomplete", "failed to load 'ranker' version 3: Internal: onnx runtime error 7: Load model from /models/ranker/3/model.onnx failed:Protobuf parsing failed.", "huggingface_hub.errors.RevisionNotFoundError: 404 Client Error."},
		platform.CategoryImportError:      {"# Module /usr/lib/redis/modules/redisbloom.so failed to load: undefined symbol: RedisModule_GetContextFlagsAll", "uninitialized constant Billing::Invoice (NameError)", "System.MissingMethodException: Method not found: 'Void Acme.Client.Send()'.", "PHP Warning:  PHP Startup: Unable to load dynamic library 'redis.so'"},
		platform.CategoryBadCommand:       {"no main manifest attribute, in /app/app.jar", "systemd[1]: api.service: Main process exited, code=exited, status=203/EXEC", "error: unexpected argument '--prot' found: unknown option"},
		platform.CategorySchemaMismatch:   {"ORA-00904: \"TIER\": invalid identifier", "Msg 207, Level 16, State 1: Invalid column name 'tier'.", "InvalidRequest: Error from server: code=2200 [Invalid query] message=\"unconfigured table carts\"", "mapper_parsing_exception: failed to parse field [price]", "DB::Exception: Missing columns: 'tier' while processing query"},
		platform.CategoryMissingMount:     {"CreateContainerConfigError: couldn't find key DB_HOST in ConfigMap shop/api: configmap not found", "Multi-Attach error for volume \"pvc-12\" Volume is already exclusively attached to one node", "error mounting \"/srv/app.conf\" to rootfs at \"/etc/app.conf\": not a directory: unknown"},
		platform.CategoryReadOnlyFS:       {"ORA-16000: database or pluggable database open for read-only access", "ERROR 1290 (HY000): The MySQL server is running with the --super-read-only option so it cannot execute this statement", "MongoServerError: NotWritablePrimary: not primary", "Read-only file system (os error 30)"},
		platform.CategoryPortInUse:        {"nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", "Failed to start Ranch listener: :eaddrinuse"},
		platform.CategoryPoisonMessage:    {"processing failed topic=orders partition=3 offset=88213 attempt=41 java.lang.IllegalStateException", "Backoff FixedBackOff{interval=0} exhausted for orders-3@88213", "org.apache.kafka.common.errors.SerializationException: Unknown magic byte!"},
		platform.CategoryHang:             {"ORA-00060: deadlock detected while waiting for resource", "Msg 1205, Level 13, State 51: Transaction (Process ID 61) was deadlocked on lock resources with another process", "[rank3]:[E] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=913, OpType=ALLREDUCE)", "INFO: task postgres:812 blocked for more than 120 seconds."},
		platform.CategoryUngracefulStop:   {"systemd[1]: api.service: State 'stop-sigterm' timed out. Killing.", "Container failed to exit within 10s of signal 15 - using the force"},
		platform.CategoryRequestTooLarge:  {"nats: maximum payload exceeded", "Got a packet bigger than 'max_allowed_packet' bytes", "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5242880 vs. 4194304)", "inputs tokens + max_new_tokens must be <= 4096. Given: 5120 inputs tokens", "BSONObjectTooLarge: object to insert too large"},
		platform.CategoryCodeError:        {"** (FunctionClauseError) no function clause matching in Shop.Cart.add/2", "fatal error: concurrent map writes", "thread 'tokio-runtime-worker' panicked at src/cart.rs:41:9: index out of bounds", "System.FormatException: The input string 'x' was not in a correct format.", "java.time.format.DateTimeParseException: Text '2026-13-01' could not be parsed"},
		platform.CategorySlowStart:        {"model-00002-of-00004.safetensors:  41%|████      | 1.9G/4.7G [03:20<04:51, 9.60MB/s]", "signal received: SIGTERM, aborting download"},
	} {
		for _, line := range lines {
			if d := causes.Diagnose(told(line)); d.Category != want {
				wrong = append(wrong, fmt.Sprintf("%s, not %s: %s", d.Category, want, line))
			}
		}
	}
	require.Empty(t, wrong)
}

func TestDiagnose_WordsThatProductsUseForOtherThings(t *testing.T) {
	t.Parallel()
	var wrong []string
	for line, not := range map[string]platform.Category{
		"kubelet: Node n1 status is now: NodeHasNoDiskPressure":                                                                platform.CategoryDiskFull,
		"WARN No mapping found for HTTP request with URI [/favicon.ico]":                                                       platform.CategorySchemaMismatch,
		"rpc: method not found: eth_foo":                                                                                       platform.CategoryImportError,
		"(DBConnection.ConnectionError) connection not available and request was dropped from queue after 900ms":               platform.CategoryDependency,
		"ORA-12516: TNS:listener could not find available handler with matching protocol stack":                                platform.CategoryDependency,
		"ORA-28001: the password has expired":                                                                                  platform.CategoryCertExpired,
		"blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block]": platform.CategoryRateLimited,
		"toomanyrequests: You have reached your unauthenticated pull rate limit.":                                              platform.CategoryRateLimited,
		"Error: model requires more system memory (5.6 GiB) than is available (3.9 GiB)":                                       platform.CategoryCUDAOOM,
		"java.time.format.DateTimeParseException: Text '7' could not be parsed: Invalid value for MonthOfYear":                 platform.CategoryBadConfig,
	} {
		if causes.Diagnose(told(line)).Category == not {
			wrong = append(wrong, fmt.Sprintf("%s: %s", not, line))
		}
	}
	require.Empty(t, wrong)
}
