package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/secret"
)

// Limits of builds.
const (
	buildsAtOnce  = 2
	buildLimit    = time.Hour
	buildLogEvery = 200 * time.Millisecond
)

// builds runs image builds beside the jobs: a job starts one and looks again when it ended, so that no job is held
// for the length of a build. A build that a crash took with it is simply begun again: its tag is the same.
type builds struct {
	o    Options
	room chan struct{}

	mu      sync.Mutex // guards the field below
	all     map[platform.DeployID]*building
	running map[string]int // builds by project, those that were forgotten too
}

// building is one build, running or ended.
type building struct {
	project string
	cancel  context.CancelFunc
	done    bool
	image   string // reference
	id      string // content id
	failed  *platform.DeployFailure
	err     error // not the build's fault: try again
}

func newBuilds(o Options) *builds {
	return &builds{o: o, room: make(chan struct{}, buildsAtOnce), all: map[platform.DeployID]*building{}, running: map[string]int{}}
}

// state returns how the build of a deploy stands.
func (b *builds) state(id platform.DeployID) (building, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x, ok := b.all[id]
	if !ok {
		return building{}, false
	}
	return *x, true
}

// forget cancels the build of a deploy, if it still runs, and drops its result.
func (b *builds) forget(id platform.DeployID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if x, ok := b.all[id]; ok {
		x.cancel()
		delete(b.all, id)
	}
}

// stop cancels every build of a project and reports whether one still runs.
func (b *builds) stop(project string) (running bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, x := range b.all {
		if x.project == project {
			x.cancel()
			delete(b.all, id)
		}
	}
	return b.running[project] > 0
}

// begin starts the build of a deploy unless it was begun. finished is called when it ended.
func (b *builds) begin(ctx context.Context, work control.Work, labels map[string]string, spawn func(func()), finished func()) {
	id := work.Deploy.ID
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.all[id]; ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, buildLimit)
	x := &building{project: work.Deploy.Project, cancel: cancel}
	b.all[id] = x
	b.running[x.project]++
	spawn(func() {
		defer cancel()
		result := traceBuild(ctx, work, func(ctx context.Context) building { return b.build(ctx, work, labels) })
		b.mu.Lock()
		if b.running[x.project]--; b.running[x.project] == 0 {
			delete(b.running, x.project)
		}
		x.done, x.image, x.id, x.failed, x.err = true, result.image, result.id, result.failed, result.err
		b.mu.Unlock()
		finished()
	})
}

// build waits for room, checks the commit out and makes the image.
func (b *builds) build(ctx context.Context, work control.Work, labels map[string]string) building {
	select {
	case b.room <- struct{}{}:
		defer func() { <-b.room }()
	case <-ctx.Done():
		return building{err: ctx.Err()}
	}
	d := work.Deploy
	if ref := imageOf(d); ref != "" {
		found := b.find(ctx, ref)
		if found.failed == nil || d.Spec.Build == nil || d.Commit == "" {
			return found
		}
		// A configuration change names the image of the live release; one that is gone is made again from its commit.
	}
	if b.o.Source == nil || b.o.Builder == nil {
		return building{failed: buildFailure(platform.Errorf(platform.CodeUnavailable, "This server cannot build images."))}
	}
	out := newBuildLog(b.o.Logs, work)
	defer out.close(ctx)
	out.line("stdout", fmt.Sprintf("Building %s from commit %s.", d.Service, platform.ShortSHA(d.Commit)))
	dir, release, err := b.o.Source.Checkout(ctx, d.Project, d.Commit)
	if err != nil {
		return b.outcome(ctx, out, fmt.Errorf("check out %s: %w", platform.ShortSHA(d.Commit), err))
	}
	defer release()
	secrets := map[string]string{}
	for _, key := range d.Spec.Build.Secrets {
		secrets[key] = work.Secrets[key]
	}
	tag := imageTag(d)
	image, err := b.o.Builder.Build(ctx, BuildRequest{
		Dir: dir, Spec: *d.Spec.Build, Tag: tag, Labels: labels, Secrets: secrets, Output: out.line,
	})
	if err != nil {
		return b.outcome(ctx, out, err)
	}
	out.line("stdout", "Built "+tag+".")
	return building{image: tag, id: image}
}

