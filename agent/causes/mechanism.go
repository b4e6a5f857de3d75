package causes

import (
	"regexp"

	"github.com/fairlead/fairlead/platform"
)

// way is how a change can bring one category about, apart from touching what the error names: what its diff adds or
// takes away, what its message says, the files it is in, and the kinds of change that bring it by their nature.
type way struct {
	added   *regexp.Regexp // in a line that was added
	removed *regexp.Regexp // in a line that was taken away
	said    *regexp.Regexp // in the message, for changes that have no diff
	files   *regexp.Regexp
	kinds   []platform.ChangeKind
	// direct brings it by itself, in a line that was added to the very service: it needs no other word.
	direct *regexp.Regexp
	// spares are lines that guard against it: added, they do no harm, and where they are added nothing of the kind was taken away.
	spares *regexp.Regexp
	// outside is set for categories that mostly come from outside: a change is convicted only by what it touches.
	outside bool
}

func like(list string) *regexp.Regexp { return regexp.MustCompile(`(?i)(?:` + list + `)`) }

const (
	limits    = `mem(?:ory)?[_-]?(?:limit|reservation|swap)|memory:|mem_limit|-Xmx|max-old-space|max_old_space|MaxRAM|GOMEMLIMIT|resources:|limits:`
	portWords = `\bports?\b|_ports?\b|\bport_|(?-i:[a-z]Port\b)|listen|\bbind`
	keeping   = `\.append\(|\.push\(|\.put\(|\.add\(|\.set\(|\.extend\(|lru_cache|maxsize=None|\bcache\b|_cache\b|cache\[|Cache\b|history|global |static .*(?:Map|List|Dictionary)|new (?:Map|WeakMap|HashMap|ArrayList|Dictionary)|sync\.Map|setInterval|addListener|\.on\(|addEventListener|subscribe\(|ThreadLocal|retain|unbounded|registry|buffer|\w\[[^\]=]+\] ?= `
	letting   = `close\(|\.release\(|dispose|free\(|evict|expire|ttl|maxsize|max_size|max_entries|max_items|limit|clear\(|\.delete\(|\.remove\(|\.pop\(|defer |with |using |finally|removeListener|unsubscribe|clearInterval|lru|weak`
	// versionStep is how messages tell that a program was replaced: "7.2 -> 8.0", "from 14.1 to 15".
	versionStep = `\bv?\d+(?:\.\d+)+\S*\s*(?:->|→|=>|to)\s*v?\d+`
	holding     = `pool|max_connections|max_conn|maxconn|conn(?:ection)?s?_?limit|session|connect\(|getConnection|acquire|checkout|transaction|begin\(|overflow|idle_?timeout|create_engine|new Client|psycopg|cursor|workers|threads|concurrency|replicas`
)

