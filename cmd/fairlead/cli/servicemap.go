package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// The languages in which `fairlead map` draws too.
const (
	alsoDot     = "dot"
	alsoMermaid = "mermaid"
)

func (a *app) mapCommand() *cobra.Command {
	var since, until string
	cmd := &cobra.Command{
		Use: "map", Short: "Show which services depend on which", Args: args(), Annotations: map[string]string{alsoDot: "true", alsoMermaid: "true"},
		Long: "Draws the service map of an environment: what the router sends, what applications' traces say of calls between them and of what\n" +
			"they use outside, what a variable declares, and which disks are shared. Numbers are of the last hour, unless --since says otherwise.\n" +
			"Besides table and json, --output takes dot (Graphviz) and mermaid.",
		Example: "  fairlead map\n  fairlead map -e staging --since 15m\n  fairlead map --output mermaid",
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := call(cmd.Context(), a, func(ctx context.Context, c *client.Client) (platform.ServiceMap, error) {
				req := platform.MapRequest{Environment: a.environment}
				var err error
				if req.From, err = moment("since", since, a.Now()); err != nil {
					return platform.ServiceMap{}, err
				}
				if req.To, err = moment("until", until, a.Now()); err != nil {
					return platform.ServiceMap{}, err
				}
				if req.Project, err = a.projectName(ctx, c); err != nil {
					return platform.ServiceMap{}, err
				}
				return c.ServiceMap(ctx, req)
			})
			if err != nil || a.json() {
				return a.result(m, err)
			}
			a.drawMap(m)
			return nil
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "counts from how long ago (15m), or from a time (2026-01-31T12:00:00Z)")
	cmd.Flags().StringVar(&until, "until", "", "counts until how long ago, or until a time")
	return cmd
}

func (a *app) drawMap(m platform.ServiceMap) {
	switch a.output {
	case alsoDot:
		a.out.print("%s", dot(m))
	case alsoMermaid:
		a.out.print("%s", mermaid(m))
	default:
		a.out.serviceMap(m)
	}
}

// twig is a node at its place in the picture, with the edge that leads to it.
type twig struct {
	platform.MapNode
	edge  *platform.MapEdge // nil of a node that nothing leads to
	lead  string
	again bool // it was drawn before, with what follows
}

// twigs orders the map as trees: first from the router, then from what nothing calls, then from what is left of circles.
func twigs(m platform.ServiceMap) []twig {
	nodes, out := map[string]platform.MapNode{}, map[string][]*platform.MapEdge{}
	called := map[string]bool{}
	for _, n := range m.Nodes {
		nodes[n.Name] = n
	}
	for i := range m.Edges {
		if e := &m.Edges[i]; e.Kind != platform.EdgeSharesDisk && e.Kind != platform.EdgeSharesHost {
			out[e.From] = append(out[e.From], e)
			called[e.To] = true
		}
	}
	var all []twig
	drawn := map[string]bool{}
	var grow func(name string, edge *platform.MapEdge, lead, below string)
	grow = func(name string, edge *platform.MapEdge, lead, below string) {
		all = append(all, twig{MapNode: nodes[name], edge: edge, lead: lead, again: drawn[name] && len(out[name]) > 0})
		if drawn[name] {
			return
		}
		drawn[name] = true
		for i, e := range out[name] {
			turn, on := "├─ ", "│  "
			if i == len(out[name])-1 {
				turn, on = "└─ ", "   "
			}
			grow(e.To, e, below+turn, below+on)
		}
	}
	for _, pass := range []func(n platform.MapNode) bool{
		func(n platform.MapNode) bool { return !called[n.Name] },
		func(platform.MapNode) bool { return true },
	} {
		for _, n := range m.Nodes {
			if !drawn[n.Name] && pass(n) {
				grow(n.Name, nil, "", "")
			}
		}
	}
	return all
}

// serviceMap draws the map as trees in a table.
func (s *screen) serviceMap(m platform.ServiceMap) {
	if len(m.Nodes) == 0 {
		s.print("There is no service in %s/%s.", clean(m.Project), clean(m.Environment))
		return
	}
	rows := [][]string{}
	for _, t := range twigs(m) {
		name := t.lead + s.bold(oneLine(t.Name, 50))
		if t.again {
			name += " ↺"
		}
		row := []string{name, nodeWord(t.MapNode), "", "", "", "", ""}
		if e := t.edge; e != nil {
			if e.Requests > 0 {
				row[2], row[4], row[5] = strconv.FormatInt(e.Requests, 10), took(e.P50), took(e.P95)
				if row[3] = "-"; e.Failed > 0 {
					row[3] = s.red(percent(e.FailedShare()))
				}
			}
			row[6] = s.dim(knownBy(*e))
		}
		rows = append(rows, row)
	}
	s.table([]string{"", "KIND", "REQUESTS", "FAILED", "P50", "P95", "KNOWN BY"}, rows)
	s.mapBelow(m)
}

