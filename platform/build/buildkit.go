package build

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	bkclient "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
)

// hasBuildKit reports whether the engine lets us talk to its BuildKit.
func (b *Builder) hasBuildKit(ctx context.Context) bool {
	conn, err := b.api.DialHijack(ctx, "/grpc", "h2c", nil)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func (b *Builder) buildKit(ctx context.Context, job *job) error {
	kit, err := bkclient.New(ctx, "",
		bkclient.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return b.api.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		bkclient.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return b.api.DialHijack(ctx, "/session", proto, meta)
		}))
	if err != nil {
		return fmt.Errorf("open BuildKit: %w", err)
	}
	defer func() { _ = kit.Close() }()
	err = job.solve(ctx, kit, job.attributes())
	if frontend := syntax(job.files.dockerfile); err != nil && frontend != "" && ctx.Err() == nil && job.log.blames(frontend) {
		// The first line asks for a Dockerfile frontend of its own, which is an image of a registry.
		job.log.warn("No registry gave "+frontend+", which the Dockerfile's syntax line asks for; the engine's own frontend is used.", now())
		attributes := job.attributes()
		attributes["cmdline"] = frontend // said to be handled already
		job.log.forget()
		return job.solve(ctx, kit, attributes)
	}
	return err
}

func (j *job) attributes() map[string]string {
	attributes := map[string]string{"filename": filepath.Base(j.files.dockerfile)}
	for key, value := range j.req.Args {
		attributes["build-arg:"+key] = value
	}
	for key, value := range j.labels {
		attributes["label:"+key] = value
	}
	return attributes
}

func (j *job) solve(ctx context.Context, kit *bkclient.Client, attributes map[string]string) error {
	source, err := fsutil.NewFS(j.files.context)
	if err != nil {
		return fmt.Errorf("read the build context: %w", err)
	}
	dockerfile, err := fsutil.NewFS(filepath.Dir(j.files.dockerfile))
	if err != nil {
		return fmt.Errorf("read the Dockerfile: %w", err)
	}
	options := bkclient.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: attributes,
		LocalMounts:   map[string]fsutil.FS{"context": source, "dockerfile": dockerfile},
		Exports:       []bkclient.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": j.req.Tag}}},
		// The same key for the same service lets the engine transfer only the files that changed.
		SharedKey: j.sharedKey(),
		Session:   []session.Attachable{secretsprovider.FromMap(j.req.Secrets)},
	}
	statuses := make(chan *bkclient.SolveStatus)
	group, solving := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := kit.Solve(solving, nil, options, statuses)
		return err
	})
	group.Go(func() error {
		for status := range statuses {
			j.log.status(status)
		}
		return nil
	})
	return group.Wait()
}

// sharedKey is the tag without its version, which differs from build to build.
func (j *job) sharedKey() string {
	if i := strings.LastIndexByte(j.req.Tag, ':'); i > 0 {
		return j.req.Tag[:i]
	}
	return j.req.Tag
}

// status writes what BuildKit tells into the log. It tells the whole of a step again with every change of it.
func (l *buildLog) status(status *bkclient.SolveStatus) {
	for _, vertex := range status.Vertexes {
		if vertex.Started == nil && vertex.Error == "" {
			continue
		}
		id, name := vertex.Digest.String(), strings.Join(strings.Fields(vertex.Name), " ")
		began := now()
		if vertex.Started != nil {
			began = *vertex.Started
		}
		l.begin(id, name, began)
	}
	for _, output := range status.Logs {
		stream := stdout
		if output.Stream == 2 {
			stream = stderr
		}
		l.print(output.Vertex.String(), stream, output.Data, output.Timestamp)
	}
	for _, vertex := range status.Vertexes {
		l.vertexEnd(vertex)
	}
	for _, warning := range status.Warnings {
		l.warn(string(warning.Short), now())
	}
}

func (l *buildLog) vertexEnd(vertex *bkclient.Vertex) {
	at := now()
	if vertex.Completed != nil {
		at = *vertex.Completed
	}
	switch id := vertex.Digest.String(); {
	case vertex.Error != "":
		l.end(id, KindError, at, vertex.Error)
	case vertex.Completed != nil && vertex.Cached:
		l.end(id, KindCached, at, "")
	case vertex.Completed != nil:
		l.end(id, KindDone, at, "")
	}
}

// directive is a comment that sets the frontend; it counts on the first lines only, before anything else.
var directive = regexp.MustCompile(`^#\s*([a-zA-Z]+)\s*=\s*(\S+)`)

// syntax is the frontend that a Dockerfile asks for; "" for none.
func syntax(file string) string {
	opened, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = opened.Close() }()
	for lines := bufio.NewScanner(opened); lines.Scan(); {
		match := directive.FindStringSubmatch(strings.TrimSpace(lines.Text()))
		if match == nil {
			return ""
		}
		if strings.EqualFold(match[1], "syntax") {
			return match[2]
		}
	}
	return ""
}

// blames reports whether the step that failed asked a registry for the frontend.
func (l *buildLog) blames(frontend string) bool {
	name, _, _ := strings.Cut(frontend, "@")
	failed := l.failed()
	return failed != nil && strings.HasPrefix(failed.name, "resolve image config") && strings.Contains(failed.name, name)
}
