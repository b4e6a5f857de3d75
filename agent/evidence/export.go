package evidence

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/platform"
)

var (
	recordHead   = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z) (\S*) `)
	stampHead    = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z) `)
	eventLine    = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2}T\S+Z) (\S+) by (.*?) (\S*): (.*)$`)
	releaseWord  = regexp.MustCompile(`\brelease v(\d+)\b`)
	readyOf      = regexp.MustCompile(`^(.+): (\d+) of (\d+) instances ready$`)
	probeOutcome = regexp.MustCompile(`^(passed|failed)(?: status (\d+))?(?: (.*))?$`)
)

// Export turns an incident with its frozen evidence into a bundle: what was read then, and nothing read since, so that the
// folder explains the same incident. Texts are as they were frozen, redacted.
func Export(in platform.IncidentDetail) bundle.Written {
	x := exporter{in: in}
	x.out.Incident = bundle.Incident{
		ID: string(in.ID), Title: in.Title, Service: in.Service, Signal: string(in.Signal), DetectedAt: in.OpenedAt,
	}
	for _, e := range in.Evidence {
		switch e.Kind {
		case platform.EvidenceLogs, platform.EvidenceBuildLog:
			x.logs(e)
		case platform.EvidenceInstance:
			x.instance(e)
		case platform.EvidenceProbes:
			x.probes(e)
		case platform.EvidenceCommit:
			x.commit(e)
		case platform.EvidenceEvents:
			x.events(e)
		default:
		}
	}
	return x.out
}

type exporter struct {
	in  platform.IncidentDetail
	out bundle.Written
}

// logs parts an item into its records: each begins with its time, and lines without one belong to the record before.
func (x *exporter) logs(e platform.Evidence) {
	release, level := x.in.ReleaseNumber, ""
	if m := releaseWord.FindStringSubmatch(e.Title); m != nil {
		release = number(m[1])
	}
	if strings.HasPrefix(e.Title, "Errors") || e.Kind == platform.EvidenceBuildLog {
		level = "error"
	}
	if e.Kind == platform.EvidenceBuildLog {
		for line := range strings.SplitSeq(e.Excerpt, "\n") {
			x.out.Lines = append(x.out.Lines, bundle.Line{At: x.in.OpenedAt.Add(-time.Second), Service: x.in.Service, Level: level, Text: line})
		}
		return
	}
	first := len(x.out.Lines)
	for line := range strings.SplitSeq(e.Excerpt, "\n") {
		m := recordHead.FindStringSubmatch(line)
		if m == nil {
			if n := len(x.out.Lines); n > first {
				x.out.Lines[n-1].Text += "\n" + line
				x.out.Lines[n-1].Level = "error" // only a stack trace has lines of its own
			}
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, m[1])
		if err != nil {
			continue
		}
		x.out.Lines = append(x.out.Lines, bundle.Line{
			At: at, Service: x.in.Service, Instance: m[2], Release: bundle.ReleaseName(release), Level: level, Text: line[len(m[0]):],
		})
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func (x *exporter) instance(e platform.Evidence) {
	lines := strings.Split(e.Excerpt, "\n")
	if !strings.HasPrefix(lines[0], "instance ") {
		for _, line := range lines {
			if m := readyOf.FindStringSubmatch(line); m != nil {
				state := "running"
				if m[2] == "0" {
					state = "exited"
				}
				x.out.Instances = append(x.out.Instances, bundle.Instance{Service: m[1], Instance: m[1], State: state})
			}
		}
		return
	}
	in := bundle.Instance{Service: x.in.Service, Release: bundle.ReleaseName(x.in.ReleaseNumber)}
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "instance":
			in.Instance, _, _ = strings.Cut(rest, " ")
			if m := releaseWord.FindStringSubmatch(line); m != nil {
				in.Release = "v" + m[1]
			}
			if _, state, ok := strings.Cut(line, ", state "); ok {
				in.State, _, _ = strings.Cut(state, ",")
			}
			if _, restarts, ok := strings.Cut(line, ", restarts "); ok {
				in.Restarts = number(restarts)
			}
		case "started":
			in.StartedAt = timeIn(rest)
		case "ended":
			in.FinishedAt = timeIn(rest)
		case "exit":
			code := number(strings.TrimPrefix(rest, "code "))
			in.ExitCode = &code
		case "OOMKilled":
			in.OOMKilled = rest == "true"
		case "stopped":
			in.StoppedBy = "fairlead"
		case "reason:":
			in.Reason = rest
		}
	}
	if in.Instance != "" {
		x.out.Instances = append(x.out.Instances, in)
	}
}

func timeIn(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (x *exporter) probes(e platform.Evidence) {
	instance := strings.TrimPrefix(e.Source, "probes:")
	for line := range strings.SplitSeq(e.Excerpt, "\n") {
		m := stampHead.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		o := probeOutcome.FindStringSubmatch(line[len(m[0]):])
		if o == nil {
			continue
		}
		x.out.Probes = append(x.out.Probes, bundle.Probe{At: timeIn(m[1]), Service: x.in.Service, Instance: instance, OK: o[1] == "passed", Status: number(o[2]), Error: o[3]})
	}
}

// commit reads the item of a commit: its head, its message, and its diff from the first line of one on.
func (x *exporter) commit(e platform.Evidence) {
	head, diff, _ := strings.Cut(e.Excerpt, "\ndiff --git ")
	if diff != "" {
		diff = "diff --git " + diff
	}
	c := bundle.Change{Kind: string(platform.ChangeCommit), Service: x.in.Service, Diff: diff}
	var message []string
	for i, line := range strings.Split(head, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case i == 0 && word == "commit":
			c.ID = rest
		case i == 1 && word == "author":
			c.Author = rest
		case i == 2 && word == "date":
			c.At = timeIn(rest)
		default:
			message = append(message, line)
		}
	}
	c.Message = strings.TrimSpace(strings.Join(message, "\n"))
	if c.ID != "" {
		x.out.Changes = append(x.out.Changes, c)
	}
}

// events reads the deploy, and the changes among the events.
func (x *exporter) events(e platform.Evidence) {
	if id, ok := strings.CutPrefix(e.Source, "deploy:"); ok {
		d := bundle.Change{At: e.From, Kind: string(platform.ChangeDeploy), ID: id, Service: x.in.Service, Release: bundle.ReleaseName(x.in.ReleaseNumber)}
		for line := range strings.SplitSeq(e.Excerpt, "\n") {
			if rest, ok := strings.CutPrefix(line, "commit "); ok {
				d.Commit, d.Message, _ = strings.Cut(rest, " ")
			}
			if rest, ok := strings.CutPrefix(line, "failed in "); ok { // the engine's own words
				x.out.Lines = append(x.out.Lines, bundle.Line{At: x.in.OpenedAt.Add(-time.Second), Service: x.in.Service, Release: d.Release, Level: "error", Text: rest})
			}
		}
		if !d.At.IsZero() {
			x.out.Changes = append(x.out.Changes, d)
		}
		return
	}
	for i, line := range strings.Split(e.Excerpt, "\n") {
		m := eventLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		kind, ok := changeKinds[platform.EventKind(m[2])]
		if !ok || kind == platform.ChangeInfra {
			continue
		}
		x.out.Changes = append(x.out.Changes, bundle.Change{
			At: timeIn(m[1]), Kind: string(kind), ID: x.eventID(timeIn(m[1]), m[5], i), Service: x.in.Service, Author: m[3], Message: m[5],
		})
	}
}

// eventID finds the id of an event among those of the incident, which the frozen line does not hold.
func (x *exporter) eventID(at time.Time, summary string, line int) string {
	if d := x.in.Diagnosis; d != nil {
		for _, c := range d.Causes {
			if c.Change != nil && c.Change.At.Truncate(time.Millisecond).Equal(at) {
				return c.Change.ID
			}
		}
	}
	for _, e := range x.in.Events {
		if e.At.Truncate(time.Millisecond).Equal(at) && strings.HasPrefix(e.Summary, summary) {
			return string(e.ID)
		}
	}
	return fmt.Sprintf("%s-event-%d", x.in.ID, line+1)
}
