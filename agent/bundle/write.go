package bundle

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Written is an incident to be written as a bundle. Lines are written one by one, not folded.
type Written struct {
	Incident  Incident
	Lines     []Line
	Metrics   []Series
	Changes   []Change
	Topology  []Edge
	Instances []Instance
	Probes    []Probe
	Spans     []Span
	Open      []OpenIncident
	Frozen    []byte // of evidence.ndjson
}

// Write writes the files into the folder, which is made when it is not there. A folder that holds a bundle already is a
// platform error of code conflict, and is left as it is.
func (w Written) Write(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "incident.json")); err == nil {
		return platform.Errorf(platform.CodeConflict, "%s holds a bundle already.", dir).WithHint("Name another folder, or remove this one.")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of the bundle: %w", err)
	}
	instances := make([]instanceRecord, len(w.Instances))
	for i, in := range w.Instances {
		instances[i] = recordOf(in)
	}
	probes := make([]probeRecord, len(w.Probes))
	for i, p := range w.Probes {
		probes[i] = probeRecord{At: p.At, Service: p.Service, Instance: p.Instance, OK: p.OK, Status: p.Status, DurationMS: float64(p.Took.Microseconds()) / 1000, Path: p.Path, Error: p.Error}
	}
	for _, f := range []struct {
		name string
		data func() ([]byte, error)
	}{
		{"logs.ndjson", func() ([]byte, error) { return ndjson(w.Lines) }},
		{"changes.ndjson", func() ([]byte, error) { return ndjson(w.Changes) }},
		{"spans.ndjson", func() ([]byte, error) { return ndjson(w.Spans) }},
		{"probes.ndjson", func() ([]byte, error) { return ndjson(probes) }},
		{"topology.json", func() ([]byte, error) { return list(w.Topology) }},
		{"metrics.csv", func() ([]byte, error) { return table(w.Metrics) }},
		{"open_incidents.json", func() ([]byte, error) { return list(openRecords(w.Open)) }},
		{"evidence.ndjson", func() ([]byte, error) { return w.Frozen, nil }},
		{"instances.json", func() ([]byte, error) { return list(instances) }},
		{"incident.json", func() ([]byte, error) { return json.MarshalIndent(w.Incident, "", "  ") }}, // last: it makes the folder a bundle
	} {
		data, err := f.data()
		if err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
		if len(data) == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), data, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	return nil
}

type instanceRecord struct {
	Service    string  `json:"service"`
	Instance   string  `json:"instance"`
	Release    string  `json:"release"`
	State      string  `json:"state"`
	ExitCode   *int    `json:"exit_code"`
	OOMKilled  bool    `json:"oom_killed"`
	Restarts   int     `json:"restarts"`
	StartedAt  *string `json:"started_at"`
	FinishedAt *string `json:"finished_at"`
	StoppedBy  *string `json:"stopped_by"`
	Reason     string  `json:"reason,omitempty"`
}

type probeRecord struct {
	At         time.Time `json:"ts"`
	Service    string    `json:"service"`
	Instance   string    `json:"instance,omitempty"`
	OK         bool      `json:"ok"`
	Status     int       `json:"status,omitempty"`
	DurationMS float64   `json:"duration_ms,omitempty"`
	Path       string    `json:"path,omitempty"`
	Error      string    `json:"error,omitempty"`
}

type openRecord struct {
	ID       string    `json:"id"`
	Service  string    `json:"service,omitempty"`
	Title    string    `json:"title"`
	Pattern  string    `json:"pattern,omitempty"`
	OpenedAt time.Time `json:"opened_at,omitzero"`
}

func openRecords(all []OpenIncident) []openRecord {
	out := make([]openRecord, len(all))
	for i, o := range all {
		out[i] = openRecord(o)
	}
	return out
}

// table writes series as rows. Each label that one of them has is a column after the four that are always there.
func table(all []Series) ([]byte, error) {
	if len(all) == 0 {
		return nil, nil
	}
	var labels []string
	for _, s := range all {
		for name := range s.Labels {
			if !slices.Contains(labels, name) {
				labels = append(labels, name)
			}
		}
	}
	slices.Sort(labels)
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	if err := out.Write(append([]string{"ts", "service", "metric", "value"}, labels...)); err != nil {
		return nil, err
	}
	for _, s := range all {
		row := []string{"", s.Service, s.Metric, ""}
		for _, name := range labels {
			row = append(row, s.Labels[name])
		}
		for _, p := range s.Points {
			row[0], row[3] = p.At.UTC().Format(time.RFC3339Nano), strconv.FormatFloat(p.Value, 'g', -1, 64)
			if err := out.Write(row); err != nil {
				return nil, err
			}
		}
	}
	out.Flush()
	return b.Bytes(), out.Error()
}

func recordOf(in Instance) instanceRecord {
	r := instanceRecord{Service: in.Service, Instance: in.Instance, Release: in.Release, State: in.State, ExitCode: in.ExitCode, OOMKilled: in.OOMKilled, Restarts: in.Restarts, Reason: in.Reason}
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	when := func(t time.Time) *string {
		if t.IsZero() {
			return nil
		}
		return text(t.UTC().Format(time.RFC3339Nano))
	}
	r.StartedAt, r.FinishedAt, r.StoppedBy = when(in.StartedAt), when(in.FinishedAt), text(in.StoppedBy)
	return r
}

func ndjson[T any](items []T) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, item := range items {
		if err := enc.Encode(item); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func list[T any](items []T) ([]byte, error) {
	if len(items) == 0 {
		return nil, nil
	}
	return json.MarshalIndent(items, "", "  ")
}

// ReleaseName is how a release is called in a bundle: v7.
func ReleaseName(number int) string {
	if number <= 0 {
		return ""
	}
	return "v" + strconv.Itoa(number)
}
