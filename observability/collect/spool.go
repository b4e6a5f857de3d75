package collect

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/fairlead/fairlead/platform/durable"
	"github.com/fairlead/fairlead/platform/runtime"
)

// A spool file holds the end of an ended container's output, from its durable cursor on, as JSON lines: the container,
// then its frames. It stands in for the container when that is removed before the store has the lines for sure.

type source func(ctx context.Context, opts runtime.LogOptions, yield func(runtime.LogFrame) error) error

// source returns where the output of a container is read: the spool where there is one, else the engine.
func (c *Collector) source(id string) source {
	if c.cursors.hasSpool(id) {
		return func(_ context.Context, opts runtime.LogOptions, yield func(runtime.LogFrame) error) error {
			return readSpool(c.cursors.spoolPath(id), opts, yield)
		}
	}
	return func(ctx context.Context, opts runtime.LogOptions, yield func(runtime.LogFrame) error) error {
		return c.options.Engine.Logs(ctx, id, opts, yield)
	}
}

// spool keeps what of an ended container is stored but not durable yet, without its secrets, as the store has it. An error costs nothing but the guarantee for a
// container that is removed within the next seconds by somebody who did not ask, before a crash.
func (f *follower) spool(ctx context.Context) {
	f.mu.Lock()
	container, redact := f.container, f.redact
	f.mu.Unlock()
	if f.c.options.DurableAfter == 0 || f.c.cursors.hasSpool(f.id) {
		return
	}
	since := f.c.cursors.get(f.id).At
	if !since.IsZero() {
		since = since.Add(-disorder)
	}
	err := durable.Replace(f.c.cursors.spoolPath(f.id), func(file *os.File) error {
		w := bufio.NewWriterSize(file, 64<<10)
		out := json.NewEncoder(w)
		if err := out.Encode(container); err != nil {
			return err
		}
		err := f.c.options.Engine.Logs(ctx, f.id, runtime.LogOptions{Since: since}, func(frame runtime.LogFrame) error {
			frame.Line = []byte(redact(string(frame.Line)))
			return out.Encode(frame)
		})
		return errors.Join(err, w.Flush())
	})
	if err != nil {
		if !errors.Is(err, runtime.ErrNotFound) {
			f.c.options.Log.WarnContext(ctx, "the last lines of a container cannot be kept aside", "instance", f.base.Instance, "error", err)
		}
		return
	}
	f.c.cursors.addSpool(container)
}

func (c *cursorFile) spoolPath(id string) string { return filepath.Join(c.dir, spoolPrefix+id) }

func (c *cursorFile) hasSpool(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.spools[id]
	return ok
}

func (c *cursorFile) addSpool(container runtime.Container) {
	container.Running = false
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spools[container.ID] = container
}

func (c *cursorFile) spooled() []runtime.Container {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.spools))
}

func (c *cursorFile) dropSpool(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.spools[id]; ok && ignoreMissing(os.Remove(c.spoolPath(id))) == nil {
		delete(c.spools, id)
	}
}

func readSpoolHeader(path string) (runtime.Container, error) {
	var container runtime.Container
	f, err := os.Open(path)
	if err != nil {
		return container, fmt.Errorf("open a spool: %w", err)
	}
	defer func() { _ = f.Close() }()
	if err := json.NewDecoder(f).Decode(&container); err != nil {
		return container, fmt.Errorf("read the head of a spool: %w", err)
	}
	container.Running = false
	return container, nil
}

func readSpool(path string, opts runtime.LogOptions, yield func(runtime.LogFrame) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open a spool: %w", err)
	}
	defer func() { _ = f.Close() }()
	in := json.NewDecoder(bufio.NewReaderSize(f, 64<<10))
	var container runtime.Container
	if err := in.Decode(&container); err != nil {
		return fmt.Errorf("read the head of a spool: %w", err)
	}
	for {
		var frame runtime.LogFrame
		if err := in.Decode(&frame); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a spool: %w", err)
		}
		if frame.At.Before(opts.Since) {
			continue
		}
		if err := yield(frame); err != nil {
			return err
		}
	}
}
