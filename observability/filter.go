package observability

import "slices"

// SampleFilter chooses samples by the labels that Fairlead gives them.
type SampleFilter struct {
	// Projects nil means every project, and what belongs to none: the host, the queue, Fairlead itself.
	Projects []string
	// Environment "" means every one; otherwise what belongs to none is left out.
	Environment string
	// Applications includes what applications expose themselves.
	Applications bool
}

// Match reports whether the filter lets s through.
func (f SampleFilter) Match(s *Sample) bool {
	if f.Projects != nil && !slices.Contains(f.Projects, s.Labels["project"]) {
		return false
	}
	if f.Environment != "" && s.Labels["environment"] != f.Environment {
		return false
	}
	return f.Applications || !s.OfApplication()
}

// OfApplication reports whether an application exposed s: it comes from an instance and is none of Fairlead's own.
func (s *Sample) OfApplication() bool {
	if s.Labels["instance"] == "" {
		return false
	}
	_, own := Describe(s.Name)
	return !own
}
