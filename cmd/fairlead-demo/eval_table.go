package main

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"time"

	"github.com/fairlead/fairlead/agent/eval/scenarios"
	"github.com/fairlead/fairlead/platform"
)

// What the evaluation must reach.
const (
	mustCategory  = 0.90
	mustChange    = 0.90
	mustDiagnosis = 1000.0 // milliseconds, median
)

// printLine says in one line how a scenario went, and why where it went wrong.
func printLine(out io.Writer, r scenarios.Result) {
	word := "ok  "
	if !r.Right() {
		word = "MISS"
	}
	if r.Error != "" {
		fmt.Fprintf(out, "%s %-24s not played to its end: %s\n", word, r.Name, platform.Truncate(r.Error, 900))
		return
	}
	fmt.Fprintf(out, "%s %-24s %s by %s: %s; diagnosed in %.0f ms, %.0f s in all\n", word, r.Name, r.Verdict, orNothing(string(r.Signal)), r.Category, r.DiagnosisMS, r.TookMS/1000)
	if r.Right() {
		return
	}
	for _, g := range r.Causes[:min(3, len(r.Causes))] {
		fmt.Fprintf(out, "       said: %s of %s, change %s, score %.2f\n", g.Category, g.Service, platform.ShortSHA(g.Change), g.Score)
	}
	fmt.Fprintf(out, "       right: %s of %s, change %s; %s\n", r.Expected.Category, r.Expected.Service, platform.ShortSHA(r.Expected.Change), platform.Truncate(r.Summary, 300))
}

func orNothing(word string) string {
	if word == "" {
		return "no incident"
	}
	return word
}

// share is a count out of a total.
type share struct{ yes, of int }

func (s *share) add(yes bool) {
	s.of++
	if yes {
		s.yes++
	}
}

func (s share) rate() float64 {
	if s.of == 0 {
		return 1
	}
	return float64(s.yes) / float64(s.of)
}

func (s share) String() string { return fmt.Sprintf("%d/%d", s.yes, s.of) }

// tally is one row of the table.
type tally struct {
	name                                                              string
	played, verdict, category, service, change, top3, convicted, none share
	times                                                             []float64
}

func (t *tally) add(r scenarios.Result) {
	t.played.add(r.Error == "")
	t.verdict.add(r.VerdictRight)
	t.category.add(r.CategoryRight)
	t.service.add(r.ServiceRight)
	t.change.add(r.ChangeRight)
	t.top3.add(r.InTop3)
	t.convicted.add(r.Convicted)
	t.none.add(r.Abstained)
	if r.Error == "" && r.DiagnosisMS > 0 {
		t.times = append(t.times, r.DiagnosisMS)
	}
}

// middle is the median, 0 of nothing.
func (t *tally) middle() float64 {
	if len(t.times) == 0 {
		return 0
	}
	slices.Sort(t.times)
	return t.times[len(t.times)/2]
}

const (
	tableHead = "%-24s %7s %9s %9s %8s %7s %6s %9s %10s %11s\n"
	tableRow  = "%-24s %7s %9s %9s %8s %7s %6s %9d %10d %8.0f ms\n"
)

// printResults prints one row for each category and one for all.
func printResults(out io.Writer, results []scenarios.Result, took time.Duration) {
	rows := map[string]*tally{}
	all := tally{name: "all"}
	for _, r := range results {
		name := string(r.Expected.Category)
		if rows[name] == nil {
			rows[name] = &tally{name: name}
		}
		rows[name].add(r)
		all.add(r)
	}
	names := make([]string, 0, len(rows))
	for name := range rows {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(out, "\n"+tableHead, "category", "played", "verdict", "category", "service", "change", "top 3", "convicted", "abstained", "median")
	for _, name := range names {
		rows[name].print(out)
	}
	all.print(out)
	fmt.Fprintf(out, "\n%d scenarios in %s; convicted counts innocent commits\n", len(results), took.Round(time.Second))
	for _, m := range musts(results) {
		fmt.Fprintf(out, "%-4s %s: %s\n", map[bool]string{true: "ok", false: "MISS"}[m.met], m.what, m.seen)
	}
}

func (t *tally) print(out io.Writer) {
	fmt.Fprintf(out, tableRow, t.name, t.played, t.verdict, t.category, t.service, t.change, t.top3, t.convicted.yes, t.none.yes, t.middle())
}

// must is one thing that the evaluation must reach.
type must struct {
	what, seen string
	met        bool
}

func musts(results []scenarios.Result) []must {
	var all, healthy tally
	for _, r := range results {
		all.add(r)
		if r.Expected.Verdict == platform.VerdictHealthy {
			healthy.add(r)
		}
	}
	rate := func(s share, least float64) (string, bool) { return fmt.Sprintf("%.2f", s.rate()), s.rate() >= least }
	category, categoryMet := rate(all.category, mustCategory)
	change, changeMet := rate(all.change, mustChange)
	return []must{
		{fmt.Sprintf("the right category in at least %.2f", mustCategory), category, categoryMet},
		{fmt.Sprintf("the right change in at least %.2f", mustChange), change, changeMet},
		{"no innocent commit convicted", fmt.Sprint(all.convicted.yes), all.convicted.yes == 0},
		{"every healthy case called healthy", healthy.verdict.String(), healthy.verdict.rate() == 1},
		{fmt.Sprintf("median diagnosis under %.0f ms", mustDiagnosis), fmt.Sprintf("%.0f ms", all.middle()), all.middle() < mustDiagnosis},
	}
}

// meets reports whether the results are as good as they must be.
func meets(results []scenarios.Result) bool {
	return !slices.ContainsFunc(musts(results), func(m must) bool { return !m.met })
}
