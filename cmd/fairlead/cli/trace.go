package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// traceFlags are what `fairlead traces` is asked.
type traceFlags struct {
	query      observability.TraceQuery
	since      string
	until      string
	attributes bool
}

func (a *app) tracesCommand() *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use: "traces [service | trace]", Short: "Show traces, or the spans of one", Args: args("[service | trace]"),
		Long: "Lists the traces of about the last hour, the newest first: all, or those that have a span of the service. With the id of a\n" +
			"trace, which the list and the field trace_id of log lines show, it draws its spans: who called whom, when and for how long.",
		Example: "  fairlead traces api --failed\n  fairlead traces --min-took 500ms --since 15m\n  fairlead traces 4bf92f3577b34da6a3ce929d0e0e4736",
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 && observability.IsTraceID(strings.ToLower(given[0])) {
				return a.showTrace(cmd.Context(), strings.ToLower(given[0]), f.attributes)
			}
			return a.listTraces(cmd.Context(), f, given)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.query.Failed, "failed", false, "only traces that have a failed span")
	flags.DurationVar(&f.query.MinTook, "min-took", 0, "only traces that took at least this long, for example 500ms")
	flags.StringVar(&f.since, "since", "", "from how long ago (15m), or from a time (2026-01-31T12:00:00Z)")
	flags.StringVar(&f.until, "until", "", "until how long ago, or until a time")
	flags.IntVarP(&f.query.Limit, "limit", "n", observability.DefaultTraceLimit, "how many traces")
	flags.StringVar(&f.query.Cursor, "cursor", "", "go on where the page before ended")
	flags.BoolVar(&f.attributes, "attributes", false, "of one trace: the attributes of each span")
	return cmd
}

func (a *app) listTraces(ctx context.Context, f traceFlags, given []string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	q := f.query
	if q.From, err = moment("since", f.since, a.Now()); err != nil {
		return err
	}
	if q.To, err = moment("until", f.until, a.Now()); err != nil {
		return err
	}
	q.Environment = a.environment
	if len(given) > 0 {
		ref, err := a.slot(ctx, c, given[0])
		if err != nil {
			return err
		}
		q.Project, q.Environment, q.Service = ref.Project, ref.Environment, ref.Service
	} else if q.Project, err = a.projectName(ctx, c); err != nil {
		return err
	}
	page, err := c.SearchTraces(ctx, q)
	if err != nil || a.json() {
		return a.result(page, err)
	}
	if len(page.Traces) == 0 {
		a.noTraces(q)
		return nil
	}
	rows := make([][]string, 0, len(page.Traces))
	for _, t := range page.Traces {
		failed := "-"
		if t.Failed > 0 {
			failed = a.out.red(strconv.Itoa(t.Failed))
		}
		rows = append(rows, []string{
			a.out.dim(stamp(t.At)), t.TraceID, took(t.Took), strconv.Itoa(t.Spans), failed, oneLine(t.Service+" "+t.Name, 40), oneLine(t.Error, 60),
		})
	}
	a.out.table([]string{"BEGAN", "TRACE", "TOOK", "SPANS", "FAILED", "WHAT", "ERROR"}, rows)
	if page.Next != "" {
		a.out.print("%s", a.out.dim("There are more: --cursor "+page.Next))
	}
	return nil
}

// noTraces says why a list may be empty.
func (a *app) noTraces(q observability.TraceQuery) {
	if q.Service != "" || q.Failed || q.MinTook > 0 || !q.From.IsZero() || !q.To.IsZero() || q.Environment != "" {
		a.out.print("No trace matches. Traces are kept for about an hour; `fairlead traces` lists them all.")
		return
	}
	a.out.print("No trace came in the last hour. Applications send them by OpenTelemetry: set OTEL_EXPORTER_OTLP_ENDPOINT to the address of the API\n" +
		"with /otlp after it, OTEL_SERVICE_NAME to the service's name, and OTEL_EXPORTER_OTLP_HEADERS to authorization=Bearer%%20<token> with a token\n" +
		"of `fairlead token create <name> --kind automation --role sender --project <project>`.")
}

// took is a duration with three digits at most.
func took(d platform.Duration) string {
	t := d.D()
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if t >= 100*unit {
			return t.Round(unit).String()
		}
		if t >= unit {
			return t.Round(unit / 100).String()
		}
	}
	return t.String()
}

