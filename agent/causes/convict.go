package causes

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// lead is one explanation that signs point to: a category in a service.
type lead struct {
	category platform.Category
	service  string
	score    float64 // 0 to 1, from signs alone
	claims   []platform.Claim
	onset    time.Time     // when its signs began; zero when they do not say
	telling  float64       // the score of the sign that the onset is of
	slack    time.Duration // how far off the onset may be
	slow     bool          // it builds up: the change may be much older than what was seen
	names    []string      // words that the signs name: variables, columns, paths, ports
	frames   []Frame
	others   []string       // further services whose changes may have done it
	releases map[string]int // lines that tell of it, by release
	says     string         // the sign in a few words, for the summary
	direct   bool           // the signs are the fault's own words or codes, not only its effects
	variable string
	texts    []string // some of the lines, in full
	through  *lead    // what the service's own signs tell, where the lead is of those that use it
	// own is the cause that a rule over the suspect's release found, accuses its changes with how they reach the fault, and held the
	// score with it.
	own     *platform.Cause
	accuses map[string]string
	held    float64
	known   bool // who does it is measured: it does not come from outside
	common  bool // several services that have nothing else in common show the same
}

// charge is a candidate held against a lead.
type charge struct {
	*candidate
	score float64
	how   string
	quote string
	hunk  *Hunk
	file  string
	// pointed is set when the change touches a name or a place that the signs give.
	pointed bool
	// fits is set when it is of a kind, in its words or its numbers, that brings such a fault.
	fits bool
	// placed is set when it changed a file that the stack trace runs through.
	placed bool
}

const (
	convicts = 0.5  // the least charge that convicts
	sureOnly = 0.62 // the same for what mostly comes from outside, and for a fault that is itself only guessed
	faint    = 0.45 // under this a lead is a guess
)

// convict returns the change that brought the lead, and why the others are innocent. No change is convicted for being
// recent, and none that came after the onset.
func (w *world) convict(l *lead) (guilty *charge, acquitted []platform.RuledOut) {
	var best, second *charge
	charges := make([]*charge, len(w.suspects))
	pointed := false
	for i, c := range w.suspects {
		charges[i] = w.charge(l, c)
		pointed = pointed || charges[i].pointed && charges[i].score >= convicts
	}
	for i, c := range w.suspects {
		ch := charges[i]
		if pointed && !ch.pointed { // where one change touches what the error names, words alone weigh less
			ch.score *= 0.75
		}
		if ch.score <= 0 {
			acquitted = append(acquitted, ruleOut(c, ch.how))
			continue
		}
		switch {
		case best == nil || ch.score > best.score+0.005 || ch.score > best.score-0.005 && ch.live.After(best.live):
			second, best = best, ch
		case second == nil || ch.score > second.score:
			second = ch
		}
	}
	need := convicts
	if l.outside() || best != nil && !best.pointed && (l.score < faint || best.Kind == platform.ChangeCommit && best.service != l.service && w.observed(best.service)) {
		need = sureOnly
	}
	if best != nil && best.score < need && w.unrivalled(l, best, second) {
		need = best.score
	}
	if best == nil || best.score < need {
		if shown := w.exposed(l); shown != nil {
			best = shown
		} else {
			if best != nil {
				acquitted = append(acquitted, ruleOut(best.candidate, "nothing in it reaches what failed"))
			}
			return nil, acquitted
		}
	}
	if second != nil && second.candidate != best.candidate {
		acquitted = append(acquitted, ruleOut(second.candidate, "another change reaches what failed more directly"))
	}
	return best, acquitted
}

// unrivalled reports whether a charge that is not strong by itself is the only one that touches what can bring the fault: a
// change of the very service, while every other change near the onset reaches nothing.
func (w *world) unrivalled(l *lead, best, second *charge) bool {
	least := 0.34
	if l.score < faint {
		return false
	}
	if l.outside() {
		least = 0.42
		if best.Kind == platform.ChangeCommit || best.Kind == platform.ChangeDeploy {
			return false
		}
	}
	return best.score >= least && best.fits && !w.undeployed(best.candidate) && (best.service == l.service || best.service == "" || shared(best.candidate)) && (second == nil || second.score < 0.66*best.score)
}

