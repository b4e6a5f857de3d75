package notify

import (
	"fmt"
	"sort"
	"strings"
	"unicode"

	"github.com/fairlead/fairlead/platform"
)

// Sizes of a message for people.
const (
	maxLine       = 600
	maxDigestRows = 20
)

// message is what people read, the same in Slack and in a mail. Every text in it is plain.
type message struct {
	title    string
	lines    []string // paragraphs below the title
	rows     []string // one per event of a digest
	commands []string // for a terminal
	links    []string // of the API
}

// render puts a notice into words. It is pure.
func render(n platform.Notice) message {
	m := message{}
	switch {
	case n.Delivery.Why == platform.DeliverTest:
		m.title = "Fairlead: a test message to the channel " + plain(n.Channel.Name, 80)
		m.lines = []string{"Notifications arrive here."}
	case n.Delivery.Why.Digest() || n.Incident == nil && len(n.Events) > 1:
		m.digest(n)
	case n.Incident != nil:
		m.incident(n)
	case len(n.Events) == 1:
		m.event(n.Events[0], n.Severity)
	default:
		m.title = "Fairlead: an event that is not known any more"
	}
	return m
}

func (m *message) event(e platform.Event, severity platform.Severity) {
	m.title = headline(severity, where(e.Project, e.Environment, e.Service), string(e.Kind))
	m.lines = []string{plain(e.Summary, maxLine)}
	m.commands = []string{"fairlead events"}
}

func headline(severity platform.Severity, at, what string) string {
	if severity != platform.SeverityInfo && severity != "" {
		what = "[" + string(severity) + "] " + what
	}
	if at != "" {
		what = at + ": " + what
	}
	return plain(what, 200)
}

func where(parts ...string) string {
	return strings.Join(strings.FieldsFunc(strings.Join(parts, "\x00"), func(r rune) bool { return r == 0 }), "/")
}

func (m *message) digest(n platform.Notice) {
	why := map[platform.DeliveryWhy]string{
		platform.DeliverQuiet: "while it was quiet", platform.DeliverExcess: "that were over the rate of the channel", platform.DeliverAgain: "of the same kind",
	}[n.Delivery.Why]
	m.title = strings.TrimSpace(fmt.Sprintf("Fairlead: %d events %s", len(n.Delivery.Events), why))
	counts := map[platform.EventKind]int{}
	for _, e := range n.Events {
		counts[e.Kind]++
	}
	kinds := make([]string, 0, len(counts))
	for kind, count := range counts {
		kinds = append(kinds, fmt.Sprintf("%d %s", count, kind))
	}
	sort.Strings(kinds)
	m.lines = []string{plain(strings.Join(kinds, ", "), maxLine)}
	shown := n.Events[max(0, len(n.Events)-maxDigestRows):]
	for _, e := range shown {
		m.rows = append(m.rows, plain(e.At.UTC().Format("15:04:05")+" "+where(e.Project, e.Environment, e.Service)+" "+string(e.Kind)+": "+e.Summary, 200))
	}
	if left := len(n.Delivery.Events) - len(shown); left > 0 {
		m.lines = append(m.lines, fmt.Sprintf("The newest %d are listed; %d came before.", len(shown), left))
	}
	m.commands = []string{"fairlead events"}
}

func (m *message) incident(n platform.Notice) {
	i := *n.Incident
	state := string(i.Urgency())
	if i.State == platform.IncidentResolved {
		state = "resolved"
	}
	m.title = plain(fmt.Sprintf("[%s] %s: %s", state, where(i.Project, i.Environment, i.Service), i.Title), 200)
	if len(n.Events) > 0 {
		last := n.Events[len(n.Events)-1]
		m.lines = append(m.lines, plain(last.Summary, maxLine))
	}
	if i.Count > 1 {
		m.lines = append(m.lines, fmt.Sprintf("It was seen %d times.", i.Count))
	}
	if n.Diagnosis != nil {
		m.lines = append(m.lines, plain("Diagnosis: "+n.Diagnosis.Summary, maxLine))
	}
	if i.State == platform.IncidentResolved {
		m.lines = append(m.lines, plain("Resolved: "+i.Resolution, maxLine))
	}
	m.lines = unique(m.lines)
	m.commands = []string{"fairlead incidents show " + string(i.ID)}
	for _, p := range n.Plans {
		if p.State == platform.PlanPending {
			m.lines = append(m.lines, plain(fmt.Sprintf("Proposed (%s): %s", p.Body.Risk, p.Body.Title), maxLine))
			m.commands = append(m.commands, "fairlead approve "+string(p.ID))
		}
	}
	m.links = []string{link(n, "incidents", string(i.ID))}
}

func link(n platform.Notice, segments ...string) string {
	return strings.TrimRight(n.APIURL, "/") + "/v1/" + strings.Join(segments, "/")
}

func unique(lines []string) []string {
	seen := map[string]bool{}
	out := lines[:0]
	for _, line := range lines {
		if !seen[line] {
			seen[line] = true
			out = append(out, line)
		}
	}
	return out
}

// plain is text from outside as one line that can do nothing: no control, direction or invisible characters.
func plain(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, text)
	return platform.Truncate(strings.Join(strings.Fields(text), " "), most)
}
