package parse

import "strings"

// readAccess reads the request of an access log line: common and combined (Apache, nginx, gunicorn, werkzeug), and those
// that look alike (uvicorn, Django, chi: `"GET /path HTTP/1.1" 200`), gin's, and morgan's short ones. It returns the
// status, "" when the line is none.
func (r *reader) readAccess(text string) string {
	if version := strings.Index(text, " HTTP/"); version >= 0 {
		return r.readQuotedRequest(text, version)
	}
	if strings.HasPrefix(text, "[GIN] ") {
		return r.readGin(text)
	}
	return r.readShort(text)
}

func (r *reader) readQuotedRequest(text string, version int) string {
	open := strings.LastIndexByte(text[:version], '"')
	if open < 0 {
		return ""
	}
	method, path, ok := strings.Cut(text[open+1:version], " ")
	_, after, quoted := strings.Cut(text[version+1:], `"`)
	after = strings.TrimLeft(after, " ")
	if strings.HasPrefix(after, "from ") { // chi: from 127.0.0.1:4711 - 200 13B in 1ms
		_, after, _ = strings.Cut(after, " - ")
	}
	status := statusAt(after)
	if !ok || !quoted || status == "" || !isMethod(method) {
		return ""
	}
	r.setRequest(method, path, status)
	r.set("client", clientOf(text[:open]))
	rest := strings.TrimLeft(after[3:], " ")
	size, rest, _ := strings.Cut(rest, " ")
	if !allDigits(size) {
		return status
	}
	r.set("bytes", size)
	if referer, rest, ok := cutQuoted(rest); ok {
		if referer != "-" {
			r.set("referer", referer)
		}
		if agent, _, ok := cutQuoted(rest); ok && agent != "-" {
			r.set("user_agent", agent)
		}
	}
	return status
}

func (r *reader) setRequest(method, path, status string) {
	r.set("method", method)
	r.set("path", path)
	r.set("status", status)
}

// statusAt returns the status that s begins with.
func statusAt(s string) string {
	if len(s) < 3 || !allDigits(s[:3]) || s[0] < '1' || s[0] > '5' || len(s) > 3 && s[3] != ' ' {
		return ""
	}
	return s[:3]
}

func isMethod(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return len(s) >= 3 && len(s) <= 16
}

// clientOf returns the address before " - " in the head of an access log line.
func clientOf(head string) string {
	before, _, ok := strings.Cut(head, " - ")
	client := before[strings.LastIndexByte(before, ' ')+1:]
	if !ok || len(client) > 64 || strings.Trim(client, "0123456789abcdefABCDEF.:[]") != "" || !strings.ContainsAny(client, ".:") {
		return ""
	}
	return client
}

func cutQuoted(s string) (value, rest string, ok bool) {
	if len(s) < 2 || s[0] != '"' {
		return "", "", false
	}
	value, rest, ok = strings.Cut(s[1:], `"`)
	return value, strings.TrimLeft(rest, " "), ok
}

// readGin reads [GIN] 2030/01/02 - 15:04:05 | 200 |  1.2ms |  127.0.0.1 | GET      "/path".
func (r *reader) readGin(text string) string {
	parts := strings.SplitN(text, "|", 5)
	if len(parts) != 5 {
		return ""
	}
	status := statusAt(strings.TrimSpace(parts[1]))
	method, path, ok := strings.Cut(strings.TrimSpace(parts[4]), " ")
	if status == "" || !ok || !isMethod(method) {
		return ""
	}
	path, _, _ = strings.Cut(strings.TrimLeft(path, " \""), `"`)
	r.setRequest(method, path, status)
	r.set("client", strings.TrimSpace(parts[3]))
	return status
}

// readShort reads GET /path 200, as morgan's forms dev and tiny begin.
func (r *reader) readShort(text string) string {
	method, rest, ok := strings.Cut(text[:min(len(text), 4096)], " /")
	if !ok || !isMethod(method) {
		return ""
	}
	path, after, ok := strings.Cut(rest, " ")
	status := statusAt(after)
	if !ok || status == "" {
		return ""
	}
	r.setRequest(method, "/"+path, status)
	return status
}
