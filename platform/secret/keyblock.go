package secret

import "strings"

const (
	keyWord = "PRIVATE KEY-----"
	keyEnd  = "-----END "
	// maxKeyLines is how many lines of a key are waited for when its end does not come.
	maxKeyLines = 128
)

// findPrivateKey finds a private key in PEM (RFC 7468), its end or not: what follows as long as it may be the key.
func findPrivateKey(text string, at int) (start, end int) {
	label := span(text, at+len("-----BEGIN "), func(c byte) bool { return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == ' ' })
	word := label - len("PRIVATE KEY")
	if word < at || !strings.HasPrefix(text[word:], keyWord) {
		return 0, 0
	}
	body := word + len(keyWord)
	end = span(text, body, isKeyText)
	if stop := strings.Index(text[body:], keyEnd); stop >= 0 && body+stop <= end {
		if after := strings.Index(text[body+stop:], keyWord); after >= 0 && after < 48 {
			return at, body + stop + after + len(keyWord)
		}
	}
	return at, body + len(strings.TrimRight(text[body:end], " \t\r\n"))
}

// isKeyText reports whether c may stand between the lines that begin and end a key: base64, the headers of an encrypted
// one, line ends, and line ends as JSON writes them.
func isKeyText(c byte) bool {
	return isBase64(c) || strings.IndexByte(" \t\r\n\\:,-", c) >= 0
}

// KeyBlock takes private keys out of a stream whose lines are handed over one by one, where no line but the first
// tells what it is. Its zero value is ready; it is not safe for concurrent use.
type KeyBlock struct{ left int }

// Redact returns the next text of the stream without what belongs to a key that a text before it began.
func (k *KeyBlock) Redact(text string) string {
	if k.left > 0 {
		k.left--
		text = k.inside(text)
	}
	if strings.Contains(text, keyWord) { // which is fast where nearly nothing does
		i := strings.LastIndex(text, keyWord)
		if begin := strings.LastIndex(text[:i], "-----BEGIN "); begin >= 0 && !strings.Contains(text[begin:], keyEnd) {
			k.left = maxKeyLines
		}
	}
	return text
}

// inside hides a line of a key: all of it when it is nothing else, else its last word, for loggers that begin each line
// with the time and the level.
func (k *KeyBlock) inside(text string) string {
	if i := strings.Index(text, keyEnd); i >= 0 {
		if after := strings.Index(text[i:], keyWord); after >= 0 {
			k.left = 0
			return Redacted + text[i+after+len(keyWord):]
		}
	}
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return text
	}
	word := trimmed[strings.LastIndexAny(trimmed, " \t")+1:]
	switch {
	case strings.Trim(word, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/=") != "":
		return text
	case word == trimmed:
		return Redacted
	case len(word) >= 24 || strings.HasSuffix(word, "="):
		return trimmed[:len(trimmed)-len(word)] + Redacted
	}
	return text
}
