package httpapi_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

func TestProblem_MapsEveryCodeOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	var next error
	b.plane.Fail = func(string) error { return next }
	for code, status := range map[platform.ErrorCode]int{
		platform.CodeInvalid: 422, platform.CodeUnauthenticated: 401, platform.CodeDenied: 403, platform.CodeNotFound: 404, platform.CodeConflict: 409,
		platform.CodeApprovalRequired: 403, platform.CodeExhausted: 429, platform.CodeUnavailable: 503, platform.CodeInternal: 500,
	} {
		next = fmt.Errorf("read status: %w", platform.Errorf(code, "It is so.").WithHint("Do this.").WithField("x"))
		p := b.problem(http.MethodGet, "/v1/status", httpapitest.AdminToken, "")
		require.Equal(t, status, p.Status, code)
		require.Equal(t, code, p.Code)
		require.Equal(t, "It is so.", p.Detail)
		require.Equal(t, "Do this.", p.Hint)
		require.Equal(t, "x", p.Field)
	}
}

func TestProblem_OfAnUnknownErrorHidesItsText(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	b.plane.Fail = func(string) error { return errors.New("secret path /var/lib") }
	p := b.problem(http.MethodGet, "/v1/status", httpapitest.AdminToken, "")
	require.Equal(t, 500, p.Status)
	require.NotContains(t, p.Detail+p.Hint, "secret")
	require.Contains(t, p.Hint, p.RequestID)
	b.plane.Fail = func(string) error { panic("boom") }
	require.Equal(t, 500, b.problem(http.MethodGet, "/v1/status", httpapitest.AdminToken, "").Status)
}

func TestProblem_OfADependencyThatIsDownSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	b.plane.Fail = func(string) error {
		return fmt.Errorf("begin: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
	}
	status, h, raw := b.do(http.MethodGet, "/v1/status", httpapitest.AdminToken, "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "2", h.Get("Retry-After"))
	require.Contains(t, string(raw), "does not answer now")
}

func TestUnknownField_IsRefusedByNameWithTheNearest(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	p := b.problem(http.MethodPost, "/v1/projects/shop/services/api/deploys", httpapitest.AdminToken, `{"comit":"main"}`)
	require.Equal(t, 422, p.Status)
	require.Equal(t, platform.CodeInvalid, p.Code)
	require.Equal(t, "comit", p.Field)
	require.Equal(t, `The field "comit" is not known.`, p.Detail)
	require.Equal(t, `Did you mean "commit"? Known fields: commit, image.`, p.Hint)

	p = b.problem(http.MethodPatch, "/v1/projects/shop/services/api/env", httpapitest.AdminToken, `{"set":[{"key":"A","secrte":true,"value":"hunter2"}]}`)
	require.Contains(t, p.Hint, `Did you mean "secret"?`)
	require.NotContains(t, fmt.Sprint(p), "hunter2")

	p = b.problem(http.MethodPost, "/v1/plans", httpapitest.AdminToken, `{"action":{"kind":"rollback","slot":"a/b/c","to_relese":3},"reason":"x"}`)
	require.Contains(t, p.Hint, `Did you mean "to_release"?`)
	require.Empty(t, b.plane.Calls())
}

func TestUnknownQueryParameter_IsRefusedByNameWithTheNearest(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	p := b.problem(http.MethodGet, "/v1/deploys?projct=shop", httpapitest.AdminToken, "")
	require.Equal(t, 422, p.Status)
	require.Equal(t, "projct", p.Field)
	require.Contains(t, p.Hint, `Did you mean "project"?`)
	p = b.problem(http.MethodGet, "/v1/status?x=1", httpapitest.AdminToken, "")
	require.Equal(t, "x", p.Field)
}

func TestBadInput_NamesTheFieldAndChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	for _, c := range []struct {
		method, path, body string
		status             int
		field              string
	}{
		{"PUT", "/v1/projects/shop/services/api/scale", `{"replicas":1000}`, 422, "replicas"},
		{"PUT", "/v1/projects/shop/services/api/scale", `{"replicas":"three"}`, 422, "replicas"},
		{"PUT", "/v1/projects/shop/services/api/scale", `{}`, 422, "replicas"},
		{"PUT", "/v1/projects/shop/services/api/scale", `{"replicas":`, 400, "body"},
		{"PUT", "/v1/projects/shop/services/api/scale", ``, 400, ""},
		{"POST", "/v1/tokens", `{"name":"x","kind":"robot","role":"admin"}`, 422, "kind"},
		{"POST", "/v1/tokens", `{"name":"x","kind":"agent","role":"viewer","ttl":"soon"}`, 422, "body"},
		{"GET", "/v1/projects?limit=0", ``, 422, "limit"},
		{"GET", "/v1/projects?limit=ten", ``, 422, "limit"},
		{"GET", "/v1/projects?cursor=bogus", ``, 422, "cursor"},
		{"GET", "/v1/events?since=yesterday", ``, 422, "since"},
		{"GET", "/v1/incidents?state=closed", ``, 422, "state"},
		{"GET", "/v1/logs?project=shop&level=loud", ``, 422, "level[0]"},
		{"GET", "/v1/logs?project=shop&field=nothing", ``, 422, "field"},
		{"GET", "/v1/logs", ``, 422, "project"},
		{"GET", "/v1/logs?project=shop&min_level=loud", ``, 422, "min_level"},
		{"GET", "/v1/logs?project=shop&level=error&min_level=warn", ``, 422, "min_level"},
		{"GET", "/v1/logs?project=shop&limit=10001", ``, 422, "limit"},
		{"GET", "/v1/logs?project=shop&from=yesterday", ``, 422, "from"},
		{"GET", "/v1/logs?project=shop&from=800h", ``, 422, "from"},
		{"GET", "/v1/logs/export?project=shop&from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z", ``, 422, "from"},
		{"GET", "/v1/logs/histogram?project=shop&step=soon", ``, 422, "step"},
		{"GET", "/v1/logs/histogram?project=shop&step=-1m", ``, 422, "step"},
		{"GET", "/v1/logs/around?project=shop", ``, 422, "around"},
		{"GET", "/v1/logs/around?project=shop&around=there", ``, 422, "around"},
		{"GET", "/v1/logs/around?project=shop&around=2026-03-14T15:09:26Z&context=1001", ``, 422, "context"},
		{"GET", "/v1/logs/patterns?project=shop&compare=release:11", ``, 422, "compare"},
		{"GET", "/v1/logs/patterns?project=shop&compare=window:1h..1h..1h", ``, 422, "compare"},
		{"GET", "/v1/logs/patterns?project=shop&sample=0", ``, 422, "sample"},
		{"GET", "/v1/projects/shop/metrics", ``, 422, "query"},
		{"GET", "/v1/projects/shop/metrics?query=up&step=-1s", ``, 422, "step"},
	} {
		p := b.problem(c.method, c.path, httpapitest.AdminToken, c.body)
		require.Equal(t, c.status, p.Status, "%s %s %s: %s", c.method, c.path, c.body, p.Detail)
		require.Equal(t, platform.CodeInvalid, p.Code)
		require.Equal(t, c.field, p.Field, "%s %s %s: %s", c.method, c.path, c.body, p.Detail)
		require.True(t, strings.HasSuffix(p.Detail, "."), p.Detail)
	}
	require.Empty(t, b.plane.Calls())
}

