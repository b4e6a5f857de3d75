package blueprint

import (
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/platform"
)

const (
	maxSummary  = 200
	maxAlertLog = 1 << 10
	maxCount    = 1_000_000
	maxFactor   = 1_000_000
)

// alerts reads the rules of a service. What an expression means is known to the metric store alone; whoever applies the
// blueprint asks it.
func (r *serviceReader) alerts(n *yaml.Node, at string) []platform.AlertRule {
	var rules []platform.AlertRule
	seen := map[string]string{}
	items := r.sequence(n, at, "a list of alert rules")
	if len(items) > platform.MaxAlertRules {
		r.add(n, at, "has %d rules; expected at most %d", len(items), platform.MaxAlertRules)
		return nil
	}
	for i, item := range items {
		at := index(at, i)
		rule := r.alert(item, at)
		if first, twice := seen[rule.Name]; twice && rule.Name != "" {
			r.add(item, child(at, "name"), "is %s, and %s has the same name", quote(rule.Name), first)
		}
		seen[rule.Name] = at
		rules = append(rules, rule)
	}
	return rules
}

func (r *serviceReader) alert(n *yaml.Node, at string) platform.AlertRule {
	rule := platform.AlertRule{For: platform.DefaultFor, Severity: platform.SeverityWarning}
	given := map[string]*yaml.Node{}
	note := func(read func(n *yaml.Node, at string)) func(*yaml.Node, string) {
		return func(n *yaml.Node, full string) {
			given[strings.TrimPrefix(full, at+".")] = n
			read(n, full)
		}
	}
	r.mapping(n, at, fields{
		{"name", func(n *yaml.Node, at string) { rule.Name = r.name(n, at) }},
		{"off", func(n *yaml.Node, at string) { rule.Off = r.flag(n, at) }},
		{"expr", note(func(n *yaml.Node, at string) {
			rule.Expr = r.bounded(n, at, "a PromQL expression", platform.MaxAlertExpr)
		})},
		{"logs", note(func(n *yaml.Node, at string) { rule.Logs = r.logAlert(n, at) })},
		{"for", note(func(n *yaml.Node, at string) { rule.For = r.duration(n, at, 0, platform.MaxAlertFor) })},
		{"severity", note(func(n *yaml.Node, at string) {
			rule.Severity = platform.Severity(r.choice(n, at, string(platform.SeverityWarning), string(platform.SeverityCritical)))
		})},
		{"summary", note(func(n *yaml.Node, at string) { rule.Summary = r.bounded(n, at, "a sentence", maxSummary) })},
	}, "name")
	expr, hasExpr := given["expr"]
	_, hasLogs := given["logs"]
	switch {
	case rule.Off && len(given) > 0:
		r.add(n, child(at, "off"), "is true, and the rule says more than its name").hint = "Remove off, or the rest."
	case rule.Off:
		return platform.AlertRule{Name: rule.Name, Off: true}
	case hasExpr && hasLogs:
		r.add(expr, child(at, "expr"), "is given together with logs").hint = "Keep one of the two."
	case !hasExpr && !hasLogs:
		r.add(n, child(at, "expr"), "is missing; expected a PromQL expression, or logs").hint = "To take a default rule away, set off: true."
	}
	return rule
}

func (r *serviceReader) logAlert(n *yaml.Node, at string) *platform.LogAlert {
	alert := &platform.LogAlert{Window: platform.DefaultWindow}
	r.mapping(n, at, fields{
		{"level", func(n *yaml.Node, at string) {
			alert.Level = r.choice(n, at, "debug", "info", "warn", "error", "fatal")
		}},
		{"text", func(n *yaml.Node, at string) { alert.Text = r.bounded(n, at, "a text to look for", maxAlertLog) }},
		{"regex", func(n *yaml.Node, at string) { alert.Regex = r.regex(n, at) }},
		{"window", func(n *yaml.Node, at string) {
			alert.Window = r.duration(n, at, platform.MinLogWindow, platform.MaxLogWindow)
		}},
		{"count", func(n *yaml.Node, at string) { alert.Count = r.integer(n, at, 1, maxCount) }},
		{"factor", func(n *yaml.Node, at string) { alert.Factor = float64(r.integer(n, at, 1, maxFactor)) }},
	}, "count")
	return alert
}

func (r *serviceReader) regex(n *yaml.Node, at string) string {
	word := r.bounded(n, at, "a regular expression", maxAlertLog)
	if _, err := regexp.Compile(word); err != nil {
		r.add(n, at, "is %s, which is not a regular expression: %s", quote(word), strings.TrimPrefix(err.Error(), "error parsing regexp: ")).
			hint = "Write RE2 syntax."
	}
	return word
}

// bounded reads a text of at most so many bytes that says something.
func (d *decoder) bounded(n *yaml.Node, at, what string, most int) string {
	word, ok := d.text(n, at, what)
	if ok && (strings.TrimSpace(word) == "" || len(word) > most) {
		d.add(n, at, "has %d bytes; expected %s of 1 to %d bytes", len(word), what, most)
	}
	return word
}

// setAlerts sets each rule as one line of words.
func setAlerts(set func(name, value string), rules []platform.AlertRule) {
	for _, rule := range rules {
		set(child("alerts", rule.Name), alertText(rule))
	}
}

func alertText(rule platform.AlertRule) string {
	if rule.Off {
		return "off"
	}
	condition := rule.Expr
	if l := rule.Logs; l != nil {
		condition = fmt.Sprintf("%d lines of level %q text %q regex %q in %s, %g times as many as usual", l.Count, l.Level, l.Text, l.Regex, short(l.Window), l.Factor)
	}
	return fmt.Sprintf("%s for %s, %s, %q", condition, short(rule.For), rule.Severity, rule.Summary)
}
