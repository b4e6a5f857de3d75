package causes

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// effects says which categories each category brings about by itself: where both are seen, the first is the cause.
var effects = map[platform.Category][]platform.Category{
	platform.CategoryOOMKilled:        {platform.CategoryDependency, platform.CategoryUpstream5xx, platform.CategoryCodeError, platform.CategoryLatencyRegression, platform.CategoryHang, platform.CategoryQueueBacklog, platform.CategoryUngracefulStop, platform.CategorySlowStart},
	platform.CategoryMemoryLeak:       {platform.CategoryOOMKilled, platform.CategoryDependency, platform.CategoryUpstream5xx, platform.CategoryCodeError, platform.CategoryLatencyRegression, platform.CategoryHang},
	platform.CategoryLogFlood:         {platform.CategoryDiskFull, platform.CategoryLatencyRegression, platform.CategoryReadOnlyFS},
	platform.CategoryDiskFull:         {platform.CategoryReadOnlyFS, platform.CategoryDependency, platform.CategoryUpstream5xx, platform.CategoryCodeError, platform.CategoryLatencyRegression, platform.CategoryBadConfig, platform.CategoryQueueBacklog, platform.CategoryHang, platform.CategoryVolumePermission, platform.CategoryMigrationFailed},
	platform.CategoryReadOnlyFS:       {platform.CategoryCodeError, platform.CategoryUpstream5xx, platform.CategoryVolumePermission},
	platform.CategoryDescriptors:      {platform.CategoryDependency, platform.CategoryUpstream5xx, platform.CategoryCodeError, platform.CategoryLatencyRegression, platform.CategoryDNSFailure, platform.CategoryHang, platform.CategoryPoolExhausted},
	platform.CategoryPoolExhausted:    {platform.CategoryDependency, platform.CategoryUpstream5xx, platform.CategoryCodeError, platform.CategoryLatencyRegression, platform.CategoryHang, platform.CategoryRetryStorm, platform.CategoryQueueBacklog},
	platform.CategoryDNSFailure:       {platform.CategoryDependency, platform.CategoryUpstream5xx, platform.CategoryCodeError, platform.CategoryRetryStorm, platform.CategoryLatencyRegression, platform.CategoryPoolExhausted},
	platform.CategoryCertExpired:      {platform.CategoryDependency, platform.CategoryUpstream5xx, platform.CategoryCodeError, platform.CategoryRetryStorm, platform.CategoryBadCredentials, platform.CategoryLatencyRegression},
	platform.CategoryClockSkew:        {platform.CategoryBadCredentials, platform.CategoryCertExpired, platform.CategoryCodeError, platform.CategoryUpstream5xx, platform.CategoryDependency},
	platform.CategoryBadCredentials:   {platform.CategoryDependency, platform.CategoryCodeError, platform.CategoryUpstream5xx, platform.CategoryPoolExhausted, platform.CategoryRetryStorm, platform.CategoryLatencyRegression, platform.CategoryBadConfig},
	platform.CategoryDependency:       {platform.CategoryUpstream5xx, platform.CategoryCodeError, platform.CategoryLatencyRegression, platform.CategoryRetryStorm, platform.CategoryHang, platform.CategoryQueueBacklog, platform.CategoryCacheStampede},
	platform.CategoryUpstream5xx:      {platform.CategoryCodeError, platform.CategoryRetryStorm, platform.CategoryLatencyRegression, platform.CategoryQueueBacklog, platform.CategoryDependency},
	platform.CategoryRateLimited:      {platform.CategoryUpstream5xx, platform.CategoryCodeError, platform.CategoryRetryStorm, platform.CategoryLatencyRegression, platform.CategoryQueueBacklog, platform.CategoryBadCredentials},
	platform.CategoryCacheStampede:    {platform.CategoryPoolExhausted, platform.CategoryLatencyRegression, platform.CategoryUpstream5xx, platform.CategoryTrafficSurge, platform.CategoryCodeError, platform.CategoryRetryStorm, platform.CategoryHang},
	platform.CategoryRetryStorm:       {platform.CategoryTrafficSurge, platform.CategoryLatencyRegression, platform.CategoryCodeError, platform.CategoryRateLimited, platform.CategoryUpstream5xx},
	platform.CategoryTrafficSurge:     {platform.CategoryLatencyRegression, platform.CategoryUpstream5xx, platform.CategoryCodeError, platform.CategoryNoisyNeighbour, platform.CategoryRateLimited},
	platform.CategoryPoisonMessage:    {platform.CategoryQueueBacklog, platform.CategoryCodeError, platform.CategoryRetryStorm, platform.CategoryHang},
	platform.CategoryNoisyNeighbour:   {platform.CategoryLatencyRegression, platform.CategoryHang, platform.CategoryRetryStorm, platform.CategoryUpstream5xx},
	platform.CategoryQueueBacklog:     {platform.CategoryLatencyRegression},
	platform.CategoryHang:             {platform.CategoryLatencyRegression, platform.CategoryUpstream5xx, platform.CategoryQueueBacklog, platform.CategoryDependency, platform.CategoryRetryStorm, platform.CategoryCodeError},
	platform.CategoryUngracefulStop:   {platform.CategoryQueueBacklog, platform.CategoryUpstream5xx, platform.CategoryDependency, platform.CategoryOOMKilled, platform.CategoryCodeError},
	platform.CategoryCUDAOOM:          {platform.CategoryOOMKilled, platform.CategoryCodeError, platform.CategoryUpstream5xx, platform.CategoryLatencyRegression, platform.CategoryDependency},
	platform.CategoryGPUUnavailable:   {platform.CategoryCodeError, platform.CategoryUpstream5xx, platform.CategoryImportError, platform.CategorySlowStart, platform.CategoryDependency, platform.CategoryLatencyRegression},
	platform.CategorySharedMemory:     {platform.CategoryCodeError, platform.CategoryDiskFull, platform.CategoryOOMKilled, platform.CategoryHang},
	platform.CategorySchemaMismatch:   {platform.CategoryCodeError, platform.CategoryUpstream5xx, platform.CategoryPoisonMessage},
	platform.CategoryMigrationFailed:  {platform.CategorySchemaMismatch, platform.CategoryCodeError, platform.CategoryBadCommand, platform.CategoryHang},
	platform.CategoryImportError:      {platform.CategoryCodeError, platform.CategoryBadCommand, platform.CategoryDependency, platform.CategoryBuildFailed},
	platform.CategoryBuildFailed:      {platform.CategoryCodeError, platform.CategoryImportError},
	platform.CategoryMissingEnv:       {platform.CategoryCodeError, platform.CategoryBadConfig, platform.CategoryBadCredentials, platform.CategoryDependency},
	platform.CategoryBadConfig:        {platform.CategoryCodeError, platform.CategoryDependency, platform.CategoryBadCommand},
	platform.CategoryBadCommand:       {platform.CategoryCodeError, platform.CategoryDependency},
	platform.CategoryArchMismatch:     {platform.CategoryBadCommand, platform.CategoryCodeError, platform.CategoryImagePull, platform.CategoryImportError},
	platform.CategoryBadModelArtifact: {platform.CategoryCodeError, platform.CategorySlowStart, platform.CategoryUpstream5xx, platform.CategoryImportError, platform.CategoryBadConfig},
	platform.CategoryRequestTooLarge:  {platform.CategoryCodeError, platform.CategoryUpstream5xx},
	platform.CategoryVolumePermission: {platform.CategoryCodeError, platform.CategoryBadConfig, platform.CategoryBadCredentials},
	platform.CategoryMissingMount:     {platform.CategoryCodeError, platform.CategoryDependency, platform.CategoryBadCommand},
	platform.CategoryPortInUse:        {platform.CategoryPortMismatch, platform.CategoryCodeError, platform.CategoryDependency},
	platform.CategoryPortMismatch:     {platform.CategoryDependency, platform.CategorySlowStart, platform.CategoryHang},
	platform.CategoryBadHealthPath:    {platform.CategoryCodeError, platform.CategorySlowStart, platform.CategoryBadCredentials},
	platform.CategoryImagePull:        {platform.CategoryDNSFailure, platform.CategoryVolumePermission, platform.CategoryBadCredentials, platform.CategoryRateLimited, platform.CategorySlowStart, platform.CategoryDependency},
	platform.CategorySlowStart:        {platform.CategoryDependency, platform.CategoryHang, platform.CategoryOOMKilled, platform.CategoryUngracefulStop},
}

