package control

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

const shopBlueprint = `project: shop
services:
  - name: api
    type: web
    context: api
    port: 8080
    env: {LOG_LEVEL: info}
  - name: features
    type: private
    context: features
    port: 9000
`

// bench is a plane on a database of its own, a clock that stands still until it is moved, and three people.
type bench struct {
	*Plane
	t     *testing.T
	clock *testClock
}

type testClock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func (c *testClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func person(name string, role platform.Role) platform.Actor {
	return platform.Actor{Kind: platform.ActorHuman, Name: name, Role: role, Channel: "cli"}
}

var (
	ada   = person("ada", platform.RoleAdmin)
	bob   = person("bob", platform.RoleOperator)
	vic   = person("vic", platform.RoleViewer)
	fixer = platform.Actor{Kind: platform.ActorAgent, Name: "fixer", Owner: "ada", Role: platform.RoleOperator, Channel: "mcp"}
	ci    = platform.Actor{Kind: platform.ActorAutomation, Name: "ci", Owner: "ada", Role: platform.RoleOperator, Channel: "api"}
)

func newBench(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	return benchOn(t, storetest.Open(t), change...)
}

func benchOn(t *testing.T, s *store.Store, change ...func(*Options)) *bench {
	t.Helper()
	sealer, err := secret.New([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	clock := &testClock{now: time.Now().UTC().Truncate(time.Second)}
	o := Options{Store: s, Sealer: sealer, Now: clock.Now, RouterURL: "http://127.0.0.1:7780", APIURL: "http://127.0.0.1:7700"}
	for _, c := range change {
		c(&o)
	}
	return &bench{Plane: New(o), t: t, clock: clock}
}

// shop is a bench with the project shop in it.
func shop(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	b := newBench(t, change...)
	_, err := b.CreateProject(t.Context(), ada, platform.CreateProjectRequest{Blueprint: shopBlueprint})
	require.NoError(t, err)
	return b
}

func sha(n int) string { return fmt.Sprintf("%040x", 0xabc0000+n) }

var api = platform.SlotRef{Project: "shop", Service: "api"}

// push pushes commit n to main; the trees of both services are named after it unless said otherwise.
func (b *bench) push(n int, change ...func(*platform.Push)) platform.PushResult {
	b.t.Helper()
	p := platform.Push{
		Project: "shop", Branch: "main", New: sha(n), Blueprint: shopBlueprint,
		Commits: []platform.Commit{{SHA: sha(n), Branch: "main", Author: "Ada <ada@example.com>", Message: fmt.Sprintf("change %d\n\nbody", n), At: time.Now()}},
		Trees:   map[string]string{"api": fmt.Sprintf("api-%d", n), "features": fmt.Sprintf("features-%d", n)},
	}
	if n > 1 {
		p.Old, p.Commits[0].Parent = sha(n-1), sha(n-1)
	}
	for _, c := range change {
		c(&p)
	}
	result, err := b.RecordPush(b.t.Context(), bob, p)
	require.NoError(b.t, err)
	return result
}

// live drives a deploy from where it stands until it is live.
func (b *bench) live(d platform.Deploy) platform.Deploy {
	b.t.Helper()
	for _, phase := range platform.Phases[1:] {
		if d.Phase == platform.PhaseLive {
			break
		}
		if phase == platform.PhaseBuilding && d.Phase != platform.PhaseQueued {
			continue
		}
		u := DeployUpdate{Phase: phase}
		if phase == platform.PhaseReleasing && d.ReleaseID == "" {
			u.Image, u.ImageID = "fairlead/shop/"+d.Service+":"+string(d.ID), "sha256:"+string(d.ID)
		}
		if phase == platform.PhaseLive {
			u.Probes = &platform.ProbeCount{Sent: 20}
		}
		var err error
		d, err = b.AdvanceDeploy(b.t.Context(), d.ID, d.Phase, u)
		require.NoError(b.t, err, "to %s", phase)
	}
	return d
}

// fail drives a queued deploy into building and there into failure.
func (b *bench) fail(d platform.Deploy, reason platform.FailureReason) platform.Deploy {
	b.t.Helper()
	d, err := b.AdvanceDeploy(b.t.Context(), d.ID, platform.PhaseQueued, DeployUpdate{Phase: platform.PhaseBuilding})
	require.NoError(b.t, err)
	d, err = b.AdvanceDeploy(b.t.Context(), d.ID, platform.PhaseBuilding, DeployUpdate{
		Phase: platform.PhaseFailed, Failure: &platform.DeployFailure{Phase: platform.PhaseBuilding, Reason: reason, Message: "main.py line 3: invalid syntax"},
	})
	require.NoError(b.t, err)
	return d
}

// pushLive pushes commit n and brings the api of it live.
func (b *bench) pushLive(n int) platform.Deploy {
	b.t.Helper()
	for _, d := range b.push(n).Deploys {
		if d.Service == "api" {
			return b.live(d)
		}
	}
	b.t.Fatal("the push did not deploy the api")
	return platform.Deploy{}
}

func (b *bench) slot() platform.SlotDetail {
	b.t.Helper()
	s, err := b.GetSlot(b.t.Context(), ada, api)
	require.NoError(b.t, err)
	return s
}

func (b *bench) kinds() []platform.EventKind {
	b.t.Helper()
	list, err := b.ListEvents(b.t.Context(), ada, platform.EventFilter{Page: platform.Page{Limit: platform.MaxPageLimit}})
	require.NoError(b.t, err)
	out := []platform.EventKind{}
	for _, e := range list.Items {
		out = append(out, e.Kind)
	}
	return out
}

func (b *bench) propose(actor platform.Actor, a platform.Action) platform.Plan {
	b.t.Helper()
	if a.Slot == "" {
		a.Slot = "shop/production/api"
	}
	plan, err := b.Propose(b.t.Context(), actor, platform.ProposeRequest{Action: a, Reason: "because"})
	require.NoError(b.t, err)
	return plan
}

func code(t *testing.T, want platform.ErrorCode, err error, words ...string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, platform.CodeOf(err), "%v", err)
	for _, w := range words {
		require.ErrorContains(t, err, w)
	}
}