func ruleOut(c *candidate, why string) platform.RuledOut {
	return platform.RuledOut{Hypothesis: c.name() + " is to blame", Why: why, Evidence: cites(c.Cite)}
}

// charge weighs one candidate: what it touches, whose it is, and when it took effect.
func (w *world) charge(l *lead, c *candidate) *charge {
	ch := &charge{candidate: c}
	onset := l.onset
	if onset.IsZero() {
		onset = w.onset
	}
	if w.f.Incident.Signal == platform.SignalErrorRate && w.f.live() && (!buildsUp(l.category) || l.category == platform.CategoryCacheStampede) && l.service == w.f.Incident.Service && onset.Before(w.f.Incident.OnsetAt) {
		onset = w.f.Incident.OnsetAt // the platform saw when it began to hurt; what moved before that was no fault yet
	}
	if c.live.After(onset.Add(max(l.slack, 45*time.Second))) {
		ch.how = "it came after the fault began"
		return ch
	}
	if why := w.innocence(l, c); why != "" {
		ch.how = why
		return ch
	}
	kin := w.kinship(l, c)
	if kin == 0 {
		ch.how = fmt.Sprintf("it is of %s, which %s does not depend on", c.service, l.service)
		return ch
	}
	reach := w.touch(l, c, ch)
	if c.service != "" && c.service != l.service && !w.observed(c.service) && reach < 0.6 {
		reach = 0
	}
	if l.exact() && c.shown(l.category) && !ch.pointed && !(ch.placed && l.category != platform.CategoryImportError) && !c.builds(l.category) {
		reach = math.Min(reach, missed)
	}
	if reach == 0 {
		if ch.how == "" {
			ch.how = "it touches nothing that can bring this"
		}
		return ch
	}
	if w.ofOtherKeys(l, c) {
		ch.how = "it left alone the variable that the error names"
		return ch
	}
	if w.shownBefore(l, c) {
		ch.how = "the release before showed the fault already"
		return ch
	}
	if old := w.olderThan(l, c); old != "" {
		ch.how = old
		return ch
	}
	if why, share := w.served(l, c, onset, ch.pointed); share == 0 {
		ch.how = why
		return ch
	} else {
		reach *= share
	}
	ch.score = reach * kin * w.timing(l, c, onset)
	if gap := onset.Sub(c.live); c.Kind == platform.ChangeFlag && gap > 5*time.Minute { // a flag works at once
		ch.score *= 0.9
	}
	switch {
	case c.unborn:
		ch.score *= 0.72 // no deploy is known to have brought it live
	case w.undeployed(c) && !comesBefore(l.category):
		ch.score *= 0.6 // deploys are on record, and none is of it
	case c.head:
		ch.score += 0.02
	}
	return ch
}

// runs reports whether a commit may be in what runs: one that no deploy brought, in a service whose instances are all older
// than it, is not. It needs both to be recorded: where nothing says so, a commit counts as live.
func (w *world) runs(c *candidate) bool {
	if c.Kind != platform.ChangeCommit || c.service == "" || len(c.tags) > 0 || c.head || !c.live.Equal(c.At) {
		return true
	}
	deploys, instances := 0, 0
	for _, d := range w.f.Changes {
		if d.Kind == platform.ChangeDeploy {
			deploys++
		}
	}
	for _, in := range w.f.Fleet {
		if in.Service != c.service {
			continue
		}
		if instances++; in.StartedAt.IsZero() || !in.StartedAt.Before(c.At) {
			return true
		}
	}
	return deploys == 0 || instances == 0
}

// shown reports whether the record tells what the change did, so that its silence on a name speaks for it.
func (c *candidate) shown(category platform.Category) bool {
	switch c.Kind {
	case platform.ChangeCommit:
		return true
	case platform.ChangeMigration: // its name tells
		return c.Message != "" || len(c.Hunks) > 0
	case platform.ChangeSecret: // a new value leaves the name where it is
		return category == platform.CategoryMissingEnv && rotates.MatchString(c.Message)
	case platform.ChangeConfig:
		return len(c.Hunks) > 0 && category == platform.CategoryMissingEnv // any other setting may be a bad one
	default:
	}
	return false
}