const (
	strong   = 0.5  // from here a lead explains the ones that follow from it
	followed = 0.35 // what is taken from a lead that another one explains
)

// investigate explains the facts beyond the suspect's own release: any service, any change, any category.
func investigate(f *Facts, own []platform.Cause) (found []platform.Cause, d *docket) {
	w := newWorld(f)
	d = newDocket(w)
	d.hear()
	d.calls()
	d.ends()
	d.stops()
	d.checks()
	d.grow()
	d.load()
	d.read()
	d.refused()
	d.poison()
	d.attempts()
	d.alerted()
	d.artifacts()
	d.hold(own)
	d.blame()
	d.gather()
	d.strangers()
	d.explain()
	sort.SliceStable(d.order, func(i, j int) bool { return d.order[i].score > d.order[j].score })
	for i, l := range d.order {
		if i >= 6 || l.score < 0.3 {
			break
		}
		if len(dedupeClaims(l.claims)) == 0 {
			continue // what cannot be cited is not said
		}
		found = append(found, d.cause(l))
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].Score > found[j].Score })
	return found, d
}

// blame moves complaints from the victim that complains to the service it complains about.
func (d *docket) blame() {
	for _, l := range slices.Clone(d.order) {
		switch l.category {
		case platform.CategoryDependency, platform.CategoryUpstream5xx, platform.CategoryUngracefulStop:
		default:
			continue
		}
		target := d.accused(l)
		if target == "" || target == l.service {
			continue
		}
		d.hop(target, l.service, l)
		if !d.w.observed(target) && l.category == platform.CategoryUpstream5xx {
			continue // it lies outside: who calls it is the first of ours that fails
		}
		moved := sign{score: l.score, onset: l.onset, says: l.says, direct: l.direct, text: fmt.Sprintf("%s says that it cannot use %s.", l.service, target)}
		if len(l.claims) > 0 {
			moved.quote, moved.cite = l.claims[0].Quote, cites(l.claims[0].Evidence...)[0]
		}
		category := platform.CategoryDependency
		if l.category == platform.CategoryUpstream5xx { // it answers, with errors: something is wrong in it
			category, moved.score = platform.CategoryCodeError, 0.3*l.score
			moved.direct = false
		}
		if l.category == platform.CategoryUngracefulStop {
			category, moved.score = l.category, l.score
		}
		to := d.add(category, target, moved)
		to.names = append(to.names, l.names...)
		l.score = math.Max(0, l.score-0.4)
	}
}

