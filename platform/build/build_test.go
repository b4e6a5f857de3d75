package build_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/build"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
)

// base holds one static program, so that RUN works without a shell: RUN ["/subject", "out:hello", "exit:3"].
var base string

var engine *client.Client

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	err := makeBase(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "build tests need a Docker Engine (deploy/needs.sh docker):", err)
		return 1
	}
	defer func() {
		if err := removeBase(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "images of the build tests were left on the engine:", err)
		}
		_ = engine.Close()
	}()
	return m.Run()
}

// removeBase removes the base and whatever classic builds that failed had made of it so far.
func removeBase(ctx context.Context) error {
	made, err := engine.ImageInspect(ctx, base)
	if err != nil {
		return err
	}
	left, err := engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("dangling", "true"))})
	if err != nil {
		return err
	}
	for _, one := range left {
		for id := one.ID; id != ""; {
			parent, err := engine.ImageInspect(ctx, id)
			if err != nil {
				break // another test's, gone meanwhile
			}
			if id = parent.Parent; id == made.ID {
				_, err := engine.ImageRemove(ctx, one.ID, image.RemoveOptions{Force: true, PruneChildren: true})
				if err != nil {
					return err
				}
				break
			}
		}
	}
	_, err = engine.ImageRemove(ctx, base, image.RemoveOptions{Force: true})
	return err
}

func makeBase(ctx context.Context) (err error) {
	if engine, err = client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation()); err != nil {
		return err
	}
	root, err := runtimetest.SubjectImage(ctx)
	if err != nil {
		return err
	}
	base = "fairlead-test/build-base:" + token()
	answer, err := engine.ImageImport(ctx, image.ImportSource{Source: root, SourceName: "-"}, base, image.ImportOptions{})
	if err != nil {
		return err
	}
	defer answer.Close()
	_, err = io.Copy(io.Discard, answer)
	return err
}

func token() string {
	var raw [6]byte
	_, _ = rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}

// bench is one tree and one tag.
type bench struct {
	build.Request
	builder *build.Builder
	mu      sync.Mutex // guards lines
	lines   []build.Line
	onLine  func(build.Line)
}

// setup writes the files of a tree; BASE in them is the base image.
func setup(t *testing.T, o build.Options, files map[string]string) *bench {
	t.Helper()
	builder, err := build.New(o)
	require.NoError(t, err)
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(text, "BASE", base)), 0o644))
	}
	b := &bench{builder: builder, Request: build.Request{Dir: dir, Tag: "fairlead-test/built:" + token()}}
	t.Cleanup(func() {
		_, _ = engine.ImageRemove(context.WithoutCancel(t.Context()), b.Tag, image.RemoveOptions{Force: true, PruneChildren: true})
		require.NoError(t, builder.Close())
	})
	return b
}

func (b *bench) build(ctx context.Context) (build.Result, error) {
	return b.builder.Build(ctx, b.Request, func(line build.Line) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.lines = append(b.lines, line)
		if b.onLine != nil {
			b.onLine(line)
		}
	})
}

func (b *bench) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, line := range b.lines {
		all = append(all, line.Text)
	}
	return strings.Join(all, "\n")
}

func platformError(t *testing.T, err error) *platform.Error {
	t.Helper()
	var e *platform.Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Hint, "%v", e)
	return e
}

// both runs a test on BuildKit and on the classic builder.
func both(t *testing.T, test func(*testing.T, build.Options)) {
	t.Parallel()
	for name, o := range map[string]build.Options{"BuildKit": {}, "Classic": {Classic: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, o)
		})
	}
}

func TestBuild_MakesALabelledImageOfTheTree(t *testing.T) {
	both(t, func(t *testing.T, o build.Options) {
		b := setup(t, o, map[string]string{
			"app/Dockerfile": "FROM BASE\nARG GREETING\nCOPY hello.txt /hello.txt\nRUN [\"/subject\", \"read:/hello.txt\", \"err:to stderr\"]\nENV GREETING=$GREETING\n",
			"app/hello.txt":  "hello from the tree " + token(),
			"other/file.txt": "not in the context",
		})
		b.Context, b.Args = "app", map[string]string{"GREETING": "good day"}
		b.Labels = map[string]string{runtime.LabelProject: "shop", runtime.LabelDeploy: token()}
		made, err := b.build(t.Context())
		require.NoError(t, err, b.text())
		require.True(t, strings.HasPrefix(made.ImageID, "sha256:"))
		seen, err := engine.ImageInspect(t.Context(), b.Tag)
		require.NoError(t, err)
		require.Equal(t, made.ImageID, seen.ID)
		require.Equal(t, "true", seen.Config.Labels[runtime.LabelManaged])
		require.Equal(t, "shop", seen.Config.Labels[runtime.LabelProject])
		require.Contains(t, seen.Config.Env, "GREETING=good day")
		require.Contains(t, b.text(), "hello from the tree", "what a step prints is in the log")
		require.Contains(t, b.text(), "to stderr")
		require.Contains(t, b.text(), "] COPY hello.txt /hello.txt")
		require.Positive(t, made.Steps)
		require.NotZero(t, made.Took)
	})
}

