package agent_test

import (
	"fmt"
	"testing"
)

func TestZZ(t *testing.T) {
	d := badBatchSize().investigate(t).Diagnosis
	fmt.Println(d.Verdict, d.Category, d.Summary)
	for _, c := range d.Causes {
		fmt.Println(c.Category, c.Service, c.Score, c.Change, c.Variable, c.Summary)
		for _, k := range c.Claims {
			fmt.Println("   ", k.Text, "|", k.Quote)
		}
	}
	for _, r := range d.RuledOut {
		fmt.Println("  out", r.Hypothesis, r.Why)
	}
}
