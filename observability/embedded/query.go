package embedded

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// readYourWrites is how stale a query's view may be.
const readYourWrites = 50 * time.Millisecond

// Query returns one page. It reads the near end of the range first and goes on only while the page is not full, so
// that the newest lines of a long range cost little.
func (l *Logs) Query(ctx context.Context, q observability.LogQuery) (observability.LogPage, error) {
	search, err := q.Prepare(l.options.now())
	if err != nil {
		return observability.LogPage{}, err
	}
	pager := observability.NewPager(&search)
	if err := l.collect(ctx, &search, pager); err != nil {
		return observability.LogPage{}, err
	}
	return pager.Page(), nil
}

// collect offers a pager, which may hold lines of other stores, every line of this one that can be on its page.
func (l *Logs) collect(ctx context.Context, search *observability.Search, pager *observability.Pager) error {
	release, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer release()
	now := l.options.now()
	oldest, newest := now.Add(-l.options.Retention-48*time.Hour), now.Add(72*time.Hour)
	pace := func(covered int64) int64 { return stride(covered, pager.Filled()) }
	for window := range narrowed(windows(search, oldest, newest, pace), l.sieves.narrow(search.Text), search.Backward) {
		nearest := window.from
		if search.Backward {
			nearest = window.to
		}
		if pager.Full() && !pager.Wants(time.Unix(0, nearest)) {
			break
		}
		err := l.scan(ctx, search, window, func(at time.Time, row func() observability.Line) {
			if !pager.Wants(at) {
				return
			}
			// The library's filters narrow; ours decide, so that both stores and all filters mean the same.
			if line := row(); search.Match(&line) {
				pager.Add(line)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// begin takes the store and one of its slots for queries, and makes what was stored visible; the caller calls release.
func (l *Logs) begin(ctx context.Context) (release func(), err error) {
	unuse, err := l.use()
	if err != nil {
		return nil, err
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		unuse()
		if len(l.slots) < cap(l.slots) {
			return nil, observability.Overdue(ctx)
		}
		return nil, platform.Errorf(platform.CodeExhausted, "The log store answers %d other queries, and none ended in time.", cap(l.slots)).
			WithHint("Try again in a moment; several heavy queries run at once.")
	}
	if err := l.makeVisible(readYourWrites); err != nil {
		<-l.slots
		unuse()
		return nil, fmt.Errorf("store what waits: %w", err)
	}
	return func() {
		<-l.slots
		unuse()
	}, nil
}

// span is a range of time in nanoseconds, both ends included.
type span struct{ from, to int64 }

// firstWindow is how much of a range is looked at first.
const firstWindow = int64(time.Minute)

// stride is how long the next window of a search is that has covered some of its range and filled some of its page: four
// times as long as the one before, and once the page has something to go by, as long as it will take to fill the rest.
func stride(covered int64, filled float64) int64 {
	const enough = 0.1 // to go by
	if filled < enough {
		return 3*covered + firstWindow
	}
	rest := float64(covered) * (1 - filled) / filled
	return max(min(int64(rest*1.25), 15*covered), firstWindow)
}

// windows yields the range of s in pieces, nearest first; pace says how long the next one is, from how much was covered.
// Nothing is stored before oldest or after newest.
func windows(s *observability.Search, oldest, newest time.Time, pace func(covered int64) int64) iter.Seq[span] {
	whole := clamp(s, oldest, newest)
	from, to := whole.from, whole.to
	if after := s.After.At; !after.IsZero() {
		if s.Backward {
			to = min(to, after.UnixNano())
		} else {
			from = max(from, after.UnixNano())
		}
	}
	return func(yield func(span) bool) {
		covered := int64(0)
		for from <= to {
			length := pace(covered)
			piece := span{from, min(to, from+length)}
			if s.Backward {
				piece = span{max(from, to-length), to}
				to = piece.from - 1
			} else {
				from = piece.to + 1
			}
			if !yield(piece) {
				return
			}
			covered += piece.to - piece.from
		}
	}
}

// narrowed yields the parts of the windows that may hold what is searched for, nearest first.
func narrowed(windows iter.Seq[span], n *narrowing, backward bool) iter.Seq[span] {
	return func(yield func(span) bool) {
		for window := range windows {
			parts := n.parts(window)
			if backward {
				slices.Reverse(parts)
			}
			for _, part := range parts {
				if !yield(part) {
					return
				}
			}
		}
	}
}

// clamp returns the range of s within which anything can be stored; it is empty where its end is before its beginning.
func clamp(s *observability.Search, oldest, newest time.Time) span {
	from, to := oldest.UnixNano(), newest.UnixNano()
	if s.From.After(oldest) {
		from = min(s.From.Unix(), newest.Unix())*int64(time.Second) + int64(s.From.Nanosecond())
	}
	if s.To.Before(newest) {
		to = max(s.To.Unix(), oldest.Unix()-1)*int64(time.Second) + int64(s.To.Nanosecond()) - 1
	}
	return span{from, to}
}

// scan calls yield for each row that the library's filters let through, one at a time, in no order; row decodes it.
func (l *Logs) scan(ctx context.Context, search *observability.Search, window span, yield func(at time.Time, row func() observability.Line)) error {
	query, err := logstorage.ParseQueryAtTimestamp(filter(search), window.to)
	if err != nil {
		return fmt.Errorf("build the log query: %w", err)
	}
	query.AddTimeFilter(window.from, window.to)
	var mu sync.Mutex // held while yield runs; blocks arrive concurrently
	return l.run(ctx, query, func(db *logstorage.DataBlock) {
		times, ok := db.GetTimestamps(nil)
		if !ok {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for i, at := range times {
			yield(time.Unix(0, at), func() observability.Line { return lineOf(db.Columns, i, at) })
		}
	})
}

// run hands the blocks of a query's answer to block, several at once.
func (l *Logs) run(ctx context.Context, query *logstorage.Query, block func(*logstorage.DataBlock)) error {
	var stats logstorage.QueryStats
	qctx := logstorage.NewQueryContext(ctx, &stats, []logstorage.TenantID{{}}, query, false)
	err := l.storage.RunQuery(qctx, func(_ uint, db *logstorage.DataBlock) { block(db) })
	if ctx.Err() != nil {
		return observability.Overdue(ctx)
	}
	if err != nil {
		return fmt.Errorf("run the log query: %w", err)
	}
	return nil
}

// filter writes the filters of s in the library's language. Every value is quoted as a Go string, which is the
// language's own string syntax, so that no value can end its quotes.
func filter(s *observability.Search) string {
	var stream []string
	for _, tag := range []struct{ name, value string }{
		{colProject, s.Project}, {colEnvironment, s.Environment}, {colService, s.Service}, {colInstance, s.Instance}, {colSource, s.Source},
	} {
		if tag.value != "" {
			stream = append(stream, tag.name+"="+quote(tag.value))
		}
	}
	var parts []string
	if len(stream) > 0 {
		parts = append(parts, "{"+strings.Join(stream, ",")+"}")
	}
	exact := func(name, value string) { parts = append(parts, quote(name)+":="+quote(value)) }
	if s.Release != 0 {
		exact(colRelease, strconv.Itoa(s.Release))
	}
	if s.Deploy != "" {
		exact(colDeploy, s.Deploy)
	}
	if len(s.Levels) > 0 {
		levels := make([]string, len(s.Levels))
		for i, level := range s.Levels {
			levels[i] = quote(string(level))
		}
		parts = append(parts, colLevel+":in("+strings.Join(levels, ",")+")")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		switch value := s.Fields[name]; {
		case value == "":
		case isPackable(value): // or it was stored before values were packed
			parts = append(parts, "("+quote(fieldPrefix+name)+":="+quote(value)+" or "+quote(packedPrefix+name)+":="+strconv.Quote(pack(value))+")")
		default:
			exact(fieldPrefix+name, value)
		}
	}
	if s.Text != "" {
		parts = append(parts, colMessage+":~"+quote(regexp.QuoteMeta(s.Text)))
	}
	if s.Regex != "" {
		parts = append(parts, colMessage+":~"+quote(s.Regex))
	}
	return strings.Join(append(parts, colMark+`:=""`), " ")
}

func quote(s string) string { return strconv.Quote(observability.EscapeInvalid(s)) }
