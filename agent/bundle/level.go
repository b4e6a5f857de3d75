package bundle

import "bytes"

// spoken are the words by which programs give a level in the text of a line, the gravest first.
var spoken = [...]struct{ word, level string }{
	{"FATAL", "fatal"},
	{"CRITICAL", "fatal"},
	{"PANIC", "fatal"},
	{"panic:", "fatal"},
	{"fatal error:", "fatal"},
	{"[emerg]", "fatal"},
	{"[alert]", "fatal"},
	{"[crit]", "fatal"},
	{"[fatal]", "fatal"},
	{"ERROR", "error"},
	{"[error]", "error"},
	{"Traceback", "error"},
	{"Unhandled", "error"},
	{"Uncaught", "error"},
	{"Exception in thread", "error"},
	{"WARN", "warn"},
	{"[warn]", "warn"},
	{"INFO", "info"},
	{"[info]", "info"},
	{"[notice]", "info"},
	{"DEBUG", "debug"},
	{"[debug]", "debug"},
}

// keyed are the keys of a level in a line that is JSON or logfmt itself.
var keyed = [...]string{`"level":`, `"severity":`, `"lvl":`, `"log.level":`, `"levelname":`, "level=", "lvl=", "severity="}

// levelInText reads the level of a line that has no field for it.
func levelInText(text []byte) string {
	if len(text) > 1 && (text[0] == '{' || bytes.Contains(text[:min(len(text), 80)], []byte("="))) {
		for _, k := range keyed {
			if i := bytes.Index(text[:min(len(text), 600)], []byte(k)); i >= 0 {
				value := bytes.TrimLeft(text[i+len(k):], ` "`)
				end := bytes.IndexAny(value, `", }`)
				if end < 0 {
					end = len(value)
				}
				if known := level(value[:end]); known != "" {
					return known
				}
			}
		}
	}
	head := text[:min(len(text), 64)]
	for _, w := range &spoken {
		if bytes.Contains(head, []byte(w.word)) {
			return w.level
		}
	}
	if namesError(text) {
		return "error"
	}
	return ""
}

// namesError reports whether a line begins with the name of an error, as an interpreter prints the one that ended a program:
// "Error: no such file", "java.lang.IllegalStateException: closed".
func namesError(text []byte) bool {
	name, _, ok := bytes.Cut(text[:min(len(text), 120)], []byte(":"))
	if !ok || len(name) < 5 || bytes.ContainsAny(name, " \t/={") {
		return false
	}
	return bytes.HasSuffix(name, []byte("Error")) || bytes.HasSuffix(name, []byte("Exception")) || bytes.Equal(name, []byte("error")) || bytes.Equal(name, []byte("fatal"))
}
