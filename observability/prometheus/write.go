package prometheus

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/promql"
	"github.com/fairlead/fairlead/platform"
)

// Append stores samples by remote write and returns once the server has taken them. A server that does not answer, or
// is busy, is asked again for RetryFor; then an unavailable error says so. When some samples are too old, the others
// are stored and an invalid error says how many were not.
func (m *Metrics) Append(ctx context.Context, samples []observability.Sample) error {
	if err := promql.CheckSamples(samples); err != nil {
		return err
	}
	if m.write == nil {
		return platform.Errorf(platform.CodeUnavailable, "No server is named that samples are written to.").WithHint("Set FAIRLEAD_REMOTE_WRITE_URL.")
	}
	bounded, cancel := context.WithTimeout(ctx, m.options.RetryFor)
	defer cancel()
	refused := 0
	for batch := range slices.Chunk(samples, m.options.BatchSize) {
		old, err := m.push(bounded, batch)
		if err != nil {
			return err
		}
		refused += old
	}
	if refused > 0 {
		return promql.OutOfOrder(refused, len(samples))
	}
	return nil
}

// push writes one batch, trying again while the server is away or busy, until ctx ends. It returns how many samples the
// server refused for their age.
func (m *Metrics) push(ctx context.Context, samples []observability.Sample) (refused int, err error) {
	budget := maxHalvings
	return m.pushParts(ctx, samples, &budget)
}

// maxHalvings bounds the requests that look for the refused samples of a batch.
const maxHalvings = 200

// pushParts writes samples; a batch that is refused is halved until what is refused stands alone, since a server that
// refuses one sample of a request may store none of it.
func (m *Metrics) pushParts(ctx context.Context, samples []observability.Sample, budget *int) (refused int, err error) {
	verdict, err := m.deliver(ctx, samples)
	switch {
	case err != nil:
		return 0, err
	case verdict == taken:
		return 0, nil
	case len(samples) == 1 || *budget <= 0:
		if verdict == twice {
			return 0, nil // of two with the same series and time the first wins
		}
		return len(samples), nil
	}
	*budget--
	// By time, so that what is too old is found together.
	samples = slices.SortedStableFunc(slices.Values(samples), func(a, b observability.Sample) int { return a.At.Compare(b.At) })
	for _, half := range [][]observability.Sample{samples[:len(samples)/2], samples[len(samples)/2:]} {
		n, err := m.pushParts(ctx, half, budget)
		if err != nil {
			return refused, err
		}
		refused += n
	}
	return refused, nil
}

// verdict is what a server made of a request.
type verdict int

const (
	taken   verdict = iota
	twice           // refused: a sample of that series and time is there
	tooOld          // refused for its age
	waiting         // the server is away or busy: again later
)

// Waits between attempts.
const (
	firstWait = 200 * time.Millisecond
	longWait  = 30 * time.Second
)

// deliver sends one request until the server has decided on it or ctx ends.
func (m *Metrics) deliver(ctx context.Context, samples []observability.Sample) (verdict, error) {
	body := snappy.Encode(nil, m.encode(samples))
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		result, after, err := m.attempt(ctx, body)
		if result != waiting {
			return result, err
		}
		if after == 0 {
			after = wait/2 + rand.N(wait/2+1)
		}
		timer := time.NewTimer(min(after, longWait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return waiting, platform.Errorf(platform.CodeUnavailable, "The samples could not be written: %v", err).
				WithHint("Check that the server at FAIRLEAD_REMOTE_WRITE_URL runs and takes remote write.")
		}
	}
}

// attempt sends one request once. err says why the verdict is waiting, or is a refusal for good.
func (m *Metrics) attempt(ctx context.Context, body []byte) (verdict, time.Duration, error) {
	response, err := m.write.send(ctx, "", "application/x-protobuf", body, map[string]string{
		"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0",
	})
	if err != nil {
		return waiting, 0, err
	}
	defer response.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	said := strings.TrimSpace(strings.ToValidUTF8(string(raw), "?"))
	if response.StatusCode/100 == 2 {
		return taken, 0, nil
	}
	if v, known := judge(response.StatusCode, said); known {
		return v, 0, nil
	}
	refusal := fmt.Errorf("%s answered %s: %s", m.write.base.Host, statusWords(response.StatusCode), platform.Truncate(said, 200))
	if response.StatusCode == http.StatusTooManyRequests || response.StatusCode/100 == 5 {
		return waiting, retryAfter(response.Header.Get("Retry-After"), time.Now()), refusal
	}
	return tooOld, 0, platform.Errorf(platform.CodeUnavailable, "The metric server refuses what is written: %v.", refusal).
		WithHint("Check FAIRLEAD_REMOTE_WRITE_URL and its credentials; Prometheus takes remote write with --web.enable-remote-write-receiver.")
}

// judge reads a refusal of samples. Servers do not agree on the status: Prometheus 2.42 answers 500 for a sample that is
// too old. What a proxy says about a server that is away is no refusal.
func judge(status int, said string) (verdict, bool) {
	switch status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusInternalServerError:
	default:
		return waiting, false
	}
	said = strings.ToLower(said)
	switch {
	case strings.Contains(said, "duplicate sample"):
		return twice, true
	case strings.Contains(said, "out of order"), strings.Contains(said, "out-of-order"), strings.Contains(said, "out of bounds"),
		strings.Contains(said, "too old"), strings.Contains(said, "too-old"):
		return tooOld, true
	}
	return waiting, false
}

// retryAfter reads the header: seconds, or a date. 0 when there is none.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil && seconds >= 0 {
		return max(time.Duration(min(seconds, int(longWait/time.Second)))*time.Second, time.Millisecond)
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now), time.Millisecond), longWait)
	}
	return 0
}

// encode groups samples by series, in order of time, the first of two with the same time.
func (m *Metrics) encode(samples []observability.Sample) []byte {
	var (
		request prompb.WriteRequest
		index   = make(map[string]int, len(samples))
		key     []byte
	)
	for i := range samples {
		series := m.labelled(&samples[i])
		key = series.Bytes(key[:0])
		at, known := index[string(key)]
		if !known {
			at = len(request.Timeseries)
			index[string(key)] = at
			request.Timeseries = append(request.Timeseries, prompb.TimeSeries{Labels: prompb.FromLabels(series, nil)})
		}
		one := &request.Timeseries[at]
		one.Samples = append(one.Samples, prompb.Sample{Timestamp: samples[i].At.UnixMilli(), Value: samples[i].Value})
	}
	for i := range request.Timeseries {
		list := request.Timeseries[i].Samples
		slices.SortStableFunc(list, func(a, b prompb.Sample) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
		request.Timeseries[i].Samples = slices.CompactFunc(list, func(a, b prompb.Sample) bool { return a.Timestamp == b.Timestamp })
	}
	body, err := request.Marshal()
	if err != nil {
		panic("prometheus: a write request cannot be encoded: " + err.Error()) // only a nil part could cause it
	}
	return body
}

// labelled returns the series of a sample with the labels of this installation.
func (m *Metrics) labelled(s *observability.Sample) labels.Labels {
	series := promql.SeriesOf(s)
	if len(m.options.Labels) == 0 {
		return series
	}
	builder := labels.NewBuilder(series)
	for name, value := range m.options.Labels {
		if series.Get(name) == "" {
			builder.Set(name, value)
		}
	}
	return builder.Labels()
}
