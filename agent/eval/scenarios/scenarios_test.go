package scenarios_test

import (
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/eval/scenarios"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/blueprint"
)

func all(t *testing.T) scenarios.Set {
	t.Helper()
	set, err := scenarios.LoadAll()
	require.NoError(t, err)
	return set
}

func TestScenarios_EachCommitAppliesAndEveryBlueprintOnTheWayIsValid(t *testing.T) {
	t.Parallel()
	set := all(t)
	for _, c := range set.Cases {
		tree, err := scenarios.Tree(c, "trial")
		require.NoError(t, err, c.Name)
		readBlueprint(t, c.Name, tree)
		for i, step := range c.Steps {
			commit := step.Commit
			if step.Use != "" {
				innocent := set.Innocent(step.Use)
				commit = &innocent
			}
			if commit == nil {
				continue
			}
			require.NotEmpty(t, commit.Message, "%s, step %d", c.Name, i+1)
			_, err := commit.Apply(tree)
			require.NoError(t, err, c.Name)
			readBlueprint(t, c.Name, tree)
		}
	}
}

func readBlueprint(t *testing.T, name string, tree map[string][]byte) {
	t.Helper()
	_, err := blueprint.Parse(tree["fairlead.yaml"])
	require.NoError(t, err, name)
}

// TestScenarios_AreAsManyAndAsMixedAsPromised holds what the evaluation says of itself.
func TestScenarios_AreAsManyAndAsMixedAsPromised(t *testing.T) {
	t.Parallel()
	innocent, healthy := 0, 0
	for _, c := range all(t).Cases {
		switch {
		case c.Verdict == platform.VerdictHealthy:
			healthy++
		case c.Change == scenarios.ChangeNone:
			innocent++
		}
	}
	require.GreaterOrEqual(t, len(all(t).Cases), 40)
	require.GreaterOrEqual(t, innocent, 8, "no code is to blame")
	require.GreaterOrEqual(t, healthy, 4)
}

// TestScenarios_AnInnocentDeployStandsNearEachFault: convicting whatever was deployed last must not pay.
func TestScenarios_AnInnocentDeployStandsNearEachFault(t *testing.T) {
	t.Parallel()
	set := all(t)
	for _, c := range set.Cases {
		deployed := false
		for _, step := range c.Steps {
			commit := set.Innocent(step.Use)
			if step.Commit != nil && step.Commit.Name != scenarios.ChangeGuilty {
				commit = *step.Commit
			}
			for file := range commit.Edit {
				deployed = deployed || strings.Contains(path.Dir(file), "/") || path.Dir(file) != "." && path.Dir(file) != "docs"
			}
		}
		require.True(t, deployed, "%s has no innocent commit that deploys a service", c.Name)
	}
}
