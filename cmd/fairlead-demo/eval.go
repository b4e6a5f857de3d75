package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/agent/eval/scenarios"
)

// evaluation is what the word eval was called with.
type evaluation struct {
	binary, out, only string
	list              bool
	atOnce            int
}

// evaluate plays the scenarios in one world and scores what the engine said of each.
func evaluate(ctx context.Context, e evaluation) int {
	set, err := scenarios.LoadAll()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var names []string
	if e.only != "" {
		names = strings.Split(e.only, ",")
	}
	cases, err := set.Find(names)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if e.list {
		for _, c := range cases {
			fmt.Printf("%-24s %-22s %s\n", c.Name, c.Category, c.About)
		}
		return 0
	}
	w, err := newWorld(ctx, e.binary, "", newReport(os.Stderr))
	w.projects = nil
	for _, c := range cases {
		w.projects = append(w.projects, projectOf(c))
	}
	defer func() { w.close(false) }()
	if err != nil {
		fmt.Fprintf(os.Stderr, "the world of the evaluation could not be made: %v\n", err)
		w.dump()
		return 1
	}
	began := time.Now()
	w.records = filepath.Join(filepath.Dir(e.out), "incidents")
	results := w.playAll(ctx, set, cases, max(1, e.atOnce))
	printResults(os.Stdout, results, time.Since(began))
	if err := writeJSON(e.out, results); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if !meets(results) {
		return 1
	}
	return 0
}

func projectOf(c scenarios.Case) string { return "eval-" + strings.ReplaceAll(c.Name, "_", "-") }

// playAll plays so many scenarios side by side, and then those that must be alone one after the other.
func (w *world) playAll(ctx context.Context, set scenarios.Set, cases []scenarios.Case, atOnce int) []scenarios.Result {
	results := make([]scenarios.Result, len(cases))
	var alone []int
	next := make(chan int)
	var players sync.WaitGroup
	for range atOnce {
		players.Go(func() {
			for i := range next {
				results[i] = w.play(ctx, set, cases[i])
			}
		})
	}
	for i, c := range cases {
		if c.Alone {
			alone = append(alone, i)
			continue
		}
		next <- i
	}
	close(next)
	players.Wait()
	for _, i := range alone {
		results[i] = w.play(ctx, set, cases[i])
	}
	return results
}

// play runs one scenario from its first push to its score, and removes what it made.
func (w *world) play(ctx context.Context, set scenarios.Set, c scenarios.Case) scenarios.Result {
	s := &scene{world: w, set: set, c: c, project: projectOf(c), shas: map[string]string{}, loads: map[string]*running{}}
	began := time.Now()
	r, err := s.play(ctx)
	s.end(ctx)
	r.Name, r.TookMS = c.Name, float64(time.Since(began).Milliseconds())
	if err != nil {
		r.Expected = scenarios.Expect(c, s.shas, s.innocent)
		r.Error = err.Error()
	}
	r.Incidents = s.opened
	w.mu.Lock()
	defer w.mu.Unlock()
	printLine(os.Stdout, r)
	return r
}

// writeJSON writes a value into a file, with its folder where that is missing.
func writeJSON(file string, value any) error {
	raw, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.WriteFile(file, append(raw, '\n'), 0o644)
}
