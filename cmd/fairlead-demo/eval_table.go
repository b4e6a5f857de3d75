package main

import (
	"fmt"
	"io"
	"sort"

	"github.com/fairlead/fairlead/agent/eval"
	"github.com/fairlead/fairlead/agent/eval/scenarios"
	"github.com/fairlead/fairlead/platform"
)

// printLine says in one line how an incident was explained, and why where that is wrong.
func printLine(out io.Writer, r eval.Result) {
	word := "ok  "
	if !r.Right() {
		word = "MISS"
	}
	if r.Error != "" {
		fmt.Fprintf(out, "%s %-24s not explained: %s\n", word, r.Name, platform.Truncate(r.Error, 900))
		return
	}
	fmt.Fprintf(out, "%s %-24s %s: %s, in %.0f ms\n", word, r.Name, r.Verdict, r.Category, milliseconds(r.Took.D()))
	if r.Right() {
		return
	}
	for _, g := range r.Causes[:min(3, len(r.Causes))] {
		fmt.Fprintf(out, "       said: %s of %s, change %s, score %.2f\n", g.Category, g.Service, platform.ShortSHA(g.Change), g.Score)
	}
	fmt.Fprintf(out, "       right: %s of %s, change %s; %s\n", r.Expected.Category, r.Expected.Service, platform.ShortSHA(r.Expected.Change), platform.Truncate(r.Summary, 300))
}

const (
	tableHead = "%-26s %7s %9s %8s %8s %8s %8s %9s %9s %11s\n"
	tableRow  = "%-26s %7s %9s %8s %8s %8s %8s %9d %9d %8.1f ms\n"
)

// printTable prints one row for each category and one for all. What is not played counts as wrong.
func printTable(out io.Writer, title string, results []eval.Result) {
	byCategory := map[string][]eval.Result{}
	for _, r := range results {
		byCategory[string(r.Expected.Category)] = append(byCategory[string(r.Expected.Category)], r)
	}
	names := make([]string, 0, len(byCategory))
	for name := range byCategory {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(out, "\n"+tableHead, title, "scored", "verdict", "top 1", "top 3", "service", "change", "convicted", "abstained", "median")
	for _, name := range names {
		printRow(out, name, byCategory[name])
	}
	printRow(out, "all", results)
}

func printRow(out io.Writer, name string, results []eval.Result) {
	s := eval.Sum(results)
	abstained := 0
	for _, r := range results {
		if r.Abstained {
			abstained++
		}
	}
	fmt.Fprintf(out, tableRow, name, of(s.Played), of(s.Verdict), of(s.Category), of(s.Top3), of(s.Service), of(s.Change), s.Convicted, abstained, milliseconds(s.Median))
}

func of(s eval.Share) string { return fmt.Sprintf("%d/%d", s.Yes, s.Of) }

// scoreFigures are what diagnoses must reach, with the name of the set before each.
func scoreFigures(set string, results []eval.Result) []figure {
	s := eval.Sum(results)
	return []figure{
		atLeast(set+": came to a diagnosis", s.Played.Rate(), "of 1", 0.95, 1, nil),
		atLeast(set+": right category", s.Category.Rate(), "of 1", 0.90, 0.98, nil),
		atLeast(set+": right category among the first three", s.Top3.Rate(), "of 1", 0.90, 1, nil),
		atLeast(set+": right change", s.Change.Rate(), "of 1", 0.90, 0.98, nil),
		atLeast(set+": right first failing service", s.Service.Rate(), "of 1", 0.80, 0.95, nil),
		atMost(set+": innocent changes convicted", float64(s.Convicted), "", 0, 0, nil),
		atLeast(set+": healthy called healthy", s.Healthy.Rate(), "of 1", 1, 1, nil),
		atLeast(set+": names a cause where there is one", s.Answered.Rate(), "of 1", 0.90, 0.98, nil),
		atMost(set+": median time to a diagnosis", milliseconds(s.Median), "ms", 1000, 200, nil),
	}
}

// leftOutFigure says how often an innocent change is convicted once the guilty one is not there to be found.
func leftOutFigure(less []eval.Result) figure {
	return atMost("bundles less their guilty change: innocent changes convicted", float64(eval.Sum(less).Convicted), fmt.Sprintf("of %d", len(less)), 0, 0, nil)
}

// offlineFigures say whether the bundles of played incidents give the answers that the incidents got.
func offlineFigures(played []scenarios.Result) []figure {
	var same, plain eval.Share
	for _, r := range played {
		if r.Offline != nil {
			same.Add(r.Offline.Same)
			plain.Add(r.Offline.Plain)
		}
	}
	return []figure{
		atLeast("faults: same answer from the exported bundle", same.Rate(), "of 1", 1, 1, nil),
		atLeast("faults: same answer from its plain files alone", plain.Rate(), "of 1", 0, 0.9, nil),
	}
}

// groupingFigures score the template miner on labelled samples.
func groupingFigures(dir string) ([]figure, error) {
	all, err := eval.Groupings(dir)
	if err != nil {
		return nil, err
	}
	fmt.Printf("\n%-26s %8s %9s %9s\n", "labelled logs", "lines", "content", "whole")
	for _, g := range all {
		whole := "-"
		if g.Whole != nil {
			whole = fmt.Sprintf("%.4f", *g.Whole)
		}
		fmt.Printf("%-26s %8d %9.4f %9s\n", g.Name, g.Lines, g.Content, whole)
	}
	content, whole := eval.MeanGrouping(all)
	figures := []figure{atLeast("log templates: grouping accuracy, mean", content, "of 1", 0.90, 0.95, nil)}
	if whole != nil {
		figures = append(figures, atLeast("log templates: grouping accuracy of whole lines, mean", *whole, "of 1", 0.90, 0.95, nil))
	}
	return figures, nil
}
