package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// stepFirstPush: from nothing to two services that answer.
func stepFirstPush(ctx context.Context, w *world) error {
	out, code := w.fairlead(ctx, "project", "create", "-f", "fairlead.yaml")
	w.show("fairlead project create -f fairlead.yaml", out, 20)
	if !w.check("the project is made from its blueprint", code == 0, "exit %d", code) {
		return fmt.Errorf("no project")
	}
	if _, err := w.git(ctx, "init", "-q", "-b", "main"); err != nil {
		return err
	}
	remote := fmt.Sprintf("http://demo:%s@%s/git/shop.git", w.token, w.api)
	if _, err := w.git(ctx, "remote", "add", "fairlead", remote); err != nil {
		return err
	}
	sha, pushed, err := w.push(ctx, "Serve predictions and streams")
	if err != nil {
		return err
	}
	w.show("git push fairlead main", pushed, 20)
	w.contains("the push says what it led to", pushed, "remote:", "api", "features")

	d, err := w.deployOf(ctx, serviceAPI, sha)
	if err != nil {
		return err
	}
	logs, code := w.fairlead(ctx, "logs", "--deploy", string(d.ID), "--follow")
	w.show("fairlead logs --deploy "+string(d.ID)+" --follow", logs, 8)
	w.check("the build log streams", code == 0 && strings.Contains(logs, "py_compile"), "%d lines", strings.Count(logs, "\n"))

	for _, service := range []string{serviceAPI, "features"} {
		d, err := w.settled(ctx, service, sha, 3*time.Minute)
		if err != nil {
			return err
		}
		if !w.check(service+" is live", d.Phase == platform.PhaseLive, "release %d, %s%s", d.ReleaseNumber, d.Phase, failureWords(d)) {
			return fmt.Errorf("%s did not go live", service)
		}
	}
	status, body := w.predict(ctx, "/predict?text=hello+world")
	w.check("/predict answers through the router, with the features of the private service", status == http.StatusOK && strings.Contains(body, `"score"`), "%d %s", status, body)
	out, code = w.fairlead(ctx, "status")
	w.show("fairlead status", out, 20)
	w.check("fairlead status shows both services live", code == 0 && strings.Contains(out, "features") && strings.Contains(out, "live"), "")
	w.good = sha
	return nil
}

// stepGoodChange: a swap under load loses nothing.
func stepGoodChange(ctx context.Context, w *world) error {
	if err := w.startLoad(ctx); err != nil {
		return err
	}
	if err := w.edit("api/main.py", `MODEL_VERSION = "1"`, `MODEL_VERSION = "2"`); err != nil {
		return err
	}
	sha, _, err := w.push(ctx, "Retrain the model: version 2")
	if err != nil {
		return err
	}
	d, err := w.settled(ctx, serviceAPI, sha, 2*time.Minute)
	if err != nil {
		return err
	}
	if !w.check("the new release is live", d.Phase == platform.PhaseLive, "release %d%s", d.ReleaseNumber, failureWords(d)) {
		return fmt.Errorf("the good change did not go live")
	}
	_, body := w.predict(ctx, "/version")
	w.check("the new model answers", strings.Contains(body, `"model_version": "2"`), "%s", body)
	w.check("the deploy reports its own probes", d.Probes.Sent > 0 && d.Probes.Failed == 0, "%d of %d probe requests failed", d.Probes.Failed, d.Probes.Sent)
	out, _ := w.fairlead(ctx, "deploy", "show", string(d.ID))
	w.show("fairlead deploy show "+string(d.ID), out, 16)
	w.contains("the deploy says so in words", out, fmt.Sprintf("0 of %d probe requests failed", d.Probes.Sent))
	features, err := w.client.ListDeploys(ctx, platform.DeployFilter{SlotRef: slot("features")})
	if err != nil {
		return err
	}
	w.check("the service whose files did not change was not deployed again", len(features.Items) == 1, "%d deploys of features", len(features.Items))
	w.check("the model cache was written by the first start only", w.weightsWrittenOnce(ctx), "the second release found the weights in the cache")
	w.checkLoad("during the swap")
	w.good = sha
	return nil
}

