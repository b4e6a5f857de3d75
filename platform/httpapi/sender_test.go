package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

// sending is a request of telemetry with the token and further headers.
func sending(t *testing.T, target, token string, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, http.NoBody)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestSender_WhoMayNotSendIsRefused(t *testing.T) {
	t.Parallel()
	senders := httpapi.NewSenders(httpapitest.New())
	for name, c := range map[string]struct {
		request *http.Request
		want    platform.ErrorCode
	}{
		"no token":                    {sending(t, "/otlp/v1/traces", ""), platform.CodeUnauthenticated},
		"another scheme":              {sending(t, "/otlp/v1/traces", "", "Authorization", "Digest x"), platform.CodeUnauthenticated},
		"an unknown token":            {sending(t, "/otlp/v1/traces", "flt_wrong"), platform.CodeUnauthenticated},
		"a viewer":                    {sending(t, "/otlp/v1/traces?project=shop", httpapitest.ViewerToken), platform.CodeDenied},
		"a viewer who names nothing":  {sending(t, "/otlp/v1/traces", httpapitest.ViewerToken), platform.CodeDenied},
		"an agent":                    {sending(t, "/otlp/v1/traces?project=shop", httpapitest.AgentToken), platform.CodeDenied},
		"another project":             {sending(t, "/otlp/v1/traces?project=shop", httpapitest.OtherToken), platform.CodeNotFound},
		"another project by header":   {sending(t, "/otlp/v1/traces", httpapitest.OtherToken, "Fairlead-Project", "shop"), platform.CodeNotFound},
		"another project by tenant":   {sending(t, "/otlp/v1/traces", httpapitest.OtherToken, "X-Scope-OrgID", "shop"), platform.CodeNotFound},
		"a project that is not there": {sending(t, "/otlp/v1/traces?project=nowhere", httpapitest.AdminToken), platform.CodeNotFound},
		"no such environment":         {sending(t, "/otlp/v1/traces?environment=nowhere", httpapitest.SenderToken), platform.CodeNotFound},
	} {
		_, err := senders.Sender(c.request)
		require.Equal(t, c.want, platform.CodeOf(err), "%s: %v", name, err)
	}
}

func TestSender_ProjectAndEnvironmentComeFromTheRequestElseFromTheToken(t *testing.T) {
	t.Parallel()
	senders := httpapi.NewSenders(httpapitest.New())
	basic := sending(t, "/loki/api/v1/push", "")
	basic.SetBasicAuth("anyone", httpapitest.SenderToken)
	for name, c := range map[string]struct {
		request *http.Request
		want    string
	}{
		"the token's only project": {sending(t, "/otlp/v1/traces", httpapitest.SenderToken), "shop/production"},
		"as a password":            {basic, "shop/production"},
		"in the query":             {sending(t, "/otlp/v1/traces?project=shop&environment=staging", httpapitest.AdminToken), "shop/staging"},
		"in headers":               {sending(t, "/otlp/v1/traces", httpapitest.AdminToken, "Fairlead-Project", "shop", "Fairlead-Environment", "staging"), "shop/staging"},
		"as a tenant":              {sending(t, "/loki/api/v1/push", httpapitest.AdminToken, "X-Scope-OrgID", "shop"), "shop/production"},
	} {
		sender, err := senders.Sender(c.request)
		require.NoError(t, err, name)
		scope, err := sender.Scope(t.Context(), "", "")
		require.NoError(t, err, name)
		require.Equal(t, c.want, scope.Project+"/"+scope.Environment, name)
	}
}

func TestSender_NamesInsideTheRequestAreHeldToTheTokenToo(t *testing.T) {
	t.Parallel()
	senders := httpapi.NewSenders(httpapitest.New())
	open, err := senders.Sender(sending(t, "/otlp/v1/traces", httpapitest.AdminToken))
	require.NoError(t, err, "what is sent may name it")
	_, err = open.Scope(t.Context(), "", "")
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	require.ErrorContains(t, err, "Fairlead-Project")
	scope, err := open.Scope(t.Context(), "shop", "staging")
	require.NoError(t, err)
	require.Equal(t, "staging", scope.Environment)

	bound, err := senders.Sender(sending(t, "/otlp/v1/traces?environment=staging", httpapitest.SenderToken))
	require.NoError(t, err)
	_, err = bound.Scope(t.Context(), "other", "")
	require.Equal(t, platform.CodeNotFound, platform.CodeOf(err))
	scope, err = bound.Scope(t.Context(), "shop", "")
	require.NoError(t, err)
	require.Equal(t, "staging", scope.Environment, "the request's environment is of its own project")
	scope, err = bound.Scope(t.Context(), "", "production")
	require.NoError(t, err)
	require.Equal(t, "production", scope.Environment)
}
