package blueprint

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fairlead/fairlead/platform"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), got), "run the test with -update if the change is meant")
}

func eachFile(t *testing.T, dir string, check func(t *testing.T, path string, text []byte)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			check(t, path, text)
		})
	}
}

func TestParse_GoodFilesGetEveryDefault(t *testing.T) {
	t.Parallel()
	eachFile(t, "good", func(t *testing.T, path string, text []byte) {
		b, err := Parse(text)
		require.NoError(t, err)
		out, err := json.MarshalIndent(b, "", "  ")
		require.NoError(t, err)
		golden(t, strings.TrimSuffix(path, ".yaml")+".json", string(out)+"\n")
	})
}

func TestParse_BadFilesSayWhereAndWhatWasExpected(t *testing.T) {
	t.Parallel()
	eachFile(t, "bad", func(t *testing.T, path string, text []byte) {
		b, err := Parse(text)
		require.Nil(t, b, "nothing is returned with an error")
		var perr *platform.Error
		require.ErrorAs(t, err, &perr)
		require.Equal(t, platform.CodeInvalid, perr.Code)
		require.Regexp(t, `^fairlead\.yaml, line \d+, column \d+: .*\.$`, perr.Message)
		golden(t, strings.TrimSuffix(path, ".yaml")+".txt", perr.Message+"\n"+perr.Hint+"\n")
	})
}

func TestParse_DefaultsAreThoseOfThePlatform(t *testing.T) {
	t.Parallel()
	b, err := Parse([]byte("project: shop\nservices: [{name: api, type: web, port: 8000}]"))
	require.NoError(t, err)
	want := platform.ServiceSpec{
		Name: "api", Kind: platform.KindWeb, Port: 8000, Replicas: 1, AutoDeploy: true, Drain: platform.DefaultDrain,
		Build: &platform.BuildSpec{Context: ".", Dockerfile: "Dockerfile"},
		Health: platform.HealthCheck{
			Kind: platform.HealthHTTP, Path: platform.DefaultHealthPath, Interval: platform.DefaultHealthInterval,
			Timeout: platform.DefaultHealthTimeout, Grace: platform.DefaultHealthGrace, Failures: platform.DefaultHealthFailures,
		},
	}
	got, ok := b.Service("api")
	require.True(t, ok)
	require.Empty(t, cmp.Diff(want, got))
	require.Equal(t, DefaultBranch, b.Branch)
	_, ok = b.Service("other")
	require.False(t, ok)
}

func TestParse_SizeIsLimited(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte("project: shop\n#" + strings.Repeat("x", MaxSize)))
	require.ErrorContains(t, err, "may have 1048576")
}

func TestParse_BrokenLargeFileIsAnsweredQuickly(t *testing.T) {
	t.Parallel()
	text := "project: [\n" + strings.Repeat("- a: b\n", 9000)
	began := time.Now()
	_, err := Parse([]byte(text))
	require.Error(t, err)
	require.Less(t, time.Since(began), 20*time.Second)
	t.Logf("%d bytes took %s", len(text), time.Since(began))
}

func TestParse_SizesAreReadWithTheirUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"512Mi": 512 << 20, "1.5Gi": 3 << 29, "8192Ki": 8 << 20, "512M": 512e6, "2G": 2e9, "10000K": 1e7, "1Ti": 1 << 40,
	} {
		b, err := Parse([]byte("project: p\nservices: [{name: a, type: worker, resources: {memory: " + text + "}}]"))
		require.NoError(t, err, text)
		require.Equal(t, want, b.Services[0].Resources.MemoryBytes, text)
	}
	for _, text := range []string{"5Mi", "512", "512MB", "-1Gi", "1e3Mi", "NaNGi", "99999999999Ti", "1,5Gi", ""} {
		_, err := Parse([]byte(`project: p` + "\n" + `services: [{name: a, type: worker, resources: {memory: "` + text + `"}}]`))
		require.Error(t, err, text)
	}
}

