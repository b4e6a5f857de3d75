package dashboard_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
	"github.com/fairlead/fairlead/platform/dashboard"
	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
	"github.com/fairlead/fairlead/platform/secret"
)

// site is the pages of a sample installation, behind the real API.
type site struct {
	plane *httpapitest.Plane
	url   string
}

func open(t *testing.T, plane *httpapitest.Plane) *site {
	t.Helper()
	sealer, err := secret.New([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	s := &site{plane: plane}
	_, api := httpapitest.Serve(t, plane, httpapi.Options{})
	server := httptest.NewServer(dashboard.Handler(dashboard.Options{
		Sealer: sealer, Now: func() time.Time { return httpapitest.Now },
		Client: func(token string) dashboard.API {
			return client.New(client.Options{BaseURL: api, Token: token, Channel: "dashboard"})
		},
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// visitor is a browser without JavaScript.
type visitor struct {
	t    *testing.T
	site *site
	http *http.Client
}

func (s *site) visitor(t *testing.T) *visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t, s, &http.Client{Jar: jar}}
}

// as is a visitor who is signed in.
func (s *site) as(t *testing.T, token string) *visitor {
	v := s.visitor(t)
	status, page := v.send("/ui/sign-in", url.Values{"token": {token}, "next": {"/ui/"}})
	require.Equal(t, http.StatusOK, status, page)
	return v
}

func (v *visitor) get(path string) (int, string) {
	v.t.Helper()
	resp, err := v.http.Get(v.site.url + path)
	require.NoError(v.t, err)
	return v.read(resp)
}

func (v *visitor) read(resp *http.Response) (int, string) {
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(v.t, err)
	return resp.StatusCode, string(raw)
}

func (v *visitor) send(path string, form url.Values) (int, string) {
	v.t.Helper()
	resp, err := v.http.PostForm(v.site.url+path, form)
	require.NoError(v.t, err)
	return v.read(resp)
}

var hidden = regexp.MustCompile(`name="(form|hash)" value="([^"]*)"`)

// fill reads what a page's form carries by itself.
func (v *visitor) fill(path string) url.Values {
	v.t.Helper()
	status, page := v.get(path)
	require.Equal(v.t, http.StatusOK, status, page)
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], m[2])
	}
	require.NotEmpty(v.t, form.Get("form"))
	return form
}

func decisions(p *httpapitest.Plane) []httpapitest.Call {
	var out []httpapitest.Call
	for _, c := range p.Calls() {
		if c.Name == "Decide" {
			out = append(out, c)
		}
	}
	return out
}

func TestPages_AskForASignInAndGoOnWhereTheReaderWanted(t *testing.T) {
	t.Parallel()
	s := open(t, httpapitest.New())
	v := s.visitor(t)
	for _, path := range []string{"/ui/", "/ui/incidents/inc_01", "/ui/plans", "/ui/plans/plan_01", "/ui/audit"} {
		status, page := v.get(path)
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, page, "<h1>Sign in</h1>", path)
		require.NotContains(t, page, "api answers 38%")
	}
	status, page := v.send("/ui/sign-in", url.Values{"token": {"flt_wrong"}, "next": {"/ui/plans"}})
	require.Equal(t, http.StatusUnauthorized, status)
	require.Contains(t, page, "This token is unknown, expired or revoked.")
	require.Contains(t, page, `name="next" value="/ui/plans"`)
	status, page = v.send("/ui/sign-in", url.Values{"token": {httpapitest.AdminToken}, "next": {"/ui/plans"}})
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "<h1>Plans</h1>")
}

func TestSignIn_SendsNobodyElsewhere(t *testing.T) {
	t.Parallel()
	s := open(t, httpapitest.New())
	for _, next := range []string{"https://evil.example/ui/", "//evil.example/ui/", `/\evil.example`, "/ui/../v1/plans", "javascript:alert(1)", "/ui/sign-out", ""} {
		v := s.visitor(t)
		v.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, err := v.http.PostForm(s.url+"/ui/sign-in", url.Values{"token": {httpapitest.AdminToken}, "next": {next}})
		require.NoError(t, err)
		resp.Body.Close()
		require.True(t, strings.HasPrefix(resp.Header.Get("Location"), "/ui/"), "%q leads to %q", next, resp.Header.Get("Location"))
		require.NotContains(t, resp.Header.Get("Location"), "evil")
	}
}

