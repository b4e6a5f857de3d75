package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/fairlead/fairlead/agent/causes"
	"github.com/fairlead/fairlead/agent/series"
	"github.com/fairlead/fairlead/platform"
)

// maxRecord bounds the facts that are kept as data. Above it only the items are kept, and the bundle says so.
const maxRecord = 16 << 20

// record freezes the facts themselves: the items tell them to people, this one to the same rules in another place and at
// another time. All its texts were cleaned when they were read, and the values of a spec are here.
func (w *writer) record() {
	f := *w.bundle.Facts
	f.Spec = w.cleanSpec(f.Spec)
	if f.Release != nil {
		release := *f.Release
		release.Spec, f.Release = w.cleanSpec(release.Spec), &release
	}
	if f.Previous != nil {
		previous := *f.Previous
		previous.Spec, f.Previous = w.cleanSpec(previous.Spec), &previous
	}
	if f.Deploy != nil {
		deploy := *f.Deploy
		deploy.Spec, f.Deploy = w.cleanSpec(deploy.Spec), &deploy
	}
	f.Metrics = slices.Clone(f.Metrics)
	for i := range f.Metrics {
		f.Metrics[i] = finite(f.Metrics[i])
	}
	raw, err := json.Marshal(f)
	if err != nil || len(raw) > maxRecord {
		w.gap("the facts could not be kept as data: an export holds what the items tell")
		return
	}
	e := platform.Evidence{
		ID: platform.NewID[platform.EvidenceID](platform.PrefixEvidence), IncidentID: w.incident.ID, Number: len(w.bundle.Items) + 1, Kind: platform.EvidenceFacts,
		Title: "What the rules read, as data", Source: "evidence", Excerpt: string(raw), At: w.now,
	}
	w.bundle.Record = e.Seal()
}

func (w *writer) cleanSpec(s platform.ServiceSpec) platform.ServiceSpec {
	s.Env = maps.Clone(s.Env)
	for key, value := range s.Env {
		s.Env[key] = w.clean(value, w.opt.Line)
	}
	return s
}

// finite leaves out what no file can hold.
func finite(m causes.Metric) causes.Metric {
	m.Points = slices.DeleteFunc(slices.Clone(m.Points), func(p series.Point) bool { return math.IsNaN(p.Value) || math.IsInf(p.Value, 0) })
	for _, v := range []*float64{&m.Before, &m.After, &m.First, &m.Last, &m.Min, &m.Max, &m.Slope, &m.Z} {
		switch {
		case math.IsNaN(*v):
			*v = 0
		case math.IsInf(*v, 0):
			*v = math.Copysign(math.MaxFloat64, *v)
		}
	}
	return m
}

// factsOf reads the facts back from the items of one diagnosis.
func factsOf(items []platform.Evidence) (*causes.Facts, error) {
	i := slices.IndexFunc(items, func(e platform.Evidence) bool { return e.Kind == platform.EvidenceFacts })
	if i < 0 {
		return nil, platform.Errorf(platform.CodeNotFound, "The facts of this diagnosis were not kept as data.").
			WithHint("Ask for a fresh one with `fairlead diagnose <incident>`, and export again.")
	}
	var f causes.Facts
	if err := json.Unmarshal([]byte(items[i].Excerpt), &f); err != nil {
		return nil, fmt.Errorf("read the facts: %w", err)
	}
	return &f, nil
}

// thaw reads the frozen items of an exported bundle. It refuses one that is not as it was frozen.
func thaw(raw []byte) (Bundle, error) {
	var items []platform.Evidence
	for d := json.NewDecoder(bytes.NewReader(raw)); d.More(); {
		var e platform.Evidence
		if err := d.Decode(&e); err != nil {
			return Bundle{}, fmt.Errorf("read a frozen item: %w", err)
		}
		if e.Seal().SHA256 != e.SHA256 {
			return Bundle{}, fmt.Errorf("E%d is not as it was frozen", e.Number)
		}
		items = append(items, e)
	}
	f, err := factsOf(items)
	if err != nil {
		return Bundle{}, err
	}
	return Bundle{Items: slices.DeleteFunc(items, func(e platform.Evidence) bool { return e.Kind == platform.EvidenceFacts }), Facts: f}, nil
}
