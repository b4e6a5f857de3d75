package collect

import (
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability/parse"
)

// redactors remembers for a while what removes the secrets of each project.
type redactors struct {
	from func(project string) func(string) string // as Options.Redactor
	keep time.Duration

	mu    sync.Mutex // guards the field below
	known map[string]knownRedactor
}

type knownRedactor struct {
	redact parse.Redact
	until  time.Time
}

// of returns what removes the secrets of a project, nil while they cannot be read.
func (r *redactors) of(project string, now time.Time) parse.Redact {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.known[project]; ok && now.Before(known.until) {
		return known.redact
	}
	redact := r.from(project)
	if redact == nil {
		return nil
	}
	if r.known == nil || len(r.known) > 1000 {
		r.known = make(map[string]knownRedactor)
	}
	r.known[project] = knownRedactor{redact, now.Add(r.keep)}
	return redact
}
