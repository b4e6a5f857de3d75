package control

import (
	"fmt"

	"github.com/fairlead/fairlead/platform"
)

// verb is what an actor wants to do. Every exported method that takes an actor asks authorize with one of them.
type verb string

const (
	verbRead          verb = "read"
	verbDiagnose      verb = "ask for a diagnosis"
	verbPropose       verb = "propose"
	verbPush          verb = "push"
	verbDeploy        verb = "deploy"
	verbCancel        verb = "cancel a deploy"
	verbRollback      verb = "roll back"
	verbScale         verb = "scale"
	verbRestart       verb = "restart"
	verbSetEnv        verb = "set variables"
	verbSilence       verb = "silence alerts"
	verbAlert         verb = "send alerts"
	verbDecide        verb = "approve or reject plans"
	verbCreateProject verb = "create a project"
	verbDeleteProject verb = "delete a project"
	verbManageTokens  verb = "manage tokens"
	verbNotify        verb = "change where notifications go"
	verbSetBudget     verb = "set a budget"
	verbSetRetention  verb = "set how long logs are kept"
	verbSetPolicy     verb = "set a policy"
	verbStopAgents    verb = "stop agents"
	verbStartAgents   verb = "start agents"
	verbAudit         verb = "verify the event chain"
	verbProfile       verb = "profile the server"
	verbReadSystem    verb = "read what Fairlead says about itself"
	verbSendTelemetry verb = "send telemetry"
)

// rule is who may do what a verb names. An agent may read and propose; everything else it proposes or leaves alone.
type rule struct {
	role       platform.Role // least role of a human, or of automation where it is allowed
	automation bool
	agent      bool   // any role: what an agent may do does not grow with its role
	instead    string // what an agent is told to do instead; "" means that nothing replaces it
	agentCode  platform.ErrorCode
}

var rules = map[verb]rule{
	verbRead:     {role: platform.RoleViewer, automation: true, agent: true},
	verbAudit:    {role: platform.RoleViewer, automation: true, agent: true},
	verbDiagnose: {role: platform.RoleViewer, automation: true, agent: true},
	verbPropose:  {role: platform.RoleOperator, automation: true, agent: true},

	verbPush:     {role: platform.RoleOperator, automation: true, instead: "Ask a person to push the commit, or propose revert_commit.", agentCode: platform.CodeApprovalRequired},
	verbDeploy:   {role: platform.RoleOperator, automation: true, instead: "Propose a rollback, or ask a person to deploy.", agentCode: platform.CodeApprovalRequired},
	verbCancel:   {role: platform.RoleOperator, automation: true, instead: "Ask a person to cancel the deploy.", agentCode: platform.CodeApprovalRequired},
	verbRollback: {role: platform.RoleOperator, automation: true, instead: "Propose the action rollback: a person approves it, and Fairlead carries it out.", agentCode: platform.CodeApprovalRequired},
	verbScale:    {role: platform.RoleOperator, automation: true, instead: "Propose the action scale: a person approves it, and Fairlead carries it out.", agentCode: platform.CodeApprovalRequired},
	verbRestart:  {role: platform.RoleOperator, automation: true, instead: "Propose the action restart: a person approves it, and Fairlead carries it out.", agentCode: platform.CodeApprovalRequired},
	verbSetEnv:   {role: platform.RoleOperator, automation: true, instead: "Propose the action set_env: a person approves it, and Fairlead carries it out.", agentCode: platform.CodeApprovalRequired},

	verbAlert:         {role: platform.RoleOperator, automation: true, agentCode: platform.CodeDenied},
	verbSilence:       {role: platform.RoleOperator, automation: true, agentCode: platform.CodeDenied},
	verbDecide:        {role: platform.RoleOperator, agentCode: platform.CodeDenied},
	verbCreateProject: {role: platform.RoleAdmin, automation: true, agentCode: platform.CodeDenied},
	verbDeleteProject: {role: platform.RoleAdmin, automation: true, agentCode: platform.CodeDenied},
	verbProfile:       {role: platform.RoleAdmin, automation: true, agentCode: platform.CodeDenied},
	verbManageTokens:  {role: platform.RoleAdmin, automation: true, agentCode: platform.CodeDenied},
	verbSetBudget:     {role: platform.RoleAdmin, automation: true, agentCode: platform.CodeDenied},
	verbSetRetention:  {role: platform.RoleAdmin, automation: true, agentCode: platform.CodeDenied}, // it can lose lines
	verbStopAgents:    {role: platform.RoleOperator, automation: true, agentCode: platform.CodeDenied},
	verbStartAgents:   {role: platform.RoleAdmin, agentCode: platform.CodeDenied},
	verbSetPolicy:     {role: platform.RoleAdmin, agentCode: platform.CodeDenied}, // who writes a pipeline must not choose its approvals
	verbReadSystem:    {role: platform.RoleAdmin, automation: true, agentCode: platform.CodeDenied},
	verbNotify:        {role: platform.RoleAdmin, automation: true, agentCode: platform.CodeDenied},
	verbSendTelemetry: {role: platform.RoleSender, automation: true, agentCode: platform.CodeDenied}, // it would be evidence that an agent wrote
}

// authorize is the single choke point: may the actor do this, in the project of that name ("" for none). A project out
// of the actor's scope is not found, so that its existence is not told.
func authorize(actor platform.Actor, v verb, project string) error {
	if !actor.Kind.Valid() || !actor.Role.Valid() || actor.Name == "" {
		return platform.Errorf(platform.CodeUnauthenticated, "Nobody is signed in.").
			WithHint("Send a token: fairlead login, or the header Authorization: Bearer flt_...")
	}
	r, known := rules[v]
	if !known {
		return fmt.Errorf("authorize %q: no rule", v)
	}
	if project != "" && !actor.MaySee(project) {
		return noProject(project)
	}
	switch actor.Kind {
	case platform.ActorSystem:
		return authorizeSystem(actor, v)
	case platform.ActorAgent:
		return authorizeAgent(actor, v, r)
	case platform.ActorAutomation:
		if !r.automation {
			return platform.Errorf(platform.CodeDenied, "%s is automation and may not %s.", actor.Name, v).
				WithHint("A person must do it, with a token of their own.")
		}
	case platform.ActorHuman:
	}
	if !actor.Role.Includes(r.role) {
		return platform.Errorf(platform.CodeDenied, "%s has the role %s and may not %s.", actor.Name, actor.Role, v).
			WithHint("This needs the role %s; an admin can make such a token.", r.role)
	}
	return nil
}

func authorizeSystem(actor platform.Actor, v verb) error {
	if v == verbDecide {
		return platform.Errorf(platform.CodeDenied, "Only people approve plans; %s is a part of Fairlead.", actor.Name)
	}
	return nil
}

func authorizeAgent(actor platform.Actor, v verb, r rule) error {
	if r.agent {
		return nil
	}
	if r.agentCode == platform.CodeApprovalRequired {
		return platform.Errorf(platform.CodeApprovalRequired, "%s is an agent and may not %s by itself.", actor.Name, v).WithHint("%s", r.instead)
	}
	e := platform.Errorf(platform.CodeDenied, "%s is an agent and may not %s.", actor.Name, v)
	if v == verbDecide {
		return e.WithHint("A person must decide: fairlead approve <plan>.")
	}
	return e.WithHint("A person must do it.")
}

func noProject(name string) *platform.Error {
	return platform.Errorf(platform.CodeNotFound, "There is no project %q.", platform.Truncate(name, 80))
}
