package causes

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

// docket collects leads while the rules look at the world.
type docket struct {
	w     *world
	leads map[string]*lead
	order []*lead
	// spread is how the fault travelled: from the one that failed to the one that waited.
	spread []platform.Hop
}

func newDocket(w *world) *docket { return &docket{w: w, leads: map[string]*lead{}} }

// lead returns the lead of a category in a service, made when there is none.
func (d *docket) lead(category platform.Category, service string) *lead {
	key := string(category) + "\x00" + service
	l, ok := d.leads[key]
	if !ok {
		l = &lead{category: category, service: service}
		d.leads[key] = l
		d.order = append(d.order, l)
	}
	return l
}

// sign is one thing that speaks for a lead.
type sign struct {
	score  float64
	text   string // for people
	quote  string
	cite   platform.EvidenceID
	onset  time.Time
	says   string
	direct bool
}

// add lets a sign speak for a category. Further signs add less and less.
func (d *docket) add(category platform.Category, service string, s sign) *lead {
	l := d.lead(category, service)
	l.begin(s)
	if s.score > l.score {
		l.score, s.score = s.score, l.score
		l.says = s.says
		if c := withClaims(claim(s.text, s.quote, s.cite)); len(c) > 0 {
			l.claims = append(c, l.claims...)
		}
	} else if c := withClaims(claim(s.text, s.quote, s.cite)); len(c) > 0 {
		l.claims = append(l.claims, c...)
	}
	l.score += (1 - l.score) * 0.3 * s.score
	l.direct = l.direct || s.direct
	return l
}

// begin takes the earliest onset of the signs that tell the most: a weak one that was there before does not make the fault older.
func (l *lead) begin(s sign) {
	switch {
	case s.onset.IsZero():
	case l.onset.IsZero(), s.score > l.telling/weakSign:
		l.onset, l.telling = s.onset, s.score
	case s.score >= weakSign*l.telling && s.onset.Before(l.onset):
		l.onset, l.telling = s.onset, max(l.telling, s.score)
	}
}

// weakSign is the share of the strongest sign's score under which a sign does not date the fault.
const weakSign = 0.6

// hear finds the words of real software in what the services said.
func (d *docket) hear() {
	loudest := 1
	for _, v := range d.w.talks {
		if v.Grave() && v.novelty > 0.5 {
			loudest = max(loudest, v.since)
		}
	}
	for _, v := range d.w.talks {
		for _, m := range v.matches {
			d.hearOne(v, m, loudest)
		}
		d.hearTrace(v, loudest)
	}
}

// lackedKey is how programs say that a variable of the environment is not there, without the word.
var lackedKey = regexp.MustCompile(`(?:KeyError: |key not found: |fetch': key not found: )['":]+([A-Z][A-Z0-9]*_[A-Z0-9_]+|[A-Z]{4,})['"]?[^\n]{0,60}`)

// migrates is a place in the code of a migration.
var migrates = regexp.MustCompile(`(?i)(?:/migrations?/|alembic/|/versions/\w+\.py|db/migrate/|flyway|liquibase|\bmigrate\.(?:py|js|ts|go|rb)|knex/lib/migrations)`)

// gaveUp are errors about a peer that went away or was never there: nothing of the code's own.
var gaveUp = like(`broken ?pipe|client ?abort|aborted|connection|reset|closed|timed? ?out|timeout|refused|cancell?ed|not ?found|unauthorized|forbidden|validation|invalid (?:input|request|token)|expired|disconnected|eof\b|50\d|unavailable`)

// hearTrace reads a stack trace whose words no signature knows, and the lookup of a variable that is not set.
func (d *docket) hearTrace(v *voice, loudest int) {
	if q := lackedKey.FindString(v.Text); q != "" {
		d.hearOne(v, match{platform.CategoryMissingEnv, 0.86, q}, loudest)
		return
	}
	if v.Grave() && migrates.MatchString(v.Text) {
		if traces := d.w.f.parse(v.Text); len(traces) > 0 {
			d.hearOne(v, match{platform.CategoryMigrationFailed, 0.88, firstLine(traces[0].Error)}, loudest)
			return
		}
	}
	if len(v.matches) > 0 || !v.Grave() && !(d.w.f.live() && strings.Contains(v.Text, "\n")) {
		return
	}
	if strings.Contains(v.Text, "\n") {
		for _, t := range d.w.f.parse(v.Text) {
			d.hearOne(v, match{platform.CategoryCodeError, 0.6, firstLine(t.Error)}, loudest)
			return
		}
	}
	if q := exception.FindString(v.Text); q != "" && !gaveUp.MatchString(v.Text) {
		d.hearOne(v, match{platform.CategoryCodeError, 0.5, firstLine(v.Text)}, loudest)
	}
}

