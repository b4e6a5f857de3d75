package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/platform/routing"
)

// routerProcess keeps a router beside the server: its own process, detached, so that it outlives the server and no
// request notices a restart.
type routerProcess struct {
	state  stateFolder
	listen string
	client *routing.Client
	log    *slog.Logger
	// started is told of each router that was started and answers.
	started func(ctx context.Context)
}

// routerLook is how often the server asks whether the router still answers.
const routerLook = time.Second

// keep starts a router when none answers, now and whenever it has gone, until ctx ends.
func (p *routerProcess) keep(ctx context.Context) error {
	look := time.NewTicker(routerLook)
	defer look.Stop()
	silent := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		if err := p.client.Ping(ctx); err == nil || ctx.Err() != nil {
			silent = 0
			continue
		}
		if silent++; silent < 2 {
			continue
		}
		p.log.Warn("the router does not answer: starting one")
		if err := p.ensure(ctx); err != nil {
			p.log.Error("start the router", "error", err)
		}
		silent = 0
	}
}

// ensure returns when a router answers on the socket, starting one if need be.
func (p *routerProcess) ensure(ctx context.Context) error {
	if p.client.Ping(ctx) == nil {
		return nil
	}
	if err := p.start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		if p.client.Ping(ctx) == nil {
			p.started(ctx)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the router did not answer within 10 s: see %s and %s", p.state.path("router.log"), p.state.path(routerLog))
		case <-look.C:
		}
	}
}

func (p *routerProcess) start() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	// The router writes its log into files that it bounds itself; here is only why it could not.
	out, err := os.OpenFile(p.state.path("router.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the router's log: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(self, "router", "--listen", p.listen) //nolint:noctx // it must outlive this process
	cmd.Env = append(os.Environ(), "FAIRLEAD_STATE="+string(p.state))
	cmd.Stderr = out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the router: %w", err)
	}
	go func() { _ = cmd.Wait() }() // reaps it should it end while the server runs
	return nil
}

func processExists(pid int) bool { return syscall.Kill(pid, 0) == nil }

// stopProcess asks the process of a pid file to end and waits for it.
func stopProcess(ctx context.Context, s stateFolder, name string, limit time.Duration) (bool, error) {
	pid, ok := s.alive(name)
	if !ok {
		return false, nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return false, fmt.Errorf("stop process %d: %w", pid, err)
	}
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		if _, ok := s.alive(name); !ok {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-deadline.C:
			return true, syscall.Kill(pid, syscall.SIGKILL)
		case <-look.C:
		}
	}
}
