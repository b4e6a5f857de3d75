package causes

import "github.com/fairlead/fairlead/platform"

// runWords are the words of faults of what a running program needs: memory, disks, connections, names, credentials, others.
var runWords = []signature{
	{platform.CategoryOOMKilled, 0.9, `
out of memory: killed process
memory cgroup out of memory
oom-kill:
oom_reaper
oomkilled
oom killed
oom-killed
invoked oom-killer
killed by oom
memory limit*killed
killed*memory limit
exceeded*memory limit
exceeded its memory
perhaps out of memory`, "cuda\ngpu"},
	{platform.CategoryOOMKilled, 0.7, `
java.lang.outofmemoryerror
javascript heap out of memory
runtime: out of memory
fatal error: out of memory
allowed memory size of*exhausted
system.outofmemoryexception
cannot allocate memory
failed to allocate memory (nomemoryerror)
memory allocation of*bytes failed
out of memory allocating
std::bad_alloc
memoryerror
received sigkill
signal: killed`, "cuda\ngpu\nmetaspace"},
	{platform.CategoryCUDAOOM, 0.95, `
cuda out of memory
torch.outofmemoryerror
torch.cuda.outofmemoryerror
cudamalloc failed: out of memory
cuda error: out of memory
cuda_error_out_of_memory
cuda runtime error (2)
cublas_status_alloc_failed
hip out of memory
mps backend out of memory
no available memory for the cache blocks
free memory on device*less than desired gpu memory
resource_exhausted: out of memory while trying to allocate
resource exhausted: oom when allocating tensor
oom when allocating tensor
out of gpu memory
gpu out of memory
not enough gpu memory
vram exhausted
ggml_cuda*out of memory
failed to allocate*cuda
unable to allocate cuda
kv cache*larger than the maximum number of tokens
cuda failure 2: out of memory
larger than the available kv cache memory`, ""},
	{platform.CategoryDiskFull, 0.92, `
no space left on device
enospc
errno 28
disk full
disk is full
could not extend file
disk quota exceeded
database or disk is full
not enough space on the disk
not enough space on device
not enough disk space
insufficient disk space
flood stage disk watermark
flood-stage watermark
free disk space*alarm
disk resource limit alarm
disk free limit
out of disk space
is full (errno
the table*is full
error writing file*errcode: 28
could not write to file*space
failed to write*no space
low disk space
sqlite_full
read-only-allow-delete
read_only_allow_delete
configured to save rdb snapshots
write to wal*no space`, "file watchers\n/dev/shm\nshared memory"},
	{platform.CategoryDependency, 0.7, `
connection refused
econnrefused
no route to host
host is unreachable
ehostunreach
database system is starting up
database system is shutting down
database system is in recovery mode
the database system is not
could not connect to server
communications link failure
no brokers available
nobrokersavailable
broker transport failure
broker not available
all brokers are down
brokers are down
no bootstrap servers
clusterdown
leader_not_available
leader not available
not_leader
serverselectiontimeouterror
no servers available
no suitable servers found
no reachable servers
couldn't connect to
could not connect to
unable to connect to
cannot connect to
failed to connect
can't connect to
connect() failed (111
no live upstreams
redis is loading the dataset
loading redis is loading
noreplicas
server closed the connection unexpectedly
terminating connection due to administrator command
all connection attempts failed
connection attempt failed
actively refused it
no healthy upstream
lost connection to
connection to*lost
amqp*connection closed
nosuchhost
unhealthy upstream
redisconnectionexception
mysql server has gone away`, "certificate\nx509\ntls:\nauthentication failed\ntoo many"},
	{platform.CategoryDependency, 0.45, `
connection reset by peer
econnreset
broken pipe
connection timed out
etimedout
i/o timeout
upstream connect error
code = unavailable
status: unavailable
connection closed unexpectedly
connection aborted
socket hang up
dependency unavailable
is unavailable
is unreachable`, "certificate\nx509"},
	{platform.CategoryDNSFailure, 0.9, `
enotfound
eai_again
temporary failure in name resolution
name or service not known
no such host
server misbehaving
could not resolve host
couldn't resolve host
could not translate host name
unknownhostexception
nodename nor servname
nxdomain
servfail
failed to resolve
getaddrinfo failed
getaddrinfo
host not found in upstream
host not found
no address associated with hostname
name resolution
dns lookup failed
dns resolution failed
dns error
dns query timed out
dns timeout
failed to lookup address information
the remote name could not be resolved
no such host is known
unknown host
unable to resolve
nameresolutionerror
php_network_getaddresses
nettimeout*dns`, ""},
	{platform.CategoryBadCredentials, 0.85, `
password authentication failed
access denied for user
expiredtoken
security token included in the request is expired
security token included in the request is invalid
invalid api key
incorrect api key
invalid_api_key
invalid x-api-key
api key*invalid
api key*expired
api key*revoked
api key not valid
authentication failed
authentication_error
authenticationerror
auth failed
authentication error
wrongpass
noauth authentication required
invalidaccesskeyid
signaturedoesnotmatch
sasl authentication
saslauthenticationexception
invalid_client
invalid_grant
invalid_token
invalid token
token has expired
token is expired
token expired
token has been revoked
bad credentials
invalid credentials
invalid username or password
invalid password
credentials*expired
login failed for user
access_refused
gatedrepoerror
is restricted*gated
401 client error
401 unauthorized
status code 401
status=401
http 401
returned 401
responded with 401
unable to locate credentials
could not load credentials
unauthenticated
permission denied for relation
permission denied for table
pg::insufficientprivilege
role*does not exist
unauthorizedexception
jwt expired
jwt signature does not match
signature verification failed
invalid signature
no pg_hba.conf entry
user*cannot be authenticated`, "not yet valid\nclock\nskew\nissued in the future\ntoo skewed\nimage\nregistry\nbefore issued"},
	{platform.CategoryBadCredentials, 0.55, `
403 forbidden
permission_denied
accessdenied
access denied
unauthorized
forbidden
authorization failed`, "image\nregistry\npull\n/health\nprobe\nfile\ndirectory"},
	{platform.CategoryUpstream5xx, 0.75, `
overloaded_error
529
upstream returned 5
upstream responded 5
upstream request failed*5
upstream error*50
upstream*503
upstream*502
upstream*500
upstream*504
returned 503
returned 502
returned 500
returned 504
responded with 503
responded with 502
responded with 500
status code 503
status code 502
status code 500
status code: 503
status code: 500
status=503
status=502
http 503
http 502
http 500
http 504
503 service unavailable
502 bad gateway
500 internal server error
504 gateway timeout
503 server error
502 server error
500 server error
504 server error
bad gateway
service unavailable
server had an error while processing
internalservererror
apistatuserror
serviceunavailableerror
api_error
apiconnectionerror
apitimeouterror
error code: 503
error code: 500
error code: 502
gateway timeout
partner api
provider outage
provider error
the engine is currently overloaded
model is overloaded
the model is currently overloaded
internalerror*please try again
we encountered an internal error
please reduce your request rate*503`, "429\nrate limit\nhealth\nprobe"},
	{platform.CategoryRateLimited, 0.85, `
429
too many requests
ratelimiterror
rate limit
rate_limit
ratelimit
rate-limit
rate limited
insufficient_quota
quota exceeded
exceeded your current quota
exceeded quota
throttlingexception
throttling: rate exceeded
rate exceeded
requestlimitexceeded
provisionedthroughputexceeded
slowdown: please reduce
please reduce your request rate
resource_exhausted: quota
resourceexhausted: 429
throttled by
request was throttled
requests per minute
requests per min
tokens per min
tokens per minute
retry-after`, "pull\nregistry\nimage\nsent by us\nmanifest"},
	{platform.CategoryDescriptors, 0.95, `
too many open files
emfile
enfile
errno 24
file descriptor limit
out of file descriptors
no file descriptors available
ulimit -n
worker_connections are not enough
rlimit_nofile
accept4: too many
file-max limit`, ""},
	{platform.CategoryPoolExhausted, 0.93, `
queuepool limit
too many clients already
remaining connection slots
connection is not available, request timed out
too many connections
timeout exceeded when trying to connect
timeout acquiring a connection
connection pool exhausted
pool exhausted
connection pool is exhausted
pool is exhausted
pool is full
pool is at capacity
unable to acquire*connection
could not acquire*connection
failed to acquire*connection
unable to get*connection from*pool
could not get*connection from*pool
cannot get a connection, pool error
could not get a resource from the pool
could not obtain a connection from the pool
could not obtain*connection
waiting for a connection from the pool
waiting for available connection
timed out fetching a new connection from the connection pool
p2024
connectiontimeouterror
pool timed out while waiting for an open connection
pool timeout
pooltimeout
prior to obtaining a connection from the pool
max pool size was reached
no more connections allowed
max number of clients reached
max_client_conn
max_user_connections
maxclients
connection pool*timeout
connection pool*full
connection pool timeout
pool*no free connections
no free connections
no available connections
no connections available
couldn't get a connection after
poolexhaustedexception
nosuchelementexception: timeout waiting for idle object
connection limit exceeded
connection slots
sqlstate 53300
waitqueuetimeoutexception
connection leak detection
apparent connection leak
checkout timeout
server login has been failing, try again later*pool`, ""},
	{platform.CategoryCertExpired, 0.95, `
certificate has expired
certificate*has expired
certificate is expired
certificate expired
cert has expired
cert*expired
cert_has_expired
certificate_expired
certificateexpiredexception
certificate was expired
sec_error_expired_certificate
err_cert_date_invalid
certificate validity
path does not chain*expired
certificate verify failed: certificate has expired
notafter:
ssl alert number 45
sslv3 alert certificate expired
tls: expired certificate
acme*ratelimited
acme*rejected
unable to renew certificate
failed to renew certificate
certificate renewal failed`, "is before\ncertificate is not yet valid"},
	{platform.CategoryClockSkew, 0.93, `
not yet valid: current time*is before`, ""},
	{platform.CategoryClockSkew, 0.92, `
not yet valid
requesttimetooskewed
request time too skewed
clock skew
clock is ahead
clock is behind
clock drift
clock offset
time drift
time skew
token used before issued
used before issued
issued in the future
iat*future
nbf*future
immaturesignatureerror
the token is not yet valid
difference between the request time and the current time
signature not yet current
signature expired:*is now earlier than
clock synchroni
system clock
clocks are out of sync
ntp*unsynchroni
ntp*not synchroni
can't synchronise
chronyd*offset
timestamp*in the future
timestamp for this request is outside
timestamp is too far
future timestamp
time jumped
clock jumped
kdc*skew
invalid timestamp*ahead`, "has expired or is not yet valid: current time\nhas expired or is not yet valid: certificate has"},
}
