package causes

import (
	"fmt"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// findBadConfig explains a service that broke with a change of configuration while its image stayed the same.
func findBadConfig(f *Facts) Found {
	if f.Incident.Signal == platform.SignalBuildFailed || f.Difference == nil || !f.Difference.SameImage || f.Previous == nil {
		return Found{}
	}
	keys := append(append(append([]string(nil), f.Difference.AddedKeys...), f.Difference.RemovedKeys...), f.Difference.ChangedKeys...)
	if len(keys) == 0 {
		return Found{}
	}
	complaintOf, quote, cite := keyInWords(f, keys)
	exposed := f.exposure(func(text string) bool { return quote != "" && strings.Contains(text, quote) }, "such error")
	if exposed.Shown {
		return Found{
			Because:  "the fault is older than the change of configuration: " + exposed.Why,
			RuledOut: []platform.RuledOut{{Hypothesis: "the change of " + strings.Join(keys, ", ") + " is to blame", Why: exposed.Why, Evidence: exposed.Cites}},
		}
	}
	if complaintOf == "" && (!exposed.Tested || exposed.Weak) {
		return Found{Missing: []string{"what the previous release did with the old configuration: the change of " + strings.Join(keys, ", ") + " is near, and near is not proof"}}
	}
	c := platform.Cause{Service: f.Incident.Service, Score: 0.5}
	c.Claims = withClaims(claim("The image is that of the release before; only "+strings.Join(keys, ", ")+" changed.", "image: unchanged", f.Difference.Cite))
	if complaintOf != "" {
		c.Score += 0.25
		c.Variable = complaintOf
		c.Claims = append(c.Claims, withClaims(claim("The error names "+complaintOf+".", quote, cite))...)
	}
	if exposed.Tested {
		c.Score += 0.05
		if !exposed.Weak {
			c.Score += 0.1
		}
		c.Claims = append(c.Claims, withClaims(claim(sentence(exposed.Why), "", exposed.Cites...))...)
	}
	for i := len(f.Changes) - 1; i >= 0; i-- {
		ch := f.Changes[i]
		if (ch.Kind == platform.ChangeConfig || ch.Kind == platform.ChangeSecret || ch.Kind == platform.ChangeFlag) && (ch.Service == "" || ch.Service == f.Incident.Service) && overlaps(ch.Keys, keys) {
			change := ch.Change
			c.Change = &change
			c.Claims = append(c.Claims, withClaims(claim(fmt.Sprintf("%s changed it at %s.", orUnknown(ch.Author), ch.At.UTC().Format("15:04:05")), "", ch.Cite))...)
			break
		}
	}
	c.Claims = append(c.Claims, exitClaim(f)...)
	c.Summary = fmt.Sprintf("%s fails since %s changed; its image did not%s.", subject(f), strings.Join(keys, ", "), broughtBy(c.Change))
	if complaintOf != "" {
		c.Summary = fmt.Sprintf("%s fails on the new value of %s: %s%s.", subject(f), complaintOf, inSentence(quote), broughtBy(c.Change))
	}
	return Found{Causes: []platform.Cause{c}}
}

// keyInWords returns the first changed key that the suspect's own words name, with the line that does.
func keyInWords(f *Facts, keys []string) (key, quote string, cite platform.EvidenceID) {
	for _, w := range f.words() {
		for _, k := range keys {
			if !containsWord(w.text, k) {
				continue
			}
			for _, line := range strings.Split(w.text, "\n") {
				if containsWord(line, k) && complains(line) {
					return k, strings.TrimSpace(line), w.cite
				}
			}
		}
	}
	return "", "", ""
}

func complains(line string) bool {
	lower := strings.ToLower(line)
	for _, word := range []string{"error", "invalid", "fail", "cannot", "can't", "unable", "unknown", "unexpected", "refused", "panic", "fatal", "bad ", "must ", "not a "} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

func overlaps(a, b []string) bool {
	for _, x := range a {
		if contains(b, x) {
			return true
		}
	}
	return false
}
