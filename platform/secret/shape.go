package secret

import (
	"encoding/base64"
	"slices"
	"strings"
)

// shape is a kind of credential that is told by how it is written. Its literal is where the scan stops to look; nothing
// of an ordinary line is looked at twice.
type shape struct {
	literal string // in lower case; at least three bytes; letters match in either case
	// find returns what to hide of text, of which the literal is at. Nothing is hidden when end is 0.
	find func(text string, at int) (start, end int)
}

// token describes credentials that begin with a prefix of their own.
type token struct {
	prefix string
	least  int // letters, digits, _ and - that follow, at least
	run    int // letters and digits without a break among them, at least: names of things have short words
}

var tokens = []token{
	{"flt_", 16, 0},
	{"sk-", 20, 16}, // OpenAI (sk-proj-), Anthropic (sk-ant-), OpenRouter (sk-or-)
	{"hf_", 20, 16},
	{"gsk_", 20, 16},
	{"xai-", 20, 16},
	{"r8_", 20, 16},
	{"nvapi-", 20, 0},
	{"pplx-", 20, 16},
	{"ghp_", 20, 0},
	{"gho_", 20, 0},
	{"ghu_", 20, 0},
	{"ghs_", 20, 0},
	{"ghr_", 20, 0},
	{"github_pat_", 20, 0},
	{"glpat-", 20, 0},
	{"gldt-", 20, 0},
	{"glrt-", 20, 0},
	{"glptt-", 20, 0},
	{"glcbt-", 20, 0},
	{"glsoat-", 20, 0},
	{"gloas-", 20, 0},
	{"xoxa-", 10, 0},
	{"xoxb-", 10, 0},
	{"xoxe-", 10, 0},
	{"xoxo-", 10, 0},
	{"xoxp-", 10, 0},
	{"xoxr-", 10, 0},
	{"xoxs-", 10, 0},
	{"xapp-", 10, 0},
	{"sk_live_", 16, 0},
	{"sk_test_", 16, 0},
	{"rk_live_", 16, 0},
	{"rk_test_", 16, 0},
	{"whsec_", 16, 0},
	{"AIza", 35, 0},
	{"ya29.", 20, 0},
	{"GOCSPX-", 20, 0},
	{"npm_", 30, 20},
	{"pypi-AgEI", 40, 0},
	{"dop_v1_", 40, 0},
}

var shapes = append(tokenShapes(),
	shape{"akia", findAccessKey}, shape{"asia", findAccessKey},
	shape{"eyj", findJWT},
	shape{"bearer", findBearer}, shape{"basic", findBasic}, shape{"authorization", findAuthorization},
	shape{"://", findURLPassword}, shape{"@tcp(", findDriverPassword}, shape{"@unix(", findDriverPassword},
	shape{"hooks.slack.com/services/", findSlackHook},
	shape{"-----begin ", findPrivateKey},
	shape{"passw", findPair}, shape{"passphrase", findPair}, shape{"pwd", findPair}, shape{"secret", findPair}, shape{"token", findPair},
	shape{"api_key", findPair}, shape{"apikey", findPair}, shape{"api-key", findPair}, shape{"private_key", findPair}, shape{"privatekey", findPair},
	shape{"private-key", findPair}, shape{"x-amz-signature", findPair}, shape{"x-goog-signature", findPair},
)

func tokenShapes() []shape {
	out := make([]shape, 0, len(tokens)+32)
	for _, t := range tokens {
		out = append(out, shape{strings.ToLower(t.prefix), t.find})
	}
	return out
}

// stops finds the shapes by the first three bytes of their literals, letters folded to lower case.
var stops = newStops()

type stopTable struct {
	bits   [1 << stopBits / 64]uint64
	shapes map[uint32][]*shape
}

const stopBits = 13

func newStops() *stopTable {
	t := &stopTable{shapes: make(map[uint32][]*shape, len(shapes))}
	for i := range shapes {
		s := shapes[i].literal
		gram := uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16
		t.shapes[gram] = append(t.shapes[gram], &shapes[i])
		h := stopHash(gram)
		t.bits[h>>6] |= 1 << (h & 63)
	}
	return t
}

// fold turns capitals into small letters.
var fold = func() (table [256]byte) {
	for i := range table {
		table[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			table[i] += 'a' - 'A'
		}
	}
	return table
}()

func stopHash(gram uint32) uint32 { return gram * 0x9E3779B1 >> (32 - stopBits) }

