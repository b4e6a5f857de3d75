// Package build makes an image of a source tree, with a live log of how it goes.
//
// It owns the choice of builder (the engine's BuildKit, its classic builder where that is missing), the checks of what a
// build may read, the log, and the words for what failed. It must not know of commits, deploys or where images run.
// Nothing outside the tree is ever read, secrets reach no layer, and the build cache is kept by the engine.
package build

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/secret"
)

// Options says which engine builds.
type Options struct {
	// Host is the engine's address; empty means DOCKER_HOST or the usual socket.
	Host string
	// Classic forces the engine's classic builder, which knows neither secrets nor cache mounts.
	Classic bool
}

// Request asks for the image of one tree.
type Request struct {
	Dir        string            // the checked-out tree; nothing outside it is read
	Context    string            // folder that COPY reads, relative to Dir; empty means Dir
	Dockerfile string            // relative to Dir; empty means Dockerfile in Context
	Args       map[string]string // build arguments, which end up in the image's history: no place for secrets
	Secrets    map[string][]byte // by id, for RUN --mount=type=secret,id=ID
	Tag        string            // the reference the image gets
	Labels     map[string]string // of the image; runtime.LabelManaged is added
}

// Kind says what a Line is.
type Kind string

// The kinds of line.
const (
	KindStep    Kind = "step"    // a step began
	KindOutput  Kind = "output"  // a line that the step printed
	KindCached  Kind = "cached"  // the step was done by an earlier build
	KindDone    Kind = "done"    // the step ended well; Took says after how long
	KindWarning Kind = "warning" // the builder's advice
	KindError   Kind = "error"   // the step, or the build, failed
)

// Line is one line of the build log. Text reads well by itself; secret values are already taken out of it.
type Line struct {
	At     time.Time
	Kind   Kind
	Step   string // such as "[2/4] RUN pip install -r requirements.txt"
	Stream string // stdout or stderr
	Text   string
	Took   time.Duration
}

// Result is what a build made.
type Result struct {
	ImageID string // sha256:...
	Steps   int    // of the Dockerfile, as far as the builder told
	Cached  int    // of those, how many an earlier build had done
	Took    time.Duration
}

// Builder builds on one engine. Its methods may be called from several goroutines.
type Builder struct {
	api     *client.Client
	classic bool
}

// New returns a Builder. It asks the engine nothing.
func New(o Options) (*Builder, error) {
	with := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if o.Host != "" {
		with = append(with, client.WithHost(o.Host))
	}
	api, err := client.NewClientWithOpts(with...)
	if err != nil {
		return nil, fmt.Errorf("open the engine that builds: %w", err)
	}
	return &Builder{api: api, classic: o.Classic}, nil
}

// Close lets go of the engine.
func (b *Builder) Close() error { return b.api.Close() }

// Build makes the image and returns when it is there, failed, or ctx ended. log gets every line as it comes, one call at
// a time. Errors are *platform.Error for what is wrong with the tree (a *StepError when a step failed), wrap
// runtime.ErrUnavailable when the engine does not answer, and wrap ctx's own error when it ended.
func (b *Builder) Build(ctx context.Context, req Request, log func(Line)) (Result, error) {
	began := time.Now()
	if req.Tag == "" {
		return Result{}, errors.New("build: the request has no tag")
	}
	files, err := place(req)
	if err != nil {
		return Result{}, err
	}
	if _, err := b.api.Ping(ctx); err != nil {
		return Result{}, unavailable(ctx, err)
	}
	job := &job{req: req, files: files, log: newLog(log, redactor(req.Secrets)), labels: maps.Clone(req.Labels)}
	if job.labels == nil {
		job.labels = map[string]string{}
	}
	job.labels[runtime.LabelManaged] = "true"
	if err := b.run(ctx, job); err != nil {
		return Result{}, err
	}
	made, err := b.api.ImageInspect(ctx, req.Tag)
	if err != nil {
		return Result{}, fmt.Errorf("find the image that was built: %w", err)
	}
	steps, cached := job.log.count()
	return Result{ImageID: made.ID, Steps: steps, Cached: cached, Took: time.Since(began)}, nil
}

// job is one build under way.
type job struct {
	req    Request
	files  files
	log    *buildLog
	labels map[string]string
}

func (b *Builder) run(ctx context.Context, job *job) error {
	var err error
	if b.classic || !b.hasBuildKit(ctx) {
		err = b.buildClassic(ctx, job)
	} else {
		err = b.buildKit(ctx, job)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("build %s: %w", job.req.Tag, context.Cause(ctx))
	}
	if _, gone := b.api.Ping(ctx); gone != nil {
		return unavailable(ctx, gone)
	}
	err = job.failure(err)
	job.log.fail(err)
	return err
}

func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("build: %w", context.Cause(ctx))
	}
	return fmt.Errorf("build: %w: %w", runtime.ErrUnavailable, err)
}

// redactor takes the values of the build's secrets out of its log.
func redactor(secrets map[string][]byte) *secret.Redactor {
	values := make(map[string]string, len(secrets))
	for id, value := range secrets {
		values[id] = string(value)
	}
	return secret.NewRedactor(values)
}
