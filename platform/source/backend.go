package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// backendCall is one request for git http-backend, which speaks CGI (RFC 3875).
type backendCall struct {
	project string
	actor   platform.Actor
	path    string // below the repository
	query   string
	body    *spooled // nil for GET
}

// protocolVersion is all that a client may ask of Git through the Git-Protocol header.
var protocolVersion = regexp.MustCompile(`^version=[0-9](:[a-z0-9=.-]{1,64}){0,4}$`)

// backend runs git http-backend and copies its answer. An error means that nothing was answered yet.
func (h *remote) backend(w http.ResponseWriter, req *http.Request, c backendCall) error {
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "http-backend")
	cmd.Dir, cmd.Env = h.repos.dir, h.backendEnv(req, c)
	cmd.WaitDelay = 5 * time.Second
	said := &capped{limit: 16 << 10}
	cmd.Stderr = said
	if c.body != nil {
		cmd.Stdin = c.body.file
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run git http-backend: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run git http-backend: %w", err)
	}
	reader := bufio.NewReaderSize(out, 64<<10)
	status, err := copyHeader(w.Header(), reader)
	if err != nil {
		cancel()
		_ = cmd.Wait() // it was killed; what it said before is the reason
		return fmt.Errorf("read the answer of git http-backend: %w (%s)", err, strings.TrimSpace(said.String()))
	}
	w.WriteHeader(status)
	if _, err := io.Copy(flushing(w), reader); err != nil {
		h.o.Log.Debug("a git client went away", "project", c.project, "error", err)
		cancel()
	}
	if err := cmd.Wait(); err != nil {
		h.o.Log.Warn("git http-backend ended badly", "project", c.project, "error", err, "says", said.String())
	}
	return nil
}

func (h *remote) backendEnv(req *http.Request, c backendCall) []string {
	env := h.repos.env([2]string{"receive.maxInputSize", strconv.FormatInt(h.o.MaxBody, 10)})
	env = append(
		env, "GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "GIT_HTTP_EXPORT_ALL=1",
		"GIT_PROJECT_ROOT="+h.repos.dir, "PATH_INFO=/"+c.project+".git"+c.path, "QUERY_STRING="+c.query,
		"REQUEST_METHOD="+req.Method, "REMOTE_USER="+oneLine(c.actor.Name), "REMOTE_ADDR=127.0.0.1",
	)
	if c.body != nil {
		env = append(env, "CONTENT_LENGTH="+strconv.FormatInt(c.body.size, 10), "CONTENT_TYPE="+oneLine(req.Header.Get("Content-Type")))
		if encoding := req.Header.Get("Content-Encoding"); encoding == "gzip" || encoding == "x-gzip" {
			env = append(env, "HTTP_CONTENT_ENCODING="+encoding)
		}
	}
	if version := req.Header.Get("Git-Protocol"); protocolVersion.MatchString(version) {
		env = append(env, "GIT_PROTOCOL="+version)
	}
	return env
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 {
			return -1
		}
		return r
	}, platform.Truncate(s, 200))
}

func copyHeader(header http.Header, r *bufio.Reader) (status int, err error) {
	given, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil {
		return 0, err
	}
	status = http.StatusOK
	for key, values := range given {
		if key != "Status" {
			header[key] = values
			continue
		}
		number, _, _ := strings.Cut(values[0], " ")
		if status, err = strconv.Atoi(number); err != nil || status < 200 || status > 599 {
			return 0, fmt.Errorf("the status %q is no HTTP status", values[0])
		}
	}
	return status, nil
}

// flushing sends each piece on at once, so that a clone shows its progress.
func flushing(w http.ResponseWriter) io.Writer {
	if held, ok := w.(*heldAnswer); ok {
		return held
	}
	return &flusher{w: w, rc: http.NewResponseController(w)}
}

type flusher struct {
	w  io.Writer
	rc *http.ResponseController
}

// Write implements io.Writer.
func (f *flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		return n, err
	}
	if err := f.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return n, err
	}
	return n, nil
}
