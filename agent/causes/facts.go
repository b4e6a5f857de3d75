package causes

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/patterns"
	"github.com/fairlead/fairlead/platform"
)

// Facts is the typed view of frozen evidence that rules read. Every fact names the evidence it was read from, and every
// text in it is a substring of that evidence's excerpt, so that rules can quote it. Nil and empty mean "not read";
// what could not be read is listed in Gaps and proves nothing.
type Facts struct {
	Incident platform.Incident
	// Now is when the facts were frozen.
	Now time.Time
	// Deploy brought the suspect release, or tried to; nil when the incident names none.
	Deploy *Deploy
	// Release is the suspect; nil when no image was made.
	Release *platform.Release
	// Previous is the last release that was live and healthy before the suspect; nil when there was none.
	Previous *platform.Release
	// Spec is what the suspect runs with, from its release or its deploy.
	Spec platform.ServiceSpec
	// Config is the suspect's own variables (keys only); nil when it could not be read.
	Config *Config
	// PreviousConfig is the same of the previous release.
	PreviousConfig *Config
	// Difference is what the suspect's release changed against the previous one.
	Difference *Difference
	Instances  []Instance // of the suspect, newest first
	Build      *Text      // the build log, for a failed build
	Lines      []Line     // around the onset, oldest first; of the suspect and of other services too
	// PreviousLines are of the previous release, from before the suspect took over.
	PreviousLines []Line
	// PreviousLinesCite is the evidence that holds them, also when there are none; empty when they could not be read.
	PreviousLinesCite platform.EvidenceID
	Patterns          []Pattern
	Routes            []Route // per release
	Memory            []Memory
	Commits           []Commit // after the previous release's commit up to the suspect's, oldest first
	Changes           []Change // configuration, scale and other changes near the onset, oldest first
	Neighbours        []Neighbour
	Edges             []Edge     // who calls whom, and what is shared
	Spans             []Span     // of the involved services around the onset, oldest first
	Talk              []Talk     // what every service said, folded
	Metrics           []Metric   // of every service
	Fleet             []Instance // of every service
	Checks            []Check    // health checks of every service, oldest first
	// Contexts are the folders of the repository that the services are built from, by service.
	Contexts map[string]string
	// Alert is the rule that opened the incident, where one did.
	Alert *Alert
	Past  []Past // earlier incidents like this one
	// Words tell of the symptom without saying whose: the incident's own, and the names of alerts.
	Words []Text
	Gaps  []string

	parsed map[string][]Trace // traces by text, while Diagnose runs; nil reads anew
}

// Deploy is the deploy with the evidence that tells of it.
type Deploy struct {
	platform.Deploy
	Cite platform.EvidenceID
}

// Config is the set of variables that a release is given.
type Config struct {
	Version int64
	Keys    map[string]bool
	Cite    platform.EvidenceID
}

// Difference is how two releases differ, keys only.
type Difference struct {
	SameImage    bool
	SameCommit   bool
	AddedKeys    []string // environment, from spec and configuration
	RemovedKeys  []string
	ChangedKeys  []string
	ChangedSpec  []string // "port: 8080 -> 9090"
	MemoryBefore int64
	MemoryAfter  int64
	Cite         platform.EvidenceID
}

// Instance is a container with its probes.
type Instance struct {
	platform.Instance
	Cite       platform.EvidenceID
	Probes     []platform.Probe // oldest first
	ProbesCite platform.EvidenceID
	OOMEvent   bool   // the engine or the kernel told of an out-of-memory kill
	Tag        string // the release that it runs, as it is called where it runs; empty when that is not known
}

// StoppedByUs reports whether Fairlead itself ended the instance.
func (i Instance) StoppedByUs() bool { return i.State == platform.InstanceStopped }

// Exit returns the exit code, and false while it runs or when it is not known.
func (i Instance) Exit() (int, bool) {
	if i.ExitCode == nil {
		return 0, false
	}
	return *i.ExitCode, true
}

// Text is a longer text, such as a build log.
type Text struct {
	Body string
	Cite platform.EvidenceID
}

// Line is one log record; the parts of a trace are joined in Text by newlines.
type Line struct {
	At       time.Time
	Service  string
	Release  int
	Instance string
	Level    string
	Text     string
	Cite     platform.EvidenceID
}

// Pattern is a log template that is new, gone or surged in the suspect against the previous release.
type Pattern struct {
	patterns.Shift
	Cite platform.EvidenceID
}

// Route counts the requests of one release in the window that was read.
type Route struct {
	Release  int
	Requests float64
	Failed   float64 // answered with 5xx
	Window   string  // in words: "in the 5 minutes before"
	Cite     platform.EvidenceID
}

// Rate is the share of requests answered with 5xx.
func (r Route) Rate() float64 {
	if r.Requests <= 0 {
		return 0
	}
	return r.Failed / r.Requests
}

// Memory is the highest use of one instance, and its limit.
type Memory struct {
	Instance string
	Release  int
	Peak     float64
	Limit    float64
	Cite     platform.EvidenceID
}

// Commit is a commit with its parsed diff. Read is false when the diff could not be read.
type Commit struct {
	platform.Commit
	Diff []FileDiff
	Read bool
	Cite platform.EvidenceID
}

// Change is something that changed, in any service.
type Change struct {
	platform.Change
	Brings string // the commit that a deploy brought, where it is known
	Bare   bool   // a deploy of the commit that ran before as well
	Tag    string // the release it went live with, as it is called where it runs
	Hunks  []FileDiff
	Cite   platform.EvidenceID
}

