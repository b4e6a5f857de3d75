package eval_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/agent/eval"
)

var folder = flag.String("bundles", "testdata", "the folder of bundles to score")

func TestRun_EveryBundleIsExplained(t *testing.T) {
	t.Parallel()
	results, err := eval.Run(*folder)
	require.NoError(t, err)
	for _, r := range results {
		mark := func(ok bool) string {
			if ok {
				return "ok "
			}
			return "NO "
		}
		top := ""
		if len(r.Got.Causes) > 0 {
			top = r.Got.Causes[0].Service
		}
		if !r.Category || !r.Right || !r.Service {
			for _, g := range r.Got.Gaps {
				if len(g) > 0 && g[0] == 'a' && g[1] == 'n' {
					t.Logf("      gap %s", g)
				}
			}
			for _, x := range r.Got.RuledOut {
				t.Logf("      out %s: %s", x.Hypothesis, x.Why)
			}
			for i, c := range r.Got.Causes {
				if i > 3 {
					break
				}
				id := "-"
				if c.Change != nil {
					id = c.Change.ID
				}
				t.Logf("      %d %s %s %.2f %s", c.Rank, c.Category, c.Service, c.Score, id)
				for _, cl := range c.Claims {
					t.Logf("          %s {%.160s}", cl.Text, cl.Quote)
				}
			}
		}
		t.Logf("%s cat %s%s/%s  chg %s%s/%s  svc %s%s/%s conf %.2f convicted=%v %s | %s", r.Name, mark(r.Category), r.Got.Category, r.Want.Category, mark(r.Right), r.Change, r.Want.Change, mark(r.Service), top, r.Want.Service, r.Got.Confidence, r.Convicted, r.Took, r.Got.Summary)
	}
	s := eval.Sum(results)
	t.Logf("%+v", s)
}
