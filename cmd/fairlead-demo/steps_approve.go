package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	mcpclient "github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// stepApproval: an agent proposes over MCP and cannot approve; a human does; the rollback runs and is verified.
func stepApproval(ctx context.Context, w *world) error {
	agent, err := w.client.CreateToken(ctx, platform.CreateTokenRequest{Name: "fixer", Kind: platform.ActorAgent, Role: platform.RoleOperator})
	if err != nil {
		return err
	}
	plan, err := w.askOverMCP(ctx, agent.Secret)
	if err != nil {
		return err
	}
	if err := w.agentCannotApprove(ctx, agent.Secret, plan); err != nil {
		return err
	}
	if err := w.humanApproves(ctx, plan); err != nil {
		return err
	}
	if err := w.refusals(ctx, agent.Secret, plan); err != nil {
		return err
	}
	w.serving.stop()
	w.serving = nil
	// The repository still holds the bad commit; the team takes it back, as the rollback gives them the time to.
	if err := w.revertLast(ctx); err != nil {
		return err
	}
	sha, _, err := w.push(ctx, "Note the incident in the changelog")
	_ = sha
	return err
}

// askOverMCP lists the incident, reads its evidence and asks for the rollback, as a coding agent would.
func (w *world) askOverMCP(ctx context.Context, token string) (string, error) {
	c, err := mcpclient.NewStreamableHttpClient("http://"+w.api+"/mcp", transport.WithHTTPHeaders(map[string]string{"Authorization": "Bearer " + token}))
	if err != nil {
		return "", fmt.Errorf("make the MCP client: %w", err)
	}
	defer c.Close()
	if _, err := c.Initialize(ctx, mcp.InitializeRequest{Params: mcp.InitializeParams{
		ProtocolVersion: mcp.LATEST_PROTOCOL_VERSION, ClientInfo: mcp.Implementation{Name: "demo-agent", Version: "1"},
	}}); err != nil {
		return "", fmt.Errorf("initialize MCP: %w", err)
	}
	tools, err := c.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return "", err
	}
	approves := 0
	for _, tool := range tools.Tools {
		if strings.Contains(tool.Name, "approve") || strings.Contains(tool.Name, "decide") {
			approves++
		}
	}
	w.check("the MCP server offers tools, and none that approves", len(tools.Tools) > 10 && approves == 0, "%d tools", len(tools.Tools))

	incidents, text, err := callTool(ctx, c, "list_incidents", map[string]any{"project": "shop", "state": "open"})
	if err != nil {
		return "", err
	}
	w.show("MCP list_incidents", text, 12)
	w.check("the agent sees the incident", strings.Contains(string(incidents), w.incident), "%s", w.incident)
	_, text, err = callTool(ctx, c, "get_incident", map[string]any{"incident": w.incident})
	if err != nil {
		return "", err
	}
	w.show("MCP get_incident", text, 25)
	w.contains("the agent reads the evidence", text, "ZeroDivisionError", "E1")

	data, text, err := callTool(ctx, c, "rollback", map[string]any{"project": "shop", "service": serviceAPI, "incident": w.incident, "reason": "every prediction answers 500 since this release"})
	if err != nil {
		return "", err
	}
	w.show("MCP rollback", text, 20)
	var answer struct {
		Data struct {
			ID    string             `json:"id"`
			State platform.PlanState `json:"state"`
		} `json:"data"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return "", err
	}
	w.check("it gets a pending plan, not an execution", answer.Data.State == platform.PlanPending, "%s is %s", answer.Data.ID, answer.Data.State)
	return answer.Data.ID, nil
}

// callTool returns the structured content as JSON and the text. A refusal is an error.
func callTool(ctx context.Context, c *mcpclient.Client, name string, args map[string]any) ([]byte, string, error) {
	result, err := c.CallTool(ctx, mcp.CallToolRequest{Params: mcp.CallToolParams{Name: name, Arguments: args}})
	if err != nil {
		return nil, "", fmt.Errorf("call %s: %w", name, err)
	}
	var text strings.Builder
	for _, content := range result.Content {
		if t, ok := content.(mcp.TextContent); ok {
			text.WriteString(t.Text)
		}
	}
	if result.IsError {
		return nil, text.String(), fmt.Errorf("%s: %s", name, text.String())
	}
	raw, err := json.Marshal(result.StructuredContent)
	return raw, text.String(), err
}

func (w *world) agentCannotApprove(ctx context.Context, token, plan string) error {
	as := client.New(client.Options{BaseURL: "http://" + w.api, Token: token})
	_, err := as.Decide(ctx, platform.PlanID(plan), platform.DecideRequest{Approve: true})
	w.check("the agent's token cannot approve over the API", platform.CodeOf(err) == platform.CodeDenied, "%v", err)
	out, code := w.fairleadAs(ctx, token, "approve", plan)
	w.show("FAIRLEAD_TOKEN=<agent> fairlead approve "+plan, out, 4)
	w.check("nor by the command", code == 3, "exit %d", code)
	return nil
}

func (w *world) humanApproves(ctx context.Context, plan string) error {
	out, _ := w.fairlead(ctx, "plans", "show", plan)
	w.show("fairlead plans show "+plan, out, 30)
	out, code := w.fairlead(ctx, "approve", plan)
	w.show("fairlead approve "+plan, out, 8)
	if !w.check("a human approves", code == 0, "exit %d", code) {
		return fmt.Errorf("the approval was refused")
	}
	var p platform.Plan
	err := w.until(ctx, 90*time.Second, "the plan ended", func() (bool, error) {
		var err error
		p, err = w.client.GetPlan(ctx, platform.PlanID(plan))
		return p.State.Terminal(), err
	})
	if err != nil {
		return err
	}
	w.check("the rollback ran and was verified", p.State == platform.PlanVerified, "%s: %s", p.State, p.Outcome)
	status, body := w.predict(ctx, "/predict?text=hello")
	w.check("/predict answers again", status == http.StatusOK, "%d %s", status, body)
	err = w.until(ctx, 30*time.Second, "the incident resolved itself", func() (bool, error) {
		detail, err := w.client.GetIncident(ctx, platform.IncidentID(w.incident))
		return detail.State == platform.IncidentResolved, err
	})
	if err != nil {
		return err
	}
	detail, err := w.client.GetIncident(ctx, platform.IncidentID(w.incident))
	w.check("the incident resolved itself", err == nil, "%s", detail.Resolution)
	return err
}

// refusals: twice, expired, and after the world moved.
func (w *world) refusals(ctx context.Context, agentToken, plan string) error {
	out, code := w.fairlead(ctx, "approve", plan)
	w.show("fairlead approve "+plan+"   (again)", out, 4)
	w.check("approving the same plan twice is refused", code == 5, "exit %d", code)

	if err := w.refusesStale(ctx, agentToken); err != nil {
		return err
	}
	return w.refusesExpired(ctx)
}

func (w *world) refusesStale(ctx context.Context, agentToken string) error {
	as := client.New(client.Options{BaseURL: "http://" + w.api, Token: agentToken})
	ref := slot(serviceAPI)
	stale, err := as.Propose(ctx, platform.ProposeRequest{
		Action: platform.Action{Kind: platform.ActionRestart, Slot: "shop/production/api"}, Reason: "to show a plan that the world outruns",
	})
	if err != nil {
		return err
	}
	set, err := w.client.SetEnv(ctx, platform.SetEnvRequest{SlotRef: ref, Set: []platform.Variable{{Key: "LOG_LEVEL", Value: "debug"}}})
	if err != nil || set.Deploy == nil {
		return fmt.Errorf("another deploy: %w", err)
	}
	d, err := w.reaches(ctx, set.Deploy.ID, platform.PhaseLive)
	if err != nil {
		return err
	}
	w.check("meanwhile another deploy went live", d.Phase == platform.PhaseLive, "release %d%s", d.ReleaseNumber, failureWords(d))
	out, _ := w.fairlead(ctx, "approve", string(stale.ID))
	w.show("fairlead approve "+string(stale.ID), out, 6)
	var p platform.Plan
	err = w.until(ctx, 20*time.Second, "the plan is stale", func() (bool, error) {
		var err error
		p, err = w.client.GetPlan(ctx, stale.ID)
		return p.State.Terminal(), err
	})
	if err != nil {
		return err
	}
	w.check("executing after the world moved is refused", p.State == platform.PlanStale && p.Outcome != "", "%s: %s", p.State, p.Outcome)
	return nil
}

func (w *world) refusesExpired(ctx context.Context) error {
	plans, err := w.client.ListPlans(ctx, platform.PlanFilter{SlotRef: slot(serviceAPI)})
	if err != nil {
		return err
	}
	for _, p := range plans.Items {
		if p.Body.Action.Kind != platform.ActionSetEnv && p.Body.Action.Kind != platform.ActionRevertCommit {
			continue
		}
		err := w.until(ctx, planLife+10*time.Second, "the plan expired", func() (bool, error) {
			return time.Now().After(p.Body.ExpiresAt.Add(time.Second)), nil
		})
		if err != nil {
			return err
		}
		args := []string{"approve", string(p.ID)}
		if p.Body.Action.Kind == platform.ActionSetEnv {
			args = append(args, "--value", "http://payments")
		}
		out, code := w.fairlead(ctx, args...)
		w.show("fairlead "+strings.Join(args, " "), out, 4)
		w.check("approving an expired plan is refused", code == 5 && strings.Contains(out, "expired"), "exit %d", code)
		return nil
	}
	return fmt.Errorf("no plan of the earlier incidents is left to expire")
}
