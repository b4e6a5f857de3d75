package loki

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/observability"
)

// The query language is written in this file only. A query is a selector and filters; every value that comes from
// outside stands between quotes that quote made, and every name is one of ours or made by fieldName, so that nothing
// from outside can end a string, a selector or a stage.

// selectorOf returns the stream selector of s. It always names project, which every stream of ours has.
func selectorOf(s *observability.Search) string {
	project := labelProject + `=~".+"`
	if s.Project != "" {
		project = match(labelProject, s.Project)
	}
	parts := []string{project}
	if s.Environment != "" {
		parts = append(parts, match(labelEnvironment, s.Environment))
	}
	if s.Service != "" {
		parts = append(parts, match(labelService, s.Service))
	}
	if len(s.Levels) == 1 {
		parts = append(parts, match(labelLevel, string(s.Levels[0])))
	} else if len(s.Levels) > 1 {
		// Levels were checked by Prepare: they are of a closed set of plain words.
		levels := make([]string, len(s.Levels))
		for i, level := range s.Levels {
			levels[i] = string(level)
		}
		parts = append(parts, labelLevel+"=~"+quote(strings.Join(levels, "|")))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// filtersOf returns the filters that follow the selector, each after a space: on text first, which are the cheapest.
// They mean what Search.Match means, or let more through.
func filtersOf(s *observability.Search) string {
	var b strings.Builder
	if s.Text != "" {
		b.WriteString(" |= " + quote(s.Text))
	}
	if s.Regex != "" {
		b.WriteString(" |~ " + quote(s.Regex))
	}
	equal := func(name, value string) { b.WriteString(" | " + match(name, value)) }
	if s.Release != 0 {
		equal(metaRelease, strconv.Itoa(s.Release))
	}
	for _, f := range []struct{ name, value string }{{metaDeploy, s.Deploy}, {metaInstance, s.Instance}, {metaSource, s.Source}} {
		if f.value != "" {
			equal(f.name, f.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		equal(fieldName(name), s.Fields[name])
	}
	return b.String()
}

func match(name, value string) string { return name + "=" + quote(escapeValue(value)) }

// linesQuery returns the query for the lines of s.
func linesQuery(s *observability.Search) string { return selectorOf(s) + filtersOf(s) }

// countQuery returns the query for the lines of s per level in the span before the time it is asked for: [t-span, t).
// Loki leaves out the beginning of a span and includes its end, and counts by milliseconds; the offset turns that round.
func countQuery(s *observability.Search, span time.Duration) string {
	return "sum by (" + labelLevel + ") (count_over_time(" + linesQuery(s) + " [" + strconv.FormatInt(span.Milliseconds(), 10) + "ms] offset 1ms))"
}

// narrows reports whether s has filters that the server can only apply by reading lines.
func narrows(s *observability.Search) bool { return filtersOf(s) != "" }
