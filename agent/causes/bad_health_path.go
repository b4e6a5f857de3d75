package causes

import (
	"fmt"

	"github.com/fairlead/fairlead/platform"
)

// findBadHealthPath explains an instance that answers, but not as the health check asks: it says 404, 401, 403 or 405
// every time, which a process that is merely unwell does not.
func findBadHealthPath(f *Facts) Found {
	if f.Spec.Health.Kind != platform.HealthHTTP {
		return Found{}
	}
	for _, in := range f.Instances {
		status, n := onlyStatus(in.Probes)
		if n < 2 {
			continue
		}
		return explainHealthPath(f, in, status, n)
	}
	return Found{}
}

// onlyStatus is the refusing status that the newest probes all got, and how many got it. Probes before the process
// listened do not count against it.
func onlyStatus(probes []platform.Probe) (status, n int) {
	for i := len(probes) - 1; i >= 0; i-- {
		p := probes[i]
		switch p.Status {
		case 404, 401, 403, 405:
			if status != 0 && p.Status != status {
				return 0, 0
			}
			status = p.Status
			n++
		case 0:
			if p.OK {
				return 0, 0
			}
			return status, n
		default:
			return 0, 0
		}
	}
	return status, n
}

func explainHealthPath(f *Facts, in Instance, status, n int) Found {
	path := f.Spec.Health.Path
	c := platform.Cause{Service: f.Incident.Service, Score: 0.75}
	c.Claims = withClaims(claim(fmt.Sprintf("The last %d probes of %s were all answered with %d: the process listens and does not serve the check.", n, path, status),
		fmt.Sprintf("status %d", status), in.ProbesCite))
	m := Mechanism{Names: []string{path}}
	out := Found{RuledOut: []platform.RuledOut{{
		Hypothesis: "the process hangs or does not listen", Why: fmt.Sprintf("it answered %d probes with %d", n, status), Evidence: cites(in.ProbesCite),
	}}}
	if guilty, ok := f.Guilty(m); ok && path != "" && path != "/" {
		c.Change, c.Location, c.Score = guilty.asChange(f), guilty.location(), c.Score+0.15*guilty.Score
		c.Claims = append(c.Claims, withClaims(guilty.claim())...)
		out.RuledOut = append(out.RuledOut, f.acquit(guilty.Commit, "the health path "+path, m)...)
	}
	c.Summary = fmt.Sprintf("%s answers its health check %s with %d%s.", subject(f), path, status, broughtBy(c.Change))
	out.Causes = []platform.Cause{c}
	return out
}
