package build

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// StepError says which step of a build failed and how. It unwraps to the *platform.Error that users see.
type StepError struct {
	Step     string   // such as "[2/4] RUN python -m compileall ."; empty when no step was reached
	ExitCode int      // of the step's command; 0 when it was not a command that failed
	Tail     []string // the last lines that the step printed, secrets taken out
	cause    *platform.Error
}

// Error is the user's message and hint.
func (f *StepError) Error() string { return f.cause.Error() }

// Unwrap returns the *platform.Error.
func (f *StepError) Unwrap() error { return f.cause }

var (
	exitCode = regexp.MustCompile(`(?:exit code: |returned a non-zero code: )(\d+)`)
	// preamble is what builders put before what is wrong; it says nothing to users.
	preamble = regexp.MustCompile(`^(?:failed to solve(?: with frontend [^:]+)?: |rpc error: code = \w+ desc = |failed to create LLB definition: |failed to read dockerfile: |Error response from daemon: )+`)
	// position is where the Dockerfile is wrong.
	position = regexp.MustCompile(`(?i)(?:dockerfile )?parse error (?:on )?line (\d+): `)
	// load is the step that asks for a base image: "[internal] load metadata for docker.io/library/python:3.11", or FROM itself.
	load = regexp.MustCompile(`^\[(?:internal\] load metadata for|[^\]]*/\d+\] FROM) (\S+)`)
)

// failure puts a builder's error into words.
func (j *job) failure(err error) error {
	said := j.log.redactor.Redact(strings.TrimSpace(preamble.ReplaceAllString(err.Error(), "")))
	said = strings.ReplaceAll(said, classicDockerfile, j.files.name)
	failed := j.log.failed()
	if failed == nil {
		return &StepError{cause: j.unread(said)}
	}
	f := &StepError{Step: j.log.redactor.Redact(failed.name), Tail: failed.tail}
	reason := j.log.redactor.Redact(preamble.ReplaceAllString(failed.err, ""))
	if match := exitCode.FindStringSubmatch(failed.err); match != nil {
		f.ExitCode, _ = strconv.Atoi(match[1])
	}
	switch base := load.FindStringSubmatch(failed.name); {
	case base != nil:
		f.cause = noBase(base[1], reason)
	case f.ExitCode != 0:
		f.cause = commandFailed(f)
	case quiet(failed.name):
		f.cause = j.unread(said)
	default:
		f.cause = platform.Errorf(platform.CodeInvalid, "The build step %s failed: %s", f.Step, sentence(reason)).
			WithHint("%s", hintOf(reason))
	}
	return f
}

// unread: no step failed, so the Dockerfile itself is wrong.
func (j *job) unread(said string) *platform.Error {
	where := j.files.name
	if match := position.FindStringSubmatchIndex(said); match != nil {
		line, what := said[match[2]:match[3]], said[match[1]:]
		return platform.Errorf(platform.CodeInvalid, "%s cannot be read, line %s: %s", where, line, sentence(what)).
			WithField("dockerfile").WithHint("Fix line %s of %s and push again.", line, where)
	}
	return platform.Errorf(platform.CodeInvalid, "The build of %s failed: %s", where, sentence(said)).
		WithHint("The build log says more; fix the cause and push again.")
}

func commandFailed(f *StepError) *platform.Error {
	message := fmt.Sprintf("The build step %s ended with exit code %d", f.Step, f.ExitCode)
	for i := len(f.Tail) - 1; i >= 0; i-- {
		if last := strings.TrimSpace(f.Tail[i]); last != "" {
			message += ": " + last
			break
		}
	}
	return platform.Errorf(platform.CodeInvalid, "%s", sentence(message)).
		WithHint("The lines of that step in the build log say why; fix it and push again.")
}

func noBase(image, reason string) *platform.Error {
	image = strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "library/")
	return platform.Errorf(platform.CodeInvalid, "The base image %s is not on the host and no registry gave it: %s", image, sentence(reason)).
		WithHint("Check its name in the FROM line. On a host without a registry, load it first (docker load, or deploy/images/ensure.sh for common ones).")
}

func hintOf(reason string) string {
	if strings.Contains(reason, "not found") || strings.Contains(reason, "no source files") || strings.Contains(reason, "file does not exist") {
		return "COPY and ADD read from the context of the build: check the path, that the file is committed, and that .dockerignore does not leave it out."
	}
	return "The build log says more; fix the cause and push again."
}

// sentence ends a text with a full stop, once.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}
