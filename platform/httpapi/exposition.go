package httpapi

import (
	"context"
	"net/http"
	"net/http/pprof"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/exposition"
	"github.com/fairlead/fairlead/platform"
)

type scrapeInput struct {
	Accept       string `header:"Accept" doc:"OpenMetrics where it is preferred, else Prometheus text."`
	Project      string `query:"project" maxLength:"80" doc:"Only of this project."`
	Environment  string `query:"environment" maxLength:"80" doc:"Only of environments of this name."`
	Applications bool   `query:"applications" doc:"Also what applications expose themselves."`
}

type scrapeReply struct {
	ContentType string `header:"Content-Type"`
	Body        []byte `contentType:"text/plain"`
}

func (a *API) registerExposition() {
	o := operation{
		ID: "scrape-metrics", Method: http.MethodGet, Path: "/metrics", Tag: "metrics", Summary: "The newest value of every series, for a scraper",
		Description: "Prometheus text or OpenMetrics. A token that is limited to projects sees these only.", Errors: []int{http.StatusNotFound},
	}.describe()
	huma.Register(a.huma, o, func(ctx context.Context, in *scrapeInput) (*scrapeReply, error) {
		ctx, cancel := context.WithTimeout(ctx, a.opts.RequestTimeout)
		defer cancel()
		samples, err := a.plane.CurrentSamples(ctx, actorOf(ctx), in.Project, observability.SampleFilter{Environment: in.Environment, Applications: in.Applications})
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		contentType, body, err := exposition.Encode(in.Accept, samples)
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		return &scrapeReply{ContentType: contentType, Body: body}, nil
	})
}

// profilePath is where the runtime's profiles lie; go tool pprof knows it.
const profilePath = "/debug/pprof/"

// profiles serves the runtime's profiles to admins. It stands beside Fiber, since a profile is written while it is taken
// for as long as the caller asks.
func (a *API) profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(profilePath, pprof.Index)
	mux.HandleFunc(profilePath+"profile", pprof.Profile)
	mux.HandleFunc(profilePath+"trace", pprof.Trace)
	mux.HandleFunc(profilePath+"symbol", pprof.Symbol)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.mayProfile(r); err != nil {
			p := a.problemOf(r.Context(), err)
			if p.Code == platform.CodeUnauthenticated {
				w.Header().Set("WWW-Authenticate", challenge)
			}
			writeProblem(w, r, p)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (a *API) mayProfile(r *http.Request) error {
	secret, ok := bearer(r.Header.Get("Authorization"))
	if !ok {
		return noToken()
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.opts.RequestTimeout)
	defer cancel()
	actor, err := a.plane.Authenticate(ctx, secret, "api")
	if err != nil {
		return err
	}
	return a.plane.AuthorizeProfiling(ctx, actor)
}
