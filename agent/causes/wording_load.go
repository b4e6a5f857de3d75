package causes

import "github.com/fairlead/fairlead/platform"

// loadWords are the words of faults of the work itself: too much of it, stuck, repeated, too large, or wrong in code.
var loadWords = []signature{
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
processing failed*offset=
failed*partition*offset
failed*offset*attempt
error processing*offset
error in consuming a record
backoff*exhausted for
unacked message*redelivered
x-death
maxreceivecount
deliverycount
numdelivered
nats: maximum deliveries
max_deliver
acknak
unparsable message
unparseable message
invalid message format
messageconversionexception
messagehandlingexception
schemaparseexception
magic byte
unknown magic byte
offset*cannot be deserialized
unknown event type
job*failed*times
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
	{platform.CategoryRetryStorm, 0.7, `
retry #
retry limit exceeded
upstream_rq_retry_overflow
retry overflow
too many retries
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
attempt 2
attempt 3
attempt 4
attempt 5
attempt=2
attempt=3
(attempt
attempt #
attempts failed
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
msg 1205, level
sqlstate 40p01
ora-00060
was deadlocked on lock resources
(1213,
error 1213
deadlock found when trying to get lock
deadlock detected
lock timeout
sqlstate 55p03
canceling statement due to lock timeout
ora-30006
ora-00054
task*blocked for more than
rcu_sched self-detected stall
rcu: info: rcu
nccl*timeout
watchdog caught collective operation timeout
collective operation timeout
workernccl
process group watchdog
vert.x*blocked indefinitely
genserver.call*timed out
** (exit) exited in: genserver.call
thread pool is exhausted
blocking call detected
threadpool*starvation
engine loop*stuck
enginedeaderror
async_llm_engine*timed out
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
state 'stop-sigterm' timed out
stop-sigterm*timed out
killing process*with signal sigkill
container failed to exit within
container*failed to exit within
timed out waiting for*to stop
exceeded the timeout*shutdown
hosting failed to stop
failed to shut down gracefully
could not shut down gracefully
did not exit within
did not stop within
npm error signal sig
npm err! signal sig
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
	{platform.CategoryRequestTooLarge, 0.93, `
request exceeds*limit
request_entity_too_large
entitytoolarge
entity too large
status 413
413 payload
413 request entity
message_too_large
msgsizetoolarge
nats: maximum payload exceeded
er_net_packet_too_large
got a packet bigger than
bsonobjecttoolarge
object to insert too large
mutation of*is too large
client_max_body_size
trying to send message larger than max
resource_exhausted: received message larger
grpc: received message larger
body exceeded
too many input tokens
inputs tokens
input tokens exceed
please reduce the length of the messages
requested tokens*exceed context window
exceeds context size
prompt length*exceeds
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
suppressed due to rate-limiting
messages suppressed by
journal*rate limit
log line too long
fluentd*buffer overflow
bufferoverflowerror
could not enqueue*log
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
index out of range [
fatal error: concurrent map
concurrent map writes
concurrent map read and map write
runtime error:
(keyerror)
(matcherror)
(functionclauseerror)
(argumenterror)
(badmaperror)
(arithmeticerror)
functionclauseerror
caseclauseerror
no function clause matching
protocol*not implemented for
invalidcastexception
formatexception
argumentnullexception
argumentoutofrangeexception
indexoutofrangeexception
dividebyzeroexception
stackoverflowerror
unsupportedoperationexception
datetimeparseexception
nosuchelementexception
negativearraysize
uncaught exception 
uncaught typeerror:
unsupported operand type
undefined local variable
frozenerror
zerodivisionerror:
sigabrt
free(): invalid
double free
corrupted size
heap corruption
stack smashing
panic: runtime error
panic:
worker panic
panic recovered
recovered from panic
panic err=
panic serving
assignment to entry in nil map
nil map
null pointer
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
attempt to read property
call to a member function
call to undefined
undefined array key
undefined index
undefined variable
undefined property
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
division by zero
integer overflow
unexpected token
jsondecodeerror`, ""},
}
