package exposition

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fairlead/fairlead/observability"
)

// Encode writes samples, sorted by name, in the format that the header Accept prefers: OpenMetrics, or Prometheus text.
// Times are left out: a scraper's own are the ones to which its rules of staleness apply.
func Encode(accept string, samples []observability.Sample) (contentType string, body []byte, err error) {
	text := expfmt.NewFormat(expfmt.TypeTextPlain)
	format := expfmt.NegotiateAccept(http.Header{"Accept": {accept}}, expfmt.NewFormat(expfmt.TypeOpenMetrics), text)
	var out bytes.Buffer
	encoder := expfmt.NewEncoder(&out, format)
	for _, family := range families(samples) {
		if err := encoder.Encode(family); err != nil {
			return "", nil, fmt.Errorf("write metric %s: %w", family.GetName(), err)
		}
	}
	if closer, ok := encoder.(expfmt.Closer); ok {
		if err := closer.Close(); err != nil {
			return "", nil, fmt.Errorf("end the metrics: %w", err)
		}
	}
	return string(format), out.Bytes(), nil
}

// families groups samples by metric, in order of name.
func families(samples []observability.Sample) []*dto.MetricFamily {
	builders := map[string]*builder{}
	for i := range samples {
		d := describe(&samples[i])
		b := builders[d.Name]
		if b == nil {
			b = newBuilder(d)
			builders[d.Name] = b
		}
		b.add(&samples[i])
	}
	out := make([]*dto.MetricFamily, 0, len(builders))
	for _, name := range slices.Sorted(maps.Keys(builders)) {
		out = append(out, builders[name].family)
	}
	return out
}

// describe returns what is known of the metric of a sample: ours by the catalogue, the process's own by its name, and
// nothing of an application's.
func describe(s *observability.Sample) observability.Description {
	if d, ok := observability.Describe(s.Name); ok {
		return d
	}
	if d, ok := processDescription(s.Name); ok && s.Labels["instance"] == "" {
		return d
	}
	return observability.Description{Name: s.Name}
}

var kinds = map[observability.MetricKind]dto.MetricType{
	observability.Counter: dto.MetricType_COUNTER, observability.Gauge: dto.MetricType_GAUGE,
	observability.Histogram: dto.MetricType_HISTOGRAM, "": dto.MetricType_UNTYPED,
}

// builder collects the series of one metric.
type builder struct {
	family     *dto.MetricFamily
	kind       observability.MetricKind
	histograms map[string]*dto.Histogram // by labels
}

func newBuilder(d observability.Description) *builder {
	kind := kinds[d.Kind]
	b := &builder{family: &dto.MetricFamily{Name: &d.Name, Type: &kind}, kind: d.Kind, histograms: map[string]*dto.Histogram{}}
	if d.Help != "" {
		b.family.Help = &d.Help
	}
	return b
}

func (b *builder) add(s *observability.Sample) {
	value := s.Value
	m := &dto.Metric{Label: labelPairs(s.Labels, "")}
	switch b.kind {
	case observability.Histogram:
		b.addToHistogram(s)
		return
	case observability.Counter:
		m.Counter = &dto.Counter{Value: &value}
	case observability.Gauge:
		m.Gauge = &dto.Gauge{Value: &value}
	default:
		m.Untyped = &dto.Untyped{Value: &value}
	}
	b.family.Metric = append(b.family.Metric, m)
}

func (b *builder) addToHistogram(s *observability.Sample) {
	pairs := labelPairs(s.Labels, model.BucketLabel)
	key := fmt.Sprint(pairs)
	h := b.histograms[key]
	if h == nil {
		h = &dto.Histogram{SampleSum: new(float64), SampleCount: new(uint64)}
		b.histograms[key] = h
		b.family.Metric = append(b.family.Metric, &dto.Metric{Label: pairs, Histogram: h})
	}
	switch {
	case strings.HasSuffix(s.Name, "_sum"):
		*h.SampleSum = s.Value
	case strings.HasSuffix(s.Name, "_count"):
		*h.SampleCount = uint64(s.Value)
	default:
		bound, err := strconv.ParseFloat(s.Labels[model.BucketLabel], 64)
		if err != nil || math.IsInf(bound, 1) {
			return // the count stands for it
		}
		count := uint64(s.Value)
		at, _ := slices.BinarySearchFunc(h.Bucket, bound, func(have *dto.Bucket, bound float64) int {
			return int(math.Copysign(1, have.GetUpperBound()-bound))
		})
		h.Bucket = slices.Insert(h.Bucket, at, &dto.Bucket{UpperBound: &bound, CumulativeCount: &count})
	}
}

// labelPairs returns the labels in order of name, less one and those without a value.
func labelPairs(labels map[string]string, without string) []*dto.LabelPair {
	pairs := make([]*dto.LabelPair, 0, len(labels))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if value := observability.EscapeInvalid(labels[name]); name != without && value != "" {
			pairs = append(pairs, &dto.LabelPair{Name: &name, Value: &value})
		}
	}
	return pairs
}
