package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// slot reads a target: service, project/service or project/environment/service, completed by the flags.
func (a *app) slot(ctx context.Context, c *client.Client, target string) (platform.SlotRef, error) {
	parts := strings.Split(target, "/")
	ref := platform.SlotRef{Project: a.project, Environment: a.environment}
	switch len(parts) {
	case 1:
		ref.Service = parts[0]
	case 2:
		ref.Project, ref.Service = parts[0], parts[1]
	case 3:
		ref.Project, ref.Environment, ref.Service = parts[0], parts[1], parts[2]
	}
	if ref.Service == "" || len(parts) > 3 {
		return ref, platform.Errorf(platform.CodeInvalid, "%q does not name a service.", target).
			WithHint("Write service, project/service or project/environment/service.")
	}
	if a.project != "" && ref.Project != a.project || a.environment != "" && ref.Environment != a.environment {
		return ref, platform.Errorf(platform.CodeInvalid, "%q and the flags name different places.", target).WithHint("Leave out --project and --environment, or the parts before the service.")
	}
	var err error
	if ref.Project == "" {
		ref.Project, err = a.projectName(ctx, c)
	}
	return ref, err
}

// projectName is the project of the flags, the environment, the working folder's fairlead.yaml, or the only one there is.
func (a *app) projectName(ctx context.Context, c *client.Client) (string, error) {
	if name := a.knownProject(); name != "" {
		return name, nil
	}
	all, err := c.ListProjects(ctx, platform.Page{Limit: 20})
	if err != nil {
		return "", err
	}
	switch len(all.Items) {
	case 0:
		return "", platform.Errorf(platform.CodeNotFound, "There is no project yet.").WithHint("Make one with `fairlead project create -f fairlead.yaml`.")
	case 1:
		return all.Items[0].Name, nil
	}
	names := make([]string, len(all.Items))
	for i, p := range all.Items {
		names[i] = p.Name
	}
	return "", platform.Errorf(platform.CodeInvalid, "There are several projects.").WithHint("Name one with --project: %s.", strings.Join(names, ", ")).WithField("project")
}

// knownProject is the project named without asking the server, "" when none is.
func (a *app) knownProject() string {
	if name := firstOf(a.project, a.Getenv("FAIRLEAD_PROJECT")); name != "" {
		return name
	}
	raw, err := os.ReadFile(filepath.Join(a.Dir, "fairlead.yaml"))
	if err != nil {
		return ""
	}
	var blueprint struct {
		Project string `yaml:"project"`
	}
	if yaml.Unmarshal(raw, &blueprint) != nil {
		return ""
	}
	return blueprint.Project
}

// scope restricts a list: to the target where one is given, else to what the flags say. Without any it is everything.
func (a *app) scope(ctx context.Context, c *client.Client, given []string) (platform.SlotRef, error) {
	if len(given) > 0 {
		return a.slot(ctx, c, given[0])
	}
	return platform.SlotRef{Project: firstOf(a.project, a.Getenv("FAIRLEAD_PROJECT")), Environment: a.environment}, nil
}