func TestBuild_KeepsTheCacheAndSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t, build.Options{}, map[string]string{"Dockerfile": "FROM BASE\nRUN [\"/subject\", \"out:" + token() + "\"]\n"})
	first, err := b.build(t.Context())
	require.NoError(t, err)
	require.Zero(t, first.Cached)
	second, err := b.build(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, second.Cached, b.text())
	require.Equal(t, first.ImageID, second.ImageID, "the same request gives the same image")
	require.Contains(t, b.text(), "cached")
}

func TestBuild_FailingStepGivesTheStepTheCodeAndItsLines(t *testing.T) {
	both(t, func(t *testing.T, o build.Options) {
		b := setup(t, o, map[string]string{
			"Dockerfile": "FROM BASE\nRUN [\"/subject\", \"out:compiling main.py\", \"err:SyntaxError: line 7: invalid syntax " + token() + "\", \"exit:3\"]\n",
		})
		_, err := b.build(t.Context())
		e := platformError(t, err)
		require.Equal(t, platform.CodeInvalid, e.Code)
		require.Contains(t, e.Message, "RUN")
		require.Contains(t, e.Message, "exit code 3")
		require.Contains(t, e.Message, "SyntaxError: line 7", "the last line says most")
		var failure *build.StepError
		require.ErrorAs(t, err, &failure)
		require.Equal(t, 3, failure.ExitCode)
		require.Regexp(t, `^\[2/\d\] RUN `, failure.Step)
		require.Contains(t, strings.Join(failure.Tail, "\n"), "compiling main.py")
		require.Contains(t, b.text(), "SyntaxError: line 7")
		last := b.lines[len(b.lines)-1]
		require.Equal(t, build.KindError, last.Kind)
		require.NotErrorIs(t, err, runtime.ErrUnavailable)
		_, err = engine.ImageInspect(t.Context(), b.Tag)
		require.Error(t, err, "no image has that name")
	})
}

func TestBuild_SecretsReachTheStepButNoLayerNorTheLog(t *testing.T) {
	t.Parallel()
	value := "s3cret-" + token()
	b := setup(t, build.Options{}, map[string]string{
		"Dockerfile": "FROM BASE\nRUN --mount=type=secret,id=TOKEN [\"/subject\", \"read:/run/secrets/TOKEN\", \"out:after\"]\n",
	})
	b.Secrets = map[string][]byte{"TOKEN": []byte(value)}
	_, err := b.build(t.Context())
	require.NoError(t, err, b.text())
	require.Contains(t, b.text(), "after")
	require.NotContains(t, b.text(), value, "redacted where the step printed it")

	history, err := engine.ImageHistory(t.Context(), b.Tag)
	require.NoError(t, err)
	inspected, err := engine.ImageInspect(t.Context(), b.Tag)
	require.NoError(t, err)
	said, err := json.Marshal([]any{history, inspected})
	require.NoError(t, err)
	require.NotContains(t, string(said), value)
	saved, err := engine.ImageSave(t.Context(), []string{b.Tag})
	require.NoError(t, err)
	defer saved.Close()
	layers, err := io.ReadAll(saved)
	require.NoError(t, err)
	require.NotContains(t, string(layers), value, "the layers are not compressed: it would be seen")
}

func TestBuild_SecretMissingOnTheClassicBuilderIsSaid(t *testing.T) {
	t.Parallel()
	b := setup(t, build.Options{Classic: true}, map[string]string{"Dockerfile": "FROM BASE\n"})
	b.Secrets = map[string][]byte{"TOKEN": []byte("x")}
	_, err := b.build(t.Context())
	require.Contains(t, platformError(t, err).Message, "BuildKit")
}

func TestBuild_MissingDockerfileNamesThePathAndWhatThereIs(t *testing.T) {
	t.Parallel()
	b := setup(t, build.Options{}, map[string]string{"services/api/Dockerfile": "FROM BASE\n", "web.Dockerfile": "FROM BASE\n", "README": ""})
	_, err := b.build(t.Context())
	e := platformError(t, err)
	require.Equal(t, "dockerfile", e.Field)
	require.Contains(t, e.Message, "no Dockerfile at Dockerfile in this commit")
	require.Contains(t, e.Hint, "web.Dockerfile, services/api/Dockerfile")

	none := setup(t, build.Options{}, map[string]string{"README": ""})
	none.Context = "services"
	_, err = none.build(t.Context())
	require.Equal(t, "context", platformError(t, err).Field)
	none.Context, none.Dockerfile = "", "docker/api"
	_, err = none.build(t.Context())
	require.Contains(t, platformError(t, err).Message, "docker/api")
}