func (w *world) weightsWrittenOnce(ctx context.Context) bool {
	found, err := w.client.SearchLogs(ctx, observability.LogQuery{Project: "shop", Service: serviceAPI, Text: "weights", Limit: 100})
	if err != nil {
		return false
	}
	written, reused := 0, 0
	for _, line := range found.Lines {
		if strings.Contains(line.Message, "written to the cache") {
			written++
		}
		if strings.Contains(line.Message, "found in the cache") {
			reused++
		}
	}
	return written == 1 && reused >= 1
}

// stepSyntaxError: the build fails, and the diagnosis names commit, file, line and the build log line.
func stepSyntaxError(ctx context.Context, w *world) error {
	const broken = "    return {\n        \"text\": text,,\n"
	if err := w.edit("api/main.py", "    return {\n        \"text\": text,\n", broken); err != nil {
		return err
	}
	line := w.firstLine("api/main.py", `"text": text,,`)
	sha, _, err := w.push(ctx, "Answer with the text as given")
	if err != nil {
		return err
	}
	d, err := w.settled(ctx, serviceAPI, sha, 2*time.Minute)
	if err != nil {
		return err
	}
	w.check("the build fails", d.Phase == platform.PhaseFailed && d.Failure != nil && d.Failure.Reason == platform.FailureBuild, "%s%s", d.Phase, failureWords(d))
	status, body := w.predict(ctx, "/version")
	w.check("the old release serves on", status == http.StatusOK && strings.Contains(body, `"model_version": "2"`), "%s", body)
	incident, err := w.openIncident(ctx, platform.SignalBuildFailed, 20*time.Second)
	if err != nil {
		return err
	}
	detail, err := w.diagnosed(ctx, incident.ID)
	if err != nil {
		return err
	}
	out, _ := w.fairlead(ctx, "diagnose", string(incident.ID))
	w.show("fairlead diagnose "+string(incident.ID), out, 30)
	w.contains("the diagnosis names the commit, the file and the line", out, platform.ShortSHA(sha), "main.py", fmt.Sprint(line))
	cause, ok := firstCause(detail)
	w.check("it ties the failure to the commit", ok && cause.Change != nil && cause.Change.ID == sha && cause.Category == platform.CategoryBuildFailed, "%s", cause.Summary)
	w.check("it cites the build log line", citesText(detail, cause, "SyntaxError"), "SyntaxError")
	w.checkLoad("while the build failed")
	return w.revertLast(ctx)
}

// stepMissingVariable: the gate keeps the old release, and the dead container's log survives it.
func stepMissingVariable(ctx context.Context, w *world) error {
	if err := w.edit("api/main.py", "FEATURES_URL = os.environ[\"FEATURES_URL\"]\n",
		"FEATURES_URL = os.environ[\"FEATURES_URL\"]\nPAYMENTS_URL = os.environ[\"PAYMENTS_URL\"]\n"); err != nil {
		return err
	}
	sha, _, err := w.push(ctx, "Charge for each prediction")
	if err != nil {
		return err
	}
	d, err := w.settled(ctx, serviceAPI, sha, 2*time.Minute)
	if err != nil {
		return err
	}
	w.check("the deploy fails because the process ended", d.Phase == platform.PhaseFailed && d.Failure != nil && d.Failure.Reason == platform.FailureExited, "%s%s", d.Phase, failureWords(d))
	status, body := w.predict(ctx, "/version")
	w.check("the gate kept the old release", status == http.StatusOK && strings.Contains(body, `"model_version": "2"`), "%s", body)
	out, _ := w.fairlead(ctx, "logs", "api", "--deploy", string(d.ID), "--grep", "PAYMENTS_URL")
	w.show("fairlead logs api --deploy "+string(d.ID)+" --grep PAYMENTS_URL", out, 12)
	w.contains("the dead container's log is kept", out, "KeyError")

	incident, err := w.openIncident(ctx, platform.SignalDeployFailed, 20*time.Second)
	if err != nil {
		return err
	}
	detail, err := w.diagnosed(ctx, incident.ID)
	if err != nil {
		return err
	}
	out, _ = w.fairlead(ctx, "diagnose", string(incident.ID))
	w.show("fairlead diagnose "+string(incident.ID), out, 30)
	cause, ok := firstCause(detail)
	w.check("the diagnosis says which variable", ok && cause.Category == platform.CategoryMissingEnv && cause.Variable == "PAYMENTS_URL", "%s", cause.Summary)
	w.check("it says which commit introduced it", cause.Change != nil && cause.Change.ID == sha, "%s", platform.ShortSHA(sha))
	_, sets := planFor(detail, platform.ActionSetEnv)
	_, reverts := planFor(detail, platform.ActionRevertCommit)
	w.check("it proposes to set it or to revert", sets && reverts, "%d plans", len(detail.Plans))
	w.checkLoad("while the new release crashed")
	w.stopLoad("from the good change to here")
	return w.revertLast(ctx)
}

