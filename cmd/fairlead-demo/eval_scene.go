package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/eval/scenarios"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/router/loadtest"
)

// scene is one scenario while it is played: a project of its own with its repository.
type scene struct {
	*world
	set     scenarios.Set
	c       scenarios.Case
	project string
	dir     string
	tree    map[string][]byte

	shas     map[string]string // of the commits that have a name
	innocent []string          // SHAs of all others after the first
	opened   []string          // titles of the incidents
	loads    map[string]*running
}

// running is the load of one service.
type running struct{ load *loadtest.Load }

func (s *scene) ref(service string) platform.SlotRef {
	return platform.SlotRef{Project: s.project, Service: service}
}

// Patience of a scene with things that are sure to come.
const (
	deployLimit = 2 * time.Minute
	seenLimit   = 60 * time.Second
	sceneLimit  = 6 * time.Minute
)

// play brings the stack live, takes every step, waits for the incident and scores its diagnosis.
func (s *scene) play(ctx context.Context) (scenarios.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, sceneLimit)
	defer cancel()
	if err := s.begin(ctx); err != nil {
		return scenarios.Result{}, err
	}
	for i, step := range s.c.Steps {
		if err := s.take(ctx, step); err != nil {
			return scenarios.Result{}, fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	expected := scenarios.Expect(s.c, s.shas, s.innocent)
	if s.c.Verdict == platform.VerdictHealthy && len(s.c.Incident.Signals) == 0 {
		return scenarios.Undisturbed(s.c.Name, expected), s.undisturbed(ctx)
	}
	detail, err := s.explained(ctx)
	if err != nil {
		return scenarios.Result{}, err
	}
	if err := writeJSON(filepath.Join(s.records, "incidents", s.c.Name+".json"), detail); err != nil {
		return scenarios.Result{}, err
	}
	r := scenarios.Score(s.c.Name, expected, detail.Incident, *detail.Diagnosis)
	r.Offline, err = s.offline(ctx, detail, expected)
	return r, err
}

// begin creates the project and brings its first commit live.
func (s *scene) begin(ctx context.Context) error {
	var err error
	if s.tree, err = scenarios.Tree(s.c, s.project); err != nil {
		return err
	}
	s.dir = filepath.Join(s.world.dir, "repos", s.project)
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	for name := range s.tree {
		if err := s.write(name); err != nil {
			return err
		}
	}
	if _, err := s.client.CreateProject(ctx, platform.CreateProjectRequest{Blueprint: string(s.tree["fairlead.yaml"])}); err != nil {
		return fmt.Errorf("create the project: %w", err)
	}
	remote := fmt.Sprintf("http://eval:%s@%s/git/%s.git", s.token, s.api, s.project)
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"remote", "add", "fairlead", remote}, {"add", "-A"}, {"commit", "-q", "-m", "The shop"}} {
		if _, err := s.git(ctx, "", args...); err != nil {
			return err
		}
	}
	return s.push(ctx, scenarios.Push{})
}

// write writes a file of the tree into the repository, or removes it there where the tree has it no more.
func (s *scene) write(name string) error {
	file := filepath.Join(s.dir, filepath.FromSlash(name))
	raw, kept := s.tree[name]
	if !kept {
		return os.Remove(file)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, raw, 0o644)
}

func (s *scene) git(ctx context.Context, author string, args ...string) (string, error) {
	identity := []string{"-c", "user.name=Ada", "-c", "user.email=ada@example.com"}
	if author != "" {
		args = append(args, "--author", author)
	}
	out, code := s.run(ctx, s.dir, s.env(), "git", append(identity, args...)...)
	if code != 0 {
		return out, fmt.Errorf("git %s: exit %d: %s", args[0], code, out)
	}
	return out, nil
}

// end stops the load and removes the project.
func (s *scene) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	for _, r := range s.loads {
		r.load.Stop()
	}
	err := s.client.DeleteProject(ctx, platform.DeleteProjectRequest{Project: s.project, Volumes: true})
	if err != nil && platform.CodeOf(err) != platform.CodeNotFound {
		s.say("clean-up of %s: %v", s.project, err)
	}
	_ = os.RemoveAll(s.dir)
}

// incidents returns those of the project, newest first, and notes their titles.
func (s *scene) incidents(ctx context.Context, service string) ([]platform.Incident, error) {
	list, err := s.client.ListIncidents(ctx, platform.IncidentFilter{SlotRef: s.ref(service)})
	if err != nil {
		return nil, err
	}
	for _, in := range list.Items {
		if title := fmt.Sprintf("%s: %s", in.Signal, in.Title); !slices.Contains(s.opened, title) {
			s.opened = append(s.opened, title)
		}
	}
	return list.Items, nil
}

// explained waits for the incident of the case and its first diagnosis.
func (s *scene) explained(ctx context.Context) (platform.IncidentDetail, error) {
	want := s.c.Incident
	var found platform.IncidentDetail
	err := s.until(ctx, want.Within, fmt.Sprintf("an incident %v of %s opened and was explained", want.Signals, want.Service), func() (bool, error) {
		if _, err := s.incidents(ctx, ""); err != nil {
			return false, err
		}
		list, err := s.incidents(ctx, want.Service)
		if err != nil {
			return false, err
		}
		for _, in := range slices.Backward(list) {
			if len(want.Signals) > 0 && !slices.Contains(want.Signals, in.Signal) {
				continue
			}
			found, err = s.client.GetIncident(ctx, in.ID)
			return err == nil && found.Diagnosis != nil, err
		}
		return false, nil
	})
	if err != nil && len(s.opened) > 0 {
		err = fmt.Errorf("%w (opened: %s)", err, strings.Join(s.opened, "; "))
	}
	return found, err
}

// undisturbed returns an error when an incident has opened, other than those that the case waits for.
func (s *scene) undisturbed(ctx context.Context) error {
	list, err := s.incidents(ctx, "")
	wanted := func(in platform.Incident) bool { return slices.Contains(s.c.Incident.Signals, in.Signal) }
	if list = slices.DeleteFunc(list, wanted); err != nil || len(list) == 0 {
		return err
	}
	return fmt.Errorf("nothing is wrong and an incident opened: %s", strings.Join(s.opened, "; "))
}

// ask sends one request through the router and returns the status, 0 where none came.
func (s *scene) ask(ctx context.Context, a scenarios.Ask) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.router+a.Path, nil)
	if err != nil {
		return 0
	}
	req.Host = s.host(a.Service)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func (s *scene) host(service string) string {
	if service == "" {
		service = serviceAPI
	}
	return platform.DefaultHost(s.project, platform.ProductionName, service, "localhost")
}
