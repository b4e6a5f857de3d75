// Command cmd is the subject program for a real engine: a static binary that is the whole of its image.
package main

import (
	"context"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/fairlead/fairlead/platform/runtime/runtimetest/subject"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	asked := make(chan struct{})
	go func() {
		<-signals
		close(asked)
	}()
	os.Exit(subject.Run(&machine{asked: asked}, os.Args[1:]))
}

// machine is the process's own view of its container.
type machine struct {
	asked     chan struct{}
	listeners []net.Listener
	eaten     [][]byte
}

func (m *machine) Stdout() io.Writer           { return os.Stdout }
func (m *machine) Stderr() io.Writer           { return os.Stderr }
func (m *machine) Terminated() <-chan struct{} { return m.asked }
func (m *machine) Env(key string) string       { return os.Getenv(key) }
func (m *machine) Hang()                       { select {} }

func (m *machine) Listen(address string) error {
	network := "tcp4"
	if address[0] == '[' {
		network = "tcp6"
	}
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), network, address)
	if err == nil {
		m.listeners = append(m.listeners, listener)
	}
	return err
}

func (m *machine) Lookup(name string) ([]string, error) {
	return net.DefaultResolver.LookupHost(context.Background(), name)
}

func (m *machine) Read(path string) (string, error) {
	text, err := os.ReadFile(path)
	return string(text), err
}

func (m *machine) Write(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }

func (m *machine) EatMemory() {
	const chunk = 4 << 20
	for {
		piece := make([]byte, chunk)
		for i := 0; i < chunk; i += 4096 {
			piece[i] = 1 // a page that is not written to takes no memory
		}
		m.eaten = append(m.eaten, piece)
	}
}
