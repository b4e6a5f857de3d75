package causes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// lastLines are the lines before the end of an instance in which the message stands that it was at.
const lastLines = 6

// poison finds one message that several instances died of: its id stands in the last lines of each of them.
func (d *docket) poison() {
	var ids []string
	deaths := 0
	quote, cite := "", platform.EvidenceID("")
	for _, in := range d.w.f.ended() {
		lines := d.linesOf(in)
		if len(lines) == 0 {
			continue
		}
		found := messagesIn(lines)
		if deaths++; deaths == 1 {
			ids = found
			continue
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return !slices.Contains(found, id) })
		for _, l := range lines {
			if len(ids) > 0 && containsWord(l.Text, ids[0]) {
				quote, cite = ids[0], l.Cite
			}
		}
	}
	if deaths < 2 || len(ids) == 0 || quote != ids[0] {
		return
	}
	text := fmt.Sprintf("Each of %d instances that died was at %s.", deaths, ids[0])
	l := d.add(platform.CategoryPoisonMessage, d.w.f.Incident.Service, sign{score: 0.82, text: text, quote: quote, cite: cite, onset: d.w.onset, says: "each instance that takes " + ids[0] + " dies", direct: true})
	l.others = append(l.others, d.w.needs[l.service]...)
}

// linesOf are the last lines of an instance, oldest first.
func (d *docket) linesOf(in Instance) []Line {
	var out []Line
	for _, l := range d.w.f.Lines {
		if l.Instance == string(in.ID) {
			out = append(out, l)
		}
	}
	return out[max(0, len(out)-lastLines):]
}

// messagesIn lists the ids of messages, jobs and the like that lines name.
func messagesIn(lines []Line) []string {
	var out []string
	for _, l := range lines {
		fields := strings.FieldsFunc(l.Text, func(r rune) bool { return strings.ContainsRune(" \t\n,;:=()[]{}\"'`", r) })
		for i, f := range fields {
			if namesMessage(fields, i) && !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out
}
