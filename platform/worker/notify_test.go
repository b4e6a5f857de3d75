package worker

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/control"
	"github.com/fairlead/fairlead/platform/secret"
	"github.com/fairlead/fairlead/platform/store"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

// post takes messages and keeps which event came in which.
type post struct {
	mu   sync.Mutex
	down bool
	got  map[int64][]platform.DeliveryID
}

// Send implements sender.
func (p *post) Send(_ context.Context, n platform.Notice) platform.Receipt {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return platform.Receipt{Words: "connection refused"}
	}
	for _, e := range n.Events {
		p.got[e.Seq] = append(p.got[e.Seq], n.Delivery.ID)
	}
	return platform.Receipt{OK: true, Status: 200}
}

func (p *post) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.got)
}

// shifted is a plane whose clock is ahead, so that a test need not wait for a claim to end.
func shifted(t *testing.T, s *store.Store, by *time.Duration, mu *sync.Mutex) *control.Plane {
	t.Helper()
	sealer, err := secret.New([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	return control.New(control.Options{Store: s, Sealer: sealer, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(*by)
	}})
}

type notifying struct {
	*rig
	post    *post
	channel platform.Channel
	mu      sync.Mutex
	ahead   time.Duration // guarded by mu
}

func newNotifying(t *testing.T, s *store.Store) *notifying {
	t.Helper()
	n := &notifying{rig: newRigOn(t, s), post: &post{got: map[int64][]platform.DeliveryID{}}}
	n.plane = shifted(t, s, &n.ahead, &n.mu)
	n.options.Plane, n.options.Sender = n.plane, n.post
	n.image(&app{image: "one"})
	n.blueprint("one")
	none := platform.Duration(0)
	var err error
	n.channel, err = n.plane.CreateChannel(t.Context(), ada, platform.CreateChannelRequest{
		Name: "ops", Kind: platform.ChannelWebhook, URL: "https://hooks.example.org/x", Secret: strings.Repeat("k", 32),
		Filter: platform.ChannelFilter{Kinds: []string{"silence.created"}}, Dedup: &none, PerMinute: platform.MaxPerMinute,
	})
	require.NoError(t, err)
	return n
}

func (n *notifying) advance(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ahead += d
}

// happen makes so many events that the channel hears of.
func (n *notifying) happen(count int) {
	n.t.Helper()
	for range count {
		_, err := n.plane.CreateSilence(n.t.Context(), ada, platform.CreateSilenceRequest{
			SlotRef: platform.SlotRef{Project: "shop"}, Reason: "a test", For: platform.Duration(time.Hour),
		})
		require.NoError(n.t, err)
	}
}

// arrive waits until so many different events came, and returns how many messages each took.
func (n *notifying) arrive(count int) map[int64][]platform.DeliveryID {
	n.t.Helper()
	require.Eventually(n.t, func() bool { return n.post.count() == count }, patience, 10*time.Millisecond)
	n.post.mu.Lock()
	defer n.post.mu.Unlock()
	return n.post.got
}

func TestNotify_EachEventArrivesOnceAndAtOnce(t *testing.T) {
	t.Parallel()
	n := newNotifying(t, storetest.Open(t))
	n.start()
	began := time.Now()
	n.happen(1)
	n.arrive(1)
	t.Logf("event to receiver: %s", time.Since(began).Round(time.Millisecond))
	n.happen(40)
	got := n.arrive(41)
	n.cancel() // waits for what is on its way
	for seq, ids := range got {
		require.Len(t, ids, 1, "event %d", seq)
	}
}

func TestNotify_ReceiverThatWasDownGetsEverythingOnce(t *testing.T) {
	t.Parallel()
	n := newNotifying(t, storetest.Open(t))
	n.post.down = true
	n.start()
	n.happen(5)
	require.Eventually(t, func() bool {
		c, err := n.plane.GetChannel(t.Context(), ada, n.channel.ID)
		return err == nil && c.FailingSince != nil
	}, patience, 10*time.Millisecond)
	n.post.mu.Lock()
	n.post.down = false
	n.post.mu.Unlock()
	n.advance(time.Minute)
	for seq, ids := range n.arrive(5) {
		require.Len(t, ids, 1, "event %d", seq)
	}
}

// TestNotify_CrashLosesNothing kills the worker before and after a message left. Before, it is sent once; after, once
// more, under the same id.
func TestNotify_CrashLosesNothing(t *testing.T) {
	t.Parallel()
	for point, times := range map[string]int{"notice/claimed": 1, "notice/sent": 2} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			n := newNotifying(t, storetest.Open(t))
			n.happen(3)
			n.startCrashing(point)
			n.advance(2 * time.Minute)
			n.start()
			got := n.arrive(3)
			most := 0
			require.Eventually(t, func() bool {
				n.post.mu.Lock()
				defer n.post.mu.Unlock()
				for _, ids := range got {
					most = max(most, len(ids))
				}
				return most == times
			}, patience, 10*time.Millisecond)
			n.cancel()
			for _, ids := range got {
				for _, id := range ids {
					require.Equal(t, ids[0], id, "the id stays, so that a receiver can tell")
				}
			}
		})
	}
}

func TestNotify_PostgresOutageLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	pg := storetest.StartServer(t)
	n := newNotifying(t, storetest.OpenURL(t, pg.URL()))
	n.start()
	n.happen(3)
	n.arrive(3)
	n.happen(2)
	pg.Stop()
	pg.Start()
	require.Eventually(t, func() bool {
		_, err := n.plane.CreateSilence(t.Context(), ada, platform.CreateSilenceRequest{SlotRef: platform.SlotRef{Project: "shop"}, Reason: "after", For: platform.Duration(time.Hour)})
		return err == nil
	}, patience, 50*time.Millisecond)
	for seq, ids := range n.arrive(6) {
		require.Len(t, ids, 1, "event %d", seq)
	}
}
