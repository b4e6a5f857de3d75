package control

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/triage"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
)

// Kinds of decisions that only live alerts have, beside those of package triage.
const (
	kindSilenced  = "silenced"
	kindUnrouted  = "unrouted"
	kindOverFirst = "resolved"
)

// serviceLabels are the labels in which an alert may name its service, the plainest first.
var (
	serviceLabels     = []string{"fairlead_service", "service", "service_name", "app", "app_kubernetes_io_name", "job", "container", "deployment"}
	environmentLabels = []string{"fairlead_environment", "environment", "env"}
)

// ListInboundAlerts returns alerts from outside with what was made of them, newest first.
func (p *Plane) ListInboundAlerts(ctx context.Context, actor platform.Actor, f platform.InboundFilter) (platform.List[platform.InboundAlert], error) {
	var l platform.List[platform.InboundAlert]
	err := p.store.View(ctx, func(tx *store.Tx) error {
		scope, err := scopeOf(ctx, tx, actor, f.SlotRef)
		if err != nil {
			return err
		}
		l, err = tx.ListInboundAlerts(ctx, scope, f)
		return err
	})
	return l, err
}

// ReceiveAlerts takes a notification from outside: each alert is paged or suppressed with its reason, and recorded. A page
// opens an incident as a finding of our own rules does. The same notification again changes nothing but counts. It
// returns the alerts in the order of the notification.
func (p *Plane) ReceiveAlerts(ctx context.Context, actor platform.Actor, req platform.ReceiveAlertsRequest) ([]platform.InboundAlert, error) {
	if err := authorize(actor, verbAlert, ""); err != nil {
		return nil, err
	}
	if err := req.Check(); err != nil {
		return nil, err
	}
	in := &intake{plane: p, actor: actor, source: req.Source}
	if err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		if in.project, err = findProject(ctx, tx, actor, verbAlert, req.Project); err != nil {
			return err
		}
		in.slots, err = tx.ListSlots(ctx, in.project.ID)
		return err
	}); err != nil {
		return nil, err
	}
	for _, r := range req.Alerts {
		in.news = append(in.news, in.row(req, r))
	}
	in.measure(ctx, in.news)
	var out []platform.InboundAlert
	err := p.store.InTx(ctx, func(tx *store.Tx) error {
		var err error
		out, err = in.take(ctx, tx)
		return err
	})
	return out, err
}

// ReviewAlerts judges again what fires and is suppressed: what flapped may stay, and what an incident covered may outlive it.
func (p *Plane) ReviewAlerts(ctx context.Context) error {
	var projects []platform.Project
	if err := p.store.View(ctx, func(tx *store.Tx) error {
		var err error
		projects, err = tx.ProjectsWithQuietAlerts(ctx)
		return err
	}); err != nil {
		return err
	}
	for _, project := range projects {
		in := &intake{plane: p, actor: detector, project: project}
		if err := p.store.View(ctx, func(tx *store.Tx) error {
			var err error
			if in.slots, err = tx.ListSlots(ctx, project.ID); err != nil {
				return err
			}
			in.news, err = tx.ListQuietAlerts(ctx, project.Name)
			return err
		}); err != nil {
			return err
		}
		in.measure(ctx, in.news)
		in.news = nil
		if err := p.store.InTx(ctx, func(tx *store.Tx) error {
			_, err := in.take(ctx, tx)
			return err
		}); err != nil {
			return fmt.Errorf("review alerts of %s: %w", project.Name, err)
		}
	}
	return nil
}

// intake is one notification while it is taken.
type intake struct {
	plane   *Plane
	actor   platform.Actor
	source  platform.InboundSource
	project platform.Project
	slots   []platform.Slot
	news    []platform.InboundAlert // as told: decision, count and history are not filled yet
	facts   recordedFacts
}

// row brings a received alert to the form in which it is kept, with text cleared and bounded.
func (in *intake) row(req platform.ReceiveAlertsRequest, r platform.ReceivedAlert) platform.InboundAlert {
	now := in.plane.now()
	a := platform.InboundAlert{
		Project: in.project.Name, Source: req.Source, Fingerprint: platform.Truncate(store.Clean(r.Fingerprint), 128), Name: outsideText(r.Name), Severity: outsideText(strings.ToLower(r.Severity)),
		Summary: outsideText(r.Summary), Metric: outsideText(r.Metric), Value: r.Value, Threshold: r.Threshold, Pattern: outsideText(r.Pattern),
		Release: outsideText(r.Release), Labels: map[string]string{}, State: platform.InboundFiring, StartsAt: r.StartsAt.UTC(), LastSeenAt: now,
	}
	for k, v := range r.Labels {
		a.Labels[outsideText(k)] = outsideText(v)
	}
	if a.StartsAt.IsZero() || a.StartsAt.Year() < 2000 || a.StartsAt.After(now) {
		a.StartsAt = now
	}
	if r.Resolved {
		a.State = platform.InboundResolved
		ended := r.EndsAt.UTC()
		if ended.Before(a.StartsAt) || ended.After(now) {
			ended = now
		}
		a.ResolvedAt = &ended
	}
	a.Environment, a.Service = in.placeOf(req, r)
	if a.Fingerprint == "" {
		a.Fingerprint = fingerprintOf(r, a.Environment)
	}
	return a
}

