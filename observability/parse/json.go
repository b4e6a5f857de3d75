package parse

import (
	"encoding/json"
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// Names under which formats keep the level, the message and the stack, most telling first.
var (
	levelKeys   = []string{"level", "severity", "lvl", "log.level", "levelname", "loglevel", "log_level", "@level", "level_name"}
	messageKeys = []string{"msg", "message", "@message", "log.message", "event", "log", "text"}
	stackKeys   = []string{"stack", "stacktrace", "stack_trace", "exc_info", "exception", "traceback", "error.stack_trace", "err.stack", "error.stack", "exc_text"}
)

// maxDepth is how deep nested objects are flattened; what is deeper stays JSON text.
const maxDepth = 6

// parseJSON reads a line that is one JSON object.
func parseJSON(l *observability.Line, text string) bool {
	trimmed := strings.TrimSpace(text)
	if len(trimmed) < 2 || trimmed[0] != '{' || trimmed[len(trimmed)-1] != '}' {
		return false
	}
	decoder := json.NewDecoder(strings.NewReader(trimmed))
	decoder.UseNumber()
	var object map[string]any
	if decoder.Decode(&object) != nil || decoder.More() {
		return false
	}
	fields := make(map[string]string, len(object))
	flatten(fields, "", object, 0)
	lift(l, fields, text)
	return true
}

func flatten(fields map[string]string, prefix string, object map[string]any, depth int) {
	for name, value := range object {
		switch v := value.(type) {
		case nil:
		case string:
			fields[prefix+name] = v
		case json.Number:
			fields[prefix+name] = v.String()
		case bool:
			fields[prefix+name] = "false"
			if v {
				fields[prefix+name] = "true"
			}
		case map[string]any:
			if depth < maxDepth {
				flatten(fields, prefix+name+".", v, depth+1)
				continue
			}
			fields[prefix+name] = encode(v)
		default:
			fields[prefix+name] = encode(v)
		}
	}
}

func encode(v any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(v) != nil {
		return "" // values that came out of the decoder always encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// lift takes the level and the message out of fields; the rest becomes the line's fields. A stack in a field of its own
// joins the message, so that searching and diagnosis see it as they see one that was printed.
func lift(l *observability.Line, fields map[string]string, text string) {
	for _, key := range levelKeys {
		if level := levelOf(fields[key]); level != observability.LevelUnknown {
			l.Level = level
			delete(fields, key)
			break
		}
	}
	l.Message = text
	for _, key := range messageKeys {
		if message := fields[key]; message != "" {
			l.Message = stripControls(message)
			delete(fields, key)
			break
		}
	}
	for _, key := range stackKeys {
		stack := fields[key]
		if strings.Contains(stack, "\n") && l.Message != text && !strings.Contains(l.Message, stack) {
			l.Message += "\n" + stripControls(stack)
			delete(fields, key)
			break
		}
	}
	if len(fields) > 0 {
		l.Fields = fields
	}
}
