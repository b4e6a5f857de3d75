package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/eval/scenarios"
	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/router/loadtest"
)

// take does one step of a scenario.
func (s *scene) take(ctx context.Context, step scenarios.Step) error {
	switch {
	case step.Commit != nil:
		return s.commit(ctx, *step.Commit)
	case step.Use != "":
		return s.commit(ctx, s.set.Innocent(step.Use))
	case step.Push != nil:
		return s.push(ctx, *step.Push)
	case step.Env != nil:
		return s.configure(ctx, *step.Env)
	case step.Load != nil:
		return s.send(ctx, *step.Load)
	case step.Calm != "":
		s.calm(step.Calm)
	case step.Ask != nil:
		if status := s.ask(ctx, *step.Ask); status == 0 {
			return fmt.Errorf("GET %s of %s got no answer", step.Ask.Path, step.Ask.Service)
		}
	case step.Answer != nil:
		return s.until(ctx, seenLimit, fmt.Sprintf("GET %s answers %d", step.Answer.Path, step.Answer.Status), func() (bool, error) {
			return s.ask(ctx, step.Answer.Ask) == step.Answer.Status, nil
		})
	case step.Scale != nil:
		_, err := s.client.Scale(ctx, platform.ScaleRequest{SlotRef: s.ref(step.Scale.Service), Replicas: step.Scale.Replicas})
		return err
	case step.Again != "":
		_, err := s.client.Restart(ctx, s.ref(step.Again), "to begin anew")
		return err
	case step.Seen != "":
		return s.seen(ctx, step.Seen)
	case step.Quiet > 0:
		return s.quiet(ctx, step.Quiet)
	}
	return nil
}

// commit changes the tree and commits it.
func (s *scene) commit(ctx context.Context, c scenarios.Commit) error {
	touched, err := c.Apply(s.tree)
	if err != nil {
		return err
	}
	if c.Certificate != nil {
		made, err := certify(s.tree, *c.Certificate)
		if err != nil {
			return err
		}
		touched = append(touched, made...)
	}
	for _, name := range touched {
		if err := s.write(name); err != nil {
			return err
		}
	}
	if _, err := s.git(ctx, "", "add", "-A"); err != nil {
		return err
	}
	if _, err := s.git(ctx, c.Author, "commit", "-q", "-m", c.Message); err != nil {
		return err
	}
	sha, err := s.git(ctx, "", "rev-parse", "HEAD")
	if sha = strings.TrimSpace(sha); c.Name == scenarios.ChangeGuilty {
		s.shas[c.Name] = sha
	} else {
		s.innocent = append(s.innocent, sha)
	}
	return err
}

// push pushes what was committed and waits until every deploy that follows has ended as it should.
func (s *scene) push(ctx context.Context, p scenarios.Push) error {
	if _, err := s.git(ctx, "", "push", "-q", "fairlead", "HEAD:main"); err != nil {
		return err
	}
	sha, err := s.git(ctx, "", "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	filter := platform.DeployFilter{SlotRef: platform.SlotRef{Project: s.project}, Commit: strings.TrimSpace(sha)}
	var deploys []platform.Deploy
	err = s.until(ctx, deployLimit, "the deploys of a push ended", func() (bool, error) {
		list, err := s.client.ListDeploys(ctx, filter)
		deploys = list.Items
		return err == nil && !slices.ContainsFunc(deploys, func(d platform.Deploy) bool { return !d.Phase.Terminal() }), err
	})
	if err != nil {
		return err
	}
	return endedAs(deploys, p)
}

func endedAs(deploys []platform.Deploy, p scenarios.Push) error {
	for _, d := range deploys {
		failing := slices.Contains(p.Failing, d.Service)
		switch {
		case failing && d.Phase != platform.PhaseFailed:
			return fmt.Errorf("the deploy of %s was to fail and is %s", d.Service, d.Phase)
		case !failing && d.Phase != platform.PhaseLive && d.Phase != platform.PhaseSuperseded:
			return fmt.Errorf("the deploy of %s is %s%s", d.Service, d.Phase, failureWords(d))
		}
	}
	return nil
}

func (s *scene) configure(ctx context.Context, e scenarios.Env) error {
	req := platform.SetEnvRequest{SlotRef: s.ref(e.Service), Unset: e.Unset}
	for key, value := range e.Set {
		req.Set = append(req.Set, platform.Variable{Key: key, Value: value, Secret: e.Secret})
	}
	set, err := s.client.SetEnv(ctx, req)
	if err != nil || set.Deploy == nil {
		return err
	}
	return s.until(ctx, deployLimit, "the deploy of a setting ended", func() (bool, error) {
		d, err := s.client.GetDeploy(ctx, set.Deploy.ID)
		return err == nil && d.Phase.Terminal(), err
	})
}

// send begins a load through the router, in place of the one that the service had.
func (s *scene) send(ctx context.Context, l scenarios.Load) error {
	if l.Service == "" {
		l.Service = serviceAPI
	}
	s.calm(l.Service)
	plan := loadtest.Plan{URL: "http://" + s.router, Host: s.host(l.Service), Rate: l.Rate, Duration: sceneLimit, Timeout: l.Timeout}
	if plan.Timeout == 0 {
		plan.Timeout = 5 * time.Second
	}
	for _, path := range l.Paths {
		kind := loadtest.Request{Path: path, BodyBytes: l.Body}
		if l.Body > 0 {
			kind.Method = http.MethodPost
		}
		plan.Mix = append(plan.Mix, kind)
	}
	load, err := loadtest.Start(ctx, plan)
	if err != nil {
		return err
	}
	s.loads[l.Service] = &running{load: load}
	return nil
}

func (s *scene) calm(service string) {
	if r := s.loads[service]; r != nil {
		r.load.Stop()
		delete(s.loads, service)
	}
}

// seen waits until a metric query of the project has an answer.
func (s *scene) seen(ctx context.Context, expr string) error {
	return s.until(ctx, seenLimit, "the metrics answer "+expr, func() (bool, error) {
		now := time.Now()
		series, err := s.client.QueryMetrics(ctx, s.project, observability.MetricQuery{Expr: expr, From: now, To: now})
		return err == nil && len(series) > 0, err
	})
}

// quiet watches for a while that nothing opens.
func (s *scene) quiet(ctx context.Context, length time.Duration) error {
	end := time.Now().Add(length)
	return s.until(ctx, length+10*time.Second, "nothing opened", func() (bool, error) {
		return !time.Now().Before(end), s.undisturbed(ctx)
	})
}
