package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const modulePath = "github.com/fairlead/fairlead/"

// floors says on which floor each package stands: imports point down only. A package that is not listed fails the test,
// so that a new one is placed with thought. Test helpers (…test, testdata) may import anything below their subject.
var floors = map[string]int{
	"platform": 0, "platform/routing": 0, "platform/secret": 0, "platform/durable": 0, "platform/heap": 0, "agent/patterns": 0, "agent/series": 0,

	"platform/rollout": 1, "platform/blueprint": 1, "platform/policy": 1, "platform/runtime": 1, "platform/jobs": 1, "observability": 1, "prompts": 1,
	"agent/causes": 1, "agent/bundle": 1, "observability/promql": 1, "observability/usage": 1, "observability/tracing": 1, "observability/meter": 1,
	"observability/servicemap": 1, "observability/parse": 2, "observability/detect": 2,

	"platform/runtime/docker": 2, "platform/source": 2, "platform/build": 2, "platform/store": 2, "platform/embeddedpg": 2,
	"platform/router": 2, "platform/router/loadtest": 2, "observability/embedded": 2, "observability/embedded/quiet": 0,
	"observability/prometheus": 2, "observability/exposition": 2, "observability/scrape": 2,
	"observability/loki": 2, "observability/traces": 2, "observability/otlp": 2,
	"observability/spool": 2, "observability/forward": 3,
	"agent/notify": 2, "agent/triage": 2, "agent/eval/scenarios": 6,

	"platform/control": 3, "observability/collect": 3, "observability/collect/host": 2, "observability/collect/gpu": 2, "agent/evidence": 3,

	// worker stands one floor above control: every effect it has is recorded through the one door.
	"platform/worker": 4, "platform/httpapi": 4, "platform/client": 4, "platform/dashboard": 4, "agent": 4, "agent/eval": 5, "mcp/toolkit": 4,

	"mcp/tools": 5, "mcp": 6, "cmd/fairlead/cli": 6, "cmd/fairlead": 7, "cmd/fairlead-demo": 7,
}

// neverArrows are forbidden whatever the floors say, with the reason.
var neverArrows = []struct{ from, to, why string }{
	{"platform", "", "the nouns import the standard library only"},
	{"platform/router", "platform/", "the router needs nobody: only the wire contract, and files that are whole"},
	{"agent", "platform/control", "the agent has no hands"},
	{"agent", "platform/store", "the agent has no hands"},
	{"agent", "platform/runtime", "the agent has no hands"},
	{"mcp", "platform/store", "a face goes through the API"},
	{"mcp", "platform/control", "a face goes through the API"},
	{"cmd/fairlead/cli", "platform/store", "a verb goes through the API"},
	{"cmd/fairlead/cli", "platform/control", "a verb goes through the API"},
	{"cmd/fairlead/cli", "platform/httpapi", "a verb goes through the API"},
	{"platform/dashboard", "platform/store", "a face goes through the API"},
	{"platform/dashboard", "platform/control", "a face goes through the API"},
	{"platform/httpapi", "platform/store", "a face goes through control"},
	{"platform/httpapi", "platform/runtime/docker", "a face goes through control"},
	{"platform/control", "platform/runtime/docker", "control records, worker does"},
	{"platform/runtime/docker", "platform/store", "adapters do not know each other"},
	{"platform/build", "platform/source", "adapters do not know each other"},
	{"platform/source", "platform/build", "adapters do not know each other"},
	{"platform/store", "platform/runtime", "adapters do not know each other"},
}

// allowedFromRouter are the packages that the data plane may import.
var allowedFromRouter = map[string]bool{"platform/routing": true, "platform/router": true, "platform/durable": true}

func TestImports_PointDownOnly(t *testing.T) {
	t.Parallel()
	imports := ownImports(t, false)
	require.Greater(t, len(imports), 20, "the walk must have found the tree")
	for from, targets := range imports {
		floor, known := floors[from]
		if isTestHelper(from) {
			continue
		}
		require.Truef(t, known, "package %s is on no floor: place it in floors", from)
		for _, to := range targets {
			if from == "cmd/fairlead-demo" && to == "observability/loki/lokitest" {
				continue // its log bench runs a real Loki beside ours
			}
			require.Falsef(t, isTestHelper(to), "%s imports the test package %s", from, to)
			toFloor, known := floors[to]
			require.Truef(t, known, "package %s is on no floor: place it in floors", to)
			if to == from {
				continue
			}
			sameComb := strings.HasPrefix(from, to+"/") || strings.HasPrefix(to, from+"/")
			require.Truef(t, toFloor < floor || (toFloor == floor && sameComb),
				"%s (floor %d) imports %s (floor %d): imports point down only", from, floor, to, toFloor)
		}
	}
}

func TestImports_NeverArrowsHold(t *testing.T) {
	t.Parallel()
	for from, targets := range ownImports(t, false) {
		if isTestHelper(from) {
			continue
		}
		for _, to := range targets {
			for _, never := range neverArrows {
				if !within(from, never.from) || (never.from == "platform" && from != "platform") {
					continue
				}
				if never.from == "platform/router" && allowedFromRouter[to] {
					continue
				}
				if never.from == "agent" && to == "platform/runtime" && from == "agent" {
					require.Failf(t, "never-arrow", "%s imports %s: %s", from, to, never.why)
				}
				require.Falsef(t, never.to == "" || within(to, strings.TrimSuffix(never.to, "/")),
					"%s imports %s: %s", from, to, never.why)
			}
		}
	}
}

func TestImports_VocabularyIsStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for _, path := range ownImports(t, true)["platform"] {
		require.Falsef(t, strings.Contains(strings.Split(path, "/")[0], "."), "platform imports %s", path)
	}
}

func TestPackages_SayWhatTheyAreInTheirFirstLine(t *testing.T) {
	t.Parallel()
	root := moduleRoot(t)
	for name := range ownImports(t, false) {
		dir := filepath.Join(root, filepath.FromSlash(name))
		require.Truef(t, hasPackageComment(t, dir), "package %s has no package comment", name)
	}
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func isTestHelper(name string) bool {
	for _, part := range strings.Split(name, "/") {
		if part != "loadtest" && strings.HasSuffix(part, "test") || part == "testdata" {
			return true
		}
	}
	return false
}

// ownImports parses every non-test file in process (a list made by another program would be answered from the test
// cache) and returns what each of our packages imports: our own packages by short name, or with all every import.
func ownImports(t *testing.T, all bool) map[string][]string {
	t.Helper()
	root := moduleRoot(t)
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "build" && filepath.Dir(path) == root || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		if _, ok := found[name]; !ok {
			found[name] = nil
		}
		for _, spec := range file.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if all {
				found[name] = append(found[name], target)
			} else if strings.HasPrefix(target, modulePath) {
				found[name] = append(found[name], strings.TrimPrefix(target, modulePath))
			}
		}
		return nil
	})
	require.NoError(t, err)
	return found
}

func hasPackageComment(t *testing.T, dir string) bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.ParseComments|parser.PackageClauseOnly)
		require.NoError(t, err)
		if file.Doc != nil {
			return true
		}
	}
	return false
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, parent, dir, "no go.mod above the test")
		dir = parent
	}
}
