package main

import (
	"fmt"
	"os"
	"slices"
	"sort"

	"github.com/fairlead/fairlead/agent/eval"
	"github.com/fairlead/fairlead/platform"
)

// evalBundles explains every bundle of a folder, prints what was right for each category and in all, and writes the figures.
func evalBundles(dir, out string) int {
	results, err := eval.Run(dir)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\n", err)
		return 1
	}
	if len(results) == 0 {
		fmt.Fprintf(os.Stderr, "%s holds no bundle with an expected.json\n", dir)
		return 1
	}
	printMisses(results)
	printCategories(results)
	s := eval.Sum(results)
	fmt.Printf("\n%d bundles, %d said to have no known cause\n\n", s.Bundles, s.Abstentions)
	return printFigures([]figure{
		atLeast("right category", s.Category, "of 1", 0.90, 0.98, nil),
		atLeast("right category among the first three", s.Top3, "of 1", 0.90, 1, nil),
		atLeast("right change", s.Change, "of 1", 0.90, 0.98, nil),
		atLeast("right first failing service", s.Service, "of 1", 0.80, 0.95, nil),
		atMost("decoys convicted", float64(s.Convicted), "", 0, 0, nil),
		atMost("healthy not called healthy", float64(s.HealthyFell), "", 0, 0, nil),
		atMost("median time to a diagnosis", s.Median.Seconds()*1000, "ms", 1000, 200, nil),
	}, out)
}

func printMisses(results []eval.Result) {
	for _, r := range results {
		if r.Category && r.Right && !r.Convicted {
			continue
		}
		fmt.Printf("MISS %-28s said %s, change %s; right: %s, change %s\n", r.Name, r.Got.Category, platform.ShortSHA(r.Change), r.Want.Category, platform.ShortSHA(r.Want.Change))
	}
}

// printCategories prints one line for each category that was asked for.
func printCategories(results []eval.Result) {
	byCategory := map[platform.Category][]eval.Result{}
	var names []platform.Category
	for _, r := range results {
		if !slices.Contains(names, r.Want.Category) {
			names = append(names, r.Want.Category)
		}
		byCategory[r.Want.Category] = append(byCategory[r.Want.Category], r)
	}
	sort.Slice(names, func(i, j int) bool { return names[i] < names[j] })
	fmt.Printf("\n%-26s %8s %9s %7s %7s %8s %7s\n", "category", "bundles", "category", "top 3", "change", "service", "decoys")
	for _, name := range names {
		s := eval.Sum(byCategory[name])
		fmt.Printf("%-26s %8d %9.2f %7.2f %7.2f %8.2f %7d\n", name, s.Bundles, s.Category, s.Top3, s.Change, s.Service, s.Convicted)
	}
}