func (d *docket) hearOne(v *voice, m match, loudest int) {
	level := 0.85
	switch v.Level {
	case "error", "fatal":
		level = 1
	case "warn":
		level = 0.95
	case "info":
		level = 0.7
	case "debug":
		level = 0.35
	}
	if m.weight < 0.6 && level < 0.8 {
		return
	}
	if m.category == platform.CategoryUpstream5xx && served.MatchString(m.quote) && !strings.Contains(m.quote, "://") {
		return // its own answer in its own access log: a symptom, whatever failed behind it
	}
	service := d.subject(v, m.category)
	if level < 1 && v.since <= 5 && !v.Counted {
		level *= 0.75 // a few warnings prove little
	}
	share := math.Sqrt(float64(v.since) / float64(loudest))
	strength := m.weight * v.novelty * level * (0.86 + 0.14*math.Min(1, share))
	if strength < 0.12 {
		return
	}
	l := d.add(m.category, service, sign{
		score: strength, quote: m.quote, cite: v.Cite, onset: onsetOf(v), says: inSentence(m.quote), direct: m.weight >= 0.7 && v.novelty >= 0.5,
		text: fmt.Sprintf("%s says so %s.", speaker(v.Service), times(max(1, v.Count))),
	})
	if v.novelty >= 0.5 && v.Service == service {
		for r, n := range v.Releases {
			if l.releases == nil {
				l.releases = map[string]int{}
			}
			l.releases[r] += n
		}
	}
	d.name(l, v, m)
	if len(l.texts) < 4 {
		l.texts = append(l.texts, v.Text)
	}
}

// served is a line of an access log.
var served = regexp.MustCompile(`"?(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /[^ ]* ?(?:HTTP/[\d.]+)?"?[ ,:]+(?:status=|code=|-> )?\d{3}`)

// agents are parts of the platform that speak of the services they build, start and carry.
var agents = regexp.MustCompile(`(?i)^(?:dockerd?|docker-engine|ecs(?:-agent|-scheduler)?|fargate|kube-(?:scheduler|controller-manager|apiserver)|k3s|flux|argo-rollouts|cloud-run|containerd|runc|kubelet|kernel|systemd|builder|buildkit|buildkitd|build|ci|ci-runner|deployer|deploy|orchestrator|nomad|swarm|registry|scheduler-agent|engine|node-agent|podman|cri-o|kaniko|argocd|helm)(?:[-_.]?\d+)?$`)

// jobOf is how the jobs are called that prepare a release of a service.
var jobOf = regexp.MustCompile(`^(.{2,80})[-_.](?:db[-_])?(?:migrate|migration|migrations|migrator|pre-?deploy|release-job|init-db)(?:[-_]job)?$`)

// subject is the service that a voice speaks of: its own, or, where a part of the platform speaks of what it starts, the one
// that the line names or else the incident's.
func (d *docket) subject(v *voice, category platform.Category) string {
	if m := jobOf.FindStringSubmatch(v.Service); m != nil && d.w.known(m[1]) {
		return m[1]
	}
	if !agents.MatchString(v.Service) && (!d.hostSpeaks(v) || !ofContainers(category)) || slices.Contains(d.w.needs[d.w.f.Incident.Service], v.Service) && category == platform.CategoryDependency {
		return v.Service
	}
	lower := strings.ToLower(v.Text)
	best := ""
	for _, s := range d.w.services {
		if s != v.Service && len(s) > len(best) && strings.Contains(lower, strings.ToLower(s)) {
			best = s
		}
	}
	if best != "" {
		return best
	}
	if category == platform.CategoryOOMKilled {
		if s := d.shortOfMemory(); s != "" {
			return s
		}
	}
	return d.w.f.Incident.Service
}

// hostPart is how the journal of a machine names who speaks.
var hostPart = regexp.MustCompile(`^(?:\S+ )?(?:kernel|systemd|dockerd|containerd|kubelet|runc|crio|podman)(?:\[\d+\])?: `)