// redactShapes hides every credential that is told by its shape.
func redactShapes(text string) string {
	if len(text) < 3 {
		return text
	}
	var out strings.Builder
	done := 0 // text before it is in out
	gram := uint32(fold[text[0]])<<8 | uint32(fold[text[1]])<<16
	for i := 2; i < len(text); i++ {
		gram = gram>>8 | uint32(fold[text[i]])<<16
		if h := stopHash(gram); stops.bits[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		start, end := stops.find(text, i-2, gram)
		if end == 0 || start < done {
			continue
		}
		out.WriteString(text[done:start])
		out.WriteString(markAt(text, start))
		done = end
		if next := end - 1; next > i { // go on after what was hidden
			i = next
			gram = uint32(fold[text[max(0, i-1)]])<<8 | uint32(fold[text[i]])<<16
		}
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// markAt is what stands in place of a credential at start. A bare value of a JSON text gets quotes, so that the text
// stays JSON.
func markAt(text string, start int) string {
	if start >= 2 && text[start-1] == ':' && text[start-2] == '"' || start >= 3 && text[start-1] == ' ' && text[start-2] == ':' && text[start-3] == '"' {
		return `"` + Redacted + `"`
	}
	return Redacted
}

func (t *stopTable) find(text string, at int, gram uint32) (start, end int) {
	for _, s := range t.shapes[gram] {
		if hasFold(text[at:], s.literal) {
			if start, end = s.find(text, at); end > start {
				return start, end
			}
		}
	}
	return 0, 0
}

// hasFold reports whether text begins with literal, which is in lower case.
func hasFold(text, literal string) bool {
	return len(text) >= len(literal) && strings.EqualFold(text[:len(literal)], literal)
}

func isWord(c byte) bool { return isAlnum(c) || c == '_' }
func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
func isBase64(c byte) bool { return isAlnum(c) || c == '+' || c == '/' || c == '=' }

// begins reports whether a word begins at at.
func begins(text string, at int) bool { return at == 0 || !isWord(text[at-1]) }

// span returns where the run of bytes that is holds ends.
func span(text string, at int, is func(byte) bool) int {
	for at < len(text) && is(text[at]) {
		at++
	}
	return at
}

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }

func (t token) find(text string, at int) (start, end int) {
	if !strings.HasPrefix(text[at:], t.prefix) || !begins(text, at) {
		return 0, 0
	}
	body := at + len(t.prefix)
	end = span(text, body, func(c byte) bool { return isWord(c) || c == '-' })
	if end-body < t.least || !hasDigit(text[body:end]) || longestRun(text[body:end]) < t.run {
		return 0, 0
	}
	return at, end
}

func longestRun(s string) int {
	longest, run := 0, 0
	for i := range len(s) {
		run++
		if !isAlnum(s[i]) {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// findAccessKey finds the id of an AWS access key: AKIA or ASIA and sixteen capitals and digits.
func findAccessKey(text string, at int) (start, end int) {
	end = span(text, at, func(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' })
	if end-at != 20 || !begins(text, at) || end < len(text) && isWord(text[end]) {
		return 0, 0
	}
	return at, end
}

// findJWT finds three parts of base64, of which the first is a JSON object.
func findJWT(text string, at int) (start, end int) {
	if !strings.HasPrefix(text[at:], "eyJ") || !begins(text, at) {
		return 0, 0
	}
	part := func(from int) int { return span(text, from, func(c byte) bool { return isWord(c) || c == '-' }) }
	end = part(at)
	for range 2 {
		next := end + 1
		if end-at < 10 || end >= len(text) || text[end] != '.' {
			return 0, 0
		}
		if end = part(next); end-next < 10 {
			return 0, 0
		}
	}
	for end+1 < len(text) && text[end] == '.' && isWord(text[end+1]) { // an encrypted one has five
		end = part(end + 1)
	}
	return at, end
}

// findBearer finds what follows the word bearer, where that is no word of prose.
func findBearer(text string, at int) (start, end int) {
	start = at + len("bearer")
	if !begins(text, at) || start >= len(text) || text[start] != ' ' && text[start] != '\t' {
		return 0, 0
	}
	start = span(text, start, func(c byte) bool { return c == ' ' || c == '\t' })
	end = span(text, start, func(c byte) bool { return isBase64(c) || strings.IndexByte("._~-", c) >= 0 })
	if value := text[start:end]; len(value) < 8 || !hasDigit(value) && len(value) < 16 {
		return 0, 0
	}
	return start, end
}

// findBasic finds the name and password of basic authentication: base64 of printable text with a colon.
func findBasic(text string, at int) (start, end int) {
	start = at + len("basic")
	if !begins(text, at) || start >= len(text) || text[start] != ' ' {
		return 0, 0
	}
	start = span(text, start, func(c byte) bool { return c == ' ' })
	end = span(text, start, isBase64)
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text[start:end], "="))
	if err != nil || !strings.Contains(string(plain), ":") {
		return 0, 0
	}
	for _, c := range plain {
		if c < 0x20 || c == 0x7f {
			return 0, 0
		}
	}
	return start, end
}

// storeSchemes are the ends of schemes whose passwords people write down unescaped, slashes too.
var storeSchemes = []string{"postgres", "postgresql", "mysql", "mariadb", "redis", "rediss", "amqp", "amqps", "mongodb", "mongodb+srv", "clickhouse"}

// findURLPassword finds the password in scheme://name:password@host. A password with an @ in it is found whole.
func findURLPassword(text string, at int) (start, end int) {
	if at == 0 || !isAlnum(text[at-1]) {
		return 0, 0
	}
	colon, slashes := 0, slices.ContainsFunc(storeSchemes, func(s string) bool { return strings.HasSuffix(text[:at], s) })
	for i := at + 3; i < len(text); i++ {
		switch c := text[i]; {
		case c <= ' ' || c == '"' || c == '\'' || c == '`' || c == '<' || c == '>' || c == '?' || c == '#' || c == '\\', c == '/' && (!slashes || colon == 0):
			return start, end
		case c == ':' && colon == 0:
			colon = i
		case c == '@' && colon > 0 && i > colon+1 && !isPlaceholder(text[colon+1:i]):
			start, end = colon+1, i
		}
	}
	return start, end
}

// findDriverPassword finds the password in name:password@tcp(host:3306)/name.
func findDriverPassword(text string, at int) (start, end int) {
	from := strings.LastIndexAny(text[:at], " \t\n\"'`=") + 1
	_, password, ok := strings.Cut(text[from:at], ":")
	if !ok || password == "" || isPlaceholder(password) {
		return 0, 0
	}
	return at - len(password), at
}

// findSlackHook finds the part of a webhook's address that lets anybody post.
func findSlackHook(text string, at int) (start, end int) {
	start = at + len("hooks.slack.com/services/")
	end = span(text, start, func(c byte) bool { return isWord(c) || c == '/' })
	if end-start < 20 {
		return 0, 0
	}
	return start, end
}
