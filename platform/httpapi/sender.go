package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// How a sender of telemetry says whose it is, where its token does not. X-Scope-OrgID is the one header that every
// client of Loki can set.
const (
	headerProject     = "Fairlead-Project"
	headerEnvironment = "Fairlead-Environment"
	headerTenant      = "X-Scope-OrgID"
)

// telemetry is what taking telemetry needs of control. *control.Plane satisfies it.
type telemetry interface {
	Authenticate(ctx context.Context, secret, channel string) (platform.Actor, error)
	TelemetryScope(ctx context.Context, actor platform.Actor, project, environment string) (platform.TelemetryScope, error)
}

// Senders is the one answer to who may send telemetry and whose it is, for every mounted handler that takes some.
type Senders struct{ plane telemetry }

// NewSenders returns the answer that the plane gives.
func NewSenders(plane telemetry) Senders { return Senders{plane} }

// Sender is who sends one request of telemetry.
type Sender struct {
	plane       telemetry
	actor       platform.Actor
	project     string // "" where neither the request nor the token names one
	environment string
	known       map[[2]string]platform.TelemetryScope
}

// Sender authenticates a request: its token is a bearer token, or the password of basic authentication. The project and the
// environment stand in the query (project, environment) or in the headers Fairlead-Project and Fairlead-Environment; else a
// token of a single project names it, and the environment is production. The error is unauthenticated without a good token,
// denied for a token that may not send telemetry, and not_found for a project out of its scope or an unknown environment.
func (s Senders) Sender(r *http.Request) (*Sender, error) {
	token, ok := bearer(r.Header.Get("Authorization"))
	if _, password, basic := r.BasicAuth(); basic && password != "" {
		token, ok = password, true
	}
	if !ok {
		return nil, noToken()
	}
	actor, err := s.plane.Authenticate(r.Context(), token, "telemetry")
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	sender := &Sender{
		plane: s.plane, actor: actor, known: map[[2]string]platform.TelemetryScope{},
		project:     cmp.Or(query.Get("project"), r.Header.Get(headerProject), r.Header.Get(headerTenant)),
		environment: cmp.Or(query.Get("environment"), r.Header.Get(headerEnvironment)),
	}
	if sender.project == "" && len(actor.Projects) == 1 {
		sender.project = actor.Projects[0]
	}
	if sender.project == "" {
		_, err = s.plane.TelemetryScope(r.Context(), actor, "", "")
	} else {
		_, err = sender.Scope(r.Context(), "", "")
	}
	if err != nil {
		return nil, err
	}
	return sender, nil
}

// Scope returns the environment that telemetry of these names goes to. Names that are left out are those of the request; the
// environment of a request is of its own project and of no other.
func (s *Sender) Scope(ctx context.Context, project, environment string) (platform.TelemetryScope, error) {
	if project == "" || project == s.project {
		project, environment = s.project, cmp.Or(environment, s.environment)
	}
	if project == "" {
		return platform.TelemetryScope{}, platform.Errorf(platform.CodeInvalid, "Nothing says whose telemetry this is.").
			WithHint("Send the header %s, or use a token of one project: fairlead token create <name> --kind automation --role sender --project <project>.", headerProject).
			WithField("project")
	}
	key := [2]string{project, environment}
	if scope, known := s.known[key]; known {
		return scope, nil
	}
	scope, err := s.plane.TelemetryScope(ctx, s.actor, project, environment)
	if err == nil {
		s.known[key] = scope
	}
	return scope, err
}

// Handler bounds the time in which a request's body must arrive, before next reads it.
func (s Senders) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timeBody(w, r)
		next.ServeHTTP(w, r)
	})
}

// timeBody gives a body thirty seconds to arrive.
func timeBody(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Now().Add(bodyReadTimeout)) == nil {
		// The deadline must go once the body is read: net/http's watch for a client that has gone reads on, and a
		// deadline that passed would look like one.
		r.Body = &timedBody{ReadCloser: r.Body, done: func() { _ = control.SetReadDeadline(time.Time{}) }}
	}
}