// Alert is an alert rule with what it measures.
type Alert struct {
	Rule   platform.AlertRule
	Series *Metric // nil where it counts lines, or where nothing could be read
	Cite   platform.EvidenceID
}

// Neighbour is another service of the same environment.
type Neighbour struct {
	Name     string
	Known    bool   // whether its state was read
	Down     bool   // no instance of it is ready
	Why      string // in words, a substring of the evidence
	Wanted   int
	Ready    int
	Port     int
	DownAt   time.Time
	Cite     platform.EvidenceID
	Incident bool // it has an open incident of its own
}

// Edge is a dependency between two services, from traffic, traces or what was declared.
type Edge struct {
	platform.Edge
	Cite platform.EvidenceID
}

// Span is a timed operation of a request.
type Span struct {
	platform.Span
	Cite platform.EvidenceID
}

// own returns the lines of the suspect: same service and, where the release is known, same release.
func (f *Facts) own() []Line {
	var out []Line
	for _, l := range f.Lines {
		if l.Service == f.Incident.Service && (l.Release == 0 || f.releaseNumber() == 0 || l.Release == f.releaseNumber()) {
			out = append(out, l)
		}
	}
	return out
}

// releaseNumber is the suspect's, 0 when no release was made.
func (f *Facts) releaseNumber() int {
	switch {
	case f.Release != nil:
		return f.Release.Number
	case f.Deploy != nil && f.Deploy.ReleaseNumber != 0:
		return f.Deploy.ReleaseNumber
	}
	return f.Incident.ReleaseNumber
}

// WentLive reports whether the suspect serves traffic: false for a deploy that failed, since the old release still serves.
func (f *Facts) WentLive() bool {
	if f.Incident.Signal == platform.SignalBuildFailed || f.Incident.Signal == platform.SignalDeployFailed {
		return false
	}
	return f.Deploy == nil || f.Deploy.Phase != platform.PhaseFailed
}

// ended returns the instances that ended by themselves, newest first.
func (f *Facts) ended() []Instance {
	var out []Instance
	for _, in := range f.Instances {
		if in.State == platform.InstanceDead {
			out = append(out, in)
		}
	}
	return out
}

// isSet reports whether the variable is given to the suspect, and whether that is known.
func (f *Facts) isSet(key string) (set, known bool) {
	if _, ok := f.Spec.Env[key]; ok {
		return true, true
	}
	if f.Config == nil {
		return false, false
	}
	return f.Config.Keys[key], true
}

// routeOf returns the counts of a release.
func (f *Facts) routeOf(release int) (Route, bool) {
	for _, r := range f.Routes {
		if r.Release == release && r.Release != 0 {
			return r, true
		}
	}
	return Route{}, false
}

// context is the folder of the repository that the service is built from, "" for its root.
func (f *Facts) context() string {
	if f.Spec.Build == nil {
		return ""
	}
	return cleanPath(f.Spec.Build.Context)
}

// subject names the failing thing at the start of a sentence.
func subject(f *Facts) string {
	name := f.Incident.Service
	if n := f.releaseNumber(); n > 0 {
		return fmt.Sprintf("Release v%d of %s", n, name)
	}
	if f.Deploy != nil && f.Deploy.Commit != "" {
		return fmt.Sprintf("Commit %s of %s", platform.ShortSHA(f.Deploy.Commit), name)
	}
	return name
}

// lowerSubject is subject within a sentence. A service's own name keeps its letters.
func lowerSubject(f *Facts) string {
	name := subject(f)
	if name == f.Incident.Service || name == "" {
		return name
	}
	return strings.ToLower(name[:1]) + name[1:]
}

// claim makes a claim; empty ids are left out.
func claim(text, quote string, cites ...platform.EvidenceID) platform.Claim {
	c := platform.Claim{Text: text, Quote: quote}
	for _, id := range cites {
		if id != "" {
			c.Evidence = append(c.Evidence, id)
		}
	}
	if len(c.Evidence) == 0 {
		c.Quote = ""
	}
	return c
}

// withClaims keeps the claims that cite something.
func withClaims(claims ...platform.Claim) []platform.Claim {
	var out []platform.Claim
	for _, c := range claims {
		if len(c.Evidence) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// describe names a change for people: short SHA, author, subject.
func describe(c *platform.Change) string {
	if c == nil {
		return ""
	}
	switch c.Kind {
	case platform.ChangeCommit:
		subject, _, _ := strings.Cut(c.Message, "\n")
		return fmt.Sprintf("commit %s by %s (%q)", platform.ShortSHA(c.ID), authorName(c.Author), subject)
	case platform.ChangeConfig, platform.ChangeSecret:
		return fmt.Sprintf("the change of %s by %s", strings.Join(c.Keys, ", "), orUnknown(c.Author))
	case platform.ChangeDeploy:
		return fmt.Sprintf("the deploy of release v%d", c.Release)
	default:
		return fmt.Sprintf("the %s change %s", c.Kind, c.ID)
	}
}

// inSentence makes an error's words fit into a sentence: one line, not too long, no full stop of its own.
func inSentence(words string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(words), "\n")
	return strings.TrimRight(platform.Truncate(strings.TrimSpace(stamped.ReplaceAllString(first, "")), maxInSentence), " .")
}

// stamped is the time that many programs write before their words.
var stamped = regexp.MustCompile(`^\[?\d{4}[-/]\d{2}[-/]\d{2}[T ]\d{2}:\d{2}:\d{2}\S*\s+`)

const maxInSentence = 200

func orUnknown(s string) string {
	if s == "" {
		return "an unknown author"
	}
	return s
}
