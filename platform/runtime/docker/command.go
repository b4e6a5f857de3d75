package docker

import (
	"context"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/fairlead/fairlead/platform/runtime"
)

// defaultPath is what the engine gives a process whose image and spec set no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// commandCache remembers commands that were found, so that only the first instance of a release is looked into.
type commandCache struct {
	mu    sync.Mutex // guards found
	found map[command]struct{}
}

// command is what decides whether a program can be found.
type command struct{ image, program, searchPath, dir string }

// maxCommands bounds the cache; when it is full it starts anew.
const maxCommands = 1024

func (c *commandCache) has(key command) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.found[key]
	return ok
}

func (c *commandCache) add(key command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found == nil || len(c.found) >= maxCommands {
		c.found = map[command]struct{}{}
	}
	c.found[key] = struct{}{}
}

// checkCommand refuses a container whose program is not in its image. The engine itself would say so, were the init not
// between: init starts well and then dies with 127, which looks like a crash of the application.
func (r *Runtime) checkCommand(ctx context.Context, made container.InspectResponse) error {
	argv := append(append([]string{}, made.Config.Entrypoint...), made.Config.Cmd...)
	if len(argv) == 0 {
		return nil // the engine refused to create it
	}
	key := command{image: made.Image, program: argv[0], searchPath: searchPath(made.Config.Env), dir: made.Config.WorkingDir}
	if r.commands.has(key) {
		return nil
	}
	reason := "executable file not found in $PATH"
	if strings.Contains(key.program, "/") {
		reason = "no such file or directory"
	}
	for _, candidate := range key.candidates() {
		switch r.look(ctx, made.ID, candidate) {
		case runnable:
			r.commands.add(key)
			return nil
		case unfit:
			reason = "permission denied"
		case absent:
		}
	}
	return fmt.Errorf("%w: exec: %q: %s", runtime.ErrRefused, key.program, reason)
}

// verdict is what a file of a container is good for.
type verdict int

const (
	absent   verdict = iota
	unfit            // there, and not a program
	runnable         // a program; or not to be told, and then starting it decides
)

// look follows a link to its end; the engine resolves link targets inside the container's own root.
func (r *Runtime) look(ctx context.Context, id, file string) verdict {
	stat, err := r.client(ctx).ContainerStatPath(ctx, id, file)
	if err == nil && stat.Mode&os.ModeSymlink != 0 {
		stat, err = r.client(ctx).ContainerStatPath(ctx, id, stat.LinkTarget)
	}
	switch {
	case cerrdefs.IsNotFound(err):
		return absent
	case err != nil, stat.Mode.IsRegular() && stat.Mode.Perm()&0o111 != 0:
		return runnable
	default:
		return unfit
	}
}

// candidates are the files that the program's name may mean, in order.
func (c command) candidates() []string {
	if path.IsAbs(c.program) {
		return []string{c.program}
	}
	if strings.Contains(c.program, "/") {
		return []string{path.Join("/", c.dir, c.program)}
	}
	var files []string
	for _, dir := range strings.Split(c.searchPath, ":") {
		files = append(files, path.Join("/", dir, c.program))
	}
	return files
}

func searchPath(env []string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(env[i], "PATH="); ok {
			return value
		}
	}
	return defaultPath
}
