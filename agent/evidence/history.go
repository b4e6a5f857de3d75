package evidence

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/platform"
)

const (
	maxCommits   = 40
	maxEvents    = 300
	changeWindow = 24 * time.Hour
)

// commits reads the commits between the last good release and the suspect, each with its own diff.
func (r *run) commits() {
	upto := ""
	switch {
	case r.f.Release != nil:
		upto = r.f.Release.Commit
	case r.f.Deploy != nil:
		upto = r.f.Deploy.Commit
	}
	if upto == "" {
		return
	}
	if r.src.Commits == nil {
		r.w.gap("the repository is not readable here")
		return
	}
	after := ""
	if r.f.Previous != nil {
		after = r.f.Previous.Commit
	}
	if after == upto {
		return
	}
	list, err := r.src.Commits.Commits(r.ctx, r.f.Incident.Project, after, upto)
	if err != nil {
		r.w.failed("the commits of the release", err)
		return
	}
	if after == "" {
		r.w.gap("no release was healthy before this one, so there is nothing to compare its commits with")
	}
	if len(list) > maxCommits {
		r.w.gap("%d commits came with this release; the newest %d were read", len(list), maxCommits)
		list = list[len(list)-maxCommits:]
	}
	for _, c := range list {
		r.commit(c)
	}
}

func (r *run) commit(c platform.Commit) {
	c.Message, c.Author = r.w.clean(c.Message, r.opt.Line), r.w.clean(c.Author, 200)
	d := r.w.draft(platform.EvidenceCommit, fmt.Sprintf("Commit %s: %s", platform.ShortSHA(c.SHA), c.Subject()), "git")
	d.From = c.At
	d.writef("commit %s", c.SHA)
	d.writef("author %s", c.Author)
	d.writef("date %s", stamp(c.At))
	if !d.write(c.Message) {
		c.Message = "" // what is not in the item is no fact
	}
	fact := causes.Commit{Commit: c, Cite: d.ID}
	diff, err := r.src.Commits.Diff(r.ctx, r.f.Incident.Project, c.Parent, c.SHA)
	if err != nil {
		r.w.failed("the diff of commit "+platform.ShortSHA(c.SHA), err)
		r.w.freeze(d)
		r.f.Commits = append(r.f.Commits, fact)
		return
	}
	fact.Read = true
	room := r.opt.Bytes - d.text.Len() - 2
	text := r.w.clean(diff, max(room, 0))
	if len(text) > room-utf8.UTFMax && len(diff) > room {
		d.Truncated = true
		if i := strings.LastIndexByte(text, '\n'); i > 0 {
			text = text[:i]
		}
		r.w.gap("the diff of commit %s was cut at %d bytes", platform.ShortSHA(c.SHA), r.opt.Bytes)
	}
	d.write(text)
	fact.Diff = causes.ParseDiff(text)
	r.w.freeze(d)
	r.f.Commits = append(r.f.Commits, fact)
}

// changeKinds maps events to the kinds of change that a diagnosis may name.
var changeKinds = map[platform.EventKind]platform.ChangeKind{
	platform.EventConfigChanged:    platform.ChangeConfig,
	platform.EventSlotScaled:       platform.ChangeScale,
	platform.EventBlueprintApplied: platform.ChangeInfra,
	platform.EventSlotRestarted:    platform.ChangeInfra,
}

// flagKey is how teams name a variable that switches something on or off.
var flagKey = regexp.MustCompile(`(?i)^(?:FEATURE|FEATURES|FLAG|FLAGS|FF|TOGGLE|EXPERIMENT|ENABLE|DISABLE|USE)_|_(?:ENABLED|DISABLED|FLAG|TOGGLE|EXPERIMENT)$`)

