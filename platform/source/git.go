package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// homeDir is an empty folder for HOME: the configuration of whoever started the server has no say here.
const homeDir = ".home"

// maxOutput bounds what a git command may answer into memory.
const maxOutput = 64 << 20

// config holds for every call and wins over what stands in a repository.
var config = [][2]string{
	{"core.hooksPath", "/dev/null"},
	{"core.fsync", "committed,reference"},
	{"safe.directory", "*"},
	{"receive.fsckObjects", "true"},
	{"receive.advertisePushOptions", "false"},
	// Only branches and tags may be seen and written.
	{"transfer.hideRefs", "refs"},
	{"transfer.hideRefs", "!refs/heads"},
	{"transfer.hideRefs", "!refs/tags"},
	{"http.receivepack", "true"},
	{"gc.autoDetach", "false"},
	{"protocol.allow", "never"},
	{"core.quotePath", "false"},
	{"core.attributesFile", "/dev/null"},
	{"init.defaultBranch", "main"},
	{"commit.gpgSign", "false"},
}

// gitError is a git command that ended badly.
type gitError struct {
	args   []string
	stderr string
	err    error
}

func (e *gitError) Error() string {
	said := strings.TrimSpace(e.stderr)
	if said == "" {
		said = e.err.Error()
	}
	return fmt.Sprintf("git %s: %s", e.args[0], platform.Truncate(said, 600))
}

func (e *gitError) Unwrap() error { return e.err }

// exited reports whether err is a git command that ran and said no.
func exited(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit)
}

// git runs one command in a repository ("" for none) and returns what it prints.
func (r *Repos) git(ctx context.Context, repo string, input []byte, args ...string) ([]byte, error) {
	out := &capped{limit: maxOutput}
	err := r.run(ctx, call{repo: repo, input: bytes.NewReader(input), output: out, args: args})
	if err == nil && out.cut {
		err = fmt.Errorf("git %s answers more than %d bytes", args[0], maxOutput)
	}
	return out.Bytes(), err
}

// call is one run of git.
type call struct {
	repo   string // the repository, "" for none
	dir    string // the working folder, "" for the root
	env    []string
	input  io.Reader
	output io.Writer
	args   []string
}

func (r *Repos) run(ctx context.Context, c call) error {
	cmd := exec.CommandContext(ctx, "git", c.args...)
	cmd.Dir = c.dir
	if c.dir == "" {
		cmd.Dir = r.dir
	}
	cmd.Env = append(r.env(), c.env...)
	if c.repo != "" {
		cmd.Env = append(cmd.Env, "GIT_DIR="+c.repo)
	}
	cmd.Stdin, cmd.Stdout = c.input, c.output
	said := &capped{limit: 16 << 10}
	cmd.Stderr = said
	// git's children may hold its pipes after it was killed.
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return &gitError{args: c.args, stderr: said.String(), err: err}
	}
	return nil
}

func (r *Repos) env(more ...[2]string) []string {
	env := []string{
		"HOME=" + filepath.Join(r.dir, homeDir), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_ATTR_NOSYSTEM=1", "GIT_NO_REPLACE_OBJECTS=1", "LC_ALL=C", "TZ=UTC",
	}
	for _, name := range []string{"PATH", "TMPDIR", "LD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	all := append(append([][2]string{}, config...), more...)
	env = append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(all)))
	for i, kv := range all {
		n := strconv.Itoa(i)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+kv[0], "GIT_CONFIG_VALUE_"+n+"="+kv[1])
	}
	return env
}

// capped keeps the beginning of what is written and swallows the rest, so that the writer is not killed half way.
// The buffer is no embedded field: its ReadFrom would pass the limit by.
type capped struct {
	kept  bytes.Buffer
	limit int
	cut   bool
}

// Write implements io.Writer and never fails.
func (c *capped) Write(p []byte) (int, error) {
	kept := p[:min(len(p), max(0, c.limit-c.kept.Len()))]
	c.cut = c.cut || len(kept) < len(p)
	_, _ = c.kept.Write(kept)
	return len(p), nil
}

// Bytes returns what was kept.
func (c *capped) Bytes() []byte { return c.kept.Bytes() }

// String returns what was kept.
func (c *capped) String() string { return c.kept.String() }
