package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fairlead/fairlead/platform"
)

// Readiness says whether each thing that Fairlead needs answers.
type Readiness struct {
	OK    bool                  `json:"ok"`
	Parts []platform.PartStatus `json:"parts" nullable:"false"`
}

type healthReply struct {
	Body struct {
		OK bool `json:"ok"`
	}
}

type readyReply struct {
	Status int
	Body   Readiness
}

func (a *API) registerStatus() {
	huma.Register(a.huma, huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/healthz", Tags: []string{"status"},
		Summary: "Whether the process lives", Description: "Asks nothing else: it answers while Postgres is down. Needs no token.",
	}, func(context.Context, *struct{}) (*healthReply, error) {
		r := &healthReply{}
		r.Body.OK = true
		return r, nil
	})
	huma.Register(a.huma, huma.Operation{
		OperationID: "ready", Method: http.MethodGet, Path: "/readyz", Tags: []string{"status"},
		Summary: "Whether every part that Fairlead needs answers", Description: "200 when all do, else 503; each part is named. Needs no token.",
	}, a.ready)
	handle(a, operation{
		ID: "get-status", Method: http.MethodGet, Path: "/v1/status", Tag: "status",
		Summary: "The whole installation at one look", Description: "Every service, open incidents, pending plans and the parts that Fairlead needs.",
	}, func(ctx context.Context, actor platform.Actor, _ *struct{}) (platform.Status, error) {
		return a.plane.Status(ctx, actor)
	})
	handle(a, operation{
		ID: "get-actor", Method: http.MethodGet, Path: "/v1/actor", Tag: "status",
		Summary: "Who the token speaks for",
	}, func(_ context.Context, actor platform.Actor, _ *struct{}) (platform.Actor, error) { return actor, nil })
}

func (a *API) ready(ctx context.Context, _ *struct{}) (*readyReply, error) {
	ctx, cancel := context.WithTimeout(ctx, a.opts.RequestTimeout)
	defer cancel()
	r := &readyReply{Status: http.StatusOK, Body: Readiness{OK: true, Parts: []platform.PartStatus{}}}
	if a.opts.Ready != nil {
		r.Body.Parts = append(r.Body.Parts, a.opts.Ready(ctx)...)
	}
	for _, part := range r.Body.Parts {
		if !part.OK {
			r.Body.OK, r.Status = false, http.StatusServiceUnavailable
		}
	}
	return r, nil
}
