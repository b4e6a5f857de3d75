package store_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/jobs"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

// noted is a worker that says when it got a job.
type noted struct {
	river.WorkerDefaults[jobs.AdvanceDeploy]
	at chan time.Time
}

// Work notes the time.
func (n *noted) Work(context.Context, *river.Job[jobs.AdvanceDeploy]) error {
	n.at <- time.Now()
	return nil
}

func TestEnqueue_JobsInARowAreEachPickedUpAtOnce(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	n := &noted{at: make(chan time.Time, 1)}
	workers := river.NewWorkers()
	river.AddWorker(workers, n)
	client, err := river.NewClient(riverpgxv5.New(s.Pool()), &river.Config{
		Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 10}},
		FetchCooldown:     10 * time.Millisecond,
		FetchPollInterval: time.Minute, // so that nothing but the signal of the insert brings a job
	})
	require.NoError(t, err)
	require.NoError(t, client.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, client.Stop(context.WithoutCancel(t.Context()))) })

	const many = 20
	took := make([]time.Duration, 0, many)
	for range many {
		began := time.Now()
		enqueue(t, s, platform.NewID[platform.DeployID](platform.PrefixDeploy))
		select {
		case at := <-n.at:
			took = append(took, at.Sub(began))
		case <-time.After(30 * time.Second):
			require.Fail(t, "a job was not picked up")
		}
	}
	slices.Sort(took)
	t.Logf("from enqueue to work: median %s, longest %s", took[many/2], took[many-1])
	require.Less(t, took[many/2], 75*time.Millisecond)
}
