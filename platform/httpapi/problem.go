package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/fairlead/fairlead/observability/tracing"
	"github.com/fairlead/fairlead/platform"
)

const (
	problemType = "application/problem+json"
	// statusClientGone is what the access log shows when the caller left before the answer.
	statusClientGone = 499
	retryAfter       = 2 * time.Second
)

// Problem is how every error is answered: RFC 9457 problem details with Fairlead's code, hint and field.
type Problem struct { //nolint:errname // its name is that of the standard and of the schema
	Type      string             `json:"type" doc:"Always about:blank: code says what kind of problem it is."`
	Title     string             `json:"title" doc:"Text of the status."`
	Status    int                `json:"status" doc:"The HTTP status."`
	Code      platform.ErrorCode `json:"code" doc:"Closed set of reasons." enum:"invalid,unauthenticated,denied,not_found,conflict,approval_required,exhausted,unavailable,internal"`
	Detail    string             `json:"detail" doc:"What is wrong, as a full sentence."`
	Hint      string             `json:"hint,omitempty" doc:"The next move."`
	Field     string             `json:"field,omitempty" doc:"The argument at fault."`
	Errors    []FieldError       `json:"errors,omitempty" doc:"Every fault that was found, where there are several." nullable:"false"`
	RequestID string             `json:"request_id,omitempty" doc:"Names this request in the server's log."`
	TraceID   string             `json:"trace_id,omitempty" doc:"Names its trace, where the server sends traces to a collector; its log lines carry it too."`

	retryAfter time.Duration
}

// FieldError is one fault of a request.
type FieldError struct {
	Field  string `json:"field" doc:"Where: body.replicas, query.limit."`
	Detail string `json:"detail" doc:"What is wrong there."`
	Hint   string `json:"hint,omitempty" doc:"The next move."`
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns Retry-After where waiting helps.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.retryAfter.Seconds())))
	}
	return h
}

// ContentType is problem+json whatever was negotiated.
func (p *Problem) ContentType(string) string { return problemType }

// name says which request, and which trace, the problem is of.
func (p *Problem) name(ctx context.Context) { p.RequestID, p.TraceID = requestID(ctx), tracing.ID(ctx) }

// statusOf maps every code to its HTTP status: the one place where that is written.
var statusOf = map[platform.ErrorCode]int{
	platform.CodeInvalid:          http.StatusUnprocessableEntity,
	platform.CodeUnauthenticated:  http.StatusUnauthorized,
	platform.CodeDenied:           http.StatusForbidden,
	platform.CodeNotFound:         http.StatusNotFound,
	platform.CodeConflict:         http.StatusConflict,
	platform.CodeApprovalRequired: http.StatusForbidden,
	platform.CodeExhausted:        http.StatusTooManyRequests,
	platform.CodeUnavailable:      http.StatusServiceUnavailable,
	platform.CodeInternal:         http.StatusInternalServerError,
}

func statusProblem(status int, code platform.ErrorCode, detail, hint string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Hint: hint}
}

func bodyTooLarge() *Problem {
	return statusProblem(http.StatusRequestEntityTooLarge, platform.CodeInvalid,
		fmt.Sprintf("The request's body is over the limit of %d bytes.", MaxBodyBytes), "Send less; large files belong into the repository or an image.")
}

