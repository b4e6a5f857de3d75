package causes

import "github.com/fairlead/fairlead/platform"

// startWords are the words of faults that keep a program from being built, started or found ready.
var startWords = []signature{
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
.safetensors*%|
pytorch_model*%|
.gguf*%|
.bin:*%|
aborting download
downloading model
downloading weights
downloading shards
fetching*files:
download interrupted
still downloading
waiting for shard
startup probe*failed
deadline exceeded while waiting for*startup
timeout waiting for the server to start
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
could not create unique index
could not create index
error creating index
cannot add foreign key constraint
check constraint*is violated by some row
column*contains null values
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
msg 207, level
msg 208, level
ora-00942: table or view does not exist
ora-00904:
ora-01747
invalid object name '
code: 16*missing columns
missing columns:
unknown_identifier
unknown expression identifier
undefined column name
unconfigured table
mapper_parsing_exception
strict_dynamic_mapping_exception
no such index
index_not_found_exception
sqlstate 42s22
sqlstate 42s02
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
	{platform.CategoryImagePull, 0.9, `
unauthenticated pull rate limit
error pulling image configuration
failed to fetch anonymous token
failed to fetch oauth token
failed to authorize
unexpected status from head request
failed to do request: head "https
registryunavailable
err_image_pull
unable to retrieve some image pull secrets
rpc error*code = notfound*failed to pull
content digest*not found
docker.io*i/o timeout
errimageneverpull
invalidimagename
couldn't parse image reference
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
cannotpullcontainererror
unable to pull registry auth
unable to pull secrets or registry auth
failed to resolve ref
registryauth
ecr:getauthorizationtoken
ecr:batchgetimage
artifactregistry.repositories.downloadartifacts
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
: elf*not found
: elf*syntax error
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
oci runtime create failed*executable file not found
oci runtime exec failed
exec user process caused
no such file or directory: unknown
failed at step exec
status=203/exec
main process exited, code=exited, status=203
cannot find module '/app
module not found*entrypoint
error: unable to access jarfile
no main manifest attribute
could not locate gemfile
could not open input file: 
unable to find application
found argument*which wasn't expected
error: unexpected argument
unrecognized option
error: bad option
bad option:
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
error: config`, "datetimeparseexception\njsonparseexception\noffset\nmessage id\nmigration\nmodel identifier\ntoken\napi key\npassword"},
	{platform.CategoryBuildFailed, 0.9, `
failed to solve
did not complete successfully
): error ts
error: ts
error ts1
error ts2
error ts7
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
ruff`, "npm err*signal sig\nnpm err*lifecycle script\nnpm err*command failed\nnpm err*command sh -c\nnpm err*path /"},
	{platform.CategoryImportError, 0.9, `
undefined symbol:
failed to load module
can't load module from
unable to load dynamic library
php startup: unable to load
php fatal error:  uncaught error: class
class "*" not found
uninitialized constant
gem::missingspecerror
could not find*in any of the sources
bundler::gemnotfound
undefinedfunctionerror
the application*could not be loaded
dyld: library not loaded
err_dlopen_failed
version glibc
cannot find entry symbol
nosuchfielderror
abstractmethoderror
incompatibleclasschangeerror
could not load type
no such file or directory (required by
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
}
