package causes

import (
	"fmt"
	"regexp"
	"time"

	"github.com/fairlead/fairlead/platform"
)

var loadingWords = regexp.MustCompile(`Loading checkpoint shards:?[^\n]*|Loading safetensors[^\n]*|(?i:loading (?:model|weights)|downloading (?:model|weights|shards?)|warming up|waiting for model|compiling (?:cuda )?graphs?)[^\n]*`)

// findSlowStart explains an instance that was still loading when its grace ended: alive, no error, no success yet.
func findSlowStart(f *Facts) Found {
	if f.Deploy == nil || f.Deploy.Failure == nil || f.Deploy.Failure.Reason != platform.FailureUnhealthy {
		return Found{}
	}
	grace := f.Spec.Health.Grace.D()
	in, ok := neverReady(f)
	if !ok {
		return Found{}
	}
	if len(f.traces()) > 0 {
		return Found{RuledOut: []platform.RuledOut{{
			Hypothesis: "the service is only slow to start", Why: "its log holds a stack trace", Evidence: cites(f.traces()[0].cite),
		}}}
	}
	c := platform.Cause{Service: f.Incident.Service, Score: 0.3}
	c.Claims = withClaims(claim(fmt.Sprintf("The deploy gave up when its startup grace of %s had passed.", grace), "", f.Deploy.Cite))
	own := f.own()
	for i := len(own) - 1; i >= 0 && i >= len(own)-20; i-- {
		if q := loadingWords.FindString(own[i].Text); q != "" {
			c.Score += 0.35
			c.Claims = append(c.Claims, withClaims(claim("Among the last lines it was still loading.", q, own[i].Cite))...)
			break
		}
	}
	if serving(in.Probes) {
		c.Score += 0.1
		c.Claims = append(c.Claims, withClaims(claim("It answered its probes with 503: up, and not ready.", "status 503", in.ProbesCite))...)
	}
	if grace > 0 && grace < time.Minute {
		c.Score += 0.05
	}
	c.Summary = fmt.Sprintf("%s was still starting when its grace of %s ended; nothing in its log is an error.", subject(f), grace)
	return Found{Causes: []platform.Cause{c}}
}

// neverReady returns an instance that never passed its check and did not end by itself.
func neverReady(f *Facts) (Instance, bool) {
	for _, in := range f.Instances {
		if in.ReadyAt == nil && in.State != platform.InstanceDead {
			return in, true
		}
	}
	return Instance{}, false
}

func serving(probes []platform.Probe) bool {
	return len(probes) > 0 && probes[len(probes)-1].Status == 503
}