// problemOf maps an error of the plane. One that is not a platform.Error is a fault of Fairlead: it is logged in full
// and answered without its text, which may name things the caller should not see.
func (a *API) problemOf(ctx context.Context, err error) *Problem {
	var known *platform.Error
	var p *Problem
	switch {
	case errors.As(err, &p):
	case errors.As(err, &known):
		status, ok := statusOf[known.Code]
		if !ok {
			status = http.StatusInternalServerError
		}
		p = statusProblem(status, known.Code, known.Message, known.Hint)
		p.Field = known.Field
		if known.Code == platform.CodeInternal {
			a.log.ErrorContext(ctx, "operation failed", "request", requestID(ctx), "error", err)
		}
	case errors.Is(err, context.Canceled):
		p = statusProblem(statusClientGone, platform.CodeUnavailable, "The caller has gone.", "")
		p.Title = "Client Closed Request"
	case errors.Is(err, context.DeadlineExceeded):
		p = statusProblem(http.StatusServiceUnavailable, platform.CodeUnavailable,
			"The operation took longer than "+a.opts.RequestTimeout.String()+" and was given up.", "Try again; `fairlead status` shows which part does not answer.")
	case unreachable(err):
		a.log.WarnContext(ctx, "dependency unreachable", "request", requestID(ctx), "error", err)
		p = statusProblem(http.StatusServiceUnavailable, platform.CodeUnavailable,
			"Something that Fairlead needs does not answer now. Running services are not affected.",
			"Try again in a few seconds; GET /readyz names the part.")
	default:
		a.log.ErrorContext(ctx, "operation failed", "request", requestID(ctx), "error", err)
		p = statusProblem(http.StatusInternalServerError, platform.CodeInternal, "Fairlead hit a fault of its own.",
			"The server's log has the cause under request "+requestID(ctx)+".")
	}
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		p.retryAfter = retryAfter
	}
	p.name(ctx)
	return p
}

// unreachable reports whether err comes from a connection that could not be made or broke.
func unreachable(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

// writeProblem answers outside Fiber.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	p.name(r.Context())
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// sendProblem answers inside Fiber, before an operation was reached.
func sendProblem(c *fiber.Ctx, p *Problem) error {
	p.name(c.UserContext())
	for k, v := range p.GetHeaders() {
		c.Set(k, v[0])
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, problemType)
	return c.Status(p.Status).Send(raw)
}

// writeFiberError answers what Fiber itself refuses: no such route, wrong method, a request it cannot read.
func (a *API) writeFiberError(c *fiber.Ctx, err error) error {
	var fe *fiber.Error
	if !errors.As(err, &fe) {
		return sendProblem(c, a.problemOf(c.UserContext(), err))
	}
	switch fe.Code {
	case http.StatusNotFound:
		return sendProblem(c, statusProblem(fe.Code, platform.CodeNotFound, "There is nothing at "+c.Method()+" "+c.Path()+".", "GET /openapi.json lists every operation."))
	case http.StatusMethodNotAllowed:
		return sendProblem(c, statusProblem(fe.Code, platform.CodeInvalid, c.Method()+" is not possible at "+c.Path()+".", "Use "+c.GetRespHeader(fiber.HeaderAllow)+"."))
	case http.StatusRequestEntityTooLarge:
		return sendProblem(c, bodyTooLarge())
	}
	code := platform.CodeInvalid
	if fe.Code >= 500 {
		code = platform.CodeInternal
	}
	return sendProblem(c, statusProblem(fe.Code, code, "The request cannot be served: "+fe.Message+".", ""))
}

func (a *API) recoverPanic(c *fiber.Ctx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = sendProblem(c, a.problemOf(c.UserContext(), fmt.Errorf("panic: %v\n%s", r, debug.Stack())))
		}
	}()
	return c.Next()
}

func init() {
	// huma builds its validation errors, and the error schema of the OpenAPI document, through this variable.
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return validationProblem(status, msg, errs)
	}
}

// validationProblem turns what huma found wrong with a request into a problem. Values are left out: they may be secret.
func validationProblem(status int, msg string, errs []error) *Problem {
	code := platform.CodeInvalid
	if status >= 500 {
		code = platform.CodeInternal
	}
	if status == http.StatusRequestEntityTooLarge {
		return bodyTooLarge()
	}
	p := statusProblem(status, code, sentence(msg), "")
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			detail := d.ErrorDetail()
			p.Errors = append(p.Errors, FieldError{Field: detail.Location, Detail: detail.Message})
		} else if err != nil {
			p.Errors = append(p.Errors, FieldError{Detail: err.Error()})
		}
	}
	sort.SliceStable(p.Errors, func(i, j int) bool { return p.Errors[i].Field < p.Errors[j].Field })
	return p
}