// hostSpeaks reports whether a line is of a machine's own journal, and the machine runs no instances by that name.
func (d *docket) hostSpeaks(v *voice) bool {
	if !hostPart.MatchString(v.Text) {
		return false
	}
	for _, in := range d.w.f.Fleet {
		if in.Service == v.Service {
			return false
		}
	}
	return true
}

// ofContainers are faults of one container that its host reports: the host itself is well.
func ofContainers(c platform.Category) bool {
	switch c {
	case platform.CategoryOOMKilled, platform.CategoryImagePull, platform.CategoryBadCommand, platform.CategoryArchMismatch, platform.CategoryMissingMount,
		platform.CategoryUngracefulStop, platform.CategorySlowStart, platform.CategoryPortInUse:
		return true
	default:
	}
	return false
}

// shortOfMemory is the service that was killed for memory as its own instances or counters tell.
func (d *docket) shortOfMemory() string {
	for _, in := range d.w.f.Fleet {
		if in.OOMKilled && !in.StoppedByUs() {
			return in.Service
		}
	}
	for _, m := range d.w.metrics {
		if words := series.Words(m.Name); (words["oom"] || words["oomkills"]) && m.Up() && m.Kind != series.Flat {
			return m.Service
		}
	}
	return ""
}

func speaker(service string) string {
	if service == "" {
		return "A service"
	}
	return service
}

// onsetOf is when a voice's lines began to tell of the fault.
func onsetOf(v *voice) time.Time {
	if v.Counted || v.novelty < 0.5 {
		return time.Time{}
	}
	if v.before > 0 && (v.novelty < 0.93 || v.since < 2*v.before) { // it was heard before, less often
		return time.Time{}
	}
	return v.rise()
}

// rise is when the lines began to come in earnest: a few strays, long before the others, are not the fault.
func (v *voice) rise() time.Time {
	slots := slices.Sorted(maps.Keys(v.Buckets))
	if len(slots) < 4 || v.Count < 8 {
		return v.First
	}
	gaps := make([]int64, 0, len(slots)-1)
	for i := 1; i < len(slots); i++ {
		gaps = append(gaps, slots[i]-slots[i-1])
	}
	usual := slices.Clone(gaps)
	slices.Sort(usual)
	wide := max(6*usual[len(usual)/2], int64(3*time.Minute/TalkBucket))
	strays, first := 0, v.First
	for i, gap := range gaps {
		if strays += v.Buckets[slots[i]]; strays*10 > v.Count {
			break
		}
		if gap > wide {
			first = time.Unix(slots[i+1]*int64(TalkBucket/time.Second), 0).UTC()
		}
	}
	return first
}

var (
	capsName  = regexp.MustCompile(`\b[A-Z][A-Z0-9]{1,}(?:_[A-Z0-9]+)+\b`)
	snakeName = regexp.MustCompile(`\b[a-z][a-z0-9]+(?:_[a-z0-9]+)+\b`)
	codePlace = regexp.MustCompile(`([\w./@-]{1,200}\.(?:py|js|mjs|cjs|ts|tsx|go|rb|java|kt|php|cs|fs|vb|rs|scala|exs?|c|cc|cpp|swift|dart|clj|erl|lua)):(?:line )?(\d{1,6})`)
	toolPlace = regexp.MustCompile(`([\w./@-]{1,200}\.(?:tsx?|jsx?|mts|cts|vue|cs|fs|vb))\((\d{1,6})(?:,\d{1,4})?\)`) // as tsc and msbuild write it
	confPlace = regexp.MustCompile(`([\w./@-]{1,200}\.(?:ya?ml|conf|toml|json|ini|properties|cfg|hcl|tf|xml))["']?(?::|[,:]?(?: \w+:)? (?:at )?(?:on )?line:? ?)(\d{1,6})`)
	pyPlace   = regexp.MustCompile(`File "([^"\n]{1,300})", line (\d{1,7}|<\*>)(?:, in ([\w<>.]{1,100}))?`)
	pathName  = regexp.MustCompile(`(?:^|[\s"'=(:\[])(/[\w.-]{2,60}(?:/[\w.-]{1,60}){0,8})`)
	hostName  = regexp.MustCompile(`\b([a-zA-Z][\w-]*(?:\.[a-zA-Z][\w-]*)*):(\d{2,5})\b`)
	urlHost   = regexp.MustCompile(`\b[a-z][a-z+]{1,12}://(?:[^\s/@]{1,100}@)?([\w.-]{2,120})`)
	bareHost  = regexp.MustCompile(`(?i)(?:ENOTFOUND|EAI_AGAIN|resolve(?: host)?:?|translate host name|lookup|host(?:name)?[=: ]|server at|connect(?:ing)? to|connection to|reach)\s*"?'?([a-z0-9][\w.-]{2,120})`)
	module    = regexp.MustCompile(`(?:No module named|Cannot find (?:module|package)|cannot import name|no such file to load --|cannot load such file --|Can't find|from|package|undefined symbol:?)\s+['"]?([\w./@-]{2,100})`)
	portWord  = regexp.MustCompile(`\b(?:port|PORT|Port|:)\s?=?:?\s?(\d{2,5})\b`)
	// spokenField is the message of a logfmt line: what a program calls its step is no name that failed.
	spokenField = regexp.MustCompile(`\b(?:msg|level|logger|caller|event|component|module)="[^"]*"`)
	// jsonKey is the key of a structured record: it tells how a program writes its log, not what failed.
	jsonKey   = regexp.MustCompile(`"[\w.-]{1,60}"\s*:`)
	quotedAny = regexp.MustCompile("['\"`]([\\w./@-]{2,100})['\"`]")
)