var ways = map[platform.Category]way{
	platform.CategoryOOMKilled: {
		added:   like(limits + `|batch|workers|concurrency|threads|\.read\(\)|readall|readlines|load_all|fetchall|findAll|find\(\)|toArray|list\(|np\.|torch\.|pandas|read_csv|buffer|\* ?1024|<< ?\d|1e\d|[\d_]{7,}|` + keeping),
		removed: like(limits + `|stream|chunk|iter|yield|paginat|limit|batch|` + letting), said: like(`memory|limit|heap|cache|batch|worker|in.?memory|load (?:all|whole|entire|full)|buffer`),
		files: like(`compose|blueprint|fairlead\.yaml|deployment|values|resources`), kinds: []platform.ChangeKind{platform.ChangeScale},
	},
	platform.CategoryMemoryLeak: {
		spares: like(`close\(|\.release\(|dispose|evict|expire|maxsize|max_size|max_entries|maximumSize|clear\(|removeListener|unsubscribe|clearInterval|weakref|WeakMap`),
		added:  like(keeping), removed: like(letting), said: like(`cache|memo|keep|retain|history|buffer|listener|session|pool|metrics?\b|leak|in.?memory|collect|track|register|subscri|dedup|reuse|store`),
	},
	platform.CategoryCUDAOOM: {
		spares:  like(`no_grad|inference_mode|empty_cache|gc\.collect|half\(|fp16|bf16|bfloat16|float16|load_in_[48]bit`),
		added:   like(`batch|max_(?:model_len|num_seqs|seq|length|batch|tokens)|gpu[_-]memory[_-]utilization|context|ctx|dtype|float32|fp32|n_gpu|device|\.cuda\(|\.to\(|kv|quant|tensor_parallel|replicas|workers|model|no_grad|cache`),
		removed: like(`no_grad|inference_mode|empty_cache|half\(|fp16|bf16|bfloat16|float16|quant|load_in|batch|max_|gpu`), said: like(`batch|gpu|context|length|model|dtype|precision|quanti|fp\d\d|utili[sz]ation|concurren|cache`), kinds: []platform.ChangeKind{platform.ChangeScale},
	},
	platform.CategoryMissingEnv: {
		added: like(`environ|getenv|process\.env|ENV\[|ENV\.fetch|env\(|os\.Getenv|LookupEnv|System\.getenv|Settings|BaseSettings|required`), removed: like(`^\s*-?\s*[A-Z][A-Z0-9_]{3,}\s*[:=]|environ|getenv|process\.env|env:|default`),
		said: like(`\benv|variable|setting|config|secret|key|rename`), files: like(`\.env|compose|fairlead\.yaml|settings|config`), kinds: []platform.ChangeKind{platform.ChangeConfig, platform.ChangeSecret},
	},
	platform.CategoryPortMismatch: {
		added: like(portWords + `|EXPOSE|0\.0\.0\.0|127\.0\.0\.1|localhost|host=|addr`), removed: like(portWords + `|EXPOSE|0\.0\.0\.0|host=`),
		said: like(`port\b|listen|bind|expose|loopback|localhost|interface`), files: like(`Dockerfile|compose|fairlead\.yaml|gunicorn|server|Procfile`), kinds: []platform.ChangeKind{platform.ChangeConfig},
	},
	platform.CategoryBadHealthPath: {
		added: like(`health|ready|live|probe|ping|/status|/up\b|route|prefix|path`), removed: like(`health|ready|live|probe|ping|/status|/up\b`),
		said: like(`health|probe|readiness|liveness|route|endpoint|prefix|path|auth`), kinds: []platform.ChangeKind{platform.ChangeConfig},
	},
	platform.CategorySlowStart: {
		added: like(`model|weights|load|from_pretrained|download|warm|preload|init|migrat|import|grace|start_period|timeout|initialDelay|startup|cache`), removed: like(`grace|start_period|timeout|initialDelay|startup|cache|volume|lazy`),
		said:  like(`model|weights|load|warm|preload|start|grace|cache|eager|index|timeout|volume|disk|storage|mov(?:e|ed|ing)\b|migrat|new (?:host|node|machine|server)|replac|reimag|prun`),
		kinds: []platform.ChangeKind{platform.ChangeConfig, platform.ChangeInfra},
	},
	platform.CategoryMigrationFailed: {
		added: like(`alter table|create (?:table|index|unique)|add column|op\.|migrat|down_revision|schema|constraint|not null|RunSQL`), removed: like(`migrat|revision|alter|create`), said: like(`migrat|schema|column|table|index|constraint|backfill`),
		files: like(`migrat|alembic|\.sql$|schema|versions/|liquibase|flyway|prisma`), kinds: []platform.ChangeKind{platform.ChangeMigration},
	},
	platform.CategorySchemaMismatch: {
		added: like(`drop (?:column|table)|rename|alter table|column|select|insert|update|models?\.|field|\.sql`), removed: like(`column|field|create table|add column|models?\.`), said: like(`migrat|schema|column|table|rename|drop|model|field|rollback|roll back`),
		files: like(`migrat|alembic|\.sql$|schema|models?|entities|prisma|repository|dao`), kinds: []platform.ChangeKind{platform.ChangeMigration},
	},
	platform.CategoryDiskFull: {
		added:   like(`log|DEBUG|TRACE|write|dump|tmp|temp|cache|download|upload|retention|archive|backup|snapshot|save|export|open\(|core|wal|checkpoint|journal|max_size|rotate`),
		removed: like(`rotat|retention|max-size|max_size|max-file|cleanup|clean|prune|unlink|remove|delete|rm |expire|ttl|vacuum|truncate|compress|keep`), said: like(`log|debug|trace|retention|rotat|temp|tmp|cache|dump|backup|archive|disk|volume|storage|cleanup|prune|export|checkpoint|snapshot`),
		kinds: []platform.ChangeKind{},
	},
	platform.CategoryLogFlood: {
		added: like(`DEBUG|TRACE|log[_-]?level|loglevel|logger\.|logging|log\.|console\.log|print\(|println|printf|verbose|echo=True|Console\.WriteLine|puts |RUST_LOG|debug!|info!|dump`), removed: like(`INFO|WARN|log[_-]?level|sampl|rate.?limit|throttle|level`),
		said: like(`log|debug|trace|verbos|print|diagnos|instrument|echo`), kinds: []platform.ChangeKind{},
	},
	platform.CategoryImagePull: {
		added: like(`image:|FROM |tag|registry|digest|sha256|pull`), removed: like(`ecr:|registry|artifactregistry|pull|image:|FROM |tag|registry|imagePullSecret|credential`), said: like(`execution role|registry|ecr|iam|image|tag|registry|base|bump|pull|prune|retention|credential|token`), files: like(`Dockerfile|compose|fairlead\.yaml|deployment|values`), kinds: []platform.ChangeKind{platform.ChangeDeploy, platform.ChangeSecret, platform.ChangeInfra},
	},
	platform.CategoryArchMismatch: {
		added: like(`FROM |platform|arm64|amd64|aarch64|x86|GOARCH|buildx|runs-on|arch|graviton|runner|musl|alpine|march|avx`), removed: like(`FROM |platform|amd64|arm64|GOARCH|buildx|runs-on`), said: like(`arm|amd64|platform|arch|graviton|runner|builder|base image|buildx|multi.?arch|m1|apple`),
		files: like(`Dockerfile|\.github|ci|build|Makefile`), kinds: []platform.ChangeKind{platform.ChangeInfra},
	},
	platform.CategoryBadCommand: {
		added: like(`CMD|ENTRYPOINT|command:|exec|start"|scripts|entrypoint|gunicorn|uvicorn|node |python |java |chmod|COPY|RUN|FROM |args|flag`), removed: like(`CMD|ENTRYPOINT|command:|start"|gunicorn|uvicorn|chmod|COPY|RUN|FROM |apt-get|install`),
		said: like(`command|entrypoint|start|script|slim|distroless|base image|binary|cmd|flag|rename|multi.?stage|procfile`), files: like(`Dockerfile|Procfile|compose|entrypoint|\.sh$|package\.json|fairlead\.yaml|bin/|cmd/`), kinds: []platform.ChangeKind{platform.ChangeConfig},
	},
	platform.CategoryImportError: {
		added: like(`import |from .* import|require\(|use |using |==|\^|~>|version|FROM |install`), removed: like(`import |from .* import|require\(|==|\^|version|apt-get|install|lib|FROM |COPY`),
		said: like(`bump|upgrade|depend|version|pin|import|package|librar|module|plugin|extension|slim|base image|refactor|rename|move|remove|clean|` + versionStep), files: like(`requirements|package(?:-lock)?\.json|go\.(?:mod|sum)|Gemfile|pom\.xml|build\.gradle|Cargo|composer|poetry|pyproject|Pipfile|\.csproj|Dockerfile|yarn\.lock|pnpm|setup\.py`),
		kinds: []platform.ChangeKind{platform.ChangeInfra},
	},
	platform.CategoryBuildFailed: {
		added: like(`.`), removed: like(`.`), said: like(`bump|upgrade|depend|type|lint|test|build|compile|refactor|docker|lock`), files: like(`requirements|package|go\.(?:mod|sum)|Gemfile|pom\.xml|gradle|Cargo|Dockerfile|tsconfig|eslint|lock|\.dockerignore`),
	},
	platform.CategoryBadConfig: {
		added: like(`[:=]`), removed: like(`[:=]`), said: like(`config|setting|limit|timeout|tune|adjust|update|raise|lower|set |enable|nginx|yaml|toml|json`), files: like(`\.ya?ml|\.toml|\.ini|\.conf|\.env|\.properties|\.json|config|settings`), kinds: []platform.ChangeKind{platform.ChangeConfig, platform.ChangeInfra},
	},
	platform.CategoryDependency: {
		added: like(`host|url|addr|endpoint|broker|bootstrap|replica|command|image|memory|firewall|network|security.?group|maxmemory|shutdown|stop`), removed: like(`host|url|addr|endpoint|replica|network|restart`), said: like(`stop|shut|restart|upgrade|maintenance|scale|to zero|failover|replace|drain|firewall|network|security group|migrate|move|version|memory|config|` + versionStep),
		kinds: []platform.ChangeKind{platform.ChangeScale, platform.ChangeInfra}, outside: true,
	},
	platform.CategoryDNSFailure: {
		added: like(`host|url|dns|resolv|nameserver|search|ndots|network|alias|domain|endpoint|addr`), removed: like(`host|url|dns|resolv|nameserver|network|alias|domain|link`), said: like(`dns|resolv|network|domain|host|rename|zone|nameserver|alias|coredns|record|policy|endpoint`), kinds: []platform.ChangeKind{platform.ChangeInfra}, outside: true,
	},
	platform.CategoryBadCredentials: {
		added: like(`password|secret|token|api[_-]?key|credential|auth|role|scope|user(?:name)?\b|dsn|DATABASE_URL|iam|grant`), removed: like(`password|secret|token|api[_-]?key|credential|auth|role|scope|user|grant|iam`), said: like(`rotat|secret|password|credential|token|key\b|auth|revok|iam|role|permission|expire|vault|scope|grant`),
		kinds: []platform.ChangeKind{platform.ChangeSecret}, outside: true,
	},
	platform.CategoryQueueBacklog: {
		added: like(`worker|concurrency|prefetch|replicas|batch|consumer|sleep|poll|interval|publish|enqueue|fan.?out|partition|timeout|sync|await|rate|priority`), removed: like(`worker|concurrency|prefetch|replicas|batch|consumer|parallel|async|pool|autoscal`), said: like(`worker|consumer|concurren|scale|replica|prefetch|batch|queue|partition|throughput|backfill|import|campaign|enqueue|parallel`),
		kinds: []platform.ChangeKind{platform.ChangeScale},
	},
	platform.CategoryPoisonMessage: {
		added: like(`serializ|schema|json|parse|decode|loads|Unmarshal|avro|proto|field|payload|message|event|enum|int\(|Decimal|float\(|retry|requeue|ack|dlq`), removed: like(`try|except|catch|if |guard|valid|default|optional|\.get\(|dead|dlq|ack|max_retries|nack`), said: like(`schema|event|payload|message|serial|parse|decode|consumer|producer|field|format|version|retry|dlq|validat`), outside: true,
	},
	platform.CategoryUpstream5xx: {
		added: like(`timeout|base_url|endpoint|api\.|model=|version|retry`), removed: like(`timeout|fallback|retry|circuit|base_url|endpoint`), said: like(`timeout|provider|upstream|endpoint|api version|fallback|base url`), outside: true,
	},
	platform.CategoryRateLimited: {
		direct: like(`ThreadPoolExecutor|ProcessPoolExecutor|max_workers|asyncio\.gather|TaskGroup|Promise\.all|p-?limit\(|errgroup|go func\(|parallelStream|newFixedThreadPool|newVirtualThreadPerTask|Parallel\.ForEach|Task\.WhenAll|par_iter|buffer_unordered|join_all|Async\.Map|async_stream|Thread\.new|concurrent\.futures|\.parallel\(`),
		added:  like(`concurren|parallel|workers|batch|gather|Promise\.all|rate|limit|interval|sleep|poll|retry|max_|qps|rps|cron|every|loop|asyncio|fan.?out|for .* in`), removed: like(`rate|limit|throttl|sleep|backoff|cache|semaphore|delay|batch|bucket|queue|interval`), said: like(`concurren|parallel|rate|limit|poll|interval|batch|throttl|cache|quota|backoff|frequen|sync|faster|speed|embed|fetch`), outside: true,
	},
	platform.CategoryGPUUnavailable: {
		added: like(`cuda|nvidia|gpu|driver|torch|FROM |runtime|device|capabilities|sm_`), removed: like(`cuda|nvidia|gpu|driver|torch|FROM |runtime|device`), said: like(`driver|cuda|gpu|nvidia|kernel|torch|base image|toolkit|upgrade|reboot|patch|host`), kinds: []platform.ChangeKind{platform.ChangeInfra}, outside: true,
	},
	platform.CategorySharedMemory: {
		added: like(`num_workers|shm|workers|DataLoader|ipc|shared|pin_memory|tensor_parallel|multiprocess|prefetch|batch`), removed: like(`shm|ipc|shared|num_workers|tmpfs`), said: like(`worker|shm|shared|dataloader|parallel|multiprocess|ipc|prefetch`), files: like(`compose|fairlead\.yaml`),
	},
	platform.CategoryVolumePermission: {
		added: like(`USER|chown|chmod|uid|gid|runAsUser|runAsNonRoot|fsGroup|user:|umask|volume|mount|read_only|securityContext|mkdir|path|dir`), removed: like(`USER|chown|chmod|uid|gid|user:|fsGroup|volume|mkdir|initContainer`), said: like(`user|root|permission|owner|uid|chown|volume|mount|harden|security|rootless|path|director`), files: like(`Dockerfile|compose|entrypoint|fairlead\.yaml`), kinds: []platform.ChangeKind{platform.ChangeInfra},
	},
	platform.CategoryReadOnlyFS: {
		added: like(`read_only|readOnly|read-only|:ro\b|ro,|tmpfs|rootfs|replica|reader|failover|host|DATABASE_URL|write|mount|path|dir`), removed: like(`tmpfs|volume|primary|writer|master|:rw|mount|host`), said: like(`read.?only|rootfs|harden|security|replica|reader|failover|endpoint|primary|mount|volume`), kinds: []platform.ChangeKind{platform.ChangeInfra},
	},
	platform.CategoryDescriptors: {
		spares: like(`\.close\(|\.Close\(|\bwith |\busing |\bdefer |\bfinally\b|\.release\(|\.destroy\(`),
		added:  like(`open\(|connect|socket|client|session|stream|watch|ulimit|nofile|Dial|http\.|fetch\(|Popen|new .*Client|keepalive|urlopen|requests\.|createReadStream|listen`), removed: like(`close\(|with |using|defer|finally|\.Close|ulimit|nofile|release|destroy|dispose|Session|pool|keepalive|reuse`), said: like(`socket|connection|client|file|stream|handle|close|watch|session|ulimit|descriptor|keep.?alive|pool`),
	},
	platform.CategoryPoolExhausted: {
		added: like(holding), removed: like(letting + `|` + holding), said: like(`pool|connection|session|transaction|worker|replica|concurren|scale|client|db|database|timeout|query|cursor`), kinds: []platform.ChangeKind{platform.ChangeScale},
	},
	platform.CategoryPortInUse: {
		added: like(portWords + `|expose|metrics|sidecar|network_mode|host_?network`), removed: like(portWords + `|SO_REUSE|reuse_?(?:port|addr)|stop|kill|network_mode`), said: like(`\bports?\b|listen|\bbind|metrics|sidecar|exporter|debug|host network|expose|admin`), kinds: []platform.ChangeKind{platform.ChangeConfig, platform.ChangeInfra},
	},
	platform.CategoryNoisyNeighbour: {
		added: like(`cpu|workers|threads|parallel|concurren|batch|schedule|cron|limit|quota|affinity|node|replicas|-j`), removed: like(`cpu|limit|quota|nice|affinity|toler|throttle`), said: like(`batch|job|cron|report|backfill|reindex|transcod|train|cpu|limit|schedul|host|node|move|placement|parallel|nightly|etl|index`), kinds: []platform.ChangeKind{platform.ChangeScale, platform.ChangeInfra}, outside: true,
	},
	platform.CategoryCertExpired: {
		added: like(`cert|tls|ssl|acme|\.pem|\.crt|issuer|renew|letsencrypt`), removed: like(`cert|tls|ssl|acme|renew|\.pem|cron|issuer|letsencrypt`), said: like(`cert|tls|ssl|acme|renew|letsencrypt|pki|ca bundle`), outside: true,
	},
	platform.CategoryClockSkew: {
		added: like(`ntp|chrony|timesync|leeway|clock|time|tz`), removed: like(`ntp|chrony|timesync|leeway|clock|tolerance`), said: like(`ntp|chrony|clock|time ?sync|timesync|leeway|host image|snapshot|resume|hypervisor|vm|time source`), kinds: []platform.ChangeKind{platform.ChangeInfra}, outside: true,
	},
	platform.CategoryTrafficSurge: {said: like(`campaign|launch|promo|marketing|newsletter|push notif|robots|crawler`), outside: true},
	platform.CategoryRetryStorm: {
		direct: like(`for \w+ := (?:0|1); \w+ <=? ?\w+|for \w+ in range\(|for \(\w+ \w+ = [01];|while \(?(?:attempt|tries|retr)|\bretry(?:ing)?\b|retries|max_?attempts|with_?retry|tenacity|@Retry|Polly|\.times do`),
		added:  like(`retr(?:y|ies)|attempt|backoff|timeout|deadline|max_|tenacity|resilience|polly|jitter|while True|for .* range`), removed: like(`backoff|jitter|retr|sleep|timeout|circuit|breaker|budget|delay|deadline`), said: like(`retr|timeout|backoff|resilien|deadline|attempt|jitter|flak|transient|reliab|hedg`),
	},
	platform.CategoryHang: {
		added: like(`lock|mutex|acquire|synchronized|wait\(|join\(|select_for_update|for update|transaction|await|sync|Wait\(|\.get\(\)|\.result\(|chan|<-|queue|semaphore|while|requests\.|sleep|block`), removed: like(`unlock|release|timeout|async|defer|with |close\(|wait_for|deadline|select|default:|lock|ORDER BY`), said: like(`lock|mutex|sync|thread|concurren|transaction|queue|async|block|timeout|parallel|wait|single`),
	},
	platform.CategoryUngracefulStop: {
		added: like(`SIGTERM|signal|shutdown|drain|stop_grace|terminationGrace|preStop|exec|CMD|ENTRYPOINT|sh -c|entrypoint|timeout|grace|init`), removed: like(`SIGTERM|signal|shutdown|drain|stop_grace|terminationGrace|preStop|exec |graceful|tini|dumb-init|init`), said: like(`shutdown|signal|drain|grace|stop|entrypoint|exec|tini|sigterm|init|wrapper|lifecycle`),
	},
	platform.CategoryMissingMount: {
		added: like(`volume|mount|network|bind|source|/data|/mnt|path|external|secret|configMap|hostPath|nfs|claim`), removed: like(`volume|mount|network|external|bind|hostPath|claim|/data|/mnt`), said: like(`volume|mount|network|bind|storage|nfs|rename|path|compose|disk|host|prune|clean`), files: like(`compose|fairlead\.yaml|deployment|fstab`), kinds: []platform.ChangeKind{platform.ChangeInfra},
	},
	platform.CategoryBadModelArtifact: {
		added: like(`model|weights|revision|checkpoint|safetensors|\.gguf|\.onnx|\.pt\b|\.bin|from_pretrained|hf_hub|s3://|gs://|artifact|tokenizer|quant|transformers|torch`), removed: like(`model|weights|revision|checkpoint|sha256|checksum|verify|safetensors|artifact|tokenizer|transformers|torch|trust_remote`), said: like(`model|weights|checkpoint|artifact|revision|tokenizer|quanti|lfs|registry|embedding|finetune|fine-tune|adapter|lora|upload|publish|retrain|cache|volume|copied|copy|rsync|sync|disk|node`), kinds: []platform.ChangeKind{platform.ChangeInfra},
	},
	platform.CategoryRequestTooLarge: {
		added: like(`max_|limit|size|body|context|prompt|token|history|top_k|chunk|model=|message|payload|upload|batch|include|template`), removed: like(`truncat|max_|limit|trim|slice|\[:|\[-|chunk|split|compress|summar|size|body|top_k|paginat|window`), said: like(`limit|size|context|prompt|token|history|chunk|truncat|payload|upload|batch|body|retriev|few.?shot|document|message|max`),
	},
	platform.CategoryCodeError: {
		added: like(`.`), removed: like(`if |guard|None|null|nil|try|except|catch|\?\.|\?\?|default|check|valid`),
	},
	platform.CategoryLatencyRegression: {
		spares:  like(`\bcache\b|Cache\b|Caffeine|memoiz|lru_cache|\bexecutor\b|Async\b|prefetch_related|select_related|(?:create|add) index`),
		added:   like(`drop index|for .*:|\.forEach|for \(|\.map\(|await |sleep|select |\.query|\.get\(|requests\.|fetch\(|http\.|sync|lock|\.all\(\)|\.filter\(|find\(|re\.compile|regex|sort|loop|while|execute|load|serialize|json|encrypt|bcrypt|rounds|timeout|N\+1|LIKE|lower\(|deepcopy|level=9|compress|subprocess|prefetch|order by|join`),
		removed: like(`index|cache|prefetch|select_related|joinedload|includes\(|eager|batch|limit|async|gather|Promise\.all|pool|keepalive|memo|lru|paginat|stream|preload|bulk|IN \(|top_k`),
		said:    like(`query|index|cache|batch|sync|loop|per.?(?:item|row|request)|lookup|enrich|valid|serializ|compress|encrypt|hash|rerank|join|search|inline|audit|n\+1|sequential|simplif|recommend|fetch|eager|lazy`), kinds: []platform.ChangeKind{platform.ChangeMigration},
	},
	platform.CategoryCacheStampede: {
		added: like(`cache|ttl|expire|redis|flush|key|version|prefix|memcache|invalidate|maxmemory|evict`), removed: like(`cache|ttl|jitter|lock|expire|stale|single.?flight|singleflight|early|coalesc|warm|random|redis`), said: like(`cache|ttl|expir|flush|redis|invalidat|key|stale|warm|evict|memcache|prefix`),
	},
	platform.CategoryFlagChange: {said: like(`.`), kinds: []platform.ChangeKind{platform.ChangeFlag}},
}
