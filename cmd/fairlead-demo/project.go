package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

const serviceAPI = "api"

func slot(service string) platform.SlotRef {
	return platform.SlotRef{Project: "shop", Service: service}
}

// edit replaces the one place where before stands in a file of the repository.
func (w *world) edit(file, before, after string) error {
	path := filepath.Join(w.repo, file)
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if strings.Count(string(raw), before) != 1 {
		return fmt.Errorf("%q must stand once in %s", before, file)
	}
	return os.WriteFile(path, []byte(strings.Replace(string(raw), before, after, 1)), 0o644)
}

// push commits what has changed, where anything has, and pushes it; it returns the SHA and what git printed.
func (w *world) push(ctx context.Context, message string) (sha, output string, err error) {
	if _, err := w.git(ctx, "add", "-A"); err != nil {
		return "", "", err
	}
	changed, err := w.git(ctx, "status", "--porcelain")
	if err != nil {
		return "", "", err
	}
	if changed != "" {
		if _, err := w.git(ctx, "commit", "-q", "-m", message); err != nil {
			return "", "", err
		}
	}
	output, err = w.git(ctx, "push", "fairlead", "HEAD:main")
	if err != nil {
		return "", output, err
	}
	sha, err = w.git(ctx, "rev-parse", "HEAD")
	return strings.TrimSpace(sha), output, err
}

// revertLast undoes the newest commit in a commit of its own, not yet pushed.
func (w *world) revertLast(ctx context.Context) error {
	_, err := w.git(ctx, "revert", "--no-edit", "HEAD")
	return err
}

// deployOf returns the newest deploy of a commit in a service.
func (w *world) deployOf(ctx context.Context, service, sha string) (platform.Deploy, error) {
	list, err := w.client.ListDeploys(ctx, platform.DeployFilter{SlotRef: slot(service), Commit: sha})
	if err != nil {
		return platform.Deploy{}, err
	}
	if len(list.Items) == 0 {
		return platform.Deploy{}, platform.Errorf(platform.CodeNotFound, "No deploy of %s.", platform.ShortSHA(sha))
	}
	return list.Items[0], nil
}

// settled waits until the deploy of a commit has ended, and returns it.
func (w *world) settled(ctx context.Context, service, sha string, limit time.Duration) (platform.Deploy, error) {
	var d platform.Deploy
	err := w.until(ctx, limit, "the deploy of "+platform.ShortSHA(sha)+" ended", func() (bool, error) {
		var err error
		d, err = w.deployOf(ctx, service, sha)
		if code := platform.CodeOf(err); code == platform.CodeNotFound || code == platform.CodeUnavailable {
			return false, nil
		}
		return d.Phase.Terminal(), err
	})
	return d, err
}

// reaches waits until a deploy is in one of the phases, or has ended.
func (w *world) reaches(ctx context.Context, id platform.DeployID, phases ...platform.Phase) (platform.Deploy, error) {
	var d platform.Deploy
	err := w.until(ctx, time.Minute, fmt.Sprintf("deploy %s is %v", id, phases), func() (bool, error) {
		var err error
		if d, err = w.client.GetDeploy(ctx, id); err != nil {
			return false, err
		}
		for _, p := range phases {
			if d.Phase == p {
				return true, nil
			}
		}
		return d.Phase.Terminal(), nil
	})
	return d, err
}

// openIncident waits for an open incident of the api with the given signal.
func (w *world) openIncident(ctx context.Context, signal platform.Signal, limit time.Duration) (platform.Incident, error) {
	var found platform.Incident
	err := w.until(ctx, limit, "an incident "+string(signal)+" opened", func() (bool, error) {
		list, err := w.client.ListIncidents(ctx, platform.IncidentFilter{SlotRef: slot(serviceAPI), State: platform.IncidentOpen})
		if err != nil {
			return false, err
		}
		for _, in := range list.Items {
			if in.Signal == signal {
				found = in
				return true, nil
			}
		}
		return false, nil
	})
	return found, err
}

// diagnosed waits until an incident has its diagnosis.
func (w *world) diagnosed(ctx context.Context, id platform.IncidentID) (platform.IncidentDetail, error) {
	var detail platform.IncidentDetail
	err := w.until(ctx, 30*time.Second, "incident "+string(id)+" was diagnosed", func() (bool, error) {
		var err error
		detail, err = w.client.GetIncident(ctx, id)
		return err == nil && detail.Diagnosis != nil, err
	})
	return detail, err
}

// predict asks the api through the router.
func (w *world) predict(ctx context.Context, path string) (int, string) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.router+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	req.Host = platform.DefaultHost("shop", platform.ProductionName, serviceAPI, "localhost")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body := make([]byte, 4096)
	n, _ := resp.Body.Read(body)
	return resp.StatusCode, string(body[:n])
}

// planFor returns the plan with the given action on an incident.
func planFor(detail platform.IncidentDetail, kinds ...platform.ActionKind) (platform.Plan, bool) {
	for _, kind := range kinds {
		for _, p := range detail.Plans {
			if p.Body.Action.Kind == kind {
				return p, true
			}
		}
	}
	return platform.Plan{}, false
}

// evidenceText joins the excerpts of the evidence with the given ids.
func evidenceText(detail platform.IncidentDetail, ids []platform.EvidenceID) string {
	var b strings.Builder
	for _, e := range detail.Evidence {
		for _, id := range ids {
			if e.ID == id {
				b.WriteString(e.Excerpt + "\n")
			}
		}
	}
	return b.String()
}

// firstLine is the 1-based line of the first occurrence of text in a file of the repository.
func (w *world) firstLine(file, text string) int {
	raw, err := os.ReadFile(filepath.Join(w.repo, file))
	if err != nil {
		return 0
	}
	before, _, found := strings.Cut(string(raw), text)
	if !found {
		return 0
	}
	return 1 + strings.Count(before, "\n")
}
