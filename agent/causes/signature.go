package causes

import (
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// signature is how real software tells of one category. The words are lower case; a phrase matches a line that holds its
// parts in their order, where * stands for anything between.
type signature struct {
	category platform.Category
	weight   float64 // how surely the words mean the category, 0 to 1
	phrases  string  // one a line
	unless   string  // phrases that speak for another category
}

// signatures is the catalogue of words. Weights from 0.8 up leave little doubt; 0.5 and below only hint, since other
// faults use the words as well. To add a wording, add a line here and a case to signature_test.go.
var signatures = []signature{
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
	{platform.CategoryMissingEnv, 0.85, `
environment variable*not set
environment variable*not defined
environment variable*is required
environment variable*is missing
environment variable*must be set
environment variable*not found
environment variable not found
missing required env
missing environment variable
missing env var
missing required config: env
required env
env var*not set
env var*is required
env*is not set
undefined environment variable
required key*missing value
could not resolve placeholder
set the*environment variable
the secret_key setting must not be empty
not found. declare it as envvar
unbound variable
api_key client option must be set
parameter not set
no value provided for required env`, ""},
	{platform.CategoryMissingEnv, 0.7, `
field required*type=missing
validation error for settings
validation error for config
validation errors for settings
is not defined in the environment
missing required configuration
missing required setting
required setting
notpresent`, ""},
	{platform.CategoryPortMismatch, 0.8, `
no open ports detected
failed to detect*port
is not listening on port
nothing is listening on
not listening on the expected port
connection refused on container port
failed to start and listen on the port
container failed to listen
port scan timeout reached
expected to listen on
no process listening on`, ""},
	{platform.CategoryBadHealthPath, 0.8, `
probe failed*statuscode: 404
probe failed*status code: 404
probe failed*status 404
probe failed*404
probe*returned 404
probe*got 404
health check*404
healthcheck*404
health probe*404
get /health*404
get /healthz*404
get /ready*404
get /readyz*404
get /livez*404
get /live*404
get /status*404
get /ping*404
get /up*404
head /health*404
probe failed*statuscode: 401
probe failed*statuscode: 403
probe failed*statuscode: 301
probe failed*statuscode: 405
health check*401
health check*403
health check*405
health check*301
health check*302
health checks failed with these codes: [404]
no route matches [get] "/health
no static resource health
cannot get /health`, ""},
	{platform.CategorySlowStart, 0.65, `
loading checkpoint shards
loading safetensors
startup probe failed
did not become ready
did not become healthy within
not ready within
failed to become ready
startup grace
start period
start_period
startup timeout
timed out waiting for*to become ready
timed out waiting for*to start
timed out waiting for*healthy
killed before*ready
still loading model
still loading
still warming up
model is still loading
keyboardinterrupt: terminated
exceeded startup
warming up`, "disk\nno space"},
	{platform.CategoryMigrationFailed, 0.9, `
can't locate revision identified by
inconsistentmigrationhistory
dirty database version
failed to apply migration
migration failed
migrations failed
migration*failed
migrate*failed
error running migration
error applying migration
multiple head revisions
flywayexception
validate failed: migration
flyway*checksum mismatch
migration checksum mismatch
liquibase*failed
liquibaseexception
migrationexception
p3009
p3018
p3006
alembic.util.exc.commanderror
an error has occurred, this and all later migrations canceled
conflicting migrations detected
knex*migration*failed
the migration directory is corrupt
schema_migrations*dirty
goose*failed to run sql migration
pre-deploy command*failed
could not apply migration`, ""},
	{platform.CategorySchemaMismatch, 0.9, `
column*does not exist
relation*does not exist
unknown column
no such column
no such table
undefinedcolumn
undefinedtable
undefined column
undefined table
pg::undefined
invalid column name
invalid object name
ora-00942
ora-00904
er_bad_field_error
er_no_such_table
has no column named
schema-validation: missing
schema being registered is incompatible
base table or view not found
column not found
sqlstate[42s22]
sqlstate[42s02]
sqlstate 42703
sqlstate 42p01
(1054,
(1146,
pendingmigrationerror
migrations are pending
does not exist in the current database
cached plan must not change result type`, "migration\nalembic\nflyway"},
	{platform.CategorySchemaMismatch, 0.6, `
violates not-null constraint
doesn't have a default value
schema mismatch
schema version mismatch
incompatible schema`, "migration"},
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
	{platform.CategoryImagePull, 0.9, `
manifest unknown
manifest for*not found
pull access denied
imagepullbackoff
errimagepull
failed to pull image
error pulling image
failed to pull and unpack image
failed to resolve reference
repository does not exist or may require
requested access to the resource is denied
no basic auth credentials
pull rate limit
toomanyrequests*pull
toomanyrequests: you have reached your
unauthorized: authentication required
unable to pull image
image pull failed
name unknown: repository
error response from daemon: get "https://registry
manifest invalid
pulling image*failed
no such image
failed to copy: httpreadseeker`, "no matching manifest"},
	{platform.CategoryArchMismatch, 0.95, `
exec format error
no matching manifest for linux/
no match for platform in manifest
does not match the detected host platform
does not match the specified platform
image's platform*does not match
cannot execute binary file
bad cpu type in executable
wrong elf class
elf: not a valid
incompatible architecture
qemu: uncaught target signal
qemu-x86_64
qemu-aarch64
rosetta error
illegal instruction (core dumped)
sigill: illegal instruction
requires avx
invalid elf header`, ""},
	{platform.CategoryBadCommand, 0.9, `
executable file not found in $path
executable file not found
exec: *: not found
command not found
sh: *: not found
unable to start container process*no such file
exec*: no such file or directory
exec*permission denied: unknown
exec:*permission denied
exec /*permission denied
starting container process caused
can't open file '/
could not find or load main class
unable to access jarfile
missing script:
missing script
unknown command
unrecognized arguments
unrecognised arguments
flag provided but not defined
unknown flag
unknown shorthand flag
unknown option
invalid option
no such option
error loading asgi app
failed to find attribute
no module named*.__main__
error: no such command
could not open input file
exited with code 127
exit code 127
exit status 127
exited with code 126
exit code 126
failed to find application object
no rakefile found
the command could not be loaded`, "exec format error"},
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
	{platform.CategoryQueueBacklog, 0.6, `
queue depth
backlog
consumer lag
queue is full
queue full
messages behind
falling behind
oldest message
job waited
waited in queue
queue latency
enqueued*ago
pending jobs
lag is growing`, ""},
	{platform.CategoryPoisonMessage, 0.75, `
dead letter
dead-letter
deadletter
dlq
max deliveries
maximum delivery
max delivery
redelivered
redelivery
redelivering
delivery count
delivery_count
delivery attempt
exceeded max receive count
receive count
poison
failed to deserialize
error deserializing
deserializationexception
recorddeserializationexception
cannot deserialize
can't deserialize
serializationexception
failed to decode message
unprocessable message
malformed message
requeue
nack
listenerexecutionfailedexception
exhausted retries for message
seek past the record`, ""},
	{platform.CategoryMemoryLeak, 0.6, `
gc overhead limit exceeded
maxlistenersexceededwarning
possible eventemitter memory leak
memory leak
leak detected
resourceleakdetector
heap usage*above
memory usage is growing
heap growing
rss growing`, "connection leak\nfile descriptor"},
	{platform.CategoryBadConfig, 0.8, `
yaml: line
yaml: unmarshal
while parsing a block mapping
could not find expected ':'
mapping values are not allowed
failed to parse config
error parsing config
cannot parse config
could not parse config
parse config
parsing config
failed to load config
error loading config
cannot load config
could not load config
invalid configuration
invalid config
configuration error
config error
configuration is invalid
config validation
bad config
improperlyconfigured
unknown directive
unknown configuration
unknown config
[emerg]
unrecognized configuration parameter
unrecognized key
invalid value for
invalid value*for
illegal value
unsupported value
invalid log level
unknown log level
failed to bind properties
bindexception*properties
configurationexception
invalid duration
time: invalid duration
time: missing unit
time: unknown unit
toml: line
toml parse error
tomldecodeerror
json: cannot unmarshal
invalid boolean
must be one of
must be a positive
must be greater than
must be between
is not a valid
not a valid integer
invalid literal for int() with base 10
strconv.parseint
strconv.atoi
strconv.parsefloat
strconv.parsebool
numberformatexception
invalid url
unknown url type
no scheme supplied
config key
misconfigured
invalid port number
error: config`, "migration\nmodel identifier\ntoken\napi key\npassword"},
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
	{platform.CategoryBuildFailed, 0.9, `
failed to solve
did not complete successfully
error ts
error: ts
ts2
eslint
build failed
build failure
build error
compilation failed
compilation error
compile error
failed to compile
could not compile
error[e0
npm err!
npm error
eresolve
resolutionimpossible
could not find a version that satisfies
no matching distribution found
missing go.sum entry
cannot find symbol
undefined reference to
failed to build wheel
failed building wheel
pip subprocess to install build dependencies
lockfile is not up to date
frozen-lockfile
tests failed
test failed
lint failed
failed to calculate checksum
failed to compute cache key
go build
linker command failed
execution failed for task
module build failed
rollup failed to resolve
type error:
mypy
ruff`, ""},
	{platform.CategoryImportError, 0.9, `
modulenotfounderror
importerror
cannot import name
cannot find module
cannot find package
err_module_not_found
err_require_esm
err_package_path_not_exported
does not provide an export named
cannot open shared object file
error while loading shared libraries
glibc_
glibcxx_
classnotfoundexception
noclassdeffounderror
nosuchmethoderror
unsupportedclassversionerror
undefined symbol
symbol not found
symbol lookup error
cannot load such file
loaderror
could not load file or assembly
filenotfoundexception: could not load
typeloadexception
missingmethodexception
dllnotfoundexception
unable to load shared library
no module named
numpy.dtype size changed
binary incompatibility
was compiled using numpy 1.x
module was compiled against
was compiled against a different node.js version
node_module_version
pkg_resources.distributionnotfound
versionconflict
packagenotfounderror
class not found
incompatible library version`, "__main__\nbuild"},
	{platform.CategoryGPUUnavailable, 0.95, `
could not select device driver
driver/library version mismatch
driver library version mismatch
found no nvidia driver
no nvidia driver
no kernel image is available for execution
failed to initialize nvml
nvml: driver
nvml error
nvml_error
no cuda gpus are available
no cuda-capable device
no cuda device
nvrm: xid
xid*gpu
gpu has fallen off the bus
fallen off the bus
cuda driver version is insufficient
cuda initialization
cuda unknown error
torch not compiled with cuda enabled
cuda is not available
cuda not available
torch.cuda.is_available() is false
torch.cuda.is_available() returned false
uncorrectable ecc
double bit ecc
nvidia-container-cli
no gpu detected
no gpus available
no gpus found
no gpu found
gpu is lost
gpu not found
gpu not available
failed call to cuinit
cuda_error_no_device
cuda_error_unknown
cudaerrornodevice
nvidia-smi has failed
provided ptx was compiled with an unsupported toolchain
unknown or invalid runtime name: nvidia
0 gpus
failed to infer device type`, ""},
	{platform.CategorySharedMemory, 0.95, `
insufficient shared memory
out of shared memory*dataloader
dataloader*bus error
killed by signal: bus error
/dev/shm
could not resize shared memory segment
shared memory segment*no space
shm_open
shmget
sigbus
bus error (core dumped)
bus error
nccl*shared memory
error while creating shared memory segment
unable to allocate shared memory
unable to open shared memory
shared memory (shm)
shm size
object store*shared memory`, ""},
	{platform.CategoryVolumePermission, 0.85, `
permission denied
eacces
permissionerror
errno 13
accessdeniedexception
operation not permitted
eperm
unauthorizedaccessexception
has wrong ownership
has group or world access
is not writable
not writable by
unable to create directory
cannot create directory
mkdir:*denied
chown:*
failed to open stream: permission`, "exec\npermission denied for\nfor user\npublickey\nbind\nrpc\napi\n403\nport\nsocket"},
	{platform.CategoryReadOnlyFS, 0.92, `
read-only file system
read only file system
erofs
errno 30
in a read-only transaction
read-only transaction
readonly you can't write against a read only
can't write against a read only replica
--read-only option
--super-read-only option
read_only option
attempt to write a readonly database
readonly database
remounting filesystem read-only
remounted read-only
remount-ro
remounting*read-only
filesystem is read-only
database is in read-only mode
is read-only
could not execute*read-only
notwritableprimary
not master and slaveok
node is not master`, "read_only_allow_delete\nread-only-allow-delete\nflood"},
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
	{platform.CategoryPortInUse, 0.95, `
address already in use
eaddrinuse
port is already allocated
port already in use
port*already in use
port*is already in use
port*is in use
errno 98
only one usage of each socket address
failed to bind*in use
bind*address in use
address in use
ports are not available`, ""},
	{platform.CategoryNoisyNeighbour, 0.6, `
cpu steal
steal time
noisy neighbour
noisy neighbor
cpu throttl
cfs throttl
throttled*cfs
cpu contention
run queue latency
cpu quota
host cpu
cpu pressure
load average`, ""},
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
certificate renewal failed`, "not yet valid"},
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
invalid timestamp*ahead`, ""},
	{platform.CategoryRetryStorm, 0.7, `
retry storm
retries exhausted
retry budget
retry attempt
retrying request
retrying in
retrying (
will retry
max retries exceeded
maximum retries
attempt*of
attempt*/
circuit breaker is open
circuit breaker open
circuit breaker
circuitbreaker
callnotpermittedexception
brokencircuitexception
immediate retry
retry_attempt`, "message\ndelivery\nredeliver\ndead letter\ndlq\njob"},
	{platform.CategoryRetryStorm, 0.4, `
context deadline exceeded
deadline_exceeded
deadline exceeded`, ""},
	{platform.CategoryHang, 0.85, `
worker timeout
all goroutines are asleep
deadlock
lock wait timeout exceeded
blocked for more than
found one java-level deadlock
event loop is blocked
event loop blocked
event loop lag
event loop stalled
thread*stuck
thread starvation
thread pool starvation
threads are blocked
watchdog timeout
watchdog: bug: soft lockup
soft lockup
is hung
hung task
hung up waiting for lock
no progress for
unresponsive
stopped responding
heartbeat timeout
heartbeat missed
missed heartbeat
waiting for lock
could not acquire lock
still waiting for
probe failed*context deadline exceeded
probe failed*timeout
health check timed out
busy-waiting`, "connection pool\nfrom the pool\nmigration\nalter table"},
	{platform.CategoryUngracefulStop, 0.85, `
did not exit within
did not stop within
failed to exit within
did not terminate within
stop timeout
shutdown timed out
graceful shutdown timed out
graceful shutdown*timeout
graceful shutdown failed
shutdown*deadline exceeded
grace period*expired
grace period*exceeded
termination grace period
forcibly killed
force killing
forcing shutdown
sending sigkill
killing*sigkill
container*killed after*stop
in-flight requests*dropped
in-flight requests aborted
terminated with*in flight
requests in flight
sigterm received*in-flight
sigterm*ignored
exited before draining
upstream prematurely closed connection
drain timeout
drain*timed out
exceeded*stop_grace_period
no sigterm handler
active connections*aborted`, ""},
	{platform.CategoryMissingMount, 0.9, `
bind source path does not exist
error while creating mount source path
invalid mount config
network*not found
no such network
network*does not exist
could not find network
could not attach to network
failed to set up container networking
volume*not found
no such volume
volume*does not exist
persistentvolumeclaim*not found
failedmount
failed to mount
unable to mount
unable to attach or mount volumes
mountvolume.setup failed
mount failed
mounting*failed
mount point*does not exist
is not a mount point
not mounted
are you trying to mount a directory onto a file
configmap*not found
external volume
declared as external, but could not be found
error mounting
volume is not attached
stale file handle
stale nfs file handle
mount.nfs:
transport endpoint is not connected`, ""},
	{platform.CategoryBadModelArtifact, 0.92, `
safetensorerror
deserializing header
headertoolarge
headertoosmall
invalidheaderdeserialization
metadataincompletebuffer
incompletemetadata
is not a valid model identifier
not a local folder and is not a valid
unpicklingerror
invalid magic number
bad magic
invalid magic
pytorchstreamreader failed
failed finding central directory
file in archive is not in a subdirectory
error(s) in loading state_dict
missing key(s) in state_dict
unexpected key(s) in state_dict
size mismatch for
checkpoint*corrupt
corrupt*checkpoint
corrupted model
corrupt model
model file*corrupt
weights*corrupt
corrupt*weights
model checksum
checksum mismatch
sha256 mismatch
hash mismatch
digest mismatch
invalid_protobuf
invalidprotobuf
protobuf parsing failed
invalid graph
load model from*failed
failed to load model
failed to load the model
error loading model
unable to load model
unable to load weights
can't load tokenizer
can't load the model
can't load the configuration of
does not appear to have a file named
unable to load from
no file named pytorch_model.bin
gguf_init_from_file
unknown model architecture
model type*but transformers does not recognize
unsupported model version
could not deserialize
incompatible model version
onnxruntimeerror
xgboosterror
vocab size mismatch
consistency check failed: file should be of size
no weights found`, "flyway\nmigration\nliquibase\nconsumer\nmessage\ngo.sum\npip\ncuda"},
	{platform.CategoryRequestTooLarge, 0.93, `
context_length_exceeded
maximum context length
context length exceeded
exceeds the context
exceed context window
prompt is too long
prompt too long
longer than the maximum model length
is longer than the maximum
longer than the maximum
input is too long
input too long
reduce the length
payload too large
payloadtoolarge
request entity too large
content too large
entity.too.large
413
too large body
body is too large
body too large
request body too large
requestsizelimit
messagesizetoolarge
message size too large
message larger than max
recordtoolarge
record is too large
received message larger than max
max_allowed_packet
packet too large
maxuploadsizeexceeded
maximum upload size exceeded
file too large
string_above_max_length
exceeds*maximum size
exceeds the maximum allowed
exceeds maximum
exceeds*token limit
token limit
too many tokens
max_tokens
http.maxbytesreader
frame size*exceeds
document is larger than
uri too long
request header or cookie too large
header fields too large`, "per min\nper minute\nrate limit\nquota"},
	{platform.CategoryLogFlood, 0.5, `
log rate limit
suppressed*messages from
logging rate
messages suppressed
imuxsock*lost
journal*suppressed
rate-limiting log
dropping log
dropped*log lines
log buffer full
log queue full
ingestion rate limit exceeded
max streams limit`, ""},
	{platform.CategoryCacheStampede, 0.75, `
stampede
thundering herd
dogpile
flushall
flushdb
cache flushed
cache was flushed
cache cleared
cache invalidated
cache miss
cache cold
cold cache
recomputing
regenerating cache
rebuilding cache
cache rebuild
cache key expired
cache expired
cache entry expired
mass expir
keys expired`, ""},
	{platform.CategoryLatencyRegression, 0.5, `
slow query
slow request
slow sql
slow log
duration:*ms*statement
took*ms
full table scan
seq scan
query took
request took
response time
sequential scan
missing index
n+1
latency*exceeded
latency slo
slo breach`, "loading\nstarted in"},
	{platform.CategoryCodeError, 0.6, `
panic: runtime error
panic:
nil pointer dereference
nullpointerexception
nullreferenceexception
typeerror:
attributeerror:
indexerror:
keyerror:
valueerror:
zerodivisionerror
recursionerror
unboundlocalerror
nameerror:
assertionerror
referenceerror:
rangeerror:
cannot read propert
is not a function
is not iterable
undefined method
nomethoderror
argumenterror
index out of range
indexoutofbounds
index out of bounds
illegalstateexception
illegalargumentexception
classcastexception
arithmeticexception
concurrentmodificationexception
unhandled exception
unhandled error
unhandledpromiserejection
uncaught exception
uncaught error
uncaught typeerror
php fatal error
segmentation fault
sigsegv
thread 'main' panicked
panicked at
called option::unwrap() on
stack overflow
invalidoperationexception
keynotfoundexception
runtimeerror:
traceback (most recent call last)
division by zero
integer overflow
unexpected token
jsondecodeerror`, ""},
}