// accused is the service that a lead's own words name.
func (d *docket) accused(l *lead) string {
	if l.category == platform.CategoryUngracefulStop && len(d.w.needs[l.service]) == 0 {
		return ""
	}
	for _, text := range l.texts {
		for _, h := range hostsIn(text) {
			if s := d.w.serviceOf(h); s != "" && s != l.service {
				return s
			}
		}
	}
	if l.category == platform.CategoryUngracefulStop {
		for _, s := range d.w.needs[l.service] {
			if other, ok := d.leads[string(l.category)+"\x00"+s]; ok && other.score > 0 {
				return s
			}
		}
		return ""
	}
	for _, c := range l.claims {
		lower := strings.ToLower(c.Quote)
		for _, s := range d.w.needs[l.service] {
			if containsWord(lower, strings.ToLower(s)) {
				return s
			}
		}
		for _, s := range d.w.services {
			if s != l.service && len(s) > 3 && containsWord(lower, strings.ToLower(s)) {
				return s
			}
		}
	}
	if l.category != platform.CategoryDependency {
		return ""
	}
	for _, c := range l.claims { // software is known by its words and its port
		lower := strings.ToLower(c.Quote)
		for _, s := range append(slices.Clone(d.w.needs[l.service]), d.w.services...) {
			name := strings.ToLower(s)
			if s == l.service {
				continue
			}
			for _, kind := range brands {
				if containsAnyOf(lower, kind.says...) && containsAnyOf(name, kind.called...) {
					return s
				}
			}
		}
	}
	return ""
}

