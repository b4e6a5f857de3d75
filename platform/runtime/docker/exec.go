package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/fairlead/fairlead/platform/runtime"
)

// maxExecOutput is how much of each stream Exec keeps; the rest is read and dropped, so that the command never blocks.
const maxExecOutput = 64 << 10

// Exec runs argv in a running container. When ctx ends the command's output is no longer read and its error is ctx's;
// the engine offers no way to end the command itself.
func (r *Runtime) Exec(ctx context.Context, id string, argv []string) (runtime.ExecResult, error) {
	doing := "run a command in container " + short(id)
	found, err := r.owned(ctx, doing, id)
	if err != nil {
		return runtime.ExecResult{}, err
	}
	if !found.State.Running {
		return runtime.ExecResult{}, notRunning(doing)
	}
	made, err := r.client(ctx).ContainerExecCreate(ctx, found.ID, container.ExecOptions{Cmd: argv, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return runtime.ExecResult{}, fail(doing, err)
	}
	stdout, stderr, err := r.attach(ctx, made.ID)
	if err != nil {
		return runtime.ExecResult{}, fail(doing, err)
	}
	code, err := r.exitCode(ctx, made.ID)
	if err != nil {
		return runtime.ExecResult{}, fail(doing, err)
	}
	return runtime.ExecResult{ExitCode: code, Stdout: stdout, Stderr: stderr}, nil
}

// attach starts the command and reads its output to the end.
func (r *Runtime) attach(ctx context.Context, exec string) (stdout, stderr string, err error) {
	stream, err := r.client(ctx).ContainerExecAttach(ctx, exec, container.ExecAttachOptions{})
	if err != nil {
		return "", "", err
	}
	// The connection is the engine's no longer, so ctx does not end it: closing it does.
	stop := context.AfterFunc(ctx, stream.Close)
	defer func() {
		if stop() {
			stream.Close()
		}
	}()
	out, errs := &capped{}, &capped{}
	_, err = stdcopy.StdCopy(out, errs, stream.Reader)
	if ctx.Err() != nil {
		return "", "", ctx.Err()
	}
	return out.String(), errs.String(), err
}

// exitCode waits until the engine has noted the end of a command whose output is at its end already: that takes
// a moment longer.
func (r *Runtime) exitCode(ctx context.Context, exec string) (int, error) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		state, err := r.client(ctx).ContainerExecInspect(ctx, exec)
		if err != nil {
			return 0, err
		}
		if !state.Running {
			return state.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for the exit code: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

// capped keeps the first maxExecOutput bytes.
type capped struct{ bytes.Buffer }

var _ io.Writer = (*capped)(nil)

// Write keeps what there is room for and reports all of it as written.
func (c *capped) Write(p []byte) (int, error) {
	if room := maxExecOutput - c.Len(); room > 0 {
		c.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