// stepBadRelease: healthy by its check, broken for its users.
func stepBadRelease(ctx context.Context, w *world) error {
	if err := w.edit("api/main.py", "    total = sum(abs(v) for v in values)\n", "    total = sum(v for v in values if v < 0)\n"); err != nil {
		return err
	}
	line := w.firstLine("api/main.py", "return [v / total for v in values]")
	sha, _, err := w.push(ctx, "Normalise weights by their sign")
	if err != nil {
		return err
	}
	d, err := w.settled(ctx, serviceAPI, sha, 2*time.Minute)
	if err != nil {
		return err
	}
	if !w.check("the release passes its health check and goes live", d.Phase == platform.PhaseLive, "release %d%s", d.ReleaseNumber, failureWords(d)) {
		return fmt.Errorf("the bad release did not go live")
	}
	if err := w.startLoad(ctx); err != nil {
		return err
	}
	began := time.Now()
	incident, err := w.openIncident(ctx, platform.SignalErrorRate, 30*time.Second)
	if err != nil {
		return err
	}
	w.check("an incident opened by itself within 30 s", true, "%s: %s", time.Since(began).Round(100*time.Millisecond), incident.Title)
	detail, err := w.diagnosed(ctx, incident.ID)
	if err != nil {
		return err
	}
	out, _ := w.fairlead(ctx, "diagnose", string(incident.ID))
	w.show("fairlead diagnose "+string(incident.ID), out, 45)
	cause, ok := firstCause(detail)
	w.check("the diagnosis ties the error to the commit of this release", ok && cause.Change != nil && cause.Change.ID == sha, "%s", cause.Summary)
	w.check("it names the file and the line", cause.Location != nil && filepath.Base(cause.Location.File) == "main.py" && cause.Location.Line == line, "%+v", locationWords(cause))
	w.check("it shows the hunk of the diff that caused it", cause.Location != nil && strings.Contains(cause.Location.Hunk, "if v < 0"), "")
	w.check("it says that the previous release did not show it", mentionsPrevious(detail), "%s", previousWords(detail))
	plan, ok := planFor(detail, platform.ActionRollback)
	w.check("it proposes a rollback", ok && plan.State == platform.PlanPending, "%s", plan.Body.Title)
	w.incident, w.plan = string(incident.ID), string(plan.ID)
	return nil
}

func failureWords(d platform.Deploy) string {
	if d.Failure == nil {
		return ""
	}
	return ": " + platform.Truncate(d.Failure.Message, 600)
}

func firstCause(detail platform.IncidentDetail) (platform.Cause, bool) {
	if detail.Diagnosis == nil || len(detail.Diagnosis.Causes) == 0 {
		return platform.Cause{}, false
	}
	return detail.Diagnosis.Causes[0], true
}

// citesText reports whether a claim of the cause cites evidence that holds the text.
func citesText(detail platform.IncidentDetail, cause platform.Cause, text string) bool {
	for _, claim := range cause.Claims {
		if strings.Contains(evidenceText(detail, claim.Evidence), text) {
			return true
		}
	}
	return false
}

func locationWords(c platform.Cause) string {
	if c.Location == nil {
		return "no place named"
	}
	return fmt.Sprintf("%s:%d", c.Location.File, c.Location.Line)
}

func previousWords(detail platform.IncidentDetail) string {
	if detail.Diagnosis == nil {
		return ""
	}
	texts := make([]string, 0, 8)
	for _, c := range detail.Diagnosis.Causes {
		for _, claim := range c.Claims {
			texts = append(texts, claim.Text)
		}
	}
	for _, r := range detail.Diagnosis.RuledOut {
		texts = append(texts, r.Hypothesis+": "+r.Why)
	}
	for _, text := range texts {
		if strings.Contains(strings.ToLower(text), "previous release") {
			return text
		}
	}
	return ""
}

func mentionsPrevious(detail platform.IncidentDetail) bool { return previousWords(detail) != "" }