// changes reads the timeline around the onset: what was changed, and what the engine told of the instances.
func (r *run) changes() {
	if r.src.Events == nil {
		r.w.gap("the timeline is not readable here")
		return
	}
	in := r.f.Incident
	list, err := r.src.Events.Events(r.ctx, platform.EventFilter{
		Project: in.Project, Environment: in.Environment, Since: r.previousEnd.Add(-changeWindow), Until: r.w.now,
		Page: platform.Page{Limit: maxEvents},
	})
	if err != nil {
		r.w.failed("the timeline", err)
		return
	}
	if len(list) == 0 {
		return
	}
	d := r.w.draft(platform.EvidenceEvents, "Events around the onset", "events")
	d.Truncated = len(list) == maxEvents
	d.From, d.To = list[0].At, list[len(list)-1].At
	for _, e := range list {
		if !d.writef("%s %s by %s %s: %s", stamp(e.At), e.Kind, e.Actor.Name, e.Subject, strings.ReplaceAll(r.w.clean(e.Summary, 1000), "\n", " ")) {
			break
		}
		r.event(e, d.ID)
	}
	r.w.freeze(d)
}

func (r *run) event(e platform.Event, cite platform.EvidenceID) {
	if kind, ok := changeKinds[e.Kind]; ok {
		keys := keysOf(e.Payload)
		if kind == platform.ChangeConfig && len(keys) > 0 && !slices.ContainsFunc(keys, func(key string) bool { return !flagKey.MatchString(key) }) {
			kind = platform.ChangeFlag
		}
		change := platform.Change{Kind: kind, ID: string(e.ID), Service: e.Service, Author: e.Actor.Name, Message: r.w.clean(e.Summary, 1000), Keys: keys, At: e.At}
		r.f.Changes = append(r.f.Changes, causes.Change{Change: change, Cite: cite})
	}
	if e.Kind != platform.EventInstanceDied {
		return
	}
	text := strings.ToLower(e.Summary + " " + string(e.Payload))
	for i := range r.f.Instances {
		in := &r.f.Instances[i]
		if string(in.ID) == e.Subject && (strings.Contains(text, "out of memory") || strings.Contains(text, `"oom":true`)) {
			in.OOMEvent = true
		}
	}
}

// keysOf reads the configuration keys that an event names. Payloads differ by kind: "keys", "set" and "unset" are lists of
// names, or of variables with a key.
func keysOf(payload json.RawMessage) []string {
	var body map[string]json.RawMessage
	if json.Unmarshal(payload, &body) != nil {
		return nil
	}
	var out []string
	for _, field := range []string{"keys", "set", "unset", "changed", "added", "removed"} {
		var names []string
		var vars []platform.Variable
		switch {
		case json.Unmarshal(body[field], &names) == nil:
			out = append(out, names...)
		case json.Unmarshal(body[field], &vars) == nil:
			for _, v := range vars {
				out = append(out, v.Key)
			}
		}
	}
	return out
}

// slots are those of the environment, the incident's among them.
func (r *run) slots() []platform.SlotDetail {
	if r.looked {
		return r.around
	}
	r.looked = true
	slots, err := r.src.Runtime.Slots(r.ctx, r.f.Incident.Project, r.f.Incident.Environment)
	if err != nil {
		r.w.failed("the other services of the environment", err)
		return nil
	}
	r.around = slots
	return slots
}

// neighbours reads the state of the environment's other services.
func (r *run) neighbours() {
	if r.src.Runtime == nil || r.f.Incident.Signal == platform.SignalBuildFailed {
		return
	}
	slots := r.slots()
	d := r.w.draft(platform.EvidenceInstance, "The other services of the environment", "engine")
	for _, s := range slots {
		if s.ID == r.f.Incident.SlotID || s.Service == r.f.Incident.Service {
			continue
		}
		n := causes.Neighbour{Name: s.Service, Known: true, Wanted: s.Replicas, Incident: len(s.Incidents) > 0, Cite: d.ID}
		for _, in := range s.Instances {
			if in.State == platform.InstanceReady {
				n.Ready++
			}
		}
		if s.Live != nil {
			n.Port = s.Live.Spec.Port
		}
		n.Down = n.Ready == 0 // none is wanted either: whoever calls it finds nobody
		n.Why = fmt.Sprintf("%s: %d of %d instances ready", s.Service, n.Ready, n.Wanted)
		if d.write(n.Why) {
			r.f.Neighbours = append(r.f.Neighbours, n)
		}
	}
	if len(r.f.Neighbours) > 0 {
		r.w.freeze(d)
	}
}
