package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fairlead/fairlead/platform"
)

// operation is what an operation says about itself in the OpenAPI document.
type operation struct {
	ID          string
	Method      string
	Path        string
	Tag         string
	Summary     string
	Description string
	Status      int   // of success; 0 means 200
	Errors      []int // besides those every operation may answer
}

// commonErrors may be answered by every operation that needs a token.
var commonErrors = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable}

func (o operation) describe() huma.Operation {
	status := o.Status
	if status == 0 {
		status = http.StatusOK
	}
	errs := append(append([]int{}, commonErrors...), o.Errors...)
	if o.Method != http.MethodGet && o.Method != http.MethodDelete {
		errs = append(errs, http.StatusBadRequest, http.StatusRequestEntityTooLarge)
	}
	return huma.Operation{
		OperationID: o.ID, Method: o.Method, Path: o.Path, Tags: []string{o.Tag}, Summary: o.Summary, Description: o.Description,
		DefaultStatus: status, Errors: errs, MaxBodyBytes: MaxBodyBytes, BodyReadTimeout: -1,
		Security: []map[string][]string{{"token": {}}},
	}
}

// handle registers an operation that answers with one JSON value. h gets the actor behind the token and a context that
// ends after the request timeout or when the caller has gone.
func handle[I, O any](a *API, o operation, h func(ctx context.Context, actor platform.Actor, in *I) (O, error)) {
	type reply struct{ Body O }
	huma.Register(a.huma, o.describe(), func(ctx context.Context, in *I) (*reply, error) {
		ctx, cancel := context.WithTimeout(ctx, a.opts.RequestTimeout)
		defer cancel()
		out, err := h(ctx, actorOf(ctx), in)
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		return &reply{Body: out}, nil
	})
}

// handleEmpty registers an operation that answers 204.
func handleEmpty[I any](a *API, o operation, h func(ctx context.Context, actor platform.Actor, in *I) error) {
	o.Status = http.StatusNoContent
	huma.Register(a.huma, o.describe(), func(ctx context.Context, in *I) (*struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, a.opts.RequestTimeout)
		defer cancel()
		if err := h(ctx, actorOf(ctx), in); err != nil {
			return nil, a.problemOf(ctx, err)
		}
		return nil, nil
	})
}

// document is the head of the OpenAPI document.
func (a *API) document() huma.Config {
	c := huma.DefaultConfig("Fairlead", a.opts.Version)
	c.Info.Description = "Push code; Fairlead builds it, brings it live behind a health gate and explains what breaks. " +
		"Every operation needs a bearer token. Errors are problem+json with a code, a detail and a hint."
	c.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "A token made by POST /v1/tokens or the admin token of the first start."},
	}
	c.DocsPath, c.SchemasPath = "", ""
	c.CreateHooks = nil
	c.RejectUnknownQueryParameters = true
	c.Transformers = []huma.Transformer{a.explain}
	return c
}

func marshalIndent(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	return json.MarshalIndent(tree, "", "  ")
}

// Parts of requests that several operations share.

// ProjectPath names a project. Parts of requests are exported because huma reads only exported embedded structs.
type ProjectPath struct {
	Project string `path:"project" maxLength:"80" doc:"Name or id of the project."`
}

// SlotPath names a service in an environment.
type SlotPath struct {
	ProjectPath
	Service     string `path:"service" maxLength:"80" doc:"Name or id of the service."`
	Environment string `query:"environment" maxLength:"80" doc:"Name or id of the environment; production when left out."`
}

func (p SlotPath) ref() platform.SlotRef {
	return platform.SlotRef{Project: p.Project, Environment: p.Environment, Service: p.Service}
}

// PageQuery asks for one page of a list.
type PageQuery struct {
	Cursor string `query:"cursor" doc:"The next cursor of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" doc:"How many items at most; 50 when left out."`
}

func (p PageQuery) page() platform.Page { return platform.Page{Cursor: p.Cursor, Limit: p.Limit} }

// SlotQuery restricts a list to a project, environment or service.
type SlotQuery struct {
	Project     string `query:"project" maxLength:"80" doc:"Only of this project."`
	Environment string `query:"environment" maxLength:"80" doc:"Only of this environment."`
	Service     string `query:"service" maxLength:"80" doc:"Only of this service."`
}

func (q SlotQuery) ref() platform.SlotRef {
	return platform.SlotRef{Project: q.Project, Environment: q.Environment, Service: q.Service}
}

// WriteHeader is what every write may carry.
type WriteHeader struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"128" doc:"The same key with the same request is done once and answered the same; with another request it is a conflict."`
}

// list wraps items that come all at once, so that every list has the same shape.
func list[T any](items []T, err error) (platform.List[T], error) {
	return full(platform.List[T]{Items: items}, err)
}

// full answers [] rather than null for an empty list.
func full[T any](l platform.List[T], err error) (platform.List[T], error) {
	if l.Items == nil {
		l.Items = []T{}
	}
	return l, err
}

// moment reads a query's point in time: RFC 3339, or a duration before now such as "15m".
func moment(field, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return at, nil
	}
	if ago, err := time.ParseDuration(strings.TrimPrefix(s, "-")); err == nil {
		return now.Add(-ago), nil
	}
	return time.Time{}, platform.Errorf(platform.CodeInvalid, "%s %q is not a time.", field, platform.Truncate(s, 60)).
		WithHint("Write RFC 3339, for example 2026-01-31T12:00:00Z, or how long ago, for example 15m.").WithField(field)
}
