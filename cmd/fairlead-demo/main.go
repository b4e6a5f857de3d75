// Command fairlead-demo walks the main job of Fairlead from nothing to its last line: push, go live behind a gate, break,
// be explained, be fixed with a human's yes. With the word bench it measures the deploy overhead instead, with bench-logs
// how fast lines are kept and found. With eval it scores diagnoses: of recorded bundles (eval-bundles) and of real faults that
// it plays (eval-faults).
//
// It owns a world of its own (state folder, Postgres, server, router, free ports) and removes it at the end. It drives
// the product as a user would, with the real fairlead and git programs, real HTTP load and a real MCP client, and
// asserts every step. It must not reach into the server: what it knows, it read through a face.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	os.Exit(run())
}

func run() int {
	binary := flag.String("fairlead", "build/bin/fairlead", "the fairlead program")
	example := flag.String("example", "deploy/examples/model-api", "the example project")
	keep := flag.Bool("keep", false, "keep the world after the last step, to look around")
	limit := flag.Duration("limit", 15*time.Minute, "stop after this long")
	figures := flag.String("out", "build/bench/deploy.json", "bench and eval: file of the figures")
	bundles := flag.String("bundles", "agent/eval/testdata", "eval: folder of bundles with a known answer")
	loghub := flag.String("loghub", "", "eval: folder of labelled log samples")
	only := flag.String("only", "", "eval: these scenarios alone, separated by commas")
	list := flag.Bool("list", false, "eval-faults: list the scenarios and end")
	atOnce := flag.Int("at-once", 3, "eval: scenarios side by side")
	flag.Parse()
	switch flag.Arg(0) {
	case "app":
		return serveApp()
	case "lines":
		return printLines()
	case "collect":
		return collectHere(flag.Arg(1))
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()

	switch flag.Arg(0) {
	case "bench":
		return bench(ctx, *binary, *figures, benchBlueYAML, measureOverhead)
	case "bench-logs":
		return bench(ctx, *binary, *figures, writerBlue, measureLogs)
	case "eval":
		return evaluation{binary: *binary, out: *figures, bundles: *bundles, loghub: *loghub, faults: true, only: *only, atOnce: *atOnce}.run(ctx)
	case "eval-bundles":
		return evaluation{out: *figures, bundles: *bundles, loghub: *loghub}.run(ctx)
	case "eval-faults":
		return evaluation{binary: *binary, out: *figures, faults: true, only: *only, list: *list, atOnce: *atOnce}.run(ctx)
	}
	began := time.Now()
	r := newReport(os.Stdout)
	w, err := newWorld(ctx, *binary, *example, r)
	if err != nil {
		fmt.Fprintf(os.Stderr, "the demo's world could not be made: %v\n", err)
		w.dump()
		w.close(*keep)
		return 1
	}
	for _, s := range steps {
		r.step(s.title)
		if err := s.walk(ctx, w); err != nil {
			r.fail("the step came to its end", err.Error())
			w.dump()
			break
		}
	}
	w.close(*keep)
	r.say("\ntook %s", time.Since(began).Round(time.Second))
	fmt.Printf("%d passed, %d failed\n", r.passed, r.failed)
	if r.failed > 0 || r.passed == 0 {
		return 1
	}
	return 0
}

// step is one part of the main job. walk returns an error only when going on makes no sense; what is asserted goes to
// the report.
type step struct {
	title string
	walk  func(ctx context.Context, w *world) error
}

var steps = []step{
	{"Create the project and push: both services go live", stepFirstPush},
	{"Push a good change under load: not one request fails", stepGoodChange},
	{"Push a syntax error: the build fails, the diagnosis names the line", stepSyntaxError},
	{"Push a release that needs a variable nobody set: the gate holds", stepMissingVariable},
	{"Push a release that answers 500: an incident opens by itself", stepBadRelease},
	{"An agent asks for the rollback over MCP, a human says yes", stepApproval},
	{"Kill the server mid-deploy and mid-rollback, stop Postgres: nothing is lost", stepChaos},
	{"The whole story as one timeline", stepTimeline},
}
