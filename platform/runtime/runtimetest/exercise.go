package runtimetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/runtime"
)

// Engine is what Exercise needs of an implementation under test.
type Engine struct {
	// Open returns a new Runtime on the same engine, as a restarted process would.
	Open func(t *testing.T, installation string) runtime.Runtime
	// Image holds the subject program at SubjectPath and nothing else.
	Image string
	// Foreign puts a running container on the engine that Fairlead did not make, and returns its id, its name, and a
	// function that reports whether it still runs.
	Foreign func(t *testing.T) (id, name string, running func() bool)
	// MemoryLimits says whether the engine's kernel enforces them. It is measured, never assumed.
	MemoryLimits bool
	// KeepsBytes says whether output that is not UTF-8 comes back byte for byte; else such bytes come as U+FFFD.
	KeepsBytes bool
}

// patience is how long the suite waits for an engine to do what it must; engines on a busy machine are slow.
const patience = 60 * time.Second

// Exercise runs the conformance suite of runtime.Runtime. Every implementation and the fake pass it.
func Exercise(t *testing.T, e Engine) {
	tests := map[string]func(*testing.T, *bench){
		"StartRunsTheInstance":                    testStart,
		"StartAdoptsAfterACrash":                  testAdopt,
		"StartNeverStartsAnEndedOneAgain":         testEndedStays,
		"StartRefusesATakenName":                  testNameTaken,
		"StartRefusesAMissingProgramWithTheWords": testMissingProgram,
		"StartRefusesAMissingImage":               testMissingImage,
		"StartRefusesForeignLabels":               testSpecLabels,
		"ExitCodesAreKept":                        testExitCodes,
		"StopAsksFirstAndIsIdempotent":            testStop,
		"StopKillsTheStubborn":                    testStopKills,
		"RemoveIsIdempotent":                      testRemove,
		"ForeignContainersAreLeftAlone":           testForeign,
		"AnotherInstallationSeesNothing":          testInstallations,
		"ListFindsByLabelsInOrder":                testList,
		"OutOfMemoryIsSeen":                       testOOM,
		"LogsHaveStreamsStampsAndBytes":           testLogs,
		"LogsSinceIsInclusive":                    testLogsSince,
		"LogsFollowToTheLastByteOfADeadContainer": testLogsFollow,
		"LogsFollowEndsWithTheContext":            testLogsCancel,
		"LogsReturnTheCallersError":               testLogsYieldError,
		"LongLinesComeInPieces":                   testLongLine,
		"InstancesShareAnAlias":                   testAlias,
		"VolumesOutliveContainersAndAreShared":    testVolume,
		"ExecReturnsCodeAndOutput":                testExec,
		"StatsSampleARunningContainer":            testStats,
		"ListeningNamesThePorts":                  testListening,
		"WatchTellsWhatHappens":                   testWatch,
		"ImagesHaveStableIDs":                     testImage,
		"BelongingsAreFoundByLabels":              testBelongings,
		"NetworksAndVolumesOfOthersAreLeftAlone":  testResources,
		"MethodsOnMissingContainersSayNotFound":   testNotFound,
		"CallsWithAnEndedContextReturnItsError":   testContext,
		"ConcurrentStartsOfOneInstanceMakeOne":    testConcurrentStart,
		"HostDescribesTheMachine":                 testHost,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newBench(t, e))
		})
	}
}

// bench is one test's own installation and network on the engine.
type bench struct {
	Engine
	runtime.Runtime
	installation string
	network      string
}

func newBench(t *testing.T, e Engine) *bench {
	t.Helper()
	installation := "test-" + token()
	b := &bench{Engine: e, Runtime: e.Open(t, installation), installation: installation, network: "fairlead-" + installation}
	require.NoError(t, b.EnsureNetwork(t.Context(), b.network, b.labels("")))
	t.Cleanup(func() { b.clean(t) })
	return b
}

func token() string {
	var raw [5]byte
	_, _ = rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}