// brands are the words and ports by which errors tell of well-known software, and the names it is given.
var brands = []struct{ says, called []string }{
	{[]string{"redis", ":6379", "wrongpass", "clusterdown"}, []string{"redis", "cache", "valkey"}},
	{[]string{"postgres", "psycopg", "pq:", "pgx", ":5432", "database system is", "connection to server at"}, []string{"postgres", "pg", "db", "database"}},
	{[]string{"mysql", "mariadb", ":3306", "communications link"}, []string{"mysql", "maria", "db", "database"}},
	{[]string{"kafka", "broker", ":9092", "bootstrap"}, []string{"kafka", "broker", "redpanda"}},
	{[]string{"amqp", "rabbit", ":5672"}, []string{"rabbit", "mq", "queue", "broker"}},
	{[]string{"mongo", ":27017", "serverselection"}, []string{"mongo", "db"}},
	{[]string{"elasticsearch", "opensearch", ":9200"}, []string{"elastic", "search", "opensearch"}},
	{[]string{"qdrant", "milvus", "weaviate", "vector"}, []string{"qdrant", "milvus", "weaviate", "vector"}},
	{[]string{"nats", ":4222"}, []string{"nats"}},
	{[]string{"memcache", ":11211"}, []string{"memcache", "cache"}},
}

// hop records that a fault went from one service to another, once and in one direction.
func (d *docket) hop(from, to string, l *lead) {
	if from == to || from == "" || to == "" {
		return
	}
	for _, h := range d.spread {
		if h.From == from && h.To == to || h.From == to && h.To == from {
			return
		}
	}
	var ids []platform.EvidenceID
	for _, c := range l.claims {
		ids = append(ids, c.Evidence...)
	}
	d.spread = append(d.spread, platform.Hop{From: from, To: to, Evidence: cites(ids...)})
}

// explain takes from each lead what a stronger one explains: an effect in the same service, and everything in a service
// that waits for one that failed.
func (d *docket) explain() {
	base := map[*lead]float64{}
	for _, l := range d.order {
		base[l] = l.score
	}
	for _, cause := range d.order {
		if base[cause] < strong {
			continue
		}
		for _, l := range d.order {
			if l == cause || base[l] > base[cause]+0.25 && l.direct {
				continue
			}
			if cause.category == platform.CategoryTrafficSurge && l.own != nil && l.own.Change != nil {
				continue // more requests do not write the line that fails
			}
			brings := slices.Contains(effects[cause.category], l.category)
			back := slices.Contains(effects[l.category], cause.category)
			switch {
			case l.service == cause.service && brings && !(back && base[l] > base[cause]):
				l.score -= followed
			case l.category == cause.category && d.w.reaches(l.service, cause.service) && l.direct && (d.tellsBetter(l, cause) || spokenBelow(l.category) && !d.w.reaches(cause.service, l.service)):
				cause.score -= followed // the service below only refuses what the one above asks for since its change
			case l.service != cause.service && d.w.reaches(l.service, cause.service) && !d.w.reaches(cause.service, l.service) && (brings || l.category == cause.category || !l.direct):
				l.score -= followed
				d.hop(cause.service, l.service, l)
			case l.service != cause.service && brings && slices.Contains(d.w.sharing[cause.service], l.service):
				l.score -= followed
				d.hop(cause.service, l.service, l)
			case l.service != cause.service && brings && cause.direct && !d.w.reaches(cause.service, l.service):
				l.score -= 0.2
			}
		}
	}
	for _, l := range d.order { // code that both are built from fails in both: the one that met it first is named
		for _, o := range d.order {
			if l != o && l.category == o.category && l.service != o.service && !l.onset.IsZero() && l.onset.Before(o.onset) &&
				l.direct && o.direct && l.score < o.score && l.score > o.score-0.05 && sameFrame(l, o) {
				l.score = math.Min(0.97, o.score+0.01)
			}
		}
	}
	first := d.earliest()
	for _, l := range d.order {
		if !l.onset.IsZero() && first != nil && l != first && l.onset.Sub(first.onset).Minutes() > 2 && !slices.Contains(effects[l.category], first.category) {
			l.score -= 0.03
		}
		l.score = math.Max(0, l.score)
	}
}

