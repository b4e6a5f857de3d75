package triage_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/triage"
)

func TestDecide_TheLabelPlaysNoPart(t *testing.T) {
	t.Parallel()
	for _, s := range everyScenario() {
		want := triage.Decide(&s.b)
		for _, severity := range []string{"", "info", "warning", "critical", "page", "none"} {
			b := s.b
			b.Alerts = slices.Clone(b.Alerts)
			for i := range b.Alerts {
				b.Alerts[i].Severity = severity
			}
			require.Equal(t, want, triage.Decide(&b), "%s as %q", s.name, severity)
		}
	}
}

// What was recorded may excuse an alert; its absence never does. Chatter is known by what it says, so of it alone what
// was recorded can make more.
func TestDecide_MissingDataNeverSuppresses(t *testing.T) {
	t.Parallel()
	for _, s := range everyScenario() {
		with := triage.Decide(&s.b)
		for what, drop := range map[string]func(*bundle.Bundle){
			"metrics":   func(b *bundle.Bundle) { b.Metrics = nil },
			"instances": func(b *bundle.Bundle) { b.Instances = nil },
			"changes":   func(b *bundle.Bundle) { b.Changes = nil },
			"topology":  func(b *bundle.Bundle) { b.Topology = nil },
			"patterns":  func(b *bundle.Bundle) { b.Patterns = nil },
			"incidents": func(b *bundle.Bundle) { b.Open = nil },
		} {
			b := s.b
			drop(&b)
			for i, d := range triage.Decide(&b).Decisions {
				before := with.Decisions[i]
				if before.Verdict == triage.Page && before.Kind != triage.Uncovered && d.DuplicateOf == "" {
					require.Equal(t, triage.Page, d.Verdict, "%s without %s: %+v", s.name, what, d)
				}
			}
		}
	}
}

// Whatever comes, nothing breaks, every alert is decided once, and a duplicate is one of what pages or is open.
func TestDecide_EveryAlertIsDecidedAndDuplicatesLeadToAPage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		services := rapid.SampledFrom([]string{"", "web", "api", "db", "cache"})
		value := rapid.Ptr(rapid.Float64(), true)
		b := &bundle.Bundle{}
		for i := range rapid.IntRange(0, 8).Draw(t, "alerts") {
			b.Alerts = append(b.Alerts, bundle.Alert{
				ID: fmt.Sprint("a", i), At: minute(float64(rapid.IntRange(0, 90).Draw(t, "at"))), Service: services.Draw(t, "service"),
				Name:   rapid.SampledFrom([]string{"", "HighErrorRate", "HighLatency", "DiskFull", "UnusedVolume", "Down", "OOMKilled", "CertExpiry", "Lag"}).Draw(t, "name"),
				Metric: rapid.SampledFrom([]string{"", "error_rate", "p99_ms", "disk_used_percent", "disk_free_bytes", "up", "tls_cert_days_left", "db_connections_active", "x"}).Draw(t, "metric"),
				Value:  value.Draw(t, "value"), Threshold: value.Draw(t, "threshold"), FiredLastHour: rapid.IntRange(-1, 30).Draw(t, "fired"),
				ResolvedAfter: time.Duration(rapid.Int64Range(-1, int64(time.Hour)).Draw(t, "stay")),
				Pattern:       rapid.SampledFrom([]string{"", "connect ECONNREFUSED db:5432", "TypeError: x", "p1"}).Draw(t, "pattern"),
			})
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "series") {
			s := bundle.Series{Service: services.Draw(t, "of"), Metric: []string{"error_rate", "disk_used_percent", "up", "p99_ms"}[i]}
			for n, v := range rapid.SliceOfN(rapid.Float64(), 0, 40).Draw(t, "values") {
				s.Points = append(s.Points, bundle.Point{At: minute(float64(n)), Value: v})
			}
			b.Metrics = append(b.Metrics, s)
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "open") {
			b.Open = append(b.Open, bundle.OpenIncident{ID: fmt.Sprint("inc", i), Service: services.Draw(t, "incident"), Title: rapid.SampledFrom([]string{"errors", "disk full", "down", ""}).Draw(t, "title")})
		}
		for range rapid.IntRange(0, 6).Draw(t, "edges") {
			kind := rapid.SampledFrom([]string{"calls", "uses", "shares_host"}).Draw(t, "kind")
			b.Topology = append(b.Topology, bundle.Edge{From: services.Draw(t, "from"), To: services.Draw(t, "to"), Kind: kind})
		}
		result := triage.Decide(b)
		require.Len(t, result.Decisions, len(b.Alerts))
		require.Equal(t, result, triage.Decide(b), "the same bundle gives the same result")
		pages := map[string]bool{}
		for _, d := range result.Decisions {
			pages[d.Alert] = d.Verdict == triage.Page
		}
		for i, d := range result.Decisions {
			require.Equal(t, b.Alerts[i].ID, d.Alert)
			require.NotEmpty(t, d.Reason)
			if d.DuplicateOf != "" {
				require.Equal(t, triage.Suppress, d.Verdict)
				open := slices.ContainsFunc(b.Open, func(o bundle.OpenIncident) bool { return o.ID == d.DuplicateOf })
				require.True(t, open || pages[d.DuplicateOf], "%s is a duplicate of %s, which pages", d.Alert, d.DuplicateOf)
			}
		}
	})
}
