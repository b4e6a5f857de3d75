package dashboard

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

const (
	cookieName = "fairlead_session"
	sealedFor  = "dashboard/session"
	// sessionAge is how long a sign-in lasts; the token's own end may come before.
	sessionAge = 12 * time.Hour
)

// session is what the cookie holds, sealed. Nothing of it is kept on the server: a token that is revoked ends it.
type session struct {
	Token   string    `json:"token"`
	Form    string    `json:"form"` // what every form of this session must send along
	Expires time.Time `json:"expires"`

	api   API
	actor platform.Actor
}

// handler is a page for somebody who is signed in.
type handler func(w http.ResponseWriter, r *http.Request, s *session)

// signedIn asks for a sign-in where there is none, and refuses a form that this session did not make.
func (p *pages) signedIn(next handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, ok := p.session(r)
		if !ok {
			toSignIn(w, r)
			return
		}
		s.api = p.o.Client(s.Token)
		actor, err := s.api.Actor(r.Context())
		if platform.CodeOf(err) == platform.CodeUnauthenticated {
			forget(w, r)
			toSignIn(w, r)
			return
		}
		if err != nil {
			p.fail(w, r, nil, err)
			return
		}
		s.actor = actor
		if r.Method == http.MethodPost && subtle.ConstantTimeCompare([]byte(r.PostFormValue("form")), []byte(s.Form)) != 1 {
			p.fail(w, r, s, platform.Errorf(platform.CodeDenied, "This form was not made by your session.").WithHint("Open the page again, and send the form from there."))
			return
		}
		next(w, r, s)
	}
}

func (p *pages) session(r *http.Request) (*session, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil, false
	}
	raw, err := p.o.Sealer.Open(c.Value, sealedFor)
	if err != nil {
		return nil, false
	}
	var s session
	if err := json.Unmarshal([]byte(raw), &s); err != nil || !p.o.Now().Before(s.Expires) {
		return nil, false
	}
	return &s, true
}

// toSignIn sends a reader to the sign-in and back to where they wanted to go. What a form said is not kept.
func toSignIn(w http.ResponseWriter, r *http.Request) {
	next := r.URL.RequestURI()
	if r.Method != http.MethodGet {
		next = Root
	}
	http.Redirect(w, r, "/ui/sign-in?"+url.Values{"next": {next}}.Encode(), http.StatusSeeOther)
}

// within returns a path of this page and Root for anything else, so that nobody is sent elsewhere by a link.
func within(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || strings.Contains(next, `\`) || u.Path != Root && path.Clean(u.Path) != u.Path ||
		!strings.HasPrefix(u.Path, Root) || strings.HasPrefix(u.Path, "/ui/sign-") {
		return Root
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

type signInView struct {
	Next  string
	Error *platform.Error
}

func (p *pages) signInPage(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, http.StatusOK, nil, "sign-in", "Sign in", signInView{Next: within(r.URL.Query().Get("next"))})
}

func (p *pages) signIn(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimSpace(r.PostFormValue("token"))
	next := within(r.PostFormValue("next"))
	_, err := p.o.Client(token).Actor(r.Context())
	if token == "" {
		err = platform.Errorf(platform.CodeUnauthenticated, "The token is empty.").WithHint("Paste the one that `fairlead token create` printed.")
	}
	if err != nil {
		said := asError(err)
		p.render(w, r, statusOf(said.Code), nil, "sign-in", "Sign in", signInView{Next: next, Error: said})
		return
	}
	s := session{Token: token, Form: rand.Text(), Expires: p.o.Now().Add(sessionAge)}
	raw, err := json.Marshal(s)
	if err == nil {
		var sealed string
		if sealed, err = p.o.Sealer.Seal(string(raw), sealedFor); err == nil {
			cookie := fresh(r)
			cookie.Value, cookie.MaxAge = sealed, int(sessionAge/time.Second)
			http.SetCookie(w, cookie)
			http.Redirect(w, r, next, http.StatusSeeOther)
			return
		}
	}
	p.fail(w, r, nil, err)
}

func (p *pages) signOut(w http.ResponseWriter, r *http.Request, _ *session) {
	forget(w, r)
	http.Redirect(w, r, "/ui/sign-in", http.StatusSeeOther)
}

// fresh is the cookie without a value. Lax, not strict: a link in a mail or a chat must find its reader signed in, and a
// form of another site brings no cookie either way.
func fresh(r *http.Request) *http.Cookie {
	encrypted := r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	return &http.Cookie{Name: cookieName, Path: "/ui", HttpOnly: true, Secure: encrypted, SameSite: http.SameSiteLaxMode}
}

func forget(w http.ResponseWriter, r *http.Request) {
	cookie := fresh(r)
	cookie.MaxAge = -1
	http.SetCookie(w, cookie)
}