func TestBuild_PathsOutOfTheTreeAreRefused(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "Dockerfile"), []byte("FROM scratch"), 0o644))
	b := setup(t, build.Options{}, map[string]string{"Dockerfile": "FROM BASE\n"})
	require.NoError(t, os.Symlink(outside, filepath.Join(b.Dir, "link")))
	for name, change := range map[string]func(*build.Request){
		"parent context":    func(r *build.Request) { r.Context = "../" },
		"absolute context":  func(r *build.Request) { r.Context = outside },
		"parent dockerfile": func(r *build.Request) { r.Dockerfile = "a/../../Dockerfile" },
		"absolute file":     func(r *build.Request) { r.Dockerfile = filepath.Join(outside, "Dockerfile") },
		"linked context":    func(r *build.Request) { r.Context = "link" },
		"linked dockerfile": func(r *build.Request) { r.Dockerfile = "link/Dockerfile" },
	} {
		req := b.Request
		change(&req)
		_, err := b.builder.Build(t.Context(), req, nil)
		require.Contains(t, platformError(t, err).Message, "out of the repository", name)
	}
}

func TestBuild_LinksInTheContextAreNotFollowedOutOfIt(t *testing.T) {
	both(t, func(t *testing.T, o build.Options) {
		outside := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(outside, "shadow"), []byte("the host's own"), 0o644))
		b := setup(t, o, map[string]string{"Dockerfile": "FROM BASE\nCOPY . /src/\nRUN [\"/subject\", \"read:/src/leak/shadow\"]\n"})
		require.NoError(t, os.Symlink(outside, filepath.Join(b.Dir, "leak")))
		_, err := b.build(t.Context())
		require.Error(t, err)
		require.NotContains(t, b.text(), "the host's own")
	})
}

func TestBuild_DockerignoreLeavesFilesOut(t *testing.T) {
	both(t, func(t *testing.T, o build.Options) {
		b := setup(t, o, map[string]string{
			"Dockerfile":    "FROM BASE\nCOPY . /src/\nRUN [\"/subject\", \"read:/src/kept.txt\", \"read:/src/dropped/file.txt\"]\n",
			".dockerignore": "dropped\n", "kept.txt": "kept " + token(), "dropped/file.txt": "dropped",
		})
		_, err := b.build(t.Context())
		require.Error(t, err)
		require.Contains(t, b.text(), "kept ")
		require.Contains(t, b.text(), "open /src/dropped/file.txt: no such file or directory")
	})
}

func TestBuild_WhatIsWrongWithADockerfileIsSaid(t *testing.T) {
	both(t, func(t *testing.T, o build.Options) {
		for name, test := range map[string]struct{ dockerfile, want string }{
			"unknown instruction": {"FROM BASE\nRUNN make\n", "line 2"},
			"empty":               {"# nothing\n", "Dockerfile"},
			"missing file":        {"FROM BASE\nCOPY no-such-file /\n", "no-such-file"},
			"missing base":        {"FROM fairlead-test/no-such-base:1\n", "no-such-base:1"},
		} {
			b := setup(t, o, map[string]string{"Dockerfile": test.dockerfile})
			_, err := b.build(t.Context())
			e := platformError(t, err)
			require.Contains(t, e.Error(), test.want, name)
			require.Equal(t, platform.CodeInvalid, e.Code, name)
			require.NotContains(t, e.Message, ".fairlead", name)
			if name == "missing base" {
				require.Contains(t, e.Message, "is not on the host and no registry gave it")
			}
		}
	})
}

func TestBuild_SyntaxLineFallsBackToTheEnginesOwnFrontend(t *testing.T) {
	t.Parallel()
	b := setup(t, build.Options{}, map[string]string{"Dockerfile": "# syntax=fairlead-test/no-such-frontend:1\nFROM BASE\nRUN [\"/subject\", \"out:built\"]\n"})
	_, err := b.build(t.Context())
	require.NoError(t, err, b.text())
	require.Contains(t, b.text(), "No registry gave fairlead-test/no-such-frontend:1")
}

func TestBuild_EndsWithItsContext(t *testing.T) {
	both(t, func(t *testing.T, o build.Options) {
		b := setup(t, o, map[string]string{"Dockerfile": "FROM BASE\nRUN [\"/subject\", \"out:begun " + token() + "\", \"stubborn\"]\n"})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b.onLine = func(line build.Line) {
			if line.Kind == build.KindOutput {
				cancel()
			}
		}
		_, err := b.build(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Contains(t, b.text(), "begun", "it ran")
		var e *platform.Error
		require.False(t, errors.As(err, &e), "nothing is wrong with the tree")
	})
}

func TestBuild_WithoutAnEngineSaysUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t, build.Options{Host: "unix://" + filepath.Join(t.TempDir(), "none.sock")}, map[string]string{"Dockerfile": "FROM scratch\n"})
	_, err := b.build(t.Context())
	require.ErrorIs(t, err, runtime.ErrUnavailable)
}
