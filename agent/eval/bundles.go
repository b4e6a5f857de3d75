package eval

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fairlead/fairlead/agent"
)

// Run diagnoses every bundle in the folder that has an expected.json, by name. A bundle that cannot be read is a result that
// says so; the error is that the folder, or an expected.json, cannot be read.
func Run(dir string) ([]Result, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list bundles: %w", err)
	}
	var out []Result
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name(), "expected.json"))
		if !entry.IsDir() || err != nil {
			continue
		}
		var want Expected
		if err := json.Unmarshal(data, &want); err != nil {
			return nil, fmt.Errorf("read expected.json of %s: %w", entry.Name(), err)
		}
		d, _, err := agent.ExplainBundle(filepath.Join(dir, entry.Name()))
		if err != nil {
			out = append(out, Failed(entry.Name(), want, err))
			continue
		}
		out = append(out, Score(entry.Name(), want, d))
	}
	return out, nil
}