// phrase is one way of saying it: parts that follow each other.
type phrase []string

// wording is a signature, ready to be looked for.
type wording struct {
	signature
	phrases []phrase
	unless  []phrase
}

var wordings = func() []wording {
	out := make([]wording, 0, len(signatures))
	for _, s := range signatures {
		out = append(out, wording{signature: s, phrases: phrasesOf(s.phrases), unless: phrasesOf(s.unless)})
	}
	return out
}()

func phrasesOf(table string) []phrase {
	var out []phrase
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		if line != "" {
			out = append(out, strings.Split(line, "*"))
		}
	}
	return out
}

// in returns where the phrase begins and ends in a lower-case line, and false when it does not stand there. A part that
// is only digits must be a number of its own.
func (p phrase) in(line string) (from, to int, ok bool) {
	at := 0
	for n, part := range p {
		if part == "" {
			continue
		}
		i := indexPart(line[at:], part)
		if i < 0 {
			return 0, 0, false
		}
		if n == 0 {
			from = at + i
		}
		at += i + len(part)
	}
	return from, at, true
}

func indexPart(s, part string) int {
	i := strings.Index(s, part)
	if i < 0 {
		return i
	}
	first, last := part[0], part[len(part)-1]
	for from := 0; i >= 0; {
		at := from + i
		clear := (!wordByte(first) || at == 0 || !wordByte(s[at-1]) || !shortWord(part)) &&
			(!isDigitByte(last) || at+len(part) >= len(s) || !isDigitByte(s[at+len(part)])) && (!isDigitByte(first) || at == 0 || !numberByte(s[at-1]))
		if clear {
			return at
		}
		from = at + 1
		i = strings.Index(s[from:], part)
	}
	return -1
}

