package tools

import (
	"context"
	"fmt"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/fairlead/fairlead/mcp/toolkit"
	"github.com/fairlead/fairlead/platform"
)

type waitArgs struct {
	Deploy   string `json:"deploy,omitempty" jsonschema:"deploy id: until it has ended"`
	Plan     string `json:"plan,omitempty" jsonschema:"plan id: until it has ended"`
	Incident string `json:"incident,omitempty" jsonschema:"incident id: until it is resolved"`
	Seconds  int    `json:"seconds,omitempty" jsonschema:"how long to wait, 60 when left out, at most 300"`
}

const (
	usualWait = 60
	mostWait  = 300
	waitLook  = 500 * time.Millisecond
)

func registerWait(s *server.MCPServer, caller Caller) {
	toolkit.Add(s, toolkit.Tool[waitArgs]{
		Name: "wait_for", Title: "Wait for", Effect: toolkit.Reads,
		Description: "Waits until a deploy or a plan has ended or an incident is resolved, and returns it. Give exactly one of the three. Ending the call ends the wait only.",
		Call:        with(caller, wait),
	})
}

func wait(ctx context.Context, api API, in waitArgs) (toolkit.Answer, error) {
	given := 0
	for _, id := range []string{in.Deploy, in.Plan, in.Incident} {
		if id != "" {
			given++
		}
	}
	if given != 1 {
		return toolkit.Answer{}, platform.Errorf(platform.CodeInvalid, "Exactly one of deploy, plan and incident must be given.").WithField("deploy")
	}
	if in.Seconds < 0 || in.Seconds > mostWait {
		return toolkit.Answer{}, platform.Errorf(platform.CodeInvalid, "%d seconds is not between 1 and %d.", in.Seconds, mostWait).WithField("seconds")
	}
	seconds := in.Seconds
	if seconds == 0 {
		seconds = usualWait
	}
	limit := time.NewTimer(time.Duration(seconds) * time.Second)
	defer limit.Stop()
	look := time.NewTicker(waitLook)
	defer look.Stop()
	for {
		answer, ended, err := state(ctx, api, in)
		if err != nil || ended {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return toolkit.Answer{}, ctx.Err()
		case <-limit.C:
			answer.Note = fmt.Sprintf("It has not ended after %d s: call again to go on waiting.", seconds)
			return answer, nil
		case <-look.C:
		}
	}
}

func state(ctx context.Context, api API, in waitArgs) (answer toolkit.Answer, ended bool, err error) {
	switch {
	case in.Deploy != "":
		d, err := api.GetDeploy(ctx, platform.DeployID(in.Deploy))
		if err != nil {
			return toolkit.Answer{}, false, err
		}
		answer, err = deployAnswer(ctx, api, d)
		return answer, d.Phase.Terminal(), err
	case in.Plan != "":
		p, err := api.GetPlan(ctx, platform.PlanID(in.Plan))
		return planAnswer(p), p.State.Terminal(), err
	default:
		detail, err := api.GetIncident(ctx, platform.IncidentID(in.Incident))
		return toolkit.Answer{Data: detail.Incident, Text: incidentLine(detail.Incident)}, detail.State == platform.IncidentResolved, err
	}
}
