package evidence

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

const (
	maxServices     = 12 // of an environment that are looked at beside the incident's
	maxFleet        = 12 // instances of one service
	maxFleetProbes  = 20 // newest health checks of one instance
	maxReleasesBack = 3  // releases of one service before the live one
	maxMoreCommits  = 20 // commits beside those of the suspect
)

// environment reads what runs beside the suspect and what was changed there: a fault may begin in a service that the failing
// one depends on, or in an instance of the release before. Of a failed build nothing else is asked: nothing ran.
func (r *run) environment() {
	if r.src.Runtime == nil || r.src.Releases == nil || r.f.Incident.Signal == platform.SignalBuildFailed {
		return
	}
	r.f.Contexts = map[string]string{}
	oldest, newest := platform.Release{}, platform.Release{}
	for _, s := range r.beside() {
		r.fleet(s)
		for _, rel := range r.history(s) {
			if rel.Commit == "" {
				continue
			}
			if oldest.ID == "" || rel.CreatedAt.Before(oldest.CreatedAt) {
				oldest = rel
			}
			if newest.ID == "" || rel.CreatedAt.After(newest.CreatedAt) {
				newest = rel
			}
		}
	}
	if oldest.Commit != newest.Commit {
		r.moreCommits(oldest.Commit, newest.Commit)
	}
	r.neighbourLines()
}

// beside returns the slots of the environment, the incident's first.
func (r *run) beside() []platform.SlotDetail {
	all := slices.Clone(r.slots())
	own := r.f.Incident.Service
	sort.SliceStable(all, func(i, j int) bool { return all[i].Service == own && all[j].Service != own })
	if len(all) > maxServices {
		r.w.gap("the environment has %d services; %d were looked at", len(all), maxServices)
		all = all[:maxServices]
	}
	return all
}

// fleet reads the instances of a service and their health checks, those of earlier releases and ended ones too.
func (r *run) fleet(s platform.SlotDetail) {
	if s.Live != nil && s.Live.Spec.Build != nil {
		r.f.Contexts[s.Service] = path.Clean(strings.Trim(s.Live.Spec.Build.Context, "./"))
	}
	since := r.onset().Add(-r.opt.Before)
	if r.previousEnd.Before(since) {
		since = r.previousEnd
	}
	all, err := r.src.Runtime.Instances(r.ctx, s.ID, since)
	if err != nil {
		r.w.failed("the instances of "+s.Service, err)
		return
	}
	d := r.w.draft(platform.EvidenceInstance, "Instances of "+s.Service, "engine")
	checks := r.w.draft(platform.EvidenceProbes, "Health checks of "+s.Service, "probes:"+s.Service)
	var facts []causes.Instance
	for _, in := range all[:min(len(all), maxFleet)] {
		in.Service = s.Service
		if !d.write(instanceLine(in)) {
			break
		}
		facts = append(facts, causes.Instance{Instance: in, Cite: d.ID})
		r.fleetProbes(in, s, checks)
	}
	if len(facts) == 0 {
		return
	}
	r.w.freeze(d)
	r.f.Fleet = append(r.f.Fleet, facts...)
	if checks.text.Len() > 0 {
		r.w.freeze(checks)
	}
}

// instanceLine tells of one instance in a line.
func instanceLine(in platform.Instance) string {
	line := fmt.Sprintf("instance %s of release v%d, state %s, restarts %d, started %s", in.ID, in.ReleaseNumber, in.State, in.Restarts, stamp(in.StartedAt))
	if in.ReadyAt != nil {
		line += ", ready " + stamp(*in.ReadyAt)
	}
	if in.EndedAt != nil {
		line += ", ended " + stamp(*in.EndedAt)
	}
	if in.ExitCode != nil {
		line += fmt.Sprintf(", exit code %d", *in.ExitCode)
	}
	switch {
	case !in.State.Ended():
	case in.OOMKilled:
		line += ", killed for memory"
	case in.State == platform.InstanceStopped:
		line += ", stopped by Fairlead"
	default:
		line += ", not stopped by Fairlead"
	}
	return line
}

func (r *run) fleetProbes(in platform.Instance, s platform.SlotDetail, d *draft) {
	probes, err := r.src.Runtime.Probes(r.ctx, in.ID)
	if err != nil || len(probes) == 0 {
		return // the instance is gone, and its checks with it
	}
	if len(probes) > maxFleetProbes {
		probes, d.Truncated = probes[len(probes)-maxFleetProbes:], true
	}
	for _, p := range probes {
		p.InstanceID, p.Error = in.ID, r.oneLine(p.Error, 400)
		line := stamp(p.At) + " " + string(in.ID) + " " + probeWords(p)
		if !d.write(line) {
			return
		}
		check := causes.Check{Probe: p, Service: s.Service, Quote: line, Cite: d.ID}
		if s.Live != nil {
			check.Path = s.Live.Spec.Health.Path
		}
		if s.Service == r.f.Incident.Service {
			check.Path = r.f.Spec.Health.Path
		}
		r.f.Checks = append(r.f.Checks, check)
	}
	sort.SliceStable(r.f.Checks, func(i, j int) bool { return r.f.Checks[i].At.Before(r.f.Checks[j].At) })
}

func probeWords(p platform.Probe) string {
	words := "failed"
	if p.OK {
		words = "passed"
	}
	if p.Status != 0 {
		words += fmt.Sprintf(" status %d", p.Status)
	}
	if p.Error != "" {
		words += " " + p.Error
	}
	return words
}

