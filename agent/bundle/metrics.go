package bundle

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"
)

// maxPoints bounds what is kept of metrics.csv; the rest is a gap.
const maxPoints = 4 << 20

// metrics reads metrics.csv. Columns are found by name where the file has a head, and are ts, service, metric, value
// where it has none; further columns become labels.
func (r *reader) metrics() error {
	f, ok := r.file("metrics.csv")
	if !ok {
		return nil
	}
	defer f.Close()
	m := &metricReader{index: map[string]*Series{}, ts: 0, service: 1, metric: 2, value: 3}
	if err := eachLine(bufio.NewReaderSize(f, maxLine), m.line, func() { m.bad++ }); err != nil {
		return fmt.Errorf("read metrics.csv: %w", err)
	}
	r.bad("metrics.csv", m.bad)
	if m.points > maxPoints {
		r.gap("metrics.csv holds more than %d points; the later ones were not read", maxPoints)
	}
	for _, s := range m.order {
		sort.SliceStable(s.Points, func(i, j int) bool { return s.Points[i].At.Before(s.Points[j].At) })
		r.b.Metrics = append(r.b.Metrics, *s)
	}
	sort.SliceStable(r.b.Metrics, func(i, j int) bool {
		a, b := r.b.Metrics[i], r.b.Metrics[j]
		if a.Service != b.Service {
			return a.Service < b.Service
		}
		return a.Metric < b.Metric
	})
	return nil
}

type metricReader struct {
	index                      map[string]*Series
	order                      []*Series
	ts, service, metric, value int
	labels                     map[int]string
	started                    bool
	bad, points                int
	cells                      [][]byte
	key                        []byte
}

func (m *metricReader) line(line []byte) {
	cells := m.split(line)
	if !m.started {
		m.started = true
		if m.head(cells) {
			return
		}
	}
	if len(cells) <= max(m.ts, m.service, m.metric, m.value) {
		m.bad++
		return
	}
	at := parseTime(bytes.TrimSpace(cells[m.ts]))
	v, err := strconv.ParseFloat(string(bytes.TrimSpace(cells[m.value])), 64)
	name := bytes.TrimSpace(cells[m.metric])
	if at.IsZero() || err != nil || math.IsNaN(v) || math.IsInf(v, 0) || len(name) == 0 {
		m.bad++
		return
	}
	if m.points++; m.points > maxPoints {
		return
	}
	s := m.series(cells)
	s.Points = append(s.Points, Point{At: at, Value: v})
}

// split parts a line at its commas. A line with quotes is left to encoding/csv.
func (m *metricReader) split(line []byte) [][]byte {
	m.cells = m.cells[:0]
	if bytes.IndexByte(line, '"') >= 0 {
		row, err := csv.NewReader(bytes.NewReader(line)).Read()
		if err != nil {
			return nil
		}
		for _, c := range row {
			m.cells = append(m.cells, []byte(c))
		}
		return m.cells
	}
	for {
		before, after, more := bytes.Cut(line, []byte(","))
		m.cells = append(m.cells, before)
		if !more {
			return m.cells
		}
		line = after
	}
}

// head reads the names of the columns, and reports whether the line holds names.
func (m *metricReader) head(cells [][]byte) bool {
	if len(cells) == 0 || !parseTime(bytes.TrimSpace(cells[0])).IsZero() {
		return false
	}
	m.labels = map[int]string{}
	for i, c := range cells {
		switch name := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(string(c)), "\uFEFF")); name {
		case "ts", "time", "timestamp":
			m.ts = i
		case "service":
			m.service = i
		case "metric", "name":
			m.metric = i
		case "value":
			m.value = i
		default:
			m.labels[i] = name
		}
	}
	return true
}

func (m *metricReader) series(cells [][]byte) *Series {
	m.key = append(append(append(m.key[:0], cells[m.service]...), 0), cells[m.metric]...)
	for i := range cells {
		if _, ok := m.labels[i]; ok {
			m.key = append(append(m.key, 0), cells[i]...)
		}
	}
	if s, ok := m.index[string(m.key)]; ok {
		return s
	}
	s := &Series{Service: strings.TrimSpace(string(cells[m.service])), Metric: strings.TrimSpace(string(cells[m.metric]))}
	for i, label := range m.labels {
		if i < len(cells) && len(cells[i]) > 0 {
			if s.Labels == nil {
				s.Labels = map[string]string{}
			}
			s.Labels[label] = string(cells[i])
		}
	}
	m.index[string(m.key)] = s
	m.order = append(m.order, s)
	return s
}

// At returns the value of the newest point at or before a time, and false when there is none.
func (s Series) At(at time.Time) (float64, bool) {
	i := sort.Search(len(s.Points), func(i int) bool { return s.Points[i].At.After(at) })
	if i == 0 {
		return 0, false
	}
	return s.Points[i-1].Value, true
}
