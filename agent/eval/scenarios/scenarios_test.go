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

// categories that a diagnosis may have; each is played.
const categories = `oom_killed cuda_oom missing_env port_mismatch bad_health_path slow_start migration_failed schema_mismatch
	disk_full image_pull arch_mismatch bad_command dependency_down dns_failure bad_credentials queue_backlog poison_message
	memory_leak bad_config upstream_5xx rate_limited build_failed import_error gpu_unavailable shm_exhausted
	volume_permission read_only_fs fd_exhausted pool_exhausted port_in_use noisy_neighbour cert_expired clock_skew
	traffic_surge retry_storm hang ungraceful_stop missing_mount_or_network bad_model_artifact request_too_large log_flood
	code_error latency_regression cache_stampede flag_change healthy`

func TestScenarios_EveryCategoryIsPlayed(t *testing.T) {
	t.Parallel()
	played := map[string]bool{}
	for _, c := range all(t).Cases {
		played[string(c.Category)] = true
	}
	for _, category := range strings.Fields(categories) {
		require.True(t, played[category], category)
		delete(played, category)
	}
	require.Empty(t, played, "categories that are none")
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
