package parse

import (
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// field is a name and a value that a line was found to hold.
type field struct{ name, value string }

// fieldList collects the fields of one record. Of two with the same name the later one counts.
type fieldList struct {
	list []field
	odd  bool // a name of those in the map is empty or too long
}

func (f *fieldList) add(name, value string) { f.list = append(f.list, field{name, value}) }

func (f *fieldList) reset() { f.list = f.list[:0] }

// into returns the fields as a map, without the empty ones and those that taken names by their place; nil for none.
func (f *fieldList) into(extra int, taken ...int) map[string]string {
	var m map[string]string
	for i := range f.list {
		if f.list[i].value == "" || i == taken[0] || i == taken[1] || i == taken[2] {
			continue
		}
		if m == nil {
			m = make(map[string]string, len(f.list)-i+extra)
		}
		name := f.list[i].name
		f.odd = f.odd || name == "" || len(name) > observability.MaxFieldName
		m[name] = f.list[i].value
	}
	return m
}

// What a field may be to us, by its name.
const (
	roleLevel = 1 + iota
	roleMessage
	roleStack
	roleTime
	roleStatus
	roleRequest
	roles
)

// roleOf returns what a name is used for, and how telling it is: of two fields with a role the lower rank counts.
func roleOf(name string) (role, rank int) {
	switch name {
	case "level":
		return roleLevel, 0
	case "severity":
		return roleLevel, 1
	case "lvl", "log.level", "levelname", "loglevel", "log_level", "@level", "level_name", "@l", "logLevel", "LogLevel", "Level", "severity_text":
		return roleLevel, 2
	case "s": // of MongoDB
		return roleLevel, 3
	case "msg":
		return roleMessage, 0
	case "message":
		return roleMessage, 1
	case "@message", "log.message", "@m", "Message":
		return roleMessage, 2
	case "event":
		return roleMessage, 3
	case "log", "text", "body", "@mt":
		return roleMessage, 4
	case "stack", "stacktrace", "stack_trace", "exc_info", "exception", "traceback", "error.stack_trace", "err.stack", "error.stack", "exc_text", "@x", "exception.stacktrace":
		return roleStack, 0
	case "time", "ts", "timestamp", "@timestamp", "@t":
		return roleTime, 0
	case "datetime", "date", "asctime", "t.$date", "eventTime", "t", "Timestamp":
		return roleTime, 1
	case "status", "status_code", "statusCode", "http.status_code", "http.response.status_code", "res.statusCode", "http_status", "resp.status":
		return roleStatus, 0
	case "method", "path", "uri", "url", "req.url", "req.method", "request", "http.method", "http.target", "request_method", "request.method", "request_uri", "request.uri":
		return roleRequest, 0
	}
	return 0, 0
}

// lift takes the level, the message, the time and the trace out of the fields; the rest becomes the line's fields. A
// stack in a field of its own joins the message, so that searching and diagnosis see it as they see one that was printed.
func (r *reader) lift() {
	var best [roles]int // place of the field with that role, one more
	var ranks [roles]int
	var trace traceIDs
	l, list := &r.line, r.fields.list
	for i := range list {
		role, rank := roleOf(list[i].name)
		trace.note(list[i].name, list[i].value)
		if role == 0 || best[role] != 0 && ranks[role] <= rank || !plays(role, list[i].value) {
			continue
		}
		best[role], ranks[role] = i+1, rank
	}
	l.Message = r.clean
	if i := best[roleMessage]; i > 0 {
		l.Message = stripControls(list[i-1].value)
	}
	if i := best[roleStack]; i > 0 {
		if stack := list[i-1].value; best[roleMessage] == 0 || strings.Contains(l.Message, stack) {
			best[roleStack] = 0
		} else {
			l.Message += "\n" + stripControls(stack)
		}
	}
	if i := best[roleLevel]; i > 0 {
		l.Level = levelOf(list[i-1].value)
	} else if i := best[roleStatus]; i > 0 && best[roleRequest] > 0 {
		l.Level = statusLevel(list[i-1].value)
	}
	if r.decoded {
		for i := range list {
			list[i].value = stripControls(list[i].value)
		}
	}
	l.Fields = r.fields.into(trace.count(), best[roleLevel]-1, best[roleMessage]-1, best[roleStack]-1)
	if i := best[roleTime]; i > 0 {
		if t, zoned, ok := anyStamp(list[i-1].value); ok {
			r.noteTime(t, zoned)
		}
	}
	trace.lift(l)
}

// plays reports whether a value can play the role that its name promises.
func plays(role int, value string) bool {
	switch role {
	case roleLevel:
		return levelOf(value) != observability.LevelUnknown
	case roleStack:
		return strings.IndexByte(value, '\n') >= 0
	}
	return value != ""
}

// set adds a field to the line.
func (r *reader) set(name, value string) {
	if value == "" {
		return
	}
	if r.line.Fields == nil {
		r.line.Fields = make(map[string]string, 4)
	}
	r.line.Fields[name] = value
}
