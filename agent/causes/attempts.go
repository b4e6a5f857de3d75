package causes

import (
	"fmt"
	"math"
	"regexp"
	"strconv"

	"github.com/fairlead/fairlead/platform"
)

// attemptNumber is how programs count their tries.
var attemptNumber = regexp.MustCompile(`(?i)\b(?:attempts?|retry|retries|retrying|tries)\b[ #:=(]{0,3}(\d{1,3})\b`)

// manyAttempts is from where on one call is repeated too often.
const manyAttempts = 5

// attempts finds a service that repeats its calls many times, more often than its release before did.
func (d *docket) attempts() {
	type tally struct {
		most, lines int
		line        Line
	}
	now, before := map[string]*tally{}, 0
	for _, l := range d.w.f.Lines {
		m := attemptNumber.FindStringSubmatch(l.Text)
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(m[1])
		if l.Service == d.w.f.Incident.Service && l.Release > 0 && d.w.f.releaseNumber() > 0 && l.Release < d.w.f.releaseNumber() {
			before = max(before, n)
			continue
		}
		t := now[l.Service]
		if t == nil {
			t = &tally{}
			now[l.Service] = t
		}
		if t.lines++; n > t.most {
			t.most, t.line = n, l
		}
	}
	for service, t := range now {
		if t.most < manyAttempts || t.lines < manyAttempts || before >= t.most {
			continue
		}
		text := fmt.Sprintf("%s repeats one call up to %d times, in %d lines.", service, t.most, t.lines)
		l := d.add(platform.CategoryRetryStorm, service, sign{
			score: math.Min(0.8, 0.62+0.02*float64(t.most)), text: text, quote: attemptNumber.FindString(t.line.Text), cite: t.line.Cite, onset: d.w.onset, says: inSentence(text), direct: true,
		})
		l.others = append(l.others, d.w.needs[service]...)
	}
}