// shortWord reports whether a part is so short that it must begin a word, not stand inside one.
func shortWord(part string) bool { return len(part) <= 6 }

func wordByte(b byte) bool    { return b >= 'a' && b <= 'z' || isDigitByte(b) }
func isDigitByte(b byte) bool { return b >= '0' && b <= '9' }
func numberByte(b byte) bool  { return isDigitByte(b) || b == '.' || b == ':' || b == '-' }

// match is a signature found in a line.
type match struct {
	category platform.Category
	weight   float64
	quote    string // as it stands in the line
}

// matches returns the categories whose words stand in the text, with the longest phrase of each.
func matches(text string) []match {
	lower := strings.ToLower(text)
	if len(lower) != len(text) { // some letters change their length: quotes would be cut wrongly
		lower = strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, text)
	}
	var out []match
	for i := range wordings {
		w := &wordings[i]
		if m, ok := w.find(lower); ok {
			out = append(out, match{w.category, w.weight, quoteAround(text, m[0], m[1])})
		}
	}
	return out
}

func (w *wording) find(lower string) (at [2]int, ok bool) {
	for _, p := range w.phrases {
		from, to, found := p.in(lower)
		if !found || strings.Contains(lower[from:to], "\n") || to-from > 300 {
			continue
		}
		line := lineAround(lower, from, to)
		vetoed := false
		for _, u := range w.unless {
			_, _, veto := u.in(line)
			vetoed = vetoed || veto
		}
		if !vetoed && (!ok || to-from > at[1]-at[0]) {
			at, ok = [2]int{from, to}, true
		}
	}
	return at, ok
}

func lineAround(s string, from, to int) string {
	start := strings.LastIndexByte(s[:from], '\n') + 1
	end := strings.IndexByte(s[to:], '\n')
	if end < 0 {
		return s[start:]
	}
	return s[start : to+end]
}

// quoteAround returns the line that the words stand in, shortened to what is near them.
func quoteAround(s string, from, to int) string {
	const reach = 120
	start := strings.LastIndexByte(s[:from], '\n') + 1
	end := strings.IndexByte(s[to:], '\n')
	if end < 0 {
		end = len(s)
	} else {
		end += to
	}
	if from-start > reach {
		start = boundary(s, from-reach)
	}
	if end-to > reach {
		end = boundary(s, to+reach)
	}
	return strings.TrimSpace(s[start:end])
}

// boundary moves a place in a text forward to the start of a letter.
func boundary(s string, i int) int {
	for i < len(s) && s[i]&0xC0 == 0x80 {
		i++
	}
	return min(i, len(s))
}
