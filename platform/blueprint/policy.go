package blueprint

import (
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/platform"
)

// PolicyFile is what the errors of a policy's text call it.
const PolicyFile = "policy"

var policyFormat = format{
	file: PolicyFile, noun: "a policy", begin: "Write {} for a policy that says nothing, or begin with rules:, autonomy:, freezes: or limits:.",
	single: "One text is one policy", most: platform.MaxPolicySize,
}

// ParsePolicy reads and checks the text of a policy. Its errors are like those of Parse.
func ParsePolicy(text []byte) (*platform.Policy, error) {
	r := &policyReader{decoder: &decoder{format: policyFormat}}
	if root := r.document(text); root != nil {
		if p := r.policy(root); len(r.problems) == 0 {
			return p, nil
		}
	}
	return nil, r.err()
}

type policyReader struct{ *decoder }

func (r *policyReader) policy(root *yaml.Node) *platform.Policy {
	p := &platform.Policy{}
	r.mapping(root, "", fields{
		{"rules", func(n *yaml.Node, at string) {
			each(r, n, at, "a list of rules, each beginning with - name:", &p.Rules, r.rule)
			unique(r, n, at, p.Rules, func(rule platform.PolicyRule) string { return rule.Name })
		}},
		{"autonomy", func(n *yaml.Node, at string) {
			each(r, n, at, "a list of levels, each with level:", &p.Autonomy, r.autonomy)
		}},
		{"freezes", func(n *yaml.Node, at string) {
			each(r, n, at, "a list of freezes, each beginning with - name:", &p.Freezes, r.freeze)
			unique(r, n, at, p.Freezes, func(f platform.Freeze) string { return f.Name })
		}},
		{"limits", func(n *yaml.Node, at string) {
			each(r, n, at, "a list of limits, such as - maxReplicas: 6", &p.Limits, r.limits)
		}},
		{"spend", func(n *yaml.Node, at string) { p.Spend = r.spend(n, at) }},
		{"planExpiry", func(n *yaml.Node, at string) {
			p.PlanExpiry = r.duration(n, at, platform.MinPlanExpiry, platform.MaxPlanExpiry)
		}},
		{"selfApprove", func(n *yaml.Node, at string) { p.SelfApproveR1 = r.flag(n, at) }},
	})
	return p
}

// each reads every item of a list.
func each[T any](r *policyReader, n *yaml.Node, at, expected string, into *[]T, read func(n *yaml.Node, at string) T) {
	items := r.sequence(n, at, expected)
	if len(items) > platform.MaxPolicyRules {
		r.add(n, at, "has %d items; expected at most %d", len(items), platform.MaxPolicyRules)
		return
	}
	for i, item := range items {
		*into = append(*into, read(item, index(at, i)))
	}
}

// unique refuses two items of one name: an explanation names them.
func unique[T any](r *policyReader, n *yaml.Node, at string, items []T, name func(T) string) {
	nodes := r.follow(n)
	if nodes == nil {
		return
	}
	seen := map[string]int{}
	for i, item := range items {
		if first, twice := seen[name(item)]; twice && name(item) != "" {
			r.add(nodes.Content[i], child(index(at, i), "name"), "is %s, and %s has the same name", quote(name(item)), index(at, first))
			continue
		}
		seen[name(item)] = i
	}
}

