package secret

import "strings"

// strongKeys are the ends of names whose value is a secret whatever it looks like; case, _, - and . do not count.
var strongKeys = []string{
	"password", "passwd", "passphrase", "pwd", "apikey", "secretkey", "privatekey", "secretaccesskey", "clientsecret", "appsecret",
	"accesstoken", "refreshtoken", "authtoken", "sessiontoken", "securitytoken", "apitoken", "bearertoken", "bottoken", "xamzsignature", "xgoogsignature",
}

// weakKeys are the ends of names whose value is a secret when it looks like one: models speak of tokens, and clusters
// name their secrets.
var weakKeys = []string{"token", "secret"}

// harmlessKeys are the ends of names that weakKeys would take in.
var harmlessKeys = []string{"pagetoken", "continuationtoken", "nexttoken", "synctoken", "resumetoken"}

// maxKey is the longest name that is looked at.
const maxKey = 64

// findPair finds the value of a name that says it is secret: name=value, name: value, "name":"value", and in a URL.
func findPair(text string, at int) (start, end int) {
	from, to := at, at
	for from > 0 && at-from < maxKey && isKeyByte(text[from-1]) {
		from--
	}
	for to < len(text) && to-at < maxKey && isKeyByte(text[to]) {
		to++
	}
	if to == len(text) {
		return 0, 0
	}
	after, quoted := to, false
	switch {
	case text[after] == '"' || text[after] == '\'':
		after, quoted = after+1, true
	case strings.HasPrefix(text[after:], `\"`):
		after, quoted = after+2, true
	}
	if quoted && after < len(text) && text[after] == ' ' {
		after++
	}
	if after >= len(text) || text[after] != '=' && text[after] != ':' {
		return 0, 0
	}
	strong, weak := keyKind(text[from:to])
	if !strong && !weak {
		return 0, 0
	}
	spaced := false
	for after++; after < len(text) && text[after] == ' '; after++ {
		spaced = true
	}
	inURL := from > 0 && (text[from-1] == '?' || text[from-1] == '&')
	start, end, closed := valueAt(text, after, inURL)
	value := text[start:end]
	prose := spaced && !quoted && !closed // "Invalid password: must be longer" is no pair
	switch {
	case value == "" || isPlaceholder(value) || strings.HasPrefix(value, "/") && !strong:
	case !closed && (value[0] == '[' || value[0] == '{'): // a list or an object: what is in it is looked at by itself
	case hasSuffixKey(text[from:to], "pwd") && strings.HasPrefix(value, "/"): // PWD is a folder
	case prose && (len(value) < 6 || !hasDigit(value)):
	case !strong && !looksSecret(value):
	default:
		return start, end
	}
	return 0, 0
}

func isKeyByte(c byte) bool { return isWord(c) || c == '-' || c == '.' }

// keyKind says whether a name ends as those of secrets do.
func keyKind(key string) (strong, weak bool) {
	for _, k := range harmlessKeys {
		if hasSuffixKey(key, k) {
			return false, false
		}
	}
	for _, k := range strongKeys {
		if hasSuffixKey(key, k) {
			return true, false
		}
	}
	for _, k := range weakKeys {
		if hasSuffixKey(key, k) {
			return false, true
		}
	}
	return false, false
}

// hasSuffixKey reports whether key ends with end, which is in lower case, when case, _, - and . do not count.
func hasSuffixKey(key, end string) bool {
	i := len(key)
	for j := len(end) - 1; j >= 0; j-- {
		for i > 0 && (key[i-1] == '_' || key[i-1] == '-' || key[i-1] == '.') && i < len(key) {
			i--
		}
		if i == 0 || fold[key[i-1]] != end[j] {
			return false
		}
		i--
	}
	return true
}