func TestSession_IsSealedAndEndsWithTheTokenAndByItself(t *testing.T) {
	t.Parallel()
	s := open(t, httpapitest.New())
	v := s.as(t, httpapitest.AdminToken)
	at, err := url.Parse(s.url + "/ui/")
	require.NoError(t, err)
	cookies := v.http.Jar.Cookies(at)
	require.Len(t, cookies, 1)
	require.NotContains(t, cookies[0].Value, "flt_")

	forged := s.visitor(t)
	forged.http.Jar.SetCookies(at, []*http.Cookie{{Name: cookies[0].Name, Value: cookies[0].Value[:len(cookies[0].Value)-2] + "xx"}})
	_, page := forged.get("/ui/")
	require.Contains(t, page, "Sign in</h1>")

	s.plane.Revoke(httpapitest.AdminToken)
	_, page = v.get("/ui/")
	require.Contains(t, page, "Sign in</h1>", "a revoked token ends the session")
	require.Empty(t, v.http.Jar.Cookies(at))
}

func TestSignOut_ForgetsTheSession(t *testing.T) {
	t.Parallel()
	v := open(t, httpapitest.New()).as(t, httpapitest.AdminToken)
	_, page := v.send("/ui/sign-out", v.fill("/ui/"))
	require.Contains(t, page, "Sign in</h1>")
	_, page = v.get("/ui/")
	require.Contains(t, page, "Sign in</h1>")
}

func TestIncident_ShowsCausesWithTheirEvidenceWhatWasRuledOutAndTheGaps(t *testing.T) {
	t.Parallel()
	v := open(t, httpapitest.New()).as(t, httpapitest.ViewerToken)
	_, page := v.get("/ui/")
	require.Contains(t, page, `href="/ui/incidents/inc_01"`)
	status, page := v.get("/ui/incidents/inc_01")
	require.Equal(t, http.StatusOK, status)
	for _, part := range []string{
		"An error in the code", "92% sure", "predict calls round on text since commit b7e01d55.", "app.py:41",
		`<span class="added">&#43;    return round(score, 2)`, `href="#E1"`, `id="E1"`, "TypeError: unsupported operand type(s) for round: &#39;str&#39;",
		"A dependency is down", "Metrics before 14:00 were not kept.", `href="/ui/plans/plan_01"`, ">58 min ago</time>", "api answers 38% of requests with 5xx since release 2",
	} {
		require.Contains(t, page, part)
	}
}

func TestIncident_TextOfOthersIsShownAndNeverRuns(t *testing.T) {
	t.Parallel()
	p := httpapitest.New()
	const hostile = "<script>alert(1)</script>\u202e</pre><img src=x onerror=alert(2)>"
	p.Incident.Title, p.Incident.Evidence[0].Excerpt, p.Incident.Evidence[0].Flagged = hostile, hostile, true
	p.Incident.Diagnosis.Causes[0].Claims[0].Quote, p.Incident.Diagnosis.Causes[0].Change.Message = hostile, hostile
	v := open(t, p).as(t, httpapitest.ViewerToken)
	_, page := v.get("/ui/incidents/inc_01")
	require.NotContains(t, page, "<script>alert")
	require.NotContains(t, page, "<img src=x")
	require.NotContains(t, page, "\u202e")
	require.Contains(t, page, "tries to instruct its reader")
	resp, err := v.http.Get(v.site.url + "/ui/")
	require.NoError(t, err)
	resp.Body.Close()
	require.Contains(t, resp.Header.Get("Content-Security-Policy"), "script-src 'self'")
}

func TestIncident_ThatIsNotDiagnosedYetSaysSo(t *testing.T) {
	t.Parallel()
	p := httpapitest.New()
	p.Incident.Diagnosis, p.Incident.Evidence = nil, nil
	_, page := open(t, p).as(t, httpapitest.ViewerToken).get("/ui/incidents/inc_01")
	require.Contains(t, page, "Not diagnosed yet")
	require.Contains(t, page, `hx-trigger="every 2s"`)
}

func TestPlan_IsApprovedExactlyAsItWasShown(t *testing.T) {
	t.Parallel()
	s := open(t, httpapitest.New())
	v := s.as(t, httpapitest.AdminToken)
	_, page := v.get("/ui/plans/plan_01")
	for _, part := range []string{
		"live release: 2 (b7e01d55)", "live release: 1 (4f2c9a1b)", "R1: reversible", "one service in one environment", "Deploy release 2 again.",
		"one person with role operator or admin, other than agent:diagnosis", "5xx below 1% for 30 s", s.plane.Plan.Hash,
	} {
		require.Contains(t, page, part)
	}
	form := v.fill("/ui/plans/plan_01")
	form.Set("decision", "approve")
	form.Set("comment", " go ")
	status, _ := v.send("/ui/plans/plan_01/decision", form)
	require.Equal(t, http.StatusOK, status)
	sent := decisions(s.plane)
	require.Len(t, sent, 1)
	require.Equal(t, platform.DecideRequest{Approve: true, Hash: s.plane.Plan.Hash, Comment: "go"}, sent[0].Arg)
	require.Equal(t, "dashboard", sent[0].Actor.Channel)
	require.Equal(t, "ada", sent[0].Actor.Name)
}