// rotates is how changes say that a secret got a new value and kept its name.
var rotates = like(`\brotat|\brenew|\bnew value|\brefresh`)

// missed is the most that a commit weighs which touches none of the names and places that the fault's own words give.
const missed = 0.3

// builds reports whether a commit changes what an image is made of, where such a fault comes from there: the error names
// what is gone, and the line that took it away need not.
func (c *candidate) builds(category platform.Category) bool {
	switch category {
	case platform.CategoryImportError, platform.CategoryVolumePermission, platform.CategoryBadCommand, platform.CategoryMissingMount:
		return slices.ContainsFunc(c.Files, func(f string) bool { return says(ways[category].files, f) })
	default:
	}
	return false
}

// exact reports whether the lead's words say where to look, so that a commit which is not there is innocent: the place in the
// code, or the name that is not there.
func (l *lead) exact() bool {
	switch l.category {
	case platform.CategoryCodeError, platform.CategoryBuildFailed:
		return len(l.frames) > 0
	case platform.CategoryMissingEnv, platform.CategoryImportError, platform.CategorySchemaMismatch, platform.CategoryMissingMount,
		platform.CategoryVolumePermission, platform.CategoryBadConfig:
		return len(l.names)+len(l.frames) > 0
	default:
	}
	return false
}

// comesBefore are faults that keep a release from running: the change that brings them is in no instance.
func comesBefore(c platform.Category) bool {
	switch c {
	case platform.CategoryBuildFailed, platform.CategoryMigrationFailed, platform.CategoryImagePull, platform.CategoryBadCommand, platform.CategoryArchMismatch,
		platform.CategoryMissingMount, platform.CategoryImportError, platform.CategoryMissingEnv:
		return true
	default:
	}
	return false
}

// fromOutside are words that say themselves that nothing of ours was changed: a limit, an expiry or an outage of another.
var fromOutside = like(`toomanyrequests|pull rate limit|unauthenticated pull|has expired|expired certificate|certificate[_ ]expired|cert_has_expired|password expired|will expire|account (?:is )?locked|account has been (?:suspended|disabled|deactivated)|billing|insufficient[_ ]quota|insufficient funds|payment required|overloaded_error|service outage|scheduled maintenance`)

// outside reports whether the fault mostly comes from outside, by its kind or by its own words.
func (l *lead) outside() bool {
	if ways[l.category].outside && !l.known || l.common {
		return true
	}
	for _, c := range l.claims {
		if fromOutside.MatchString(c.Quote) {
			return true
		}
	}
	return false
}

// kinship says how near the candidate's service is to the one that failed first.
func (w *world) kinship(l *lead, c *candidate) float64 {
	switch {
	case c.service == l.service:
		return 1
	case slices.Contains(l.others, c.service):
		return 0.92
	case c.service == "" && (c.Kind == platform.ChangeInfra || c.Kind == platform.ChangeMigration || c.Kind == platform.ChangeSecret || c.Kind == platform.ChangeFlag || c.Kind == platform.ChangeConfig):
		return 0.92
	case c.service == "":
		return 0.88
	case l.known && (l.category == platform.CategoryNoisyNeighbour || slices.Contains(w.sharing[l.service], c.service)):
		return 0 // who takes it all is measured: the others only suffer
	case ownDoing(l.category) && w.observed(c.service):
		return 0
	case shared(c):
		return 0.88
	case slices.Contains(w.needs[l.service], c.service):
		return 0.82
	case w.reaches(l.service, c.service):
		return 0.7
	case slices.Contains(w.sharing[l.service], c.service) && (ways[l.category].outside || l.category == platform.CategoryDiskFull):
		return 0.8
	case ofHost(l.category) && c.Kind != platform.ChangeCommit && c.takes(l.names):
		return 0.8
	case slices.Contains(w.neededBy[l.service], c.service) && (callersMay(l.category) || c.Kind == platform.ChangeFlag):
		return 0.85
	case !w.observed(c.service) && len(w.needs[c.service])+len(w.neededBy[c.service]) == 0:
		return 0.84 // a repository that runs nowhere by itself: a library, or what builds and carries the others
	case w.named(l, c):
		return 0.6
	}
	return 0
}

