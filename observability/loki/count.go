package loki

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// milli is the shortest time that Loki counts by, in nanoseconds.
const milli = int64(time.Millisecond)

// Count returns how many lines of each level fall into each step of the range of q, ordered by step and level; steps
// without lines are left out. Loki counts by milliseconds: times of lines are taken as rounded up to them.
func (l *Logs) Count(ctx context.Context, q observability.LogQuery, step time.Duration) ([]observability.LogCount, error) {
	now := time.Now()
	search, err := q.PrepareCount(now, step)
	if err != nil {
		return nil, err
	}
	whole := span{clamp(search.From, now.Add(-farPast), now.Add(ahead)), clamp(search.To, now.Add(-farPast), now.Add(ahead))}
	if !utf8.ValidString(search.Text) {
		return nil, nil // messages are valid UTF-8
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	counted, err := l.countSteps(ctx, &search, whole, step)
	if err != nil && ctx.Err() != nil {
		return nil, observability.Overdue(ctx)
	}
	return sortedCounts(counted), err
}

func (l *Logs) countSteps(ctx context.Context, s *observability.Search, whole span, step time.Duration) (map[time.Time]map[observability.Level]int64, error) {
	if err := (&load{logs: l, search: s, reads: true}).add(ctx, span{whole.from, max(whole.from, whole.to-1)}); err != nil {
		return nil, err
	}
	counted := make(map[time.Time]map[observability.Level]int64)
	for _, piece := range steps(whole, step) {
		if err := l.count(ctx, s, piece, step, counted); err != nil {
			return nil, err
		}
	}
	return counted, nil
}

// steps cuts a range, its end excluded, into what one request each can count: a part of a step, or a run of whole ones.
func steps(whole span, step time.Duration) []span {
	size := int64(step)
	from, to := floor(whole.from, milli), -floor(-whole.to, milli)
	if from >= to {
		return nil
	}
	var pieces []span
	if first := floor(from, size); first != from {
		end := min(first+size, to)
		pieces = append(pieces, span{from, end})
		from = end
	}
	for run := max(int64(longest)/size, 1) * size; from+size <= to; {
		end := min(from+run, floor(to, size))
		pieces = append(pieces, span{from, end})
		from = end
	}
	if from < to {
		pieces = append(pieces, span{from, to})
	}
	return pieces
}

func floor(at, size int64) int64 {
	rest := at % size
	if rest < 0 {
		rest += size
	}
	return at - rest
}

// count asks for one piece: a point for each whole step, at its end, or one point for a part of a step.
func (l *Logs) count(ctx context.Context, s *observability.Search, piece span, step time.Duration, into map[time.Time]map[observability.Level]int64) error {
	length := time.Duration(piece.to - piece.from)
	what, query := "query", url.Values{"query": {countQuery(s, length)}, "time": {strconv.FormatInt(piece.to, 10)}}
	if length%step == 0 {
		what, query = "query_range", url.Values{
			"query": {countQuery(s, step)}, "step": {strconv.FormatInt(step.Milliseconds(), 10) + "ms"},
			"start": {strconv.FormatInt(piece.from+int64(step), 10)}, "end": {strconv.FormatInt(piece.to, 10)},
		}
	}
	var got struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Values []point           `json:"values"`
				Value  *point            `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := l.ask(ctx, what, query, &got); err != nil {
		return err
	}
	for _, series := range got.Data.Result {
		if series.Value != nil {
			series.Values = append(series.Values, *series.Value)
		}
		level := observability.Level(series.Metric[labelLevel])
		for _, p := range series.Values {
			if p.lines == 0 {
				continue
			}
			at := time.Unix(0, floor(p.at.UnixNano()-1, int64(step))).UTC()
			if into[at] == nil {
				into[at] = make(map[observability.Level]int64)
			}
			into[at][level] += p.lines
		}
	}
	return nil
}

func sortedCounts(counted map[time.Time]map[observability.Level]int64) []observability.LogCount {
	var all []observability.LogCount
	for at, levels := range counted {
		for level, lines := range levels {
			all = append(all, observability.LogCount{At: at, Level: level, Lines: lines})
		}
	}
	slices.SortFunc(all, func(a, b observability.LogCount) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(levelOrder(a.Level), levelOrder(b.Level)), cmp.Compare(a.Level, b.Level))
	})
	return all
}

func levelOrder(l observability.Level) int { return slices.Index(observability.Levels, l) }

// point is one value of a series: [seconds, "number"].
type point struct {
	at    time.Time
	lines int64
}

// UnmarshalJSON reads a point. Times are whole milliseconds.
func (p *point) UnmarshalJSON(raw []byte) error {
	var seconds float64
	var number string
	parts := []any{&seconds, &number}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return fmt.Errorf("read a count: %w", err)
	}
	p.at = time.UnixMilli(int64(seconds*1000 + 0.5)).UTC()
	p.lines = int64(value)
	return nil
}

// Values returns the values that a label (project, environment, service, stream or level) has among the lines of q's
// project, environment and service, in its range; a query without a beginning looks back as far as Retention.
func (l *Logs) Values(ctx context.Context, label string, q observability.LogQuery) ([]string, error) {
	if !slices.Contains([]string{labelProject, labelEnvironment, labelService, labelStream, labelLevel}, label) {
		return nil, platform.Errorf(platform.CodeInvalid, "There is no label %q.", platform.Truncate(label, 40)).
			WithHint("Use project, environment, service, stream or level.").WithField("label")
	}
	now := time.Now()
	search, err := q.Prepare(now)
	if err != nil {
		return nil, err
	}
	if search.From.IsZero() {
		search.From = now.Add(-l.options.Retention)
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var got struct {
		Data []string `json:"data"`
	}
	err = l.ask(ctx, "label/"+label+"/values", url.Values{
		"query": {selectorOf(&search)},
		"start": {strconv.FormatInt(clamp(search.From, now.Add(-farPast), now.Add(ahead)), 10)}, "end": {strconv.FormatInt(clamp(search.To, now.Add(-farPast), now.Add(ahead)), 10)},
	}, &got)
	for i := range got.Data {
		got.Data[i] = unescapeValue(got.Data[i])
	}
	slices.Sort(got.Data)
	return got.Data, err
}