func (r *policyReader) rule(n *yaml.Node, at string) platform.PolicyRule {
	var rule platform.PolicyRule
	var deny, approvals, approvers *yaml.Node
	known := fields{
		{"name", func(n *yaml.Node, at string) { rule.Name = r.name(n, at) }},
		{"who", func(n *yaml.Node, at string) { rule.Who = r.who(n, at) }},
		{"actions", func(n *yaml.Node, at string) { rule.Actions = choices(r, n, at, platform.PolicyActions()) }},
		{"deny", func(n *yaml.Node, at string) { deny, rule.Deny = n, r.flag(n, at) }},
		{"approvals", func(n *yaml.Node, at string) {
			approvals, rule.Approvals = n, r.integer(n, at, 0, platform.MaxApprovals)
		}},
		{"approvers", func(n *yaml.Node, at string) { approvers, rule.Approvers = n, r.people(n, at) }},
	}
	r.mapping(n, at, append(known, r.where(&rule.Where)...), "name")
	switch {
	case deny == nil && approvals == nil:
		r.add(n, child(at, "approvals"), "is missing; expected how many must approve, or deny: true")
	case rule.Deny && approvals != nil:
		r.add(approvals, child(at, "approvals"), "is given together with deny: true").hint = "Keep one of the two."
	case rule.Deny && approvers != nil:
		r.add(approvers, child(at, "approvers"), "is given together with deny: true").hint = "Keep one of the two."
	case rule.Approvals > 0 && slices.Contains(rule.Actions, platform.ActionDeploy):
		r.add(approvals, child(at, "approvals"), "is more than 0 for deploy, which nobody proposes").hint = "Deny it to those who may not, or freeze it."
	case deny != nil && !rule.Deny && approvals == nil:
		r.add(deny, child(at, "deny"), "is false, and the rule says nothing else").hint = "Give approvals, or set deny: true."
	}
	return rule
}

// where are the keys that choose slots.
func (r *policyReader) where(w *platform.Where) fields {
	return fields{
		{"environments", func(n *yaml.Node, at string) { w.Environments = r.names(n, at) }},
		{"services", func(n *yaml.Node, at string) { w.Services = r.names(n, at) }},
	}
}

func (r *policyReader) names(n *yaml.Node, at string) []string {
	var out []string
	for i, item := range r.filled(n, at, "a list of names, such as [production]") {
		out = append(out, r.name(item, index(at, i)))
	}
	return out
}

// filled returns the items of a list that has some: an empty one would choose everything, which is not what it looks like.
func (r *policyReader) filled(n *yaml.Node, at, expected string) []*yaml.Node {
	items := r.sequence(n, at, expected)
	if items != nil && len(items) == 0 {
		r.add(n, at, "is empty; expected %s", expected).hint = "Leave it out to mean every one."
	}
	return items
}

func choices[T ~string](r *policyReader, n *yaml.Node, at string, from []T) []T {
	words := make([]string, len(from))
	for i, word := range from {
		words[i] = string(word)
	}
	var out []T
	for i, item := range r.filled(n, at, "a list, such as ["+words[0]+"]") {
		out = append(out, T(r.choice(item, index(at, i), words...)))
	}
	return out
}

var (
	policyKinds = []platform.ActorKind{platform.ActorHuman, platform.ActorAutomation, platform.ActorAgent}
	policyRoles = []platform.Role{platform.RoleViewer, platform.RoleOperator, platform.RoleAdmin}
)

func (r *policyReader) who(n *yaml.Node, at string) platform.Who {
	var w platform.Who
	kinds := fields{{"kinds", func(n *yaml.Node, at string) { w.Kinds = choices(r, n, at, policyKinds) }}}
	r.mapping(n, at, append(kinds, r.rolesAndNames(&w)...))
	return w
}

// people is who with no kinds: it chooses among humans.
func (r *policyReader) people(n *yaml.Node, at string) platform.Who {
	var w platform.Who
	r.mapping(n, at, r.rolesAndNames(&w))
	return w
}

func (r *policyReader) rolesAndNames(w *platform.Who) fields {
	return fields{
		{"roles", func(n *yaml.Node, at string) { w.Roles = choices(r, n, at, policyRoles) }},
		{"names", func(n *yaml.Node, at string) {
			for i, item := range r.filled(n, at, "a list of names, such as [ada]") {
				w.Names = append(w.Names, r.bounded(item, index(at, i), "the name of a token", 100))
			}
		}},
	}
}

