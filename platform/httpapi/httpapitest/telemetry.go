package httpapitest

import (
	"context"

	"github.com/fairlead/fairlead/platform"
)

func sender(name, project, channel string) platform.Actor {
	return platform.Actor{
		Kind: platform.ActorAutomation, Name: name, TokenID: "tok_" + platform.TokenID(name), Role: platform.RoleSender, Owner: "ada",
		Projects: []string{project}, Channel: channel,
	}
}

// TelemetryScope knows the sample project's production and staging, and lets senders and operators send.
func (p *Plane) TelemetryScope(_ context.Context, actor platform.Actor, project, environment string) (platform.TelemetryScope, error) {
	if err := p.read("TelemetryScope", actor, project+"/"+environment); err != nil {
		return platform.TelemetryScope{}, err
	}
	if actor.Kind == platform.ActorAgent || !actor.Role.Includes(platform.RoleSender) {
		return platform.TelemetryScope{}, platform.Errorf(platform.CodeDenied, "%s may not send telemetry.", actor.Name)
	}
	if project == "" {
		return platform.TelemetryScope{}, nil
	}
	if project != p.Project.Name || !actor.MaySee(project) {
		return platform.TelemetryScope{}, missing("project", project)
	}
	if environment == "" {
		environment = platform.ProductionName
	}
	if environment != platform.ProductionName && environment != "staging" {
		return platform.TelemetryScope{}, missing("environment", environment)
	}
	return platform.TelemetryScope{
		Project: project, Environment: environment, Services: []string{"api", "features"}, Environments: []string{platform.ProductionName, "staging"},
	}, nil
}