func TestBodyOverTheLimit_Is413(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	body := `{"blueprint":"` + strings.Repeat("x", httpapi.MaxBodyBytes) + `"}`
	p := b.problem(http.MethodPost, "/v1/projects", httpapitest.AdminToken, body)
	require.Equal(t, http.StatusRequestEntityTooLarge, p.Status)
	require.Contains(t, p.Detail, "1048576 bytes")

	// The same without a length that says so beforehand.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/v1/projects", io.MultiReader(strings.NewReader(body)))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+httpapitest.AdminToken)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)

	// And inside the process, where only the operation's own limit stands.
	req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, "http://fairlead/v1/projects", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+httpapitest.AdminToken)
	inner, err := b.api.Transport().RoundTrip(req)
	require.NoError(t, err)
	defer inner.Body.Close()
	require.Equal(t, http.StatusRequestEntityTooLarge, inner.StatusCode)
	require.Empty(t, b.plane.Calls())
}

func TestIdempotencyKey_DoesAWriteOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	const path = "/v1/projects/shop/services/api/scale"
	status, h, first := b.do(http.MethodPut, path, httpapitest.AdminToken, `{"replicas":3}`, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, h.Get("Idempotency-Replayed"))
	status, h, second := b.do(http.MethodPut, path, httpapitest.AdminToken, `{"replicas":3}`, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "true", h.Get("Idempotency-Replayed"))
	require.Equal(t, "application/json", h.Get("Content-Type"))
	require.Equal(t, string(first), string(second))
	require.Len(t, b.plane.Calls(), 1)

	p := b.problem(http.MethodPut, path, httpapitest.AdminToken, `{"replicas":4}`, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusConflict, p.Status)
	require.Equal(t, "Idempotency-Key", p.Field)
	require.Len(t, b.plane.Calls(), 1)

	require.Equal(t, 422, b.problem(http.MethodPut, path, httpapitest.AdminToken, `{"replicas":4}`, "Idempotency-Key", strings.Repeat("k", 129)).Status)
	require.Len(t, b.plane.Calls(), 1)
}

func TestIdempotencyKey_IsNotSpentByARefusal(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	const path = "/v1/projects/shop/services/api/scale"
	b.plane.Fail = func(string) error { return platform.Errorf(platform.CodeUnavailable, "Postgres does not answer.") }
	require.Equal(t, 503, b.problem(http.MethodPut, path, httpapitest.AdminToken, `{"replicas":3}`, "Idempotency-Key", "k").Status)
	b.plane.Fail = nil
	status, h, _ := b.do(http.MethodPut, path, httpapitest.AdminToken, `{"replicas":3}`, "Idempotency-Key", "k")
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, h.Get("Idempotency-Replayed"))
}