// spokenBelow are faults that a database tells of too, and that lie in what the service above asks of it.
func spokenBelow(c platform.Category) bool {
	return c == platform.CategorySchemaMismatch || c == platform.CategoryMigrationFailed
}

// sameFrame reports whether two leads failed at the same place of the code.
func sameFrame(a, b *lead) bool {
	return slices.ContainsFunc(a.frames, func(f Frame) bool {
		return slices.ContainsFunc(b.frames, func(g Frame) bool { return f.File == g.File && f.Line == g.Line })
	})
}

// alerted is how a program tells that its peer refused the certificate it showed.
var alerted = like(`alert[^"\n]{0,60}certificate[ _]expired|certificate_expired[^\n]{0,120}alert|remote error: tls: expired certificate|alert number 45|received fatal alert: certificate_expired|SSLV3_ALERT_CERTIFICATE_EXPIRED`)

// holds reports whether the lead's service was told that its own certificate has expired.
func (l *lead) holds() bool {
	return slices.ContainsFunc(l.claims, func(c platform.Claim) bool { return alerted.MatchString(c.Quote) })
}

// tellsBetter reports whether a change convicts the first lead and none the second, or the first names the culprit itself.
func (d *docket) tellsBetter(l, other *lead) bool {
	switch l.category {
	case platform.CategoryCertExpired:
		return l.holds() && !other.holds()
	case platform.CategoryReadOnlyFS, platform.CategoryBadCredentials, platform.CategorySchemaMismatch, platform.CategoryRequestTooLarge:
	default:
		return false
	}
	mine, _ := d.w.convict(l)
	theirs, _ := d.w.convict(other)
	return mine != nil && mine.service == l.service && (mine.pointed || mine.Kind != platform.ChangeCommit) && (theirs == nil || theirs.candidate == mine.candidate)
}

func (d *docket) earliest() *lead {
	var first *lead
	for _, l := range d.order {
		if l.score >= strong && l.direct && !l.onset.IsZero() && (first == nil || l.onset.Before(first.onset)) {
			first = l
		}
	}
	return first
}

// cause makes a lead a cause, with the change that brought it where one is convicted.
func (d *docket) cause(l *lead) platform.Cause {
	c := platform.Cause{Category: l.category, Service: l.service, Score: l.score, Variable: l.variable}
	c.Claims = dedupeClaims(l.claims)
	guilty, _ := d.w.convict(l)
	if guilty == nil && l.through != nil {
		own := *l.through
		own.score = l.score // what was taken from it went to this one
		guilty, _ = d.w.convict(&own)
	}
	if guilty == nil {
		guilty = d.switched(l)
	}
	c.Service = d.ours(l)
	brought := ""
	if guilty != nil {
		change := guilty.Change.Change
		change.Diff = ""
		c.Change = &change
		c.Score = math.Min(0.97, c.Score+0.13*guilty.score)
		c.Claims = append(c.Claims, withClaims(guilty.claim())...)
		if guilty.file != "" {
			c.Location = &platform.Location{File: guilty.file}
			if guilty.hunk != nil {
				c.Location.Hunk, c.Location.Line = guilty.hunk.Text, guilty.hunk.NewStart
			}
		}
		brought = "; " + guilty.name() + " brought it"
		d.kind(l, guilty, &c)
	}
	c.Summary = fmt.Sprintf("%s: %s (%s)%s.", speaker(l.service), strings.ReplaceAll(string(c.Category), "_", " "), l.says, brought)
	l.retold(&c)
	return c
}

