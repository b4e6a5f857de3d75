package tools

import (
	"context"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/server"

	"github.com/fairlead/fairlead/mcp/toolkit"
	"github.com/fairlead/fairlead/platform"
)

type nothing struct{}

type projectArgs struct {
	Project string `json:"project" jsonschema:"project name or id"`
}

type instanceArgs struct {
	Instance string `json:"instance" jsonschema:"instance id, ins_..."`
}

func registerServices(s *server.MCPServer, caller Caller) {
	toolkit.Add(s, toolkit.Tool[nothing]{
		Name: "get_overview", Title: "Overview", Effect: toolkit.Reads,
		Description: "Everything at one look: services and whether they are live, open incidents, plans that wait for a human, and whether what Fairlead needs answers. Call it first.",
		Call: with(caller, func(ctx context.Context, api API, _ nothing) (toolkit.Answer, error) {
			return overview(ctx, api)
		}),
	})
	toolkit.Add(s, toolkit.Tool[projectArgs]{
		Name: "list_services", Title: "List services", Effect: toolkit.Reads,
		Description: "The services of a project with their live release, state and URL.",
		Call: with(caller, func(ctx context.Context, api API, in projectArgs) (toolkit.Answer, error) {
			slots, err := api.ListSlots(ctx, in.Project)
			if err != nil {
				return toolkit.Answer{}, err
			}
			return toolkit.Answer{Data: slots, Text: lines(slots, slotLine)}, nil
		}),
	})
	toolkit.Add(s, toolkit.Tool[target]{
		Name: "get_service", Title: "Get service", Effect: toolkit.Reads,
		Description: "One service in one environment: live release and its spec, newest deploy, instances, open incidents, and the keys (never values) of its own variables.",
		Call:        with(caller, service),
	})
	toolkit.Add(s, toolkit.Tool[instanceArgs]{
		Name: "why_instance", Title: "Why did this happen to an instance", Effect: toolkit.Reads,
		Description: "What started, stopped or ended an instance, who asked for it, and which deploy, plan and approval it followed from.",
		Call: with(caller, func(ctx context.Context, api API, in instanceArgs) (toolkit.Answer, error) {
			why, err := api.Why(ctx, platform.InstanceID(in.Instance))
			if err != nil {
				return toolkit.Answer{}, err
			}
			return toolkit.Answer{Data: why, Text: why.Summary + "\n" + lines(why.Events, eventLine)}, nil
		}),
	})
}

func overview(ctx context.Context, api API) (toolkit.Answer, error) {
	status, err := api.Status(ctx)
	if err != nil {
		return toolkit.Answer{}, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d services, %d open incidents, %d plans waiting for a human.\n", len(status.Slots), len(status.Incidents), len(status.Plans))
	b.WriteString(lines(status.Slots, slotLine))
	var next []toolkit.Next
	for _, in := range status.Incidents {
		fmt.Fprintf(&b, "\nincident %s: %s", in.ID, in.Title)
		next = append(next, toolkit.Next{Tool: "get_incident", Arguments: map[string]any{"incident": in.ID}, Why: in.Title})
	}
	for _, p := range status.Plans {
		fmt.Fprintf(&b, "\nplan %s waits: %s", p.ID, p.Body.Title)
	}
	for _, part := range status.Parts {
		if !part.OK {
			fmt.Fprintf(&b, "\n%s does not answer: %s", part.Name, part.Detail)
		}
	}
	answer := toolkit.Answer{Data: status, Text: b.String(), Next: next}
	if len(status.Slots) == 0 {
		answer.Note = "There is no service yet: a human makes a project from a fairlead.yaml with `fairlead project create` and pushes a commit."
	}
	return answer, nil
}

// serviceDetail is a slot with its variables' keys.
type serviceDetail struct {
	platform.SlotDetail
	EnvKeys []string `json:"env_keys"`
}

func service(ctx context.Context, api API, in target) (toolkit.Answer, error) {
	slot, err := api.GetSlot(ctx, in.ref())
	if err != nil {
		return toolkit.Answer{}, err
	}
	config, err := api.GetEnv(ctx, in.ref())
	if err != nil {
		return toolkit.Answer{}, err
	}
	detail := serviceDetail{SlotDetail: slot, EnvKeys: make([]string, 0, len(config.Vars))}
	for _, v := range config.Vars {
		detail.EnvKeys = append(detail.EnvKeys, v.Key)
	}
	next := []toolkit.Next{{Tool: "list_deploys", Arguments: in.arguments(nil)}}
	for _, incident := range slot.Incidents {
		next = append(next, toolkit.Next{Tool: "get_incident", Arguments: map[string]any{"incident": incident.ID}, Why: incident.Title})
	}
	text := slotLine(slot) + "\n" + lines(slot.Instances, func(i platform.Instance) string {
		return fmt.Sprintf("  instance %s of release %d is %s since %s", i.ID, i.ReleaseNumber, i.State, i.StartedAt.Format("15:04:05"))
	})
	return toolkit.Answer{Data: detail, Text: text, Next: next}, nil
}

func slotLine(s platform.SlotDetail) string {
	line := fmt.Sprintf("%s (%s): %s", s.Ref(), s.Kind, s.Status)
	if s.LiveRelease > 0 {
		line += fmt.Sprintf(", release %d", s.LiveRelease)
	}
	if s.URL != "" {
		line += ", " + s.URL
	}
	return line
}

func eventLine(e platform.Event) string {
	return fmt.Sprintf("%s  %s  %s  (%s)", e.At.Format("2006-01-02 15:04:05"), e.Kind, e.Summary, e.Actor.Principal())
}
