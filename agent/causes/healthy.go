package causes

import (
	"fmt"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// calmRate is the share of failed requests under which a service counts as well.
const calmRate = 0.01

// shortGrace is how long any instance may take to start.
const shortGrace = 10 * time.Second

// looksHealthy reports whether the facts show that nothing is wrong now: every instance that should run is ready, what
// ended was stopped by Fairlead itself, and requests do not fail. It needs positive evidence: silence is not health.
func looksHealthy(f *Facts) (string, []platform.EvidenceID, bool) {
	switch f.Incident.Signal {
	case platform.SignalBuildFailed, platform.SignalDeployFailed, platform.SignalOOM:
		return "", nil, false
	default:
	}
	if f.stillFires() {
		return "", nil, false
	}
	var ids []platform.EvidenceID
	ready, stopped := 0, 0
	for _, in := range f.Instances {
		switch in.State {
		case platform.InstanceReady, platform.InstanceDraining:
			if n := len(in.Probes); n > 0 && !in.Probes[n-1].OK {
				return "", nil, false
			}
			ready++
		case platform.InstanceStopped:
			stopped++
		case platform.InstanceStarting:
			if grace := f.Spec.Health.Grace.D(); f.Deploy != nil && !f.WentLive() || f.Now.Sub(in.StartedAt) > max(grace, shortGrace) {
				return "", nil, false
			}
			continue
		default:
			return "", nil, false
		}
		ids = append(ids, in.Cite)
	}
	if ready == 0 || len(f.traces()) > 0 {
		return "", nil, false
	}
	now, measured := f.routeOf(f.releaseNumber())
	if measured && now.Rate() >= calmRate || !measured && f.Incident.Signal == platform.SignalErrorRate {
		return "", nil, false
	}
	why := fmt.Sprintf("%s is well: %s ready", f.Incident.Service, plural(ready, "instance"))
	if stopped > 0 {
		why += fmt.Sprintf(", %d stopped by Fairlead itself", stopped)
	}
	if measured {
		why += fmt.Sprintf(", %s of %s requests failed", count(now.Failed), count(now.Requests))
		ids = append(ids, now.Cite)
	}
	return why + ".", cites(ids...), true
}
