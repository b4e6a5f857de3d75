package build

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	dockerbuild "github.com/docker/docker/api/types/build"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/fairlead/fairlead/platform"
)

// classicDockerfile is the Dockerfile's name in the archive that is sent: it may lie outside the context.
const classicDockerfile = ".fairlead.Dockerfile"

// buildClassic uses the engine's old builder: layer by layer, without secrets or cache mounts.
func (b *Builder) buildClassic(ctx context.Context, job *job) error {
	if len(job.req.Secrets) > 0 {
		return errors.New("this engine has no BuildKit, which build secrets need: use Docker Engine 20.10 or newer on Linux")
	}
	reader, writer := io.Pipe()
	packed := make(chan struct{})
	go func() {
		defer close(packed)
		_ = writer.CloseWithError(pack(job.files, writer))
	}()
	defer func() {
		_ = reader.Close() // ends the packing of a build that failed early
		<-packed
	}()
	args := map[string]*string{}
	for key, value := range job.req.Args {
		args[key] = &value
	}
	answer, err := b.api.ImageBuild(ctx, reader, dockerbuild.ImageBuildOptions{
		Tags: []string{job.req.Tag}, Dockerfile: classicDockerfile, BuildArgs: args, Labels: job.labels,
		Remove: true, ForceRemove: true, Version: dockerbuild.BuilderV1,
	})
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	return job.readClassic(answer.Body)
}

// classicStep begins a step: "Step 2/4 : RUN make".
var classicStep = regexp.MustCompile(`^Step (\d+/\d+) : (.*)`)

// readClassic reads the builder's own log, which is text for people, into steps.
func (j *job) readClassic(body io.Reader) error {
	decoder := json.NewDecoder(body)
	current := ""
	for {
		var message struct {
			Stream string `json:"stream"`
			Error  string `json:"error"`
		}
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			j.log.end(current, KindDone, now(), "")
			return nil
		} else if err != nil {
			return fmt.Errorf("read the build log: %w", err)
		}
		if message.Error != "" {
			j.log.end(current, KindError, now(), message.Error)
			return errors.New(message.Error)
		}
		current = j.classicLine(current, message.Stream)
	}
}

// classicLine takes one piece of the log and returns the step that goes on.
func (j *job) classicLine(current, text string) string {
	trimmed := strings.TrimSpace(text)
	if match := classicStep.FindStringSubmatch(trimmed); match != nil {
		j.log.end(current, KindDone, now(), "")
		j.log.begin(match[1], "["+match[1]+"] "+match[2], now())
		return match[1]
	}
	switch {
	case trimmed == "---> Using cache":
		j.log.end(current, KindCached, now(), "")
	case current == "" || text == "\n" || strings.HasPrefix(trimmed, "---> ") || strings.HasPrefix(trimmed, "Removing intermediate"):
		// The ids of intermediate images and containers, and the ends of the lines that hold them.
	default:
		stream := stdout
		if strings.HasPrefix(text, red) {
			stream = stderr
		}
		j.log.print(current, stream, []byte(strings.NewReplacer(red, "", plain, "").Replace(text)), now())
	}
	return current
}

// The classic builder paints what a step writes to stderr.
const (
	red   = "\x1b[91m"
	plain = "\x1b[0m"
)

// pack writes the build context, less what .dockerignore leaves out, and the Dockerfile. Links are packed as links.
func pack(f files, w io.Writer) error {
	ignored, err := ignore(f)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	err = filepath.WalkDir(f.context, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(f.context, path)
		if err != nil || name == "." {
			return err
		}
		if out, err := ignored.MatchesOrParentMatches(filepath.ToSlash(name)); err != nil || out {
			return err // a folder is walked on: a later pattern may take a file of it back in
		}
		return packOne(archive, path, filepath.ToSlash(name), entry)
	})
	if err != nil {
		return err
	}
	info, err := os.Stat(f.dockerfile)
	if err != nil {
		return err
	}
	if err := packOne(archive, f.dockerfile, classicDockerfile, fs.FileInfoToDirEntry(info)); err != nil {
		return err
	}
	return archive.Close()
}

func packOne(archive *tar.Writer, path, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	link := ""
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	case !info.Mode().IsRegular() && !info.IsDir():
		return nil // sockets and devices are no source
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	header.Name, header.Uid, header.Gid, header.Uname, header.Gname = name, 0, 0, "", ""
	if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	_, err = io.Copy(archive, file)
	return err
}

// ignore reads .dockerignore, the Dockerfile's own where it has one.
func ignore(f files) (*patternmatcher.PatternMatcher, error) {
	for _, name := range []string{f.dockerfile + ".dockerignore", filepath.Join(f.context, ".dockerignore")} {
		file, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		patterns, err := ignorefile.ReadAll(file)
		_ = file.Close()
		if err == nil {
			var matcher *patternmatcher.PatternMatcher
			if matcher, err = patternmatcher.New(patterns); err == nil {
				return matcher, nil
			}
		}
		return nil, platform.Errorf(platform.CodeInvalid, "%s cannot be read: %s", filepath.Base(name), err)
	}
	return patternmatcher.New(nil)
}
