package observability

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// maxPattern bounds the text and the regular expression of a query.
const maxPattern = 4 << 10

// Search is a LogQuery that was checked: its defaults are filled in, its expression compiled, its cursor read.
// Stores are handed queries and begin with Prepare, so that all of them refuse the same things with the same words.
type Search struct {
	LogQuery
	Pattern *regexp.Regexp // nil without Regex
	After   Position       // where the page before ended; zero on the first page
}

// Position is a place in the order of a search: Skip lines of time At were already given.
type Position struct {
	At   time.Time
	Skip int
}

// Prepare checks q and fills in its defaults. now is what a zero To means. Its errors are platform invalid errors that
// name the field at fault and the fix.
func (q LogQuery) Prepare(now time.Time) (Search, error) {
	if err := q.check(); err != nil {
		return Search{}, err
	}
	q, err := q.fold()
	if err != nil {
		return Search{}, err
	}
	s := Search{LogQuery: q}
	if s.Limit == 0 {
		s.Limit = DefaultLogLimit
	}
	if s.To.IsZero() {
		s.To = now
	}
	if q.Regex != "" {
		if s.Pattern, err = compile(q.Regex); err != nil {
			return Search{}, err
		}
	}
	if q.Cursor != "" {
		if s.After, err = q.readCursor(); err != nil {
			return Search{}, err
		}
	}
	return s, nil
}

func compile(expression string) (*regexp.Regexp, error) {
	pattern, err := regexp.Compile(expression)
	if err != nil {
		return nil, platform.Errorf(platform.CodeInvalid, "The regular expression does not parse: %s.", strings.TrimPrefix(err.Error(), "error parsing regexp: ")).
			WithHint("Use RE2 syntax, and put a backslash before . ( ) [ ] { } + * ? | ^ $ to mean the character itself; or search for plain text.").WithField("regex")
	}
	return pattern, nil
}

// fold says what IgnoreCase means by an expression, so that stores need to know nothing of it.
func (q LogQuery) fold() (LogQuery, error) {
	const ignoreCase = "(?i)"
	if !q.IgnoreCase {
		return q, nil
	}
	q.IgnoreCase = false
	switch {
	case q.Text != "" && q.Regex != "":
		return q, platform.Errorf(platform.CodeInvalid, "A search that ignores case takes text or a regular expression, not both.").
			WithHint("Leave one of them out, or write (?i) at the beginning of the expression instead.").WithField("ignore_case")
	case q.Text != "":
		q.Text, q.Regex = "", ignoreCase+regexp.QuoteMeta(q.Text)
	case q.Regex != "":
		if _, err := compile(q.Regex); err != nil { // in the words of who wrote it
			return q, err
		}
		q.Regex = ignoreCase + q.Regex
	}
	return q, nil
}

func (q LogQuery) check() error {
	invalid := func(field, message, hint string) error {
		return platform.Errorf(platform.CodeInvalid, "%s", message).WithHint("%s", hint).WithField(field)
	}
	switch {
	case q.Limit < 0 || q.Limit > MaxLogLimit:
		return invalid("limit", "The limit "+strconv.Itoa(q.Limit)+" is out of range.", "Ask for 1 to "+strconv.Itoa(MaxLogLimit)+" lines, and use the cursor to read on.")
	case !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To):
		return invalid("from", "The range is reversed: it begins at "+q.From.UTC().Format(time.RFC3339Nano)+" and ends at "+q.To.UTC().Format(time.RFC3339Nano)+".", "Give a beginning that is before the end.")
	case len(q.Text) > maxPattern:
		return invalid("text", "The text to search for is longer than 4096 bytes.", "Search for a shorter part of it.")
	case len(q.Regex) > maxPattern:
		return invalid("regex", "The regular expression is longer than 4096 bytes.", "Use a shorter one.")
	}
	for _, level := range q.Levels {
		if level == LevelUnknown || !level.Valid() {
			return invalid("level", "There is no level "+strconv.Quote(platform.Truncate(string(level), 40))+".", "Use debug, info, warn, error or fatal.")
		}
	}
	for name := range q.Fields {
		if name == "" || len(name) > MaxFieldName {
			return invalid("fields", "A field name must have 1 to "+strconv.Itoa(MaxFieldName)+" bytes.", "Write a filter on a field as name=value.")
		}
	}
	return nil
}

// Match reports whether l passes the filters of the search, its time range included. Cursor and limit play no part.
func (s *Search) Match(l *Line) bool {
	if !s.From.IsZero() && l.At.Before(s.From) || !l.At.Before(s.To) {
		return false
	}
	return s.MatchLive(l)
}

// MatchLive is Match without the time range.
func (s *Search) MatchLive(l *Line) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	if !same(s.Project, l.Project) || !same(s.Environment, l.Environment) || !same(s.Service, l.Service) ||
		!same(s.Deploy, l.Deploy) || !same(s.Instance, l.Instance) || !same(s.Source, l.Source) {
		return false
	}
	if s.Release != 0 && s.Release != l.Release || len(s.Levels) > 0 && !slices.Contains(s.Levels, l.Level) {
		return false
	}
	for name, value := range s.Fields {
		if l.Fields[name] != value {
			return false
		}
	}
	return strings.Contains(l.Message, s.Text) && (s.Pattern == nil || s.Pattern.MatchString(l.Message))
}

// cursorVersion begins every cursor: version, filters, time in nanoseconds, lines of that time already given.
const cursorVersion = "l1"

func (q LogQuery) cursor(p Position) string {
	return strings.Join([]string{cursorVersion, q.fingerprint(), strconv.FormatInt(p.At.UnixNano(), 10), strconv.Itoa(p.Skip)}, ".")
}

func (q LogQuery) readCursor() (Position, error) {
	parts := strings.Split(q.Cursor, ".")
	if len(parts) != 4 || parts[0] != cursorVersion {
		return Position{}, platform.Errorf(platform.CodeInvalid, "The cursor is not one that a log query gave.").
			WithHint("Pass the value of next from the page before, unchanged, or leave the cursor out to begin anew.").WithField("cursor")
	}
	nanos, errAt := strconv.ParseInt(parts[2], 10, 64)
	skip, errSkip := strconv.Atoi(parts[3])
	if errAt != nil || errSkip != nil || skip < 0 || skip > maxSkip {
		return Position{}, platform.Errorf(platform.CodeInvalid, "The cursor was changed or cut.").
			WithHint("Pass the value of next from the page before, unchanged, or leave the cursor out to begin anew.").WithField("cursor")
	}
	if parts[1] != q.fingerprint() {
		return Position{}, platform.Errorf(platform.CodeInvalid, "The cursor belongs to another query: its project, filters or direction differ.").
			WithHint("Repeat the query of the page before with only the cursor added, or leave the cursor out to begin anew.").WithField("cursor")
	}
	return Position{At: time.Unix(0, nanos).UTC(), Skip: skip}, nil
}

// fingerprint binds a cursor to the project, the filters and the direction, but not to the range or the limit, which
// may move between pages ("the last hour").
func (q LogQuery) fingerprint() string {
	h := sha256.New()
	add := func(parts ...string) {
		for _, p := range parts {
			h.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
		}
	}
	add(q.Project, q.Environment, q.Service, strconv.Itoa(q.Release), q.Deploy, q.Instance, q.Source, q.Text, q.Regex, strconv.FormatBool(q.Backward))
	for _, level := range slices.Sorted(slices.Values(q.Levels)) {
		add("level", string(level))
	}
	for _, name := range slices.Sorted(maps.Keys(q.Fields)) {
		add("field", name, q.Fields[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
