package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"github.com/fairlead/fairlead/platform/runtime"
)

// EnsureImage returns the content id of the image, pulling it where the host lacks it. ErrImageMissing, with the
// registry's words, when it is not to be had.
func (r *Runtime) EnsureImage(ctx context.Context, ref string) (string, error) {
	doing := "find image " + ref
	found, err := r.client(ctx).ImageInspect(ctx, ref)
	if err == nil {
		return found.ID, nil
	}
	if !cerrdefs.IsNotFound(err) {
		return "", fail(doing, err)
	}
	if strings.HasPrefix(ref, "sha256:") {
		// A content id names no registry to ask.
		return "", fmt.Errorf("%s: %w on this host", doing, runtime.ErrImageMissing)
	}
	if err := r.pull(ctx, ref); err != nil {
		return "", err
	}
	found, err = r.client(ctx).ImageInspect(ctx, ref)
	if err != nil {
		return "", fail(doing, err)
	}
	return found.ID, nil
}

func (r *Runtime) pull(ctx context.Context, ref string) error {
	doing := "pull image " + ref
	progress, err := r.client(ctx).ImagePull(ctx, ref, image.PullOptions{})
	if err == nil {
		err = drain(progress)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case unreachable(err):
		return fail(doing, err)
	default:
		return fmt.Errorf("%s: %w: %s", doing, runtime.ErrImageMissing, words(err))
	}
}

// drain reads a pull to its end: the engine stops pulling when nobody reads, and reports failure inside the stream.
func drain(progress io.ReadCloser) error {
	defer func() { _ = progress.Close() }()
	decoder := json.NewDecoder(progress)
	for {
		var message struct {
			Error string `json:"error"`
		}
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if message.Error != "" {
			return errors.New(message.Error)
		}
	}
}