func TestPlan_RefusalIsShownBesideThePlanAsItStands(t *testing.T) {
	t.Parallel()
	p := httpapitest.New()
	s := open(t, p)
	v := s.as(t, httpapitest.AdminToken)
	form := v.fill("/ui/plans/plan_01")
	form.Set("decision", "approve")
	p.Fail = func(call string) error {
		if call == "Decide" {
			return platform.Errorf(platform.CodeConflict, "The plan expired at 15:00.").WithHint("Propose it again.")
		}
		return nil
	}
	status, page := v.send("/ui/plans/plan_01/decision", form)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, page, "The plan expired at 15:00.")
	require.Contains(t, page, "Propose it again.")
	require.Contains(t, page, "live release: 1 (4f2c9a1b)")
}

func TestPlan_AsksForTheValueThatAPersonMustGive(t *testing.T) {
	t.Parallel()
	p := httpapitest.New()
	p.Plan.Body.Action = platform.Action{Kind: platform.ActionSetEnv, Slot: "shop/production/api", EnvKey: "API_KEY"}
	s := open(t, p)
	v := s.as(t, httpapitest.AdminToken)
	_, page := v.get("/ui/plans/plan_01")
	require.Contains(t, page, "Value of API_KEY")
	form := v.fill("/ui/plans/plan_01")
	form.Set("decision", "approve")
	form.Set("value", "s3cret")
	_, page = v.send("/ui/plans/plan_01/decision", form)
	require.NotContains(t, page, "s3cret")
	require.Equal(t, "s3cret", decisions(p)[0].Arg.(platform.DecideRequest).EnvValue)
}

// Each of these must leave the plan undecided.
func TestDecision_OfAnotherSiteAnotherSessionOrNobodyIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t, httpapitest.New())
	admin := s.as(t, httpapitest.AdminToken)
	good := admin.fill("/ui/plans/plan_01")
	good.Set("decision", "approve")
	change := func(key, value string) url.Values {
		form := url.Values{}
		for k, v := range good {
			form[k] = v
		}
		form.Set(key, value)
		return form
	}
	status, page := admin.send("/ui/plans/plan_01/decision", change("form", "made-up"))
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, page, "This form was not made by your session.")
	status, page = admin.send("/ui/plans/plan_01/decision", change("hash", ""))
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, page, "does not say which plan was read")
	status, page = admin.send("/ui/plans/plan_01/decision", change("decision", "perhaps"))
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, page, "approve or reject")

	other := s.as(t, httpapitest.AdminToken)
	status, _ = other.send("/ui/plans/plan_01/decision", good)
	require.Equal(t, http.StatusForbidden, status, "the form of another session")

	_, page = s.visitor(t).send("/ui/plans/plan_01/decision", good)
	require.Contains(t, page, "Sign in</h1>")

	req, err := http.NewRequest(http.MethodPost, s.url+"/ui/plans/plan_01/decision", strings.NewReader(good.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "https://evil.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := admin.http.Do(req)
	require.NoError(t, err)
	status, _ = admin.read(resp)
	require.Equal(t, http.StatusForbidden, status)
	require.Empty(t, decisions(s.plane))

	agent := s.as(t, httpapitest.AgentToken)
	form := agent.fill("/ui/plans/plan_01")
	form.Set("decision", "approve")
	status, page = agent.send("/ui/plans/plan_01/decision", form)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, page, "may not do this")
	require.Empty(t, decisions(s.plane))
}

func TestAudit_ShowsTheNewestFirstAndVerifiesTheChain(t *testing.T) {
	t.Parallel()
	v := open(t, httpapitest.New()).as(t, httpapitest.ViewerToken)
	_, page := v.get("/ui/audit?kind=deploy.live&verify=1")
	require.Contains(t, page, "release 2 is live; 0 of 412 probe requests failed")
	require.Contains(t, page, "The chain of 4 events is whole.")
}

func TestPages_OfNothingSaySoAndUnknownOnesAreNotFound(t *testing.T) {
	t.Parallel()
	v := open(t, httpapitest.New()).as(t, httpapitest.ViewerToken)
	for path, want := range map[string]int{"/ui/incidents/inc_none": 404, "/ui/plans/plan_none": 404, "/ui/nothing": 404, "/ui/static/style.css": 200, "/ui/static/htmx.min.js": 200} {
		status, page := v.get(path)
		require.Equal(t, want, status, path)
		require.NotEmpty(t, page)
	}
}

func TestPages_SayWhatToDoWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	p := httpapitest.New()
	v := open(t, p).as(t, httpapitest.ViewerToken)
	p.Fail = func(call string) error {
		if call == "ListIncidents" {
			return platform.Errorf(platform.CodeUnavailable, "The database does not answer.").WithHint("Try again in a few seconds.")
		}
		return nil
	}
	status, page := v.get("/ui/")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, page, "Try again in a few seconds.")
}
