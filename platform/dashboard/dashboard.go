// Package dashboard is the web page of Fairlead: incidents with their evidence, plans to decide, and the audit trail.
//
// It owns the sign-in with a token, the session cookie, the guard against forged forms and the rendering. Every page is
// HTML from the server and works without JavaScript. It must not know the database or the control plane: it uses the HTTP
// API with the token of whoever signed in, so that what a person may see and approve is decided in one place.
package dashboard

import (
	"context"
	"embed"
	"log/slog"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Root is the path below which every page lies.
const Root = "/ui/"

// API is what the pages need of the HTTP API. *client.Client satisfies it.
type API interface {
	Actor(ctx context.Context) (platform.Actor, error)
	ListProjects(ctx context.Context, page platform.Page) (platform.List[platform.Project], error)
	ListIncidents(ctx context.Context, f platform.IncidentFilter) (platform.List[platform.Incident], error)
	GetIncident(ctx context.Context, id platform.IncidentID) (platform.IncidentDetail, error)
	ListPlans(ctx context.Context, f platform.PlanFilter) (platform.List[platform.Plan], error)
	GetPlan(ctx context.Context, id platform.PlanID) (platform.Plan, error)
	Decide(ctx context.Context, id platform.PlanID, req platform.DecideRequest) (platform.Plan, error)
	ListEvents(ctx context.Context, f platform.EventFilter) (platform.List[platform.Event], error)
	VerifyEvents(ctx context.Context) (platform.ChainReport, error)
}

// Sealer keeps the token in the cookie unreadable; *secret.Sealer satisfies it.
type Sealer interface {
	Seal(value, place string) (string, error)
	Open(sealed, place string) (string, error)
}

// Options configure the pages. Client and Sealer are required.
type Options struct {
	// Client returns the API as the holder of the token sees it.
	Client func(token string) API
	Sealer Sealer
	Log    *slog.Logger     // nil: silent
	Now    func() time.Time // nil: time.Now
}

//go:embed static
var static embed.FS

// maxForm is the largest form that is read, in bytes.
const maxForm = 64 << 10

// policy lets a page load what this server serves and nothing else, be framed by nobody, and send forms to itself only.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

type pages struct {
	o   Options
	mux *http.ServeMux
}

// Handler serves everything below Root.
func Handler(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &pages{o: o, mux: http.NewServeMux()}
	p.mux.Handle("GET /ui/static/", cached(http.StripPrefix(Root, http.FileServerFS(static))))
	p.mux.HandleFunc("GET /ui/sign-in", p.signInPage)
	p.mux.HandleFunc("POST /ui/sign-in", p.signIn)
	p.mux.HandleFunc("POST /ui/sign-out", p.signedIn(p.signOut))
	p.mux.HandleFunc("GET /ui/{$}", p.signedIn(p.incidents))
	p.mux.HandleFunc("GET /ui/incidents/{id}", p.signedIn(p.incident))
	p.mux.HandleFunc("GET /ui/plans", p.signedIn(p.plans))
	p.mux.HandleFunc("GET /ui/plans/{id}", p.signedIn(p.plan))
	p.mux.HandleFunc("POST /ui/plans/{id}/decision", p.signedIn(p.decide))
	p.mux.HandleFunc("GET /ui/audit", p.signedIn(p.audit))
	p.mux.HandleFunc("/ui/", func(w http.ResponseWriter, r *http.Request) {
		p.fail(w, r, nil, platform.Errorf(platform.CodeNotFound, "There is no page %s.", platform.Truncate(r.URL.Path, 100)).WithHint("Go back to the incidents."))
	})
	return guarded(p.mux)
}

// guarded refuses forms of other sites by what the browser says of where they come from, and bounds every body.
func guarded(next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	}))
}

func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		next.ServeHTTP(w, r)
	})
}