// common are names that stand in many lines and tell nothing.
var common = map[string]bool{
	"trace_id": true, "request_id": true, "span_id": true, "user_id": true, "order_id": true, "session_id": true, "error": true, "app": true, "main": true,
	"localhost": true, "http": true, "https": true, "none": true, "null": true, "true": true, "false": true, "id": true, "status_code": true, "error_code": true,
	"/app": true, "/usr": true, "tcp": true, "connection_refused": true, "utf-8": true, "context_length_exceeded": true, "invalid_api_key": true, "insufficient_quota": true,
	"err": true, "msg": true, "message": true, "level": true, "reason": true, "exception": true, "overloaded_error": true, "cached": true, "site-packages": true, "python3": true, "get": true, "post": true, "duration_ms": true,
}

// name reads the names that a line gives: places in code, variables, columns, hosts, paths and ports.
func (d *docket) name(l *lead, v *voice, m match) {
	add := func(names ...string) {
		for _, n := range names {
			n = strings.Trim(n, "./:")
			if len(n) > 1 && !common[strings.ToLower(n)] && !slices.Contains(l.names, n) && len(l.names) < 24 && n != l.service {
				l.names = append(l.names, n)
			}
		}
	}
	for _, t := range d.w.f.parse(v.Text) {
		for _, frame := range t.App() {
			if len(l.frames) < 12 {
				l.frames = append(l.frames, frame)
			}
		}
	}
	for _, text := range append([]string{v.Text}, v.Others...) {
		for _, p := range pyPlace.FindAllStringSubmatch(text, 8) {
			if !isLibrary(p[1]) && len(l.frames) < 12 {
				l.frames = append(l.frames, Frame{File: p[1], Line: number(p[2]), Func: p[3]})
			}
		}
		for _, re := range []*regexp.Regexp{codePlace, toolPlace, confPlace} {
			for _, p := range re.FindAllStringSubmatch(text, 8) {
				if !isLibrary(p[1]) && len(l.frames) < 12 {
					l.frames = append(l.frames, Frame{File: p[1], Line: number(p[2])})
				}
			}
		}
	}
	q := m.quote
	for _, g := range module.FindAllStringSubmatch(q, 3) {
		add(g[1])
		if i := strings.IndexAny(g[1], "./"); i > 1 && !strings.HasPrefix(g[1], ".") {
			add(g[1][:i])
		}
	}
	add(capsName.FindAllString(q, 6)...)
	plain := jsonKey.ReplaceAllString(spokenField.ReplaceAllString(q, ""), "")
	for _, g := range quotedAny.FindAllStringSubmatch(plain, 8) {
		if !strings.ContainsAny(g[1], " ") && strings.IndexFunc(g[1], isLetter) >= 0 {
			add(g[1])
		}
	}
	add(snakeName.FindAllString(q, 6)...)
	switch l.category {
	case platform.CategorySchemaMismatch, platform.CategoryMigrationFailed: // table.column: the column is what is not there
		for _, n := range slices.Clone(l.names) {
			if i := strings.LastIndexByte(n, '.'); i > 0 && !strings.Contains(n, "/") {
				add(n[i+1:])
			}
		}
	case platform.CategoryBadHealthPath, platform.CategoryMissingMount, platform.CategoryVolumePermission, platform.CategoryReadOnlyFS, platform.CategoryDiskFull, platform.CategoryBadModelArtifact, platform.CategoryBadCommand:
		for _, g := range pathName.FindAllStringSubmatch(q, 6) {
			add(g[1], baseName(g[1]))
		}
	case platform.CategoryPortMismatch, platform.CategoryPortInUse:
		for _, g := range portWord.FindAllStringSubmatch(q, 4) {
			add(g[1])
		}
	case platform.CategoryDNSFailure, platform.CategoryDependency:
		add(hostsIn(q)...)
	default:
	}
	if l.category == platform.CategoryMissingEnv && l.variable == "" {
		if c := capsName.FindString(q); c != "" {
			l.variable = c
		}
	}
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// hostsIn lists the hosts that a line names.
func hostsIn(text string) []string {
	var out []string
	add := func(h string) {
		h = strings.Trim(h, ".:\"'")
		if len(h) > 1 && !common[strings.ToLower(h)] && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	for _, re := range []*regexp.Regexp{urlHost, hostName, bareHost} {
		for _, g := range re.FindAllStringSubmatch(text, 4) {
			add(g[1])
		}
	}
	return out
}

// read takes what the incident and alerts say. They tell of symptoms, so they only lean.
func (d *docket) read() {
	for _, t := range d.w.f.Words {
		for _, m := range matches(t.Body) {
			d.add(m.category, d.w.f.Incident.Service, sign{score: 0.22 * m.weight, text: "The report says so.", quote: m.quote, cite: t.Cite, says: inSentence(m.quote)})
		}
	}
}

// ends reads how instances ended.
func (d *docket) ends() {
	for i := range d.w.f.Fleet {
		in := &d.w.f.Fleet[i]
		code, ended := in.Exit()
		at := time.Time{}
		if in.EndedAt != nil {
			at = *in.EndedAt
		}
		say := func(category platform.Category, score float64, text string) {
			l := d.add(category, in.Service, sign{score: score, text: text, cite: in.Cite, onset: at, says: fmt.Sprintf("instance %s ended with exit code %d", in.ID, code), direct: score >= 0.55})
			if in.ReleaseNumber > 0 {
				if l.releases == nil {
					l.releases = map[string]int{}
				}
				l.releases[fmt.Sprintf("v%d", in.ReleaseNumber)]++
			}
		}
		if in.OOMKilled {
			say(platform.CategoryOOMKilled, 0.82, fmt.Sprintf("Instance %s was killed for memory.", in.ID))
			continue
		}
		if !ended {
			continue
		}
		switch {
		case code == 137 && in.StoppedByUs() && d.w.f.live() && in.ReadyAt != nil && d.served(): // it was asked to stop first, and given time
			say(platform.CategoryUngracefulStop, 0.6, fmt.Sprintf("Instance %s was asked to stop, did not end in time and was killed (exit code 137).", in.ID))
		case code == 137 && in.StoppedByUs():
			say(platform.CategoryUngracefulStop, 0.24, fmt.Sprintf("Instance %s was stopped and did not end in time: it was killed (exit code 137).", in.ID))
		case code == 137:
			say(platform.CategoryOOMKilled, 0.2, fmt.Sprintf("Instance %s was killed (exit code 137) and nobody says that they stopped it.", in.ID))
		case code == 127 || code == 126:
			say(platform.CategoryBadCommand, 0.72, fmt.Sprintf("Instance %s could not start its command (exit code %d).", in.ID, code))
		case code == 135:
			say(platform.CategorySharedMemory, 0.5, fmt.Sprintf("Instance %s ended by a bus error (exit code 135).", in.ID))
		case code == 132:
			say(platform.CategoryArchMismatch, 0.45, fmt.Sprintf("Instance %s ended by an illegal instruction (exit code 132).", in.ID))
		case code == 139 || code == 134:
			say(platform.CategoryCodeError, 0.4, fmt.Sprintf("Instance %s crashed (exit code %d).", in.ID, code))
		}
	}
}

// stops finds services whose instances never end by themselves when they are told to.
func (d *docket) stops() {
	killed, told := map[string][]*Instance{}, map[string]int{}
	var names []string
	for i := range d.w.f.Fleet {
		in := &d.w.f.Fleet[i]
		code, ended := in.Exit()
		if !ended || !in.StoppedByUs() || in.OOMKilled {
			continue
		}
		if told[in.Service]++; told[in.Service] == 1 {
			names = append(names, in.Service)
		}
		if code == 137 {
			killed[in.Service] = append(killed[in.Service], in)
		}
	}
	for _, s := range names {
		n := len(killed[s])
		if n < 2 || n < told[s] {
			continue
		}
		at := time.Time{}
		if first := killed[s][0]; first.EndedAt != nil {
			at = *first.EndedAt
		}
		l := d.add(platform.CategoryUngracefulStop, s, sign{
			score: 0.72, text: fmt.Sprintf("Each of the %d instances of %s that were told to stop had to be killed (exit code 137).", n, s), cite: killed[s][0].Cite, onset: at,
			says: "no instance ends by itself when it is told to", direct: true,
		})
		l.slow = true // it waits for the next stop
	}
}

// checks reads the health checks.
func (d *docket) checks() {
	type tally struct {
		refused, wrong, slow, unready, ok, all, elsewhere int
		places                                            [][]string
		last                                              Check
	}
	count := map[string]*tally{}
	var names []string
	passed := map[platform.InstanceID]time.Time{}
	for _, c := range d.w.f.Checks {
		if c.OK {
			passed[c.InstanceID] = maxTime(passed[c.InstanceID], c.At)
		}
	}
	for _, c := range d.w.f.Checks {
		t := count[c.Service]
		if t == nil {
			t = &tally{}
			count[c.Service] = t
			names = append(names, c.Service)
		}
		t.all++
		lower := strings.ToLower(c.Error)
		switch {
		case c.OK:
			t.ok++
			continue
		case passed[c.InstanceID].After(c.At) && c.InstanceID != "":
			continue // it came up, or came back
		case notListening.MatchString(c.Error):
			t.elsewhere++
			t.places = placeOf.FindAllStringSubmatch(notListening.FindStringSubmatch(c.Error)[2], 4)
		case strings.Contains(lower, "refused"):
			t.refused++
		case c.Status == 404 || c.Status == 401 || c.Status == 403 || c.Status == 405 || c.Status >= 300 && c.Status < 310:
			t.wrong++
		case strings.Contains(lower, "timeout") || strings.Contains(lower, "deadline") || strings.Contains(lower, "timed out") || strings.Contains(lower, "no answer"):
			t.slow++
		case c.Status == 503:
			t.unready++
		}
		t.last = c
	}
	for _, service := range names {
		t := count[service]
		say := func(category platform.Category, score float64, n int, what string) {
			l := d.add(category, service, sign{
				score: score, text: fmt.Sprintf("%s of %s %s.", plural(n, "health check"), service, what), quote: t.last.Quote, cite: t.last.Cite, says: plural(n, "health check") + " " + what, direct: score >= 0.7,
			})
			if t.last.Path != "" && category == platform.CategoryBadHealthPath {
				l.names = append(l.names, t.last.Path, strings.Trim(t.last.Path, "/"))
			}
		}
		if t.wrong >= 2 && t.wrong > t.ok {
			say(platform.CategoryBadHealthPath, 0.8, t.wrong, fmt.Sprintf("were answered with status %d", t.last.Status))
		}
		if t.refused >= 2 && t.refused > t.ok {
			if l, ok := d.listening(service); ok {
				say(platform.CategoryPortMismatch, 0.82, t.refused, "were refused, and it says that it listens")
				d.lead(platform.CategoryPortMismatch, service).names = append(d.lead(platform.CategoryPortMismatch, service).names, l...)
			} else if d.running(service) {
				say(platform.CategoryPortMismatch, 0.45, t.refused, "were refused while it runs")
			}
		}
		if t.elsewhere >= 2 && len(t.places) > 0 {
			say(platform.CategoryPortMismatch, 0.88, t.elsewhere, "found nothing on its port, and the process listens elsewhere")
			l := d.lead(platform.CategoryPortMismatch, service)
			for _, p := range t.places {
				l.names = append(l.names, p[2])
				if strings.HasPrefix(p[1], "127.") || p[1] == "localhost" || p[1] == "[::1]" {
					l.names = append(l.names, p[1])
				}
			}
		}
		if t.slow >= 2 && t.ok > 0 && !t.last.OK && d.w.f.live() { // it was well, and answers no more
			say(platform.CategoryHang, 0.66, t.slow, "got no answer in time, and those before passed")
		} else if t.slow >= 2 && t.slow > t.ok/2 {
			say(platform.CategoryHang, 0.42, t.slow, "got no answer in time")
		}
		if t.unready >= 3 && t.ok == 0 {
			say(platform.CategorySlowStart, 0.35, t.unready, "were answered with 503: up, and not ready")
		}
	}
}

// listens is how a server says where it listens, host first where it says one.
var listens = regexp.MustCompile(`(?i)(?:listening|listen|serving|running|started|bound|server|http)\b[^\n]{0,60}?(?:addr(?:ess)?["=: ]+|on |at |://|listen["=: ]+|bind["=: ]+)"?(\[?[\w.:*-]*\]?):(\d{2,5})\b`)

// listening reads where a service says that it listens.
func (d *docket) listening(service string) (ports []string, ok bool) {
	for _, v := range d.w.talks {
		if v.Service != service {
			continue
		}
		for _, re := range append(slices.Clone(listenWords), listens) {
			for _, m := range re.FindAllStringSubmatch(v.Text, 2) {
				ports = append(ports, m[2])
				if strings.HasPrefix(m[1], "127.") || m[1] == "localhost" {
					ports = append(ports, m[1])
				}
			}
		}
	}
	return ports, len(ports) > 0
}

func (d *docket) running(service string) bool {
	for _, in := range d.w.f.Fleet {
		if in.Service == service && !in.State.Ended() {
			return true
		}
	}
	return false
}

// exception is the type of an error that the code itself raised.
var exception = regexp.MustCompile(`\b(?:[a-zA-Z_][\w$]*[.:]{1,2})*[A-Z]\w*(?:Exception|Error)\b(?:: |\()|\bpanic: |nil pointer dereference|undefined method`)

// calls reads the spans: the calls that failed with no failing call below them, and what they say.
func (d *docket) calls() {
	failing := map[string]bool{} // parents of failing spans
	for _, s := range d.w.f.Spans {
		if s.Failed {
			failing[s.TraceID+"/"+s.ParentID] = true
		}
	}
	type group struct {
		span  Span
		count int
	}
	groups := map[string]*group{}
	var order []string
	for _, s := range d.w.f.Spans {
		if !s.Failed || failing[s.TraceID+"/"+s.SpanID] {
			continue
		}
		key := s.Service + "\x00" + skeleton(s.Error) + "\x00" + s.Name
		g := groups[key]
		if g == nil {
			g = &group{span: s}
			groups[key] = g
			order = append(order, key)
		}
		g.count++
	}
	sort.Strings(order)
	for _, key := range order {
		g := groups[key]
		s := g.span
		for _, m := range matches(s.Error) {
			l := d.add(m.category, s.Service, sign{
				score: 0.8 * m.weight, quote: m.quote, cite: s.Cite, onset: s.At, says: inSentence(m.quote), direct: m.weight >= 0.7,
				text: fmt.Sprintf("Calls of %s fail there and nowhere below, %s.", s.Name, times(g.count)),
			})
			v := &voice{Talk: &Talk{Service: s.Service, Text: s.Error}}
			d.name(l, v, m)
		}
		if len(matches(s.Error)) == 0 {
			score := 0.35
			if exception.MatchString(s.Error) {
				score = 0.58
			}
			l := d.add(platform.CategoryCodeError, s.Service, sign{
				score: score, quote: s.Error, cite: s.Cite, onset: s.At, says: inSentence(s.Error), text: fmt.Sprintf("Calls of %s fail there and nowhere below, %s.", s.Name, times(g.count)), direct: score > 0.5,
			})
			d.name(l, &voice{Talk: &Talk{Service: s.Service, Text: s.Error}}, match{platform.CategoryCodeError, score, s.Error})
		}
	}
}