// mapBelow writes what is no tree: what is shared, and what the map cannot know.
func (s *screen) mapBelow(m platform.ServiceMap) {
	lines := []string{}
	for _, e := range m.Edges {
		if e.Kind == platform.EdgeSharesDisk {
			lines = append(lines, fmt.Sprintf("%s and %s share the disk %s.", clean(e.From), clean(e.To), clean(e.Via)))
		}
	}
	hosts := map[string][]string{}
	for _, n := range m.Nodes {
		if n.Host != "" {
			hosts[n.Host] = append(hosts[n.Host], n.Name)
		}
	}
	names := []string{}
	for host := range hosts {
		names = append(names, host)
	}
	slices.Sort(names)
	for _, host := range names {
		lines = append(lines, "On "+clean(host)+": "+clean(strings.Join(hosts[host], ", "))+".")
	}
	lines = append(lines, "Counted from "+stamp(m.From)+" to "+stamp(m.To)+".")
	s.print("")
	for _, line := range lines {
		s.print("%s", s.dim(line))
	}
	for _, note := range m.Notes {
		s.print("%s", s.yellow(clean(note)))
	}
}

func nodeWord(n platform.MapNode) string {
	switch {
	case n.Kind == platform.NodeService:
		return string(n.Service)
	case n.Kind == platform.NodeOutside && n.System != "":
		return "outside, " + oneLine(n.System, 20)
	}
	return string(n.Kind)
}

func knownBy(e platform.MapEdge) string {
	words := []string{}
	for _, source := range e.Sources {
		word := string(source)
		if source == platform.SourceDeclared && e.Via != "" {
			word = e.Via
		}
		words = append(words, oneLine(word, 40))
	}
	return strings.Join(words, ", ")
}

// edgeLabel says how much went over an edge, "" when nothing was counted.
func edgeLabel(e platform.MapEdge) string {
	if e.Requests == 0 {
		return ""
	}
	text := fmt.Sprintf("%d requests, p95 %s", e.Requests, took(e.P95))
	if e.Failed > 0 {
		text += ", " + percent(e.FailedShare()) + " failed"
	}
	return text
}

// dot writes the map in the language of Graphviz.
func dot(m platform.ServiceMap) string {
	quote := func(text string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(oneLine(text, 200)) + `"`
	}
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=LR;\n  node [shape=box];\n", quote(m.Project+"/"+m.Environment))
	for _, n := range m.Nodes {
		style := ""
		if n.Kind == platform.NodeOutside {
			style = " [style=dashed]"
		}
		fmt.Fprintf(&b, "  %s%s;\n", quote(n.Name), style)
	}
	for _, e := range m.Edges {
		label := edgeLabel(e)
		style := ""
		if e.Kind == platform.EdgeSharesDisk {
			label, style = "disk "+e.Via, ", dir=none, style=dotted"
		}
		fmt.Fprintf(&b, "  %s -> %s [label=%s%s];\n", quote(e.From), quote(e.To), quote(label), style)
	}
	b.WriteString("}")
	return b.String()
}

// mermaid writes the map as a flowchart of Mermaid.
func mermaid(m platform.ServiceMap) string {
	quote := func(text string) string { return `"` + strings.ReplaceAll(oneLine(text, 200), `"`, "#quot;") + `"` }
	var b strings.Builder
	b.WriteString("flowchart LR")
	ids := map[string]string{}
	for i, n := range m.Nodes {
		ids[n.Name] = "n" + strconv.Itoa(i)
		fmt.Fprintf(&b, "\n  %s[%s]", ids[n.Name], quote(n.Name))
	}
	for _, e := range m.Edges {
		arrow, label := "-->", edgeLabel(e)
		if e.Kind == platform.EdgeSharesDisk {
			arrow, label = "-.-", "disk "+e.Via
		}
		if label != "" {
			arrow += "|" + quote(label) + "|"
		}
		fmt.Fprintf(&b, "\n  %s %s %s", ids[e.From], arrow, ids[e.To])
	}
	return b.String()
}
