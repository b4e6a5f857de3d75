package observabilitytest_test

import (
	"testing"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/observabilitytest"
)

func TestMemoryLogs_KeepsTheContract(t *testing.T) {
	t.Parallel()
	observabilitytest.ExerciseLogs(t, func(*testing.T) observability.Logs { return &observabilitytest.MemoryLogs{} })
}