// ours is the service that a lead is told of: where only spans name it, it lies outside, and who calls it fails first.
func (d *docket) ours(l *lead) string {
	if d.w.observed(l.service) || l.service == d.w.f.Incident.Service || l.category != platform.CategoryUpstream5xx && l.category != platform.CategoryRateLimited {
		return l.service
	}
	for _, s := range d.w.neededBy[l.service] {
		if d.w.observed(s) {
			return s
		}
	}
	return l.service
}

// switched convicts a flag that was turned just before the fault began, where no other change reaches it: what runs did not
// change, and the flag did.
func (d *docket) switched(l *lead) *charge {
	onset := maxTime(l.onset, d.w.onset) // of the rise, not of a stray first: a flag is often turned up bit by bit
	var best *charge
	for _, c := range d.w.suspects {
		gap := onset.Sub(c.live)
		if c.Kind != platform.ChangeFlag || gap < -max(l.slack, 45*time.Second) || gap > 15*time.Minute {
			continue
		}
		kin := d.w.kinship(l, c)
		if kin == 0 && slices.Contains(d.w.neededBy[l.service], c.service) {
			kin = 0.8
		}
		if !akin(l, c) && (ways[l.category].outside || gap > max(2*time.Minute, l.slack)) {
			continue // what comes from outside needs no switch, and a switch works at once
		}
		score := 0.7 * kin
		if akin(l, c) {
			score = 0.85 * kin
		}
		if kin > 0 && (best == nil || score > best.score || score == best.score && c.live.After(best.live)) {
			best = &charge{candidate: c, score: score, how: "it was switched just before the fault began, and nothing that runs changed", quote: firstLine(c.Message)}
		}
	}
	return best
}

// akin reports whether a change's own words stand in what the failing service said, or in its name.
func akin(l *lead, c *candidate) bool {
	said := strings.ToLower(l.service + " " + strings.Join(l.texts, " "))
	for _, q := range l.claims {
		said += " " + strings.ToLower(q.Quote)
	}
	for _, f := range l.frames {
		said += " " + strings.ToLower(f.File+" "+f.Func)
	}
	for _, word := range strings.FieldsFunc(strings.ToLower(c.ID+" "+firstLine(c.Message)), func(r rune) bool { return !isLetter(r) }) {
		if len(word) >= 5 && !plainWords[word] && !strings.Contains(strings.ToLower(c.service), word) && strings.Contains(said, word) {
			return true
		}
	}
	return false
}

// plainWords are words of any change.
var plainWords = map[string]bool{"enable": true, "disable": true, "tenant": true, "tenants": true, "users": true, "percent": true, "rollout": true, "stage": true, "production": true, "false": true, "error": true, "errors": true, "request": true, "requests": true, "service": true}

// kind names the category by the change where the signs are general: what a flag or a setting brought is called so.
func (d *docket) kind(l *lead, guilty *charge, c *platform.Cause) {
	switch {
	case guilty.Kind == platform.ChangeFlag:
		c.Category = platform.CategoryFlagChange
		if guilty.service != "" && d.w.known(guilty.service) {
			c.Service = guilty.service
		}
	case guilty.Kind == platform.ChangeConfig && l.category == platform.CategoryCodeError:
		c.Category = platform.CategoryBadConfig
	}
	if guilty.Kind == platform.ChangeConfig && guilty.service == l.service && impatient(l.category) && tightens(guilty.candidate) {
		c.Category = platform.CategoryBadConfig // it is well, and its health check gives it no time
	}
	if l.category == platform.CategoryDiskFull && slices.Contains(d.w.sharing[l.service], guilty.service) {
		c.Service = guilty.service // who fills what both write to
	}
	if s := d.adopter(l, guilty.candidate); s != "" && callersBring(l.category) {
		c.Service = s
	}
	if d.w.reaches(guilty.service, l.service) && callersBring(l.category) && d.w.observed(guilty.service) {
		c.Service = guilty.service // what it does to the one it calls is its own fault
	}
}

