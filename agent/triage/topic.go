package triage

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/series"
)

// topic is what an alert or an incident is about.
type topic string

const (
	errorsTopic topic = "errors"
	latency     topic = "latency"
	down        topic = "being down"
	memory      topic = "memory"
	disk        topic = "disk"
	processor   topic = "cpu"
	queue       topic = "a queue"
	pool        topic = "connections"
	files       topic = "open files"
	certificate topic = "a certificate"
	names       topic = "name resolution"
	access      topic = "credentials"
	loss        topic = "data loss"
	backup      topic = "a backup"
	traffic     topic = "traffic"
	refusals    topic = "a rate limit"
	cost        topic = "cost"
	setting     topic = "configuration"
	notice      topic = "a notice"
	budget      topic = "an error budget"
	gpu         topic = "gpu"
	clock       topic = "the clock"
	cache       topic = "a cache"
	business    topic = "what users buy"
)

// stems say what a word is about; a word belongs to the first stem that it begins with.
var stems = []struct {
	topic topic
	words string
}{
	{memory, "oom memory mem heap rss leak outofmemory swap"},
	{disk, "disk filesystem inode enospc volume storage space wal"},
	{processor, "cpu throttl load"},
	{queue, "queue lag backlog consumer enqueued"},
	{pool, "pool pgbouncer hikari"},
	{files, "descriptor fds emfile"},
	{certificate, "cert tls ssl x509"},
	{names, "dns resolv enotfound eai_again getaddrinfo"},
	{access, "unauthori credential password forbidden 401 403"},
	{backup, "backup snapshot"},
	{traffic, "traffic surge requests rps"},
	{refusals, "429 ratelimit quota"},
	{gpu, "gpu cuda vram nvidia"},
	{clock, "skew ntp clock"},
	{cache, "cache evict"},
	{business, "conversion revenue signups gmv"},
	{latency, "latenc slow p50 p90 p95 p99 duration timeout timedout etimedout deadline ttft sluggish"},
	{down, "down unavailab unreachab outage offline crash restart dead unhealth probe notready absent health heartbeat exit exited died econnrefused"},
	{errorsTopic, "error 5xx 500 502 503 504 fail exception 4xx refused"},
}

// exact says what a whole word is about, where its stem would say too much.
var exact = map[string]topic{"fd": files, "up": down, "replicas": down, "http5xx": errorsTopic, "availability": errorsTopic, "success": errorsTopic, "connections": pool, "conns": pool, "clients": pool}

// chatty are phrases of alerts that ask nobody to look now; what they say is checked against behaviour.
var chatty = []struct {
	topic topic
	match *regexp.Regexp
}{
	{cost, regexp.MustCompile(`\b(costs?|spend(ing)?|billing|invoice|bill|usd|eur|dollars?|savings?|rightsiz\w*|under ?utili[sz]\w*|over ?provision\w*|unused|idle|orphan\w*|unattached|untagged|reserved instances?|budget|price|pricing)\b`)},
	{setting, regexp.MustCompile(`\b(deprecat\w*|drift|misconfig\w*|lint|label missing|missing labels?|missing tags?|best practices?|recommend\w*|outdated|obsolete|new version|version available|update available|upgrade available|newer (version|release)|end of life|eol|unpinned|no (cpu|memory|resource) limits?|limits? not set|config\w* (warning|notice|changed?|key|check)|unknown key|legacy|feature flags?|setting|hygiene|policy violation)\b`)},
	{notice, regexp.MustCompile(`\b(complete[d]?|succeed\w*|success(ful|fully)?|finished|info(rmational)?|notice|digest|report|scheduled|reminder|started|rotated|renewed|recovered|test alert|watchdog|dead ?mans ?switch|maintenance window|audit log|log rotation|nightly job|password age)\b`)},
}

// harm are words that no notice has: an alert that holds one is none.
var harm = regexp.MustCompile(`\b(fail\w*|errors?|exception|unavailable|down|outage|crash\w*|loss|lost|corrupt\w*|refus\w*|reject\w*|exhaust\w*|full|expired|unreachable|timeouts?|stuck|missed|not (started|complete\w*)|5xx|panic|killed|oom\w*)\b`)

