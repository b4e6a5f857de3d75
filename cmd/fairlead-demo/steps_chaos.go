package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

const postgresOutage = 20 * time.Second

// stepChaos: the server dies twice at the worst moments and the database goes away; nobody outside notices.
func stepChaos(ctx context.Context, w *world) error {
	if err := w.quiet(ctx); err != nil {
		return err
	}
	if err := w.startLoad(ctx); err != nil {
		return err
	}
	if err := w.killMidDeploy(ctx); err != nil {
		return err
	}
	if err := w.killMidRollback(ctx); err != nil {
		return err
	}
	if err := w.stopDatabase(ctx); err != nil {
		return err
	}
	w.stopLoad("through two kills of the server and an outage of the database")
	return nil
}

// quiet waits until no deploy of the api is under way.
func (w *world) quiet(ctx context.Context) error {
	return w.until(ctx, time.Minute, "no deploy is under way", func() (bool, error) {
		list, err := w.client.ListDeploys(ctx, platform.DeployFilter{SlotRef: slot(serviceAPI)})
		if err != nil {
			return false, err
		}
		for _, d := range list.Items {
			if !d.Phase.Terminal() {
				return false, nil
			}
		}
		return true, nil
	})
}

func (w *world) killMidDeploy(ctx context.Context) error {
	if err := w.edit("api/main.py", `MODEL_VERSION = "2"`, `MODEL_VERSION = "3"`); err != nil {
		return err
	}
	sha, _, err := w.push(ctx, "Retrain the model: version 3")
	if err != nil {
		return err
	}
	d, err := w.deployOf(ctx, serviceAPI, sha)
	if err != nil {
		return err
	}
	d, err = w.reaches(ctx, d.ID, platform.PhaseStarting, platform.PhaseChecking)
	if err != nil {
		return err
	}
	resumed, err := w.killAndRestart(ctx)
	if err != nil {
		return err
	}
	w.say("   killed the server with -9 while the deploy was %s; ready again after %s", d.Phase, resumed.Round(10*time.Millisecond))
	d, err = w.settled(ctx, serviceAPI, sha, 2*time.Minute)
	if err != nil {
		return err
	}
	w.check("the deploy finishes after a kill -9", d.Phase == platform.PhaseLive, "release %d%s", d.ReleaseNumber, failureWords(d))
	w.check("its probes lost nothing", d.Probes.Failed == 0, "%d of %d probe requests failed", d.Probes.Failed, d.Probes.Sent)
	return w.checkOneSet(ctx, "after the killed deploy")
}

func (w *world) killMidRollback(ctx context.Context) error {
	d, err := w.client.Rollback(ctx, platform.RollbackRequest{SlotRef: slot(serviceAPI), Reason: "to show a rollback that survives a kill"})
	if err != nil {
		return err
	}
	d, err = w.reaches(ctx, d.ID, platform.PhaseStarting, platform.PhaseChecking, platform.PhaseShifting)
	if err != nil {
		return err
	}
	at := d.Phase
	if _, err := w.killAndRestart(ctx); err != nil {
		return err
	}
	d, err = w.reaches(ctx, d.ID, platform.PhaseLive)
	if err != nil {
		return err
	}
	w.check("the rollback finishes after a kill -9", d.Phase == platform.PhaseLive, "killed while %s; release %d is live%s", at, d.ReleaseNumber, failureWords(d))
	return w.checkOneSet(ctx, "after the killed rollback")
}