func outsideText(s string) string {
	return secret.Redact(platform.Truncate(store.Clean(strings.TrimSpace(s)), platform.MaxInboundText))
}

// fingerprintOf makes one of what tells an alert from others, where its source gives none.
func fingerprintOf(r platform.ReceivedAlert, environment string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q", r.Name, r.Service, environment)
	for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
		fmt.Fprintf(h, " %q=%q", k, r.Labels[k])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// placeOf finds which of our services an alert is about; service is "" when it names none of ours.
func (in *intake) placeOf(req platform.ReceiveAlertsRequest, r platform.ReceivedAlert) (environment, service string) {
	given := []string{r.Environment}
	for _, l := range environmentLabels {
		given = append(given, r.Labels[l])
	}
	environment = cmp.Or(req.Environment, platform.ProductionName)
	for _, name := range given {
		if name != "" && slices.ContainsFunc(in.slots, func(s platform.Slot) bool { return s.Environment == name }) {
			environment = name
			break
		}
	}
	wanted := append([]string{r.Service}, valuesOf(r.Labels, serviceLabels)...)
	for _, name := range append(wanted, req.Service) {
		for _, s := range in.slots {
			if name != "" && s.Environment == environment && (strings.EqualFold(s.Service, name) || string(s.ServiceID) == name) {
				return environment, s.Service
			}
		}
	}
	return environment, ""
}

func valuesOf(labels map[string]string, keys []string) []string {
	var out []string
	for _, k := range keys {
		if v := labels[k]; v != "" {
			out = append(out, v)
		}
	}
	return out
}

// take merges the news into what is known, judges what needs it, and records everything.
func (in *intake) take(ctx context.Context, tx *store.Tx) ([]platform.InboundAlert, error) {
	prints := []string{}
	for _, a := range in.news {
		prints = append(prints, a.Fingerprint)
	}
	known, err := tx.LockInboundAlerts(ctx, in.project.Name, in.source, prints)
	if err != nil {
		return nil, err
	}
	open, err := in.openIncidents(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows := newRows(known, open)
	if in.news == nil {
		for i := range rows.all {
			rows.judge[i] = rows.needs(rows.all[i])
		}
	}
	order := make([]int, 0, len(in.news))
	for _, a := range in.news {
		order = append(order, rows.merge(a, in.plane.now()))
	}
	if n := rows.firing(); n > platform.MaxInboundFiring {
		return nil, platform.Errorf(platform.CodeExhausted, "%d alerts from outside would fire in %s; %d are kept.", n, in.project.Name, platform.MaxInboundFiring).
			WithHint("Group them at their source, or resolve what is over.")
	}
	if err := in.decide(ctx, tx, rows, open); err != nil {
		return nil, err
	}
	for i := range rows.all {
		if rows.changed[i] {
			if err := tx.PutInboundAlert(ctx, rows.all[i]); err != nil {
				return nil, err
			}
		}
	}
	out := make([]platform.InboundAlert, 0, len(order))
	for _, i := range order {
		out = append(out, rows.all[i])
	}
	return out, tx.DropInboundAlerts(ctx, in.project.Name, in.plane.now().Add(-platform.InboundKept))
}

func (in *intake) openIncidents(ctx context.Context, tx *store.Tx) ([]platform.Incident, error) {
	var out []platform.Incident
	for _, s := range in.slots {
		open, err := tx.OpenIncidentsOf(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, open...)
	}
	return out, nil
}

// decide judges the rows that need it, in each environment by itself, opens and resolves incidents, and tells of it.
func (in *intake) decide(ctx context.Context, tx *store.Tx, rows *rows, open []platform.Incident) error {
	for _, environment := range rows.environments() {
		b, err := in.bundle(ctx, tx, rows, environment, open)
		if err != nil {
			return err
		}
		for _, d := range triage.Decide(b).Decisions {
			i := rows.byID(platform.InboundID(d.Alert))
			if i < 0 || !rows.judge[i] {
				continue
			}
			if err := in.act(ctx, tx, rows, i, d); err != nil {
				return err
			}
		}
	}
	for i, a := range rows.all {
		if rows.ended[i] {
			if err := in.resolve(ctx, tx, rows, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// act carries out one decision.
func (in *intake) act(ctx context.Context, tx *store.Tx, rows *rows, i int, d triage.Decision) error {
	a := &rows.all[i]
	before := *a
	a.Decision, a.Kind, a.Reason, a.Evidence, a.DuplicateOf = platform.InboundDecision(d.Verdict), string(d.Kind), d.Reason, d.Evidence, d.DuplicateOf
	if a.Decision == platform.InboundPage {
		if err := in.page(ctx, tx, a); err != nil {
			return err
		}
	}
	rows.changed[i] = true
	if before.Decision == a.Decision && before.Kind == a.Kind && before.DuplicateOf == a.DuplicateOf && !rows.fresh[i] {
		return nil
	}
	kind, word := platform.EventAlertSuppressed, "suppressed"
	if a.Decision == platform.InboundPage {
		kind, word = platform.EventAlertPaged, "paged"
	}
	in.plane.record(tx, fact{
		kind: kind, actor: in.actor, at: place{a.Project, a.Environment, a.Service}, subject: string(a.ID), cause: string(a.IncidentID),
		summary: fmt.Sprintf("The alert %q from %s is %s: %s", platform.Truncate(a.Name, 200), a.Source, word, a.Reason),
		payload: map[string]any{"kind": a.Kind, "evidence": a.Evidence, "severity": a.Severity, "incident": a.IncidentID, "duplicate_of": a.DuplicateOf},
	})
	return nil
}

// page opens or merges into an incident, as a finding of our own rules does. An alert that names no service of ours has
// no place for one: it is shown as such, and never as suppressed.
func (in *intake) page(ctx context.Context, tx *store.Tx, a *platform.InboundAlert) error {
	i := slices.IndexFunc(in.slots, func(s platform.Slot) bool { return s.Environment == a.Environment && s.Service == a.Service })
	if i < 0 {
		a.Kind = kindUnrouted
		a.Reason = fmt.Sprintf("It names no service of %s in %s, so no incident can be opened. %s", a.Project, a.Environment, in.near(*a))
		return nil
	}
	slot, err := tx.LockSlot(ctx, in.slots[i].ID)
	if err != nil {
		return err
	}
	severity := platform.Severity(a.Severity)
	if !severity.Valid() {
		severity = platform.SeverityWarning
	}
	incident, err := in.plane.report(ctx, tx, slot, platform.Finding{
		SlotID: slot.ID, Signal: platform.SignalAlert, Rule: a.Rule(), Severity: severity, ReleaseID: slot.LiveReleaseID, OnsetAt: a.StartsAt, SeenAt: a.LastSeenAt,
		Title: fmt.Sprintf("%s: %s (%s)", slot.Service, platform.Truncate(cmp.Or(a.Summary, a.Name), 200), strings.TrimSuffix(a.Reason, ".")),
	})
	if err != nil {
		return err
	}
	if incident.ID == "" {
		a.Decision, a.Kind, a.Reason = platform.InboundSuppress, kindSilenced, "A silence keeps it quiet. It would page: "+a.Reason
	}
	a.IncidentID = incident.ID
	return nil
}

// near says which names the alert may have meant.
func (in *intake) near(a platform.InboundAlert) string {
	var names []string
	for _, s := range in.slots {
		if s.Environment == a.Environment {
			names = append(names, s.Service)
		}
	}
	for _, said := range valuesOf(a.Labels, serviceLabels) {
		if near := platform.Nearest(said, names); near != "" {
			return fmt.Sprintf("It says %q; did it mean %q? Set the label service, or ?service= in the webhook's address.", said, near)
		}
	}
	if len(names) == 0 {
		return "There is no service there."
	}
	slices.Sort(names)
	return fmt.Sprintf("Its label service must be one of %s, or the webhook's address must say ?service=.", listed(names[:min(len(names), 8)]))
}

// resolve ends the incident of an alert that is over once no other alert holds it open, and tells of it.
func (in *intake) resolve(ctx context.Context, tx *store.Tx, rows *rows, a platform.InboundAlert) error {
	held := slices.ContainsFunc(rows.all, func(o platform.InboundAlert) bool {
		return o.ID != a.ID && o.State == platform.InboundFiring && a.IncidentID != "" && (o.IncidentID == a.IncidentID || o.Rule() == a.Rule() && o.Service == a.Service && o.Environment == a.Environment)
	})
	words := fmt.Sprintf("%s says that %s is over after %s.", a.Source, platform.Truncate(a.Name, 200), a.Stayed.D().Round(time.Second))
	in.plane.record(tx, fact{
		kind: platform.EventAlertResolved, actor: in.actor, at: place{a.Project, a.Environment, a.Service}, subject: string(a.ID), cause: string(a.IncidentID), summary: words,
	})
	if a.IncidentID == "" || held {
		return nil
	}
	incident, err := tx.IncidentByID(ctx, a.IncidentID)
	if err != nil {
		return err
	}
	if _, err := tx.LockSlot(ctx, incident.SlotID); err != nil {
		return err
	}
	return in.plane.resolve(ctx, tx, in.actor, incident, words, string(a.ID))
}
