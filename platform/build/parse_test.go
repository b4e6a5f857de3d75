package build

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestSyntax_IsReadFromTheFirstLinesOnly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"# syntax=docker/dockerfile:1\nFROM x":       "docker/dockerfile:1",
		"#syntax = a/b@sha256:00\nFROM x":            "a/b@sha256:00",
		"# escape=`\n# Syntax=docker/dockerfile:1\n": "docker/dockerfile:1",
		"FROM x\n# syntax=docker/dockerfile:1":       "",
		"# a comment\n# syntax=docker/dockerfile:1":  "",
		"": "",
	} {
		file := filepath.Join(t.TempDir(), "Dockerfile")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.Equal(t, want, syntax(file), "%q", text)
	}
}

func record() (*buildLog, *[]Line) {
	lines := &[]Line{}
	return newLog(func(l Line) { *lines = append(*lines, l) }, redactor(map[string][]byte{"TOKEN": []byte("hunter2hunter2")})), lines
}

func TestLog_JoinsPiecesAndKeepsTheLastStateOfAProgressBar(t *testing.T) {
	t.Parallel()
	log, lines := record()
	at := time.Unix(7, 0)
	log.begin("a", "[1/2] RUN make", at)
	log.print("a", stdout, []byte("one\ntw"), at)
	log.print("a", stderr, []byte("10%\r50%\r100%\r\n"), at)
	log.print("a", stdout, []byte("o hunter2hunter2\nrest"), at)
	log.end("a", KindDone, at.Add(1500*time.Millisecond), "")
	log.end("a", KindDone, at, "") // told again
	var text []string
	for _, line := range *lines {
		text = append(text, line.Text)
	}
	require.Equal(t, "[1/2] RUN make|one|100%|two", strings.Join(text[:4], "|")[:len("[1/2] RUN make|one|100%|two")])
	require.NotContains(t, strings.Join(text, "|"), "hunter2")
	require.Equal(t, []string{"rest", "[1/2] done in 1.5 s"}, text[4:])
	steps, cached := log.count()
	require.Equal(t, []int{1, 0}, []int{steps, cached})
}

func TestLog_CutsALineThatNeverEnds(t *testing.T) {
	t.Parallel()
	log, lines := record()
	log.print("a", stdout, []byte(strings.Repeat("x", 2*maxLine+5)), time.Now())
	require.Len(t, *lines, 2)
	require.Len(t, (*lines)[0].Text, maxLine)
}

func TestFailure_IsTheStepThatFailedNotTheOnesBrokenOff(t *testing.T) {
	t.Parallel()
	log, _ := record()
	at := time.Now()
	for id, said := range map[string]string{"a": "context canceled", "b": "process did not complete successfully: exit code: 2", "c": "context canceled"} {
		log.begin(id, "["+id+" 1/2] RUN "+id, at)
		log.end(id, KindError, at, said)
	}
	j := &job{log: log, files: files{name: "Dockerfile"}}
	err := j.failure(errors.New("failed to solve: whatever"))
	var step *StepError
	require.ErrorAs(t, err, &step)
	require.Equal(t, "[b 1/2] RUN b", step.Step)
	require.Equal(t, 2, step.ExitCode)
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
}

func FuzzLogPrint(f *testing.F) {
	f.Add([]byte("a\nb\r\nc"), []byte("\r\r\n"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		log, lines := record()
		log.begin("a", "[1/1] RUN x", time.Now())
		log.print("a", stdout, first, time.Now())
		log.print("a", stdout, second, time.Now())
		log.end("a", KindDone, time.Now(), "")
		for _, line := range *lines {
			require.NotContains(t, line.Text, "\n")
		}
	})
}

func TestLog_PrivateKeyThatAStepPrintsIsHiddenLineByLine(t *testing.T) {
	t.Parallel()
	log, lines := record()
	at := time.Unix(7, 0)
	log.begin("1", "RUN cat key", at)
	log.print("1", "stdout", []byte("before\n-----BEGIN "+"PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nq8Y0/Zk+w==\n-----END "+"PRIVATE KEY-----\nafter\n"), at)
	var said []string
	for _, l := range *lines {
		if l.Kind == KindOutput {
			said = append(said, l.Text)
		}
	}
	require.Equal(t, []string{"before", "[redacted]", "[redacted]", "[redacted]", "[redacted]", "after"}, said)
}