func (r *policyReader) autonomy(n *yaml.Node, at string) platform.AutonomyRule {
	var rule platform.AutonomyRule
	var actions *yaml.Node
	known := fields{
		{"level", func(n *yaml.Node, at string) {
			rule.Level = platform.Autonomy(r.choice(n, at, string(platform.AutonomyOff), string(platform.AutonomySuggest), string(platform.AutonomyApprove), string(platform.AutonomyAuto)))
		}},
		{"actions", func(n *yaml.Node, at string) { actions, rule.Actions = n, choices(r, n, at, platform.ActionKinds) }},
	}
	r.mapping(n, at, append(known, r.where(&rule.Where)...), "level")
	switch {
	case rule.Level == platform.AutonomyAuto && actions == nil:
		r.add(n, child(at, "actions"), "is missing; expected the actions that need no human, such as [restart]")
	case rule.Level != platform.AutonomyAuto && actions != nil:
		r.add(actions, child(at, "actions"), "belongs to the level auto alone").hint = "Remove it, or set level: auto."
	}
	return rule
}

func (r *policyReader) freeze(n *yaml.Node, at string) platform.Freeze {
	f := platform.Freeze{Zone: "UTC"}
	nodes := map[string]*yaml.Node{}
	text := func(field string, into *string) func(n *yaml.Node, at string) {
		return func(n *yaml.Node, at string) {
			nodes[field] = n
			*into, _ = r.text(n, at, platform.FreezeForms)
		}
	}
	known := fields{
		{"name", func(n *yaml.Node, at string) { f.Name = r.name(n, at) }},
		{"from", text("from", &f.From)},
		{"to", text("to", &f.To)},
		{"timeZone", text("zone", &f.Zone)},
		{"except", func(n *yaml.Node, at string) { f.Except = append(f.Except, r.who(n, at)) }},
		{"exceptActions", func(n *yaml.Node, at string) { f.ExceptActions = choices(r, n, at, platform.PolicyActions()) }},
	}
	before := len(r.problems)
	r.mapping(n, at, append(known, r.where(&f.Where)...), "name", "from", "to")
	if len(r.problems) > before {
		return f
	}
	if err := f.Check(); err != nil {
		node := nodes[err.Field]
		if node == nil {
			node = n
		}
		r.add(node, at, "is wrong: %s", err.Message).hint = err.Hint
	}
	return f
}

func (r *policyReader) limits(n *yaml.Node, at string) platform.SlotLimits {
	var l platform.SlotLimits
	known := fields{
		{"perHour", func(n *yaml.Node, at string) { l.PerHour = r.integer(n, at, 1, platform.MaxPlansPerHour) }},
		{"coolDown", func(n *yaml.Node, at string) {
			l.CoolDown = r.duration(n, at, platform.Duration(time.Second), platform.MaxCoolDown)
		}},
		{"maxReplicas", func(n *yaml.Node, at string) { l.MaxReplicas = r.integer(n, at, 1, platform.MaxReplicas) }},
	}
	before := len(r.problems)
	r.mapping(n, at, append(known, r.where(&l.Where)...))
	if len(r.problems) == before && l.PerHour == 0 && l.CoolDown == 0 && l.MaxReplicas == 0 {
		r.add(n, at, "limits nothing; expected perHour, coolDown or maxReplicas")
	}
	return l
}

func (r *policyReader) spend(n *yaml.Node, at string) platform.SpendLimits {
	var s platform.SpendLimits
	amount := func(into *platform.Micro) func(n *yaml.Node, at string) {
		return func(n *yaml.Node, at string) {
			const expected = "an amount above 0, such as 20 or 99.50"
			word, ok := r.text(n, at, expected)
			if !ok {
				return
			}
			v, err := platform.ParseMicro(word)
			if err != nil || v <= 0 {
				r.add(n, at, "is %s; expected %s", quote(word), expected)
			}
			*into = v
		}
	}
	r.mapping(n, at, fields{{"perDay", amount(&s.PerDay)}, {"perMonth", amount(&s.PerMonth)}})
	return s
}
