package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/client"
)

// logFilter chooses lines, for every verb about logs.
type logFilter struct {
	query    observability.LogQuery
	services string
	levels   []string
	minLevel string
	fields   []string
	since    string
	until    string
	build    bool
}

func (f *logFilter) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.since, "since", "", "from how long ago (15m), or from a time (2026-01-31T12:00:00Z)")
	flags.StringVar(&f.until, "until", "", "until how long ago, or until a time")
	flags.StringVar(&f.services, "service", "", "only of this service")
	flags.StringSliceVar(&f.levels, "level", nil, "only these levels: debug, info, warn, error, fatal")
	flags.StringVar(&f.minLevel, "min-level", "", "only this level and graver ones")
	flags.StringVar(&f.query.Text, "grep", "", "lines that contain this")
	flags.StringVar(&f.query.Regex, "regex", "", "lines that match this expression (RE2)")
	flags.BoolVarP(&f.query.IgnoreCase, "ignore-case", "i", false, "--grep, or --regex, in any case")
	flags.StringArrayVar(&f.fields, "field", nil, "lines whose field has this value: name=value; may be repeated")
	flags.IntVar(&f.query.Release, "release", 0, "only of this release number")
	flags.StringVar(&f.query.Instance, "instance", "", "only of this instance")
	flags.StringVar(&f.query.Deploy, "deploy", "", "only of this deploy, its build included")
	flags.StringVar(&f.query.Source, "source", "", "only from there: runtime, build, pre-deploy, fairlead")
	flags.BoolVar(&f.build, "build", false, "only build output")
}

// logQuery completes the flags by the target and checks what the server would not be told.
func (a *app) logQuery(ctx context.Context, c *client.Client, f logFilter, given []string) (observability.LogQuery, error) {
	q, err := f.chosen(a.Now())
	if err != nil {
		return q, err
	}
	target := f.services
	if len(given) > 0 {
		if target != "" && target != given[0] {
			return q, platform.Errorf(platform.CodeInvalid, "Two services are named: %s and %s.", given[0], target).WithHint("Leave out --service.")
		}
		target = given[0]
	}
	q.Environment = a.environment
	switch {
	case target != "":
		ref, err := a.slot(ctx, c, target)
		q.Project, q.Environment, q.Service = ref.Project, firstOf(ref.Environment, platform.ProductionName), ref.Service
		return q, err
	case q.Deploy != "":
		d, err := c.GetDeploy(ctx, platform.DeployID(q.Deploy))
		q.Project = d.Project
		return q, err
	}
	q.Project, err = a.projectName(ctx, c)
	return q, err
}

// chosen is the part of the query that the flags say alone.
func (f logFilter) chosen(now time.Time) (observability.LogQuery, error) {
	q := f.query
	invalid := func(field, message, hint string) (observability.LogQuery, error) {
		return q, platform.Errorf(platform.CodeInvalid, "%s", message).WithHint("%s", hint).WithField(field)
	}
	for _, l := range f.levels {
		q.Levels = append(q.Levels, observability.Level(strings.ToLower(l)))
	}
	if f.minLevel != "" {
		level := observability.Level(strings.ToLower(f.minLevel))
		switch {
		case len(q.Levels) > 0:
			return invalid("min-level", "--level and --min-level cannot be given together.", "Give one of them.")
		case !level.Valid():
			return invalid("min-level", "There is no level \""+f.minLevel+"\".", "Use debug, info, warn, error or fatal.")
		}
		q.Levels = observability.AtLeast(level)
	}
	for _, field := range f.fields {
		name, value, found := strings.Cut(field, "=")
		if !found || name == "" {
			return invalid("field", "--field cannot be \""+field+"\".", "Write name=value, for example --field user=ada.")
		}
		if q.Fields == nil {
			q.Fields = map[string]string{}
		}
		q.Fields[name] = value
	}
	if f.build {
		if q.Source != "" && q.Source != observability.SourceBuild {
			return invalid("source", "--build and --source "+q.Source+" contradict each other.", "Leave one of them out.")
		}
		q.Source = observability.SourceBuild
	}
	var err error
	if q.From, err = moment("since", f.since, now); err != nil {
		return q, err
	}
	q.To, err = moment("until", f.until, now)
	return q, err
}

// moment reads a point in time: how long ago, or RFC 3339.
func moment(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	return time.Time{}, platform.Errorf(platform.CodeInvalid, "--%s cannot be %q.", flag, s).
		WithHint("Write how long ago, for example 15m, or a time, for example 2026-01-31T12:00:00Z.").WithField(flag)
}
