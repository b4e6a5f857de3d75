package causes

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// reachWords are how clients say that a dependency does not answer: the host is in the first or second group.
var reachWords = []*regexp.Regexp{
	regexp.MustCompile(`ECONNREFUSED ?([\w.-]+)?:?\d*[^\n]{0,80}`),
	regexp.MustCompile(`(?:Error (?:111|-2|-3) connecting to )([\w.-]+):\d+[^\n]{0,120}`),
	regexp.MustCompile(`getaddrinfo (?:ENOTFOUND|EAI_AGAIN) ([\w.-]+)`),
	regexp.MustCompile(`HTTPConnectionPool\(host='([\w.-]+)', port=\d+\)[^\n]{0,300}(?:Connection refused|Name or service not known|Temporary failure in name resolution|No route to host|timed out)[^\n]{0,40}`),
	regexp.MustCompile(`lookup ([\w.-]+) on [\d.]+:53: (?:no such host|server misbehaving)`),
	regexp.MustCompile(`dial tcp (?:([\w.-]+):\d+|[\d.]+:\d+): (?:connect: connection refused|i/o timeout|connect: no route to host)`),
	regexp.MustCompile(`connection to server at "([\w.-]+)"[^\n]{0,120}failed: [^\n]{0,120}`),
	regexp.MustCompile(`could not translate host name "([\w.-]+)" to address[^\n]{0,80}`),
	regexp.MustCompile(`(?:Connection refused|Name or service not known|Temporary failure in name resolution|the database system is (?:starting up|shutting down))[^\n]{0,120}`),
}

// complaint is one line in which the suspect says that something it needs does not answer.
type complaint struct {
	host  string
	quote string
	line  Line
}

// findDependencyDown explains a service that fails because one it needs does not answer. Only a dependency that is
// itself seen to be down is convicted; a complaint alone names a hypothesis.
func findDependencyDown(f *Facts) Found {
	if f.Incident.Signal == platform.SignalBuildFailed {
		return Found{}
	}
	var out Found
	for _, c := range complaints(f) {
		n, ok := f.neighbour(c)
		if !ok {
			continue
		}
		if !n.Known {
			out.Missing = append(out.Missing, "the state of "+n.Name+", which "+f.Incident.Service+" cannot reach")
			continue
		}
		if !n.Down {
			out.RuledOut = append(out.RuledOut, platform.RuledOut{
				Hypothesis: "the service " + n.Name + " is down", Why: fmt.Sprintf("%d of its %d instances are ready", n.Ready, n.Wanted), Evidence: cites(n.Cite),
			})
			continue
		}
		cause := platform.Cause{Service: n.Name, Score: 0.85}
		cause.Claims = withClaims(
			claim(f.Incident.Service+" says that it cannot reach "+n.Name+".", c.quote, c.line.Cite),
			claim("No instance of "+n.Name+" is ready.", n.Why, n.Cite),
		)
		cause.Summary = fmt.Sprintf("%s fails because %s, which it needs, is down: %s.", f.Incident.Service, n.Name, c.quote)
		out.RuledOut = append(out.RuledOut, platform.RuledOut{
			Hypothesis: subject(f) + " is itself at fault", Why: "its errors are about " + n.Name + ", which is down", Evidence: cites(c.line.Cite, n.Cite),
		})
		out.Causes = []platform.Cause{cause}
		return out
	}
	return out
}

// complaints returns the suspect's lines about something that does not answer, one for each host.
func complaints(f *Facts) []complaint {
	var out []complaint
	seen := map[string]bool{}
	for _, l := range f.own() {
		for _, re := range reachWords {
			m := re.FindStringSubmatch(l.Text)
			if m == nil {
				continue
			}
			host := ""
			if len(m) > 1 {
				host = m[1]
			}
			if !seen[host] {
				seen[host] = true
				out = append(out, complaint{host: host, quote: strings.TrimSpace(m[0]), line: l})
			}
			break
		}
	}
	return out
}

// neighbour finds the service a complaint is about: by its host, else by a name in the line.
func (f *Facts) neighbour(c complaint) (Neighbour, bool) {
	for _, n := range f.Neighbours {
		if c.host == n.Name || strings.HasPrefix(c.host, n.Name+".") {
			return n, true
		}
	}
	if c.host != "" && !strings.HasPrefix(c.host, "127.") && c.host != "localhost" && strings.Trim(c.host, "0123456789.") != "" {
		return Neighbour{}, false
	}
	for _, n := range f.Neighbours {
		if containsWord(c.line.Text, n.Name) {
			return n, true
		}
	}
	return Neighbour{}, false
}