// ownDoing are faults of what a service itself is made of and told: no other service that runs can bring them.
func ownDoing(c platform.Category) bool {
	switch c {
	case platform.CategoryLogFlood, platform.CategoryMissingEnv, platform.CategoryImportError, platform.CategoryBadCommand, platform.CategoryPortMismatch,
		platform.CategoryBadHealthPath, platform.CategoryArchMismatch, platform.CategoryBuildFailed, platform.CategoryUngracefulStop, platform.CategoryVolumePermission:
		return true
	default:
	}
	return false
}

// ofHost are faults over something that all on a host share, whoever they are.
func ofHost(c platform.Category) bool {
	switch c {
	case platform.CategoryPortInUse, platform.CategoryMissingMount, platform.CategoryVolumePermission, platform.CategoryDNSFailure, platform.CategoryReadOnlyFS:
		return true
	default:
	}
	return false
}

// takes reports whether a change adds a line with one of the names: a port, a path, a host.
func (c *candidate) takes(names []string) bool {
	for _, d := range c.Hunks {
		for _, h := range d.Hunks {
			for _, l := range h.Lines {
				if l.Op == '+' && slices.ContainsFunc(names, func(n string) bool { return len(n) >= 4 && containsFold(stripComment(l.Text), n) }) {
					return true
				}
			}
		}
	}
	return slices.ContainsFunc(names, func(n string) bool { return len(n) >= 4 && len(c.Hunks) == 0 && containsFold(c.Message, n) })
}

// callersMay are faults that a caller can bring on what it calls.
func callersMay(c platform.Category) bool {
	switch c {
	case platform.CategoryRetryStorm, platform.CategoryTrafficSurge, platform.CategoryPoolExhausted, platform.CategoryQueueBacklog, platform.CategoryPoisonMessage,
		platform.CategoryRequestTooLarge, platform.CategoryCacheStampede, platform.CategoryRateLimited, platform.CategoryNoisyNeighbour, platform.CategoryDiskFull,
		platform.CategoryMemoryLeak, platform.CategoryOOMKilled, platform.CategoryHang, platform.CategoryLatencyRegression, platform.CategoryDescriptors:
		return true
	default:
	}
	return false
}

// shared reports whether a change is to code that several services are built from.
func shared(c *candidate) bool {
	for _, f := range c.Files {
		for part := range strings.SplitSeq(f, "/") {
			switch strings.ToLower(part) {
			case "libs", "shared", "common", "packages", "sdk", "vendor":
				return true
			}
		}
	}
	return false
}

// named reports whether the change names the failing service.
func (w *world) named(l *lead, c *candidate) bool {
	return l.service != "" && (containsWord(strings.ToLower(c.Message), strings.ToLower(l.service)) || containsWord(strings.ToLower(c.Diff), strings.ToLower(l.service)))
}

// timing fits the effect to the onset. What builds up may be old; what fails at once is not.
func (w *world) timing(l *lead, c *candidate, onset time.Time) float64 {
	gap := onset.Sub(c.live)
	if l.slow || buildsUp(l.category) {
		switch {
		case gap < 48*time.Hour:
			return 1
		case gap < 14*24*time.Hour:
			return 0.9
		}
		return 0.75
	}
	switch {
	case gap < 20*time.Minute:
		return 1
	case gap < 2*time.Hour:
		return 0.95
	case gap < 12*time.Hour:
		return 0.85
	case gap < 48*time.Hour:
		return 0.75
	}
	return 0.62
}

