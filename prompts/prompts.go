// Package prompts renders the texts that people and models read: the written diagnosis and the prompts of the MCP face.
//
// It owns the templates (*.md beside this file) and one typed function for each. It is pure. Text that came from logs,
// commits or other outsiders is shown only inside a fence whose boundary the caller makes anew for each call, and it
// must not know where anything was read.
package prompts

import (
	"embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/fairlead/fairlead/platform"
)

//go:embed *.md
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"percent": func(v float64) string { return fmt.Sprintf("%.0f %%", v*100) },
	"action":  Action,
	"short":   platform.ShortSHA,
	// Stand-ins for parsing; RenderDiagnosis sets the ones of its call.
	"quote":  func(string) string { return "" },
	"inline": func(string) string { return "" },
	"cites":  func([]platform.EvidenceID) string { return "" },
}).ParseFS(files, "*.md"))

// Fence shows hostile text. Display makes text fit for a screen; Boundary is a word that no author of the text can know.
type Fence struct {
	Boundary string
	Display  func(string) string
}

// quote shows a text between two boundary lines. A boundary within the text is broken up.
func (f Fence) quote(text string) string {
	text = f.inline(text)
	return "<<<" + f.Boundary + "\n" + strings.TrimRight(text, "\n") + "\n" + f.Boundary + ">>>"
}

// inline is text fit to stand within a sentence.
func (f Fence) inline(text string) string {
	if f.Display != nil {
		text = f.Display(text)
	}
	if f.Boundary == "" {
		return text
	}
	return strings.ReplaceAll(text, f.Boundary, "[boundary]")
}

// RenderDiagnosis writes an incident and its diagnosis as Markdown: claims with the numbers of their evidence, what was
// ruled out, what could not be read, and what is suggested.
func RenderDiagnosis(d platform.IncidentDetail, fence Fence) string {
	numbers := map[platform.EvidenceID]int{}
	for _, e := range d.Evidence {
		numbers[e.ID] = e.Number
	}
	funcs := template.FuncMap{
		"quote":  fence.quote,
		"inline": func(s string) string { return strings.ReplaceAll(fence.inline(s), "\n", " ") },
		"cites":  func(ids []platform.EvidenceID) string { return cites(ids, numbers) },
	}
	return render("diagnosis.md", funcs, d)
}

// cites writes "(E1, E3)"; ids that are not in the list are left out.
func cites(ids []platform.EvidenceID, numbers map[platform.EvidenceID]int) string {
	var out []string
	for _, id := range ids {
		if n := numbers[id]; n > 0 {
			out = append(out, fmt.Sprintf("E%d", n))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ", ") + ")"
}

// Action writes an action in one line.
func Action(a platform.Action) string {
	switch a.Kind {
	case platform.ActionRollback:
		return fmt.Sprintf("roll back %s to release v%d", a.Slot, a.ToRelease)
	case platform.ActionRevertCommit:
		return fmt.Sprintf("revert commit %s of %s", platform.ShortSHA(a.Commit), a.Slot)
	case platform.ActionSetEnv:
		if a.FromRelease > 0 {
			return fmt.Sprintf("set %s of %s to its value in release v%d", a.EnvKey, a.Slot, a.FromRelease)
		}
		return fmt.Sprintf("set %s of %s; whoever approves gives the value", a.EnvKey, a.Slot)
	case platform.ActionScale:
		if a.MemoryBytes > 0 {
			return fmt.Sprintf("raise the memory limit of %s to %d MiB", a.Slot, a.MemoryBytes>>20)
		}
		return fmt.Sprintf("scale %s to %d instances", a.Slot, a.Replicas)
	case platform.ActionRestart:
		return "restart " + a.Slot
	default:
		return string(a.Kind) + " " + a.Slot
	}
}

// TroubleshootService is the prompt that looks into one service.
func TroubleshootService(service string) string {
	return render("troubleshoot_service.md", nil, argument(service))
}

// ExplainFailedDeploy is the prompt that explains one failed deploy.
func ExplainFailedDeploy(deploy string) string {
	return render("explain_failed_deploy.md", nil, argument(deploy))
}

// HandleIncident is the prompt that takes one incident from evidence to a proposal.
func HandleIncident(incident string) string {
	return render("handle_incident.md", nil, argument(incident))
}

// argument keeps an argument to one short line of plain characters, so that it stays a name.
func argument(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-_./", r):
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), 200)]
}

func render(name string, funcs template.FuncMap, data any) string {
	t := template.Must(templates.Clone())
	// The fence differs for each call, so that its functions are set on a copy.
	var b strings.Builder
	if err := t.Funcs(funcs).ExecuteTemplate(&b, name, data); err != nil {
		panic("prompts: the template " + name + " does not fit its data: " + err.Error())
	}
	return b.String()
}
