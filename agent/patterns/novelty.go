package patterns

import "sort"

// Class says how a template's rate changed between two windows.
type Class string

// The classes.
const (
	ClassNew    Class = "new"    // not seen before
	ClassGone   Class = "gone"   // seen before, not after
	ClassSurged Class = "surged" // seen before, and much more often after
	ClassSteady Class = "steady"
)

// surge is the ratio of rates from which a template counts as surged.
const surge = 3.0

// prior is added to each count, so that a single line is no infinite ratio.
const prior = 0.5

// Window is what was seen in one span: how often each template, over how much exposure. Exposure is in any unit that
// both windows share, such as requests or minutes of a running instance.
type Window struct {
	Counts   map[TemplateID]int
	Exposure float64
}

// Add counts one line of the template.
func (w *Window) Add(id TemplateID) {
	if w.Counts == nil {
		w.Counts = map[TemplateID]int{}
	}
	w.Counts[id]++
}

// Shift is how one template's rate changed.
type Shift struct {
	ID       TemplateID `json:"id"`
	Template string     `json:"template"`
	Exemplar string     `json:"exemplar"`
	Class    Class      `json:"class"`
	Before   int        `json:"before"`
	After    int        `json:"after"`
	Ratio    float64    `json:"ratio"` // rate after over rate before, each count with a prior of 0.5
}

// Novel reports whether the template is new or surged.
func (s Shift) Novel() bool { return s.Class == ClassNew || s.Class == ClassSurged }

// Novelty compares two windows of lines that this miner has assigned, and returns every template of either: those that
// rose the most first, those that are gone last. An exposure that is not positive counts as 1.
func (m *Miner) Novelty(before, after Window) []Shift {
	before, after = m.settle(before), m.settle(after)
	var out []Shift
	for id, n := range after.Counts {
		out = append(out, m.shift(id, before.Counts[id], n, before.Exposure, after.Exposure))
	}
	for id, n := range before.Counts {
		if after.Counts[id] == 0 {
			out = append(out, m.shift(id, n, 0, before.Exposure, after.Exposure))
		}
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Ratio != out[j].Ratio {
			return out[i].Ratio > out[j].Ratio
		}
		return out[i].ID < out[j].ID
	})
	return out
}

// settle follows templates that were merged after their lines were counted.
func (m *Miner) settle(w Window) Window {
	out := Window{Counts: make(map[TemplateID]int, len(w.Counts)), Exposure: w.Exposure}
	if out.Exposure <= 0 {
		out.Exposure = 1
	}
	for id, n := range w.Counts {
		if n > 0 {
			out.Counts[m.Resolve(id)] += n
		}
	}
	return out
}

func (m *Miner) shift(id TemplateID, before, after int, exposedBefore, exposedAfter float64) Shift {
	s := Shift{ID: id, Before: before, After: after}
	s.Ratio = ((float64(after) + prior) / exposedAfter) / ((float64(before) + prior) / exposedBefore)
	switch {
	case before == 0:
		s.Class = ClassNew
	case after == 0:
		s.Class = ClassGone
	case s.Ratio >= surge:
		s.Class = ClassSurged
	default:
		s.Class = ClassSteady
	}
	if t, ok := m.Template(id); ok {
		s.Template = t.Text
		if len(t.Exemplars) > 0 {
			s.Exemplar = t.Exemplars[0]
		}
	}
	return s
}
