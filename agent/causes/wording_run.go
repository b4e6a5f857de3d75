package causes

import "github.com/fairlead/fairlead/platform"

// runWords are the words of faults of what a running program needs: memory, disks, connections, names, descriptors, pools.
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
model requires more system memory
container*exceeded its memory
outofmemoryexception
failed to allocate*bytes of memory
java heap space
allocation failed - javascript heap
fatal process out of memory
ineffective mark-compacts near heap limit
eheap_alloc: cannot allocate
allowed memory size
runtime error: out of memory
memory budget exceeded
nomemoryerror
terminated by signal sigkill
exited on signal 9
exited with signal 9
signal 9 (sigkill)
worker was sent sigkill
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
hiperroroutofmemory
cudaerrormemoryallocation
cuda_error: out of memory
cuda: out of memory
failed to allocate gpu buffer
unable to allocate kv cache
not enough memory to handle*prefill
kv cache is full
ggml_backend_cuda_buffer_type_alloc_buffer: allocating
cudamalloc failed
llama_new_context_with_model: failed
unable to allocate pinned system memory
out of memory on device
hbm oom
tensorrt*outofmemory
outofmemory: requested amount of gpu memory
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
nodehasdiskpressure
ora-01653
ora-01654
ora-00257
ora-19809
ora-19815
sqlstate 53100
could not allocate space for object
the transaction log for database*is full
er_record_file_full
er_disk_full
(1114,
errcode: 28
got error 28
index read-only / allow delete
disk usage exceeded flood-stage watermark
no space left
out of diskspace
os error 28
fsfreespace
insufficientstorage
storage full
not enough free space
there is not enough space
evicted*ephemeral-storage
low on resource: ephemeral-storage
jetstream*insufficient resources
insufficient storage resources
insufficient free space
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
ora-12541
ora-12514
ora-12537
ora-12170
ora-01033
ora-01034
ora-03113
ora-03114
the network adapter could not establish the connection
a network-related or instance-specific error
the server was not found or was not accessible
error establishing a connection to the database
sqlstate[hy000] [2002]
sqlstate[hy000] [2006]
sqlstate 08001
sqlstate 08006
sqlstate 57p01
sqlstate 57p03
error 2002 (hy000)
error 2003 (hy000)
error 2006 (hy000)
lost connection to mysql server
mongonetworkerror
mongoserverselectionerror
mongotimeoutexception
not primary and secondaryok
nohostavailable
nohostavailableexception
nonodeavailableexception
unavailableexception
no node was available
not enough replicas available for query
cannot achieve consistency level
master_not_discovered_exception
no_shard_available_action_exception
cluster_block_exception*state not recovered
no living connections
connection to node*could not be established
bootstrap broker*disconnected
notleaderforpartition
not_leader_or_follower
not enough in-sync replicas
notenoughreplicasexception
coordinator_not_available
no servers available for connection
nats: no responders
nats: no servers available
nats: connection closed
connection_forced
amqpconnectionerror
amqp: connection refused
redisconnectionfailureexception
redis connection lost
redis::cannotconnecterror
masterdown link with master is down
masterdown
loading valkey is loading
loading the dataset in memory
no connection could be made because
no connection to the server
failed to create new connection
connection to server*failed
502 bad gateway*no server available
has no server available
503 no server is available to handle this request
server*is down, reason
cluster*no healthy host
tcp_error: connection refused
:econnrefused
dbconnection.connectionerror
transport: error while dialing
failed to connect to all addresses
name resolver error: produced zero addresses
max retries exceeded with url*newconnectionerror
newconnectionerror
os error 111
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
connect timed out
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
:nxdomain
failed to look up address
ares_name_not_found
domain name not found
could not contact dns servers
dns resolution failure
dns: no servers could be reached
no servers could be reached
hostname resolution failure
non-recoverable failure in name resolution
hostnotfoundexception
socketexception: no such host
gai_error
no resolver defined to resolve
could not be resolved (
[error] plugin/errors
plugin/forward*timeout
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
	{platform.CategoryDescriptors, 0.95, `
:emfile
os error 24
accept: too many
no more file descriptors
uv_emfile
per-process limit of*open files
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
ora-12516
ora-12519
ora-12520
ora-00018
ora-00020
ora-02391
error 1040
er_con_count_error
err max number of clients reached
the timeout period elapsed prior to obtaining
all pooled connections were in use
no available connection in the pool
waitqueuetimeout
mongowaitqueuefullexception
connectionpooltimeoutexception
poolacquirependinglimit
pool acquire queue has reached its maximum size
acquire operation took longer than
redis: connection pool timeout
could not obtain a database connection within
activerecord::connectiontimeouterror
no connection available within
dropped from queue after
pool is overloaded
resourcepool*timed out
query_wait_timeout
no more connections allowed (max_client_conn)
reserved for superuser
reserved for roles with
agroal*acquisition timeout
acquisition timeout while waiting for new connection
unable to acquire jdbc connection
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
}