// buildsUp are faults that may wait long for their occasion: a limit to be reached, a stop, a busy hour.
func buildsUp(c platform.Category) bool {
	switch c {
	case platform.CategoryMemoryLeak, platform.CategoryDescriptors, platform.CategoryDiskFull, platform.CategoryUngracefulStop, platform.CategoryCertExpired, platform.CategoryPoolExhausted, platform.CategoryCacheStampede:
		return true
	default:
	}
	return false
}

// olderThan is the test of exposure: a release without the change shows the fault too.
func (w *world) olderThan(l *lead, c *candidate) string {
	if len(c.tags) == 0 || len(l.releases) == 0 || c.service != l.service {
		return ""
	}
	with, without := 0, 0
	for release, n := range l.releases {
		if slices.Contains(c.tags, release) || w.laterRelease(release, c) {
			with += n
		} else {
			without += n
		}
	}
	switch {
	case with == 0 && !w.spoke(l.service, c.tags):
		return "" // no line carries its release: the labels are of something else
	case with == 0 && without >= 3:
		return "the release that holds it does not show the fault, and another does"
	}
	if without >= 3 && without*3 >= with && w.spokeBefore(l.service, c) {
		return "the release before it shows the fault too"
	}
	return ""
}

// spoke reports whether any line of a service carries one of the releases.
func (w *world) spoke(service string, tags []string) bool {
	for _, v := range w.talks {
		if v.Service != service {
			continue
		}
		for _, t := range tags {
			if v.Releases[t] > 0 {
				return true
			}
		}
	}
	return false
}

// laterRelease reports whether a release went live after the candidate's, and so holds it as well.
func (w *world) laterRelease(release string, c *candidate) bool {
	for _, d := range w.f.Changes {
		if d.Tag == release && d.Service == c.service && d.At.After(c.live) && !d.goesBack() {
			return true
		}
	}
	return false
}

// spokeBefore reports whether the lines hold the service's time before the change.
func (w *world) spokeBefore(service string, c *candidate) bool {
	for _, v := range w.talks {
		if v.Service == service && v.First.Before(c.live) && !v.Counted {
			return true
		}
	}
	return false
}

// exposed convicts by what releases show, where nothing that a change touches can be seen: every line that tells of the
// fault is of the release that one change brought, and the release before it spoke and did not show it.
func (w *world) exposed(l *lead) *charge {
	if !codeLike(l.category) || len(l.releases) != 1 {
		return nil
	}
	release := ""
	for r := range l.releases {
		release = r
	}
	var only *candidate
	for _, c := range w.suspects {
		if c.service != l.service || !slices.Contains(c.tags, release) || c.prose || c.inert() || c.live.After(l.onset.Add(time.Minute)) {
			continue
		}
		if only != nil {
			return nil // several came with it
		}
		only = c
	}
	if only != nil && len(only.Hunks) > 0 && (l.exact() || !w.charge(l, only).fits) {
		return nil // what it does is on record, and reaches nothing of this
	}
	if only == nil || !w.otherReleaseSpoke(l.service, release) {
		return nil
	}
	return &charge{candidate: only, score: convicts, how: "it came with release " + release + ", which alone shows the fault"}
}

// otherReleaseSpoke reports whether another release of the service left lines before.
func (w *world) otherReleaseSpoke(service, release string) bool {
	lines := 0
	for _, v := range w.talks {
		if v.Service != service {
			continue
		}
		for r, n := range v.Releases {
			if r != release {
				lines += n
			}
		}
	}
	return lines >= minLines
}

// codeLike are categories that a release brings by itself.
func codeLike(c platform.Category) bool {
	switch c {
	case platform.CategoryCodeError, platform.CategoryLatencyRegression, platform.CategoryMissingEnv, platform.CategoryImportError, platform.CategoryBadCommand,
		platform.CategoryPortMismatch, platform.CategoryBadHealthPath, platform.CategoryBadConfig, platform.CategorySchemaMismatch, platform.CategoryArchMismatch:
		return true
	default:
	}
	return false
}

// claim tells how the change reaches the fault.
func (ch *charge) claim() platform.Claim {
	name := ch.name()
	return claim(strings.ToUpper(name[:1])+name[1:]+": "+ch.how+".", ch.quote, ch.Cite)
}
