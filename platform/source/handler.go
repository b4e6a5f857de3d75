package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// DefaultMaxBody is the largest push unless Options say otherwise.
const DefaultMaxBody = 1 << 30

// Options tell the Git remote who may push and who records it.
type Options struct {
	// Authenticate turns the password of HTTP basic authentication, which is a token, into an actor.
	Authenticate func(ctx context.Context, user, password string) (platform.Actor, error)
	// Authorize says whether the actor may read the project's repository, or with write push to it; not_found when there
	// is no such project, or the actor may not see it.
	Authorize func(ctx context.Context, actor platform.Actor, project string, write bool) error
	// Received records a push that Git has accepted. Its notes appear in the pusher's terminal. It must be idempotent:
	// after a crash the same push is told again.
	Received func(ctx context.Context, actor platform.Actor, push platform.Push) (platform.PushResult, error)
	MaxBody  int64        // bytes of one request; 0 means DefaultMaxBody
	Log      *slog.Logger // nil discards
}

// Handler serves Git's smart HTTP protocol for /git/<project>.git/. It also says where pushes are delivered, so it must
// be called before Run, Recover and Revert. A project's repository is made at its first authorised use.
func (r *Repos) Handler(o Options) http.Handler {
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r.mu.Lock()
	r.options = o
	r.mu.Unlock()
	h := &remote{repos: r, o: o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /git/{repository}/info/refs", h.advertise)
	mux.HandleFunc("POST /git/{repository}/git-upload-pack", h.fetch)
	mux.HandleFunc("POST /git/{repository}/git-receive-pack", h.receive)
	mux.HandleFunc("/git/", func(w http.ResponseWriter, req *http.Request) {
		say(w, http.StatusNotFound, "Nothing is served here. Push to "+exampleURL(req, "<project>"))
	})
	return mux
}

func (r *Repos) receiver() Options {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.options
}

// remote is the Git remote that the handler serves.
type remote struct {
	repos *Repos
	o     Options
}

func (h *remote) advertise(w http.ResponseWriter, req *http.Request) {
	service := req.URL.Query().Get("service")
	if service != "git-upload-pack" && service != "git-receive-pack" {
		say(w, http.StatusForbidden, "Only Git's smart HTTP protocol is served. Use a git program from 2010 or newer.")
		return
	}
	project, actor, ok := h.admit(w, req, access{write: service == "git-receive-pack"})
	if !ok {
		return
	}
	if err := h.backend(w, req, backendCall{project: project, actor: actor, path: "/info/refs", query: "service=" + service}); err != nil {
		h.fail(w, req, err)
	}
}

func (h *remote) fetch(w http.ResponseWriter, req *http.Request) {
	project, actor, ok := h.admit(w, req, access{})
	if !ok {
		return
	}
	body, err := h.spool(w, req)
	if err != nil {
		h.fail(w, req, err)
		return
	}
	defer body.discard()
	if err := h.backend(w, req, backendCall{project: project, actor: actor, path: "/git-upload-pack", body: body}); err != nil {
		h.fail(w, req, err)
	}
}

// receive lets Git take a push and has it recorded. The whole request is read first, so that a slow pusher keeps nobody
// else waiting; the answer is held back until the receiver's notes can go with it.
func (h *remote) receive(w http.ResponseWriter, req *http.Request) {
	project, actor, ok := h.admit(w, req, access{write: true})
	if !ok {
		return
	}
	body, err := h.spool(w, req)
	if err != nil {
		h.fail(w, req, err)
		return
	}
	defer body.discard()
	unlock, err := h.repos.lock(req.Context(), project)
	if err != nil {
		h.fail(w, req, err)
		return
	}
	defer unlock()
	// Its project may have been deleted while this request was read.
	if _, err := h.repos.repo(project); err != nil {
		h.fail(w, req, err)
		return
	}
	if err := h.repos.rememberPusher(project, actor); err != nil {
		h.fail(w, req, err)
		return
	}
	answer := &heldAnswer{header: http.Header{}, status: http.StatusOK}
	// From here a pusher who hangs up changes nothing: what Git takes is recorded.
	ctx := context.WithoutCancel(req.Context())
	err = h.backend(answer, req.WithContext(ctx), backendCall{project: project, actor: actor, path: "/git-receive-pack", body: body})
	if err != nil {
		h.fail(w, req, err)
		return
	}
	notes, err := h.repos.deliverLocked(ctx, project, actor)
	if err != nil {
		h.o.Log.Error("a push was accepted and is not recorded yet", "project", project, "error", err)
		notes = append(notes, "Git has your commits, and Fairlead could not record them yet: "+reason(err), "they are recorded as soon as it can")
	}
	answer.send(w, notes)
}

// reason is what a pusher may read of an error.
func reason(err error) string {
	var e *platform.Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return "an internal error, which is in the server's log."
}

// access is what a request does to a repository: it reads, or with write it pushes.
type access struct{ write bool }

// admit says who asks and whether they may; if not it has answered.
func (h *remote) admit(w http.ResponseWriter, req *http.Request, a access) (project string, actor platform.Actor, ok bool) {
	user, password, given := req.BasicAuth()
	if !given {
		h.fail(w, req, platform.Errorf(platform.CodeUnauthenticated, "This Git remote needs a token.").
			WithHint("Any user name will do; the password is a Fairlead token."))
		return "", actor, false
	}
	actor, err := h.o.Authenticate(req.Context(), user, password)
	if err != nil {
		h.fail(w, req, err)
		return "", actor, false
	}
	actor.Channel = "git"
	project, isRepo := strings.CutSuffix(req.PathValue("repository"), ".git")
	if !isRepo || platform.CheckName("project", project) != nil {
		h.fail(w, req, platform.Errorf(platform.CodeNotFound, "There is no repository %q.", platform.Truncate(req.PathValue("repository"), 80)).
			WithHint("The remote of a project is %s", exampleURL(req, "<project>")))
		return "", actor, false
	}
	if err := h.o.Authorize(req.Context(), actor, project, a.write); err != nil {
		if platform.CodeOf(err) == platform.CodeNotFound {
			err = platform.Errorf(platform.CodeNotFound, "There is no project %q, or your token may not see it.", project).
				WithHint("Create it from its blueprint: fairlead project create -f fairlead.yaml")
		}
		h.fail(w, req, err)
		return "", actor, false
	}
	if err := h.repos.Init(req.Context(), project); err != nil {
		h.fail(w, req, err)
		return "", actor, false
	}
	return project, actor, true
}

// fail answers in plain text, which the git program prints as "remote: ...".
func (h *remote) fail(w http.ResponseWriter, req *http.Request, err error) {
	status := http.StatusInternalServerError
	switch platform.CodeOf(err) {
	case platform.CodeInvalid:
		status = http.StatusUnprocessableEntity
	case platform.CodeUnauthenticated:
		w.Header().Set("WWW-Authenticate", `Basic realm="Fairlead", charset="UTF-8"`)
		status = http.StatusUnauthorized
	case platform.CodeDenied, platform.CodeApprovalRequired:
		status = http.StatusForbidden
	case platform.CodeNotFound:
		status = http.StatusNotFound
	case platform.CodeConflict:
		status = http.StatusConflict
	case platform.CodeExhausted:
		status = http.StatusTooManyRequests
	case platform.CodeUnavailable:
		status = http.StatusServiceUnavailable
	default:
		h.o.Log.Error("git request failed", "path", req.URL.Path, "error", err)
	}
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		say(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("This push is larger than %d MiB, the limit of this server. Push fewer commits at a time, or keep large files elsewhere.", tooBig.Limit>>20))
		return
	}
	say(w, status, reason(err))
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

func exampleURL(req *http.Request, project string) string {
	return "http://" + req.Host + "/git/" + project + ".git"
}

// spooled is a request's body on disk, already unlinked.
type spooled struct {
	file *os.File
	size int64
}

func (s *spooled) discard() { s.file.Close() }

func (h *remote) spool(w http.ResponseWriter, req *http.Request) (*spooled, error) {
	f, err := os.CreateTemp(h.repos.dir, ".push-")
	if err != nil {
		return nil, fmt.Errorf("keep a push on disk: %w", err)
	}
	_ = os.Remove(f.Name()) // the open file lives on and goes with the process
	size, err := io.Copy(f, http.MaxBytesReader(w, req.Body, h.o.MaxBody))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read a push: %w", err)
	}
	return &spooled{f, size}, nil
}