// adopter is the one caller that took up a library's change, by a change of its own that names the library.
func (d *docket) adopter(l *lead, c *candidate) string {
	found := ""
	if c.service == "" || d.w.observed(c.service) {
		return ""
	}
	for _, o := range d.w.suspects {
		if o.service == c.service || !d.w.reaches(o.service, l.service) || !containsWord(strings.ToLower(o.Message+"\n"+o.Diff), strings.ToLower(c.service)) {
			continue
		}
		if found != "" && found != o.service {
			return ""
		}
		found = o.service
	}
	return found
}

// impatient are what it looks like from outside when a health check ends instances that are well.
func impatient(c platform.Category) bool {
	switch c {
	case platform.CategoryDependency, platform.CategoryHang, platform.CategoryUngracefulStop, platform.CategoryOOMKilled, platform.CategoryCodeError, platform.CategoryUpstream5xx:
		return true
	default:
	}
	return false
}

var (
	aboutHealth = like(`\bhealth|probe|liveness|readiness`)
	patience    = like(`timeout|failure|threshold|retries|attempts|interval|period`)
)

// tightens reports whether a change gives health checks less time or fewer tries.
func tightens(c *candidate) bool {
	if !aboutHealth.MatchString(c.Message) && !aboutHealth.MatchString(c.Diff) && !slices.ContainsFunc(c.Hunks, func(d FileDiff) bool {
		return slices.ContainsFunc(d.Hunks, func(h Hunk) bool { return aboutHealth.MatchString(h.Text) })
	}) {
		return false
	}
	return slices.ContainsFunc(knobsOf(c), func(k knob) bool { return k.after < k.before && patience.MatchString(k.name) })
}

// callersBring are faults that lie in how a service uses another, not in the other.
func callersBring(c platform.Category) bool {
	switch c {
	case platform.CategoryRetryStorm, platform.CategoryCacheStampede, platform.CategoryRateLimited, platform.CategoryRequestTooLarge, platform.CategoryPoisonMessage, platform.CategoryQueueBacklog:
		return true
	default:
	}
	return false
}

func dedupeClaims(in []platform.Claim) []platform.Claim {
	var out []platform.Claim
	seen := map[string]bool{}
	for _, c := range in {
		key := c.Text + "\x00" + c.Quote
		if len(c.Evidence) == 0 || seen[key] || len(out) >= 6 {
			continue
		}
		seen[key] = true
		out = append(out, c)
	}
	return out
}

// victims lists who suffered from the first failing service: those the fault went to, and those that show signs and wait for it.
func (d *docket) victims(service string) []string {
	var out []string
	add := func(s string) {
		if s != service && s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, h := range d.spread {
		if h.From == service {
			add(h.To)
		}
	}
	for _, l := range d.order {
		if d.w.reaches(l.service, service) || slices.Contains(d.w.sharing[service], l.service) {
			add(l.service)
		}
	}
	sort.Strings(out)
	return out
}

// path lists how the fault spread from a service along the map, to those that show signs of it.
func (d *docket) path(service string) []platform.Hop {
	var out []platform.Hop
	marked := map[string]bool{}
	for _, l := range d.order {
		marked[l.service] = true
	}
	seen, layer := map[string]bool{service: true}, []string{service}
	for len(layer) > 0 {
		var next []string
		for _, from := range layer {
			waiting := append(slices.Clone(d.w.neededBy[from]), d.w.sharing[from]...)
			for _, h := range d.spread {
				if h.From == from {
					waiting = append(waiting, h.To)
				}
			}
			for _, to := range waiting {
				if seen[to] || !marked[to] {
					continue
				}
				seen[to] = true
				next = append(next, to)
				out = append(out, platform.Hop{From: from, To: to, Evidence: d.signsOf(to)})
			}
		}
		layer = next
	}
	return out
}

func (d *docket) signsOf(service string) []platform.EvidenceID {
	for _, l := range d.order {
		if l.service == service && len(l.claims) > 0 {
			return cites(l.claims[0].Evidence...)
		}
	}
	return nil
}