// lossWords tell of lost data, noLossWords that there was none.
var (
	lossWords   = regexp.MustCompile(`\b(data ?loss|lost (writes?|data|records?|rows|messages?)|corrupt\w*|unrecoverable|split ?brain|checksum (mismatch|fail\w*)|replication (broken|stopped)|torn pages?|invalid page|missing wal|dropped writes?)\b`)
	noLossWords = regexp.MustCompile(`\b(no|without|zero|0) (data ?loss|lost|corrupt\w*)\b`)
)

// about is what a text is about.
type about struct {
	topics  []topic
	chatty  topic // "" when nothing in it is
	words   string
	meaning series.Meaning
}

func (a about) is(topics ...topic) bool {
	return slices.ContainsFunc(topics, func(t topic) bool { return slices.Contains(a.topics, t) })
}

// effect reports whether users would feel it: what a failing dependency can bring about.
func (a about) effect() bool {
	return a.is(errorsTopic, latency, down, queue, pool, refusals, traffic, budget, business) && !a.is(certificate, disk, loss, clock)
}

// own reports whether it is about something of the service itself, which no dependency brings about.
func (a about) own() bool {
	return a.is(memory, disk, processor, certificate, loss, files, gpu, clock, access) && !a.is(errorsTopic, latency, pool, queue)
}

// meaningOf is the one place where the name of a metric gets a meaning.
func meaningOf(metric string) series.Meaning { return series.MeaningOf(metric) }

var meaningTopics = map[series.Meaning]topic{
	series.Memory: memory, series.MemoryShare: memory, series.MemoryLimit: memory, series.DiskUsed: disk, series.DiskFree: disk, series.CPU: processor,
	series.HostCPU: processor, series.Throttling: processor, series.Requests: traffic, series.Errors: errorsTopic, series.ErrorShare: errorsTopic,
	series.Success: errorsTopic, series.Latency: latency, series.Timeouts: latency, series.QueueDepth: queue, series.QueueAge: queue, series.DeadLetters: queue,
	series.Connections: pool, series.ConnectionMax: pool, series.PoolWait: pool, series.Descriptors: files, series.CertDays: certificate,
	series.RateLimited: refusals, series.Restarts: down, series.Up: down, series.Replicas: down, series.DNSErrors: names, series.GPUMemory: gpu,
	series.GPUUse: gpu, series.ClockOffset: clock, series.CacheHits: cache, series.CacheMisses: cache, series.Evictions: cache,
}

func aboutAlert(a *bundle.Alert) about {
	out := aboutText(a.Name + " " + a.Pattern)
	out.meaning = meaningOf(a.Metric)
	named := plain(a.Name + " " + a.Metric)
	for _, c := range chatty {
		if c.topic == cost && strings.Contains(named, "error budget") || strings.Contains(named, "slo ") {
			continue
		}
		if c.match.MatchString(named) {
			out.chatty = c.topic
			break
		}
	}
	if strings.Contains(plain(a.Metric), "budget") && out.chatty == "" {
		out.topics = append(out.topics, budget)
	}
	if t, ok := meaningTopics[out.meaning]; ok && !out.is(t) {
		out.topics = append(out.topics, t)
	}
	return out
}

func aboutText(text string) about {
	out := about{words: plain(text)}
	add := func(t topic) {
		if !out.is(t) {
			out.topics = append(out.topics, t)
		}
	}
	if lossWords.MatchString(out.words) && !noLossWords.MatchString(out.words) {
		add(loss)
	}
	if strings.Contains(out.words, "error budget") || strings.Contains(out.words, "slo ") {
		add(budget)
	}
	for _, word := range strings.Fields(out.words) {
		if t, ok := exact[word]; ok {
			add(t)
			continue
		}
		if t := topicOf(word); t != "" {
			add(t)
		}
	}
	return out
}

func topicOf(word string) topic {
	for _, s := range stems {
		for _, stem := range strings.Fields(s.words) {
			if word == stem || len(stem) > 3 && strings.HasPrefix(word, stem) {
				return s.topic
			}
		}
	}
	return ""
}

// plain brings a text to lower-case words: parted at humps, signs and underscores.
func plain(text string) string {
	var b strings.Builder
	runes := []rune(text)
	for i, r := range runes {
		switch {
		case unicode.IsUpper(r):
			if i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
				b.WriteByte(' ')
			}
			b.WriteRune(unicode.ToLower(r))
		case unicode.IsLetter(r), unicode.IsDigit(r):
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(b.String(), "http5xx", "http 5xx")), " ") + " "
}
