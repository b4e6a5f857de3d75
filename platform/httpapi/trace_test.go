package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

func TestTraces_BadInputNamesTheFieldAndTheFix(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	for path, field := range map[string]string{
		"/v1/traces": "project", "/v1/traces?project=shop&min_took=fast": "min_took", "/v1/traces?project=shop&min_took=-1s": "min_took",
		"/v1/traces?project=shop&from=yesterday": "from", "/v1/traces?project=shop&limit=501": "limit", "/v1/traces?project=shop&servce=api": "servce",
		"/v1/traces/" + httpapitest.TraceID: "project", "/v1/projects/shop/map?from=yesterday": "from", "/v1/projects/shop/map?to=x": "to",
	} {
		p := b.problem(http.MethodGet, path, httpapitest.ViewerToken, "")
		require.Equal(t, http.StatusUnprocessableEntity, p.Status, path)
		require.Equal(t, platform.CodeInvalid, p.Code, path)
		require.Equal(t, field, p.Field, path)
	}
	require.Empty(t, b.plane.Calls())
	p := b.problem(http.MethodGet, "/v1/traces/unknown?project=shop", httpapitest.ViewerToken, "")
	require.Equal(t, http.StatusNotFound, p.Status)
}

func TestTraces_EmptyIsAnEmptyList(t *testing.T) {
	t.Parallel()
	b := setup(t, httpapi.Options{})
	b.plane.Traces = nil
	_, _, raw := b.do(http.MethodGet, "/v1/traces?project=shop", httpapitest.ViewerToken, "")
	require.JSONEq(t, `{"traces":[]}`, string(raw))
}
