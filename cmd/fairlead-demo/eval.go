package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/agent/eval"
	"github.com/fairlead/fairlead/agent/eval/scenarios"
	"github.com/fairlead/fairlead/platform"
)

// evaluation is what an evaluation was called with.
type evaluation struct {
	binary, out string
	bundles     string // folder of bundles; empty leaves them out
	loghub      string // folder of labelled log samples; empty leaves them out
	faults      bool   // play the real faults
	only        string // of these, with a comma between
	list        bool
	atOnce      int
}

// run scores everything that was asked for, the quick parts first, and prints and writes the figures. It returns the exit
// code: 1 when a must is missed or something could not be scored.
func (e evaluation) run(ctx context.Context) int {
	figures, results, err := e.quick()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if e.faults {
		played, err := e.play(ctx)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if e.list {
			return 0
		}
		scored := make([]eval.Result, len(played))
		for i, r := range played {
			scored[i] = r.Result
		}
		printTable(os.Stdout, "real faults", scored)
		figures = append(figures, scoreFigures("faults", scored)...)
		figures = append(figures, offlineFigures(played)...)
		if len(results) > 0 {
			results = append(results, scored...)
			printTable(os.Stdout, "bundles and real faults", results)
			figures = append(figures, scoreFigures("together", results)...)
		}
	}
	fmt.Println()
	return printFigures(figures, e.out)
}

// quick scores what needs no containers.
func (e evaluation) quick() (figures []figure, results []eval.Result, err error) {
	if e.loghub != "" {
		if figures, err = groupingFigures(e.loghub); err != nil {
			return nil, nil, err
		}
	}
	if e.bundles == "" {
		return figures, nil, nil
	}
	if results, err = eval.Run(e.bundles); err != nil {
		return nil, nil, err
	}
	if len(results) == 0 {
		return nil, nil, fmt.Errorf("%s holds no bundle with an expected.json", e.bundles)
	}
	for _, r := range results {
		if !r.Right() {
			printLine(os.Stdout, r)
		}
	}
	printTable(os.Stdout, "bundles", results)
	less, err := eval.LeaveOut(e.bundles)
	if err != nil {
		return nil, nil, err
	}
	figures = append(figures, scoreFigures("bundles", results)...)
	return append(figures, leftOutFigure(less)), results, nil
}

// play plays the scenarios in one world and scores what the engine said of each. What was made for it is removed in any case.
func (e evaluation) play(ctx context.Context) ([]scenarios.Result, error) {
	set, err := scenarios.LoadAll()
	if err != nil {
		return nil, err
	}
	cases, err := set.Find(strings.FieldsFunc(e.only, func(r rune) bool { return r == ',' || r == ' ' }))
	if err != nil {
		return nil, err
	}
	if e.list {
		for _, c := range cases {
			fmt.Printf("%-24s %-22s %s\n", c.Name, c.Category, c.About)
		}
		return nil, nil
	}
	fmt.Printf("\n%d real faults, %d at once; about a quarter of a minute each\n", len(cases), max(1, e.atOnce))
	w, err := newWorld(ctx, e.binary, "", newReport(os.Stderr))
	w.projects = nil
	for _, c := range cases {
		w.projects = append(w.projects, projectOf(c))
	}
	defer func() { w.close(false) }()
	if err != nil {
		w.dump()
		return nil, fmt.Errorf("make the world of the evaluation: %w", err)
	}
	w.total = len(cases)
	if w.records, err = filepath.Abs(filepath.Join("build", "eval")); err != nil {
		return nil, err
	}
	results := w.playAll(ctx, set, cases, max(1, e.atOnce))
	if ctx.Err() != nil {
		return nil, fmt.Errorf("the evaluation was ended before all faults were played: %w", context.Cause(ctx))
	}
	return results, writeJSON(filepath.Join(w.records, "faults.json"), results)
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
	if ctx.Err() != nil {
		return scenarios.Result{Result: eval.Failed(c.Name, scenarios.Expect(c, nil, nil), ctx.Err())}
	}
	s := &scene{world: w, set: set, c: c, project: projectOf(c), shas: map[string]string{}, loads: map[string]*running{}}
	began := time.Now()
	r, err := s.play(ctx)
	s.end(ctx)
	if err != nil {
		r = scenarios.Result{Result: eval.Failed(c.Name, scenarios.Expect(c, s.shas, s.innocent), err)}
	}
	r.Incidents = slices.Clone(s.opened)
	r.PlayedIn = platform.Duration(time.Since(began))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.played++
	fmt.Printf("[%d/%d, %s] ", w.played, w.total, time.Since(w.began).Round(time.Second))
	printLine(os.Stdout, r.Result)
	if r.Offline != nil && !r.Offline.Same {
		fmt.Printf("       from its bundle: %s\n", r.Offline.Said)
	}
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
