package evidence

import (
	"fmt"
	"strings"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/platform"
)

const (
	maxInstances = 8
	maxProbes    = 60
)

// instances reads the suspect's instances, ended ones too: exit codes, who stopped them, and their probes.
func (r *run) instances() {
	if r.f.Incident.Signal == platform.SignalBuildFailed {
		return
	}
	if r.src.Runtime == nil {
		r.w.gap("instances are not readable here")
		return
	}
	since := r.onset().Add(-r.opt.Before)
	if d := r.f.Deploy; d != nil && d.CreatedAt.Before(since) && r.f.Incident.Signal == platform.SignalDeployFailed {
		since = d.CreatedAt
	}
	all, err := r.src.Runtime.Instances(r.ctx, r.f.Incident.SlotID, since)
	if err != nil {
		r.w.failed("the instances", err)
		return
	}
	for _, in := range all {
		if r.suspects(in) && len(r.f.Instances) < maxInstances {
			r.instance(in)
		}
	}
}

// suspects reports whether the instance belongs to the release, or to the deploy, that the incident is about.
func (r *run) suspects(in platform.Instance) bool {
	switch {
	case r.f.Release != nil:
		return in.ReleaseID == r.f.Release.ID
	case r.f.Deploy != nil:
		return in.DeployID == r.f.Deploy.ID
	case r.f.Incident.ReleaseID != "":
		return in.ReleaseID == r.f.Incident.ReleaseID
	}
	return true
}

func (r *run) instance(in platform.Instance) {
	d := r.w.draft(platform.EvidenceInstance, fmt.Sprintf("Instance %s: %s", in.ID, in.State), "engine")
	d.From = in.StartedAt
	if in.EndedAt != nil {
		d.To = *in.EndedAt
	}
	in.Reason = r.w.clean(in.Reason, r.opt.Line)
	d.writef("instance %s of release v%d, state %s, restarts %d", in.ID, in.ReleaseNumber, in.State, in.Restarts)
	d.writef("started %s", stamp(in.StartedAt))
	if in.ReadyAt != nil {
		d.writef("first ready %s", stamp(*in.ReadyAt))
	} else {
		d.write("never ready")
	}
	if in.EndedAt != nil {
		d.writef("ended %s", stamp(*in.EndedAt))
	}
	if in.ExitCode != nil {
		d.writef("exit code %d", *in.ExitCode)
	}
	if in.State.Ended() {
		d.writef("OOMKilled %t", in.OOMKilled)
		if in.State == platform.InstanceStopped {
			d.write("stopped by Fairlead")
		} else {
			d.write("not stopped by Fairlead")
		}
	}
	if in.Reason != "" && !d.write("reason: "+in.Reason) {
		in.Reason = ""
	}
	fact := causes.Instance{Instance: in, Cite: r.w.freeze(d)}
	r.probes(&fact)
	r.f.Instances = append(r.f.Instances, fact)
}

func (r *run) probes(in *causes.Instance) {
	probes, err := r.src.Runtime.Probes(r.ctx, in.ID)
	if err != nil {
		if platform.CodeOf(err) != platform.CodeNotFound {
			r.w.failed("the probes of "+string(in.ID), err)
		}
		return
	}
	if len(probes) == 0 {
		return
	}
	cut := len(probes) > maxProbes
	if cut {
		probes = probes[len(probes)-maxProbes:]
	}
	d := r.w.draft(platform.EvidenceProbes, fmt.Sprintf("Health checks of %s", in.ID), "probes:"+string(in.ID))
	d.Truncated = cut
	d.From, d.To = probes[0].At, probes[len(probes)-1].At
	for _, p := range probes {
		p.Error = r.w.clean(p.Error, 400)
		line := stamp(p.At) + " failed"
		if p.OK {
			line = stamp(p.At) + " passed"
		}
		if p.Status != 0 {
			line += fmt.Sprintf(" status %d", p.Status)
		}
		if p.Error != "" {
			line += " " + strings.ReplaceAll(p.Error, "\n", " ")
		}
		if d.write(line) {
			in.Probes = append(in.Probes, p)
		}
	}
	in.ProbesCite = r.w.freeze(d)
}