// history reads the newest releases of a service, and freezes when each went live as a change.
func (r *run) history(s platform.SlotDetail) []platform.Release {
	list := r.lately(s)
	if len(list) == 0 {
		return nil
	}
	d := r.w.draft(platform.EvidenceRelease, "Releases of "+s.Service, "releases")
	for i := len(list) - 2; i >= 0; i-- { // the oldest is what the others are compared with
		rel, before := list[i], list[i+1]
		at := r.liveAt(rel)
		if at.Before(r.previousEnd.Add(-changeWindow)) || !d.writef("release v%d of %s took over from v%d at %s with commit %s", rel.Number, s.Service, before.Number, stamp(at), orNone(rel.Commit)) {
			continue
		}
		r.f.Changes = append(r.f.Changes, causes.Change{
			Change: platform.Change{Kind: platform.ChangeDeploy, ID: string(rel.DeployID), Service: s.Service, Release: rel.Number, DeployID: rel.DeployID, At: at},
			Brings: rel.Commit, Tag: fmt.Sprintf("v%d", rel.Number), Bare: rel.Commit == before.Commit, Cite: d.ID,
		})
	}
	if d.text.Len() > 0 {
		r.w.freeze(d)
	}
	return list
}

// lately lists the newest releases of a slot that were live, the newest first; the suspect is among them.
func (r *run) lately(s platform.SlotDetail) []platform.Release {
	var list []platform.Release
	switch {
	case s.Service == r.f.Incident.Service && r.f.Release != nil:
		list = append(list, *r.f.Release)
	case s.Live != nil:
		list = append(list, *s.Live)
	default:
		return nil
	}
	for len(list) <= maxReleasesBack {
		rel, err := r.src.Releases.PreviousHealthyRelease(r.ctx, s.ID, list[len(list)-1].Number)
		if err != nil {
			if platform.CodeOf(err) != platform.CodeNotFound {
				r.w.failed("the releases of "+s.Service, err)
			}
			break
		}
		if list = append(list, rel); rel.CreatedAt.Before(r.previousEnd.Add(-changeWindow)) {
			break
		}
	}
	return list
}

// liveAt is when a release began to serve: its first instance was ready. Where no instance is known, it was made then.
func (r *run) liveAt(rel platform.Release) time.Time {
	at := time.Time{}
	for _, in := range r.f.Fleet {
		if in.ReleaseID == rel.ID && in.ReadyAt != nil && (at.IsZero() || in.ReadyAt.Before(at)) {
			at = *in.ReadyAt
		}
	}
	if at.IsZero() {
		return rel.CreatedAt
	}
	return at
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// moreCommits reads the commits that earlier releases and other services brought.
func (r *run) moreCommits(after, upto string) {
	if r.src.Commits == nil {
		return
	}
	list, err := r.src.Commits.Commits(r.ctx, r.f.Incident.Project, after, upto)
	if err != nil {
		r.w.failed("the commits of the other services", err)
		return
	}
	known := map[string]bool{}
	for _, c := range r.f.Commits {
		known[c.SHA] = true
	}
	list = slices.DeleteFunc(slices.Clone(list), func(c platform.Commit) bool { return known[c.SHA] })
	if len(list) > maxMoreCommits {
		r.w.gap("%d more commits came with other releases; the newest %d were read", len(list), maxMoreCommits)
		list = list[len(list)-maxMoreCommits:]
	}
	own := r.f.Commits
	for _, c := range list {
		r.commit(c)
	}
	for _, c := range r.f.Commits[len(own):] {
		r.f.Changes = append(r.f.Changes, causes.Change{
			Change: platform.Change{Kind: platform.ChangeCommit, ID: c.SHA, Author: c.Author, Message: c.Message, Files: c.Files, At: c.At}, Hunks: c.Diff, Cite: c.Cite,
		})
	}
	r.f.Commits = own
}

// neighbourLines reads what the other services said around the onset, and what earlier releases of the incident's said: the
// grave lines of all first, so that they are not lost among many others.
func (r *run) neighbourLines() {
	q := observability.LogQuery{
		Project: r.f.Incident.Project, Environment: r.f.Incident.Environment, Source: observability.SourceRuntime,
		From: r.onset().Add(-r.opt.Before), To: r.w.now.Add(time.Second), Backward: true, Limit: r.opt.Lines,
		Levels: observability.AtLeast(observability.LevelWarn),
	}
	grave, cut, ok := r.query("the grave lines of the environment", q)
	if !ok {
		return
	}
	q.Levels, q.Limit = nil, 5*r.opt.Lines
	all, cutAll, ok := r.query("the lines of the environment", q)
	if !ok {
		return
	}
	byService := map[string][]observability.Line{}
	taken := map[lineKey]bool{}
	for _, l := range append(grave, all...) {
		key := r.keyOf(l)
		if l.Service == "" || taken[key] || r.held[key] {
			continue
		}
		taken[key] = true
		byService[l.Service] = append(byService[l.Service], l)
	}
	names := make([]string, 0, len(byService))
	for name := range byService {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		lines := byService[name]
		sort.SliceStable(lines, func(i, j int) bool { return lines[i].At.Before(lines[j].At) })
		d := r.w.draft(platform.EvidenceLogs, "Lines of "+name+" around the onset", "logs:"+name)
		d.From, d.To, d.Query = q.From, q.To, describeQuery(observability.LogQuery{Service: name})
		r.freezeLines(d, lines, cut || cutAll, &r.f.Lines)
	}
}
