package loki

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// verdict is what is done after the server refused a push.
type verdict int

const (
	verdictFail   verdict = iota // the settings or the server are at fault: say so to the caller, who keeps the lines
	verdictRetry                 // try again later
	verdictSplit                 // some lines are at fault, or there are too many: halve until each is taken or alone
	verdictReject                // every line of the push is at fault
	verdictJSON                  // the server does not read protobuf
	verdictFit                   // a limit was learnt: encode anew
)

// Reasons for which the server refuses lines for good.
const (
	reasonOld    = "too old"
	reasonNew    = "too far in the future"
	reasonOrder  = "out of order"
	reasonSize   = "too large"
	reasonLabels = "labels"
)

// refusal is a refused push, understood.
type refusal struct {
	verdict verdict
	reason  string // of verdictSplit and verdictReject
	limit   int64  // of verdictFit
	of      string // of verdictFit: which limit
}

// reasons are the words by which Loki refuses lines (pkg/validation and pkg/chunkenc of v3), most telling first.
var reasons = []struct{ words, reason string }{
	{"timestamp too old", reasonOld},
	{"timestamp too new", reasonNew},
	{"entry too far behind", reasonOrder},
	{"entry out of order", reasonOrder},
	{"max entry size", reasonSize},
	{"structured metadata too large", reasonSize},
	{"too many structured metadata", reasonSize},
	{"label names; limit", reasonLabels},
	{"label name too long", reasonLabels},
	{"label value too long", reasonLabels},
	{"duplicate label name", reasonLabels},
	{"missing required labels", reasonLabels},
}

var (
	entryLimit    = regexp.MustCompile(`max entry size '(\d+)' bytes`)
	metadataLimit = regexp.MustCompile(`structured metadata too large: '\d+' bytes, limit: '(\d+)' bytes`)
	countLimit    = regexp.MustCompile(`too many structured metadata labels: '\d+', limit: '(\d+)'`)
	ignored       = regexp.MustCompile(`total ignored: (\d+) out of (\d+) for stream`)
	unsupported   = regexp.MustCompile(`(?i)content.type.*not support|unsupported.*content.type`)
	errorsLike    = regexp.MustCompile(`(\d+) errors like: `)
)

// understand says what a refusal of a push of n lines of one stream means.
func understand(a answer, n int) refusal {
	text := string(a.body)
	switch {
	case a.status == http.StatusTooManyRequests || a.status >= 500 || a.status == http.StatusRequestTimeout:
		return refusal{verdict: verdictRetry}
	case a.status == http.StatusRequestEntityTooLarge:
		return refusal{verdict: verdictSplit, reason: reasonSize}
	case a.status == http.StatusUnsupportedMediaType,
		a.status == http.StatusBadRequest && unsupported.MatchString(text):
		return refusal{verdict: verdictJSON}
	case a.status != http.StatusBadRequest && a.status != http.StatusUnprocessableEntity:
		return refusal{verdict: verdictFail}
	case strings.Contains(text, "rate limit exceeded"): // of some lines, beside others that are at fault
		return refusal{verdict: verdictRetry}
	}
	for _, limit := range []struct {
		of      string
		pattern *regexp.Regexp
	}{{"line", entryLimit}, {"metadata", metadataLimit}, {"count", countLimit}} {
		if found := limit.pattern.FindStringSubmatch(text); found != nil {
			value, _ := strconv.ParseInt(found[1], 10, 64)
			return refusal{verdict: verdictFit, reason: reasonSize, limit: value, of: limit.of}
		}
	}
	for _, known := range reasons {
		if !strings.Contains(text, known.words) {
			continue
		}
		if known.reason == reasonLabels || n == 1 || refusedLines(text) >= n {
			return refusal{verdict: verdictReject, reason: known.reason}
		}
		return refusal{verdict: verdictSplit, reason: known.reason}
	}
	return refusal{verdict: verdictFail}
}

// refusedLines returns how many lines a refusal says it is about.
func refusedLines(text string) int {
	if found := ignored.FindStringSubmatch(text); found != nil {
		n, _ := strconv.Atoi(found[1])
		return n
	}
	total := 0
	for _, found := range errorsLike.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(found[1])
		total += n
	}
	return max(total, 1)
}

// retryAfter returns how long an answer asks to wait: seconds or a date, a minute at most; 0 when it does not say.
func retryAfter(a answer, now time.Time) time.Duration {
	text := a.header.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(seconds, 3600)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), time.Minute)
}

// pause is until when the server asked to be left alone.
type pause struct {
	mu    sync.Mutex // guards the field below
	until time.Time
}

func (p *pause) extend(to time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if to.After(p.until) {
		p.until = to
	}
}

func (p *pause) end() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.until
}
