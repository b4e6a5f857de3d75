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
	var out []Result
	err := each(dir, func(name, folder string, want Expected) error {
		out = append(out, explained(name, folder, want))
		return nil
	})
	return out, err
}

// explained diagnoses one bundle and holds the answer against what is expected.
func explained(name, folder string, want Expected) Result {
	d, _, err := agent.ExplainBundle(folder)
	if err != nil {
		return Failed(name, want, err)
	}
	return Score(name, want, d)
}

// each calls do for every bundle in dir that has a known answer, by name.
func each(dir string, do func(name, folder string, want Expected) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list bundles: %w", err)
	}
	for _, entry := range entries {
		folder := filepath.Join(dir, entry.Name())
		data, err := os.ReadFile(filepath.Join(folder, "expected.json"))
		if !entry.IsDir() || err != nil {
			continue
		}
		var want Expected
		if err := json.Unmarshal(data, &want); err != nil {
			return fmt.Errorf("read expected.json of %s: %w", entry.Name(), err)
		}
		if err := do(entry.Name(), folder, want); err != nil {
			return err
		}
	}
	return nil
}