// valueAt returns the value that begins at at, without its quotes, and whether it had some.
func valueAt(text string, at int, inURL bool) (start, end int, closed bool) {
	if strings.HasPrefix(text[at:], `\"`) || strings.HasPrefix(text[at:], `\'`) { // a quote within a quote
		start = at + 2
		if i := strings.Index(text[start:], text[at:start]); i >= 0 {
			return start, start + i, true
		}
		return start, len(text), true
	}
	if at < len(text) && (text[at] == '"' || text[at] == '\'' || text[at] == '`') {
		for end = at + 1; end < len(text) && text[end] != text[at]; end++ {
			if text[end] == '\\' && end+1 < len(text) {
				end++
			}
		}
		return at + 1, min(end, len(text)), true
	}
	for end = at; end < len(text) && !endsValue(text, end, inURL); end++ {
	}
	return at, end, false
}

// endsValue reports whether a value without quotes ends before text[i].
func endsValue(text string, i int, inURL bool) bool {
	switch c := text[i]; c {
	case ' ', '\t', '\n', '\r', '"', '\'', '`', '<', '>', ')', ']', '}', '|', ';', '\\':
		return true
	case '&', '#':
		return inURL
	case ',':
		return i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '"'
	}
	return false
}

// looksSecret reports whether a value reads as made by a machine: long, in one piece, with letters and digits.
func looksSecret(value string) bool {
	letters := strings.ContainsFunc(value, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' })
	return len(value) >= 12 && letters && hasDigit(value) && !strings.ContainsAny(value, " \t\n")
}

// isPlaceholder reports whether a value stands in for a secret: nothing, a variable, a format verb, or what redacting left.
func isPlaceholder(value string) bool {
	switch strings.ToLower(strings.TrimRight(value, ".,")) {
	case "", "null", "nil", "none", "true", "false", "undefined", "required", "missing", "invalid", "incorrect", "empty", "unset", "xxxxx", "string":
		return true
	}
	if strings.Trim(value, "*") == "" || strings.Trim(value, "\u2022") == "" {
		return true
	}
	if strings.Contains(value, "[redacted") {
		return true
	}
	for _, begin := range []string{"<", "${", "{{", "$(", "%s", "%v", "%q", "%(", "***"} {
		if strings.HasPrefix(value, begin) {
			return true
		}
	}
	return len(value) > 1 && value[0] == '$' && strings.ToUpper(value) == value && !hasDigit(value[:2])
}

// schemes are the words that begin the value of an Authorization header. After those that are true, all of it is secret.
var schemes = map[string]bool{
	"bearer": false, "basic": false, "token": false, "apikey": false, "key": false, "negotiate": false, "ntlm": false,
	"digest": true, "aws4-hmac-sha256": true, "hawk": true,
}

// findAuthorization finds what follows the scheme in the value of an Authorization header, or a value without one that
// looks like a secret.
func findAuthorization(text string, at int) (start, end int) {
	i := at + len("authorization")
	i = span(text, i, func(c byte) bool { return c == '"' || c == '\'' || c == '\\' })
	if i >= len(text) || text[i] != ':' && text[i] != '=' {
		return 0, 0
	}
	i = span(text, i+1, func(c byte) bool { return strings.IndexByte(" \"'\\[", c) >= 0 })
	word := span(text, i, func(c byte) bool { return isAlnum(c) || c == '-' })
	all, known := schemes[strings.ToLower(text[i:word])]
	if !known || word >= len(text) || text[word] != ' ' {
		_, end, _ = valueAt(text, i, false)
		if isPlaceholder(text[i:end]) || !looksSecret(text[i:end]) {
			return 0, 0
		}
		return i, end
	}
	start = span(text, word, func(c byte) bool { return c == ' ' })
	if all {
		if n := strings.IndexAny(text[start:], "\"\n\\"); n >= 0 && text[i:word] != "Digest" && text[i:word] != "digest" {
			return start, start + n
		}
		end = start + len(text[start:])
		if n := strings.IndexByte(text[start:], '\n'); n >= 0 {
			end = start + n
		}
	} else {
		_, end, _ = valueAt(text, start, false)
	}
	if value := text[start:end]; isPlaceholder(value) || len(value) < 8 || !all && !hasDigit(value) && len(value) < 16 {
		return 0, 0
	}
	return start, end
}
