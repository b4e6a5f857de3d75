package promql

import (
	"github.com/prometheus/prometheus/model/labels"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// NameLabel is the label that holds the name of a metric.
const NameLabel = labels.MetricName

// CheckSamples refuses samples with bad names or without a time, by a platform invalid error that names the field.
func CheckSamples(samples []observability.Sample) error {
	for i := range samples {
		s := &samples[i]
		if !ValidName(s.Name) {
			return platform.Errorf(platform.CodeInvalid, "%q is not a metric name.", platform.Truncate(s.Name, 80)).
				WithHint("Use letters, digits, underscores and colons, not beginning with a digit.").WithField("name")
		}
		if s.At.IsZero() {
			return platform.Errorf(platform.CodeInvalid, "A sample of %s has no time.", s.Name).WithHint("Set At on every sample.").WithField("at")
		}
		for name := range s.Labels {
			if !ValidName(name) || name == NameLabel {
				return platform.Errorf(platform.CodeInvalid, "%q is not a label name.", platform.Truncate(name, 80)).
					WithHint("Use letters, digits and underscores, not beginning with a digit.").WithField("labels")
			}
		}
	}
	return nil
}

// ValidName reports whether name may be that of a metric or a label.
func ValidName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// SeriesOf returns the sorted labels of a sample, its name among them; empty labels are none.
func SeriesOf(s *observability.Sample) labels.Labels {
	builder := labels.NewScratchBuilder(len(s.Labels) + 1)
	builder.Add(NameLabel, s.Name)
	for name, value := range s.Labels {
		if value != "" {
			builder.Add(name, observability.EscapeInvalid(value))
		}
	}
	builder.Sort()
	return builder.Labels()
}

// OutOfOrder is what Append returns when some samples were refused for their age and the others were stored.
func OutOfOrder(refused, of int) *platform.Error {
	return platform.Errorf(platform.CodeInvalid, "%d of %d samples are more than an hour older than the newest and were not stored.", refused, of).
		WithHint("Check the clock of whatever took them.").WithField("at")
}
