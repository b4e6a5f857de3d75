package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// figure is one line of the table that every bench prints and writes.
type figure struct {
	Name  string             `json:"name"`
	Value float64            `json:"value"`
	Unit  string             `json:"unit"`
	Op    string             `json:"op"` // "<=" or ">="
	Must  float64            `json:"must"`
	Aim   float64            `json:"aim"`
	Peers map[string]float64 `json:"peers"`
	Met   bool               `json:"met"`
}

// atMost is a figure that must not be exceeded.
func atMost(name string, value float64, unit string, must, aim float64, peers map[string]float64) figure {
	return figure{Name: name, Value: value, Unit: unit, Op: "<=", Must: must, Aim: aim, Peers: peers, Met: value <= must}
}

// atLeast is a figure that must be reached.
func atLeast(name string, value float64, unit string, must, aim float64, peers map[string]float64) figure {
	return figure{Name: name, Value: value, Unit: unit, Op: ">=", Must: must, Aim: aim, Peers: peers, Met: value >= must}
}

// printFigures prints the table, writes it to the file, and returns the exit code: 1 when a must is missed.
func printFigures(figures []figure, out string) int {
	code := 0
	rows := [][]string{{"figure", "measured", "must", "aim", "", "beside"}}
	for _, f := range figures {
		mark := "met"
		if !f.Met {
			mark, code = "MISSED", 1
		}
		beside := ""
		for i, name := range slices.Sorted(maps.Keys(f.Peers)) {
			if i > 0 {
				beside += ", "
			}
			beside += name + " " + measured(f.Peers[name])
		}
		rows = append(rows, []string{f.Name, measured(f.Value) + " " + f.Unit, f.Op + " " + measured(f.Must), measured(f.Aim), mark, beside})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, row := range rows {
		fmt.Printf("%-*s  %*s  %*s  %*s  %-*s  %s\n", widths[0], row[0], widths[1], row[1], widths[2], row[2], widths[3], row[3], widths[4], row[4], row[5])
	}
	raw, err := json.MarshalIndent(map[string]any{"figures": figures}, "", "  ")
	if err == nil {
		if err = os.MkdirAll(filepath.Dir(out), 0o755); err == nil {
			err = os.WriteFile(out, append(raw, '\n'), 0o644)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "write %s: %v\n", out, err)
		return 1
	}
	return code
}

// measured writes a number with three digits that count.
func measured(v float64) string {
	if v >= 100 || v == float64(int64(v)) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func median(values []time.Duration) time.Duration { return quantile(values, 0.5) }
func middle(values []float64) float64             { return quantile(values, 0.5) }

// quantile returns the value at q of the values, 0 for none.
func quantile[T cmp.Ordered](values []T, q float64) T {
	if len(values) == 0 {
		var none T
		return none
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
