package runtimetest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest/subject"
)

// SubjectPath is where the subject program lies in its image.
const SubjectPath = "/subject"

// process is the machine as a Program in the fake sees it.
type process struct {
	engine *engine
	in     *instance
	stdout io.Writer
	stderr io.Writer
}

var _ subject.System = (*process)(nil)

func (e *engine) runProgram(c *instance, b Behaviour) {
	p := &process{engine: e, in: c, stdout: &output{e, c, "stdout"}, stderr: &output{e, c, "stderr"}}
	code := b.Program(p, c.spec.Command[min(1, len(c.spec.Command)):])
	e.mu.Lock()
	defer e.mu.Unlock()
	e.end(c, code, false)
}

// execProgram runs another process beside the container's own.
func (e *engine) execProgram(c *instance, argv []string) runtime.ExecResult {
	if len(argv) == 0 || argv[0] != SubjectPath {
		return runtime.ExecResult{ExitCode: 127, Stderr: "executable file not found in $PATH"}
	}
	var stdout, stderr bytes.Buffer
	code := c.behaviour.Program(&process{engine: e, in: c, stdout: &stdout, stderr: &stderr}, argv[1:])
	return runtime.ExecResult{ExitCode: code, Stdout: head(stdout), Stderr: head(stderr)}
}

// head is what the contract lets through of a command's output.
func head(b bytes.Buffer) string { return string(b.Bytes()[:min(b.Len(), 64<<10)]) }

// output is a stream of the container.
type output struct {
	engine *engine
	in     *instance
	stream string
}

// Write adds to the container's log.
func (o *output) Write(p []byte) (int, error) {
	o.engine.mu.Lock()
	defer o.engine.mu.Unlock()
	if !o.in.view.Running {
		return 0, os.ErrClosed
	}
	o.engine.log(o.in, o.stream, p)
	return len(p), nil
}

// Stdout is the container's.
func (p *process) Stdout() io.Writer { return p.stdout }

// Stderr is the container's.
func (p *process) Stderr() io.Writer { return p.stderr }

// Terminated is closed by Stop.
func (p *process) Terminated() <-chan struct{} { return p.in.asked }

// Listen notes the address.
func (p *process) Listen(address string) error {
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	p.in.listening = append(slices.Clone(p.in.listening), address)
	return nil
}

// Lookup finds running containers of the same network by alias or name.
func (p *process) Lookup(name string) ([]string, error) {
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	var found []string
	for _, c := range p.engine.containers {
		named := c.spec.Name == name || slices.Contains(c.spec.Aliases, name)
		if c.view.Running && c.spec.Network == p.in.spec.Network && c.spec.Network != "" && named {
			found = append(found, c.ip)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("lookup %s: no such host", name)
	}
	return found, nil
}

// Env reads the spec's.
func (p *process) Env(key string) string {
	for _, entry := range slices.Backward(p.in.spec.Env) {
		if value, ok := strings.CutPrefix(entry, key+"="); ok {
			return value
		}
	}
	return ""
}

// Read reads a file of a mounted volume.
func (p *process) Read(path string) (string, error) {
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	if files, name, _ := p.volume(path); files != nil {
		if text, ok := files[name]; ok {
			return text, nil
		}
	}
	return "", fmt.Errorf("open %s: no such file or directory", path)
}

// Write writes a file of a mounted volume.
func (p *process) Write(path, text string) error {
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	files, name, readOnly := p.volume(path)
	switch {
	case files == nil:
		return fmt.Errorf("open %s: no such file or directory", path)
	case readOnly:
		return fmt.Errorf("open %s: read-only file system", path)
	}
	files[name] = text
	return nil
}

// volume finds the volume that path lies on, and the file's name in it.
func (p *process) volume(path string) (files map[string]string, name string, readOnly bool) {
	for _, m := range p.in.spec.Mounts {
		name, inside := strings.CutPrefix(path, m.Path+"/")
		if volume := p.engine.volumes[m.Volume]; inside && volume != nil {
			return volume.files, name, m.ReadOnly
		}
	}
	return nil, "", false
}

// EatMemory ends in an OOM kill where the spec has a limit.
func (p *process) EatMemory() {
	p.engine.mu.Lock()
	if p.in.spec.MemoryBytes > 0 {
		p.engine.end(p.in, exitKilled, true)
	}
	p.engine.mu.Unlock()
	p.Hang()
}

// Hang blocks until the process is killed, and then leaves nothing behind.
func (p *process) Hang() {
	<-p.in.ended
	goruntime.Goexit()
}
