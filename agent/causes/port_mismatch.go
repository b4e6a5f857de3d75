package causes

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// listenWords are how servers say where they listen: host where one is said, then the port.
var listenWords = []*regexp.Regexp{
	regexp.MustCompile(`(?:Uvicorn running on|Listening at:|Running on(?: all addresses)?|Serving HTTP on|[Ll]istening on|[Ss]erving (?:on|at)|started (?:on|at)|[Rr]unning (?:on|at)|[Ll]istening at)[^\n]{0,30}?(?:https?://)?(\[?[\w.:*-]*\]?):(\d{2,5})\b`),
	regexp.MustCompile(`(?i:listen(?:s|ing)? on|started on|running on|bound to)(?: (?:tcp|http|https))? ports?(?:\(s\))?:? ?()(\d{2,5})\b`),
	regexp.MustCompile(`Serving HTTP on (\S+) port (\d{2,5})`),
}

// listening is where a process says that it listens.
type listening struct {
	host, quote string
	port        int
	cite        platform.EvidenceID
}

func (l listening) loopback() bool {
	return strings.HasPrefix(l.host, "127.") || l.host == "localhost" || l.host == "[::1]" || l.host == "::1"
}

// findPortMismatch explains an instance that runs, refuses the probe's connection, and listens somewhere else.
func findPortMismatch(f *Facts) Found {
	refused, probes := refusals(f)
	if refused == 0 || f.Spec.Port == 0 {
		return Found{}
	}
	places := listeners(f)
	var other *listening
	for i, l := range places {
		if l.port == f.Spec.Port && !l.loopback() {
			return Found{RuledOut: []platform.RuledOut{{
				Hypothesis: "the process listens on another port", Why: "it says that it listens on " + strconv.Itoa(l.port) + ", the port of the service", Evidence: cites(l.cite),
			}}}
		}
		if other == nil {
			other = &places[i]
		}
	}
	if other == nil {
		return Found{Missing: []string{"where the process listens: neither its log nor the engine says so"}}
	}
	return explainPort(f, *other, refused, probes)
}

func explainPort(f *Facts, l listening, refused int, probes Instance) Found {
	want := strconv.Itoa(f.Spec.Port)
	c := platform.Cause{Service: f.Incident.Service, Score: 0.75}
	c.Claims = withClaims(
		claim(fmt.Sprintf("%s of port %s were refused.", plural(refused, "connection"), want), "connection refused", probes.ProbesCite),
		claim("The process listens somewhere else.", l.quote, l.cite),
	)
	what := fmt.Sprintf("listens on port %d, but the service's port is %s", l.port, want)
	names := []string{strconv.Itoa(l.port), want}
	if l.loopback() && l.port == f.Spec.Port {
		what = fmt.Sprintf("listens on %s, which only the container itself can reach; it must listen on 0.0.0.0:%s", l.host, want)
		names = []string{l.host, want}
	}
	m := Mechanism{Names: names}
	out := Found{}
	if guilty, ok := f.Guilty(m); ok {
		c.Change, c.Location, c.Score = guilty.asChange(f), guilty.location(), c.Score+0.15*guilty.Score
		c.Claims = append(c.Claims, withClaims(guilty.claim())...)
		out.RuledOut = f.acquit(guilty.Commit, "the port", m)
	} else if f.Difference != nil {
		for _, changed := range f.Difference.ChangedSpec {
			if strings.HasPrefix(changed, "port") {
				c.Score += 0.1
				c.Claims = append(c.Claims, withClaims(claim("The service's port changed with this release.", changed, f.Difference.Cite))...)
			}
		}
	}
	c.Summary = fmt.Sprintf("%s %s%s.", subject(f), what, broughtBy(c.Change))
	out.Causes = []platform.Cause{c}
	return out
}

// refusals counts the probes that were refused, and returns the instance with most of them. Any success means that
// something listens there after all.
func refusals(f *Facts) (int, Instance) {
	most, worst := 0, Instance{}
	for _, in := range f.Instances {
		n := 0
		for _, p := range in.Probes {
			switch {
			case p.OK:
				n = -len(in.Probes)
			case strings.Contains(p.Error, "connection refused"):
				n++
			}
		}
		if n > most && !in.State.Ended() || n > most && worst.ID == "" {
			most, worst = n, in
		}
	}
	return most, worst
}

// listeners reads where the suspect says that it listens, from its lines and from what the engine found.
func listeners(f *Facts) []listening {
	var out []listening
	for _, w := range f.words() {
		for _, re := range listenWords {
			for _, m := range re.FindAllStringSubmatch(strings.ReplaceAll(w.text, "nothing listens", "nothing-"), 4) {
				if port := number(m[2]); port > 0 && port < 65536 {
					out = append(out, listening{host: m[1], port: port, quote: m[0], cite: w.cite})
				}
			}
		}
	}
	return out
}
