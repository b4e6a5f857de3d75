package evidence

import (
	"regexp"
	"strings"
	"unicode"
)

var (
	ansi = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])`)
	// roleTags are marks that models read as a change of speaker.
	roleTags = regexp.MustCompile(`(?i)<\|[a-z_]{1,32}\|>|</?(?:system|assistant|user|developer|tool|instructions?|evidence|function_calls?)\b[^>\n]{0,80}>|\[/?(?:INST|SYS)\]|<</?SYS>>`)
	// orders are phrases that speak to a reader of logs and not of a program.
	orders = regexp.MustCompile(`(?i)ignore (?:all |any |the )?(?:previous|prior|above|earlier)|disregard (?:all |any |the )?(?:previous|prior|above|earlier)|(?:^|[\n"'>\s])(?:system|assistant) ?(?:prompt|message|note|override)?:\s|(?:the )?root cause is\b|you are (?:now )?(?:a|an|the) (?:helpful|assistant|ai|language)|(?:do not|don't) (?:tell|mention|report|alert)|new instructions?:|as an ai\b|confidence[: ]+(?:is )?(?:1\.0|0\.9\d|100 ?%)|approve (?:this|the) (?:plan|action|rollback)|!\[[^\]\n]{0,80}\]\(https?://`)
)

// Instructs reports whether a text holds phrases, marks or invisible characters that try to instruct whoever reads it.
// It flags; nothing is deleted for it, and no verdict depends on it.
func Instructs(s string) bool {
	for line := range strings.SplitSeq(s, "\n") {
		if mayOrder(strings.ToLower(line)) && orders.MatchString(line) || strings.ContainsAny(line, "<[") && roleTags.MatchString(line) {
			return true
		}
	}
	return strings.ContainsFunc(s, invisible)
}

// orderWords are parts of which every phrase of orders holds one: most lines hold none and need no closer look.
var orderWords = []string{
	"ignore ", "disregard ", "system", "assistant", "root cause", "you are ", " tell", " mention", " report", " alert",
	"new instruction", "as an ai", "confidence", "approve th", "![",
}

func mayOrder(lower string) bool { return containsAny(lower, orderWords) }

func containsAny(s string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// Display returns hostile text fit for a screen or a prompt: terminal escapes, control, bidirectional and zero-width
// characters are gone, and marks that pass for a change of speaker are made harmless. Evidence keeps the original.
func Display(s string) string {
	s = ansi.ReplaceAllString(s, "")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == unicode.ReplacementChar:
			return r
		case unicode.IsControl(r) || invisible(r):
			return -1
		}
		return r
	}, s)
	return roleTags.ReplaceAllStringFunc(s, func(tag string) string {
		return strings.NewReplacer("<", "‹", ">", "›", "[", "⟦", "]", "⟧", "|", "¦").Replace(tag)
	})
}

// invisible reports whether a rune changes how text reads without being seen: bidirectional controls, zero-width
// characters, tags and variation selectors beyond the common one.
func invisible(r rune) bool {
	switch {
	case r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r == 0x061C, r == 0x200E, r == 0x200F:
		return true
	case r >= 0x200B && r <= 0x200D, r == 0x2060, r == 0xFEFF, r == 0x00AD, r == 0x180E:
		return true
	case r >= 0xE0000 && r <= 0xE007F, r >= 0xFFF9 && r <= 0xFFFB:
		return true
	}
	return false
}

// tokens are the shapes of credentials that are removed wherever they stand, besides the project's own secrets.
var tokens = []struct {
	hints []string // one of which every match holds, so that most texts need no closer look
	shape *regexp.Regexp
	with  string
}{
	{[]string{"PRIVATE KEY"}, regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`), "[redacted key]"},
	{[]string{"AKIA", "ASIA"}, regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`), "[redacted]"},
	{[]string{"sk-", "gh", "glpat-", "hf_", "xox", "flt_", "AIza"}, regexp.MustCompile(`\b(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{20,}|xox[abposr]-[\w-]{10,}|flt_[A-Za-z0-9_-]{8,}|AIza[\w-]{30,})`), "[redacted]"},
	{[]string{"://"}, regexp.MustCompile(`(\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{0,100}:)[^\s@/]{1,200}(@)`), "${1}[redacted]${2}"},
	{[]string{"eyJ"}, regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`), "[redacted]"},
}

// bearer is what follows the scheme of an Authorization header. A word of prose follows it too: "basic authentication".
var bearer = regexp.MustCompile(`(?i)(\b(?:bearer|basic) )([A-Za-z0-9._~+/-]{12,}=*)`)

// proseWord is one word as a sentence writes it.
var proseWord = regexp.MustCompile(`^[A-Za-z][a-z-]*\.?$`)

// assigned is a value given to a name that speaks of a credential. A call or an index after the name is source, not a value.
var assigned = regexp.MustCompile(`(?i)(\b[\w-]*(?:password|passwd|secret|api_?key|access_?key|auth_?token)["']?\s*[=:]\s*["']?)([A-Za-z0-9+/_=!@#%^*~-]{6,200})(["'\s,;&]|$)`)

// assignedWords are the words of assigned, as they are written in lower case.
var assignedWords = []string{"passw", "secret", "api_key", "apikey", "api-key", "access_key", "accesskey", "auth_token", "authtoken"}

// Redact removes what has the shape of a credential. It is a second net: the project's known secrets are removed by value.
func Redact(s string) string {
	for _, t := range tokens {
		if containsAny(s, t.hints) {
			s = t.shape.ReplaceAllString(s, t.with)
		}
	}
	lower := strings.ToLower(s)
	if strings.Contains(lower, "bearer ") || strings.Contains(lower, "basic ") {
		s = bearer.ReplaceAllStringFunc(s, redactBearer)
	}
	if containsAny(lower, assignedWords) {
		s = byLine(s, func(line string) string {
			if !containsAny(strings.ToLower(line), assignedWords) {
				return line
			}
			return assigned.ReplaceAllStringFunc(line, redactAssigned)
		})
	}
	return s
}

// byLine changes each line of a text.
func byLine(s string, change func(string) string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = change(line)
	}
	return strings.Join(lines, "\n")
}

func redactBearer(m string) string {
	parts := bearer.FindStringSubmatch(m)
	if proseWord.MatchString(parts[2]) {
		return m
	}
	return parts[1] + "[redacted]"
}

func redactAssigned(m string) string {
	parts := assigned.FindStringSubmatch(m)
	if !strings.ContainsAny(parts[2], "0123456789") { // a word of prose or of source: "API_KEY: required"
		return m
	}
	return parts[1] + "[redacted]" + parts[3]
}