// clean removes whatever carries the test's installation.
func (b *bench) clean(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	left, err := b.List(ctx, nil)
	require.NoError(t, err)
	for _, c := range left {
		require.NoError(t, b.Remove(ctx, c.ID))
	}
	require.NoError(t, b.RemoveNetwork(ctx, b.network))
	require.NoError(t, b.RemoveVolume(ctx, b.volume()))
	require.NoError(t, b.Close())
}

func (b *bench) volume() string { return "fairlead-" + b.installation + "-data" }

func (b *bench) labels(instance string) map[string]string {
	labels := map[string]string{
		runtime.LabelManaged:      "true",
		runtime.LabelInstallation: b.installation,
		runtime.LabelProject:      "shop",
	}
	if instance != "" {
		labels[runtime.LabelInstance] = instance
	}
	return labels
}

// spec is an instance of the subject program that does steps.
func (b *bench) spec(instance string, steps ...string) runtime.Spec {
	return runtime.Spec{
		Name:    "fairlead-" + b.installation + "-" + instance,
		Image:   b.Image,
		Command: append([]string{SubjectPath}, steps...),
		Labels:  b.labels(instance),
		Network: b.network,
	}
}

func (b *bench) start(t *testing.T, spec runtime.Spec) runtime.Container {
	t.Helper()
	c, err := b.Start(t.Context(), spec)
	require.NoError(t, err)
	return c
}

// ended waits until the container has ended.
func (b *bench) ended(t *testing.T, id string) runtime.Container {
	t.Helper()
	var seen runtime.Container
	require.Eventually(t, func() bool {
		var err error
		seen, err = b.Inspect(t.Context(), id)
		return err == nil && !seen.Running
	}, patience, 10*time.Millisecond, "the container ends")
	return seen
}

// lines are the frames of a container so far, as text, in order.
func (b *bench) lines(t *testing.T, id string) []string {
	t.Helper()
	frames := b.frames(t, id, runtime.LogOptions{})
	text := make([]string, 0, len(frames))
	for _, frame := range frames {
		text = append(text, string(frame.Line))
	}
	return text
}

func (b *bench) frames(t *testing.T, id string, opts runtime.LogOptions) []runtime.LogFrame {
	t.Helper()
	var frames []runtime.LogFrame
	require.NoError(t, b.Logs(t.Context(), id, opts, func(frame runtime.LogFrame) error {
		frames = append(frames, frame)
		return nil
	}))
	return frames
}

// prints waits until the container has printed the line.
func (b *bench) prints(t *testing.T, id, line string) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, seen := range b.lines(t, id) {
			if seen == line {
				return true
			}
		}
		return false
	}, patience, 10*time.Millisecond, "the container prints %q", line)
}

// recorder keeps events as they come.
type recorder struct {
	mu     sync.Mutex // guards events
	events []runtime.Event
}

func (r *recorder) add(event runtime.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
}

// find returns the first event of that kind and container.
func (r *recorder) find(kind runtime.EventKind, id string) (runtime.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, event := range r.events {
		if event.Kind == kind && event.ID == id {
			return event, true
		}
	}
	return runtime.Event{}, false
}

func (r *recorder) await(t *testing.T, kind runtime.EventKind, id string) runtime.Event {
	t.Helper()
	var event runtime.Event
	require.Eventually(t, func() (ok bool) {
		event, ok = r.find(kind, id)
		return ok
	}, patience, 5*time.Millisecond, "event %s", kind)
	return event
}

// watch records events until the test ends; it returns once the stream is up.
func (b *bench) watch(t *testing.T) *recorder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	seen := &recorder{}
	ended := make(chan error, 1)
	go func() { ended <- b.Watch(ctx, seen.add) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended, "Watch returns nil when its context ends")
	})
	seen.await(t, runtime.EventResync, "")
	return seen
}

var errStop = errors.New("stop here")

func contains(lines []string, part string) bool {
	return strings.Contains(strings.Join(lines, "\n"), part)
}
