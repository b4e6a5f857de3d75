package causes

import "github.com/fairlead/fairlead/platform"

// machineWords are the words of faults of the machine under a program: its GPU, shared memory, files, ports and mounts.
var machineWords = []signature{
	{platform.CategoryGPUUnavailable, 0.95, `
nvml*device handle
cuda*system not yet initialized
unsupported display driver
system has unsupported display driver
cudagetdevicecount
nvrm: api mismatch
api mismatch: the client has the version
rm_init_adapter failed
rminitadapter failed
hip error: no device
hiperrornodevice
no hip gpus are available
rocminfo*unable to open /dev/kfd
unable to open /dev/kfd
amdgpu*gpu reset
ring gfx*timeout
cudaerrorinsufficientdriver
cudaerrordevicesunavailable
all cuda-capable devices are busy or unavailable
cuda error: no kernel image
cuda error: unspecified launch failure
gpu*requires reset
gpu needs reset
nvswitch*fatal
cdi device injection failed
unresolvable cdi devices
nvidia.com/gpu*unresolvable
insufficient nvidia.com/gpu
no nvidia gpu detected
unable to determine the device handle
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
ora-16000
ora-01552
--super-read-only
er_option_prevents_statement
(1290,
sqlstate 25006
failed to update database*because the database is read-only
is read-only because
index*blocked by: [forbidden/8
os error 30
master is read only
misconf*replica
replica is read only
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
	{platform.CategoryPortInUse, 0.95, `
:eaddrinuse
os error 98
bind() to*failed (98
address already in use (os error
wsaeaddrinuse
failed to bind to address*already
errno::eaddrinuse
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
	{platform.CategoryMissingMount, 0.9, `
failed to create shim task*mount
error mounting*to rootfs
not a directory: unknown: are you trying to mount
mount*no such file or directory
couldn't find key*in configmap
couldn't find key*in secret
createcontainerconfigerror
failedattachvolume
multi-attach error
network sandbox*failed
endpoint with name*already exists in network
host not in same network
could not find a network
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
transport endpoint is not connected`, "network-related"},
	{platform.CategoryBadModelArtifact, 0.92, `
tensor*data is not within the file bounds
invalid magic characters
failed to load gguf
error: llama_model_load
llama_model_load: error loading model
failed to load model 'unavailable
unable to load model*onnx
failed to load*model.onnx
inferred shape*does not match
failed to poll from model repository
model*failed to load*version
unsupported model architecture
unexpected end of file*model
metadataincomplete
revisionnotfounderror
entrynotfounderror
repositorynotfounderror
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
}
