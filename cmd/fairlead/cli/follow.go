package cli

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// Times of following a deploy.
const (
	pollEvery = 500 * time.Millisecond
	// quiet is how long a log may say nothing after its deploy ended before following it ends.
	quiet = 2 * time.Second
)

// follow shows a deploy's phases and build log until it ends, across restarts of the server. With JSON output it waits
// in silence.
func (a *app) follow(ctx context.Context, d platform.Deploy) (platform.Deploy, error) {
	c, err := a.patient()
	if err != nil {
		return d, err
	}
	p := &progress{app: a, mu: &sync.Mutex{}}
	build, stopBuild := context.WithCancel(ctx)
	defer stopBuild()
	var done chan struct{}
	id := d.ID
	for {
		p.phase(d)
		if d.Phase == platform.PhaseBuilding && done == nil && !a.json() {
			done = make(chan struct{})
			go func() {
				defer close(done)
				p.build(build, c, id)
			}()
		}
		if done != nil && d.Phase != platform.PhaseBuilding {
			p.settle(ctx)
			stopBuild()
			<-done
			done = nil
			build, stopBuild = ctx, func() {}
		}
		if d.Phase.Terminal() {
			return d, nil
		}
		if err := pause(ctx, pollEvery); err != nil {
			return d, err
		}
		next, err := c.GetDeploy(ctx, id)
		if err != nil {
			return d, err
		}
		d = next
	}
}

// progress writes the lines of a deploy that is being followed, from two goroutines.
type progress struct {
	app *app

	mu     *sync.Mutex // guards the fields below and the screen
	last   platform.Phase
	lineAt time.Time
}

func (p *progress) phase(d platform.Deploy) {
	if p.app.json() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.Phase == p.last {
		return
	}
	p.last = d.Phase
	out := p.app.out
	out.print("%s %s", out.dim(d.PhaseAt.UTC().Format("15:04:05")), out.state(string(d.Phase))+phaseWords(d))
}

func phaseWords(d platform.Deploy) string {
	switch d.Phase {
	case platform.PhaseQueued:
		return "     deploy " + string(d.ID) + " of " + d.Ref()
	case platform.PhaseBuilding:
		if d.Commit != "" {
			return "   " + platform.ShortSHA(d.Commit) + " " + oneLine(d.Message, 60)
		}
	case platform.PhaseStarting:
		return "   the process is loading"
	case platform.PhaseChecking:
		return "   the health check decides"
	case platform.PhaseShifting:
		return "   traffic moves"
	case platform.PhaseDraining:
		return "   the old instances finish what they have"
	case platform.PhaseReleasing:
		return "  the pre-deploy command runs"
	default:
	}
	return ""
}

// build writes the build log as it comes.
func (p *progress) build(ctx context.Context, c *client.Client, id platform.DeployID) {
	err := c.FollowBuildLog(ctx, id, func(l observability.Line) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.lineAt = time.Now()
		p.app.out.block(p.app.out.dim("| ")+clean(l.Message), 9)
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.app.out.block(p.app.out.yellow("the build log cannot be followed: "+err.Error()), 9)
	}
}

// settle waits until the build log has been silent for a moment: its last lines may come after the phase changed.
func (p *progress) settle(ctx context.Context) {
	p.mu.Lock()
	p.lineAt = time.Now()
	p.mu.Unlock()
	for {
		p.mu.Lock()
		left := quiet/4 - time.Since(p.lineAt)
		p.mu.Unlock()
		if left <= 0 || pause(ctx, left) != nil {
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
