package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
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
	finite(reflect.ValueOf(w.bundle.Facts))
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

// finite takes out of the facts what no file can hold, and what tells nothing to a rule either: points that are no number, as a
// share of no requests is. Of other figures none becomes 0.
func finite(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			finite(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				finite(f)
			}
		}
	case reflect.Slice:
		if points, ok := v.Interface().([]series.Point); ok {
			v.Set(reflect.ValueOf(slices.DeleteFunc(points, func(p series.Point) bool { return math.IsNaN(p.Value) || math.IsInf(p.Value, 0) })))
			return
		}
		for i := range v.Len() {
			finite(v.Index(i))
		}
	case reflect.Float64:
		switch {
		case math.IsNaN(v.Float()):
			v.SetFloat(0)
		case math.IsInf(v.Float(), 0):
			v.SetFloat(math.Copysign(math.MaxFloat64, v.Float()))
		}
	default:
	}
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
