package cli

import (
	"path/filepath"
	"strings"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/platform"
)

// diagnoseBundle explains an incident from files. It needs no server.
func (a *app) diagnoseBundle(dir string, given []string) error {
	if len(given) > 0 {
		return platform.Errorf(platform.CodeInvalid, "--bundle reads a folder, not the incident %s.", given[0]).WithHint("Leave one of them out.").WithField("bundle")
	}
	d, frozen, err := agent.ExplainBundle(a.folder(dir))
	if err != nil {
		return err
	}
	if a.json() {
		return a.out.json(agent.AnswerOf(d, frozen))
	}
	answer := agent.AnswerOf(d, frozen)
	a.out.print("%s  %s", a.out.bold(firstOf(clean(frozen.Facts.Incident.Title), dir)), a.out.dim(clean(frozen.Facts.Incident.Service)))
	a.out.print("")
	a.diagnosis(platform.IncidentDetail{Incident: frozen.Facts.Incident, Diagnosis: &d, Evidence: frozen.Items})
	for _, h := range d.Propagation {
		a.out.print("  spread from %s to %s", a.out.yellow(clean(h.From)), a.out.yellow(clean(h.To)))
	}
	if answer.Action.Kind != "none" {
		a.out.print("\n%s %s", a.out.bold("What to do:"), strings.ReplaceAll(answer.Action.Kind, "_", " "))
	}
	return nil
}

// folder is a path as the user means it: from the working folder.
func (a *app) folder(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(a.Dir, name)
}
