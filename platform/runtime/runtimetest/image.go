package runtimetest

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// SubjectImage compiles the subject program for Linux and returns the root file system of an image that holds it at
// SubjectPath and nothing else, as a tar archive that an engine can import.
func SubjectImage(ctx context.Context) (io.Reader, error) {
	dir, err := os.MkdirTemp("", "fairlead-subject")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "subject")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary,
		"github.com/fairlead/fairlead/platform/runtime/runtimetest/subject/cmd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile the subject program: %w: %s", err, said)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	return archive(SubjectPath, content)
}

func archive(path string, content []byte) (io.Reader, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	if err := w.WriteHeader(&tar.Header{Name: path[1:], Mode: 0o755, Size: int64(len(content))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	return &packed, w.Close()
}