// killAndRestart kills the server and starts it again; it returns how long the server was away.
func (w *world) killAndRestart(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if err := w.killServer(); err != nil {
		return 0, err
	}
	if err := w.startServer(ctx); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// checkOneSet asserts that exactly the wanted containers run, all of the live release.
func (w *world) checkOneSet(ctx context.Context, when string) error {
	want, err := w.client.GetSlot(ctx, slot(serviceAPI))
	if err != nil {
		return err
	}
	var seen string
	err = w.until(ctx, 45*time.Second, "one set of containers "+when, func() (bool, error) {
		containers, err := w.engine.List(ctx, map[string]string{runtime.LabelSlot: string(want.ID), runtime.LabelRole: runtime.RoleInstance})
		if err != nil {
			return false, err
		}
		seen = ""
		live := 0
		for _, c := range containers {
			seen += fmt.Sprintf(" %s(v%s running=%t)", c.Name, c.Labels[runtime.LabelReleaseNo], c.Running)
			if c.Running && c.Labels[runtime.LabelRelease] == string(want.LiveReleaseID) {
				live++
			}
		}
		return live == want.Replicas && len(containers) == want.Replicas, nil
	})
	w.check("exactly one set of containers exists "+when, err == nil, "%s", strings.TrimSpace(seen))
	w.checkLoad(when)
	return nil
}

// stopDatabase takes Postgres away for 20 s.
func (w *world) stopDatabase(ctx context.Context) error {
	before, err := w.client.VerifyEvents(ctx)
	if err != nil {
		return err
	}
	if err := w.postgres.Stop(ctx); err != nil {
		return fmt.Errorf("stop Postgres: %w", err)
	}
	stopped := time.Now()
	out, code := w.fairlead(ctx, "status")
	w.show("fairlead status   (Postgres is stopped)", out, 4)
	w.check("the API answers 503 with a clear error", code == 8 && w.get(ctx, "/v1/status") == http.StatusServiceUnavailable, "exit %d", code)
	status, _ := w.predict(ctx, "/predict?text=still+here")
	w.check("traffic is unaffected", status == http.StatusOK, "%d", status)
	if err := w.until(ctx, postgresOutage+time.Second, "the outage lasts", func() (bool, error) { return time.Since(stopped) >= postgresOutage, nil }); err != nil {
		return err
	}
	if err := w.startPostgres(ctx); err != nil {
		return fmt.Errorf("start Postgres again: %w", err)
	}
	if err := w.until(ctx, 30*time.Second, "the API answers again", func() (bool, error) { return w.get(ctx, "/v1/status") == http.StatusOK, nil }); err != nil {
		return err
	}
	after, err := w.client.VerifyEvents(ctx)
	if err != nil {
		return err
	}
	w.check("nothing is lost: the chain holds and has every event", after.OK && after.Events >= before.Events, "%d events before, %d after %s without a database", before.Events, after.Events, postgresOutage)
	return w.deployAfterOutage(ctx)
}

func (w *world) deployAfterOutage(ctx context.Context) error {
	d, err := w.client.Deploy(ctx, platform.DeployRequest{SlotRef: slot(serviceAPI)})
	if err != nil {
		return err
	}
	d, err = w.reaches(ctx, d.ID, platform.PhaseLive)
	if err != nil {
		return err
	}
	w.check("the next deploy goes live as ever", d.Phase == platform.PhaseLive, "release %d%s", d.ReleaseNumber, failureWords(d))
	return nil
}

// stepTimeline: who did what, why, and the chain verifies.
func stepTimeline(ctx context.Context, w *world) error {
	out, code := w.fairlead(ctx, "events")
	w.show("fairlead events", out, 120)
	w.check("the timeline prints", code == 0, "%d lines", strings.Count(out, "\n"))
	w.contains("it tells the whole story", out, "admin", "fixer", "pushed", "rollback", "approved")
	out, code = w.fairlead(ctx, "events", "verify")
	w.show("fairlead events verify", out, 4)
	w.check("the hash chain verifies", code == 0, "")
	containers, err := w.engine.List(ctx, map[string]string{runtime.LabelService: serviceAPI, runtime.LabelRole: runtime.RoleInstance})
	if err != nil || len(containers) == 0 {
		return fmt.Errorf("no instance to ask about: %w", err)
	}
	out, code = w.fairlead(ctx, "why", containers[0].Labels[runtime.LabelInstance])
	w.show("fairlead why "+containers[0].Labels[runtime.LabelInstance], out, 12)
	w.check("fairlead why tells what happened to an instance", code == 0, "")
	return nil
}
