package runtimetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest"
	"github.com/fairlead/fairlead/platform/runtime/runtimetest/subject"
)

func TestFake_PassesTheConformanceSuite(t *testing.T) {
	t.Parallel()
	fake := runtimetest.NewFake("suite")
	fake.Behave("subject:1", runtimetest.Behaviour{Program: subject.Run})
	t.Cleanup(fake.Shutdown)
	runtimetest.Exercise(t, runtimetest.Engine{
		Open: func(_ *testing.T, installation string) runtime.Runtime { return fake.Again(installation) },
		Foreign: func(*testing.T) (string, string, func() bool) {
			name := "somebody-elses-" + t.Name() + time.Now().String()
			id := fake.AddForeign(name)
			return id, name, func() bool { return fake.Runs(id) }
		},
		Image:        "subject:1",
		MemoryLimits: true,
		KeepsBytes:   true,
	})
}

func spec(instance string) runtime.Spec {
	return runtime.Spec{
		Name: "shop-" + instance, Image: "api:1", Port: 8080,
		Labels: map[string]string{
			runtime.LabelManaged: "true", runtime.LabelInstallation: "home", runtime.LabelInstance: instance,
		},
	}
}

func setup(t *testing.T, b runtimetest.Behaviour) *runtimetest.Fake {
	t.Helper()
	fake := runtimetest.NewFake("home")
	fake.Behave("api:1", b)
	t.Cleanup(fake.Shutdown)
	return fake
}

func TestFake_ExitsByItselfAfterItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := setup(t, runtimetest.Behaviour{Output: []string{"boom"}, ExitAfter: time.Minute, ExitCode: 3})
		c, err := fake.Start(t.Context(), spec("one"))
		require.NoError(t, err)
		time.AfterFunc(time.Minute-1, func() { require.True(t, fake.Runs(c.ID)) })
		var lines []string
		require.NoError(t, fake.Logs(t.Context(), c.ID, runtime.LogOptions{Follow: true}, func(f runtime.LogFrame) error {
			lines = append(lines, string(f.Line))
			return nil
		}))
		require.Equal(t, []string{"boom"}, lines)
		c, err = fake.Inspect(t.Context(), c.ID)
		require.NoError(t, err)
		require.False(t, c.Running)
		require.Equal(t, 3, c.ExitCode)
	})
}

func TestFake_StopOfOneThatIgnoresItTakesTheGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := setup(t, runtimetest.Behaviour{IgnoresStop: true})
		c, err := fake.Start(t.Context(), spec("one"))
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, fake.Stop(t.Context(), c.ID, 30*time.Second))
		require.Equal(t, 30*time.Second, time.Since(began))
	})
}

func TestFake_RefusesAsTold(t *testing.T) {
	t.Parallel()
	fake := setup(t, runtimetest.Behaviour{RefuseStart: "could not select device driver"})
	_, err := fake.Start(t.Context(), spec("one"))
	require.ErrorIs(t, err, runtime.ErrRefused)
	require.ErrorContains(t, err, "could not select device driver")
	fake.Behave("api:1", runtimetest.Behaviour{Address: "127.0.0.1:9999"})
	c, err := fake.Start(t.Context(), spec("one"))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:9999", c.Address)
	require.Equal(t, 2, fake.Calls("Start"))
}

func TestFake_DownAnswersNothingAndResyncsWhenBack(t *testing.T) {
	t.Parallel()
	fake := setup(t, runtimetest.Behaviour{})
	c, err := fake.Start(t.Context(), spec("one"))
	require.NoError(t, err)
	events := make(chan runtime.Event, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- fake.Watch(ctx, func(e runtime.Event) { events <- e }) }()
	require.Equal(t, runtime.EventResync, (<-events).Kind)
	fake.SetDown(true)
	_, err = fake.List(t.Context(), nil)
	require.ErrorIs(t, err, runtime.ErrUnavailable)
	fake.Kill(c.ID, runtimetest.End{OOM: true, ExitCode: 137})
	fake.SetDown(false)
	require.Equal(t, runtime.EventResync, (<-events).Kind, "what happened meanwhile is missed")
	cancel()
	require.NoError(t, <-ended)
	seen, err := fake.Inspect(t.Context(), c.ID)
	require.NoError(t, err)
	require.True(t, seen.OOMKilled)
}

func TestFake_HookSeesEveryCallAndMayFailIt(t *testing.T) {
	t.Parallel()
	fake := setup(t, runtimetest.Behaviour{})
	broken := errors.New("the process was killed here")
	fake.SetHook(func(method, argument string) error {
		if method == "Start" && argument == "shop-two" {
			return broken
		}
		return nil
	})
	_, err := fake.Start(t.Context(), spec("one"))
	require.NoError(t, err)
	_, err = fake.Start(t.Context(), spec("two"))
	require.ErrorIs(t, err, broken)
	list, err := fake.List(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, list, 1)
}