// outcome tells a build that failed from one that could not be tried.
func (b *builds) outcome(ctx context.Context, out *buildLog, err error) building {
	if errors.Is(ctx.Err(), context.Canceled) || unavailable(err) {
		return building{err: err}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = platform.Errorf(platform.CodeExhausted, "The build did not end within %s.", buildLimit)
	}
	out.line("stderr", "Build failed: "+err.Error())
	failed := buildFailure(err)
	failed.Message, failed.Hint = out.secrets.Redact(failed.Message), out.secrets.Redact(failed.Hint)
	return building{failed: failed}
}

// find resolves a ready image.
func (b *builds) find(ctx context.Context, ref string) building {
	id, err := b.o.Runtime.EnsureImage(ctx, ref)
	switch {
	case err == nil:
		return building{image: ref, id: id}
	case ctx.Err() != nil || unavailable(err):
		return building{err: err}
	}
	return building{failed: &platform.DeployFailure{
		Phase: platform.PhaseBuilding, Reason: platform.FailureImage, Message: fmt.Sprintf("The image %s is not there and cannot be pulled.", ref),
		Hint: "Check its name and tag, or push it where this host can pull it: " + err.Error(),
	}}
}

// imageOf is the ready image that a deploy names, "" when it is to be built.
func imageOf(d platform.Deploy) string {
	if d.Image != "" || d.Spec.Build != nil {
		return d.Image
	}
	return d.Spec.Image
}

// imageTag is the reference of the image that a deploy builds.
func imageTag(d platform.Deploy) string {
	return "fairlead/" + d.Project + "/" + d.Service + ":" + string(d.ID)
}

func buildFailure(err error) *platform.DeployFailure {
	f := &platform.DeployFailure{
		Phase: platform.PhaseBuilding, Reason: platform.FailureBuild, Message: err.Error(),
		Hint: "Read the build log, fix the cause and push again.",
	}
	var e *platform.Error
	if errors.As(err, &e) {
		f.Message = e.Message
		if e.Hint != "" {
			f.Hint = e.Hint
		}
	}
	return f
}

// buildLabels mark an image as ours, so that the janitor may remove it one day.
func (w *Worker) buildLabels(d platform.Deploy) map[string]string {
	labels := w.shared(d.Project, d.Environment)
	labels[runtime.LabelService] = d.Service
	labels[runtime.LabelDeploy] = string(d.ID)
	return labels
}

// buildLog gathers the lines of a build and appends them in small batches, secrets redacted.
type buildLog struct {
	store   logs
	base    observability.Line
	secrets *secret.Redactor

	mu      sync.Mutex // guards the fields below
	seq     uint64
	pending []observability.Line
	timer   *time.Timer // set while a flush is due
}

func newBuildLog(store logs, work control.Work) *buildLog {
	d := work.Deploy
	return &buildLog{store: store, secrets: secret.NewRedactor(work.Secrets), base: observability.Line{
		Project: d.Project, Environment: d.Environment, Service: d.Service, Deploy: string(d.ID),
		Source: observability.SourceBuild, Level: observability.LevelInfo,
	}}
}

func (l *buildLog) line(stream, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.base
	l.seq++
	line.At, line.Seq, line.Stream = time.Now().UTC(), l.seq, stream
	line.Message = strings.ToValidUTF8(l.secrets.Redact(strings.TrimRight(text, "\r\n")), "\uFFFD")
	if len(line.Message) > observability.MaxLineBytes {
		line.Message, line.Truncated = platform.Truncate(line.Message, observability.MaxLineBytes), true
	}
	l.pending = append(l.pending, line)
	if l.timer == nil {
		l.timer = time.AfterFunc(buildLogEvery, func() { l.close(context.Background()) })
	}
}

// close appends what is pending.
func (l *buildLog) close(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.flushLocked(context.WithoutCancel(ctx))
}

// flushLocked keeps what could not be appended for the next time.
func (l *buildLog) flushLocked(ctx context.Context) {
	if l.store == nil || len(l.pending) == 0 {
		l.pending = nil
		return
	}
	bounded, cancel := context.WithTimeout(ctx, drainedLimit)
	defer cancel()
	if err := l.store.Append(bounded, l.pending); err == nil {
		l.pending = nil
	}
}
