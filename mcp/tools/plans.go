package tools

import (
	"context"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/server"

	"github.com/fairlead/fairlead/mcp/toolkit"
	"github.com/fairlead/fairlead/platform"
)

type listPlansArgs struct {
	Project string `json:"project"`
	State   string `json:"state,omitempty" jsonschema:"pending approved executing verified failed rejected expired or stale"`
	paging
}

type planArgs struct {
	Plan string `json:"plan" jsonschema:"plan id, plan_..."`
}

// proposal is what every proposing tool takes besides its own arguments.
type proposal struct {
	target
	Reason   string `json:"reason" jsonschema:"why, for the human who decides"`
	Incident string `json:"incident,omitempty" jsonschema:"incident that this answers, inc_..."`
	DryRun   bool   `json:"dry_run,omitempty" jsonschema:"return the plan and record nothing"`
}

type rollbackArgs struct {
	proposal
	ToRelease int `json:"to_release,omitempty" jsonschema:"release number; the one that was live before when left out"`
}

type scaleArgs struct {
	proposal
	Replicas int `json:"replicas" jsonschema:"wanted number of instances"`
}

type setEnvArgs struct {
	proposal
	Key   string `json:"key" jsonschema:"name of the variable"`
	Value string `json:"value,omitempty" jsonschema:"leave out for a secret: the human who approves gives it"`
}

type revertArgs struct {
	proposal
	Commit string `json:"commit" jsonschema:"full SHA to revert on the default branch"`
}

func registerPlans(s *server.MCPServer, caller Caller) {
	toolkit.Add(s, toolkit.Tool[listPlansArgs]{
		Name: "list_plans", Title: "List plans", Effect: toolkit.Reads,
		Description: "Plans of a project, newest first: frozen actions with risk, state and what became of them.",
		Call: with(caller, func(ctx context.Context, api API, in listPlansArgs) (toolkit.Answer, error) {
			page, err := in.page()
			if err != nil {
				return toolkit.Answer{}, err
			}
			list, err := api.ListPlans(ctx, platform.PlanFilter{SlotRef: platform.SlotRef{Project: in.Project}, State: platform.PlanState(in.State), Page: page})
			if err != nil {
				return toolkit.Answer{}, err
			}
			return toolkit.Answer{Data: list, Text: lines(list.Items, planLine), Note: cut(list.Next)}, nil
		}),
	})
	toolkit.Add(s, toolkit.Tool[planArgs]{
		Name: "get_plan", Title: "Get plan", Effect: toolkit.Reads,
		Description: "One plan: what is before and after, risk, who must approve, when it expires, and what became of it.",
		Call: with(caller, func(ctx context.Context, api API, in planArgs) (toolkit.Answer, error) {
			p, err := api.GetPlan(ctx, platform.PlanID(in.Plan))
			if err != nil {
				return toolkit.Answer{}, err
			}
			return planAnswer(p), nil
		}),
	})
	addProposal(s, caller, "rollback", "Propose a rollback", "Proposes to bring back a release that was live and healthy.", func(in rollbackArgs) (proposal, platform.Action) {
		return in.proposal, platform.Action{Kind: platform.ActionRollback, ToRelease: in.ToRelease}
	})
	addProposal(s, caller, "restart", "Propose a restart", "Proposes to replace every instance of a service, one after another.", func(in proposal) (proposal, platform.Action) {
		return in, platform.Action{Kind: platform.ActionRestart}
	})
	addProposal(s, caller, "scale", "Propose a scale change", "Proposes another number of instances.", func(in scaleArgs) (proposal, platform.Action) {
		return in.proposal, platform.Action{Kind: platform.ActionScale, Replicas: in.Replicas}
	})
	addProposal(s, caller, "set_env", "Propose a variable", "Proposes to set one environment variable and deploy with it.", func(in setEnvArgs) (proposal, platform.Action) {
		return in.proposal, platform.Action{Kind: platform.ActionSetEnv, EnvKey: in.Key, EnvValue: in.Value}
	})
	addProposal(s, caller, "revert_commit", "Propose to revert a commit", "Proposes a commit that reverts another one on the default branch; auto-deploy takes it from there.", func(in revertArgs) (proposal, platform.Action) {
		return in.proposal, platform.Action{Kind: platform.ActionRevertCommit, Commit: in.Commit}
	})
}

const proposes = " What comes back is a plan, pending unless policy lets you act at once; a human approves it outside of MCP. Nothing runs before that."

func addProposal[In any](s *server.MCPServer, caller Caller, name, title, description string, action func(In) (proposal, platform.Action)) {
	toolkit.Add(s, toolkit.Tool[In]{
		Name: name, Title: title, Effect: toolkit.Proposes, Description: description + proposes,
		Call: with(caller, func(ctx context.Context, api API, in In) (toolkit.Answer, error) {
			asked, act := action(in)
			act.Slot = asked.slot()
			p, err := api.Propose(ctx, platform.ProposeRequest{
				Action: act, IncidentID: platform.IncidentID(asked.Incident), Reason: asked.Reason, DryRun: asked.DryRun,
			})
			if err != nil {
				return toolkit.Answer{}, err
			}
			answer := planAnswer(p)
			if asked.DryRun {
				answer.Note, answer.Next = "This was a dry run: nothing was recorded.", nil
			}
			return answer, nil
		}),
	})
}

func planAnswer(p platform.Plan) toolkit.Answer {
	var b strings.Builder
	b.WriteString(planLine(p))
	fmt.Fprintf(&b, "\nwhy: %s", p.Body.Reason)
	for _, line := range p.Body.Before {
		b.WriteString("\n- " + line)
	}
	for _, line := range p.Body.After {
		b.WriteString("\n+ " + line)
	}
	fmt.Fprintf(&b, "\nrisk %s, reaches: %s, undo: %s", p.Body.Risk, p.Body.BlastRadius, p.Body.Reversible)
	fmt.Fprintf(&b, "\nexpected: %s", p.Body.Expectation.Summary)
	answer := toolkit.Answer{Data: p}
	switch p.State {
	case platform.PlanPending:
		fmt.Fprintf(&b, "\nIt waits until %s for %d human approval(s): `fairlead approve %s`.", p.Body.ExpiresAt.Format("15:04:05 MST"), p.Body.Approvals, p.ID)
		answer.Next = []toolkit.Next{{Tool: "wait_for", Arguments: map[string]any{"plan": p.ID}, Why: "until it is decided and carried out"}}
	case platform.PlanApproved, platform.PlanExecuting:
		answer.Next = []toolkit.Next{{Tool: "wait_for", Arguments: map[string]any{"plan": p.ID}}}
	default:
	}
	if p.Outcome != "" {
		b.WriteString("\noutcome: " + p.Outcome)
	}
	answer.Text = b.String()
	return answer
}

func planLine(p platform.Plan) string {
	return fmt.Sprintf("%s %s: %s", p.ID, p.State, p.Body.Title)
}
