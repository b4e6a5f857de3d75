package loki

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

const apiPath = "/loki/api/v1/"

const (
	smallPage = 256                 // lines that are asked for at least, since filters of ours may drop some
	shortest  = time.Hour           // first piece of a range, when it is longer
	longest   = 30 * 24 * time.Hour // range of one request: Loki's max_query_length is an hour more
	ahead     = time.Hour           // how far in the future lines may be: Loki's creation_grace_period is ten minutes
	farPast   = 100 * 365 * 24 * time.Hour
)

// Query returns one page. It reads the near end of the range first and goes on only while the page is not full, so that
// the newest lines of a long range cost little. A query that would make the server read more than MaxQueryBytes is an
// exhausted error; lines of one nanosecond that are more than the server gives at once are one too.
func (l *Logs) Query(ctx context.Context, q observability.LogQuery) (observability.LogPage, error) {
	now := time.Now()
	search, err := q.Prepare(now)
	if err != nil {
		return observability.LogPage{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	pager := observability.NewPager(&search)
	load := load{logs: l, search: &search, reads: narrows(&search)}
	for piece := range windows(&search, now.Add(-l.options.Retention), now.Add(ahead)) {
		if err := load.add(ctx, piece); err != nil {
			return observability.LogPage{}, err
		}
		if err := l.scan(ctx, &search, piece, pager); err != nil {
			return observability.LogPage{}, err
		}
		if pager.Full() {
			break
		}
	}
	return pager.Page(), nil
}

// Ping returns an error when the server does not answer, or refuses the credentials.
func (l *Logs) Ping(ctx context.Context) error {
	var got struct {
		Data []string `json:"data"`
	}
	return l.ask(ctx, "labels", url.Values{"start": {strconv.FormatInt(time.Now().Add(-time.Minute).UnixNano(), 10)}}, &got)
}

// span is a range of time in nanoseconds, both ends included.
type span struct{ from, to int64 }

// clamp returns the nanoseconds of a time within oldest and newest.
func clamp(at, oldest, newest time.Time) int64 {
	switch {
	case at.Before(oldest):
		at = oldest
	case at.After(newest):
		at = newest
	}
	return at.UnixNano()
}

// windows yields the range of s in pieces, nearest first: an hour, a day, and then more, since the server itself begins at
// the near end of what it is asked for. A query without a beginning looks back to oldest; nothing is stored after newest.
func windows(s *observability.Search, oldest, newest time.Time) func(yield func(span) bool) {
	from := oldest.UnixNano()
	if !s.From.IsZero() {
		from = clamp(s.From, newest.Add(-farPast), newest)
	}
	to := clamp(s.To, newest.Add(-farPast), newest) - 1
	if after := s.After.At; !after.IsZero() {
		if s.Backward {
			to = min(to, after.UnixNano())
		} else {
			from = max(from, after.UnixNano())
		}
	}
	return func(yield func(span) bool) {
		for length := int64(shortest); from <= to; length = min(24*length, int64(longest)) {
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
		}
	}
}

// scan offers the lines of one piece to the pager, request by request. The server gives the lines of the near end; when
// it may have held some back, those of the last nanosecond are left to the next request, which begins there.
func (l *Logs) scan(ctx context.Context, s *observability.Search, piece span, pager *observability.Pager) error {
	ask := min(max(s.After.Skip+s.Limit+1, smallPage), l.options.MaxEntries)
	for piece.from <= piece.to {
		lines, err := l.lines(ctx, s, piece, ask)
		if err != nil {
			return err
		}
		edge, held := edgeOf(lines, s.Backward), len(lines) >= ask
		fresh := false
		for i := range lines {
			if held && lines[i].At.UnixNano() == edge {
				continue
			}
			fresh = true
			// The server's filters narrow; ours decide, so that all stores and all filters mean the same.
			if s.Match(&lines[i]) {
				pager.Add(lines[i])
			}
		}
		switch {
		case !held || fresh && pager.Full():
			return nil
		case !fresh && ask == l.options.MaxEntries:
			return platform.Errorf(platform.CodeExhausted, "More than %d lines have the same time, %s, and Loki gives no more at once.", ask, time.Unix(0, edge).UTC().Format(time.RFC3339Nano)).
				WithHint("Add a filter (service, instance, level, text), or raise max_entries_limit_per_query in Loki and in Fairlead's settings for it.")
		case !fresh:
			ask = min(4*ask, l.options.MaxEntries)
		case s.Backward:
			piece.to = edge
		default:
			piece.from = edge
		}
	}
	return nil
}

// edgeOf returns the time that is furthest in the direction of reading.
func edgeOf(lines []observability.Line, backward bool) int64 {
	var edge int64
	for i := range lines {
		if at := lines[i].At.UnixNano(); i == 0 || backward && at < edge || !backward && at > edge {
			edge = at
		}
	}
	return edge
}

// lines asks for the lines of one piece, at most limit of them.
func (l *Logs) lines(ctx context.Context, s *observability.Search, piece span, limit int) ([]observability.Line, error) {
	direction := "forward"
	if s.Backward {
		direction = "backward"
	}
	var got struct {
		Data streamsData `json:"data"`
	}
	err := l.ask(ctx, "query_range", url.Values{
		"query": {linesQuery(s)}, "limit": {strconv.Itoa(limit)}, "direction": {direction},
		"start": {strconv.FormatInt(piece.from, 10)}, "end": {strconv.FormatInt(piece.to+1, 10)}, // the end is excluded
	}, &got)
	if err != nil {
		return nil, err
	}
	return got.Data.lines(), nil
}

// load adds up what a query makes the server read.
type load struct {
	logs   *Logs
	search *observability.Search
	reads  bool // whether all lines of the range are read; without filters beyond the labels only what is given is
	bytes  int64
}

// add adds one piece, and refuses it when that is too much.
func (u *load) add(ctx context.Context, piece span) error {
	if !u.reads {
		return nil
	}
	var got struct {
		Bytes int64 `json:"bytes"`
	}
	err := u.logs.ask(ctx, "index/stats", url.Values{
		"query": {selectorOf(u.search)}, "start": {strconv.FormatInt(piece.from, 10)}, "end": {strconv.FormatInt(piece.to+1, 10)},
	}, &got)
	if err != nil {
		return err
	}
	u.bytes += got.Bytes
	if u.bytes <= u.logs.options.MaxQueryBytes {
		return nil
	}
	return platform.Errorf(platform.CodeExhausted, "The query would read more than %s of logs, from %s to %s.",
		size(u.logs.options.MaxQueryBytes), time.Unix(0, piece.from).UTC().Format(time.RFC3339), time.Unix(0, piece.to).UTC().Format(time.RFC3339)).
		WithHint("Give a shorter range (from, to), or name the service, the environment or the level, which Loki finds without reading.").WithField("from")
}

// size writes bytes for people.
func size(n int64) string {
	if n < 10<<20 {
		return strconv.FormatInt(n>>10, 10) + " KiB"
	}
	return strconv.FormatInt(n>>20, 10) + " MiB"
}

// ask sends one GET to the server's query API and decodes its answer.
func (l *Logs) ask(ctx context.Context, what string, query url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.address(apiPath+what, query), nil)
	if err != nil {
		return fmt.Errorf("build a query: %w", err)
	}
	// Else metadata is answered among the labels, where names could collide.
	req.Header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	got, err := l.do(req, maxAnswer)
	if err != nil {
		return err
	}
	if !got.ok() {
		return l.unanswered(got)
	}
	if err := json.Unmarshal(got.body, into); err != nil {
		return platform.Errorf(platform.CodeUnavailable, "Loki at %s answered what is not its JSON: %v.", l.base.Host, err).
			WithHint("Check that the address is that of Loki itself.")
	}
	return nil
}

// tooMuch are the words by which Loki refuses a query for what it costs.
var tooMuch = []string{"would read too many bytes", "query time range exceeds the limit", "max entries limit per query exceeded", "too many outstanding requests", "maximum number of series", "exceeds the max query length", "the query time range"}

// unanswered returns the error for a refused query.
func (l *Logs) unanswered(got answer) error {
	if got.status == http.StatusBadRequest || got.status == http.StatusTooManyRequests || got.status == http.StatusGatewayTimeout {
		for _, words := range tooMuch {
			if strings.Contains(got.words(), words) {
				return platform.Errorf(platform.CodeExhausted, "Loki refuses the query: %s.", strings.TrimSuffix(got.words(), ".")).
					WithHint("Give a shorter range (from, to), or name the service, the environment or the level.").WithField("from")
			}
		}
	}
	return l.refused(got)
}

// streamsData is the answer to a query for lines.
type streamsData struct {
	Result []struct {
		Stream map[string]string `json:"stream"`
		Values []streamValue     `json:"values"`
	} `json:"result"`
}

func (d streamsData) lines() []observability.Line {
	n := 0
	for _, r := range d.Result {
		n += len(r.Values)
	}
	lines := make([]observability.Line, 0, n)
	for _, r := range d.Result {
		for _, v := range r.Values {
			lines = append(lines, lineOf(r.Stream, v.at, v.text, v.meta))
		}
	}
	return lines
}

// streamValue is one entry: [nanoseconds, line, {structuredMetadata}].
type streamValue struct {
	at   time.Time
	text string
	meta map[string]string
}

// UnmarshalJSON reads an entry of two or three parts.
func (v *streamValue) UnmarshalJSON(raw []byte) error {
	var nanos string
	var beside struct {
		Metadata map[string]string `json:"structuredMetadata"`
	}
	parts := []any{&nanos, &v.text, &beside}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	at, err := strconv.ParseInt(nanos, 10, 64)
	if err != nil {
		return fmt.Errorf("read the time of an entry: %w", err)
	}
	v.at, v.meta = time.Unix(0, at).UTC(), beside.Metadata
	return nil
}