// explain completes a validation problem with what only the operation knows: the names that exist.
func (a *API) explain(ctx huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*Problem)
	if !ok {
		return v, nil
	}
	p.name(ctx.Context())
	for i := range p.Errors {
		a.explainField(ctx.Operation(), &p.Errors[i])
	}
	sort.SliceStable(p.Errors, func(i, j int) bool { return unknown(p.Errors[i]) && !unknown(p.Errors[j]) })
	if len(p.Errors) > 0 {
		first := p.Errors[0]
		p.Detail, p.Hint, p.Field = first.Detail, first.Hint, lastName(first.Field)
		if len(p.Errors) == 1 {
			p.Errors = nil
		}
	}
	return p, nil
}

// unknown reports a name that does not exist. Those come first: a misspelt name is also why another one is missing.
func unknown(f FieldError) bool { return strings.HasSuffix(f.Detail, " is not known.") }

func (a *API) explainField(op *huma.Operation, f *FieldError) {
	name := lastName(f.Field)
	switch {
	case f.Detail == "unexpected property":
		f.Detail, f.Hint = "The field "+quote(name)+" is not known.", didYouMean(name, a.fieldsAt(op, f.Field), "Known fields")
	case f.Detail == "unknown query parameter":
		f.Detail, f.Hint = "The query parameter "+quote(name)+" is not known.", didYouMean(name, queryNames(op), "Known parameters")
	case strings.HasPrefix(f.Detail, "expected required property "):
		missing, _, _ := strings.Cut(strings.TrimPrefix(f.Detail, "expected required property "), " ")
		f.Detail, f.Field = "The field "+quote(missing)+" is missing.", f.Field+"."+missing
		f.Hint = "Add it to the request's body."
	case f.Field == "body":
		f.Detail, f.Hint = "The request's body is not the JSON that this operation takes: "+f.Detail+".", "GET /openapi.json describes it."
	case f.Field != "":
		f.Detail = quote(name) + " is wrong: " + strings.TrimSuffix(f.Detail, ".") + "."
	}
}

// fieldsAt lists the properties that exist beside the unknown one at location, for example "body.set[0].secrte".
func (a *API) fieldsAt(op *huma.Operation, location string) []string {
	if op.RequestBody == nil || op.RequestBody.Content["application/json"] == nil {
		return nil
	}
	schema := a.resolve(op.RequestBody.Content["application/json"].Schema)
	parts := strings.Split(location, ".")
	for _, part := range parts[1 : len(parts)-1] {
		name, index, indexed := strings.Cut(part, "[")
		if schema == nil {
			return nil
		}
		schema = a.resolve(schema.Properties[name])
		if indexed && index != "" && schema != nil {
			schema = a.resolve(schema.Items)
		}
	}
	if schema == nil {
		return nil
	}
	names := make([]string, 0, len(schema.Properties))
	for name := range schema.Properties {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (a *API) resolve(s *huma.Schema) *huma.Schema {
	if s != nil && s.Ref != "" {
		return a.huma.OpenAPI().Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

func queryNames(op *huma.Operation) []string {
	var names []string
	for _, p := range op.Parameters {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	sort.Strings(names)
	return names
}

func didYouMean(name string, known []string, label string) string {
	if len(known) == 0 {
		return "Leave it out: this operation takes none."
	}
	hint := label + ": " + strings.Join(known, ", ") + "."
	if nearest := platform.Nearest(name, known); nearest != "" {
		hint = "Did you mean " + quote(nearest) + "? " + hint
	}
	return hint
}

// lastName returns "secret" for "body.set[0].secret".
func lastName(location string) string {
	if i := strings.LastIndexByte(location, '.'); i >= 0 {
		return location[i+1:]
	}
	return location
}

func quote(s string) string { return strconv.Quote(platform.Truncate(s, 120)) }

// sentence turns a library's phrase into one: "request body is required" -> "Request body is required."
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}
