package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// The deploy overhead: from the image being there to traffic shifted, less what the engine needs to create and start the
// same container and what the application needs to answer its health check. Both are measured in turn in one run.
const (
	rounds        = 20
	overheadMust  = 250 * time.Millisecond
	overheadAim   = 150 * time.Millisecond
	benchPort     = 8000
	benchProject  = "shop"
	benchHealth   = "/healthz"
	benchBlueYAML = `project: shop
services:
  - name: api
    type: web
    port: 8000
    healthCheck: {path: /healthz, interval: 1s, timeout: 1s}
    drain: 1s
`
	benchDockerfile = "FROM scratch\nCOPY app /app\nCMD [\"/app\", \"app\"]\n"
)

// serveApp is the smallest application there can be: it answers its health check at once.
func serveApp() int {
	port := os.Getenv("PORT")
	if port == "" {
		port = strconv.Itoa(benchPort)
	}
	server := &http.Server{Addr: ":" + port, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})}
	if err := server.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// bench makes a world for the measurement, prints the figures and writes them to the file.
func bench(ctx context.Context, binary, out, blueprint string, measure func(context.Context, *world) ([]figure, error)) int {
	example, err := benchExample(blueprint)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(example)
	w, err := newWorld(ctx, binary, example, newReport(os.Stderr))
	defer func() { w.close(false) }()
	if err != nil {
		fmt.Fprintf(os.Stderr, "the bench's world could not be made: %v\n", err)
		return 1
	}
	figures, err := measure(ctx, w)
	if err != nil {
		w.dump()
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return printFigures(figures, out)
}

// benchExample writes a project whose image holds this very program, which then serves.
func benchExample(blueprint string) (string, error) {
	dir, err := os.MkdirTemp("", "fairlead-bench-")
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return dir, err
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return dir, err
	}
	for name, content := range map[string][]byte{"fairlead.yaml": []byte(blueprint), "Dockerfile": []byte(benchDockerfile), "app": program} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o755); err != nil {
			return dir, err
		}
	}
	return dir, nil
}

func measureOverhead(ctx context.Context, w *world) ([]figure, error) {
	if out, code := w.fairlead(ctx, "project", "create", "-f", "fairlead.yaml"); code != 0 {
		return nil, fmt.Errorf("create the project: %s", out)
	}
	if _, err := w.git(ctx, "init", "-q", "-b", "main"); err != nil {
		return nil, err
	}
	if _, err := w.git(ctx, "remote", "add", "fairlead", fmt.Sprintf("http://bench:%s@%s/git/%s.git", w.token, w.api, benchProject)); err != nil {
		return nil, err
	}
	sha, _, err := w.push(ctx, "The smallest application")
	if err != nil {
		return nil, err
	}
	first, err := w.settled(ctx, serviceAPI, sha, 2*time.Minute)
	if err != nil {
		return nil, err
	}
	if first.Phase != platform.PhaseLive {
		return nil, fmt.Errorf("the first deploy is %s%s", first.Phase, failureWords(first))
	}
	var shifted, plain, over []time.Duration
	for round := range rounds {
		base, err := w.plainStart(ctx, first.Image, round)
		if err != nil {
			return nil, err
		}
		took, err := w.timedDeploy(ctx)
		if err != nil {
			return nil, err
		}
		shifted, plain, over = append(shifted, took), append(plain, base), append(over, took-base)
		fmt.Fprintf(os.Stderr, "round %2d: image to traffic %7s   engine and application alone %7s\n", round+1, took.Round(time.Millisecond), base.Round(time.Millisecond))
	}
	return []figure{atMost("deploy overhead, median of 20", milliseconds(median(over)), "ms", milliseconds(overheadMust), milliseconds(overheadAim), map[string]float64{
		"image to traffic": milliseconds(median(shifted)), "engine start and application ready alone": milliseconds(median(plain)),
	})}, nil
}

// timedDeploy deploys the head again and returns the time from its image being recorded to its traffic having shifted.
func (w *world) timedDeploy(ctx context.Context) (time.Duration, error) {
	d, err := w.client.Deploy(ctx, platform.DeployRequest{SlotRef: slot(serviceAPI)})
	if err != nil {
		return 0, err
	}
	d, err = w.reaches(ctx, d.ID, platform.PhaseLive)
	if err != nil {
		return 0, err
	}
	if d.Phase != platform.PhaseLive {
		return 0, fmt.Errorf("a deploy is %s%s", d.Phase, failureWords(d))
	}
	list, err := w.client.ListEvents(ctx, platform.EventFilter{Subject: string(d.ID), Page: platform.Page{Limit: 100}})
	if err != nil {
		return 0, err
	}
	var built, moved time.Time
	for _, e := range list.Items {
		var payload struct {
			Phase platform.Phase `json:"phase"`
		}
		if json.Unmarshal(e.Payload, &payload) != nil {
			continue
		}
		if (payload.Phase == platform.PhaseReleasing || payload.Phase == platform.PhaseStarting) && built.IsZero() {
			built = e.At
		}
		if payload.Phase == platform.PhaseDraining {
			moved = e.At
		}
	}
	if built.IsZero() || moved.IsZero() {
		return 0, fmt.Errorf("the events of deploy %s do not tell when it was built and shifted", d.ID)
	}
	return moved.Sub(built).Abs(), nil
}

// plainStart creates and starts the same image by the engine alone and waits until it answers.
func (w *world) plainStart(ctx context.Context, image string, round int) (time.Duration, error) {
	id := fmt.Sprintf("ins_bench%d", round)
	installation, err := os.ReadFile(filepath.Join(w.state, "installation"))
	if err != nil {
		return 0, err
	}
	began := time.Now()
	c, err := w.engine.Start(ctx, runtime.Spec{
		Name: "fairlead-bench-" + string(installation[:8]) + "-" + strconv.Itoa(round), Image: image, Port: benchPort, Network: "fairlead-shop-production",
		Env: []string{"PORT=" + strconv.Itoa(benchPort)},
		Labels: map[string]string{
			runtime.LabelManaged: "true", runtime.LabelInstallation: string(installation[:len(installation)-1]),
			runtime.LabelInstance: id, runtime.LabelRole: runtime.RoleSystem,
		},
	})
	if err != nil {
		return 0, fmt.Errorf("start the plain container: %w", err)
	}
	defer func() { _ = w.engine.Remove(ctx, c.ID) }()
	err = w.answers(ctx, c.Address)
	return time.Since(began), err
}

// answers returns as soon as the address answers its health check.
func (w *world) answers(ctx context.Context, address string) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(20 * time.Second)
	dialer := &net.Dialer{Timeout: 100 * time.Millisecond}
	for time.Now().Before(deadline) {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+benchHealth, nil)
			if err != nil {
				return err
			}
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return fmt.Errorf("%s did not answer within 20 s", address)
}
