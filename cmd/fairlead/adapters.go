package main

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/fairlead/fairlead/agent"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/build"
	"github.com/fairlead/fairlead/platform/source"
	"github.com/fairlead/fairlead/platform/worker"
)

// checkouts gives the worker the files of a commit in a folder that it releases.
type checkouts struct{ repos *source.Repos }

// Checkout unpacks a commit into a temporary folder.
func (c checkouts) Checkout(ctx context.Context, project, commit string) (string, func(), error) {
	dir, err := os.MkdirTemp("", "fairlead-build-")
	if err != nil {
		return "", nil, err
	}
	release := func() { _ = os.RemoveAll(dir) }
	if err := c.repos.Checkout(ctx, project, commit, dir); err != nil {
		release()
		return "", nil, err
	}
	return dir, release, nil
}

// buildLogs shows lines to live readers and stores them.
type buildLogs struct {
	hub  *observability.Hub
	logs observability.Logs
}

// Append publishes and stores the lines.
func (b buildLogs) Append(ctx context.Context, lines []observability.Line) error {
	b.hub.Publish(lines)
	return b.logs.Append(ctx, lines)
}

// investigation lets the worker ask the agent.
type investigation struct{ agent *agent.Agent }

// Investigate freezes evidence and explains the incident.
func (i investigation) Investigate(ctx context.Context, incident platform.Incident) ([]platform.Evidence, platform.Diagnosis, error) {
	result, err := i.agent.Investigate(ctx, incident)
	if r := result.Record; err == nil && r.ID != "" { // kept with the items, so that an export has it
		result.Evidence, result.Diagnosis.Evidence = append(result.Evidence, r), append(result.Diagnosis.Evidence, r.ID)
	}
	return result.Evidence, result.Diagnosis, err
}

// parts says whether what the server needs answers, for status and /readyz.
func (s *installation) parts(ctx context.Context) []platform.PartStatus {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	type check struct {
		name string
		ask  func(context.Context) (string, error)
	}
	checks := []check{
		{"postgres", func(ctx context.Context) (string, error) { return "answers", s.store.Ping(ctx) }},
		{"engine", func(ctx context.Context) (string, error) {
			host, err := s.engine.Host(ctx)
			return host.Engine, err
		}},
		{"router", func(ctx context.Context) (string, error) { return "http://" + s.config.router, s.router.Ping(ctx) }},
		{"logs", s.logStatus},
		{"metrics", s.metrics.ping},
		{"traces", s.traceStatus},
		{"state", s.room},
	}
	statuses := make([]platform.PartStatus, 0, len(checks))
	for _, check := range checks {
		detail, err := check.ask(ctx)
		if err != nil {
			detail = err.Error()
		}
		statuses = append(statuses, platform.PartStatus{Name: check.name, OK: err == nil, Detail: detail})
	}
	return append(statuses, s.forwardStatus()...)
}

// images lets the worker build by the engine.
type images struct{ builder *build.Builder }

// Build makes the image of a checked-out commit.
func (i images) Build(ctx context.Context, req worker.BuildRequest) (string, error) {
	secrets := make(map[string][]byte, len(req.Secrets))
	for key, value := range req.Secrets {
		secrets[key] = []byte(value)
	}
	result, err := i.builder.Build(ctx, build.Request{
		Dir: req.Dir, Context: req.Spec.Context, Dockerfile: req.Spec.Dockerfile, Args: req.Spec.Args,
		Secrets: secrets, Tag: req.Tag, Labels: req.Labels,
	}, func(line build.Line) {
		stream := line.Stream
		if stream == "" {
			stream = "stdout"
		}
		req.Output(stream, line.Text)
	})
	return result.ImageID, err
}

// gitHandler serves the Git remote: whoever may push is asked before Git takes anything, and each push is recorded
// through the one door.
func (s *installation) gitHandler() http.Handler {
	return s.repos.Handler(source.Options{
		Authenticate: func(ctx context.Context, _, password string) (platform.Actor, error) {
			return s.plane.Authenticate(ctx, password, "git")
		},
		Authorize: func(ctx context.Context, actor platform.Actor, project string, write bool) error {
			if write {
				return s.plane.AuthorizePush(ctx, actor, project)
			}
			_, err := s.plane.GetProject(ctx, actor, project)
			return err
		},
		Received: s.plane.RecordPush, Log: s.log,
	})
}

// revert undoes a commit on the project's default branch, for an approved plan.
func (s *installation) revert(ctx context.Context, project, commit, head string) error {
	actor := platform.SystemActor("fairlead")
	detail, err := s.plane.GetProject(ctx, actor, project)
	if err != nil {
		return err
	}
	_, err = s.repos.Revert(ctx, project, detail.DefaultBranch, commit, head, actor)
	return err
}