func TestDiff_ListsEveryFieldAsALine(t *testing.T) {
	t.Parallel()
	old, err := Parse([]byte(`
project: shop
services:
  - {name: api, type: web, port: 8000, env: {A: "1", GONE: "", LONG: "` + strings.Repeat("x", 100) + `a"}, command: [a, b], disk: {name: d, mountPath: /d}}
  - {name: old, type: worker}
  - {name: same, type: worker}
`))
	require.NoError(t, err)
	updated, err := Parse([]byte(`
project: shop
services:
  - {name: same, type: worker}
  - {name: new, type: private, port: 1}
  - {name: api, type: web, image: nginx, port: 9000, env: {A: "2", B: "", LONG: "` + strings.Repeat("x", 100) + `b"}, command: [a b], resources: {memory: 1Gi, cpus: 0.5}, healthCheck: {grace: 1m}}
`))
	require.NoError(t, err)
	var lines []string
	for _, c := range Diff(old.Services, updated.Services) {
		lines = append(lines, c.String())
	}
	long := `"` + strings.Repeat("x", 76) + "..."
	require.Empty(t, cmp.Diff([]string{
		"~ api context: no longer .",
		"~ api dockerfile: no longer Dockerfile",
		"~ api image: set to nginx",
		`~ api command: ["a" "b"] -> ["a b"]`,
		"~ api port: 8000 -> 9000",
		"~ api healthCheck.grace: 15m -> 1m",
		"~ api resources.cpus: set to 0.5",
		"~ api resources.memory: set to 1Gi",
		`~ api env.A: "1" -> "2"`,
		`~ api env.B: set to ""`,
		"~ api env.LONG: " + long + " -> " + long,
		`~ api env.GONE: no longer ""`,
		"~ api disk.name: no longer d",
		"~ api disk.mountPath: no longer /d",
		"~ api disk.sizeGB: no longer 1",
		"~ api disk.swap: no longer hold",
		"+ new (private)",
		"- old (worker)",
	}, lines))
	require.Empty(t, Diff(old.Services, old.Services))
}

func TestDiff_IsEmptyExactlyWhenTheSpecsAreEqual(t *testing.T) {
	t.Parallel()
	spec := rapid.Custom(func(t *rapid.T) platform.ServiceSpec {
		return platform.ServiceSpec{
			Name: "api", Kind: rapid.SampledFrom([]platform.ServiceKind{platform.KindWeb, platform.KindPrivate}).Draw(t, "kind"),
			Port: rapid.IntRange(1, 3).Draw(t, "port"), Replicas: rapid.IntRange(1, 3).Draw(t, "replicas"),
			Env:       rapid.MapOfN(rapid.SampledFrom([]string{"A", "B"}), rapid.SampledFrom([]string{"", "x"}), 1, 2).Draw(t, "env"),
			Resources: platform.Resources{MemoryBytes: rapid.SampledFrom([]int64{0, 1 << 20, 1<<20 + 1}).Draw(t, "memory")},
			Command:   rapid.SliceOfN(rapid.SampledFrom([]string{"a", "a b", ""}), 1, 2).Draw(t, "command"),
			Drain:     platform.Duration(rapid.Int64Range(0, 3).Draw(t, "drain")) * platform.Duration(time.Second),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := spec.Draw(t, "a"), spec.Draw(t, "b")
		changes := Diff([]platform.ServiceSpec{a}, []platform.ServiceSpec{b})
		if cmp.Equal(a, b) != (len(changes) == 0) {
			t.Fatalf("%v for %s", changes, cmp.Diff(a, b))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, dir := range []string{"good", "bad"} {
		paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
		require.NoError(f, err)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(f, err)
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := Parse(text)
		if err != nil {
			var perr *platform.Error
			if b != nil || !errors.As(err, &perr) || perr.Code != platform.CodeInvalid {
				t.Fatalf("%v, %v", b, err)
			}
			return
		}
		for _, s := range b.Services {
			if platform.CheckName("name", s.Name) != nil || (s.Build == nil) == (s.Image == "") || !s.Health.Kind.Valid() || s.Replicas < 1 {
				t.Fatalf("accepted %+v", s)
			}
			if s.Build != nil && (strings.HasPrefix(s.Build.Dockerfile, "..") || strings.HasPrefix(s.Build.Context, "/")) {
				t.Fatalf("accepted a path outside: %+v", s.Build)
			}
		}
		if changes := Diff(b.Services, b.Services); len(changes) != 0 {
			t.Fatalf("differs from itself: %v", changes)
		}
	})
}
