// Package loki keeps logs in a Grafana Loki server, and reads the protocol by which others push lines.
//
// It owns how a Line becomes an entry and back, what is pushed when, what each refusal of the server means, and the query
// language: no other package writes LogQL or imports Loki's types. It must not know where lines come from, nor where the
// server runs.
package loki

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
)

// Options are the settings of the store. Zero values mean the defaults; URL must be given.
type Options struct {
	URL    string // of the server, for example https://loki.example.com; a path before /loki/api is kept
	Tenant string // X-Scope-OrgID; "" sends none

	// Credentials are read from files, each time they are used, so that they can be rotated.
	Username     string
	PasswordFile string
	TokenFile    string // a bearer token; not together with Username
	CAFile       string // PEM of the authorities that may sign the server's certificate; default the system's
	CertFile     string // PEM of the client's certificate, with KeyFile
	KeyFile      string

	BatchBytes int           // a batch is sent when it holds this much; default 1 MiB
	BatchWait  time.Duration // or when its first line has waited this long; default 20 ms
	Parallel   int           // pushes at the same time; default 4
	RetryFor   time.Duration // how long Append tries while the server refuses or is away; default 15 s

	Retention     time.Duration // how far back a query without a beginning looks; default 30 days
	MaxEntries    int           // lines that the server gives at once (its max_entries_limit_per_query); default 5000
	MaxQueryBytes int64         // what one query may make the server read; default 10 GiB

	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	setDefault(&o.BatchBytes, 1<<20)
	setDefault(&o.BatchWait, 20*time.Millisecond)
	setDefault(&o.Parallel, 4)
	setDefault(&o.RetryFor, 15*time.Second)
	setDefault(&o.Retention, 30*24*time.Hour)
	setDefault(&o.MaxEntries, 5000)
	setDefault(&o.MaxQueryBytes, 10<<30)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Logs is a store of lines in a Loki server. It is safe for concurrent use; the caller closes it.
type Logs struct {
	options Options
	base    *url.URL
	http    *http.Client
	tls     *tls.Config // never changed
	limits  serverLimits
	pause   pause
	counts  counts

	life   context.Context // of the pushes
	end    context.CancelFunc
	slots  chan struct{} // one taken by each push under way
	sender sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	closed bool
	open   map[string]*batch          // by stream: the one that takes lines
	last   map[string]<-chan struct{} // by stream: done when its batch before is

	streams streamNames // guarded by mu too
}

var _ observability.Logs = (*Logs)(nil)

// Open returns the store. It reads the certificates but does not talk to the server, which may be away.
// Its errors are platform invalid errors that name the option at fault.
func Open(options Options) (*Logs, error) {
	options = options.withDefaults()
	base, err := options.check()
	if err != nil {
		return nil, err
	}
	config, err := options.tlsConfig()
	if err != nil {
		return nil, err
	}
	l := &Logs{
		options: options, base: base, tls: config,
		http:  &http.Client{Transport: tracing.Transport(options.transport(config.Clone()), "loki"), CheckRedirect: stay}, // which changes its own
		slots: make(chan struct{}, options.Parallel), open: make(map[string]*batch), last: make(map[string]<-chan struct{}),
		streams: streamNames{},
	}
	l.life, l.end = context.WithCancel(context.Background())
	return l, nil
}

func (o Options) check() (*url.URL, error) {
	invalid := func(field, message, hint string) (*url.URL, error) {
		return nil, platform.Errorf(platform.CodeInvalid, "%s", message).WithHint("%s", hint).WithField(field)
	}
	base, err := url.Parse(o.URL)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return invalid("url", "The address of Loki is not an http or https URL.", "Write it as https://loki.example.com or http://127.0.0.1:3100.")
	case base.User != nil:
		return invalid("url", "The address of Loki holds credentials.", "Take them out of the URL; give the user name and a password file, or a token file.")
	case base.RawQuery != "" || base.Fragment != "" || strings.Contains(base.Path, "/loki/api"):
		return invalid("url", "The address of Loki holds more than the server's own address.", "Leave out /loki/api and what follows; Fairlead adds it.")
	case o.TokenFile != "" && (o.Username != "" || o.PasswordFile != ""):
		return invalid("token_file", "Both a bearer token and a user name or password are given for Loki.", "Give one of the two.")
	case (o.Username == "") != (o.PasswordFile == ""):
		return invalid("password_file", "A user name and a password file for Loki go together, and one is missing.", "Give both.")
	case (o.CertFile == "") != (o.KeyFile == ""):
		return invalid("cert_file", "A client certificate and its key for Loki go together, and one is missing.", "Give both files.")
	case base.Scheme == "http" && (o.CAFile != "" || o.CertFile != ""):
		return invalid("url", "Certificates are given for Loki, but its address begins with http://.", "Write https:// in the address, or leave the certificates out.")
	case strings.ContainsAny(o.Tenant, "|\r\n"):
		return invalid("tenant", "The tenant of Loki holds a character that no tenant may have.", "Give one tenant; lines are written to one only.")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	return base, nil
}

// Durable returns zero: a line that the server took is in its write-ahead log, whatever becomes of this process.
func (l *Logs) Durable() time.Duration { return 0 }

// Close waits for the pushes under way, for RetryFor at most. Later calls of Append return an unavailable error.
func (l *Logs) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.sender.Wait()
	l.end()
	l.http.CloseIdleConnections()
	return nil
}
