package loki

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
)

// serviceLabels name the service of a pushed line, best first; the first that is there is taken.
var serviceLabels = []string{"service", "service_name", "app", "application", "app_kubernetes_io_name", "container", "container_name", "compose_service", "component"}

// levelLabels say how grave a pushed line is, best first.
var levelLabels = []string{"level", "severity", "severity_text", "lvl", "log_level", "detected_level"}

// levelWords are the words for levels in use.
var levelWords = map[string]observability.Level{
	"trace": observability.LevelDebug, "debug": observability.LevelDebug, "dbg": observability.LevelDebug,
	"info": observability.LevelInfo, "information": observability.LevelInfo, "notice": observability.LevelInfo,
	"warn": observability.LevelWarn, "warning": observability.LevelWarn,
	"error": observability.LevelError, "err": observability.LevelError,
	"fatal": observability.LevelFatal, "critical": observability.LevelFatal, "crit": observability.LevelFatal,
	"alert": observability.LevelFatal, "emerg": observability.LevelFatal, "emergency": observability.LevelFatal, "panic": observability.LevelFatal,
}

// fill puts labels or metadata of a pushed entry into its line; what has no place of its own becomes a field. A name of a
// service counts when such a service is known: only that can be searched for.
func fill(l *observability.Line, pairs map[string]string, services []string) {
	used := ""
	if l.Service == "" {
		for _, name := range serviceLabels {
			if value := pairs[name]; value != "" && slices.Contains(services, value) {
				l.Service, used = value, name
				break
			}
		}
	}
	for _, name := range levelLabels {
		if l.Level != observability.LevelUnknown {
			break
		}
		l.Level = levelWords[strings.ToLower(pairs[name])]
	}
	for name, value := range pairs {
		switch {
		case value == "" || name == used:
		case name == "stream" && (value == "stdout" || value == "stderr"):
			l.Stream = value
		case (name == "service_name" || name == "detected_level") && isKnown(l, name, value): // added by agents beside what they repeat
		case isLevel(name) && levelWords[strings.ToLower(value)] == l.Level && l.Level != observability.LevelUnknown:
		default:
			l.Fields[name] = value
		}
	}
}

func isKnown(l *observability.Line, name, value string) bool {
	return name == "service_name" && (value == l.Service || value == "unknown_service") || name == "detected_level" && value == "unknown"
}

func isLevel(name string) bool {
	for _, known := range levelLabels {
		if name == known {
			return true
		}
	}
	return false
}

// parseLabels reads a label set, {name="value", …}, of at most limit labels.
func parseLabels(text string, limit int) (map[string]string, error) {
	wrong := func(what string) (map[string]string, error) {
		return nil, malformed("The labels of a stream cannot be read: %s.", what)
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "{")
	if !ok {
		return wrong("they do not begin with {")
	}
	labels := make(map[string]string)
	for rest = space(rest); !strings.HasPrefix(rest, "}"); rest = space(rest) {
		name, after := labelName(rest)
		if name == "" {
			return wrong("a name is missing or holds other than letters, digits and underscores")
		}
		after, ok = strings.CutPrefix(space(after), "=")
		if !ok {
			return wrong("= is missing after a name")
		}
		quoted, err := strconv.QuotedPrefix(space(after))
		if err != nil {
			return wrong("a value is not between quotes")
		}
		value, err := strconv.Unquote(quoted)
		if err != nil || quoted[0] == '\'' {
			return wrong("a value is not between quotes")
		}
		if _, twice := labels[name]; twice {
			return wrong("a name stands twice")
		}
		if labels[name] = value; len(labels) > limit {
			return nil, tooLarge("labels in one stream", int64(limit))
		}
		rest = space(space(after)[len(quoted):])
		if rest, ok = strings.CutPrefix(rest, ","); !ok && !strings.HasPrefix(rest, "}") {
			return wrong("a comma or } is missing after a value")
		}
	}
	if rest = space(rest[1:]); rest != "" {
		return wrong("something follows }")
	}
	return labels, nil
}

func space(s string) string { return strings.TrimLeftFunc(s, unicode.IsSpace) }

func labelName(s string) (name, rest string) {
	i := 0
	for i < len(s) && (s[i] == '_' || 'a' <= s[i] && s[i] <= 'z' || 'A' <= s[i] && s[i] <= 'Z' || i > 0 && '0' <= s[i] && s[i] <= '9') {
		i++
	}
	return s[:i], s[i:]
}

// jsonEntry is [nanoseconds, line] or [nanoseconds, line, metadata].
type jsonEntry struct {
	at   time.Time
	text string
	meta map[string]string
}

// UnmarshalJSON reads an entry.
func (e *jsonEntry) UnmarshalJSON(raw []byte) error {
	var nanos string
	parts := []any{&nanos, &e.text, &e.meta}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	if len(parts) < 2 || len(parts) > 3 {
		return errors.New("a value is not a list of a time, a line and perhaps metadata")
	}
	at, err := strconv.ParseInt(nanos, 10, 64)
	if err != nil {
		return errors.New("a time is not a string of nanoseconds since 1970")
	}
	e.at = time.Unix(0, at)
	return nil
}

// json reads a push as JSON piece by piece, so that the limits hold before more is allocated.
func (g *received) json(raw []byte) error {
	in := json.NewDecoder(bytes.NewReader(raw))
	err := object(in, func(name string) error {
		if name != "streams" {
			return skip(in)
		}
		return list(in, func() error { return g.jsonStream(in) })
	})
	if err == nil {
		if _, more := in.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the push")
		}
	}
	var refused *platform.Error // by a limit, or by who may write where
	if err != nil && !errors.As(err, &refused) {
		return malformed("The push is not the JSON of one: %v.", err)
	}
	return err
}

func (g *received) jsonStream(in *json.Decoder) error {
	if err := g.addStream(); err != nil {
		return err
	}
	var labels map[string]string
	var entries []jsonEntry
	err := object(in, func(name string) error {
		switch name {
		case "stream":
			return in.Decode(&labels)
		case "values":
			return list(in, func() error {
				if err := g.addEntry(); err != nil {
					return err
				}
				var e jsonEntry
				if err := in.Decode(&e); err != nil {
					return err
				}
				if len(e.meta) > g.limits.Metadata {
					return tooLarge("pairs of metadata in one entry", int64(g.limits.Metadata))
				}
				entries = append(entries, e)
				return nil
			})
		}
		return skip(in)
	})
	if err != nil {
		return err
	}
	if len(labels) > g.limits.Labels {
		return tooLarge("labels in one stream", int64(g.limits.Labels))
	}
	of, err := g.streamOf(labels)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := g.add(of, e.at, e.text, e.meta); err != nil {
			return err
		}
	}
	return nil
}

// object reads an object, calling member at the value of each name.
func object(in *json.Decoder, member func(name string) error) error {
	if err := expect(in, json.Delim('{')); err != nil {
		return err
	}
	for in.More() {
		token, err := in.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if err := member(name); err != nil {
			return err
		}
	}
	return expect(in, json.Delim('}'))
}

// list reads a list, calling element at each.
func list(in *json.Decoder, element func() error) error {
	if err := expect(in, json.Delim('[')); err != nil {
		return err
	}
	for in.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return expect(in, json.Delim(']'))
}

func expect(in *json.Decoder, want json.Delim) error {
	token, err := in.Token()
	if err != nil {
		return err
	}
	if token != want {
		return errors.New("expected " + want.String())
	}
	return nil
}

func skip(in *json.Decoder) error {
	var any json.RawMessage
	return in.Decode(&any)
}