func (a *app) showTrace(ctx context.Context, id string, attributes bool) error {
	detail, err := call(ctx, a, func(ctx context.Context, c *client.Client) (observability.TraceDetail, error) {
		project, err := a.projectName(ctx, c)
		if err != nil {
			return observability.TraceDetail{}, err
		}
		return c.GetTrace(ctx, project, id)
	})
	if err != nil || a.json() {
		return a.result(detail, err)
	}
	s := a.out
	s.fields("trace", s.bold(detail.TraceID), "environment", clean(detail.Environment), "began", s.when(detail.At), "took", took(detail.Took),
		"spans", spansInWords(detail))
	s.print("")
	s.tree(detail, attributes)
	return nil
}

func spansInWords(d observability.TraceDetail) string {
	text := fmt.Sprintf("%d of %s", d.Spans, oneLine(strings.Join(d.Services, ", "), 100))
	if d.Failed > 0 {
		text += fmt.Sprintf("; %d failed", d.Failed)
	}
	return text
}

// traceBar is how many columns the whole time of a trace has, and deepest how far its spans are indented.
const (
	traceBar = 40
	deepest  = 24
)

// branch is a span at its place in the tree.
type branch struct {
	*observability.Span
	lead string // the lines that lead to it
	lost bool   // its parent is not kept
}

// branches orders the spans as a tree: each after its parent, those of one parent by their beginning. Spans whose parents
// are not kept begin trees of their own, as do those of a circle.
func branches(spans []observability.Span) []branch {
	children, known := map[string][]*observability.Span{}, map[string]bool{}
	for i := range spans {
		known[spans[i].SpanID] = true
	}
	var roots []*observability.Span
	for i := range spans {
		s := &spans[i]
		if s.ParentID == "" || !known[s.ParentID] {
			roots = append(roots, s)
		} else {
			children[s.ParentID] = append(children[s.ParentID], s)
		}
	}
	var out []branch
	seen := map[string]bool{}
	var grow func(s *observability.Span, lead, below string)
	grow = func(s *observability.Span, lead, below string) {
		if seen[s.SpanID] {
			return
		}
		seen[s.SpanID] = true
		out = append(out, branch{Span: s, lead: lead, lost: s.ParentID != "" && !known[s.ParentID]})
		of := children[s.SpanID]
		for i, child := range of {
			turn, on := "├ ", "│ "
			if i == len(of)-1 {
				turn, on = "└ ", "  "
			}
			if width(below) >= deepest {
				turn, on = "", ""
			}
			grow(child, below+turn, below+on)
		}
	}
	for _, s := range roots {
		grow(s, "", "")
	}
	for i := range spans {
		grow(&spans[i], "", "")
	}
	return out
}

// tree draws the spans of a trace, and below them what failed.
func (s *screen) tree(d observability.TraceDetail, attributes bool) {
	rows := [][]string{}
	all := branches(d.Tree)
	for _, b := range all {
		name := b.lead + oneLine(b.Name, 44)
		bar := spanBar(b.Span, d)
		if b.Failed {
			name, bar = b.lead+s.red(oneLine(b.Name, 44)), s.red(bar)
		}
		rows = append(rows, []string{name, oneLine(b.Service, 24), string(b.Kind), took(b.Took), bar})
	}
	s.table([]string{"SPAN", "SERVICE", "KIND", "TOOK", ""}, rows)
	lost := 0
	for _, b := range all {
		if b.lost {
			lost++
		}
		if b.Failed && b.Error != "" {
			s.print("\n%s %s", s.red("failed"), s.bold(oneLine(b.Service+" "+b.Name, 100)))
			s.block(clean(platform.Truncate(b.Error, 2000)), 2)
		}
	}
	if attributes {
		for _, b := range all {
			s.attributes(b.Span)
		}
	}
	if lost > 0 {
		s.print("\n%s", s.dim("Spans whose parent did not come: "+strconv.Itoa(lost)+"."))
	}
}

// attributes writes what a span says of itself.
func (s *screen) attributes(span *observability.Span) {
	if len(span.Attributes) == 0 {
		return
	}
	s.print("\n%s", s.bold(oneLine(span.Service+" "+span.Name, 100)))
	keys := make([]string, 0, len(span.Attributes))
	for key := range span.Attributes {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	pairs := []string{}
	for _, key := range keys {
		pairs = append(pairs, "  "+oneLine(key, 60), clean(span.Attributes[key]))
	}
	s.fields(pairs...)
}

// spanBar is when a span was within its trace: what is there is seen, however short.
func spanBar(span *observability.Span, d observability.TraceDetail) string {
	whole := max(d.Took.D(), 1)
	from := int(int64(span.At.Sub(d.At)) * traceBar / int64(whole))
	from = min(max(from, 0), traceBar-1)
	length := int((int64(span.Took)*traceBar + int64(whole) - 1) / int64(whole))
	length = min(max(length, 1), traceBar-from)
	return strings.Repeat(" ", from) + strings.Repeat("█", length)
}
