package mcp

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/prompts"
)

// registerPrompts offers the prompts that a person picks in a client.
func registerPrompts(s *server.MCPServer) {
	for _, p := range []struct {
		name, description, argument, about string
		render                             func(string) string
	}{
		{"troubleshoot_service", "Find out how a service is doing", "service", "project/service or its name", prompts.TroubleshootService},
		{"explain_failed_deploy", "Explain why a deploy failed", "deploy", "deploy id, dep_...", prompts.ExplainFailedDeploy},
		{"handle_incident", "Take an incident from its evidence to a proposal", "incident", "incident id, inc_...", prompts.HandleIncident},
	} {
		s.AddPrompt(mcp.NewPrompt(p.name, mcp.WithPromptDescription(p.description), mcp.WithArgument(p.argument, mcp.ArgumentDescription(p.about), mcp.RequiredArgument())),
			func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
				value := req.Params.Arguments[p.argument]
				if value == "" {
					return nil, platform.Errorf(platform.CodeInvalid, "The argument %q is missing.", p.argument).WithField(p.argument)
				}
				return mcp.NewGetPromptResult(p.description, []mcp.PromptMessage{mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent(p.render(value)))}), nil
			})
	}
}
