package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/fairlead/fairlead/platform/runtime"
)

// fail turns an engine's error into the contract's: doing says what was tried, the engine's own words are kept.
func fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %s", doing, kind(err), words(err))
}

func kind(err error) error {
	switch {
	case unreachable(err):
		return runtime.ErrUnavailable
	case cerrdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "no such image"):
		return runtime.ErrImageMissing
	case cerrdefs.IsNotFound(err):
		return runtime.ErrNotFound
	default:
		return runtime.ErrRefused
	}
}

// unreachable reports whether the engine did not answer, or broke off: its socket is gone, it is restarting, it says 503.
func unreachable(err error) bool {
	var network *net.OpError
	return client.IsErrConnectionFailed(err) || cerrdefs.IsUnavailable(err) || errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// words are the engine's own, without the client's preamble.
func words(err error) string {
	text := strings.TrimSpace(err.Error())
	for _, preamble := range []string{"Error response from daemon: ", "Error: "} {
		text = strings.TrimPrefix(text, preamble)
	}
	return text
}

// isGone reports whether err says that there is no such thing.
func isGone(err error) bool { return errors.Is(err, runtime.ErrNotFound) }
